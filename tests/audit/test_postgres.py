"""A log in PostgreSQL: what its roles may do, what its server has to keep, how it is made, backed
up and restored."""

from __future__ import annotations

import json
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from postgres_server import ADMINISTRATOR, LOGINS, Server, as_role, database_of

from audit.samples import (
    KEY,
    NOON,
    Clock,
    a_log_of,
    a_recorder,
    a_signing,
    a_store,
    an_event,
    beside,
    envelopes,
    record,
    sign_log,
    verified,
    with_keys,
)
from cds_service.audit import open_decision_log
from cds_service.audit.address import PostgresAddress, address_of, connect
from cds_service.audit.anchor import newest_anchor, read_anchors
from cds_service.audit.database_memory import DatabaseMemory
from cds_service.audit.database_store import DatabaseStore
from cds_service.audit.findings import Kind
from cds_service.audit.postgres.definitions import definitions_as_made
from cds_service.audit.postgres.migrating import migrate
from cds_service.audit.postgres.roles import Roles
from cds_service.audit.postgres.statements import translated
from cds_service.audit.signing import Signer
from cds_service.errors import AuditError, LogUnavailable, UsageError

pytestmark = pytest.mark.real

APPEND_ONLY = ("log", "head", "events", "terms", "payloads", "checkpoints")
TABLES = (*APPEND_ONLY, "patients", "log_keys")
VERBS = ("UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {}")


@pytest.fixture
def log(postgres: Server) -> PostgresAddress:
    """Three decisions and a checkpoint over them, in the hands of the service's role."""
    address = postgres.new_log()
    a_log_of(address, 3)
    sign_log(address)
    return address


def refused(address: PostgresAddress, statement: str) -> str:
    """The SQLSTATE with which the server refuses this."""
    with psycopg.connect(address.url, autocommit=True) as db:
        with pytest.raises(psycopg.Error) as raised:
            db.execute(statement)
        return raised.value.sqlstate or ""


# --- roles ------------------------------------------------------------------------------------

INSUFFICIENT_PRIVILEGE, APPEND_ONLY_STATE = "42501", "55000"


@pytest.mark.parametrize("role", LOGINS)
@pytest.mark.parametrize("table", [*TABLES, "seen_tokens", "calls", "alembic_version"])
@pytest.mark.parametrize("verb", VERBS)
def test_no_role_of_the_service_changes_or_removes_a_row(
    log: PostgresAddress, role: str, table: str, verb: str, postgres: Server
) -> None:
    with postgres.as_administrator(database_of(log)) as db:
        (column,) = db.execute(
            "SELECT attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid"
            " WHERE attrelid = %s::regclass AND attnum = LEAST(2, relnatts)",
            (f"refractory_cds.{table}",),
        ).fetchone() or ("",)
    statement = verb.format(f"refractory_cds.{table}", column, column)
    assert refused(as_role(log, role), statement) == INSUFFICIENT_PRIVILEGE


