"""A patient is erased: what was sealed is gone for good, the log stays whole, nothing joins the
old pseudonym to a new one."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from audit.leftovers import found_in
from audit.samples import (
    EHR,
    KEY,
    NOON,
    Clock,
    Ids,
    a_recorder,
    a_store,
    administrator,
    an_event,
    card_id,
    decision_id,
    envelopes,
    feedback_on,
    kinds,
    places,
    record,
    verified,
)
from audit.tampering import envelope_of
from cds_service.audit import CardReturned, CardSubject, Event, Sought, open_decision_log
from cds_service.audit.commands import audit_app
from cds_service.audit.database_memory import DatabaseMemory
from cds_service.audit.decision import patient_of
from cds_service.audit.findings import Kind
from cds_service.audit.pseudonyms import PseudonymKey
from cds_service.audit.reading import open_reader
from cds_service.audit.seal import PayloadErased
from cds_service.errors import AuditError

SERVER = "https://ehr.example/fhir"
GROUND = "GDPR article 17; case 4711"
OTHER_KEY = PseudonymKey(b"another generation of the secret")
P1 = patient_of(EHR, SERVER, "p1")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(audit_app, [str(one) for one in arguments])


def key_file(path: Path, *keys: PseudonymKey) -> Path:
    file = path.with_name("pseudonym-keys")
    file.touch(mode=0o600)
    file.write_text("".join(f"{key.secret.hex()}\n" for key in keys or (KEY,)), "ascii")
    return file


def erase(path: Path, patient: str = "p1", **changes: Any) -> Result:
    named = {"--fhir-server": SERVER, "--client": EHR.iss, "--ground": GROUND} | changes
    options = [part for pair in named.items() if pair[1] is not None for part in pair]
    keys = key_file(path) if not path.with_name("pseudonym-keys").exists() else None
    keys = keys or path.with_name("pseudonym-keys")
    return run("erase", "--db", path, "--patient", patient, "--key-file", keys, *options)


def visit(number: int, patient: str = "p1", **changes: Any) -> Event:
    card = CardReturned(
        uuid=card_id(number),
        indicator="warning",
        advice=["restage"],
        disease="multiple-myeloma",
        line=1,
        status="possible-refractory",
        confidence="criteria",
        subject=CardSubject("Condition/c1", "ab" * 16, date(2026, 11, 2)),
    )
    return an_event(number, patient_id=patient, cards=(card,), **changes)


def more(path: Path, *events: Event, **changes: Any) -> None:
    with closing(a_store(path, a_recorder(Clock(NOON + timedelta(hours=1)), **changes))) as store:
        record(store, *events)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Patient p1 twice, with a comment on the first card; patient p2 once."""
    path = tmp_path / "log.db"
    with closing(a_store(path)) as store:
        record(store, visit(1), visit(2), visit(3, "p2"))
        record(store, feedback_on(card_id(1)))
    return path


def contents(path: Path, seq: int) -> Iterator[bytes | None]:
    with open_reader(path) as reader:
        event = reader.find(str(seq))
        assert event
        for name in event.read()["sealed"]["digests"]:
            yield reader.content(event, name)


def bytes_of(path: Path, size: int) -> list[bytes]:
    with open_reader(path) as reader:
        return [event.envelope for event in reader.events()][:size]


def remembered(path: Path) -> int:
    memory = DatabaseMemory(path, (KEY,))
    with closing(memory):
        sought = Sought(
            patient=P1,
            service_id="refractory-status",
            user_id="Practitioner/dr-a",
            feedback_since=NOON - timedelta(days=365),
            cards_since=NOON - timedelta(days=7),
            cards_before=NOON + timedelta(days=1),
        )
        return sum(len(one.feedback) + len(one.given) for one in memory.earlier(sought))


def test_after_the_erasure_nothing_of_the_patient_opens_and_the_log_is_whole(path: Path) -> None:
    before, report_before = bytes_of(path, 4), verified(path)
    done = erase(path)
    assert done.exit_code == 0, done.output
    assert "1 pseudonym" in done.stdout
    for seq in (1, 2, 4):
        with pytest.raises(PayloadErased):
            list(contents(path, seq))
    assert any(b"Possible 3" in (one or b"") for one in contents(path, 3))
    report = verified(path)
    assert (report.exit_code, kinds(report)) == (report_before.exit_code, set())
    assert places(report, Kind.PAYLOAD_SHREDDED) == [(1, 2), (4, 4)]
    assert bytes_of(path, 4) == before


def test_the_redaction_names_policy_keys_and_what_stayed_and_nobody(path: Path) -> None:
    first = envelopes(path)[0]
    erase(path, **{"--policy": "gdpr-17"})
    last = envelopes(path)[-1]
    assert (last["eventType"], last["policy"], last["stayed"]) == (
        "redaction",
        "gdpr-17",
        ["envelopes"],
    )
    assert last["erased"] == {
        "pseudonyms": [first["patientPseudonym"]],
        "dataKeys": [first["sealed"]["keyId"]],
    }
    assert last["reader"]["role"] == "operator"
    assert "patientPseudonym" not in last
    assert "p1" not in json.dumps(last | {"reader": None}).replace(last["hostId"], "").split('"')
    assert "4711" not in json.dumps(last)
    assert list(contents(path, 5)) == [GROUND.encode()]


