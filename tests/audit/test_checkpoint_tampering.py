"""Tampering with a signed log: entries, checkpoints, keys, anchors, copies."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
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
    faults,
    kinds,
    places,
    record,
    sign_log,
    verified,
)
from audit.tampering import (
    CHECKPOINT_IDS,
    CHECKPOINT_MUTATIONS,
    IDS,
    MUTATIONS,
    Change,
    cut,
    drop_a_checkpoint,
    note_of,
)
from cds_service.audit.anchor import Anchor, read_anchor, read_anchors
from cds_service.audit.data_keys import default_data_key_file
from cds_service.audit.findings import Kind
from cds_service.audit.key_events import key_event
from cds_service.audit.notes import Note, PublicKey, SigningKey
from cds_service.audit.signing import ring_in

SIZE, SIGNED = 8, (3, 5, 8)
FIRST, MIDDLE, LAST = 2, 5, SIZE  # entry 1 is about the key
TOUCHES_CONTENT = {
    Kind.CONTENT_ALTERED,
    Kind.LINK_BROKEN,
    Kind.REORDERED,
    Kind.INSERTED,
    Kind.FORKED,
}


@pytest.fixture(scope="module")
def signed_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("signed")
    a_signed_log(folder / "log.db", anchor_file=folder / "anchor.txt")
    return folder


@pytest.fixture
def folder(signed_log: Path, tmp_path: Path) -> Path:
    shutil.copytree(signed_log, tmp_path / "copy")
    return tmp_path / "copy"


@pytest.fixture
def path(folder: Path) -> Path:
    return folder / "log.db"


@pytest.fixture
def anchors(signed_log: Path) -> list[Anchor]:
    """What was anchored before anybody laid hands on the log."""
    return [one for one in read_anchors(signed_log / "anchor.txt") if one]


def test_an_untouched_log_is_whole_and_its_anchors_vouch_for_it(
    path: Path, anchors: list[Anchor]
) -> None:
    assert [one.checkpoint.size for one in anchors] == list(SIGNED)
    report = verified(path)
    assert (report.exit_code, kinds(report), report.checkpoints) == (3, set(), 3)
    report = verified(path, *anchors)
    assert (report.exit_code, report.anchored, list(report.findings)) == (0, SIZE, [])
    assert len(report.keys) == 1


@pytest.mark.parametrize("seq", [FIRST, MIDDLE, LAST])
@pytest.mark.parametrize(("change", "kind"), MUTATIONS, ids=IDS)
def test_every_change_of_an_entry_is_named_and_the_signatures_speak_against_it(
    path: Path, anchors: list[Anchor], change: Change, kind: Kind, seq: int
) -> None:
    with administrator(path) as db:
        change(db, seq)
    report = verified(path, *anchors)
    assert report.exit_code == 1
    also = {Kind.CHECKPOINT_INCONSISTENT} if kind in TOUCHES_CONTENT else set()
    if kind is Kind.FORKED and seq == LAST:
        also = set()  # what was put beside the last entry stands after all that was signed
    assert kinds(report) == {kind} | also


@pytest.mark.parametrize("number", [1, 2, 3], ids=["first", "middle", "last"])
@pytest.mark.parametrize(("change", "kind"), CHECKPOINT_MUTATIONS, ids=CHECKPOINT_IDS)
def test_every_change_of_a_checkpoint_is_named(
    path: Path, change: Change, kind: Kind, number: int
) -> None:
    with administrator(path) as db:
        change(db, number)
    report = verified(path)
    assert report.exit_code == 1
    assert kinds(report) == {kind}


@pytest.mark.parametrize("number", [1, 2])
def test_a_checkpoint_that_was_removed_leaves_a_gap(path: Path, number: int) -> None:
    with administrator(path) as db:
        drop_a_checkpoint(db, number)
    report = verified(path)
    assert kinds(report) == {Kind.CHECKPOINT_MISSING}
    assert f"number {number} to {number}" in faults(report)[0].detail


@pytest.mark.parametrize("numbers", [(3,), (2, 3), (1, 2, 3)], ids=str)
def test_the_last_checkpoints_are_missed_by_the_anchor(
    path: Path, anchors: list[Anchor], numbers: tuple[int, ...]
) -> None:
    with administrator(path) as db:
        for number in numbers:
            drop_a_checkpoint(db, number)
    assert verified(path).exit_code == 3
    report = verified(path, *anchors)
    assert report.exit_code == 1
    assert [place for place, _ in places(report, Kind.CHECKPOINT_MISSING)] == [
        SIGNED[number - 1] for number in numbers
    ]


def test_a_table_of_checkpoints_that_is_gone_is_a_loss(path: Path) -> None:
    with administrator(path) as db:
        db.execute("DROP TABLE checkpoints")
    assert kinds(verified(path)) == {Kind.CHECKPOINT_MISSING}
    with administrator(path) as db:
        db.execute("UPDATE schema_version SET version = 1")  # as if there had never been one
    assert kinds(verified(path)) == {Kind.CHECKPOINT_MISSING}


def test_a_cut_end_is_found_by_the_checkpoints_that_are_left(path: Path) -> None:
    with administrator(path) as db:
        cut(db, keep=6)
    report = verified(path)
    assert kinds(report) == {Kind.TRUNCATED}
    assert places(report, Kind.TRUNCATED) == [(7, 8)]
    assert "2 more events" in faults(report)[0].detail


@pytest.mark.parametrize("keep", [2, 4, 7])
def test_a_cut_end_without_its_checkpoints_is_found_by_the_anchor(
    path: Path, anchors: list[Anchor], keep: int
) -> None:
    with administrator(path) as db:
        cut(db, keep)
        db.execute("DELETE FROM checkpoints WHERE size > ?", (keep,))
    assert verified(path).exit_code == 3
    report = verified(path, *anchors)
    assert report.exit_code == 1
    assert kinds(report) == {Kind.TRUNCATED}
    assert places(report, Kind.TRUNCATED)[-1][1] == SIZE
    assert any(f"{SIZE - keep} more events" in one.detail for one in report.findings)


def test_an_older_copy_is_whole_and_the_anchor_says_how_much_is_gone(tmp_path: Path) -> None:
    path, older = tmp_path / "log.db", tmp_path / "older.db"
    a_signed_log(path, anchor_file=tmp_path / "anchor.txt")
    shutil.copyfile(path, older)
    with closing(a_store(path, a_recorder())) as store:
        record(store, *(an_event(n) for n in range(20, 25)))
    sign_log(path, anchor_file=tmp_path / "anchor.txt")
    assert verified(older).exit_code == 3
    report = verified(older, *read_anchors(tmp_path / "anchor.txt"))
    assert (report.exit_code, kinds(report)) == (1, {Kind.TRUNCATED})
    assert places(report, Kind.TRUNCATED) == [(9, 13)]


def test_a_history_written_anew_with_the_right_key_is_found_by_the_anchor(
    folder: Path, anchors: list[Anchor], tmp_path: Path
) -> None:
    """The worst case: somebody has the file and the key, and makes chain, tree and signatures
    anew. Every salt differs, so every hash does."""
    forged = tmp_path / "forged.db"
    a_signed_log(forged, key_file=folder / "log.db.signing-key")
    assert verified(forged).exit_code == 3
    report = verified(forged, *anchors)
    assert (report.exit_code, report.anchored) == (1, 0)
    assert kinds(report) == {Kind.CHECKPOINT_INCONSISTENT}
    assert places(report, Kind.CHECKPOINT_INCONSISTENT) == [(3, 3)]


def test_a_history_written_anew_with_another_key_is_found_by_the_key(
    path: Path, anchors: list[Anchor], tmp_path: Path
) -> None:
    handed_over = ring_in(path)[1].public
    forged = tmp_path / "forged.db"
    a_signed_log(forged)
    assert verified(forged).exit_code == 3
    assert kinds(verified(forged, keys=handed_over)) == {Kind.CHECKPOINT_SIGNATURE}
    assert kinds(verified(forged, *anchors)) == {Kind.CHECKPOINT_SIGNATURE}
    assert verified(path, keys=handed_over).exit_code == 3


def test_a_fork_after_a_common_beginning_is_found_where_it_begins(tmp_path: Path) -> None:
    """A copy is taken, and goes on otherwise, signed with the key of the log."""
    path, fork, file = tmp_path / "log.db", tmp_path / "fork.db", tmp_path / "anchor.txt"
    a_log_of(path, 5)
    sign_log(path, anchor_file=file)
    shutil.copyfile(path, fork)
    shutil.copy(default_data_key_file(path), default_data_key_file(fork))
    with closing(a_store(path)) as store:
        record(store, *(an_event(n) for n in range(20, 22)))
    sign_log(path, anchor_file=file)
    with closing(a_store(fork)) as store:
        record(store, *(an_event(n) for n in range(30, 36)))
    sign_log(fork, key_file=a_signing(path).key_file)
    assert verified(fork).exit_code == 3
    report = verified(fork, *read_anchors(file))
    assert (report.exit_code, report.anchored) == (1, 6)
    assert places(report, Kind.CHECKPOINT_INCONSISTENT) == [(8, 8)]
    assert verified(path, *read_anchors(file)).exit_code == 0


# --- keys -----------------------------------------------------------------------------------


def add_key(path: Path, new: SigningKey, old: SigningKey | PublicKey | None, action: str) -> None:
    with closing(a_store(path, a_recorder())) as store:
        record(store, key_event("log-1", action, new, old))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("action", "by_old_key", "said"),
    [
        pytest.param("rotated", False, "the one before it did not sign", id="rotated without it"),
        pytest.param("created", False, "out of turn", id="a second first key"),
        pytest.param("replaced", False, "took the place of a lost one", id="said to be lost"),
        pytest.param("rotated", True, None, id="rotated"),
    ],
)
def test_only_the_key_before_brings_in_the_next(
    path: Path, action: str, by_old_key: bool, said: str | None
) -> None:
    line = (path.parent / "log.db.signing-key").read_text().strip()
    old = SigningKey.parse(line)
    new = SigningKey.new("refractory-cds/log-1")
    known = None if action == "created" else old if by_old_key else old.public
    add_key(path, new, known, action)
    report = verified(path)
    assert report.exit_code == (1 if said else 3)
    assert kinds(report) == ({Kind.CHECKPOINT_SIGNATURE} if said else set())
    assert said is None or said in faults(report)[0].detail


def test_a_key_that_took_the_place_of_a_lost_one_is_believed_if_it_was_given(path: Path) -> None:
    first = ring_in(path)[1].public
    new = SigningKey.new("refractory-cds/log-1")
    add_key(path, new, first[0], "replaced")
    assert verified(path, keys=first).exit_code == 1
    assert verified(path, keys=[*first, new.public]).exit_code == 3


def test_a_checkpoint_by_a_key_that_was_retired_is_found(path: Path, tmp_path: Path) -> None:
    old = SigningKey.parse((path.parent / "log.db.signing-key").read_text().strip())
    new = SigningKey.new("refractory-cds/log-1")
    add_key(path, new, old, "rotated")
    other = tmp_path / "new-key"
    other.write_text(new.secret_line() + "\n")
    other.chmod(0o600)
    assert sign_log(path, key_file=other)
    assert verified(path).exit_code == 3
    with administrator(path) as db:
        text = Note.parse(note_of(db, 4)).text
        note = str(Note(text, (old.sign(text),)))
        db.execute("UPDATE checkpoints SET note = ? WHERE number = 4", (note,))
    assert kinds(verified(path)) == {Kind.CHECKPOINT_SIGNATURE}


def test_an_anchor_without_the_logs_signature_vouches_for_nothing(
    path: Path, anchors: list[Anchor]
) -> None:
    text = anchors[-1].note.text
    forged = Anchor(anchors[-1].checkpoint, Note(text, (SigningKey.new("x").sign(text),)))
    report = verified(path, forged)
    assert (report.exit_code, report.anchored) == (1, 0)
    assert kinds(report) == {Kind.CHECKPOINT_SIGNATURE}


# --- anchor files ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "anchored", "is_noted"),
    [
        pytest.param(3, 8, False, id="whole"),
        pytest.param(2, 5, False, id="cut between two notes"),
        pytest.param(2.5, 5, True, id="cut within a note"),
        pytest.param(1.9, 3, True, id="cut within an earlier one"),
    ],
)
def test_an_anchor_file_that_was_cut_vouches_for_less(
    folder: Path, left: float, anchored: int, is_noted: bool
) -> None:
    file = folder / "anchor.txt"
    content = file.read_bytes()
    each = len(content) / 3
    file.write_bytes(content[: round(each * left)])
    report = verified(folder / "log.db", *read_anchors(file))
    assert (report.exit_code, report.anchored) == (0, anchored)
    assert (Kind.ANCHOR_DAMAGED in {one.kind for one in report.findings}) is is_noted
    assert ("newest" in report.verdict) is (anchored < SIZE)


def test_a_torn_note_spoils_neither_the_one_before_nor_the_one_after(folder: Path) -> None:
    file = folder / "anchor.txt"
    file.write_bytes(file.read_bytes()[:-30])
    with closing(a_store(folder / "log.db", a_recorder())) as store:
        record(store, an_event(40))
    assert sign_log(folder / "log.db", anchor_file=file)
    report = verified(folder / "log.db", *read_anchors(file))
    assert (report.exit_code, report.anchored, report.anchors) == (0, 9, 3)
    assert Kind.ANCHOR_DAMAGED in {one.kind for one in report.findings}


def test_notes_that_overtook_each_other_are_all_compared(
    path: Path, folder: Path, anchors: list[Anchor]
) -> None:
    file = folder / "anchor.txt"
    file.write_text("\n".join(str(anchors[at]) for at in (1, 2, 0, 2)), encoding="utf-8")
    report = verified(path, *read_anchors(file))
    assert (report.exit_code, report.anchored, report.anchors) == (0, SIZE, 4)


def test_an_anchor_of_another_log_is_found(path: Path, anchors: list[Anchor]) -> None:
    other = str(anchors[0]).replace("log-1", "log-2")
    report = verified(path, read_anchor(other), *anchors)
    assert kinds(report) == {Kind.CHECKPOINT_INCONSISTENT}
    assert report.anchored == SIZE


def test_the_report_as_json_tells_of_checkpoints_keys_and_anchors(
    path: Path, anchors: list[Anchor]
) -> None:
    said = json.loads(json.dumps(verified(path, *anchors).as_json()))
    assert (said["checkpoints"], said["anchors"], said["anchored"]) == (3, 3, SIZE)
    assert said["keys"] == [str(key) for key in ring_in(path)[1].public]
    assert a_signing(path).anchor_file is None