@pytest.mark.parametrize(
    ("table", "verb"),
    [
        *((table, verb) for table in APPEND_ONLY for verb in VERBS),
        ("log_keys", "DELETE FROM {}"),
        ("log_keys", "TRUNCATE {}"),
        ("patients", "TRUNCATE {}"),
    ],
)
def test_the_triggers_refuse_it_to_the_owner_too(
    log: PostgresAddress, table: str, verb: str, postgres: Server
) -> None:
    with postgres.as_administrator(database_of(log)) as db:
        db.execute("SET ROLE refractory_cds_owner")
        (column,) = db.execute(
            "SELECT attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid"
            " WHERE attrelid = %s::regclass AND attnum = LEAST(2, relnatts)",
            (f"refractory_cds.{table}",),
        ).fetchone() or ("",)
        with pytest.raises(psycopg.Error) as raised:
            db.execute(verb.format(f"refractory_cds.{table}", column, column))
    assert raised.value.sqlstate in (APPEND_ONLY_STATE, "23000")
    assert verified(log).exit_code == 3


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO refractory_cds.log VALUES (2, 'another', '\\x00')",
        "INSERT INTO refractory_cds.head VALUES (1, 0, '\\x00')",
        "SELECT refractory_cds.erase_patient('\\x00', NULL, 'x')",
        "SELECT refractory_cds.wrap_anew('patients', 'x', '\\x00', '\\x00')",
        "CREATE TABLE refractory_cds.mine (x integer)",
        "CREATE FUNCTION refractory_cds.f() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "ALTER TABLE refractory_cds.events DISABLE TRIGGER ALL",
        "DROP TABLE refractory_cds.events",
        "SET session_replication_role = replica",
        "SELECT * FROM refractory_cds.seen_tokens",
        "SELECT 1 FROM refractory_cds.head FOR UPDATE",
    ],
)
def test_the_services_role_may_do_nothing_else(log: PostgresAddress, statement: str) -> None:
    assert refused(log, statement) == INSUFFICIENT_PRIVILEGE


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO refractory_cds.events SELECT 4, leaf_hash, '\\x01', 'x', 'decision', 'x', 'z',"
        " '\\x02' FROM refractory_cds.head",
        "INSERT INTO refractory_cds.patients VALUES ('\\x00', 'k', '\\x00')",
        "SELECT refractory_cds.lock_head()",
        "SELECT refractory_cds.first_seen('\\x00', 1, 0)",
    ],
)
def test_a_reader_adds_nothing(log: PostgresAddress, statement: str) -> None:
    assert refused(as_role(log, "auditor"), statement) == INSUFFICIENT_PRIVILEGE


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO refractory_cds.events SELECT 99, leaf_hash, '\\x01', 'x', 'y', NULL, 'z',"
        " '\\x02' FROM refractory_cds.head",
        "INSERT INTO refractory_cds.events"
        " SELECT 5, '\\x00', '\\x01', 'x', 'y', NULL, 'z', '\\x02'",
        "INSERT INTO refractory_cds.terms VALUES ('disease', 'x', 3)",
        "INSERT INTO refractory_cds.payloads VALUES (3, 'x', 'plain', NULL, '\\x00', '\\x00')",
        "INSERT INTO refractory_cds.checkpoints VALUES (9, 4, 'x', '\\x00')",
    ],
)
def test_what_is_added_has_its_one_place(log: PostgresAddress, statement: str) -> None:
    assert refused(log, statement).startswith("23")
    assert verified(log).exit_code == 3


def test_the_grants_are_these_and_no_others(postgres: Server) -> None:
    granted: dict[str, set[str]] = {}
    with postgres.as_administrator(database_of(postgres.new_log())) as db:
        for name, kind, role, verb in db.execute(GRANTS):
            granted.setdefault(f"{role.removeprefix('refractory_cds_')} {verb}", set()).add(name)
            assert kind in ("table", "function", "schema")
    added = {"events", "terms", "payloads", "patients", "log_keys", "checkpoints"}
    read = {*TABLES, "alembic_version"}
    verbs = {"lock_head", "give_patient_key", "first_seen", "take_share", "forget_callers"}
    assert granted == {
        "writer SELECT": read,
        "reader SELECT": read,
        "eraser SELECT": read,
        "writer INSERT": added,
        "eraser INSERT": added,
        "writer EXECUTE": verbs,
        "eraser EXECUTE": verbs | {"wrap_anew", "erase_patient"},
        "purger SELECT": read,
        "purger INSERT": {"events", "terms", "payloads", "log_keys"},
        "purger EXECUTE": {"lock_head", "purge_payloads"},
        "writer USAGE": {"refractory_cds"},
        "reader USAGE": {"refractory_cds"},
        "eraser USAGE": {"refractory_cds"},
        "purger USAGE": {"refractory_cds"},
    }


GRANTS = """
SELECT relname::text, 'table', coalesce(grantee.rolname, 'PUBLIC')::text, privilege_type
  FROM pg_class, aclexplode(coalesce(relacl, acldefault('r', relowner))) AS given
  LEFT JOIN pg_roles grantee ON grantee.oid = given.grantee
 WHERE relnamespace = 'refractory_cds'::regnamespace AND relkind = 'r' AND given.grantee <> relowner
UNION ALL
SELECT proname::text, 'function', coalesce(grantee.rolname, 'PUBLIC')::text, privilege_type
  FROM pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner))) AS given
  LEFT JOIN pg_roles grantee ON grantee.oid = given.grantee
 WHERE pronamespace = 'refractory_cds'::regnamespace AND given.grantee <> proowner
UNION ALL
SELECT nspname::text, 'schema', coalesce(grantee.rolname, 'PUBLIC')::text, privilege_type
  FROM pg_namespace, aclexplode(coalesce(nspacl, acldefault('n', nspowner))) AS given
  LEFT JOIN pg_roles grantee ON grantee.oid = given.grantee
 WHERE nspname = 'refractory_cds' AND given.grantee <> nspowner
"""


