"""Every card of every fixture patient, and of charts made to strain one, against the rules."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import charts
import pytest
from fixtures.stories import STORIES, Story

from hooks.calls import KEY_OF, KEYS, bundle, call, myeloma, prefetch_of
from hooks.card_rules import OURS, faults_of
from hooks.serving import NOON, Served, knowledge, serving

ID = "0e2c7a9f-5b1d-4c3e-8f60-9a7b6c5d4e3f"


class Today:
    """The day on which the service believes to be."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture(scope="module")
def dated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Today]]:
    today = Today()
    with serving(tmp_path_factory.mktemp("dated"), clock=today) as served:
        yield served, today


def call_of(story: Story) -> dict[str, Any]:
    """The chart of a fixture patient as prefetch; types without a key come along as they may."""
    known = [r for r in story.resources if r["resourceType"] in KEY_OF]
    prefetch = prefetch_of(known)
    prefetch["medicationRequests"]["entry"] += [
        {"resource": r} for r in story.resources if r["resourceType"] not in KEY_OF
    ]
    body = call(prefetch)
    body["context"]["patientId"] = prefetch["patient"]["id"]
    body["context"]["encounterId"] = "e1"
    return body


@pytest.mark.parametrize("story", [pytest.param(story, id=story.slug) for story in STORIES])
async def test_the_cards_of_a_fixture_patient_break_no_rule(
    dated: tuple[Served, Today], story: Story
) -> None:
    served, today = dated
    today.now = datetime.combine(story.as_of, time(12), UTC)
    answer = await served.hook(call_of(story))
    assert answer.status_code == 200, answer.text
    decision = served.last()
    assert faults_of(answer.json(), decision["decisionId"]) == []
    assert len(answer.json()["cards"]) == story.expect["cards"]
    assert [card["uuid"] for card in answer.json()["cards"]] == [
        card["uuid"] for card in decision.get("cards", ())
    ]


async def test_the_fixtures_show_both_indicators_and_every_kind_of_advice_but_few(
    dated: tuple[Served, Today],
) -> None:
    """Else the rules above would be tried on cards of one sort only."""
    served, today = dated
    advice, statuses = set(), set()
    for story in STORIES:
        today.now = datetime.combine(story.as_of, time(12), UTC)
        for card in (await served.hook(call_of(story))).json()["cards"]:
            advice |= set(card["extension"][OURS]["advice"])
            statuses.add(card["extension"][OURS]["status"])
    assert len(advice) >= 5
    assert {"possible-refractory", "progressing", "relapsed", "indeterminate"} <= statuses


# --- ids ----------------------------------------------------------------------------------------


async def test_the_same_decision_always_gives_the_same_bytes(tmp_path: Path) -> None:
    """The ids of cards and suggestions are derived from the decision's."""
    answers = []
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        with serving(folder, new_id=lambda: ID) as served:
            answers.append((await served.hook(call(prefetch_of(myeloma())))).content)
    assert answers[0] == answers[1]


async def test_two_decisions_share_no_id(served: Served) -> None:
    names: list[str] = []
    for _ in range(3):
        (card,) = (await served.hook(call(prefetch_of(myeloma())))).json()["cards"]
        names += [card["uuid"], *(s["uuid"] for s in card["suggestions"])]
    assert len(set(names)) == len(names)


async def test_the_order_of_the_resources_changes_nothing_of_a_card(served: Served) -> None:
    prefetch = prefetch_of(myeloma())
    turned = copy.deepcopy(prefetch)
    for value in turned.values():
        value.get("entry", []).reverse()
    there = (await served.hook(call(prefetch))).json()["cards"]
    back = (await served.hook(call(turned))).json()["cards"]
    for one, other in zip(there, back, strict=True):
        assert (one["summary"], one["detail"]) == (other["summary"], other["detail"])


# --- charts that strain a card ------------------------------------------------------------------

DRUGS = (
    "lenalidomide", "dexamethasone", "bortezomib", "daratumumab", "carfilzomib", "pomalidomide",
    "melphalan", "cyclophosphamide", "doxorubicin", "etoposide", "cisplatin", "vincristine",
)  # fmt: skip