def test_show_and_list_go_on_and_say_what_was_erased(path: Path) -> None:
    erase(path)
    shown = run("show", decision_id(1), "--db", path)
    assert shown.exit_code == 0, shown.output
    assert (
        "ERASED, and cannot be shown again: assessment, comment, inputs, response" in shown.stdout
    )
    assert "NOT AS RECORDED" not in shown.stdout
    assert "multiple-myeloma, line 1: possible-refractory" in shown.stdout
    assert "Possible 1" not in shown.stdout
    as_json = json.loads(run("show", "1", "--db", path, "--format", "json").stdout)
    assert "faults" not in as_json
    assert as_json["erased"] == ["assessment", "comment", "inputs", "response"]


def values_of(part: Any) -> set[str]:
    if isinstance(part, dict):
        return {value for one in part.values() for value in values_of(one)}
    if isinstance(part, list):
        return {value for one in part for value in values_of(one)}
    return {str(part)}


def test_the_same_patient_then_has_another_name_and_nothing_joins_the_two(path: Path) -> None:
    old = values_of(envelopes(path)[:2])
    other = values_of(envelopes(path)[2])
    erase(path)
    more(path, visit(9), make_id=Ids(after=90))
    new = envelopes(path)[-1]
    assert new["patientPseudonym"] not in old
    assert new["sealed"]["keyId"] not in old
    # what both visits share, any two patients share
    assert values_of(new) & old <= other
    assert remembered(path) == 1  # the new visit alone
    assert verified(path).exit_code == 3


def test_the_memory_of_earlier_cards_is_gone(path: Path) -> None:
    assert remembered(path) == 3
    erase(path)
    assert remembered(path) == 0


def test_a_comment_that_comes_after_the_erasure_is_not_kept(path: Path) -> None:
    erase(path)
    more(path, feedback_on(card_id(2), comment="LATE"), make_id=Ids(after=90))
    last = envelopes(path)[-1]
    assert last["sealed"] == {"withheld": ["feedback"]}
    assert run("show", decision_id(2), "--db", path).exit_code == 0
    assert verified(path).exit_code == 3


def test_every_generation_of_the_pseudonym_key_is_searched(path: Path) -> None:
    more(path, visit(7), keys=(KEY, OTHER_KEY), make_id=Ids(after=70))
    key_file(path, KEY, OTHER_KEY)
    assert "2 pseudonym" in erase(path).stdout
    assert len(envelopes(path)[-1]["erased"]["pseudonyms"]) == 2
    for seq in (1, 2, 5):
        with pytest.raises(PayloadErased):
            list(contents(path, seq))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"patient": "nobody"}, id="unknown"),
        pytest.param({"--fhir-server": None}, id="without its server"),
        pytest.param({"--client": "https://other.example"}, id="of another client"),
        pytest.param({"--ground": "  "}, id="without a ground"),
        pytest.param({"patient": "a\x1fb"}, id="no id at all"),
    ],
)
def test_what_cannot_be_erased_is_said_and_nothing_is_written(
    path: Path, changes: dict[str, Any]
) -> None:
    done = erase(path, **changes)
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1
    assert len(envelopes(path)) == 4
    assert any(b"Possible 1" in (one or b"") for one in contents(path, 1))


def test_the_id_can_come_from_the_standard_input(path: Path) -> None:
    """There it stands in no history of a shell."""
    options = ["--fhir-server", SERVER, "--client", str(EHR.iss), "--ground", GROUND]
    files = ["--db", str(path), "--key-file", str(key_file(path))]
    done = CliRunner().invoke(
        audit_app, ["erase", *files, "--patient", "-", *options], input="p1\n"
    )
    assert done.exit_code == 0, done.output
    assert envelopes(path)[-1]["eventType"] == "redaction"


def test_erasing_twice_finds_nobody_the_second_time(path: Path) -> None:
    assert erase(path).exit_code == 0
    assert erase(path).exit_code == 2


def test_without_the_data_key_nothing_is_erased(path: Path) -> None:
    """The ground could not be sealed."""
    default = path.with_name("log.db.data-key")
    default.rename(path.with_name("away"))
    assert erase(path).exit_code == 2
    path.with_name("away").rename(default)
    assert len(envelopes(path)) == 4
    assert any(b"Possible 1" in (one or b"") for one in contents(path, 1))


