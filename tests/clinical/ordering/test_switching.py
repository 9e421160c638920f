"""A draft of another drug while a caveat weakens the progression on the latest line."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Final

import charts
import pytest
from clinical.ordering.drafted import assessed, draft, told, warned
from fixtures.stories import STORIES, Story

from cds_service.clinical.advice import EarlierCards, Override
from cds_service.clinical.ordering.switching import WEAKENING, weakening

BY_SLUG: Final = {story.slug: story for story in STORIES}


def of_story(slug: str, *drugs: str, **more: Any) -> Any:
    story: Story = BY_SLUG[slug]
    subject = {"reference": f"Patient/{slug}"}
    drafts = [draft(drug, id=f"r{n}", subject=subject) for n, drug in enumerate(drugs)]
    extra = [{**one, "subject": subject} for one in more.pop("beside", ())]
    return warned(story.resources, *drafts, *extra, **{"as_of": story.as_of, **more})


@pytest.mark.parametrize(
    ("slug", "drug", "caveat", "advice"),
    [
        pytest.param("lung-pseudo", "docetaxel", "pseudoprogression-possible",
                     ["confirm-progression"], id="may be pseudoprogression"),
        pytest.param("lung-sbrt", "docetaxel", "limited-progression", ["restage"], id="few sites"),
        pytest.param("breast-mixed", "fulvestrant", "mixed-response",
                     ["confirm-progression", "restage"], id="findings both ways"),
        pytest.param("cml-access", "ponatinib", "adherence",
                     ["adherence-review", "confirm-progression"], id="tablets that were missing"),
        pytest.param("colon-early", "irinotecan", "assessment-too-early", ["confirm-progression"],
                     id="assessed too early"),
        pytest.param("ovary-ca125", "gemcitabine", "unconfirmed", ["confirm-progression"],
                     id="a marker once"),
    ],
)  # fmt: skip
def test_the_caveat_is_named_with_the_advice_that_could_settle_it(
    slug: str, drug: str, caveat: str, advice: list[str]
) -> None:
    (warning,) = of_story(slug, drug)
    assert told([warning]) == [("doubtful-switch", warning.judged.line.number, [drug])]
    assert warning.caveats[0] == caveat
    assert [one.kind for one in warning.live_advice] == advice


def on_chemotherapy(since: str, **of_condition: Any) -> list[dict[str, Any]]:
    """Colorectal cancer that progressed on 2 November on what goes on since."""
    return [
        charts.patient(),
        charts.condition("colorectal", onset="2025-12-01", stage="4", **of_condition),
        *(charts.order(drug, since) for drug in ("fluorouracil", "oxaliplatin")),
        charts.disease_status("progression", "2026-11-02", by="imaging"),
    ]


@pytest.mark.parametrize(
    ("chart", "caveat", "advice"),
    [
        pytest.param(
            on_chemotherapy("2026-10-12"), "inadequate-exposure", ["confirm-progression"],
            id="three weeks of it",
        ),
        pytest.param(
            on_chemotherapy("2026-05-12", verification="provisional"), "diagnosis-unclarified",
            ["biopsy"], id="the diagnosis is not settled",
        ),
    ],
)  # fmt: skip
def test_further_caveats(chart: list[dict[str, Any]], caveat: str, advice: list[str]) -> None:
    (warning,) = warned(chart, draft("irinotecan"))
    assert warning.caveats[0] == caveat
    assert [one.kind for one in warning.live_advice] == advice
    assert told([warning]) == [("doubtful-switch", 1, ["irinotecan"])]


def test_a_progression_without_a_caveat_is_no_doubt() -> None:
    assert told(warned(on_chemotherapy("2026-05-12"), draft("irinotecan"))) == []


@pytest.mark.parametrize(
    "slug",
    ["mm-vgpr", "colon-stable", "lung-reversal", "prostate-pain", "history-only", "no-cancer",
     "ovary-intolerance", "mm-relapse", "lung-provisional", "colon-onecycle"],
)  # fmt: skip
def test_where_nothing_is_weakened_or_the_line_is_over_nothing_is_said(slug: str) -> None:
    for drug in ("docetaxel", "carfilzomib", "irinotecan", "gemcitabine"):
        assert told(of_story(slug, drug)) == []


@pytest.mark.parametrize(
    ("drug", "is_said"),
    [
        pytest.param("irinotecan", True, id="another drug"),
        pytest.param("oxaliplatin", False, id="a drug of the line"),
        pytest.param("capecitabine", False, id="what takes the place of a drug of the line"),
        pytest.param("enzalutamide", False, id="of no use against this cancer"),
        pytest.param("dexamethasone", False, id="a corticosteroid"),
        pytest.param("methotrexate", False, id="a drug with other uses"),
    ],
)
def test_only_an_agent_that_the_line_does_not_have_is_a_switch(drug: str, is_said: bool) -> None:
    assert {"oxaliplatin", "fluorouracil"} <= set(
        assessed(BY_SLUG["colon-early"].resources, BY_SLUG["colon-early"].as_of)
        .cancers[0].judged[-1].line.agents
    )  # fmt: skip
    assert bool(told(of_story("colon-early", drug))) is is_said


def unconfirmed(end: str | None = None, *more: dict[str, Any]) -> list[dict[str, Any]]:
    """One M-protein above the lowest on daratumumab; with `end`, no more of it since."""
    return [
        charts.patient(),
        charts.condition("multiple-myeloma", onset="2024-12-01"),
        charts.order("daratumumab", "2025-01-05", end),
        charts.order("dexamethasone", "2025-01-05", end),
        charts.marker("m-protein", "2025-01-02", 4.0),
        charts.marker("m-protein", "2025-06-02", 1.0),
        charts.marker("m-protein", "2025-07-02", 1.0),
        charts.marker("m-protein", "2025-10-20", 2.0),
        *more,
    ]


@pytest.mark.parametrize(
    ("end", "on", "is_said"),
    [
        pytest.param(None, "2025-11-21", True, id="ongoing"),
        pytest.param("2025-10-24", "2025-11-21", True, id="ended 28 days ago"),
        pytest.param("2025-10-24", "2025-11-22", False, id="ended 29 days ago"),
    ],
)
def test_a_line_counts_as_the_present_one_up_to_28_days_after_it(
    end: str | None, on: str, is_said: bool
) -> None:
    found = warned(unconfirmed(end), draft("carfilzomib"), as_of=date.fromisoformat(on))
    assert bool(told(found)) is is_said


@pytest.mark.parametrize(
    ("days", "word"),
    [pytest.param(365, None, id="day 365"), pytest.param(366, "stale", id="day 366")],
)
def test_evidence_of_more_than_a_year_ago_is_too_old(days: int, word: str | None) -> None:
    on = date(2025, 10, 20) + timedelta(days=days)
    (warning,) = warned(unconfirmed(), draft("carfilzomib"), as_of=on)
    assert [one.silence.word for one in warning.named] == [word]


def test_a_confirmed_progression_is_a_rechallenge_and_no_doubtful_switch() -> None:
    chart = unconfirmed(None, charts.marker("m-protein", "2025-11-10", 2.4))
    on = date(2025, 11, 21)
    assert told(warned(chart, draft("carfilzomib"), as_of=on)) == []
    assert told(warned(chart, draft("daratumumab"), as_of=on)) == [
        ("rechallenge", 1, ["daratumumab"])
    ]


@pytest.mark.parametrize(
    ("patient", "word"),
    [
        pytest.param(charts.patient(deceased=True), "deceased", id="S1"),
        pytest.param(charts.patient(), None, id="alive"),
    ],
)
def test_who_has_died_gets_no_card(patient: dict[str, Any], word: str | None) -> None:
    chart = [patient, *unconfirmed()[1:]]
    (warning,) = warned(chart, draft("carfilzomib"), as_of=date(2025, 11, 21))
    assert [one.silence.word for one in warning.named] == [word]


def test_no_child_gets_one_by_a_definition_made_for_adults() -> None:
    chart = [charts.patient(born="2009-01-01"), *unconfirmed()[1:]]
    assert warned(chart, draft("carfilzomib"), as_of=date(2025, 11, 21)) == ()


CT: Final = {
    "resourceType": "ServiceRequest",
    "id": "ct",
    "status": "draft",
    "code": {"coding": [{"system": "http://snomed.info/sct", "code": "418023006"}]},
}
BIOPSY: Final = {**CT, "id": "biopsy", "code": {"text": "Biopsy of liver"}}


@pytest.mark.parametrize(
    ("beside", "live"),
    [
        pytest.param([], ["confirm-progression", "restage"], id="nothing"),
        pytest.param([CT], [], id="the scan itself"),
        pytest.param([BIOPSY], ["confirm-progression", "restage"], id="another study"),
        pytest.param(
            [{**CT, "status": "cancelled"}], ["confirm-progression", "restage"], id="taken back"
        ),
    ],
)
def test_what_the_same_drafts_order_is_not_suggested_again(
    beside: list[dict[str, Any]], live: list[str]
) -> None:
    (warning,) = of_story("breast-mixed", "fulvestrant", beside=beside)
    assert [one.kind for one in warning.live_advice] == live
    assert warning.shown, "the doubt is said all the same"


def test_what_a_clinician_set_aside_is_silent() -> None:
    on = date(2025, 11, 21)
    aside = Override("Condition/multiple-myeloma", 1, "doubtful-switch", on, on)
    chart = unconfirmed()
    for kind, word in (("doubtful-switch", "overridden"), ("restage", None)):
        earlier = EarlierCards((Override(aside.condition, 1, kind, on, on),))
        (warning,) = warned(chart, draft("carfilzomib"), as_of=on, earlier=earlier)
        assert [one.silence.word for one in warning.named] == [word]


def test_every_caveat_that_weakens_is_one_of_the_contract_and_others_do_not() -> None:
    assert len(set(WEAKENING)) == 9
    story = BY_SLUG["mm-len"]
    (cancer,) = assessed(story.resources, story.as_of).cancers
    assert weakening(cancer.judged[-1]) == ()


def test_a_draft_for_the_other_of_two_cancers_says_nothing_of_this_one() -> None:
    chart = [
        *unconfirmed(),
        charts.condition("breast", onset="2025-02-01"),
        charts.order("cyclophosphamide", "2025-10-01", reason="breast"),
    ]
    on = date(2025, 11, 21)
    assert told(warned(chart, draft("carfilzomib"), as_of=on)) != []
    assert told(warned(chart, draft("cyclophosphamide"), as_of=on)) == []
