"""What came since the last verification is judged as a whole verification judges it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from audit.samples import (
    Clock,
    Ids,
    a_log_of,
    a_recorder,
    a_signed_log,
    a_store,
    administrator,
    an_event,
    kinds,
    record,
    sign_log,
    verified,
)
from audit.tampering import MUTATIONS, Change, delete
from cds_service.audit import delivery_event
from cds_service.audit.address import Address
from cds_service.audit.findings import Kind, Report
from cds_service.audit.reading import open_reader
from cds_service.audit.verifying import Task, found_by
from cds_service.audit.verifying_later import Reached, reached_now, verify_later

IDS = [f"{change.__name__}-{kind}-{number}" for number, (change, kind) in enumerate(MUTATIONS)]


def reached(path: Address) -> Reached:
    with open_reader(path) as reader:
        found = reached_now(reader)
    assert found is not None
    return found


def later(path: Address, since: Reached) -> tuple[Report, Reached | None]:
    with open_reader(path) as reader:
        return verify_later(reader, since)


def grow(path: Address, *numbers: int) -> None:
    with closing(a_store(path, a_recorder(make_id=Ids(after=100 + numbers[0])))) as store:
        record(store, *(an_event(number) for number in numbers))


@pytest.fixture
def verified_log(tmp_path: Path) -> tuple[Path, Reached]:
    """Three entries that were verified, and four that came after."""
    path = tmp_path / "log.db"
    a_log_of(path, 3)
    since = reached(path)
    grow(path, 4, 5, 6, 7)
    return path, since


def test_what_came_since_is_whole_and_leads_on(where: Address) -> None:
    path = where
    a_log_of(path, 3)
    since = reached(path)
    grow(path, 4, 5, 6, 7)
    report, now = later(path, since)
    assert (report.exit_code, report.size, kinds(report)) == (3, 7, set())
    assert now == reached(path)
    assert report.root == verified(path).root
    again, then = later(path, reached(path))
    assert (again.exit_code, then, again.events_by_type) == (3, now, {})
    assert found_by(Task(str(path), since=since.as_json()))["size"] == 7


@pytest.mark.parametrize("seq", [5, 7])
@pytest.mark.parametrize(("change", "kind"), MUTATIONS, ids=IDS)
def test_every_change_to_what_is_new_is_found_and_named(
    verified_log: tuple[Path, Reached], change: Change, kind: Kind, seq: int
) -> None:
    path, since = verified_log
    with administrator(path) as db:
        change(db, seq)
    report, _ = later(path, since)
    assert (report.exit_code, kinds(report)) == (1, {kind})


def cut(path: Path, keep: int) -> None:
    with administrator(path) as db:
        for seq in range(7, keep, -1):
            delete(db, seq)
        leaf = db.execute("SELECT leaf_hash FROM events WHERE seq = ?", (keep,)).fetchone()[0]
        db.execute("UPDATE head SET size = ?, leaf_hash = ?", (keep, leaf))


def test_a_cut_below_what_was_verified_is_found_without_an_anchor(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    a_log_of(path, 7)
    since = reached(path)
    cut(path, 5)
    assert verified(path).exit_code == 3  # nothing tells
    report, now = later(path, since)
    assert (report.exit_code, now) == (1, None)
    assert Kind.TRUNCATED in kinds(report)


def test_another_history_that_was_put_in_its_place_is_found(
    verified_log: tuple[Path, Reached], tmp_path: Path
) -> None:
    path, since = verified_log
    other = tmp_path / "other.db"
    with closing(a_store(other)) as store:
        record(store, *(an_event(number) for number in range(11, 21)))
    report, _ = later(other, since)
    assert report.exit_code == 1
    assert later(path, since)[0].exit_code == 3


@pytest.mark.parametrize("size", range(1, 9))
def test_checkpoints_are_counted_on_from_any_place(tmp_path: Path, size: int) -> None:
    path, part = tmp_path / "log.db", tmp_path / "part.db"
    a_signed_log(path)
    with open_reader(path) as reader:
        from cds_service.audit.tree import Tree

        tree, leaf = Tree(), b""
        for leaf in list(reader.leaves())[:size]:
            tree.add(leaf)
    since = Reached(size, leaf, tree.frontier)
    assert not part.exists()
    assert later(path, since)[0].exit_code == 3
    with administrator(path) as db:
        db.execute("DELETE FROM checkpoints WHERE number = 2")  # over five entries
    report, _ = later(path, since)
    assert kinds(report) == ({Kind.CHECKPOINT_MISSING} if size < 8 else set())


def test_a_checkpoint_of_another_key_is_found(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    a_signed_log(path)
    since = reached(path)
    grow(path, 20, 21)
    sign_log(path)
    assert later(path, since)[0].exit_code == 3
    with administrator(path) as db:
        (note,) = db.execute("SELECT note FROM checkpoints WHERE number = 4").fetchone()
        (earlier,) = db.execute("SELECT note FROM checkpoints WHERE number = 3").fetchone()
        forged = note.rpartition("\n\n")[0] + "\n\n" + earlier.rpartition("\n\n")[2]
        db.execute("UPDATE checkpoints SET note = ? WHERE number = 4", (forged,))
    assert kinds(later(path, since)[0]) == {Kind.CHECKPOINT_SIGNATURE}


@pytest.mark.parametrize(
    "said",
    [
        None, {}, {"size": 0, "leaf": "", "frontier": ""}, {"size": 3, "leaf": "00"},
        {"size": 3, "leaf": "00", "frontier": "00"}, {"size": "x", "leaf": "", "frontier": ""},
        {"size": 3, "leaf": "zz", "frontier": "00" * 64},
    ],
)  # fmt: skip
def test_what_nothing_can_be_gone_on_from_has_all_verified(tmp_path: Path, said: object) -> None:
    assert Reached.of(said) is None
    path = tmp_path / "log.db"
    a_log_of(path, 3)
    found = found_by(Task(str(path), since=said))  # type: ignore[arg-type]
    assert (found["exitCode"], found["size"]) == (3, 3)
    assert Reached.of(found["reached"]) == reached(path)


def test_a_log_that_cannot_be_read_is_told_from_one_that_was_altered(tmp_path: Path) -> None:
    assert found_by(Task(str(tmp_path / "none.db")))["exitCode"] == 2
    path = tmp_path / "log.db"
    a_log_of(path, 3)
    with administrator(path) as db:
        delete(db, 2)
    found = found_by(Task(str(path)))
    assert (found["exitCode"], "reached" in found) == (1, False)


def test_every_normal_thing_after_it_is_whole(tmp_path: Path) -> None:
    path, clock = tmp_path / "log.db", Clock()
    with closing(a_store(path, a_recorder(clock))) as store:
        steps: list[Callable[[], object]] = [
            lambda: record(store, an_event(1), an_event(2)),
            lambda: record(store, delivery_event(an_event(2).event_id or "")),
            lambda: sign_log(path, clock=clock),
            lambda: record(store, an_event(3)),
            lambda: sign_log(path, clock=clock),
        ]
        since = None
        for step in steps:
            step()
            if since is not None:
                report, since = later(path, since)
                assert report.is_whole, report.findings
            since = since or reached(path)
    assert since == reached(path)
