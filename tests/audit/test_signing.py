"""Checkpoints as they are made: in time, by one of several, over what holds together only."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from audit.samples import (
    a_log_of,
    a_recorder,
    a_signed_log,
    a_signing,
    a_store,
    administrator,
    an_event,
    envelopes,
    faults,
    kinds,
    record,
    sign_log,
    verified,
)
from audit.tampering import change_a_byte, delete
from cds_service.audit import open_decision_log
from cds_service.audit.anchor import newest_anchor, read_anchors
from cds_service.audit.chain import first_link, leaf_hash
from cds_service.audit.checkpoint import read_note
from cds_service.audit.findings import Kind
from cds_service.audit.keeper import Rhythm
from cds_service.audit.notes import Note, SigningKey
from cds_service.audit.pseudonyms import load_or_create_keys
from cds_service.audit.reading import open_reader
from cds_service.audit.signing import Signer, prepare_signing, ring_in
from cds_service.audit.signing_keys import load_or_create_signing_key, rotation
from cds_service.audit.sqlite_file import open_log, schema
from cds_service.audit.tree import Tree
from cds_service.errors import AuditError, LogUnavailable


def sizes(path: Path) -> list[int]:
    with open_reader(path) as reader:
        return [stored.size for stored in reader.checkpoints()]


def more(path: Path, *numbers: int) -> None:
    with closing(a_store(path)) as store:
        record(store, *(an_event(number) for number in numbers))


# --- one checkpoint -------------------------------------------------------------------------


def test_a_checkpoint_has_the_size_and_root_of_the_log_and_its_keys_signature(
    tmp_path: Path,
) -> None:
    path = tmp_path / "log.db"
    *_, note = a_signed_log(path)
    checkpoint, _ = read_note(str(note))
    report = verified(path)
    assert (checkpoint.log_id, checkpoint.size) == ("log-1", report.size)
    assert checkpoint.root == report.root
    (key,) = ring_in(path)[1].public
    assert key.has_signed(note)
    assert sizes(path) == [3, 5, 8]


def test_where_nothing_is_new_no_checkpoint_is_made(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    a_signed_log(path)
    assert sign_log(path) is None
    assert sizes(path) == [3, 5, 8]


def test_after_a_restart_counting_goes_on_from_the_last_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    a_signed_log(path)
    more(path, 20, 21)
    with closing(Signer(path, a_signing(path))) as signer:
        asked: list[str] = []
        signer.behind()
        assert signer._db is not None
        signer._db.set_trace_callback(asked.append)  # type: ignore[attr-defined] # SQLite's own
        note = signer.make()
    assert note
    assert read_note(str(note))[0].root == verified(path).root
    (read,) = [one for one in asked if one.startswith("SELECT seq, prev_hash")]
    assert "seq > 8" in read


def test_a_frontier_that_was_altered_is_not_counted_on_from(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    a_signed_log(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TRIGGER checkpoints_not_updated")
        db.execute("UPDATE checkpoints SET frontier = zeroblob(32) WHERE number = 3")
        db.commit()
    more(path, 20)
    note = sign_log(path)
    assert note
    assert read_note(str(note))[0].root == verified(path).root


def test_of_two_processes_one_makes_the_checkpoint_and_the_other_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    a_signed_log(path)
    with (
        closing(Signer(path, a_signing(path))) as one,
        closing(Signer(path, a_signing(path))) as other,
    ):
        for number in range(20, 26):
            more(path, number)
            made = [signer.make() for signer in ((one, other) if number % 2 else (other, one))]
            assert [note is not None for note in made] == [True, False]
    assert sizes(path) == [3, 5, 8, 9, 10, 11, 12, 13, 14]
    assert verified(path).exit_code == 3


def test_many_that_sign_at_once_make_no_fork_and_no_error(tmp_path: Path) -> None:
    path, file = tmp_path / "log.db", tmp_path / "anchor.txt"
    a_signed_log(path, anchor_file=file)
    failed: list[AuditError] = []

    def write_and_sign(number: int) -> None:
        try:
            with (
                closing(Signer(path, a_signing(path, anchor_file=file))) as signer,
                closing(a_store(path, a_recorder(make_id=lambda: "no event of ours"))) as store,
            ):
                for step in range(15):
                    record(store, an_event(1_000 * number + step))
                    signer.make()
        except AuditError as error:
            failed.append(error)

    threads = [threading.Thread(target=write_and_sign, args=(n,)) for n in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    report = verified(path, *read_anchors(file))
    assert (report.exit_code, report.size) == (0, 8 + 45)
    assert report.anchors == report.checkpoints == len(sizes(path))


@pytest.mark.parametrize("harm", [change_a_byte, delete], ids=lambda harm: str(harm.__name__))
def test_a_log_that_does_not_hold_together_is_not_signed(tmp_path: Path, harm: object) -> None:
    path = tmp_path / "log.db"
    a_signed_log(path)
    more(path, 20, 21, 22)
    with administrator(path) as db:
        harm(db, 10)  # type: ignore[operator]
    with (
        closing(Signer(path, a_signing(path))) as signer,
        pytest.raises(AuditError, match="audit verify"),
    ):
        signer.make()
    assert sizes(path) == [3, 5, 8]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM checkpoints WHERE number = 3",
        "UPDATE checkpoints SET note = 'x' WHERE number = 1",
        "INSERT INTO checkpoints VALUES (5, 9, 'x', x'')",
        "INSERT INTO checkpoints VALUES (4, 8, 'x', x'')",
        "INSERT INTO checkpoints VALUES (4, 10, 'x', x'')",
        "INSERT OR REPLACE INTO checkpoints VALUES (3, 8, 'x', x'')",
    ],
)
def test_the_database_refuses_to_change_a_checkpoint(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "log.db"
    a_signed_log(path)
    more(path, 20)  # nine entries
    with (
        closing(open_log(path, patience_seconds=1)) as db,
        pytest.raises(sqlite3.IntegrityError, match=r"append-only|follows"),
    ):
        db.execute(statement)


# --- when -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("looks", "due"),
    [
        pytest.param([(0, 1, 5)], True, id="at the start, for what was left unsigned"),
        pytest.param([(0, 1, 0)], False, id="at the start, nothing new"),
        pytest.param([(0, 1, 0), (10, 2, 1)], False, id="another process has just signed"),
        pytest.param([(0, 1, 0), (10, 2, 0), (69, 2, 1)], False, id="59 s after the last"),
        pytest.param([(0, 1, 0), (10, 2, 0), (70, 2, 1)], True, id="60 s after the last"),
        pytest.param([(0, 1, 0), (10, 2, 0), (500, 2, 0)], False, id="late, nothing new"),
        pytest.param([(0, 1, 0), (10, 2, 0), (11, 2, 999)], False, id="999 entries"),
        pytest.param([(0, 1, 0), (10, 2, 0), (11, 2, 1_000)], True, id="1,000 entries"),
    ],
)
def test_a_checkpoint_is_due_every_minute_or_thousand_entries(
    looks: list[tuple[int, int, int]], due: bool
) -> None:
    """Each look: the second, the number of the latest checkpoint, the entries since."""
    now = 0.0
    rhythm = Rhythm(a_signing(Path("x")), lambda: now)
    for now, number, entries in looks:  # noqa: B007 - read by the clock
        is_due = rhythm.is_due(number, entries)
    assert is_due is due


# --- beside a log that is written -----------------------------------------------------------


async def test_an_open_log_is_signed_in_time_and_at_its_end(tmp_path: Path) -> None:
    path, file = tmp_path / "log.db", tmp_path / "anchor.txt"
    log = open_decision_log(path, signing=a_signing(path, anchor_file=file))
    await log.append(an_event(1))
    deadline = time.monotonic() + 20
    while not sizes(path) and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    assert sizes(path) == [3]  # two about keys, one decision
    await log.append(an_event(2))
    log.close()
    assert sizes(path) == [3, 4]
    report = verified(path, *read_anchors(file))
    assert (report.exit_code, report.anchored) == (0, 4)
    kinds_of = [one["eventType"] for one in envelopes(path)]
    assert kinds_of == ["key-event", "key-event", "decision", "decision"]


async def test_no_entry_waits_for_an_anchor_that_hangs(tmp_path: Path) -> None:
    path, pipe = tmp_path / "log.db", tmp_path / "anchor"
    log = open_decision_log(path, signing=a_signing(path))
    log.close()
    os.mkfifo(pipe)  # opening it for writing blocks until somebody reads
    signer = Signer(path, a_signing(path, anchor_file=pipe))
    more(path, 9)

    def sign() -> None:
        with suppress(AuditError):
            signer.make()

    hanging = threading.Thread(target=sign, daemon=True)
    hanging.start()
    log = open_decision_log(path)
    start = time.monotonic()
    for number in range(20, 30):
        await log.append(an_event(number))
    assert time.monotonic() - start < 5
    assert hanging.is_alive()
    log.close()
    reading = os.open(pipe, os.O_RDONLY)  # let go of it
    hanging.join(10)
    os.close(reading)
    signer.close()


async def test_an_anchor_that_cannot_be_written_costs_no_entry_and_no_checkpoint(
    tmp_path: Path,
) -> None:
    path = tmp_path / "log.db"
    log = open_decision_log(
        path, signing=a_signing(path, anchor_file=tmp_path / "nowhere" / "anchor.txt")
    )
    await log.append(an_event(1))
    log.close()
    assert sizes(path)[-1] == 3
    assert verified(path).exit_code == 3


async def test_a_log_that_had_no_anchor_gets_its_latest_checkpoint_there(tmp_path: Path) -> None:
    path, file = tmp_path / "log.db", tmp_path / "anchor.txt"
    a_signed_log(path)
    with closing(Signer(path, a_signing(path, anchor_file=file))) as signer:
        signer.check_anchor()
    found = newest_anchor(file, "log-1")
    assert found
    assert found.checkpoint.size == 8
    assert newest_anchor(file, "log-2") is None


# --- an older copy at the start -------------------------------------------------------------


@pytest.fixture
def rolled_back(tmp_path: Path) -> Path:
    """A log of 8 entries in the place of one of 13, which the anchor knows of."""
    path, file = tmp_path / "log.db", tmp_path / "anchor.txt"
    load_or_create_keys(tmp_path / "log.db.pseudonym-key")
    a_signed_log(path, anchor_file=file)
    older = tmp_path / "older.db"
    shutil.copyfile(path, older)
    more(path, *range(20, 25))
    sign_log(path, anchor_file=file)
    older.replace(path)
    return path


def test_a_service_does_not_start_on_a_log_of_which_its_anchor_knows_more(
    rolled_back: Path,
) -> None:
    signing = a_signing(rolled_back, anchor_file=rolled_back.with_name("anchor.txt"))
    with pytest.raises(AuditError, match="knows of 5 more entries"):
        open_decision_log(rolled_back, signing=signing)
    assert len(envelopes(rolled_back)) == 8


def test_nor_on_another_history(tmp_path: Path) -> None:
    path, file = tmp_path / "log.db", tmp_path / "anchor.txt"
    load_or_create_keys(tmp_path / "log.db.pseudonym-key")
    a_signed_log(path, anchor_file=file)
    path.unlink()
    a_signed_log(path)
    more(path, 20)
    with pytest.raises(AuditError, match="another history"):
        open_decision_log(path, signing=a_signing(path, anchor_file=file))


def test_nor_without_the_key_of_the_log(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    load_or_create_keys(tmp_path / "log.db.pseudonym-key")
    a_signed_log(path)
    signing = a_signing(path)
    signing.key_file.unlink()
    with pytest.raises(AuditError, match="cannot be read"):
        open_decision_log(path, signing=signing)
    load_or_create_signing_key(signing.key_file, "refractory-cds/log-1")
    with pytest.raises(AuditError, match="does not hold the key"):
        open_decision_log(path, signing=signing)


# --- the key --------------------------------------------------------------------------------


def test_a_key_is_made_once_readable_by_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "key"
    made = load_or_create_signing_key(file, "refractory-cds/log-1")
    assert load_or_create_signing_key(file, "refractory-cds/log-1") == made
    assert file.stat().st_mode & 0o777 == 0o600
    other = load_or_create_signing_key(file, "refractory-cds/log-2")
    assert other.name == "refractory-cds/log-2"
    assert load_or_create_signing_key(file, "refractory-cds/log-1") == made
    assert [one.name for one in tmp_path.joinpath("keys").iterdir()] == ["key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "log.db"
    a_signed_log(path)
    a_signing(path).key_file.chmod(mode)
    more(path, 20)
    with pytest.raises(AuditError, match="chmod 600"):
        sign_log(path)


@pytest.mark.parametrize("content", ["rubbish", "PRIVATE+KEY+a+00000000+AAAA", "\xff"])
def test_what_is_no_key_file_is_refused_and_not_quoted(tmp_path: Path, content: str) -> None:
    path = tmp_path / "log.db"
    a_log_of(path, 1)
    file = a_signing(path).key_file
    file.write_text(content, encoding="latin-1")
    file.chmod(0o600)
    with pytest.raises(AuditError, match="something else than keys") as refused:
        sign_log(path)
    assert content not in str(refused.value)


def test_the_secret_stands_in_its_file_and_nowhere_else(tmp_path: Path) -> None:
    path, file = tmp_path / "log.db", tmp_path / "anchor.txt"
    a_signed_log(path, anchor_file=file)
    secret = SigningKey.parse(a_signing(path).key_file.read_text().strip())
    for other in (path, file):
        content = other.read_bytes()
        assert secret.seed not in content
        assert secret.secret_line().encode()[-40:] not in content


def test_a_rotation_that_ended_half_way_leaves_a_log_that_can_be_signed(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    a_signed_log(path)
    signing = a_signing(path)
    old = SigningKey.parse(signing.key_file.read_text().strip())

    def rotate() -> None:
        with rotation(signing.key_file, old, old.name, lambda key: key == old) as new:
            made.append(new)
            raise LogUnavailable("on purpose")

    made: list[SigningKey] = []
    for _ in range(2):
        with pytest.raises(LogUnavailable):
            rotate()
    assert made[0] == made[1]  # taken up again
    more(path, 20)
    assert sign_log(path)
    assert verified(path).exit_code == 3


# --- logs of before there were checkpoints --------------------------------------------------


def a_log_of_version_1(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript(schema(1))
        first = first_link("log-1", "2026-11-21T12:00:00.000000Z")
        db.execute("INSERT INTO log VALUES (1, 'log-1', ?)", (first,))
        db.execute("INSERT INTO head VALUES (1, 0, ?)", (leaf_hash(first),))
        db.execute("PRAGMA journal_mode = WAL")


def test_an_older_log_is_verified_as_it_is_and_brought_on_when_it_is_written(
    tmp_path: Path,
) -> None:
    path = tmp_path / "log.db"
    a_log_of_version_1(path)
    before = path.read_bytes()
    report = verified(path)
    assert (report.exit_code, kinds(report), report.checkpoints) == (3, set(), 0)
    assert [one.kind for one in report.findings] == [Kind.UNANCHORED]  # and no guard is missing
    assert path.read_bytes() == before
    more(path, 1, 2)
    assert verified(path).findings == report.findings
    assert sign_log(path)
    assert sizes(path) == [3]
    report = verified(path)
    assert (report.exit_code, faults(report)) == (3, [])


def test_of_several_that_bring_an_older_log_on_one_does(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    a_log_of_version_1(path)
    failed: list[BaseException] = []

    def use() -> None:
        try:
            open_log(path, patience_seconds=5).close()
        except BaseException as error:  # noqa: BLE001 - told below
            failed.append(error)

    threads = [threading.Thread(target=use) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert Kind.GUARDS_MISSING not in {one.kind for one in verified(path).findings}


def test_an_older_log_without_events_is_signed_once_it_has_one(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    a_log_of_version_1(path)
    with closing(Signer(path, a_signing(path))) as signer:
        assert signer.make() is None
    note = sign_log(path)
    assert note
    tree = Tree()
    with open_reader(path) as reader:
        for leaf in reader.leaves():
            tree.add(leaf)
    assert read_note(str(note))[0].root == tree.root()


def test_two_processes_that_start_at_once_bring_in_one_key(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    a_log_of(path, 1)
    for _ in range(2):
        with closing(a_store(path)) as store:
            prepare_signing(path, store, a_signing(path))
    assert [one["eventType"] for one in envelopes(path)] == ["decision", "key-event"]
    assert isinstance(sign_log(path), Note)
