"""A long log is read by two processes at once, and the report is the one that one of them gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.samples import a_log_of, administrator
from audit.tampering import (
    Change,
    add_a_payload,
    add_a_term,
    change_a_byte,
    change_a_payload,
    delete,
    drop_a_payload,
    drop_a_term,
    fork_in_place,
    insert_and_move_the_rest,
    make_unreadable,
)
from cds_service.audit import verify as verifying
from cds_service.audit.belongings_beside import BelongingsBeside
from cds_service.audit.findings import Report
from cds_service.audit.reading import open_reader
from cds_service.audit.verify import verify
from cds_service.errors import AuditError

SIZE = 1_203
"""More than one step of what the other process tells."""


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    file = tmp_path_factory.mktemp("long") / "log.db"
    a_log_of(file, SIZE)
    return file.read_bytes()


@pytest.fixture
def log(content: bytes, tmp_path: Path) -> Path:
    (tmp_path / "log.db").write_bytes(content)
    return tmp_path / "log.db"


def report(log: Path, monkeypatch: pytest.MonkeyPatch, from_entries: int) -> Report:
    monkeypatch.setattr(verifying, "FROM_ENTRIES", from_entries)
    with open_reader(log) as reader:
        return verify(reader)


def nothing(_: object, __: int) -> None:
    """A log that nobody touched."""


@pytest.mark.parametrize(
    "change",
    [
        nothing,
        add_a_term,
        drop_a_term,
        change_a_payload,
        add_a_payload,
        drop_a_payload,
        change_a_byte,
        make_unreadable,
        delete,
        insert_and_move_the_rest,
        fork_in_place,
    ],
)
@pytest.mark.parametrize("place", [2, 1_000])
def test_both_ways_of_reading_find_the_same(
    log: Path, change: Change, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with administrator(log) as db:
        change(db, place)
    alone = report(log, monkeypatch, SIZE * 10)
    assert report(log, monkeypatch, 1) == alone
    assert alone.is_whole == (change is nothing)


def test_rows_of_no_entry_are_found_by_either(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with administrator(log) as db:
        db.execute("INSERT INTO terms VALUES ('disease', 'gtn', ?)", (SIZE + 50,))
    alone = report(log, monkeypatch, SIZE * 10)
    assert report(log, monkeypatch, 1) == alone
    assert not alone.is_whole


def test_without_the_other_process_there_is_no_report(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BelongingsBeside):
        def __init__(self, path: Path) -> None:
            super().__init__(path)
            self._process.kill()
            self._process.join()

    monkeypatch.setattr(verifying, "BelongingsBeside", Killed)
    with pytest.raises(AuditError):
        report(log, monkeypatch, 1)
