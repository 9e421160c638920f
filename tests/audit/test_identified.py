"""An export that names patients: only for a reason, only for one key; and whole in itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.auditevent import AuditEvent
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.guidanceresponse import GuidanceResponse
from fhir.resources.R4B.provenance import Provenance
from hooks.calls import call, myeloma, prefetch_of, quiet
from hooks.serving import EHR, Served, serving
from hooks.test_memory import overridden
from joserfc import jwe
from joserfc.jwk import ECKey, KeyBase, OKPKey, RSAKey
from typer.testing import CliRunner, Result

from audit.samples import envelopes
from audit.test_audit_events import DCM, agents, code, codes, details, entities
from cds_service.audit.commands import audit_app
from cds_service.audit.reading import open_reader

Resource = dict[str, Any]
BALP_READ = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PatientRead"
OBJECT = ("http://terminology.hl7.org/CodeSystem/audit-entity-type", "2")
PERSON = ("http://terminology.hl7.org/CodeSystem/audit-entity-type", "1")
KEYS: dict[str, Callable[[], Any]] = {
    "EC": lambda: ECKey.generate_key("P-256"),
    "RSA": lambda: RSAKey.generate_key(2048),
    "X25519": lambda: OKPKey.generate_key("X25519"),
}
INSTANCE = "d1577c69-dfbe-44ad-ba6d-000000000002"


class AnySize(jwe.JWERegistry):
    """joserfc reads small tokens only, unless it is told otherwise."""

    max_ciphertext_length = 2**40

    def validate_compact_value_size(self, value: bytes) -> None: ...


def opened(token: str, key: KeyBase) -> list[Resource]:
    algorithms = ["ECDH-ES+A256KW", "RSA-OAEP-256", "A256GCM"]
    found = jwe.decrypt_compact(token, key, registry=AnySize(algorithms=algorithms))
    return [json.loads(line) for line in (found.plaintext or b"").splitlines()]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(audit_app, [str(one) for one in arguments])


def chart() -> list[Resource]:
    """A myeloma patient; some of it has versions."""
    found = myeloma()
    for one in found:
        if one["resourceType"] == "Observation":
            one["meta"] = {"versionId": "3", "lastUpdated": "2026-11-01T08:00:00Z"}
    return found


@pytest.fixture
async def log(tmp_path: Path) -> Served:
    """A call with whole prefetch and feedback on its card; one of which the service read all."""
    with serving(tmp_path, chart=chart()) as served:
        context = {"userId": "Practitioner/dr-a", "patientId": "p1", "encounterId": "e1"}
        answer = await served.hook(call(prefetch_of(chart()), context=context, fhirServer=EHR))
        (card,) = answer.json()["cards"]
        await served.feedback({"feedback": [overridden(card, "evidence-wrong")]})
        await served.hook(call(None, hookInstance=INSTANCE, fhirServer=EHR))
    return served


ASKED = ["--identifiable", "--role", "privacy-officer", "--reason", "request of the patient"]


def key_file(folder: Path, key: Any, name: str = "recipient") -> Path:
    path = folder / name
    path.write_text(json.dumps(key.as_dict(private=False)))
    return path


def exported(log: Served, *arguments: object, key: Any = None) -> list[Resource]:
    folder = log.db.parent
    key = key or ECKey.generate_key("P-256")
    recipient = ["--recipient-key", key_file(folder, key)]
    result = run("export", "--format", "fhir", "--db", log.db, *ASKED, *recipient, *arguments)
    assert result.exit_code == 0, result.output
    return opened(result.stdout, key)


def of_type(bundle: Resource, kind: str) -> list[Resource]:
    found = [one["resource"] for one in bundle["entry"]]
    return [one for one in found if one["resourceType"] == kind]


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        for one in value.values():
            yield from references(one)
    elif isinstance(value, list):
        for one in value:
            yield from references(one)


# --- who may, and for whom -----------------------------------------------------------------------


@pytest.mark.parametrize("left_out", ["--role", "--reason", "--recipient-key"])
def test_nothing_leaves_without_role_reason_and_key(log: Served, left_out: str) -> None:
    key = key_file(log.db.parent, ECKey.generate_key("P-256"))
    given = {"--role": "privacy-officer", "--reason": "asked", "--recipient-key": str(key)}
    given.pop(left_out)
    before = log.size()
    chosen = [word for pair in given.items() for word in pair]
    result = run("export", "--format", "fhir", "--identifiable", "--db", log.db, *chosen)
    assert (result.exit_code, result.stdout) == (2, "")
    assert left_out in " ".join(result.stderr.split())
    assert log.size() == before


@pytest.mark.parametrize(("option", "value"), [("--role", "auditor"), ("--reason", "  "), ("--format", "csv")])  # noqa: E501  # fmt: skip
def test_another_role_no_reason_or_another_format_do_not_do(
    log: Served, option: str, value: str
) -> None:
    key = key_file(log.db.parent, ECKey.generate_key("P-256"))
    result = run("export", "--format", "fhir", "--db", log.db, *ASKED, "--recipient-key", key,
                 option, value)  # fmt: skip
    assert (result.exit_code, result.stdout) == (2, "")


@pytest.mark.parametrize("kind", KEYS)
def test_it_opens_with_the_recipients_key_and_no_other(log: Served, kind: str) -> None:
    key, other = KEYS[kind](), KEYS[kind]()
    file = key_file(log.db.parent, key)
    result = run("export", "--format", "fhir", "--db", log.db, *ASKED, "--recipient-key", file)
    assert len(opened(result.stdout, key)) == log.size() - 2  # the naming, and the export
    naming, export = log.entries()[-2:]
    assert (naming["eventType"], export["eventType"]) == ("reidentification", "export")
    assert (naming["query"]["export"], naming["rows"]) == ("fhir", export["rows"])
    with pytest.raises(Exception, match=r"."):
        opened(result.stdout, other)
    assert "Patient" not in result.stdout


def test_a_key_may_be_pem(log: Served) -> None:
    key = ECKey.generate_key("P-256")
    file = log.db.parent / "key.pem"
    file.write_bytes(key.as_pem(private=False))
    result = run("export", "--format", "fhir", "--db", log.db, *ASKED, "--recipient-key", file)
    assert opened(result.stdout, key)


def private(folder: Path) -> Path:
    path = folder / "private"
    path.write_text(json.dumps(ECKey.generate_key("P-256").as_dict(private=True)))
    return path


def no_key(folder: Path) -> Path:
    path = folder / "no-key"
    path.write_text("{}")
    return path


def no_file(folder: Path) -> Path:
    return folder / "none"


def shared_secret(folder: Path) -> Path:
    path = folder / "oct"
    path.write_text('{"kty": "oct", "k": "AAAA"}')
    return path


@pytest.mark.parametrize("bad", [private, no_key, no_file, shared_secret])
def test_what_is_no_public_key_is_refused(log: Served, bad: Callable[[Path], Path]) -> None:
    file = bad(log.db.parent)
    before = log.size()
    result = run("export", "--format", "fhir", "--db", log.db, *ASKED, "--recipient-key", file)
    assert (result.exit_code, result.stdout, len(result.stderr.splitlines())) == (2, "", 1)
    assert log.size() == before


def test_it_is_on_record_for_whom_it_was_and_of_what(log: Served) -> None:
    key = ECKey.generate_key("P-256")
    file = key_file(log.db.parent, key)
    to = log.db.parent / "out.jwe"
    run("export", "--format", "fhir", "--db", log.db, *ASKED, "--recipient-key", file, "--to", to)
    entry = envelopes(log.db)[-1]
    assert (entry["eventType"], entry["identifiable"]) == ("export", True)
    assert entry["recipient"] == key.thumbprint()
    assert entry["reader"]["role"] == "privacy-officer"
    assert entry["digest"] == "sha256:" + sha256(to.read_bytes()).hexdigest()
    assert entry["rows"] == 3
    assert "request of the patient" not in json.dumps(entry)


def test_nothing_of_it_is_left_on_the_disk_in_clear(log: Served) -> None:
    exported(log)
    for file in log.db.parent.iterdir():
        assert b"GuidanceResponse" not in file.read_bytes()


# --- what it holds -------------------------------------------------------------------------------


def test_every_reference_leads_to_something_in_its_bundle(log: Served) -> None:
    bundles = exported(log)
    assert len(bundles) == 3
    for bundle in bundles:
        there = {one["fullUrl"]: one["resource"] for one in bundle["entry"]}
        assert len(there) == len(bundle["entry"])
        ours = [one for kind in OURS for one in of_type(bundle, kind)]
        found = list(references(ours))
        assert found
        for reference in found:
            base, _, version = reference.partition("/_history/")
            assert base in there, reference
            if version:
                assert there[base]["meta"]["versionId"] == version


OURS = ("AuditEvent", "GuidanceResponse", "Provenance")


def test_each_is_valid(log: Served) -> None:
    models: dict[str, Any] = {
        "AuditEvent": AuditEvent, "GuidanceResponse": GuidanceResponse, "Provenance": Provenance,
    }  # fmt: skip
    for bundle in exported(log):
        Bundle.model_validate(bundle)
        for kind, model in models.items():
            for one in of_type(bundle, kind):
                model.model_validate(one)
                for entity in one.get("entity", []):
                    assert not ("name" in entity and "query" in entity)


def test_a_returned_card_is_guidance_with_its_provenance(log: Served) -> None:
    bundle = exported(log)[0]
    (decision, *_), (guidance,) = of_type(bundle, "AuditEvent"), of_type(bundle, "GuidanceResponse")
    (provenance,) = of_type(bundle, "Provenance")
    assert guidance["requestIdentifier"] == {"value": decision["id"]}
    assert guidance["status"] == "success"
    assert guidance["moduleCanonical"].startswith("https://refractory-cds.org/knowledge|2026.")
    assert guidance["subject"]["reference"] == f"{EHR}/Patient/p1"
    assert guidance["encounter"]["identifier"]["value"] == "e1"
    assert "myeloma" in guidance["note"][0]["text"]
    assert provenance["target"][0]["reference"] == f"urn:uuid:{guidance['id']}"
    assert provenance["policy"] == [guidance["moduleCanonical"]]
    assert codes(provenance["agent"][0]["type"]["coding"])[0][1] == "assembler"
    assert {one["role"] for one in provenance["entity"]} == {"source"}
    sources = {one["what"]["reference"] for one in provenance["entity"]}
    observations = {f"{EHR}/Observation/{one['id']}/_history/3"
                    for one in chart() if one["resourceType"] == "Observation"}  # fmt: skip
    assert observations
    assert observations <= sources


def test_the_patient_and_each_resource_are_named_in_the_audit_event(log: Served) -> None:
    decision, *_ = of_type(exported(log)[0], "AuditEvent")
    (patient,) = entities(decision, PERSON)
    assert patient["what"]["reference"] == f"{EHR}/Patient/p1"
    data = entities(decision, OBJECT, "4")
    assert len(data) == sum(envelopes(log.db)[0]["inputsByType"].values())
    one = next(one for one in data if "/Observation/" in one["what"]["reference"])
    assert one["what"]["reference"].endswith("/_history/3")
    assert details(one)["origin"] == ["prefetch"]
    assert details(one)["lastUpdated"] == ["2026-11-01T08:00:00Z"]
    assert details(one)["whole"][0].startswith("sha256:")


def test_resources_are_those_that_came_to_the_letter(log: Served) -> None:
    sent = {one["id"]: one for one in chart()}
    for bundle in (exported(log)[0], exported(log)[2]):
        found = [one for kind in ("Observation", "Condition") for one in of_type(bundle, kind)]
        assert found
        for one in found:
            assert one == sent[one["id"]] or one | {"meta": 0} == sent[one["id"]] | {"meta": 0}


def test_what_the_service_read_itself_are_events_by_the_read_pattern(log: Served) -> None:
    bundle = exported(log)[2]
    _, *others = of_type(bundle, "AuditEvent")
    reads = [one for one in others if one["meta"]["profile"] == [BALP_READ]]
    searches = [one for one in others if one["action"] == "E"]
    assert len(searches) == 1
    assert len(reads) + 1 == len(others)
    for one in reads:
        assert one["action"] == "R"
        assert codes(one["subtype"]) == [("http://hl7.org/fhir/restful-interaction", "read")]
        (client,), (server,) = agents(one, (DCM, "110152")), agents(one, (DCM, "110153"))
        assert client["who"] == one["source"]["observer"]
        assert server["who"]["identifier"]["value"] == EHR
        assert server["network"] == {"address": EHR, "type": "5"}
        assert client["network"]
        assert len(entities(one, PERSON, "1")) == 1
        assert len(entities(one, OBJECT)) == 1
        assert code(entities(one, OBJECT)[0]["role"])[1] == "4"


def test_a_search_swaps_the_roles_and_claims_no_query_that_is_not_on_record(log: Served) -> None:
    bundle = exported(log)[2]
    (search,) = [one for one in of_type(bundle, "AuditEvent") if one["subtype"][0]["code"] == "search-type"]  # noqa: E501  # fmt: skip
    (client,), (server,) = agents(search, (DCM, "110153")), agents(search, (DCM, "110152"))
    assert client["who"] == search["source"]["observer"]
    assert server["who"]["identifier"]["value"] == EHR
    assert not any("query" in one for one in search["entity"])
    assert "IHE" not in search["meta"]["profile"][0]


def test_with_whole_prefetch_the_service_read_nothing(log: Served) -> None:
    assert len(of_type(exported(log)[0], "AuditEvent")) == 1


async def test_without_a_server_resources_have_names_of_their_own(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        await served.hook(call(prefetch_of(chart())))
    (bundle,) = exported(served, "--type", "decision")
    there = {one["fullUrl"] for one in bundle["entry"]}
    assert all(one.startswith("urn:uuid:") for one in there)
    found = list(references([one for kind in OURS for one in of_type(bundle, kind)]))
    assert set(found) <= there


async def test_a_chart_that_was_not_kept_is_named_and_not_shown(tmp_path: Path) -> None:
    with serving(tmp_path, settings={"audit_keep_requests": False}) as served:
        await served.hook(call(prefetch_of(chart()), fhirServer=EHR))
    (bundle,) = exported(served, "--type", "decision")
    assert of_type(bundle, "Observation") == []
    (provenance,) = of_type(bundle, "Provenance")
    named = [one["what"]["identifier"]["value"] for one in provenance["entity"] if "identifier" in one["what"]]  # noqa: E501  # fmt: skip
    assert any(one.startswith("Observation/") and one.endswith("/_history/3") for one in named)
    there = {one["fullUrl"] for one in bundle["entry"]}
    assert set(references([one for kind in OURS for one in of_type(bundle, kind)])) <= there


async def test_an_assessment_of_a_bundle_is_exported_too(tmp_path: Path) -> None:
    body = {"resourceType": "Bundle", "type": "collection",
            "entry": [{"resource": one} for one in chart()]}  # fmt: skip
    with serving(tmp_path) as served:
        await served.assess(body, asOf="2026-11-21")
    (bundle,) = exported(served, "--type", "decision")
    assert of_type(bundle, "Observation")


async def test_an_erased_patient_is_not_named_again(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        await served.hook(call(prefetch_of(chart()), fhirServer=EHR))
        await served.hook(call(prefetch_of(quiet()), hookInstance=INSTANCE))
    gone = run(
        "erase", "--patient", "p1", "--fhir-server", EHR, "--ground", "asked", "--db", served.db
    )
    assert gone.exit_code == 0, gone.output
    first, *_ = exported(served, "--type", "decision")
    assert [one["resource"]["resourceType"] for one in first["entry"]] == ["AuditEvent", "Device"]
    assert "Patient/p1" not in json.dumps(first)


def test_one_patient_can_be_exported_by_an_id_from_a_file(log: Served) -> None:
    (log.db.parent / "id").write_text("p1\n")
    of_patient = ["--patient-from", log.db.parent / "id", "--fhir-server", EHR]
    assert len(exported(log, *of_patient)) == 3
    (log.db.parent / "id").write_text("p2\n")
    assert exported(log, *of_patient) == []


def test_cards_of_a_silent_decision_are_no_guidance(tmp_path: Path) -> None:
    from contextlib import closing

    from audit.samples import a_decision, a_store, record
    from cds_service.audit import decision_event

    path = tmp_path / "log.db"
    with closing(a_store(path)) as store:
        record(
            store, *(decision_event(a_decision(n, mode=m)) for n, m in ((1, "live"), (2, "silent")))
        )
    key = ECKey.generate_key("P-256")
    recipient = ["--recipient-key", key_file(tmp_path, key)]
    result = run("export", "--format", "fhir", "--db", path, *ASKED, *recipient)
    live, silent = opened(result.stdout, key)
    assert len(of_type(live, "GuidanceResponse")) == 1
    assert of_type(silent, "GuidanceResponse") == of_type(silent, "Provenance") == []


def test_cards_that_did_not_leave_are_no_guidance(log: Served) -> None:
    from contextlib import closing

    from audit.samples import a_recorder, record
    from cds_service.audit import delivery_event
    from cds_service.audit.data_keys import DataKeys, default_data_key_file
    from cds_service.audit.database_store import DatabaseStore

    with open_reader(log.db) as reader:
        first = next(reader.events())
    keys = DataKeys(default_data_key_file(log.db))
    with closing(DatabaseStore(log.db, a_recorder(data_keys=keys))) as store:
        record(store, delivery_event(first.event_id))
    assert of_type(exported(log)[0], "GuidanceResponse") == []
