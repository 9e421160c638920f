"""AuditEvents by the profiles they claim: codes, numbers, slices, invariants; and no patient."""

from __future__ import annotations

import base64
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.auditevent import AuditEvent
from hooks.calls import call, myeloma, prefetch_of, quiet
from hooks.serving import Served, serving
from hooks.test_memory import overridden
from typer.testing import CliRunner, Result

from audit.asked_of import varied_log
from audit.samples import (
    EHR,
    NOON,
    VERSIONS,
    a_decision,
    a_store,
    an_event,
    card_id,
    decision_id,
    feedback_on,
    record,
    sign_log,
)
from cds_service.audit import AsOf, Call, Client, User, decision_event, delivery_event
from cds_service.audit.commands import audit_app
from cds_service.audit.entries import (
    knowledge_activated_event,
    refusal_event,
    service_started_event,
    service_stopped_event,
)
from cds_service.audit.events import EventType
from cds_service.audit.fhir_codes import KINDS
from cds_service.audit.reading import open_reader

DCM = "http://dicom.nema.org/resources/ontology/DCM"
REST = ("http://terminology.hl7.org/CodeSystem/audit-event-type", "rest")
INTERACTION = "http://hl7.org/fhir/restful-interaction"
LIFECYCLE = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
OWN = "https://refractory-cds.org/fhir"
CLIENT, SERVER = (DCM, "110153"), (DCM, "110152")
APPLICATION = (DCM, "110150")
USER = ("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "IRCP")
PERSON = ("http://terminology.hl7.org/CodeSystem/audit-entity-type", "1")
OBJECT = ("http://terminology.hl7.org/CodeSystem/audit-entity-type", "2")
ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
TRANSACTION = ("https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType", "XrequestId")
Event = dict[str, Any]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(audit_app, [str(one) for one in arguments])


def exported(path: Path, *arguments: object) -> list[Event]:
    result = run("export", "--format", "fhir", "--db", path, *arguments)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def code(coding: Event) -> tuple[str, str]:
    return coding["system"], coding["code"]


def codes(codings: list[Event]) -> list[tuple[str, str]]:
    return [code(one) for one in codings]


def agents(event: Event, kind: tuple[str, str]) -> list[Event]:
    return [one for one in event["agent"] if kind in codes(one["type"]["coding"])]


def entities(event: Event, kind: tuple[str, str], role: str | None = None) -> list[Event]:
    return [
        one
        for one in event["entity"]
        if code(one["type"]) == kind and role in (None, one.get("role", {}).get("code"))
    ]


def details(entity: Event) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in entity.get("detail", []):
        found.setdefault(one["type"], []).append(one["valueString"])
    return found


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of each kind of entry that the service and the commands write."""
    path = tmp_path_factory.mktemp("kinds") / "log.db"
    refusals: Any = {"call": Call(service_id="refractory-status"), "received_at": NOON}
    with closing(a_store(path)) as store:
        record(store, service_started_event(VERSIONS, settings={"knowledge_site": "x"}))
        record(store, knowledge_activated_event("2026.11.0", VERSIONS.knowledge_digest, b"{}"))
        record(store, decision_event(a_decision(1)), feedback_on(card_id(1)))
        record(store, delivery_event(decision_id(1)))
        record(store, refusal_event("bad-signature", http_status=401, client=EHR, **refusals))
        record(store, refusal_event("oversized", http_status=413, client=Client(), **refusals))
        record(store, service_stopped_event(cause="signal"))
    sign_log(path)
    run("list", "--db", path, "--disease", "dlbcl")
    run("verify", "--db", path)
    run("export", "--format", "csv", "--db", path)
    return path


@pytest.fixture(scope="module")
def events(log: Path) -> dict[str, Event]:
    """The AuditEvent of each kind; the first of it."""
    found: dict[str, Event] = {}
    for event in exported(log):
        (kind,) = [one["code"] for one in event["subtype"] if "audit-events" in one["system"]]
        found.setdefault(kind, event)
    return found


# --- all of them ---------------------------------------------------------------------------------


def test_every_type_of_entry_has_a_code() -> None:
    assert set(KINDS) == set(EventType)


def test_each_entry_is_one_valid_audit_event_in_its_order(log: Path) -> None:
    with open_reader(log) as reader:
        stored = list(reader.events())
    found = exported(log)
    assert [one["id"] for one in found] == [one.event_id for one in stored]
    for one, entry in zip(found, stored, strict=True):
        AuditEvent.model_validate(one)
        (at,) = [one for one in entities(one, OBJECT, "13") if "name" in one]
        assert details(at) == {"seq": [str(entry.seq)], "leafHash": [entry.leaf_hash.hex()]}


def test_what_every_audit_event_has(tmp_path: Path, log: Path) -> None:
    for event in (*exported(log), *exported(varied_log(tmp_path / "varied.db"))):
        assert event["meta"]["profile"][0].startswith(f"{OWN}/StructureDefinition/audit-")
        assert event["outcome"] in ("0", "4", "8")
        assert event["source"]["observer"]["type"] == "Device"
        assert codes(event["source"]["type"]) == [
            ("http://terminology.hl7.org/CodeSystem/security-source-type", "4")
        ]
        assert event["subtype"]
        assert event["agent"]
        assert sum(one["requestor"] for one in event["agent"]) <= 1
        for agent in event["agent"]:
            assert len(agent["type"]["coding"]) == 1
            assert agent["who"]
        for entity in event["entity"]:
            assert not ("name" in entity and "query" in entity)  # sev-1
            assert entity["what"]
            for one in entity.get("detail", []):
                assert one["valueString"].strip()


TYPES = {
    "decision": (REST, [(INTERACTION, "operation")], "E", "0"),
    "feedback": (REST, [(INTERACTION, "create")], "C", "0"),
    "delivery": (REST, [(INTERACTION, "operation")], "E", "8"),
    "auth-failure": ((DCM, "110114"), [(DCM, "110126")], "E", "4"),
    "request-refused": (REST, [(INTERACTION, "operation")], "E", "4"),
    "access": ((DCM, "110101"), [], "R", "0"),
    "verification": ((DCM, "110101"), [], "R", "0"),
    "export": ((DCM, "110106"), [(LIFECYCLE, "disclose")], "R", "0"),
    "service-started": ((DCM, "110100"), [(DCM, "110120")], "E", "0"),
    "service-stopped": ((DCM, "110100"), [(DCM, "110121")], "E", "0"),
    "key-event": ((DCM, "110113"), [(DCM, "110129")], "U", "0"),
    "knowledge-activated": ((DCM, "110113"), [(DCM, "110131")], "U", "0"),
}


@pytest.mark.parametrize("kind", TYPES)
def test_codes_of_each_kind(events: dict[str, Event], kind: str) -> None:
    of_type, subtypes, action, outcome = TYPES[kind]
    event = events[kind]
    assert code(event["type"]) == of_type
    assert set(subtypes) <= set(codes(event["subtype"]))
    assert (event["action"], event["outcome"]) == (action, outcome)


# --- calls: the slices of PatientQuery and PatientCreate ------------------------------------------


@pytest.mark.parametrize("kind", ["decision", "feedback"])
def test_a_call_has_the_slices_of_its_pattern(events: dict[str, Event], kind: str) -> None:
    event = events[kind]
    (client,), (server,) = agents(event, CLIENT), agents(event, SERVER)
    for agent in (client, server):
        assert agent["network"]
        assert "media" not in agent
    assert client["who"] == {"identifier": {"value": "https://ehr.example"}}
    assert server["requestor"] is False
    assert len(entities(event, PERSON, "1")) == 1
    assert len(entities(event, TRANSACTION)) == (1 if kind == "decision" else 0)


def test_the_user_of_a_decision(events: dict[str, Event]) -> None:
    event = events["decision"]
    (user,) = agents(event, USER)
    assert user["who"]["identifier"] == {
        "system": "https://ehr.example", "value": "Practitioner/dr-a",
    }  # fmt: skip
    assert user["requestor"] is True
    assert user["role"] == [{"text": "oncologist"}]
    assert codes(user["purposeOfUse"][0]["coding"])[0][1] == "TREAT"
    assert user["policy"] == ["urn:ietf:params:oauth:jti:j1"]
    assert "network" not in user
    assert agents(event, CLIENT)[0]["requestor"] is False


def test_without_a_user_the_client_asked(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with closing(a_store(path)) as store:
        record(store, an_event(1, user=None, client=Client()))
    (event,) = exported(path)
    assert agents(event, USER) == []
    (client,) = agents(event, CLIENT)
    assert client["requestor"] is True
    assert client["who"] == {"display": "a client without authentication"}
    assert client["network"]["extension"][0]["valueCode"] == "unknown"


def test_a_user_who_is_the_patient_is_not_named(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with closing(a_store(path)) as store:
        record(store, an_event(1, user=User(user_id="Patient/p1")))
    (event,) = exported(path)
    assert "identifier" not in agents(event, USER)[0]["who"]


def test_what_a_decision_is_about(events: dict[str, Event]) -> None:
    event = events["decision"]
    assert event["meta"]["profile"] == [f"{OWN}/StructureDefinition/audit-decision"]
    assert (f"{OWN}/CodeSystem/hooks", "patient-view") in codes(event["subtype"])
    assert event["period"] == {
        "start": "2026-11-21T12:00:00.000000Z", "end": "2026-11-21T12:00:00.012346Z",
    }  # fmt: skip
    (patient,) = entities(event, PERSON)
    assert patient["what"]["type"] == "Patient"
    assert "/pseudonyms/" in patient["what"]["identifier"]["system"]
    assert entities(event, TRANSACTION)[0]["what"]["identifier"]["value"] == "request-1"
    whole, line, card = entities(event, OBJECT, "3")
    assert details(whole)["suppressed"] == ["biopsy:recently-done"]
    assert details(whole)["inputMissing"] == ["medicationRequests:omitted"]
    assert details(whole)["leftOut"] == ["invalid-resource:2"]
    assert details(line) == {
        "disease": ["multiple-myeloma"], "line": ["1"], "status": ["possible-refractory"],
        "pattern": ["secondary"], "confidence": ["criteria"],
        "rule": ["multiple-myeloma.imwg-60-days"], "caveat": ["marker-only"],
        "ruleNotMet": ["multiple-myeloma.primary:cannot-tell"],
    }  # fmt: skip
    assert card["what"]["identifier"]["value"] == f"urn:uuid:{card_id(1)}"
    assert details(card)["advice"] == ["restage"]
    (data,) = entities(event, OBJECT, "4")
    assert (data["what"]["type"], details(data)) == ("Observation", {"count": ["1"]})
    (knowledge,) = entities(event, OBJECT, "5")
    assert knowledge["what"]["identifier"]["value"] == "2026.11.0"
    scheme, _, digest = details(knowledge)["digest"][0].partition("sha-256;")
    assert scheme == "ni:///"
    assert base64.urlsafe_b64decode(digest + "=").hex() == "ab" * 32


OUTCOMES = [
    pytest.param({}, "0", id="cards"),
    pytest.param({"http_status": 412, "outcome": "data-unavailable"}, "4", id="data not to be had"),
    pytest.param({"http_status": 400, "outcome": "invalid-request"}, "4", id="bad request"),
    pytest.param({"missing": "denied"}, "4", id="a part of the data denied"),
    pytest.param({"missing": "search-failed"}, "4", id="a search that failed"),
    pytest.param({"missing": "null"}, "0", id="looked up and empty"),
    pytest.param({"http_status": 500, "outcome": "failed"}, "8", id="our fault"),
]


@pytest.mark.parametrize(("changes", "outcome"), OUTCOMES)
def test_outcomes(tmp_path: Path, changes: dict[str, Any], outcome: str) -> None:
    from cds_service.audit import MissingInput, Outcome

    path, changed = tmp_path / "log.db", dict(changes)
    if code := changed.pop("missing", None):
        changed["inputs_missing"] = (MissingInput("observations", code),)
    if "outcome" in changed:
        changed["outcome"] = Outcome(changed["outcome"])
    with closing(a_store(path)) as store:
        record(store, an_event(1, **changed))
    assert exported(path)[0]["outcome"] == outcome


@pytest.mark.parametrize(
    ("changes", "is_test"),
    [
        ({"mode": "canary"}, True),
        ({"as_of": AsOf(day=NOON.date(), source="fixed", time_zone="UTC")}, True),
        ({}, False),
    ],
)
def test_demo_and_canaries_are_marked(
    tmp_path: Path, changes: dict[str, Any], is_test: bool
) -> None:
    path = tmp_path / "log.db"
    with closing(a_store(path)) as store:
        record(store, an_event(1, **changes))
    labels = codes(exported(path)[0]["meta"].get("security", []))
    assert labels == ([("http://terminology.hl7.org/CodeSystem/v3-ActReason", "HTEST")] * is_test)


def test_feedback_names_its_card_and_what_was_said(events: dict[str, Event]) -> None:
    event = events["feedback"]
    (said,) = entities(event, OBJECT, "4")
    assert said["what"]["identifier"]["value"] == f"urn:uuid:{card_id(1)}"
    assert details(said)["outcome"] == ["overridden"]
    assert details(said)["overrideReason"] == ["already-planned"]
    assert details(said)["decisionId"] == [decision_id(1)]


# --- readings, exports, starts and stops ---------------------------------------------------------


@pytest.mark.parametrize("kind", ["access", "verification", "export"])
def test_who_read_the_log_is_named(events: dict[str, Event], kind: str) -> None:
    (reader,) = agents(events[kind], USER)
    assert reader["requestor"] is True
    assert reader["role"] == [{"text": "operator"}]
    assert reader["who"]["identifier"]["value"]


def test_a_reading_is_of_the_security_audit_log(events: dict[str, Event]) -> None:
    (log,) = entities(events["access"], OBJECT, "13")
    assert log["name"] == "Security Audit Log"
    assert log["what"]["identifier"]["value"] == "log-1"
    (asked,) = entities(events["access"], OBJECT, "24")
    assert details(asked)["query"] == ['{"disease":"dlbcl","type":"decision"}']


def test_an_export_has_a_source_a_recipient_and_a_purpose(events: dict[str, Event]) -> None:
    event = events["export"]
    (source,), (recipient,) = agents(event, CLIENT), agents(event, SERVER)
    assert source["who"] == event["source"]["observer"]
    assert source["network"]
    assert recipient["network"]
    assert recipient["who"]
    assert codes(event["purposeOfEvent"][0]["coding"])[0][1] == "HCOMPL"
    (asked,) = entities(event, OBJECT, "24")
    assert {"format", "rows", "digest"} <= set(details(asked))


def test_starts_and_stops_are_of_the_application(events: dict[str, Event]) -> None:
    for kind in ("service-started", "service-stopped"):
        assert len(agents(events[kind], APPLICATION)) == 1


# --- nothing of the patient ----------------------------------------------------------------------

CANARIES = ("ZQZID", "ZQZNAME", "ZQZCOMMENT", "ZQZENC", "ZQZTEXT", "1955-03-07", "ZQZOBS")


async def test_a_pseudonymous_export_holds_nothing_of_the_patient(tmp_path: Path) -> None:
    chart = json.loads(json.dumps(myeloma()).replace('"p1"', '"ZQZID"').replace("/p1", "/ZQZID"))
    for one in chart:
        one["text"] = {"status": "generated", "div": "<div>ZQZTEXT</div>"}
        if one["resourceType"] == "Patient":
            one |= {"name": [{"family": "ZQZNAME"}], "birthDate": "1955-03-07"}
        elif one["resourceType"] == "Observation":
            one["note"] = [{"text": "ZQZOBS"}]
    context = {"patientId": "ZQZID", "userId": "Practitioner/dr-a", "encounterId": "ZQZENC"}
    with serving(tmp_path) as served:
        answer = await served.hook(call(prefetch_of(chart), context=context))
        (card,) = answer.json()["cards"]
        said = overridden(card, "evidence-wrong", overrideReason={
            "reason": {"code": "evidence-wrong"}, "userComment": "ZQZCOMMENT"})  # fmt: skip
        await served.feedback({"feedback": [said]})
    result = run("export", "--format", "fhir", "--db", served.db)
    assert len(result.stdout.splitlines()) >= 2
    assert "multiple-myeloma" in result.stdout
    references = {f"{one['resourceType']}/{one['id']}" for one in chart}
    for canary in (*CANARIES, *references, card["summary"], card["detail"][:40]):
        assert canary not in result.stdout, canary


async def test_it_needs_no_key(tmp_path: Path) -> None:
    served: Served
    with serving(tmp_path) as served:
        await served.hook(call(prefetch_of(quiet())))
    with_key = exported(served.db, "--type", "decision")
    for one in tmp_path.glob("*.pseudonym-key"):
        one.unlink()
    assert exported(served.db, "--type", "decision") == with_key


def test_the_export_is_on_record_and_its_filter_with_it(log: Path) -> None:
    found = exported(log, "--type", "feedback")
    assert len(found) == 1
    last = exported(log)[-1]
    (asked,) = entities(last, OBJECT, "24")
    assert details(asked)["format"] == ["fhir"]
    assert details(asked)["query"] == ['{"type":"feedback"}']
