"""Nothing of a patient leaks: canaries in every text of a call and of its chart are heard nowhere.

They may stand in the cards, which are for the clinician, and in what is sealed. Nowhere else: not
in an error, the operations log, a metric, an envelope, or a column that can be searched.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import charts
import httpx
import pytest

from cds_service.demo.fhir_server_faults import Fault
from hooks.calls import Call, call, myeloma, outcome, prefetch_of
from hooks.serving import EHR, Served, serving

CANARY = "CANARY7"
STRUCTURE = frozenset(
    {"resourceType", "hook", "hookInstance", "system", "url", "status", "intent", "type", "mode"}
)
"""Members whose text is read as a code of FHIR or CDS Hooks, so that a canary in them makes
another call of it; they get theirs one at a time."""
A_DATE = re.compile(r"\d{4}-\d{2}")
KNOWN_BY_DESIGN = ("userId",)
"""Staff are accountable: who opened the chart stands in the log."""


def chart() -> list[dict[str, Any]]:
    """Every kind of resource that is read, with as many free texts as it has room for."""
    observation = charts.disease_status("progression", "2026-11-02", by="imaging", site="liver")
    observation |= {
        "note": [{"text": "a note", "authorString": "somebody"}],
        "performer": [{"reference": "Practitioner/dr-b", "display": "Dr B"}],
        "method": {"text": "by eye"},
        "text": {"status": "generated", "div": "<div>told</div>"},
        "identifier": [{"system": "urn:lab", "value": "R-1"}],
    }
    marker = charts.marker("m-protein", "2026-11-02", 3.1, lab="lab-1", high=0.1)
    order = charts.order("lenalidomide", "2026-01-05", "2026-11-01", stopped_for="no-response")
    order["dosageInstruction"][0] |= {"text": "one a day", "patientInstruction": "with water"}
    study = charts.order("lenalidomide", "2026-01-06", id="study")
    study["medicationCodeableConcept"] = {"text": "investigational drug XYZ-123"}
    patient = charts.patient() | {
        "address": [{"line": ["Main Street 1"], "city": "Springfield", "postalCode": "12345"}],
        "telecom": [{"system": "phone", "value": "555-0100"}],
        "contact": [{"name": {"text": "Next of Kin"}}],
    }
    rest = [r for r in myeloma() if r["resourceType"] not in ("Patient",)]
    return [patient, *rest, observation, marker, order, study]


def marked(value: Any, name: str = "") -> Any:
    """The value with a canary in every text that has no other meaning."""
    if isinstance(value, dict):
        return {member: marked(inside, member) for member, inside in value.items()}
    if isinstance(value, list):
        return [marked(inside, name) for inside in value]
    if not isinstance(value, str) or name in STRUCTURE or A_DATE.match(value):
        return value
    if name == "reference":
        return f"{value}-{CANARY}"
    if name in ("code", "gender"):
        return value
    return f"{value}-{CANARY}" if name == "id" or name.endswith("Id") else f"{value} {CANARY}"


def marked_call(resources: list[dict[str, Any]] | None, **changes: Any) -> Call:
    body = call(prefetch_of(resources) if resources is not None else None)
    body["context"]["encounterId"] = "e1"
    marked_body: Call = marked(body | {"extension": {"com.example": {"told": "x"}}}) | changes
    return marked_body


def leaks(served: Served, said: str, metrics: httpx.Response) -> list[str]:
    """Where a canary was heard that should not have been."""
    envelopes = [copy.deepcopy(entry.envelope) for entry in served.entries()]
    for envelope in envelopes:
        for name in KNOWN_BY_DESIGN:
            envelope.get("user", {}).pop(name, None)
    columns = re.sub(r'"userId":"[^"]*"', "", served.searchable())
    places = {
        "operations log": said,
        "metrics": metrics.text,
        "envelope": json.dumps(envelopes),
        "column": columns,
    }
    return [place for place, text in places.items() if CANARY.lower() in text.lower()]


MARKED_CALLS: list[Any] = [
    pytest.param(lambda: marked_call(chart()), [], 200, id="an answer with cards"),
    pytest.param(lambda: marked_call(None), [], 412, id="no prefetch and no server"),
    pytest.param(lambda: marked_call(None, fhirServer=EHR), [], 200, id="read from the server"),
    pytest.param(
        lambda: marked_call(None, fhirServer=EHR), [Fault("status")], 412, id="the server fails"
    ),
    pytest.param(
        lambda: marked_call(None, fhirServer=EHR), [Fault("half")], 412, id="half an answer"
    ),
    pytest.param(
        lambda: marked_call(None, fhirServer=f"https://{CANARY}:{CANARY}@x.example/{CANARY}"),
        [],
        412,
        id="an address that is refused",
    ),
    pytest.param(
        lambda: marked_call(chart(), hook=CANARY), [], 400, id="a hook that does not exist"
    ),
    pytest.param(
        lambda: marked_call(chart(), hookInstance=CANARY), [], 400, id="an instance that is none"
    ),
    pytest.param(
        lambda: marked_call(chart(), prefetch={"patient": CANARY, CANARY: 5}),
        [],
        400,
        id="prefetch that is none",
    ),
    pytest.param(
        lambda: marked_call(chart(), context={"patientId": f"{CANARY}/x", "userId": "Patient/p1"}),
        [],
        400,
        id="a patient id that is none",
    ),
    pytest.param(
        lambda: marked_call(chart(), prefetch={"patient": marked(outcome())}),
        [],
        412,
        id="an OperationOutcome in place of the patient",
    ),
]


@pytest.mark.parametrize(("body", "faults", "status"), MARKED_CALLS)
async def test_no_text_of_call_or_chart_is_heard_outside_cards_and_sealed_entries(
    tmp_path: Path,
    said: Callable[[], str],
    body: Callable[[], Call],
    faults: list[Fault],
    status: int,
) -> None:
    stored = [marked(resource) for resource in chart()]
    with serving(tmp_path, chart=stored, faults=faults) as served:
        answer = await served.hook(body())
        assert answer.status_code == status, answer.text
        if status != 200:
            assert CANARY not in answer.text + str(answer.headers)
        assert '"event": "call.' in said(), "else it was not listened to"
        assert leaks(served, said(), await served.http.get("/metrics")) == []


async def test_the_canaries_do_reach_the_card_and_the_sealed_request(served: Served) -> None:
    """Else the tests above would prove nothing."""
    answer = await served.hook(marked_call(chart()))
    assert CANARY in answer.text
    assert CANARY.encode() in served.last().sealed["request"]
    assert CANARY.encode() in served.last().sealed["assessment"]


def texts_of(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    if isinstance(value, str):
        return [path]
    steps: Iterable[tuple[str | int, Any]] = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list):
        steps = enumerate(value)
    return [found for step, inside in steps for found in texts_of(inside, (*path, step))]


async def test_no_single_text_is_heard_whatever_it_was_meant_to_be(
    tmp_path: Path, said: Callable[[], str]
) -> None:
    """Codes, dates, systems, types, statuses: each text of call and chart is a canary once."""
    whole = call(prefetch_of(chart()))
    skipped = {("context", "userId")}
    with serving(tmp_path) as served:
        for path in texts_of(whole):
            if path in skipped:
                continue
            body = copy.deepcopy(whole)
            inside: Any = body
            for step in path[:-1]:
                inside = inside[step]
            inside[path[-1]] = CANARY
            answer = await served.hook(body)
            assert answer.status_code in (200, 400, 412), path
            assert answer.status_code == 200 or CANARY not in answer.text, path
        assert leaks(served, said(), await served.http.get("/metrics")) == []


@pytest.mark.parametrize("user", [f"Patient/{CANARY}", f"RelatedPerson/{CANARY}"])
async def test_a_user_who_is_the_patient_or_a_relative_is_sealed(served: Served, user: str) -> None:
    body = call(prefetch_of(chart()))
    body["context"]["userId"] = user
    assert (await served.hook(body)).status_code == 200
    assert CANARY not in json.dumps(served.last().envelope)
    assert CANARY.encode() in served.last().sealed["identity"]


FEEDBACK = {
    "card": "9c1dbd52-1ac5-4bd1-a8ea-5b0d4bbd5f05",
    "outcome": "accepted",
    "outcomeTimestamp": "2026-11-21T12:00:00Z",
    "acceptedSuggestions": [{"id": CANARY, "label": CANARY}],
    "overrideReason": {"userComment": CANARY, "reason": {"display": CANARY}},
    "note": CANARY,
}


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="taken"),
        pytest.param({"card": CANARY}, id="no card"),
        pytest.param({"outcome": CANARY}, id="no outcome"),
        pytest.param({"outcomeTimestamp": CANARY}, id="no time"),
        pytest.param({"outcomeTimestamp": f"2026-11-21T12:00:00Z{CANARY}"}, id="more than a time"),
        pytest.param({"acceptedSuggestions": CANARY}, id="no suggestions"),
        pytest.param({"acceptedSuggestions": [CANARY]}, id="no suggestion"),
        pytest.param({"overrideReason": CANARY}, id="no reason"),
        pytest.param({"overrideReason": {"userComment": [CANARY]}}, id="no comment"),
    ],
)
async def test_no_text_of_feedback_is_heard(
    tmp_path: Path, said: Callable[[], str], changes: dict[str, Any]
) -> None:
    with serving(tmp_path) as served:
        answer = await served.feedback({"feedback": [FEEDBACK | changes]})
        assert answer.status_code == (400 if changes else 200)
        assert CANARY not in answer.text
        assert leaks(served, said(), await served.http.get("/metrics")) == []
        if not changes:
            assert CANARY.encode() in served.last().sealed["feedback"]


@pytest.mark.parametrize(
    ("body", "query", "status"),
    [
        pytest.param({"resourceType": "Bundle", "entry": []}, {"asOf": CANARY}, 400, id="a day"),
        pytest.param(CANARY, {}, 400, id="no JSON"),
        pytest.param({"resourceType": CANARY}, {}, 400, id="a type that does not exist"),
        pytest.param(marked(outcome()), {}, 400, id="an OperationOutcome"),
        pytest.param(
            {"resourceType": "Bundle", "entry": [{"resource": r} for r in marked(chart())]},
            {},
            200,
            id="a chart",
        ),
    ],
)
async def test_no_text_of_a_bundle_is_heard(
    tmp_path: Path, said: Callable[[], str], body: Any, query: dict[str, str], status: int
) -> None:
    with serving(tmp_path) as served:
        answer = await served.assess(body, **query)
        assert answer.status_code == status
        assert status == 200 or CANARY not in answer.text
        assert leaks(served, said(), await served.http.get("/metrics")) == []
