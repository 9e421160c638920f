"""The service and every `audit` command on a log in PostgreSQL, as a site runs them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from cli.terminal import ROOT
from cli.test_serve import SECONDS, got, serving, wait_for
from postgres_server import ADMINISTRATOR, Server, as_role, database_of
from typer.testing import CliRunner, Result

from audit.samples import envelopes, verified
from cds_service.audit.address import PostgresAddress
from cds_service.audit.reading import open_reader
from cds_service.replay.commands import audit_app

pytestmark = pytest.mark.real

KEYS = ("AUDIT_KEY_FILE", "AUDIT_DATA_KEY_FILE", "AUDIT_SIGNING_KEY_FILE", "AUDIT_SPOOL")
PATIENT = {"resourceType": "Patient", "id": "p1", "birthDate": "1960-01-01", "gender": "male"}
CHART = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": PATIENT}]}


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    """The settings that a log without a file needs."""
    return {name: str(tmp_path / name.lower()) for name in (*KEYS, "AUDIT_ANCHOR_FILE")}


@pytest.fixture
def log(postgres: Server, tmp_path: Path, keys: dict[str, str]) -> PostgresAddress:
    """Two assessments over HTTP, made by two processes that were started and stopped."""
    address = postgres.new_log()
    for name in ("one", "two"):
        settings = {"AUDIT_URL": str(address), **keys}
        with serving(tmp_path / name, **settings) as (service, written):
            port = wait_for(written, "service.listening")["port"]
            wait_for(written, "service.started")
            assert json.loads(got(port, "/readyz"))["status"] == "ready"
            assess(port)
            service.send_signal(signal.SIGTERM)
            assert service.wait(SECONDS) == 0
    return address


def assess(port: int) -> None:
    body = json.dumps(CHART).encode()
    call = Request(
        f"http://127.0.0.1:{port}/api/assess", body, {"Content-Type": "application/json"}
    )
    with urlopen(call, timeout=SECONDS) as reply:  # noqa: S310 - our own service
        assert reply.status == 200


@pytest.fixture
def run(log: PostgresAddress, keys: dict[str, str]) -> Any:
    environment = {f"REFRACTORY_CDS_{name}": value for name, value in keys.items()}

    def run(*arguments: object, role: str = "service") -> Result:
        place = {"REFRACTORY_CDS_AUDIT_URL": str(as_role(log, role))}
        return CliRunner().invoke(
            audit_app, [str(one) for one in arguments], env={**environment, **place}
        )

    return run


def test_every_command_that_reads_works_and_leaves_its_entry(
    run: Any, log: PostgresAddress, tmp_path: Path
) -> None:
    assert "decision" in {one["eventType"] for one in envelopes(log)}
    first = next(one["decisionId"] for one in envelopes(log) if "decisionId" in one)
    for command in (
        ("list", "--format", "json"),
        ("show", first),
        ("prove", first, "--to", tmp_path / "proof"),
        ("keys",),
        ("checkpoint", "--new"),
        ("rotate",),
        ("export", "--format", "ndjson", "--to", tmp_path / "entries"),
        ("export", "--format", "csv", "--to", tmp_path / "cards"),
        ("replay", first),
        ("verify",),
    ):
        done = run(*command)
        assert done.exit_code == 0, (command, done.output)
    types = {one["eventType"] for one in envelopes(log)}
    assert {"access", "export", "verification", "key-event"} <= types
    assert verified(log).exit_code == 3


def test_a_reader_verifies_and_leaves_no_entry(run: Any, log: PostgresAddress) -> None:
    before = len(envelopes(log))
    assert run("verify", "--read-only", role="auditor").exit_code == 0
    assert run("keys", role="auditor").exit_code == 0
    listed = run("list", role="auditor")
    assert listed.exit_code == 2
    assert "may not do that" in listed.stderr
    assert len(envelopes(log)) == before


def test_a_patient_is_erased_by_who_may(run: Any, log: PostgresAddress, postgres: Server) -> None:
    erase = ("erase", "--patient", "p1", "--ground", "case 4711")
    refused = run(*erase)
    assert refused.exit_code == 2
    assert "may not do that" in refused.stderr
    assert "redaction" not in {one["eventType"] for one in envelopes(log)}, "both or neither"
    done = run(*erase, role="privacy")
    assert done.exit_code == 0, done.output
    assert verified(log).exit_code == 3
    again = run(*erase, role="privacy")
    assert again.exit_code == 2
    decision = next(one for one in envelopes(log) if one["eventType"] == "decision")
    assert run("replay", decision["decisionId"]).exit_code == 3
    with postgres.as_administrator(database_of(log)) as db:
        rows = db.execute("SELECT count(*) FROM refractory_cds.patients").fetchone()
    assert rows == (0,)


def test_keys_are_wrapped_anew_by_who_may(
    run: Any, keys: dict[str, str], log: PostgresAddress
) -> None:
    with Path(keys["AUDIT_DATA_KEY_FILE"]).open("a") as file:
        file.write("ab" * 32 + "\n")
    refused = run("rewrap")
    assert refused.exit_code == 2
    assert "may not do that" in refused.stderr
    done = run("rewrap", role="privacy")
    assert done.exit_code == 0, done.output
    assert "2 keys wrapped anew" in done.stdout
    with open_reader(log, Path(keys["AUDIT_DATA_KEY_FILE"])) as reader:
        decision = next(one for one in reader.events() if one.event_type == "decision")
        assert reader.content(decision, "request")


def test_a_loss_is_written_down(
    run: Any, keys: dict[str, str], log: PostgresAddress, postgres: Server
) -> None:
    with postgres.as_administrator(database_of(log)) as db:
        (size,) = db.execute("SELECT size FROM refractory_cds.head").fetchone() or (0,)
        for table in ("events", "terms", "payloads", "checkpoints", "head"):
            db.execute(f"ALTER TABLE refractory_cds.{table} DISABLE TRIGGER ALL")
        for table in ("events", "terms", "payloads"):
            db.execute(f"DELETE FROM refractory_cds.{table} WHERE seq = {size}")  # noqa: S608
        db.execute(f"DELETE FROM refractory_cds.checkpoints WHERE size = {size}")  # noqa: S608
        db.execute(
            "UPDATE refractory_cds.head SET size = size - 1, leaf_hash ="
            " (SELECT leaf_hash FROM refractory_cds.events ORDER BY seq DESC LIMIT 1)"
        )
        for table in ("events", "terms", "payloads", "checkpoints", "head"):
            db.execute(f"ALTER TABLE refractory_cds.{table} ENABLE TRIGGER ALL")
    assert run("verify", "--read-only").exit_code == 1
    done = run("recover", "--reason", "restored; decided by the night shift")
    assert done.exit_code == 0, done.output
    recovered = [one for one in envelopes(log) if one["eventType"] == "recovery"]
    assert [(one["lostFrom"], one["lostTo"]) for one in recovered] == [(size, size)]


@pytest.mark.parametrize("missing", KEYS)
def test_serve_says_which_key_file_it_needs(
    postgres: Server, keys: dict[str, str], missing: str
) -> None:
    done = command(
        "serve", "--port", "0", AUDIT_URL=str(postgres.new_log()), **{**keys, missing: ""}
    )
    assert done.returncode == 2
    assert f"REFRACTORY_CDS_{missing} has to be set" in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("refractory-cds: ")


def test_serve_does_not_start_before_migrate_and_starts_after(
    postgres: Server, keys: dict[str, str], tmp_path: Path
) -> None:
    address = postgres.address(postgres.new_database())
    refused = command("serve", "--port", "0", AUDIT_URL=str(address), **keys)
    assert refused.returncode == 2
    assert "run refractory-cds audit migrate" in refused.stderr
    by_administrator = as_role(address, ADMINISTRATOR)
    for said in ("brought the tables from version none to 0002", "nothing to do"):
        done = command("audit", "migrate", AUDIT_URL=str(by_administrator))
        assert (done.returncode, done.stderr) == (0, "")
        assert said in done.stdout
    with serving(tmp_path / "log", "--workers", "2", AUDIT_URL=str(address), **keys) as (_, told):
        wait_for(told, "service.started", times=2)


def test_a_log_in_a_file_has_nothing_to_migrate(tmp_path: Path) -> None:
    done = command("audit", "migrate", AUDIT_DB=str(tmp_path / "log.db"))
    assert done.returncode == 2
    assert "nothing to migrate" in done.stderr


def test_the_service_is_not_ready_while_the_server_would_lose_entries(
    postgres: Server, keys: dict[str, str], tmp_path: Path
) -> None:
    settings = {**keys, "AUDIT_URL": str(postgres.new_log()), "AUDIT_SPOOL": "off"}
    with serving(tmp_path / "log", **settings) as (_, written):
        port = wait_for(written, "service.listening")["port"]
        wait_for(written, "service.started")
        postgres.run("ALTER SYSTEM SET synchronous_commit = off", "SELECT pg_reload_conf()")
        try:
            assert any(is_not_ready(port) for _ in range(100))
        finally:
            postgres.run("ALTER SYSTEM RESET synchronous_commit", "SELECT pg_reload_conf()")


def is_not_ready(port: int) -> bool:
    try:
        return bool(json.loads(got(port, "/readyz"))["status"] != "ready")
    except OSError as error:
        return getattr(error, "code", None) == 503


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    for arguments in (("serve", "--port", "0"), ("audit", "list")):
        done = command(*arguments, AUDIT_URL="postgresql://writer:canary@db/log")
        assert done.returncode == 2, done.stdout + done.stderr
        assert "canary" not in done.stdout + done.stderr
        assert "REFRACTORY_CDS_AUDIT_URL: a password does not belong" in done.stderr
    typed = command("audit", "list", "--db", "postgresql://writer:canary@db/log")
    assert typed.returncode == 2
    assert "password file" in typed.stderr


def command(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    named = {f"REFRACTORY_CDS_{name}": value for name, value in settings.items() if value}
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "cds_service", *arguments],
        env={**os.environ, **named},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