def test_the_owner_owns_everything_and_functions_trust_no_search_path(postgres: Server) -> None:
    with postgres.as_administrator(database_of(postgres.new_log())) as db:
        owners = db.execute(
            "SELECT DISTINCT pg_get_userbyid(relowner)::text FROM pg_class"
            " WHERE relnamespace = 'refractory_cds'::regnamespace"
        ).fetchall()
        paths = db.execute(
            "SELECT DISTINCT proconfig FROM pg_proc"
            " WHERE pronamespace = 'refractory_cds'::regnamespace"
        ).fetchall()
    assert owners == [("refractory_cds_owner",)]
    assert paths == [(["search_path=pg_catalog, pg_temp"],)]


# --- made by migrate --------------------------------------------------------------------------


def test_migrating_says_what_it_did_and_a_second_time_does_nothing(postgres: Server) -> None:
    address = postgres.address(postgres.new_database(), ADMINISTRATOR)
    roles = Roles("an_owner", "a_writer", "a_reader", 'an "eraser"', "a_purger")
    done = migrate(address, roles, clock=lambda: NOON, make_id=lambda: "log-9")
    assert done == [
        'made the roles an_owner, a_writer, a_reader, an "eraser", a_purger',
        "made the schema refractory_cds",
        "brought the tables from version none to 0002",
        "began the log log-9",
    ]
    assert migrate(address, roles, make_id=lambda: "log-10") == []
    assert verified(address).log_id == "log-9"
    assert (verified(address).exit_code, verified(address).size) == (3, 0)


def test_the_tables_are_as_the_package_says_they_were_made(postgres: Server) -> None:
    with closing(connect(postgres.new_log())) as db:
        assert db.definitions() == definitions_as_made()


def test_who_may_make_no_roles_is_told_which(postgres: Server) -> None:
    name = postgres.new_database()
    postgres.run("CREATE ROLE humble LOGIN", f"GRANT CREATE ON DATABASE {name} TO humble")
    with pytest.raises(AuditError, match=r"other_owner.*CREATE ROLE"):
        migrate(postgres.address(name, "humble"), Roles("other_owner"))


GIVEN = ("owner", "writer", "reader", "eraser", "purger")


def test_roles_that_an_administrator_made_are_enough(postgres: Server) -> None:
    name = postgres.new_database()
    postgres.run(
        *(f"CREATE ROLE given_{one} NOLOGIN" for one in GIVEN),
        "CREATE ROLE migrator LOGIN IN ROLE given_owner",
        f"GRANT CREATE ON DATABASE {name} TO migrator",
    )
    roles = Roles(*(f"given_{one}" for one in GIVEN))
    done = migrate(postgres.address(name, "migrator"), roles)
    assert [line.partition(" ")[0] for line in done] == ["made", "brought", "began"]


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        pytest.param(None, "holds no decision log: run refractory-cds audit migrate", id="missing"),
        pytest.param("0000", "of an older version .0000, not 0002.*audit migrate", id="too old"),
        pytest.param("0099", "of a newer version .0099.", id="too new"),
    ],
)
def test_tables_of_another_version_are_not_opened(
    postgres: Server, tmp_path: Path, harm: str | None, why: str
) -> None:
    address = postgres.new_log() if harm else postgres.address(postgres.new_database())
    if harm:
        change = f"UPDATE refractory_cds.alembic_version SET version_num = '{harm}'"  # noqa: S608
        postgres.run(change, database=database_of(address))
    with pytest.raises(AuditError, match=why):
        open_decision_log(
            address, key_file=tmp_path / "pseudonym-key", data_key_file=tmp_path / "data-key"
        )
    assert list(tmp_path.iterdir()) == [], "no keys are made for a log that is not there"


def test_a_database_that_does_not_answer_is_said_in_one_line_without_the_role(
    tmp_path: Path,
) -> None:
    with pytest.raises(AuditError) as refused:
        connect(PostgresAddress(f"postgresql://canary@/log?host={tmp_path}"))
    assert "\n" not in str(refused.value)


