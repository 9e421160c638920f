"""An older copy that is written into the log's own file, under a process that has it open."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from audit.samples import a_log_of, a_recorder, an_event, envelopes, record, verified
from cds_service.audit.database_store import DatabaseStore
from cds_service.errors import LogUnavailable


def checkpoint(path: Path) -> None:
    """What another process does that opens the log, such as a command."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint")


def back_up(path: Path) -> Path:
    copy = path.with_name("older.db")
    with closing(sqlite3.connect(path)) as db, closing(sqlite3.connect(copy)) as to:
        db.backup(to)
    return copy


def overwrite(path: Path, older: Path) -> None:
    """`cp`: the file keeps its inode. Not by this process, whose locks would fall with it."""
    subprocess.run(["/bin/cp", str(older), str(path)], check=True)  # noqa: S603 - our own files


def nothing(_: Path) -> None: ...


@pytest.mark.parametrize("later", [0, 1, 2, 40], ids=lambda n: f"{n} entries since")
@pytest.mark.parametrize("before", [1, 3, 30], ids=lambda n: f"{n} entries lost")
def test_an_older_copy_in_the_logs_own_file_is_noticed_before_the_next_entry(
    tmp_path: Path, before: int, later: int
) -> None:
    path = tmp_path / "log.db"
    a_log_of(path, 2)
    older = back_up(path)
    with closing(DatabaseStore(path, a_recorder())) as store:
        record(store, *(an_event(10 + n) for n in range(before)))
        checkpoint(path)
        for number in range(later):
            record(store, an_event(100 + number))
        overwrite(path, older)
        for _ in range(2):
            with pytest.raises(LogUnavailable, match="takes no entries"):
                store.append([an_event(900)])
        with pytest.raises(LogUnavailable):
            store.append([])


def test_a_worker_that_did_not_write_since_notices_it_too(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    a_log_of(path, 2)
    older = back_up(path)
    with (
        closing(DatabaseStore(path, a_recorder())) as idle,
        closing(DatabaseStore(path, a_recorder())) as busy,
    ):
        record(idle, an_event(10))
        record(busy, *(an_event(20 + n) for n in range(3)))
        checkpoint(path)
        record(busy, an_event(30))
        overwrite(path, older)
        for store in (idle, busy):
            with pytest.raises(LogUnavailable):
                store.append([an_event(900)])


def test_another_log_in_the_logs_own_file_is_noticed(tmp_path: Path) -> None:
    path, other = tmp_path / "log.db", tmp_path / "other.db"
    a_log_of(path, 2)
    a_log_of(other, 5)
    checkpoint(other)
    with closing(DatabaseStore(path, a_recorder())) as store:
        record(store, an_event(10))
        checkpoint(path)
        overwrite(path, other)
        with pytest.raises(LogUnavailable):
            store.append([an_event(900)])


def test_what_is_left_of_it_is_refused_at_the_start_with_one_line(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    a_log_of(path, 2)
    older = back_up(path)
    with closing(DatabaseStore(path, a_recorder())) as store:
        record(store, *(an_event(10 + n) for n in range(3)))
        checkpoint(path)
        record(store, an_event(30))
        overwrite(path, older)
    with closing(DatabaseStore(path, a_recorder())) as store:
        with pytest.raises(LogUnavailable) as refused:
            store.append([])
        assert str(refused.value).startswith("the decision log takes no entries: its file is dam")
        assert "\n" not in str(refused.value)


def test_a_copy_that_the_write_ahead_log_completes_loses_nothing(tmp_path: Path) -> None:
    """Newer than the last checkpoint: all that it lacks stands in the write-ahead log."""
    path = tmp_path / "log.db"
    a_log_of(path, 2)
    with closing(DatabaseStore(path, a_recorder())) as store:
        record(store, an_event(10))
        copy = back_up(path)
        record(store, an_event(11))
        overwrite(path, copy)
        record(store, an_event(12))
        assert len(envelopes(path)) == 5
    assert verified(path).exit_code == 3


def touch(path: Path) -> None:
    path.touch()


def copy_beside(path: Path) -> None:
    shutil.copyfile(back_up(path), path.with_name("another.db"))


@pytest.mark.parametrize("harmless", [nothing, checkpoint, touch, copy_beside])
def test_what_others_rightly_do_with_the_file_costs_no_entry(
    tmp_path: Path, harmless: Callable[[Path], None]
) -> None:
    path = tmp_path / "log.db"
    a_log_of(path, 1)
    with (
        closing(DatabaseStore(path, a_recorder())) as one,
        closing(DatabaseStore(path, a_recorder())) as other,
    ):
        for number in range(10, 130, 2):
            record(one, an_event(number))
            harmless(path)
            record(other, an_event(number + 1))
    assert verified(path).exit_code == 3
