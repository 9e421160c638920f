"""Payloads are encrypted, each under the key of its patient, and open only in their own place."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import zlib
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from audit.leftovers import found_in
from audit.samples import (
    NOON,
    Clock,
    Ids,
    a_recorder,
    a_signing,
    a_store,
    administrator,
    an_event,
    card_id,
    envelopes,
    feedback_on,
    kinds,
    record,
    verified,
)
from cds_service.audit import Client, Event, open_decision_log
from cds_service.audit.commands import audit_app
from cds_service.audit.data_keys import DataKey, DataKeys, Generation, KeysNeeded, generation_of
from cds_service.audit.database import Connection
from cds_service.audit.database_store import DatabaseStore
from cds_service.audit.entries import Reader, access_event
from cds_service.audit.reading import open_reader
from cds_service.audit.seal import AES_256_GCM, Bond, Payload, pack, seal, unseal
from cds_service.audit.sqlite_file import SCHEMA_VERSION, create_log
from cds_service.errors import AuditError, LogUnavailable

GOLDEN = Path(__file__).with_name("golden")
BOND = Bond("event-1", 1)
KEY = DataKey("k1", bytes(range(32)))
WHY = access_event(
    Reader(account="auditor", role="operator", reason="complaint 12"), command="x", query={}, rows=0
)


def run(*arguments: object, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(audit_app, [str(one) for one in arguments], env=env)


def content(path: Path, name: str, seq: int = 1, keys: Path | None = None) -> bytes | None:
    with open_reader(path, keys) as reader:
        event = reader.find(str(seq))
        assert event is not None
        return reader.content(event, name)


def rows(path: Path, query: str, *values: object) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query, values).fetchall()


def a_log(path: Path, *events: Event, **changes: Any) -> None:
    with closing(a_store(path, a_recorder(**changes))) as store:
        record(store, *events)


# --- one payload ----------------------------------------------------------------------------


def test_what_was_sealed_opens_and_equal_contents_never_look_alike() -> None:
    one, other = (seal("response", pack(b"said"), KEY, BOND) for _ in range(2))
    assert unseal(one, KEY, BOND) == unseal(other, KEY, BOND) == b"said"
    assert one.nonce != other.nonce
    assert one.stored != other.stored
    assert one.digest != other.digest
    assert (one.scheme, one.key_id) == (AES_256_GCM, "k1")


def test_the_salt_lies_in_what_is_encrypted() -> None:
    one, other = pack(b"said"), pack(b"said")
    assert one[:32] != other[:32]
    assert zlib.decompress(one[32:]) == zlib.decompress(other[32:]) == b"said"


@pytest.mark.parametrize(
    ("name", "key", "bond"),
    [
        pytest.param("response", KEY, Bond("event-2", 1), id="of another entry"),
        pytest.param("response", KEY, Bond("event-1", 2), id="of another version"),
        pytest.param("request", KEY, BOND, id="under another name"),
        pytest.param("response", DataKey("k1", bytes(32)), BOND, id="with another key"),
    ],
)
def test_a_payload_opens_in_its_own_place_alone(name: str, key: DataKey, bond: Bond) -> None:
    sealed = seal("response", pack(b"said"), KEY, BOND)
    moved = Payload(name, sealed.scheme, sealed.key_id, sealed.nonce, sealed.stored)
    with pytest.raises(AuditError, match="cannot be opened"):
        unseal(moved, key, bond)


def test_a_wrapped_key_opens_under_its_own_id_and_generation_alone() -> None:
    generation = Generation(bytes(32))
    wrapped = generation.wrap(KEY)
    assert generation.unwrap("k1", wrapped) == KEY
    assert KEY.secret not in wrapped
    assert generation_of(wrapped) == generation.key_id
    with pytest.raises(AuditError, match="altered"):
        generation.unwrap("k2", wrapped)
    with pytest.raises(AuditError, match="altered"):
        generation.unwrap("k1", wrapped[:-1] + bytes([wrapped[-1] ^ 1]))


# --- in the log -----------------------------------------------------------------------------


def test_a_patients_payloads_have_one_key_and_another_patients_another(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    a_log(path, an_event(1, patient_id="a"), an_event(2, patient_id="a"), an_event(3))
    a_log(path, an_event(4, patient_id="a"), make_id=Ids(after=50))
    first, second, other, later = (one["sealed"]["keyId"] for one in envelopes(path))
    assert first == second == later != other
    stored = rows(path, "SELECT DISTINCT seq, scheme, key_id FROM payloads ORDER BY seq")
    assert stored == [
        (seq, AES_256_GCM, key) for seq, key in enumerate((first, first, other, first), 1)
    ]
    assert b"Possible 4" in (content(path, "response", 4) or b"")
    assert verified(path).exit_code == 3


def test_without_a_patient_the_log_has_a_key_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    a_log(path, WHY, feedback_on("no card"), an_event(1, patient_id=None))
    assert {one["sealed"]["keyId"] for one in envelopes(path)} == {
        key for (key,) in rows(path, "SELECT key_id FROM log_keys")
    }
    assert content(path, "reason") == b"complaint 12"


@pytest.mark.parametrize(
    "client",
    [pytest.param("https://ehr.example", id="its own"), pytest.param("https://x", id="other")],
)
def test_a_comment_has_the_key_of_the_patient_whom_the_card_was_about(
    tmp_path: Path, client: str
) -> None:
    path = tmp_path / "log.db"
    a_log(path, an_event(1))
    a_log(path, feedback_on(card_id(1), client=Client(iss=client)), make_id=Ids(after=50))
    decision, feedback = envelopes(path)
    assert decision["sealed"]["keyId"] == feedback["sealed"]["keyId"]
    assert b"already planned" in (content(path, "feedback", 2) or b"")


def test_an_entry_with_nothing_to_seal_needs_no_key(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    a_log(path, access_event(Reader(account="a", role="operator"), command="x", query={}, rows=0))
    assert [one.name for one in tmp_path.iterdir() if "key" in one.name] == []


def test_two_processes_with_the_same_new_patient_agree_on_one_key(tmp_path: Path) -> None:
    path = tmp_path / "log.db"

    class Late(DatabaseStore):
        """Chooses its keys, and then another process is first."""

        def _begin(self, db: Connection) -> None:
            if not envelopes(path):
                a_log(path, an_event(1, patient_id="a"))
            super()._begin(db)

    create_log(path, log_id="log-1", created_at=NOON)
    with closing(Late(path, a_recorder(make_id=Ids(after=50)))) as store:
        record(store, an_event(2, patient_id="a"))
    first, second = envelopes(path)
    assert first["sealed"]["keyId"] == second["sealed"]["keyId"]
    assert first["patientPseudonym"] == second["patientPseudonym"]
    assert content(path, "response", 1)
    assert content(path, "response", 2)


# --- the key file ---------------------------------------------------------------------------


def test_the_file_is_made_once_for_its_owner_alone_and_holds_no_key_of_the_log(
    tmp_path: Path,
) -> None:
    path, file = tmp_path / "log.db", tmp_path / "elsewhere" / "key"
    for _ in range(2):
        open_decision_log(path, data_key_file=file).close()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    secret = bytes.fromhex(file.read_text("ascii"))
    assert len(secret) == 32
    for one in tmp_path.iterdir():
        if one.is_file():
            assert secret not in one.read_bytes()
            assert secret.hex().encode() not in one.read_bytes()


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "log.db"
    open_decision_log(path).close()
    (tmp_path / "log.db.data-key").chmod(mode)
    with pytest.raises(AuditError, match="data key file can be read by others"):
        open_decision_log(path)


@pytest.mark.parametrize("instead", [None, "ab" * 32])
def test_a_log_is_not_opened_without_its_key(tmp_path: Path, instead: str | None) -> None:
    path, file = tmp_path / "log.db", tmp_path / "log.db.data-key"
    open_decision_log(path).close()
    file.unlink()
    if instead:
        file.write_text(instead, "ascii")
        file.chmod(0o600)
    with pytest.raises(AuditError, match="data key file"):
        open_decision_log(path)
    assert file.exists() is bool(instead)


def test_the_keys_stand_in_no_text_of_their_values() -> None:
    generation = Generation(b"\xab" * 32)
    for shown in (repr(KEY), repr(generation), generation.key_id):
        assert "ababab" not in shown
        assert repr(KEY.secret) not in shown


@pytest.mark.parametrize("output", ["text", "json"])
def test_without_the_keys_show_says_so_and_nothing_else(tmp_path: Path, output: str) -> None:
    path = tmp_path / "log.db"
    a_log(path, an_event(1))
    (tmp_path / "log.db.data-key").unlink()
    shown = run("show", "1", "--db", path, "--format", output)
    assert shown.exit_code == 2
    assert shown.stdout == ""
    assert "the data key file cannot be read: No such file" in shown.stderr
    assert len(shown.stderr.splitlines()) == 1
    assert run("list", "--db", path).exit_code == 0
    assert run("verify", "--db", path).exit_code == 3
    with_reason = run("list", "--db", path, "--reason", "because")
    assert (with_reason.exit_code, "data key file" in with_reason.stderr) == (2, True)


def test_the_file_is_named_by_option_or_setting(tmp_path: Path) -> None:
    path, file = tmp_path / "log.db", tmp_path / "elsewhere"
    a_log(path, an_event(1))
    (tmp_path / "log.db.data-key").rename(file)
    assert run("show", "1", "--db", path, "--data-key-file", file).exit_code == 0
    env = {"REFRACTORY_CDS_AUDIT_DATA_KEY_FILE": str(file)}
    assert run("show", "1", "--db", path, "--reason", "because", env=env).exit_code == 0
    assert content(path, "reason", 3, file) == b"because"


# --- generations ----------------------------------------------------------------------------


def add_generation(file: Path, secret: str) -> None:
    with file.open("a", encoding="ascii") as lines:
        lines.write(secret + "\n")
    os.utime(file, ns=(1, 1))


def test_a_new_generation_wraps_all_keys_and_the_old_one_can_go(tmp_path: Path) -> None:
    path, file = tmp_path / "log.db", tmp_path / "log.db.data-key"
    log = a_store(path, a_recorder())
    record(log, an_event(1), WHY)
    before = rows(path, "SELECT seq, name, nonce, stored FROM payloads ORDER BY seq, name")
    old = DataKeys(file).current.key_id
    add_generation(file, "cd" * 32)
    done = run("rewrap", "--db", path, "--reason", "yearly")
    assert done.exit_code == 0, done.output
    assert "2 keys wrapped anew" in done.stdout
    assert f"2 were under {old}" in done.stdout
    file.write_text("cd" * 32 + "\n", "ascii")
    assert (
        rows(path, "SELECT seq, name, nonce, stored FROM payloads WHERE seq < 3 ORDER BY seq, name")
        == before
    )
    record(log, an_event(2, patient_id="p1"))  # the process that was open all the time
    log.close()
    for seq in (1, 5):
        assert b"Possible" in (content(path, "response", seq) or b"")
    created, rewrapped = envelopes(path)[2:4]
    new = DataKeys(file).current.key_id
    assert (created["eventType"], created["action"], created["keyId"]) == (
        "key-event",
        "created",
        new,
    )
    assert (rewrapped["action"], rewrapped["purpose"]) == ("rewrapped", "data-keys")
    assert (rewrapped["keyId"], rewrapped["wrapped"]) == (new, {old: 2})
    assert verified(path).exit_code == 3
    again = run("rewrap", "--db", path)
    assert "0 keys wrapped anew" in again.stdout
    assert len(envelopes(path)) == 5


def test_no_old_wrapping_stays_in_any_file(tmp_path: Path) -> None:
    """Else what an old generation opens could still be had from the log of today."""
    path, file = tmp_path / "log.db", tmp_path / "log.db.data-key"
    with closing(a_store(path)) as store:
        record(store, WHY, *(an_event(n, request=None) for n in range(1, 100)))
    held = {row[0] for row in rows(path, "SELECT wrapped_key FROM patients")}
    held |= {row[0] for row in rows(path, "SELECT wrapped_key FROM log_keys")}
    assert len({one for _, one in found_in(tmp_path, held)}) == len(held) == 100
    add_generation(file, "cd" * 32)
    assert run("rewrap", "--db", path).exit_code == 0
    assert found_in(tmp_path, held) == set()


def test_a_generation_taken_out_too_early_is_said_and_nothing_is_lost(tmp_path: Path) -> None:
    path, file = tmp_path / "log.db", tmp_path / "log.db.data-key"
    a_log(path, an_event(1))
    kept = file.read_text("ascii")
    file.write_text("cd" * 32 + "\n", "ascii")
    shown = run("show", "1", "--db", path)
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert "lacks a generation" in shown.stderr
    assert run("rewrap", "--db", path).exit_code == 2
    with closing(a_store(path)) as store:
        (refused,) = store.append([an_event(2, patient_id="p1")])
        assert isinstance(refused, LogUnavailable)
    with pytest.raises(KeysNeeded):
        content(path, "response")
    file.write_text(kept, "ascii")
    assert b"Possible 1" in (content(path, "response") or b"")


async def test_the_first_generation_is_on_record_once(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    for _ in range(3):
        open_decision_log(path, clock=Clock(), make_id=Ids(), signing=a_signing(path)).close()
    about = [(one["purpose"], one["action"]) for one in envelopes(path)]
    assert about == [("checkpoints", "created"), ("data-keys", "created")]
    assert verified(path).exit_code == 3


# --- what verify finds ----------------------------------------------------------------------


def test_a_key_that_is_gone_without_an_entry_is_a_loss(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    a_log(path, an_event(1), an_event(2))
    with administrator(path) as db:
        db.execute(
            "DELETE FROM patients WHERE data_key_id = ?", (envelopes(path)[0]["sealed"]["keyId"],)
        )
    report = verified(path)
    assert kinds(report) == {"payload-missing"}
    assert [one.first for one in report.findings if not one.informs] == [1]


@pytest.mark.parametrize(
    "key_id", [pytest.param("NULL", id="none"), pytest.param("'x'", id="another")]
)
def test_a_payload_that_names_another_key_is_altered(tmp_path: Path, key_id: str) -> None:
    path = tmp_path / "log.db"
    a_log(path, an_event(1))
    with administrator(path) as db:
        db.execute(f"UPDATE payloads SET key_id = {key_id} WHERE name = 'response'")  # noqa: S608
    assert kinds(verified(path)) == {"payload-altered"}


# --- logs of before there were keys ---------------------------------------------------------


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A log of version 2, as the release before wrote it: a key-event, decisions on patients p1 and
    p2, a comment on the first card, an access with its reason."""
    path = tmp_path / "log.db"
    shutil.copyfile(GOLDEN / "version-2.db", path)
    return path