def of_many_drugs() -> list[dict[str, Any]]:
    orders = [charts.order(drug, "2026-01-05") for drug in DRUGS]
    return [r for r in myeloma() if not r["resourceType"].startswith("Medication")] + orders


def of_long_names() -> list[dict[str, Any]]:
    """Every text and name three hundred characters long."""
    long = "Hieronymus-Carl-Friedrich " * 12
    chart = myeloma()
    for resource in chart:
        for member in ("code", "valueCodeableConcept", "medicationCodeableConcept"):
            if member in resource:
                resource[member]["text"] = long
        if resource["resourceType"] == "Patient":
            resource["name"] = [{"family": long, "given": [long] * 9}]
        if resource["resourceType"] == "Observation":
            resource["bodySite"] = {"text": long}
    return chart


def without_ids() -> list[dict[str, Any]]:
    """A chart that has not been on a server yet."""
    return [
        {name: value for name, value in r.items() if name != "id"}
        if r["resourceType"] != "Patient"
        else r
        for r in myeloma()
    ]


def of_two_cancers() -> list[dict[str, Any]]:
    chart = myeloma()
    for resource in chart:
        if resource["resourceType"] == "Observation":
            resource["focus"] = [{"reference": "Condition/multiple-myeloma"}]
    return [
        *chart,
        charts.condition("nsclc", onset="2025-06-01", stage="4"),
        charts.order("pembrolizumab", "2026-03-02", reason="nsclc"),
        charts.disease_status("progression", "2026-10-30", by="imaging", cancer="nsclc"),
    ]


def of_much_evidence() -> list[dict[str, Any]]:
    days = [f"2026-{month:02d}-{day:02d}" for month in range(2, 11) for day in (1, 8, 15, 22)]
    return [*myeloma(), *(charts.disease_status("stable", day, id=f"s{day}") for day in days)]


def of_a_study_drug() -> list[dict[str, Any]]:
    chart = [r for r in myeloma() if not r["resourceType"].startswith("Medication")]
    study = charts.order("lenalidomide", "2026-01-05", id="study")
    study["medicationCodeableConcept"] = {"text": "Investigational drug ABC-123 or placebo"}
    return [*chart, study]


STRAINS = [of_many_drugs, of_long_names, without_ids, of_two_cancers, of_much_evidence]


@pytest.mark.parametrize("chart", [pytest.param(make, id=make.__name__) for make in STRAINS])
async def test_the_cards_of_a_chart_that_strains_them_break_no_rule(
    served: Served, chart: Any
) -> None:
    answer = await served.hook(call(prefetch_of(chart())))
    assert answer.status_code == 200, answer.text
    assert answer.json()["cards"]
    assert faults_of(answer.json(), served.last()["decisionId"]) == []


async def test_a_study_drug_breaks_no_rule_either(served: Served) -> None:
    answer = await served.hook(call(prefetch_of(of_a_study_drug())))
    assert faults_of(answer.json()) == []


async def test_entries_without_ids_are_named_by_their_urn_and_no_draft_points_at_them(
    served: Served,
) -> None:
    prefetch = prefetch_of(without_ids())
    for key in KEYS[1:]:
        for number, entry in enumerate(prefetch[key]["entry"]):
            entry["fullUrl"] = f"urn:uuid:{number:08d}-0000-4000-8000-{KEYS.index(key):012d}"
    answer = await served.hook(call(prefetch))
    (card,) = answer.json()["cards"]
    assert faults_of(answer.json()) == []
    assert card["extension"][OURS]["condition"].startswith("urn:uuid:")


async def test_a_draft_order_says_for_whom_when_why_and_on_what(served: Served) -> None:
    body = call(prefetch_of(myeloma()))
    body["context"]["encounterId"] = "visit-1"
    (card,) = (await served.hook(body)).json()["cards"]
    for suggestion in card["suggestions"]:
        (action,) = suggestion["actions"]
        order = action["resource"]
        assert order["subject"] == {"reference": "Patient/p1"}
        assert order["encounter"] == {"reference": "Encounter/visit-1"}
        assert order["authoredOn"] == "2026-11-21"
        assert order["reasonReference"] == [{"reference": "Condition/multiple-myeloma"}]
        evidence = {"reference": "Observation/status-progression-2026-11-02"}
        assert evidence in order["supportingInfo"]
        (note,) = order["note"]
        assert "2026-11-02" in note["text"]


