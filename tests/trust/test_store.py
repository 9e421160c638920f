"""What workers share: of two that ask at once, one is first; a minute is counted once."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from postgres_server import Server, database_of

from cds_service.audit.address import Address
from cds_service.errors import TrustUnavailable
from cds_service.trust.opening import store_at
from cds_service.trust.sqlite_store import SqliteTrustStore
from cds_service.trust.store import Share

HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join((str(HERE.parent), *sys.path))}


def workers(file: Address, *arguments: object, count: int = 3) -> list[int]:
    """What so many processes were told, all asking at once."""
    running = [
        subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, str(HERE / "seen_by_another.py"), str(file), *map(str, arguments)],
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(count)
    ]
    return [int(process.communicate(timeout=100)[0]) for process in running]


def test_of_several_workers_one_sees_a_token_first(where: Address) -> None:
    assert sum(workers(where, "seen", 300)) == 300


def test_a_token_seen_by_one_worker_is_seen_by_all(where: Address) -> None:
    assert workers(where, "seen", 20, count=1) == [20]
    assert workers(where, "seen", 25, count=1) == [5]


def test_several_workers_share_one_minute(where: Address) -> None:
    assert sum(workers(where, "share", 100, 50)) == 100


def test_a_worker_that_had_to_wait_begins_no_minute_of_its_own(where: Address) -> None:
    store = store_at(where)
    assert store.share("caller", 100, 100, now=10.5).calls == 100
    assert store.share("caller", 100, 3, now=10.4).calls == 0
    store.close()


def test_a_token_is_forgotten_when_its_time_is_over(where: Address) -> None:
    store = store_at(where)
    assert store.first_seen("iss", "a", until=100.0, now=0.0)
    assert not store.first_seen("iss", "a", until=100.0, now=99.9)
    store.first_seen("iss", "b", until=200.0, now=110.0)
    assert store.first_seen("iss", "a", until=300.0, now=110.0), "it is a new one"
    store.close()


@pytest.mark.parametrize(
    ("iss", "jti", "is_first"),
    [("iss", "a", False), ("iss", "A", True), ("is", "sa", True), ("issa", "", True)],
)
def test_issuer_and_id_are_told_apart(iss: str, jti: str, is_first: bool, where: Address) -> None:
    store = store_at(where)
    assert store.first_seen("iss", "a", 100.0, 0.0)
    assert store.first_seen(iss, jti, 100.0, 0.0) is is_first
    assert store.first_seen("iss", "\ud800\x00", 100.0, 0.0)
    store.close()


def test_a_minute_begins_with_the_first_call_and_the_next_one_after_it(where: Address) -> None:
    store = store_at(where)
    assert store.share("a", 5, 3, now=1000.0) == Share(3, 1060.0)
    assert store.share("a", 5, 3, now=1030.0) == Share(2, 1060.0)
    assert store.share("a", 5, 3, now=1059.9) == Share(0, 1060.0)
    assert store.share("b", 5, 1, now=1059.9) == Share(1, 1119.9)
    assert store.share("a", 5, 3, now=1060.0) == Share(3, 1120.0)
    assert store.share("a", 5, 3, now=900.0) == Share(3, 960.0), "the clock was set back"
    store.close()


def test_the_file_is_its_owners_and_holds_no_token(tmp_path: Path) -> None:
    file = tmp_path / "seen.db"
    store = SqliteTrustStore(file)
    store.first_seen("https://canary.example", "canary-id", 100.0, 0.0)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not any(b"canary" in path.read_bytes() for path in tmp_path.iterdir())
    store.close()


def test_a_file_that_is_taken_away_is_made_again(tmp_path: Path) -> None:
    file = tmp_path / "seen.db"
    store, other = SqliteTrustStore(file), SqliteTrustStore(file)
    assert store.first_seen("iss", "a", 100.0, 0.0)
    for path in tmp_path.iterdir():
        path.unlink()
    assert other.first_seen("iss", "b", 100.0, 0.0)
    assert not store.first_seen("iss", "b", 100.0, 0.0), "both workers are on one file"
    store.close()
    other.close()


def damage(file: Path) -> None:
    file.write_bytes(b"not a database" * 1000)


def lock(file: Path) -> sqlite3.Connection:
    db = sqlite3.connect(file, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    return db


def test_a_store_that_cannot_be_used_says_so_and_recovers(tmp_path: Path) -> None:
    file = tmp_path / "seen.db"
    store = SqliteTrustStore(file, patience_seconds=0.05)
    assert store.first_seen("iss", "a", 100.0, 0.0)
    locked = lock(file)
    with pytest.raises(TrustUnavailable):
        store.first_seen("iss", "b", 100.0, 0.0)
    with pytest.raises(TrustUnavailable):
        store.share("caller", 5, 1, 0.0)
    locked.close()
    assert store.first_seen("iss", "b", 100.0, 0.0)
    store.close()


def test_a_damaged_file_is_no_store(tmp_path: Path) -> None:
    damage(tmp_path / "seen.db")
    with pytest.raises(TrustUnavailable):
        SqliteTrustStore(tmp_path / "seen.db").first_seen("iss", "a", 100.0, 0.0)


@pytest.mark.real
def test_a_servers_store_holds_no_token_and_forgets_what_is_over(postgres: Server) -> None:
    address = postgres.new_log()
    store = store_at(address)
    store.first_seen("https://canary.example", "canary-id", until=100.0, now=0.0)
    store.share("https://canary.example", 5, 1, now=0.0)
    with postgres.as_administrator(database_of(address)) as db:
        tables = ("seen_tokens", "calls")
        held = [db.execute(f"SELECT * FROM refractory_cds.{one}").fetchall() for one in tables]  # noqa: S608
        assert [len(rows) for rows in held] == [1, 1]
        assert b"canary" not in b"".join(row[0] for rows in held for row in rows)
        store.first_seen("iss", "b", until=300.0, now=200.0)
        held = [db.execute(f"SELECT * FROM refractory_cds.{one}").fetchall() for one in tables]  # noqa: S608
        assert [len(rows) for rows in held] == [1, 0]
    store.close()


@pytest.mark.real
def test_a_server_that_is_away_is_no_store_and_one_that_is_back_is(own_server: Server) -> None:
    store = store_at(own_server.new_log())
    assert store.first_seen("iss", "a", 100.0, 0.0)
    with own_server.stopped():
        for _ in range(2):
            with pytest.raises(TrustUnavailable):
                store.first_seen("iss", "b", 100.0, 0.0)
    assert store.first_seen("iss", "b", 100.0, 0.0)
    store.close()
