"""What an entry says, what it leaves out, and what it keeps sealed."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audit.samples import (
    EHR,
    NOON,
    VERSIONS,
    a_decision,
    a_store,
    an_event,
    decision_id,
    envelopes,
    feedback_on,
    record,
)
from cds_service.audit import (
    AdviceDecided,
    Call,
    CancerDecided,
    Client,
    Decision,
    Event,
    EventType,
    Feedback,
    Input,
    Outcome,
    User,
    decision_event,
    delivery_event,
    feedback_event,
    refusal_event,
    service_started_event,
    service_stopped_event,
)
from cds_service.audit.entries import Reader, access_event, verification_event
from cds_service.audit.events import NOT_ID_SHAPED, id_shaped, timestamp
from cds_service.audit.reading import open_reader
from cds_service.errors import AuditError

DEEP = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
CALL = Call(service_id="refractory-status", request_id="r1")


def recorded(path: Path, *events: Event) -> list[dict[str, Any]]:
    with closing(a_store(path / "log.db")) as store:
        record(store, *events)
    return envelopes(path / "log.db")


def sealed(path: Path, name: str, seq: int = 1) -> bytes | None:
    with open_reader(path / "log.db") as reader:
        event = reader.find(str(seq))
        assert event is not None
        return reader.content(event, name)


def test_a_decision_says_who_asked_what_was_returned_and_why(tmp_path: Path) -> None:
    (entry,) = recorded(tmp_path, an_event())
    assert entry | {"sealed": {}, "patientPseudonym": "", "pseudonymKeyId": ""} == {
        "schemaVersion": 1,
        "seq": 1,
        "eventType": "decision",
        "eventId": decision_id(1),
        "decisionId": decision_id(1),
        "prevHash": entry["prevHash"],
        "receivedAt": "2026-11-21T12:00:00.000000Z",
        "recordedAt": "2026-11-21T12:00:00.001000Z",
        "hostId": "host",
        "bootId": "boot",
        "pid": 1,
        "serviceId": "refractory-status",
        "hook": "patient-view",
        "hookInstance": "00000000-0000-4003-8000-000000000001",
        "requestId": "request-1",
        "client": {"iss": "https://ehr.example", "kid": "k1", "alg": "ES384", "jti": "j1"},
        "user": {"userId": "Practitioner/dr-a", "roles": ["oncologist"]},
        "asOf": "2026-11-21",
        "asOfSource": "clock",
        "timeZone": "UTC",
        "mode": "live",
        "outcome": "cards-returned",
        "httpStatus": 200,
        "inputsByType": {"Observation": 1},
        "inputsMissing": [{"key": "medicationRequests", "code": "omitted"}],
        "issues": {"invalid-resource": 2},
        "cancers": [
            {
                "disease": "multiple-myeloma",
                "lines": [
                    {
                        "number": 1,
                        "status": "possible-refractory",
                        "pattern": "secondary",
                        "confidence": "criteria",
                        "rules": ["multiple-myeloma.imwg-60-days"],
                        "rulesNotMet": [
                            {"rule": "multiple-myeloma.primary", "condition": "cannot-tell"}
                        ],
                        "caveats": ["marker-only"],
                    }
                ],
            }
        ],
        "advice": [
            {"kind": "restage", "urgency": "prompt", "line": 1},
            {"kind": "biopsy", "urgency": "routine", "suppressed": "recently-done"},
        ],
        "cards": [
            {
                "uuid": "00000000-0000-4002-8000-000000000001",
                "indicator": "warning",
                "advice": ["restage"],
            }
        ],
        "latencyMs": {"total": 12.346, "assess": 4},
        "knowledge": {"version": "2026.11.0", "digest": "sha256:" + "ab" * 32},
        "software": {"version": "0.1.0"},
        "sealed": {},
        "patientPseudonym": "",
        "pseudonymKeyId": "",
    }


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"outcome": Outcome.NO_CANCER, "cancers": (), "cards": ()}, id="no cancer"),
        pytest.param({"outcome": Outcome.NOTHING_TO_ADVISE, "cards": ()}, id="nothing to advise"),
        pytest.param({"outcome": Outcome.ALL_SUPPRESSED, "cards": ()}, id="all suppressed"),
        pytest.param(
            {"outcome": Outcome.DATA_UNAVAILABLE, "http_status": 412, "inputs": ()}, id="no data"
        ),
        pytest.param(
            {"outcome": Outcome.FAILED, "http_status": 500, "error_class": "KeyError"}, id="failed"
        ),
    ],
)
def test_a_decision_without_a_card_is_recorded_with_its_reason(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    (entry,) = recorded(tmp_path, an_event(**changes))
    assert entry["outcome"] == changes["outcome"]
    assert "cards" not in entry or entry["cards"]


def test_what_is_absent_is_left_out_and_never_null_or_empty(tmp_path: Path) -> None:
    bare = Decision(
        decision_id=decision_id(1),
        received_at=NOON,
        call=CALL,
        outcome=Outcome.ASSESSED,
        http_status=200,
        response=b"{}",
        versions=VERSIONS,
        user=User(),
        cancers=[CancerDecided("other-solid")],
    )
    (entry,) = recorded(tmp_path, decision_event(bare))

    def values(part: Any) -> list[Any]:
        inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
        return [part, *(value for one in inner for value in values(one))]

    assert all(value not in (None, "", [], {}) for value in values(entry))
    assert set(entry["sealed"]["digests"]) == {"response"}
    assert "hook" not in entry


def test_the_exact_response_is_kept_and_opens_under_the_digest_of_the_envelope(
    tmp_path: Path,
) -> None:
    body = '{"cards": [ {"summary":"Fünf – 1.10"} ]}\n'.encode()
    recorded(tmp_path, an_event(response=body))
    assert sealed(tmp_path, "response") == body


def test_the_request_is_kept_without_its_access_token(tmp_path: Path) -> None:
    granted = {"access_token": 'eyJ-CANARY.abc/\\"def', "scope": "patient/*.rs"}
    body = json.dumps({"fhirAuthorization": granted, "hook": "h"}).encode()
    recorded(tmp_path, an_event(request=body))
    kept = sealed(tmp_path, "request")
    assert kept is not None
    assert json.loads(kept) == {
        "fhirAuthorization": {"access_token": "(removed)", "scope": "patient/*.rs"},
        "hook": "h",
    }


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"access_token": ["CANARY"]}', id="a token that is no text"),
        pytest.param(b'{"access_token": "CANARY", "x": "CANARY"}', id="a token in another place"),
        pytest.param(b'{"access_token": "CAN\\u0041RY", "x": "CANARY"}', id="spelt in another way"),
        pytest.param(b'{"access_token": "CANARY"', id="no JSON"),
        pytest.param(
            json.dumps([{"access_token": f"CANARY-{n}"} for n in range(9)]).encode(), id="nine"
        ),
        pytest.param(DEEP + b'"access_token": "CANARY"', id="deeper than is read"),
    ],
)
def test_a_request_in_which_a_token_might_stay_is_withheld(tmp_path: Path, body: bytes) -> None:
    (entry,) = recorded(tmp_path, an_event(request=body))
    assert entry["sealed"]["withheld"] == ["request"]
    assert "request" not in entry["sealed"]["digests"]
    assert sealed(tmp_path, "request") is None
    assert json.loads(sealed(tmp_path, "inputs") or b"")["request"].startswith("sha256:")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{ "hook" : 1.10 }\n', id="no token"),
        pytest.param(b'["access_token", "CANARY"]', id="a text that is no name"),
        pytest.param(rb'{"x": "\"access_token\": \"y\""}', id="JSON inside a text"),
        pytest.param(rb'{"x\"access_token": "y"}', id="a longer name"),
        pytest.param(b'{"accesstoken": "y", "Access_Token": "y"}', id="other names"),
    ],
)
def test_a_request_without_a_token_is_kept_byte_for_byte(tmp_path: Path, body: bytes) -> None:
    (entry,) = recorded(tmp_path, an_event(request=body))
    assert sealed(tmp_path, "request") == body
    assert "withheld" not in entry["sealed"]


def test_a_request_that_is_not_to_be_kept_leaves_its_digest(tmp_path: Path) -> None:
    recorded(tmp_path, an_event(request=b"abc", keep_request=False))
    inputs = json.loads(sealed(tmp_path, "inputs") or b"")
    assert sealed(tmp_path, "request") is None
    assert inputs["request"] == (
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_an_input_is_kept_with_version_origin_and_two_hashes(tmp_path: Path) -> None:
    searched = Input(
        reference="Condition/c1",
        content=memoryview(b'{"resourceType":"Condition"}'),
        origin="search",
        url="Condition?patient=p1",
    )
    recorded(tmp_path, an_event(inputs=(searched,)))
    (one,) = json.loads(sealed(tmp_path, "inputs") or b"")["resources"]
    assert one.pop("whole") == one.pop("statement")
    assert one == {
        "reference": "Condition/c1",
        "origin": "search",
        "url": "Condition?patient=p1",
    }


def test_equal_contents_have_different_digests(tmp_path: Path) -> None:
    first, second = recorded(tmp_path, an_event(1, response=b"{}"), an_event(2, response=b"{}"))
    digests = [entry["sealed"]["digests"]["response"] for entry in (first, second)]
    assert digests[0] != digests[1]


def test_an_event_that_cannot_be_written_down_leaves_the_others_alone(tmp_path: Path) -> None:
    bad = [
        an_event(2, latency_ms={"total": 1e300}),
        an_event(3, inputs=(Input(reference="A/1", content=b"{", origin="read"),)),
        an_event(5, inputs=(Input(reference="A/1", content=DEEP, origin="read"),)),
        replace(an_event(6), members={1: 2}),  # type: ignore[dict-item] # a fault of our own
    ]
    with closing(a_store(tmp_path / "log.db")) as store:
        _, *refused, _ = store.append([an_event(1), *bad, an_event(4)])
    assert all(isinstance(one, AuditError) for one in refused)
    assert [entry["decisionId"] for entry in envelopes(tmp_path / "log.db")] == [
        decision_id(1),
        decision_id(4),
    ]


# --- patient data ---------------------------------------------------------------------------

CANARY = "CANARY7f3a"


def canary_events() -> list[Event]:
    """A canary in everything that a chart, a comment or a patient as user could say."""
    said = json.dumps({"patient": f"Patient/{CANARY}", "summary": CANARY, "date": CANARY}).encode()
    decision = a_decision(
        patient_id=CANARY,
        encounter_id=CANARY,
        fhir_server=f"https://{CANARY}.example",
        request=said,
        response=said,
        assessment=said,
        user=User(user_id=f"Patient/{CANARY}", sub=CANARY),
        client=Client(iss=EHR.iss),
        inputs=(
            Input(
                reference=f"Observation/{CANARY}",
                content=said,
                origin="read",
                version_id=CANARY,
                last_updated=CANARY,
                url=f"Observation?patient={CANARY}",
            ),
            Input(reference=f"{CANARY} {CANARY}", content=said, origin="read"),
        ),
    )
    feedback = Feedback(
        card=f"card {CANARY}",
        outcome="overridden",
        entry=said,
        outcome_timestamp=f"today {CANARY}",
        accepted_suggestions=(CANARY,),
        reason_code=f"because {CANARY}",
        reason_system=f"system {CANARY}",
    )
    reader = Reader(account="auditor", role="operator", reason=CANARY)
    return [
        decision_event(decision),
        feedback_event(feedback, call=CALL, client=EHR, received_at=NOON),
        access_event(reader, command="show", query={"id": id_shaped(f"{CANARY} x")}, rows=0),
    ]


def test_no_patient_data_stand_in_an_envelope_or_a_query_column(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with closing(a_store(path)) as store:
        record(store, *canary_events())
    with closing(sqlite3.connect(path)) as db:
        for table in ("log", "head", "events", "terms", "patients"):
            for row in db.execute(f"SELECT * FROM {table}"):  # noqa: S608
                for value in row:
                    raw = value if isinstance(value, bytes) else str(value).encode()
                    assert CANARY.encode() not in raw, (table, row)
        assert db.execute("SELECT count(*) FROM payloads").fetchone() == (7,)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        pytest.param("https://ehr.example/fhir?x=1", "https://ehr.example/fhir?x=1", id="url"),
        pytest.param("a" * 256, "a" * 256, id="256 characters are inside"),
        pytest.param("a" * 257, NOT_ID_SHAPED, id="257 are outside"),
        pytest.param("Jane Doe", NOT_ID_SHAPED, id="a space"),
        pytest.param("Jürgen", NOT_ID_SHAPED, id="beyond ASCII"),
        pytest.param("a\n", NOT_ID_SHAPED, id="a line break at the end"),
        pytest.param("", NOT_ID_SHAPED, id="nothing"),
        pytest.param(None, None, id="absent"),
    ],
)
def test_what_callers_choose_freely_is_repeated_only_if_it_could_be_an_id(
    given: str | None, kept: str | None
) -> None:
    assert id_shaped(given) == kept


# --- the other entries ----------------------------------------------------------------------


def test_a_refused_call_is_recorded_without_its_body(tmp_path: Path) -> None:
    events = [
        refusal_event("bad-token", http_status=401, call=CALL, client=EHR, received_at=NOON),
        refusal_event("oversized", http_status=413, call=CALL, client=EHR, received_at=NOON),
    ]
    first, second = recorded(tmp_path, *events)
    assert (first["eventType"], first["reason"], first["httpStatus"]) == (
        "auth-failure",
        "bad-token",
        401,
    )
    assert (second["eventType"], second["reason"]) == ("request-refused", "oversized")
    assert "sealed" not in first


def test_starts_stops_deliveries_and_readings_are_entries(tmp_path: Path) -> None:
    reader = Reader(account="auditor", role="operator", reason="complaint 12")
    entries = recorded(
        tmp_path,
        service_started_event(VERSIONS, settings={"suppressDays": 30, "silent": False}),
        an_event(1),
        delivery_event(decision_id(1), cause="client-gone"),
        access_event(reader, command="show", query={"id": decision_id(1)}, rows=1),
        verification_event(reader, result={"exitCode": 3, "size": 4}),
        service_stopped_event(cause="SIGTERM"),
    )
    assert [entry["eventType"] for entry in entries] == [
        "service-started",
        "decision",
        "delivery",
        "access",
        "verification",
        "service-stopped",
    ]
    assert entries[0]["settings"] == {"suppressDays": 30, "silent": False}
    assert (entries[2]["decisionId"], entries[2]["state"]) == (decision_id(1), "aborted")
    assert entries[3]["reader"] == {"account": "auditor", "role": "operator"}
    assert sealed(tmp_path, "reason", 4) == b"complaint 12"


def test_feedback_keeps_codes_open_and_the_comment_sealed(tmp_path: Path) -> None:
    entry = recorded(tmp_path, feedback_on("not a card", comment="patient says no"))[0]
    assert entry["card"] == NOT_ID_SHAPED
    assert entry["outcome"] == "overridden"
    assert entry["overrideReason"] == {
        "system": "https://example.org/reasons",
        "code": "already-planned",
    }
    assert b"patient says no" in (sealed(tmp_path, "feedback") or b"")


def test_the_catalogue_of_events_is_closed() -> None:
    assert {str(kind) for kind in EventType} == {
        *("decision", "feedback", "delivery", "access", "export", "reidentification", "review"),
        *("knowledge-activated", "config-changed", "key-event", "legal-hold", "redaction"),
        *("purge", "spool-drained", "recovery", "verification", "auth-failure"),
        *("request-refused", "service-started", "service-stopped", "canary"),
    }


def test_a_suppression_names_the_event_behind_it(tmp_path: Path) -> None:
    advice = AdviceDecided(
        kind="biopsy", urgency="routine", suppressed="overridden", suppressed_by=decision_id(9)
    )
    (entry,) = recorded(tmp_path, an_event(advice=(advice,), state=(decision_id(9),)))
    assert entry["advice"][0]["suppressedBy"] == decision_id(9)
    assert entry["state"] == [decision_id(9)]


def test_a_moment_without_a_time_zone_is_not_recorded() -> None:
    with pytest.raises(ValueError, match="time zone"):
        timestamp(NOON.replace(tzinfo=None))