# --- keys and passwords -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://writer:canary@db/log",
        "postgres://writer:@db/log",
        "postgresql://db/log?user=writer&password=canary",
        "postgresql://db/log?sslpassword=canary",
    ],
)
def test_a_password_does_not_stand_in_the_address(url: str) -> None:
    with pytest.raises(UsageError, match="password file") as refused:
        address_of(url)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_password_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "pgpass"
    file.write_text("*:*:*:*:canary")
    file.chmod(mode)
    with pytest.raises(AuditError, match="chmod 600") as refused:
        connect(PostgresAddress(f"postgresql://w@localhost:1/log?passfile={file}"))
    assert "canary" not in str(refused.value)


def test_the_password_comes_from_a_file(postgres: Server, tmp_path: Path) -> None:
    address = postgres.new_log()
    postgres.run("CREATE ROLE with_password LOGIN PASSWORD 'canary' IN ROLE refractory_cds_writer")
    rules = postgres.folder / "data" / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text("local all with_password scram-sha-256\n" + before)
    postgres.run("SELECT pg_reload_conf()")
    file = tmp_path / "pgpass"
    file.touch(mode=0o600)
    try:
        for password, is_right in (("wrong-canary", False), ("canary", True)):
            file.write_text(f"*:*:*:with_password:{password}\n")
            named = PostgresAddress(f"{as_role(address, 'with_password')}&passfile={file}")
            if is_right:
                connect(named).close()
                continue
            with pytest.raises(AuditError, match="password authentication failed") as refused:
                connect(named)
            assert "canary" not in str(refused.value)
    finally:
        rules.write_text(before)
        postgres.run("SELECT pg_reload_conf()")


def test_keys_have_to_be_named(postgres: Server, tmp_path: Path) -> None:
    address = postgres.new_log()
    with pytest.raises(AuditError, match="REFRACTORY_CDS_AUDIT_KEY_FILE has to be set"):
        open_decision_log(address)
    with pytest.raises(AuditError, match="REFRACTORY_CDS_AUDIT_DATA_KEY_FILE has to be set"):
        open_decision_log(address, key_file=tmp_path / "pseudonym-key")


@pytest.mark.parametrize("other", ["pseudonym", "data"])
async def test_a_host_with_keys_of_its_own_does_not_start(
    postgres: Server, tmp_path: Path, other: str
) -> None:
    address = postgres.new_log()

    def opened(host: str, **changes: Path) -> Any:
        files: dict[str, Any] = {
            "key_file": tmp_path / f"{host}.pseudonym-key",
            "data_key_file": tmp_path / f"{host}.data-key",
        }
        return open_decision_log(address, **(files | changes))

    first = opened("first")
    await first.append(an_event(1))
    first.close()
    opened("first").close()
    shared = "data" if other == "pseudonym" else "pseudonym"
    name = "data_key_file" if shared == "data" else "key_file"
    for made in ("pseudonym-key", "data-key"):
        (tmp_path / f"second.{made}").touch(mode=0o600)
        (tmp_path / f"second.{made}").write_text("ab" * 32)
    with pytest.raises(AuditError, match=r"not that of this log|lacks a generation"):
        opened("second", **{name: tmp_path / f"first.{shared}-key"})


# --- what the server has to keep --------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "value", "why"),
    [
        ("synchronous_commit", "off", "synchronous_commit is off"),
        ("default_transaction_isolation", "'repeatable read'", "isolation is repeatable read"),
        ("synchronous_commit", "local", None),
        ("synchronous_commit", "remote_write", None),
    ],
)
def test_a_server_that_would_lose_what_it_confirms_takes_no_entries(
    postgres: Server, setting: str, value: str, why: str | None
) -> None:
    address = postgres.new_log()
    postgres.run(f"ALTER DATABASE {database_of(address)} SET {setting} = {value}")
    with closing(a_store(address)) as store:
        if why is None:
            record(store, an_event(1))
            return
        for events in ([], [an_event(1)]):
            with pytest.raises(LogUnavailable, match=why):
                store.append(events)
    assert envelopes(address) == []


