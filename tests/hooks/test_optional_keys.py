"""What each of the optional keys is asked for: with it a card says something else, or is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import charts
import pytest

from hooks.calls import REQUIRED, TYPE_OF, Resource, call, prefetch_of
from hooks.serving import EHR, Served, serving

SUBJECT = {"reference": "Patient/p1"}
LENALIDOMIDE = {
    "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "342369"}]
}


def refractory(*therapy: Resource) -> list[Resource]:
    """A myeloma that progresses under whatever therapy the chart knows of."""
    return [
        charts.patient(),
        charts.condition("multiple-myeloma", onset="2025-12-01"),
        *therapy,
        charts.disease_status("stable", "2026-05-02", by="imaging"),
        charts.disease_status("progression", "2026-11-02", by="imaging"),
    ]


def ordered() -> list[Resource]:
    return refractory(charts.order("lenalidomide", "2026-01-05"))


def kinds_of(card: dict[str, Any]) -> list[str]:
    advice: list[str] = card["extension"]["org.refractory-cds"]["advice"]
    return advice


def ct(on: str) -> Resource:
    return {"resourceType": "ImagingStudy", "id": "is1", "status": "available", "subject": SUBJECT,
            "started": on, "modality": [{"code": "CT"}],
            "description": "CT whole body"}  # fmt: skip


def on_trial() -> list[Resource]:
    study = {"reference": "ResearchStudy/s1"}
    return [
        {"resourceType": "ResearchSubject", "id": "rs1", "status": "on-study",
         "individual": SUBJECT, "study": study},
        {"resourceType": "ResearchStudy", "id": "s1", "status": "active",
         "condition": [{"text": "multiple myeloma"}]},
    ]  # fmt: skip


async def answer(served: Served, keys: tuple[str, ...]) -> list[dict[str, Any]]:
    """The cards of a call that prefetches nothing of these keys, and null for all the others."""
    body = call(dict.fromkeys(key for key in TYPE_OF if key not in keys), fhirServer=EHR)
    cards: list[dict[str, Any]] = (await served.hook(body)).json()["cards"]
    return cards


def drug_is_known(cards: list[dict[str, Any]]) -> bool:
    return any("lenalidomide" in card["summary"] + card["detail"] for card in cards)


def asks_for_images(cards: list[dict[str, Any]]) -> bool:
    return any("restage" in kinds_of(card) for card in cards)


def suggests_a_trial(cards: list[dict[str, Any]]) -> bool:
    return any("trial-referral" in kinds_of(card) for card in cards)


@pytest.mark.parametrize(
    ("key", "chart", "question", "without", "having"),
    [
        pytest.param(
            "medicationDispenses",
            refractory(
                *(charts.dispensed("lenalidomide", f"2026-{m:02}-05") for m in range(1, 12))
            ),
            drug_is_known, False, True,
            id="tablets known by their supplies alone",
        ),
        pytest.param(
            "medicationStatements",
            refractory(charts.stated("lenalidomide", "2026-01-05")),
            drug_is_known, False, True,
            id="tablets known by what the patient says alone",
        ),
        pytest.param(
            "imagingStudies", [*ordered(), ct("2026-11-10")],
            asks_for_images, True, False,
            id="images that are there already",
        ),
        pytest.param(
            "researchSubjects", [*ordered(), *on_trial()],
            suggests_a_trial, True, False,
            id="a trial the patient is in",
        ),
    ],
)  # fmt: skip
async def test_an_optional_key_changes_what_is_said(
    tmp_path: Path,
    key: str,
    chart: list[Resource],
    question: Callable[[list[dict[str, Any]]], bool],
    without: bool,
    having: bool,
) -> None:
    with serving(tmp_path, chart=chart) as served:
        assert question(await answer(served, REQUIRED)) is without
        assert question(await answer(served, (*REQUIRED, key))) is having


async def test_an_allergy_to_contrast_medium_takes_the_code_from_an_order_of_images(
    tmp_path: Path,
) -> None:
    allergy = {"resourceType": "AllergyIntolerance", "id": "a1", "patient": SUBJECT,
               "code": {"text": "iohexol"}}  # fmt: skip
    with serving(tmp_path, chart=[*ordered(), allergy]) as served:
        (without,) = await answer(served, REQUIRED)
        (having,) = await answer(served, (*REQUIRED, "allergyIntolerances"))
    assert "allergy" not in without["detail"].lower()
    assert "allergy" in having["detail"].lower()


async def test_a_sample_of_marrow_that_is_there_answers_a_biopsy(tmp_path: Path) -> None:
    sample = {"resourceType": "Specimen", "id": "sp1", "subject": SUBJECT,
              "type": {"coding": [{"code": "119359002"}]},
              "collection": {"collectedDateTime": "2026-11-10"}}  # fmt: skip
    blood = sample | {"id": "sp2", "type": {"coding": [{"code": "119297000"}]}}
    with serving(tmp_path, chart=[*ordered(), sample, blood]) as served:
        await answer(served, (*REQUIRED, "specimens"))
        used = served.last()["inputsByType"]
        assert used["Specimen"] == 1
        (asked,) = (r for r in served.wire.asked if r.url.path.endswith("/Specimen"))
        assert asked.url.params["type"] == "119359002,119376003,258415003"


async def test_a_trial_for_something_else_leaves_the_referral(tmp_path: Path) -> None:
    """What a trial is about stands in its ResearchStudy, which is read where it is pointed at."""
    subject, study = on_trial()
    other = study | {"condition": [{"text": "melanoma"}]}
    keys = (*REQUIRED, "researchSubjects")
    with serving(tmp_path, chart=[*ordered(), subject, other]) as served:
        assert suggests_a_trial(await answer(served, keys))
        assert served.wire.kinds.count("ResearchStudy") == 1


async def test_a_full_prefetch_with_a_trial_is_completed_by_what_the_trial_is_about(
    tmp_path: Path,
) -> None:
    subject, study = on_trial()
    with serving(tmp_path, chart=[study]) as served:
        body = call(prefetch_of([*ordered(), subject]), fhirServer=EHR)
        cards = (await served.hook(body)).json()["cards"]
        assert served.wire.kinds == ["ResearchStudy"]
        assert not suggests_a_trial(cards)