@pytest.mark.parametrize(
    ("public_url", "said"),
    [
        pytest.param("", None, id="not told where it is"),
        pytest.param("https://cds.example", "https://cds.example/knowledge", id="an address"),
        pytest.param("https://cds.example/a/", "https://cds.example/a/knowledge", id="with a path"),
    ],
)
async def test_the_source_links_to_its_rule_set_where_the_service_knows_its_address(
    tmp_path: Path, public_url: str, said: str | None
) -> None:
    with serving(tmp_path, settings={"public_url": public_url}) as served:
        answer = await served.hook(call(prefetch_of(myeloma())))
        digest = knowledge().digest.removeprefix("sha256:")
        page = f"{said}/{digest}/about-multiple-myeloma" if said else None
        assert answer.json()["cards"][0]["source"].get("url") == page
        assert faults_of(answer.json()) == []


async def test_a_card_of_one_line_stands_for_that_line_only(served: Served) -> None:
    answer = await served.hook(call(prefetch_of(of_two_cancers())))
    ours = [card["extension"][OURS] for card in answer.json()["cards"]]
    assert {one["disease"] for one in ours} == {"multiple-myeloma", "nsclc"}
    assert {one["condition"] for one in ours} == {"Condition/multiple-myeloma", "Condition/nsclc"}


# --- the rules themselves -----------------------------------------------------------------------


async def whole_answer(served: Served) -> dict[str, Any]:
    answer: dict[str, Any] = (await served.hook(call(prefetch_of(myeloma())))).json()
    return answer


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("summary",), "Refractory myeloma."),
        (("summary",), "x" * 140),
        (("summary",), "Possible, so stop lenalidomide. Start bortezomib."),
        (("indicator",), "critical"),
        (("source", "label"), None),
        (("source", "topic", "system"), ""),
        (("source", "topic"), {"coding": [{"code": "x", "system": "y"}]}),
        (("selectionBehavior",), None),
        (("links", 0, "url"), "http://doi.org/x"),
        (("links", 0, "url"), "https://doi.org/a b"),
        (("suggestions", 0, "uuid"), "{same}"),
        (("suggestions", 0, "actions", 0, "resource", "status"), "active"),
        (("suggestions", 0, "actions", 0, "resource", "subject"), {}),
        (("overrideReasons", 0, "display"), ""),
        (("detail",), "Not certain."),
        (("detail",), "{without a block}"),
        (("detail",), "{drug recommended}"),
        (("suggestions", 0, "actions", 0, "resource", "note"), [{"text": "Possible."}]),
        (("suggestions", 0, "actions", 0, "resource", "code"), {"text": "Stop lenalidomide"}),
        (("suggestions", 0, "actions", 0, "description"), "The drug failed"),
        (("detail",), "The drug must be stopped. Clinical judgement takes precedence."),
        (("extension", OURS, "advice"), []),
        (("extension", OURS, "line"), "1"),
        (("extension", OURS, "status"), "refractory"),
    ],
)
async def test_the_rules_find_what_is_wrong(
    served: Served, path: tuple[str | int, ...], value: Any
) -> None:
    answer = await whole_answer(served)
    inside: Any = answer["cards"][0]
    for step in path[:-1]:
        inside = inside[step]
    detail: str = answer["cards"][0]["detail"]
    made = {
        "{same}": answer["cards"][0]["uuid"],
        "{without a block}": detail.replace("**Not certain because**", ""),
        "{drug recommended}": detail.replace("- Consider ", "- Consider carfilzomib and ", 1),
    }
    inside[path[-1]] = made.get(value, value) if isinstance(value, str) else value
    if path == ("selectionBehavior",):
        del answer["cards"][0]["selectionBehavior"]
    assert faults_of(answer) != []


async def test_the_example_of_nothing_to_say_breaks_no_rule() -> None:
    assert faults_of({"cards": []}) == []
    assert faults_of({"cards": [], "systemActions": []}) != []
    assert bundle() == {"resourceType": "Bundle", "type": "searchset", "entry": []}