def until_refused(store: DatabaseStore) -> None:
    """A server reads its settings anew within a moment."""
    for _ in range(200):
        store.append([])
        time.sleep(0.01)


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes", "synchronous_commit"])
def test_it_is_noticed_while_the_service_runs(postgres: Server, setting: str) -> None:
    with closing(a_store(postgres.new_log())) as store:
        record(store, an_event(1))
        try:
            postgres.run(f"ALTER SYSTEM SET {setting} = off", "SELECT pg_reload_conf()")
            with pytest.raises(LogUnavailable, match=f"{setting} is off"):
                until_refused(store)
        finally:
            postgres.run(f"ALTER SYSTEM RESET {setting}", "SELECT pg_reload_conf()")


def test_a_writer_that_holds_the_lock_is_waited_for_and_no_longer(postgres: Server) -> None:
    address = postgres.new_log()
    with (
        closing(a_store(address, patience_seconds=0.2)) as store,
        psycopg.connect(address.url) as other,
    ):
        other.execute("SELECT refractory_cds.lock_head()")
        with pytest.raises(LogUnavailable, match="another writer holds the log"):
            store.append([an_event(1)])
        assert envelopes(address) == [], "readers do not wait"
        other.rollback()
        record(store, an_event(1))


def test_a_writer_that_stands_still_loses_the_lock(postgres: Server) -> None:
    address = postgres.new_log()
    with closing(connect(address, patience_seconds=0.2)) as stuck:
        stuck.begin_writing()
        with closing(a_store(address)) as store:
            record(store, an_event(1))
    assert len(envelopes(address)) == 1


def test_a_server_that_was_started_again_is_no_outage_for_who_was_idle(own_server: Server) -> None:
    address = own_server.new_log()
    with closing(a_store(address)) as store:
        record(store, an_event(1))
        with own_server.stopped(), pytest.raises(LogUnavailable):
            store.append([an_event(2)])
        record(store, an_event(3))
        own_server.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'refractory-cds'"
        )
        record(store, an_event(4))
    assert [one["seq"] for one in envelopes(address)] == [1, 2, 3]


def test_nothing_of_a_session_is_left_to_a_pooler(postgres: Server) -> None:
    address = postgres.new_log()
    with closing(a_store(address)) as store, closing(DatabaseMemory(address, (KEY,))) as memory:
        for number in range(12):  # more than psycopg waits before it prepares a statement
            record(store, an_event(number))
        assert store._db is not None
        for question, nothing in (
            ("SELECT count(*) FROM pg_prepared_statements", 0),
            ("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", 0),
            (
                "SELECT count(*) FROM pg_settings WHERE source = 'session' AND name LIKE '%_out'",
                0,
            ),
        ):
            assert store._db.execute(question).fetchone() == (nothing,)
        del memory


@pytest.mark.parametrize("digits", [0, 3, 6, 9])
def test_what_was_hashed_is_what_is_read_back(postgres: Server, digits: int) -> None:
    time = "2026-11-21T12:00:00" + ("." + "123456789"[:digits] if digits else "") + "Z"
    address = postgres.new_log()
    request = json.dumps({"at": time, "value": "1.10 \u00e9 \u2028"}).encode()
    with closing(a_store(address)) as store:
        record(store, an_event(1, request=request, user=None, encounter_id=time))
    assert verified(address).exit_code == 3
    from cds_service.audit.reading import open_reader

    with open_reader(address, beside(address, ".data-key")) as reader:
        event = reader.find("1")
        assert event is not None
        assert reader.content(event, "request") == request


# --- loss, backup and restore -----------------------------------------------------------------


def dumped(postgres: Server, address: PostgresAddress, file: Path) -> Path:
    file.parent.chmod(0o755)
    postgres.tool("pg_dump", "--format=custom", f"--file={file}", database_of(address))
    return file


def restored(postgres: Server, file: Path) -> PostgresAddress:
    name = postgres.new_database()
    postgres.tool("pg_restore", "--exit-on-error", f"--dbname={name}", file)
    return postgres.address(name)


def put_in_place_of(postgres: Server, address: PostgresAddress, other: PostgresAddress) -> None:
    """The other database under this one's name, as after a restore, or after a failover."""
    name = database_of(address)
    postgres.run(
        f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
        *(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{one}'"  # noqa: S608
            for one in (name, database_of(other))
        ),
        f"ALTER DATABASE {name} RENAME TO {name}_lost",
        f"ALTER DATABASE {database_of(other)} RENAME TO {name}",
    )