def test_a_destroyed_key_that_is_put_back_is_found(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        kept = db.execute("SELECT * FROM patients").fetchall()
    erase(path)
    with administrator(path) as db:
        db.executemany("INSERT OR REPLACE INTO patients VALUES (?, ?, ?, ?, ?)", kept)
    assert kinds(verified(path)) == {Kind.PAYLOAD_ALTERED}


@pytest.mark.parametrize("said", ["1", "[]", '{"pseudonyms":[[]],"dataKeys":{"a":1}}', "null"])
def test_a_redaction_that_says_nonsense_erases_nobody(path: Path, said: str) -> None:
    erase(path)
    with administrator(path) as db:
        altered = envelope_of(db, 5).replace(b'"stayed":["envelopes"]', f'"erased":{said}'.encode())
        db.execute("UPDATE events SET envelope = ? WHERE seq = 5", (altered,))
    assert Kind.CONTENT_ALTERED in kinds(verified(path))


@pytest.mark.parametrize("wrapped", ["NULL", "'text'", "x'00'", "zeroblob(68)"])
def test_a_wrapped_key_that_was_altered_is_a_fault_and_no_crash(path: Path, wrapped: str) -> None:
    with administrator(path) as db:
        db.execute(f"UPDATE patients SET wrapped_key = {wrapped}")  # noqa: S608
    shown = run("show", "1", "--db", path)
    assert shown.exit_code == 2
    assert len(shown.stderr.splitlines()) == 1
    with closing(a_store(path)) as store:
        assert isinstance(store.append([visit(9)])[0], AuditError)


async def test_a_log_that_is_open_meanwhile_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    log = open_decision_log(path, clock=Clock(), make_id=Ids())
    keys = tmp_path / "log.db.pseudonym-key"
    await log.append(visit(1))
    done = erase(path, **{"--key-file": str(keys)})
    assert done.exit_code == 0, done.output
    await log.append(visit(2))
    log.close()
    first, _, second = envelopes(path)
    assert first["patientPseudonym"] != second["patientPseudonym"]
    assert first["sealed"]["keyId"] != second["sealed"]["keyId"]
    assert verified(path).exit_code == 3


def test_neither_key_nor_salt_stays_in_any_file(tmp_path: Path) -> None:
    """Rows move about in the file as others come; no copy of them may stay where they were."""
    path = tmp_path / "log.db"
    numbers = list(range(1, 600))
    random.Random(7).shuffle(numbers)  # noqa: S311 # an order that can be repeated
    with closing(a_store(path)) as store:
        for start in range(0, len(numbers), 50):
            record(store, *(an_event(n, request=None) for n in numbers[start : start + 50]))
    with closing(sqlite3.connect(path)) as db:
        lookups = {KEY.lookup_id(patient_of(EHR, SERVER, f"p{n}")): n for n in numbers[::40]}
        rows = [
            row
            for row in db.execute("SELECT lookup_id, salt, wrapped_key FROM patients")
            if row[0] in lookups
        ]
    assert len(rows) == 15
    held = {part for row in rows for part in row}
    assert {one for _, one in found_in(tmp_path, held)} == held
    for number in lookups.values():
        assert erase(path, f"p{number}").exit_code == 0
    assert found_in(tmp_path, held) == set()
    report = verified(path)
    assert report.exit_code == 3


# --- logs of before there were keys ---------------------------------------------------------


def test_payloads_that_no_key_sealed_are_deleted_with_the_patient(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    shutil.copyfile(Path(__file__).with_name("golden") / "version-2.db", path)
    told = (b"Possible 1", b"SAID-THEN", b"Observation/o1")
    assert {one for _, one in found_in(tmp_path, told)} == set(told)
    done = erase(path)
    assert done.exit_code == 0, done.output
    assert "6 payloads that no key of the patient sealed: deleted" in done.stdout
    assert found_in(tmp_path, told) == set()
    with pytest.raises(PayloadErased):
        list(contents(path, 2))
    assert any(b"Possible 2" in (one or b"") for one in contents(path, 3))
    report = verified(path)
    assert (report.exit_code, kinds(report)) == (3, set())
    assert places(report, Kind.PAYLOAD_SHREDDED) == [(2, 2), (4, 4)]


def test_payloads_of_others_cannot_be_deleted_so(path: Path) -> None:
    erase(path)
    with closing(sqlite3.connect(path)) as db, pytest.raises(sqlite3.IntegrityError):
        db.execute("DELETE FROM payloads WHERE seq = 3")


def test_a_row_that_changes_meanwhile_is_not_erased(path: Path) -> None:
    from cds_service.audit.entries import Reader
    from cds_service.audit.erasing import Row, _Erasing, redaction_event

    reader = Reader(account="a", role="operator")
    row = Row(KEY.lookup_id(P1), "ab" * 32, "another key")
    event = redaction_event(reader, [row], policy="x", ground="y", payloads_deleted=0)
    store = _Erasing(path, a_recorder(make_id=Ids(after=90)), [row], holds_seen=0)
    with closing(store), pytest.raises(AuditError, match="changed meanwhile"):
        store.append([event])
    assert len(envelopes(path)) == 4
