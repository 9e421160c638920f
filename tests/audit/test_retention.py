"""Periods and their floor, what the guards of a database let go, and what is left in files."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from postgres_server import Server, as_role, database_of

from audit.leftovers import found_in
from audit.samples import (
    VERSIONS,
    Clock,
    Ids,
    administrator,
    an_event,
    data_keys_of,
    envelopes,
    kinds,
    places,
    sign_log,
    verified,
)
from audit.test_purging import BY, THEN, purged, put, rows
from cds_service.audit import Event
from cds_service.audit import verify as verifying
from cds_service.audit.address import Address, PostgresAddress
from cds_service.audit.data_keys import DataKeys
from cds_service.audit.entries import service_started_event
from cds_service.audit.events import EventType
from cds_service.audit.findings import Findings, Kind, Standing
from cds_service.audit.gone import Purge, Purged
from cds_service.audit.postgres import migrating
from cds_service.audit.postgres.revisions import HEAD
from cds_service.audit.purging import purge
from cds_service.audit.reading import open_reader
from cds_service.audit.retention import Retention, day_before
from cds_service.audit.sqlite_file import SCHEMA_VERSION
from cds_service.audit.verify import verify
from cds_service.audit.verifying_later import reached_now, verify_later
from cds_service.errors import AuditError, UsageError

# --- periods ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("today", "months", "day"),
    [
        ("2026-11-22", 12, "2025-11-22"),
        ("2026-11-22", 72, "2020-11-22"),
        ("2026-03-15", 6, "2025-09-15"),
        ("2026-01-31", 11, "2025-02-28"),
        ("2024-08-31", 6, "2024-02-29"),
        ("2026-08-31", 6, "2026-02-28"),
        ("2026-12-31", 12, "2025-12-31"),
        ("2026-01-01", 1, "2025-12-01"),
    ],
)
def test_months_are_those_of_the_calendar(today: str, months: int, day: str) -> None:
    now = datetime.fromisoformat(f"{today}T23:59:59+00:00")
    assert day_before(now, months) == datetime.fromisoformat(f"{day}T00:00:00+00:00")


def test_days_are_those_of_utc() -> None:
    late = datetime.fromisoformat("2026-11-22T20:00:00-08:00")
    assert day_before(late, 12).date().isoformat() == "2025-11-23"


@pytest.mark.parametrize(
    ("periods", "is_refused"),
    [
        ({}, False),
        ({"contents_months": 6}, False),
        ({"contents_months": 5}, True),
        ({"contents_months": 6, "entries_months": 6}, False),
        ({"contents_months": 6, "entries_months": 5}, True),
        ({"contents_months": 73}, True),
        ({"contents_months": 72}, False),
        ({"contents_months": -1}, True),
    ],
)
def test_nothing_is_kept_for_less_than_half_a_year(
    periods: dict[str, int], is_refused: bool
) -> None:
    if is_refused:
        with pytest.raises(UsageError, match=r"6 months at least|at least as long"):
            Retention(**periods)
    else:
        assert Retention(**periods)


def test_contents_are_kept_a_year_and_entries_six_unless_told_otherwise() -> None:
    assert (Retention().contents_months, Retention().entries_months) == (12, 72)


# --- what a purge entry may say ---------------------------------------------------------------

SOUND: dict[str, Any] = {
    "part": "contents",
    "types": ["decision"],
    "names": ["request"],
    "before": "2018-06-10T00:00:00.000000Z",
    "runs": [[2, 4], [6, 6]],
    "entries": 4,
    "payloads": 4,
    "digest": "sha256:00",
}


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({}, True),
        ({"runs": [[2, 6]]}, True),
        ({"runs": [[2, 9]]}, True),
        ({"runs": [[2, 10]]}, False),
        ({"runs": []}, False),
        ({"runs": [[6, 6], [2, 4]]}, False),
        ({"runs": [[4, 2]]}, False),
        ({"runs": [[-1, 4]]}, False),
        ({"runs": [["x", 4]]}, False),
        ({"runs": [[2]]}, False),
        ({"runs": 7}, False),
        ({"names": "request"}, False),
        ({"before": "2018-06-11T00:00:00.000000Z"}, True),
        ({"before": "2018-06-11T00:00:00.000001Z"}, False),
        ({"digest": None}, False),
        (None, False),
    ],
)
def test_what_no_purge_could_have_done_accounts_for_nothing(
    changes: dict[str, Any] | None, counts: bool
) -> None:
    """A day is allowed for clocks that differ."""
    members: dict[str, Any] = {"recordedAt": "2018-12-10T12:00:00.000000Z"}
    if changes is not None:
        members["purged"] = SOUND | changes
    assert (Purge.of(9, members) is not None) is counts


@pytest.mark.parametrize(
    ("seq", "kind", "at", "name", "is_gone"),
    [
        (1, "decision", "2018-06-01", "request", False),
        (2, "decision", "2018-06-01", "request", True),
        (4, "decision", "2018-06-01", "request", True),
        (5, "decision", "2018-06-01", "request", False),
        (6, "decision", "2018-06-01", "request", True),
        (7, "decision", "2018-06-01", "request", False),
        (4, "feedback", "2018-06-01", "request", False),
        (4, "decision", "2018-06-01", "identity", False),
        (4, "decision", "2018-06-09T23:59:59.999999Z", "request", True),
        (4, "decision", "2018-06-10T00:00:00.000000Z", "request", False),
    ],
)
def test_what_an_entry_names(seq: int, kind: str, at: str, name: str, is_gone: bool) -> None:
    members = {"recordedAt": "2018-12-10T12:00:00.000000Z", "purged": SOUND}
    found = Purged([(9, members)]).of(seq, kind, at, name)
    assert (found is not None) is is_gone


# --- the guards of a database -----------------------------------------------------------------


def delete(where: Address, seq: int, name: str) -> None:
    """By whoever owns the tables."""
    statement = f"DELETE FROM payloads WHERE seq = {seq} AND name = '{name}'"  # noqa: S608
    if isinstance(where, PostgresAddress):
        owner = where.url.replace("//service@", "//postgres@")
        with psycopg.connect(owner, autocommit=True) as db:
            db.execute("SET ROLE refractory_cds_owner")
            db.execute(statement.replace("payloads", "refractory_cds.payloads"))
        return
    with closing(sqlite3.connect(where, isolation_level=None)) as file:
        file.execute(statement)


def said(*runs: list[int], part: str = "contents") -> Event:
    """An entry that says whatever somebody wants."""
    purged = SOUND | {"runs": list(runs), "part": part, "before": "2099-01-01T00:00:00.000000Z"}
    return Event(type=EventType.PURGE, members={"reader": BY.as_json(), "purged": purged})


@pytest.mark.parametrize(
    ("seq", "name", "goes"),
    [
        pytest.param(1, "request", False, id="before the run"),
        pytest.param(2, "request", True, id="its first"),
        pytest.param(3, "request", True, id="its last"),
        pytest.param(4, "request", False, id="after it"),
        pytest.param(5, "request", True, id="a run of the other part"),
        pytest.param(6, "request", False, id="too young, whatever is said"),
        pytest.param(7, "configuration", False, id="by what old decisions are understood"),
    ],
)
def test_the_database_lets_go_of_what_an_entry_names_and_is_old(
    where: Address, seq: int, name: str, goes: bool
) -> None:
    young = datetime.now(UTC) - timedelta(days=170)
    put(where, THEN, *(an_event(number) for number in range(1, 6)))
    put(where, young, an_event(6), make_id=Ids(after=50))
    started = service_started_event(VERSIONS, settings={}, kept=b"{}")
    put(where, THEN, started, make_id=Ids(after=60))
    entries = (said([2, 3], [6, 7]), said([5, 5], part="identities"))
    put(where, THEN, *entries, make_id=Ids(after=70))
    before = len(rows(where))
    if goes:
        delete(where, seq, name)
        assert len(rows(where)) == before - 1
    else:
        with pytest.raises((sqlite3.IntegrityError, psycopg.Error), match="append-only"):
            delete(where, seq, name)


def test_a_clock_that_runs_ahead_purges_nothing_that_is_young(where: Address) -> None:
    put(where, datetime.now(UTC) - timedelta(days=1), an_event(1))
    before = rows(where)
    ahead = Clock(datetime.now(UTC) + timedelta(days=3650))
    in_hands = as_role(where, "retention") if isinstance(where, PostgresAddress) else where
    with pytest.raises(AuditError):
        purge(in_hands, Retention(), by=BY, data_keys=data_keys_of(where), clock=ahead)
    assert (rows(where), len(envelopes(where))) == (before, 1)


def test_what_went_stands_in_no_file(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    numbers = range(1, 80)
    put(path, THEN - timedelta(days=1), *(an_event(n, request=b'{"x": "%d"}' % n) for n in numbers))
    gone = {row[5] for row in rows(path) if row[1] != "identity"}
    kept = {row[5] for row in rows(path) if row[1] == "identity"}
    assert {one for _, one in found_in(tmp_path, gone)} == gone
    assert purged(path).is_flushed
    assert found_in(tmp_path, gone) == set()
    assert {one for _, one in found_in(tmp_path, kept)} == kept


def test_a_log_of_before_there_were_purges_is_read_as_it_is_and_then_purged(
    tmp_path: Path,
) -> None:
    path = tmp_path / "log.db"
    shutil.copyfile(Path(__file__).with_name("golden") / "version-3.db", path)
    before, bytes_before = envelopes(path), path.read_bytes()
    report = verified(path)
    assert (report.exit_code, kinds(report), report.checkpoints) == (3, set(), 1)
    assert path.read_bytes() == bytes_before
    account = purge(
        path, Retention(), by=BY, data_keys=data_keys_of(path), clock=Clock(datetime.now(UTC))
    )
    assert account.shares[0].entries == 3
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT version FROM schema_version").fetchone() == (SCHEMA_VERSION,)
    assert envelopes(path)[: len(before)] == before
    report = verified(path)
    assert (report.exit_code, kinds(report)) == (3, set())
    assert "guards-missing" not in {one.kind for one in report.findings}


# --- the roles of a server --------------------------------------------------------------------


@pytest.mark.real
@pytest.mark.parametrize("role", ["service", "auditor", "privacy"])
def test_no_other_role_purges(postgres: Server, role: str) -> None:
    address = postgres.new_log()
    put(address, THEN - timedelta(days=1), an_event(1))
    with pytest.raises(AuditError):
        purge(as_role(address, role), Retention(), by=BY, data_keys=data_keys_of(address))
    assert len(rows(address)) == 5
    assert len(envelopes(address)) == 1


@pytest.mark.real
def test_who_purges_needs_no_key(postgres: Server, tmp_path: Path) -> None:
    address = postgres.new_log()
    put(address, THEN - timedelta(days=1), an_event(1))
    nowhere = DataKeys(tmp_path / "no-such-file")
    account = purge(as_role(address, "retention"), Retention(), by=BY, data_keys=nowhere)
    assert account.shares[0].entries == 1
    assert not (tmp_path / "no-such-file").exists()


@pytest.mark.real
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM refractory_cds.payloads",
        "SELECT refractory_cds.erase_patient('\\x00', NULL, 'x')",
        "SELECT refractory_cds.wrap_anew('patients', 'x', '\\x00', '\\x00')",
        "SELECT refractory_cds.give_patient_key('\\x00', '\\x00', 'x')",
        "INSERT INTO refractory_cds.patients VALUES ('\\x00', 'k', '\\x00')",
        "INSERT INTO refractory_cds.checkpoints VALUES (9, 4, 'x', '\\x00')",
        "ALTER TABLE refractory_cds.payloads DISABLE TRIGGER ALL",
    ],
)
def test_who_may_purge_may_do_nothing_else(postgres: Server, statement: str) -> None:
    address = as_role(postgres.new_log(), "retention")
    with (
        psycopg.connect(address.url, autocommit=True) as db,
        pytest.raises(psycopg.Error) as raised,
    ):
        db.execute(statement)
    assert raised.value.sqlstate == "42501"


@pytest.mark.real
def test_the_function_that_purges_asks_for_the_entry_first(postgres: Server) -> None:
    address = postgres.new_log()
    put(address, THEN, an_event(1))
    call = "SELECT refractory_cds.purge_payloads(1, 1, '{decision}', '{request}')"
    with psycopg.connect(as_role(address, "retention").url, autocommit=True) as db:
        with pytest.raises(psycopg.Error, match="append-only"):
            db.execute(call)
        put(address, THEN, said([1, 1]), make_id=Ids(after=50))
        assert db.execute(call).fetchone() == (1,)


@pytest.mark.real
def test_tables_of_the_version_before_are_brought_on(postgres: Server) -> None:
    name = postgres.new_database()
    address = postgres.address(name, "postgres")
    upgrade = command.upgrade
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "upgrade", lambda config, _: upgrade(config, "0001"))
        patch.setattr(migrating, "grants", lambda roles: iter(()))
        migrating.migrate(address, clock=lambda: THEN, make_id=lambda: "log-1")
    done = migrating.migrate(address)
    assert done == [f"brought the tables from version 0001 to {HEAD}"]
    assert database_of(address) == name
    put(postgres.address(name), THEN - timedelta(days=1), an_event(1))
    purged(postgres.address(name))
    report = verified(postgres.address(name))
    assert (report.exit_code, kinds(report)) == (3, set())
    assert "guards-missing" not in {one.kind for one in report.findings}


# --- other ways of verifying ------------------------------------------------------------------


def test_what_is_new_is_verified_over_a_purge(where: Address) -> None:
    put(where, THEN - timedelta(days=1), an_event(1), an_event(2))
    with open_reader(where) as reader:
        since = reached_now(reader)
    assert since
    put(where, THEN - timedelta(days=1), an_event(3), make_id=Ids(after=50))
    purged(where)
    with open_reader(where) as reader:
        report, reached = verify_later(reader, since)
    assert (kinds(report), reached and reached.size) == (set(), 5)
    with administrator(where) as db:
        db.execute("DELETE FROM payloads WHERE seq = 3 AND name = 'identity'")
    with open_reader(where) as reader:
        report, _ = verify_later(reader, since)
    assert places(report, Kind.PAYLOAD_MISSING) == [(3, 3)]


@pytest.mark.parametrize("harm", [None, "DELETE FROM payloads WHERE seq = 700 AND name='identity'"])
def test_another_process_finds_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str | None
) -> None:
    path = tmp_path / "log.db"
    put(path, THEN - timedelta(days=1), *(an_event(number) for number in range(1, 1_101)))
    purged(path)
    if harm:
        with administrator(path) as db:
            db.execute(harm)
    found = []
    for from_entries in (1, 10_000):
        monkeypatch.setattr(verifying, "FROM_ENTRIES", from_entries)
        with open_reader(path) as reader:
            found.append(verify(reader))
    assert found[0] == found[1]
    assert found[0].is_whole == (harm is None)
    assert places(found[0], Kind.PAYLOAD_PURGED) == [(1, 1_100)]


def test_a_purged_log_is_proved_by_the_checkpoints_of_before(where: Address) -> None:
    put(where, THEN - timedelta(days=1), an_event(1), an_event(2))
    note = sign_log(where, clock=Clock(THEN))
    purged(where)
    report = verified(where)
    assert note
    assert (report.exit_code, kinds(report), report.checkpoints) == (3, set(), 1)


def test_many_notes_take_no_findings_place() -> None:
    findings = Findings()
    for place in range(1, 1_000, 2):
        findings.come_to(Standing(place, "t"), None)
        findings.add(Kind.PAYLOAD_SHREDDED, "erased")
    findings.come_to(Standing(1_001, "t"), None)
    findings.add(Kind.PAYLOAD_MISSING, "gone")
    assert (findings.all[-1].kind, findings.all[-1].first) == (Kind.PAYLOAD_MISSING, 1_001)
    assert findings.left_out > 0