def test_a_restored_backup_verifies_goes_on_and_opens_what_was_sealed(
    postgres: Server, tmp_path: Path
) -> None:
    address = postgres.new_log()
    anchors = tmp_path / "anchors"
    clock = Clock()
    with closing(a_store(address, a_recorder(clock))) as store:
        record(store, *(an_event(number) for number in range(3)))
    sign_log(address, clock=clock, anchor_file=anchors)
    copy = restored(postgres, dumped(postgres, address, tmp_path / "dump"))
    report = verified(copy, *read_anchors(anchors))
    assert (report.exit_code, report.size) == (0, 4)
    assert not report.findings
    for suffix in (".data-key", ".signing-key"):
        beside(copy, suffix).write_bytes(beside(address, suffix).read_bytes())
        beside(copy, suffix).chmod(0o600)
    with closing(a_store(copy)) as store:
        record(store, an_event(9))
    with closing(Signer(copy, a_signing(copy, anchor_file=anchors))) as signer:
        signer.check_anchor()
        assert signer.make()
    assert verified(copy, *read_anchors(anchors)).exit_code == 0


@pytest.mark.parametrize("later", [0, 1, 5], ids=lambda n: f"{n} entries by others since")
def test_yesterdays_dump_takes_no_entries_from_a_running_service(
    postgres: Server, tmp_path: Path, later: int
) -> None:
    address = postgres.new_log()
    a_log_of(address, 2)
    older = restored(postgres, dumped(postgres, address, tmp_path / "dump"))
    with closing(a_store(address)) as store:
        record(store, an_event(10), an_event(11))
        put_in_place_of(postgres, address, older)
        keys = with_keys(a_recorder(), address)
        with closing(DatabaseStore(address, keys)) as other:
            record(other, *(an_event(100 + number) for number in range(later)))
        with pytest.raises(LogUnavailable):
            store.append([an_event(12)])
    assert len(envelopes(address)) == 2 + later


def test_yesterdays_dump_is_refused_at_the_start_where_there_is_an_anchor(
    postgres: Server, tmp_path: Path
) -> None:
    address = postgres.new_log()
    anchors = tmp_path / "anchors"
    a_log_of(address, 2)
    sign_log(address)
    older = restored(postgres, dumped(postgres, address, tmp_path / "dump"))
    with closing(a_store(address)) as store:
        record(store, an_event(10), an_event(11))
    sign_log(address, anchor_file=anchors)
    assert newest_anchor(anchors, "log-1")
    put_in_place_of(postgres, address, older)
    with pytest.raises(AuditError, match="its anchor knows of 2 more entries"):
        open_decision_log(
            address,
            key_file=pseudonym_key(tmp_path),
            data_key_file=beside(address, ".data-key"),
            signing=a_signing(address, anchor_file=anchors),
        )
    assert Kind.TRUNCATED in {
        one.kind for one in verified(address, *read_anchors(anchors)).findings
    }


def pseudonym_key(folder: Path) -> Path:
    file = folder / "pseudonym-key"
    file.touch(mode=0o600)
    file.write_text(KEY.secret.hex())
    return file


# --- statements -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("FROM events e WHERE e.seq = ?", "FROM refractory_cds.events e WHERE e.seq = %s"),
        ("INSERT INTO terms VALUES (?, ?)", "INSERT INTO refractory_cds.terms VALUES (%s, %s)"),
        ("UPDATE head SET size = :size", "UPDATE refractory_cds.head SET size = %(size)s"),
        ("SELECT x'00ff', x''", r"SELECT '\x00ff'::bytea, '\x'::bytea"),
        ("CAST(seq AS INTEGER), CAST(a AS BLOB)", "CAST(seq AS bigint), CAST(a AS bytea)"),
        ("a < :b AND +e.at >= :c", "a < %(b)s AND e.at >= %(c)s"),
        ("FROM logs JOIN log USING (seq)", "FROM logs JOIN refractory_cds.log USING (seq)"),
        ("'%'::text", "'%%'::text"),
    ],
)  # fmt: skip
def test_statements_are_translated_in_one_place(ours: str, theirs: str) -> None:
    assert translated(ours) == theirs