def opened(path: Path, names: Sequence[tuple[int, str]]) -> list[bytes | None]:
    return [content(path, name, seq) for seq, name in names]


OLD = ((2, "response"), (3, "request"), (4, "feedback"), (5, "reason"))


def test_an_old_log_is_read_and_verified_as_it_is_without_any_key(old: Path) -> None:
    before = old.read_bytes()
    report = verified(old)
    assert (report.exit_code, report.size, report.checkpoints) == (3, 5, 1)
    assert [one.kind for one in report.findings] == ["unanchored"]
    first, second, comment, reason = opened(old, OLD)
    assert b"Possible 1" in (first or b"")
    assert b'"n": 2' in (second or b"")
    assert b"SAID-THEN" in (comment or b"")
    assert reason == b"WHY-THEN"
    assert old.read_bytes() == before


def test_an_old_log_is_brought_on_and_new_payloads_are_encrypted(old: Path) -> None:
    payloads = rows(old, "SELECT * FROM payloads ORDER BY seq, name")
    a_log(old, an_event(3, patient_id="p1"), clock=Clock(NOON + timedelta(hours=1)))
    assert rows(old, "SELECT version FROM schema_version") == [(SCHEMA_VERSION,)]
    assert rows(old, "SELECT * FROM payloads WHERE seq < 6 ORDER BY seq, name") == payloads
    entries = envelopes(old)
    assert entries[1]["patientPseudonym"] == entries[5]["patientPseudonym"]
    assert [one["sealed"]["scheme"] for one in (entries[1], entries[5])] == ["plain", AES_256_GCM]
    assert b"Possible 3" in (content(old, "response", 6) or b"")
    assert b"Possible 1" in (content(old, "response", 2) or b"")
    report = verified(old)
    assert (report.exit_code, [one.kind for one in report.findings]) == (3, ["unanchored"])


def test_show_tells_the_two_apart(old: Path) -> None:
    assert "plain (NOT encrypted)" in run("show", "2", "--db", old).stdout
    a_log(old, an_event(3), make_id=Ids(after=50))
    assert "sealed, aes-256-gcm" in run("show", "7", "--db", old).stdout
