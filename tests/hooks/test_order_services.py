"""The services on `order-select` and `order-sign`: what they say of draft orders, and when not."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Iterator
from datetime import UTC, datetime, time
from typing import Any, Final

import charts
import pytest
from fixtures.stories import STORIES, Story
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_service.demo.fhir_server_faults import Fault
from hooks.calls import INSTANCE, SERVICE, call, myeloma, prefetch_of, quiet
from hooks.card_rules import INVISIBLE, OURS, faults_of
from hooks.gfm import dangers_of
from hooks.serving import EHR, Served, issue_of, serving
from hooks.test_card_injection import ATTACKS
from hooks.test_cards import Today, call_of

SELECT: Final = "refractory-status-order-select"
SIGN: Final = "refractory-status-order-sign"
HOOK_OF: Final = {SELECT: "order-select", SIGN: "order-sign"}
Body = dict[str, Any]
BY_SLUG: Final = {story.slug: story for story in STORIES}


def draft(drug: str | None, id: str = "request-123", patient: str = "p1", **changes: Any) -> Body:
    """A MedicationRequest as the CDS Hooks Sandbox drafts it: no intent, a lone category."""
    made: Body = {
        "resourceType": "MedicationRequest",
        "id": id,
        "status": "draft",
        "subject": {"reference": f"Patient/{patient}"},
        "category": {"coding": [{"code": "outpatient"}]},
        "dosageInstruction": [{"timing": {"repeat": {"frequency": 1, "periodUnit": "d"}}}],
    }
    if drug is not None:
        made["medicationCodeableConcept"] = {"text": drug}
    return made | changes


def ordering(service: str, body: Body, *drafts: Any, selections: list[str] | None = None) -> Body:
    """The same call for one of the order services, with these drafts, all of them selected."""
    made = copy.deepcopy(body)
    made["hook"] = HOOK_OF[service]
    entries = [{"resource": one} for one in drafts]
    made["context"]["draftOrders"] = {"resourceType": "Bundle", "entry": entries}
    if service == SELECT:
        named = [f"{one['resourceType']}/{one['id']}" for one in drafts if isinstance(one, dict)]
        made["context"]["selections"] = named if selections is None else selections
    return made


async def ask(served: Served, service: str, body: Body, *drafts: Any, **more: Any) -> Any:
    return await served.post(
        f"/cds-services/{service}", ordering(service, body, *drafts, **more), None
    )


async def cards(served: Served, service: str, body: Body, *drafts: Any, **more: Any) -> list[Body]:
    answer = await ask(served, service, body, *drafts, **more)
    assert answer.status_code == 200, answer.text
    assert faults_of(answer.json(), served.last()["decisionId"]) == []
    found: list[Body] = answer.json()["cards"]
    return found


CHART: Final = call(prefetch_of(myeloma()))
SERVICES: Final = [pytest.param(service, id=HOOK_OF[service]) for service in (SELECT, SIGN)]


@pytest.fixture(scope="module")
def dated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Today]]:
    today = Today()
    with serving(tmp_path_factory.mktemp("orders"), clock=today) as served:
        yield served, today


# --- what is said -------------------------------------------------------------------------------


@pytest.mark.parametrize("service", SERVICES)
async def test_a_rechallenge_is_said_with_its_line_and_day(served: Served, service: str) -> None:
    (card,) = await cards(served, service, CHART, draft("lenalidomide"))
    assert card["summary"] == (
        "Draft order of lenalidomide: multiple myeloma is possibly refractory to it since "
        "2026-11-02 (line 1)."
    )
    assert card["indicator"] == "info"
    assert "suggestions" not in card
    assert "selectionBehavior" not in card
    ours = card["extension"][OURS]
    assert "advice" not in ours
    assert (ours["disease"], ours["line"], ours["status"]) == (
        "multiple-myeloma", 1, "possible-refractory",
    )  # fmt: skip
    assert len(card["overrideReasons"]) == 9
    assert card["source"]["topic"]["code"] == "possible-refractory"
    assert any(link["url"].startswith("https://doi.org/") for link in card["links"])
    assert "(MedicationRequest/request-123)" in card["detail"]


async def test_several_drugs_for_one_line_are_one_card(served: Served) -> None:
    drafts = (draft("lenalidomide", "a"), draft("pomalidomide", "b"), draft("ondansetron", "c"))
    (card,) = await cards(served, SIGN, CHART, *drafts)
    assert card["summary"].startswith("Draft orders of lenalidomide and pomalidomide:")
    assert served.last()["cards"][0]["advice"] == [
        "rechallenge:lenalidomide", "rechallenge:immunomodulatory-drug",
    ]  # fmt: skip


GOING_ON: Final = "Consider whether a new combination or another dose speaks for going on with it"
AGAIN: Final = "Consider whether an interval, a new combination, another dose or an earlier"
ALONE: Final = "Dose, schedule and partners of the draft were not compared"
BESIDE: Final = "Drafted beside it, and not given on this line: carfilzomib."


@pytest.mark.parametrize(
    ("drugs", "says", "says_not"),
    [
        pytest.param(["lenalidomide"], (GOING_ON, ALONE), (AGAIN, BESIDE), id="a renewal"),
        pytest.param(["pomalidomide"], (AGAIN, ALONE), (GOING_ON, BESIDE), id="another drug"),
        pytest.param(
            ["lenalidomide", "carfilzomib"], (GOING_ON, BESIDE, "Dose and schedule of the draft"),
            (AGAIN, ALONE), id="a renewal with a new partner",
        ),
    ],
)  # fmt: skip
async def test_what_is_said_to_weigh_is_what_the_drafts_leave_open(
    dated: tuple[Served, Today], drugs: list[str], says: tuple[str, ...], says_not: tuple[str, ...]
) -> None:
    """No interval of a drug that still runs, and no partners unknown that were just named."""
    served, today = dated
    story = BY_SLUG["mm-len"]
    today.now = datetime.combine(story.as_of, time(12), UTC)
    drafts = [draft(drug, f"d{n}", "mm-len") for n, drug in enumerate(drugs)]
    (card,) = await cards(served, SIGN, call_of(story), *drafts)
    assert [words for words in says if words not in card["detail"]] == []
    assert [words for words in says_not if words in card["detail"]] == []


@pytest.mark.parametrize(
    ("drug", "said"),
    [
        pytest.param("lenalidomide", True, id="the drug"),
        pytest.param("Revlimid", True, id="its brand"),
        pytest.param("pomalidomide", True, id="its class"),
        pytest.param("carfilzomib", False, id="another class"),
        pytest.param("dexamethasone", False, id="a corticosteroid"),
        pytest.param("ondansetron", False, id="supportive"),
        pytest.param("metformin", False, id="of no use against cancer"),
        pytest.param("who knows", False, id="nothing known"),
        pytest.param(None, False, id="nothing chosen"),
    ],
)
async def test_any_other_draft_is_silent(served: Served, drug: str | None, said: bool) -> None:
    for service in (SELECT, SIGN):
        assert bool(await cards(served, service, CHART, draft(drug))) is said


EXPECTED: Final = {
    "mm-len": ("lenalidomide", "possibly refractory to it", []),
    "mm-triple": ("daratumumab", "possibly refractory to it", []),
    "breast-cdk": ("palbociclib", "possibly refractory to it", []),
    "prostate-crpc": ("enzalutamide", "possibly refractory to it", []),
    "ovary-parp": ("niraparib", "refractory to its class, PARP inhibitors,", []),
    "dirty-data": ("osimertinib", "possibly refractory to it", []),
    "lung-pseudo": ("docetaxel", "may be pseudoprogression", ["confirm-progression"]),
    "lung-sbrt": ("docetaxel", "limited to few sites", ["restage"]),
    "colon-early": ("irinotecan", "assessed early", ["confirm-progression"]),
    "cml-access": ("ponatinib", "adherence", ["adherence-review", "confirm-progression"]),
    "ovary-ca125": ("docetaxel", "not confirmed", ["confirm-progression"]),
    "dlbcl-hospice": ("rituximab", "", []),
    "mm-vgpr": ("pomalidomide", "", []),
    "no-cancer": ("lenalidomide", "", []),
}


@pytest.mark.parametrize("slug", EXPECTED)
async def test_what_is_said_of_drafts_for_the_fixture_patients(
    dated: tuple[Served, Today], slug: str
) -> None:
    served, today = dated
    story: Story = BY_SLUG[slug]
    drug, said, advice = EXPECTED[slug]
    today.now = datetime.combine(story.as_of, time(12), UTC)
    found = await cards(served, SIGN, call_of(story), draft(drug, patient=slug))
    selected = await cards(served, SELECT, call_of(story), draft(drug, patient=slug))
    assert [card["detail"] for card in selected] == [card["detail"] for card in found]
    assert len(found) == (1 if said else 0)
    for card in found:
        assert said in card["summary"]
        assert f"of {drug}" in card["summary"]
        assert card["extension"][OURS].get("advice", []) == advice
        assert len(card.get("suggestions", ())) == len(advice)


async def test_every_drug_of_every_story_breaks_no_rule_of_cards(
    dated: tuple[Served, Today],
) -> None:
    """Whatever a patient was ever given is drafted again, and beside it what is new to all."""
    served, today = dated
    shown = 0
    for story in STORIES:
        today.now = datetime.combine(story.as_of, time(12), UTC)
        given = sorted(
            {
                text
                for one in story.resources
                if (text := one.get("medicationCodeableConcept", {}).get("text"))
            }
        )
        drafts = [draft(text, f"r{n}", story.slug) for n, text in enumerate([*given, "docetaxel"])]
        shown += len(await cards(served, SIGN, call_of(story), *drafts))
    assert shown > 12


async def test_a_draft_changes_nothing_of_what_the_chart_says(served: Served) -> None:
    before = served.entries()
    first = (await served.hook(CHART)).json()["cards"]
    await cards(served, SIGN, CHART, draft("lenalidomide"), draft("carfilzomib", "b"))
    second = (await served.hook(CHART)).json()["cards"]
    assert [card["detail"] for card in first] == [card["detail"] for card in second]
    assert len(served.entries()) == len(before) + 3


# --- which drafts are judged --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("selections", "said"),
    [
        pytest.param(["MedicationRequest/len"], True, id="with its type"),
        pytest.param(["len"], True, id="without its type"),
        pytest.param(["MedicationRequest/other"], False, id="only another is selected"),
        pytest.param(["MedicationRequest/nowhere"], False, id="nothing that is there"),
        pytest.param([], False, id="nothing is selected"),
    ],
)
async def test_order_select_judges_what_is_selected(
    served: Served, selections: list[str], said: bool
) -> None:
    drafts = (draft("lenalidomide", "len"), draft("ondansetron", "other"))
    assert bool(await cards(served, SELECT, CHART, *drafts, selections=selections)) is said


async def test_a_draft_of_another_patient_is_left_out_and_counted(served: Served) -> None:
    assert await cards(served, SIGN, CHART, draft("lenalidomide", patient="p2")) == []
    assert served.last()["issues"] == {"other-patient": 1}
    both = (draft("lenalidomide", "a", "p2"), draft("lenalidomide", "b"))
    (card,) = await cards(served, SIGN, CHART, *both)
    assert "MedicationRequest/b" in card["detail"]
    assert "MedicationRequest/a" not in card["detail"]
    assert served.last()["issues"] == {"other-patient": 1}


CT: Final = {
    "resourceType": "ServiceRequest",
    "id": "ct",
    "status": "draft",
    "code": {"coding": [{"system": "http://snomed.info/sct", "code": "418023006"}]},
}


async def test_a_test_on_the_same_drafts_is_not_suggested_again(
    dated: tuple[Served, Today],
) -> None:
    served, today = dated
    story = BY_SLUG["breast-mixed"]
    today.now = datetime.combine(story.as_of, time(12), UTC)
    own = draft("fulvestrant", patient=story.slug)
    (card,) = await cards(served, SIGN, call_of(story), own)
    assert len(card["suggestions"]) == 2
    (card,) = await cards(
        served, SELECT, call_of(story), own, CT, selections=["MedicationRequest/request-123"]
    )
    assert "suggestions" not in card
    assert "on order" in card["detail"]


# --- without a chart ----------------------------------------------------------------------------


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    "drafts",
    [
        pytest.param([], id="no draft"),
        pytest.param([draft(None)], id="nothing chosen yet"),
        pytest.param([draft("ondansetron"), draft("prednisone", "b")], id="nothing against cancer"),
        pytest.param([CT], id="a study"),
    ],
)
async def test_where_no_draft_names_an_agent_nobody_is_asked_and_it_is_on_record(
    served: Served, service: str, drafts: list[Body]
) -> None:
    before = served.size()
    for body in (call(), call(fhirServer=EHR), call(fhirServer="http://10.0.0.1")):
        assert await cards(served, service, body, *drafts) == []
        decision = served.last()
        assert decision["outcome"] == "nothing-to-advise"
        assert (decision["serviceId"], decision["hook"]) == (service, HOOK_OF[service])
        assert decision.get("inputsByType", {}) == {}
    assert served.wire.asked == []
    assert served.size() == before + 3


@pytest.mark.parametrize("service", SERVICES)
async def test_a_chart_that_cannot_be_had_is_412_once_a_draft_names_an_agent(
    served: Served, service: str
) -> None:
    answer = await ask(served, service, call(), draft("lenalidomide"))
    assert answer.status_code == 412
    issue_of(answer)
    assert served.last()["outcome"] == "data-unavailable"


@pytest.mark.parametrize("service", SERVICES)
async def test_what_is_not_prefetched_is_read(served: Served, service: str) -> None:
    (card,) = await cards(served, service, call(fhirServer=EHR), draft("lenalidomide"))
    assert "lenalidomide" in card["summary"]
    assert len(served.wire.kinds) >= 4


MEDICATION: Final = {
    "resourceType": "Medication",
    "id": "m-len",
    "code": {
        "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "342369"}]
    },
}
POINTING: Final = draft(None, medicationReference={"reference": "Medication/m-len"})


async def test_a_medication_on_the_fhir_server_names_the_drug(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("pointing")
    with serving(folder, chart=[*myeloma(), MEDICATION]) as served:
        body = call(prefetch_of(myeloma()), fhirServer=EHR)
        (card,) = await cards(served, SIGN, body, POINTING)
        assert "of lenalidomide" in card["summary"]
        assert set(served.wire.kinds) == {"Medication"}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(CHART, id="no server to ask"),
        pytest.param(call(prefetch_of(myeloma()), fhirServer="http://10.0.0.1"), id="not allowed"),
        pytest.param(call(prefetch_of(myeloma()), fhirServer=EHR), id="not on the server"),
    ],
)
async def test_a_medication_that_cannot_be_had_names_none(served: Served, body: Body) -> None:
    assert await cards(served, SIGN, body, POINTING) == []
    assert served.last()["outcome"] == "nothing-to-advise"


async def test_a_server_that_fails_costs_the_medication_alone(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("failing")
    with serving(folder, chart=[MEDICATION], faults=[Fault("status", status=500)]) as served:
        body = call(prefetch_of(myeloma()), fhirServer=EHR)
        both = (POINTING, draft("lenalidomide", "b"))
        (card,) = await cards(served, SIGN, body, *both)
        assert "MedicationRequest/b" in card["detail"]


# --- the form of a call -------------------------------------------------------------------------


def changed(service: str, **context: Any) -> Body:
    """A call with another context; a change to None takes the member away."""
    made = ordering(service, CHART, draft("lenalidomide"))
    members = made["context"] | context
    made["context"] = {name: value for name, value in members.items() if value is not None}
    return made


BUNDLE: Final = "resourceType"


@pytest.mark.parametrize(
    ("service", "body", "where"),
    [
        pytest.param(SIGN, changed(SIGN, draftOrders=None), "context", id="sign: no drafts"),
        pytest.param(SELECT, changed(SELECT, draftOrders=None), "context", id="no drafts"),
        pytest.param(SELECT, changed(SELECT, selections=None), "context", id="no selections"),
        pytest.param(SELECT, changed(SELECT, selections="a"), "context.selections", id="a text"),
        pytest.param(SELECT, changed(SELECT, selections=[1]), "context.selections", id="a number"),
        pytest.param(SELECT, changed(SELECT, selections={}), "context.selections", id="an object"),
        pytest.param(SIGN, changed(SIGN, draftOrders=[]), "context.draftOrders", id="a list"),
        pytest.param(SIGN, changed(SIGN, draftOrders="x"), "context.draftOrders", id="a string"),
        pytest.param(SIGN, changed(SIGN, draftOrders={}), "context.draftOrders", id="no type"),
        pytest.param(
            SIGN, changed(SIGN, draftOrders={BUNDLE: "Patient"}), "context.draftOrders",
            id="no Bundle",
        ),
        pytest.param(
            SIGN, changed(SIGN, draftOrders={BUNDLE: "Bundle", "entry": {}}),
            "context.draftOrders.entry", id="entry an object",
        ),
        pytest.param(SIGN, changed(SIGN, userId=None), "context", id="no user"),
        pytest.param(SIGN, changed(SIGN, patientId="a/b"), "context.patientId", id="no id"),
        pytest.param(SIGN, changed(SIGN, encounterId=7), "context.encounterId", id="encounter"),
        pytest.param(SIGN, CHART, "hook", id="another hook"),
        pytest.param(SIGN, changed(SELECT), "hook", id="the other order hook"),
        pytest.param(SELECT, changed(SIGN), "hook", id="the other one"),
        pytest.param(SERVICE, changed(SIGN), "hook", id="on the chart's service"),
    ],
)  # fmt: skip
async def test_a_call_of_another_form_is_400_and_says_where(
    served: Served, service: str, body: Body, where: str
) -> None:
    answer = await served.post(f"/cds-services/{service}", body)
    assert answer.status_code == 400
    assert issue_of(answer)["diagnostics"].startswith(f"{where}")
    assert "lenalidomide" not in answer.text
    assert served.last()["eventType"] == "request-refused"


@pytest.mark.parametrize(
    "drafts",
    [
        pytest.param({BUNDLE: "Bundle"}, id="without entries"),
        pytest.param({BUNDLE: "Bundle", "entry": None}, id="entry null"),
        pytest.param({BUNDLE: "Bundle", "type": "collection", "entry": []}, id="empty"),
        pytest.param(
            {BUNDLE: "Bundle", "entry": [{}, None, 1, [], {"resource": None}, {"resource": []}]},
            id="entries of nothing",
        ),
    ],
)
async def test_a_bundle_of_nothing_is_nothing_to_judge(served: Served, drafts: Body) -> None:
    answer = await served.post(f"/cds-services/{SIGN}", changed(SIGN, draftOrders=drafts))
    assert (answer.status_code, answer.json()) == (200, {"cards": []})


JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8) | st.sampled_from(["lenalidomide", "Patient/p1", "Medication", "active"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.text(max_size=6)
        | st.sampled_from(["coding", "text", "code", "system", "reference", "resource", "id",
                           "resourceType", "medicationCodeableConcept", "subject", "contained"]),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@pytest.mark.parametrize("service", SERVICES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.dictionaries(st.text(max_size=8), JSON, max_size=5), JSON, JSON)
def test_whatever_stands_as_a_draft_it_is_no_error_of_ours(
    running: Served, service: str, members: Body, entry: Any, selection: Any
) -> None:
    one = members | {"resourceType": "MedicationRequest", "id": "x"}
    drafts = {BUNDLE: "Bundle", "entry": [{"resource": one}, entry, {"resource": entry}]}
    body = changed(service, draftOrders=drafts, selections=["x", selection])
    answer = asyncio.run(running.post(f"/cds-services/{service}", body))
    assert answer.status_code == 200 or 400 <= answer.status_code < 500
    if answer.status_code == 200:
        assert faults_of(answer.json()) == []


# --- text of drafts -----------------------------------------------------------------------------


@pytest.mark.parametrize("attack", [pytest.param(text, id=name) for name, text in ATTACKS.items()])
async def test_hostile_text_in_a_draft_renders_as_text(served: Served, attack: str) -> None:
    hostile = draft(f"lenalidomide ({attack})", id=f"x{attack}")
    hostile["medicationCodeableConcept"]["coding"] = [
        {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "342369",
         "display": attack},
    ]  # fmt: skip
    (card,) = await cards(served, SIGN, CHART, hostile)
    assert dangers_of(card["detail"]) == []
    assert not INVISIBLE.search(card["detail"])
    assert "evil" not in card["summary"]
    assert "<" not in card["summary"]


# --- on record ----------------------------------------------------------------------------------


@pytest.mark.parametrize("service", SERVICES)
async def test_feedback_on_its_cards_is_taken_and_on_record(
    tmp_path_factory: pytest.TempPathFactory, service: str
) -> None:
    with serving(tmp_path_factory.mktemp("feedback")) as served:
        (card,) = await cards(served, service, CHART, draft("lenalidomide"))
        answer = await served.feedback({"feedback": [set_aside(card)]}, service)
        assert answer.status_code == 200
        newest = served.last()
        assert (newest["eventType"], newest["serviceId"]) == ("feedback", service)


def set_aside(card: Body) -> Body:
    return {
        "card": card["uuid"],
        "outcome": "overridden",
        "outcomeTimestamp": "2026-11-21T12:00:00Z",
        "overrideReason": {"reason": {"code": "not-applicable"}},
    }


async def test_an_override_silences_the_same_drug_at_both_hooks_and_the_log_names_it(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with serving(tmp_path_factory.mktemp("override")) as served:
        (card,) = await cards(served, SELECT, CHART, draft("lenalidomide"))
        await served.feedback({"feedback": [set_aside(card)]}, SELECT)
        feedback = served.last()["eventId"]
        for service in (SELECT, SIGN):
            assert await cards(served, service, CHART, draft("lenalidomide")) == []
            (held,) = served.last()["advice"]
            assert (held["kind"], held["suppressed"], held["suppressedBy"]) == (
                "rechallenge:lenalidomide", "overridden", feedback,
            )  # fmt: skip
            assert served.last()["state"] == [feedback]
        assert len(await cards(served, SIGN, CHART, draft("pomalidomide"))) == 1
        assert len((await served.hook(CHART)).json()["cards"]) == 1


async def test_the_log_says_what_was_warned_of_and_what_was_held_back(
    dated: tuple[Served, Today],
) -> None:
    served, today = dated
    story = BY_SLUG["dlbcl-hospice"]
    today.now = datetime.combine(story.as_of, time(12), UTC)
    assert await cards(served, SIGN, call_of(story), draft("rituximab", patient=story.slug)) == []
    decision = served.last()
    assert decision["outcome"] == "all-suppressed"
    (kept,) = decision["advice"]
    assert (kept["kind"], kept["suppressed"]) == ("rechallenge:rituximab", "hospice")
    assert decision["hookInstance"] == INSTANCE


async def test_a_chart_without_a_cancer_is_on_record_as_such(served: Served) -> None:
    assert await cards(served, SIGN, call(prefetch_of(quiet())), draft("lenalidomide")) == []
    assert served.last()["outcome"] == "no-cancer"


async def test_cards_are_counted_by_what_they_are_and_not_by_their_drug(served: Served) -> None:
    await cards(served, SIGN, CHART, draft("lenalidomide"))
    metrics = (await served.http.get("/metrics")).text
    assert 'refractory_cds_cards_total{advice="rechallenge",indicator="info"}' in metrics
    assert f'service="{SIGN}"' in metrics
    assert "lenalidomide" not in metrics


async def test_a_documented_progression_of_a_fast_disease_warns_as_its_own_card_does(
    served: Served,
) -> None:
    chart = [
        charts.patient(),
        charts.condition("dlbcl", onset="2026-01-01"),
        *(charts.order(drug, "2026-02-01", "2026-06-01")
          for drug in ("rituximab", "doxorubicin", "cyclophosphamide", "vincristine")),
        charts.disease_status("progression", "2026-06-10", by="imaging"),
    ]  # fmt: skip
    body = call(prefetch_of(chart))
    (status,) = (await served.hook(body)).json()["cards"]
    (card,) = await cards(served, SIGN, body, draft("rituximab"))
    assert card["indicator"] == status["indicator"]
    assert card["source"] == status["source"]
    assert card["overrideReasons"] == status["overrideReasons"]
