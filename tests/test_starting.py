"""What the log is told at a start: settings that changed, by name; knowledge and its approval."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hooks.conftest import said as said
from hooks.serving import Entry, Served, knowledge, serving, settings_for
from typer.testing import CliRunner, Result

from cds_service.app import create_app
from cds_service.errors import AuditError
from cds_service.knowledge.load import load_knowledge
from cds_service.replay.commands import audit_app
from cds_service.settings import Settings
from cds_service.starting import configuration_of

OFF = 'returns_cards = false\nbecause = "a test"\n'
PREFIX = "REFRACTORY_CDS_"


@asynccontextmanager
async def started(folder: Path, **options: Any) -> AsyncIterator[Served]:
    with serving(folder, **options) as served:
        async with served.app.router.lifespan_context(served.app):
            yield served


async def start(folder: Path, **options: Any) -> list[Entry]:
    """The entries of one more start."""
    async with started(folder, **options) as served:
        entries = served.entries()
    stops = [one["seq"] for one in entries if one["eventType"] == "service-stopped"]
    return [one for one in entries if one["seq"] > (stops[-1] if stops else 0)]


def changes(entries: list[Entry]) -> list[Entry]:
    return [
        one for one in entries if one["eventType"] == "config-changed" and not one.get("approved")
    ]


def site(folder: Path, text: str) -> dict[str, Any]:
    path = folder / "site.toml"
    path.write_text(text, "utf-8")
    return {"settings": {"site_file": path}, "knowledge": load_knowledge(site=path)}


# --- settings ------------------------------------------------------------------------------------

FLIPPED: dict[str, Any] = {
    "audit_key_file": "keys/pseudonyms-canary",
    "audit_data_key_file": "keys/data-canary",
    "audit_signing_key_file": "keys/signing-canary",
    "audit_anchor_file": "anchors-canary",
    "audit_checkpoint_seconds": 9.0,
    "audit_checkpoint_events": 9,
    "audit_spool": "off",
    "audit_spool_mib": 9,
    "audit_spool_hours": 9.0,
    "audit_seconds": 9.0,
    "audit_keep_requests": False,
    "audit_verify_seconds": 0.0,
    "audit_purge": True,
    "audit_keep_contents_months": 24,
    "audit_keep_entries_months": 120,
    "audit_two_persons": True,
    "knowledge_approval": "required",
    "fhir_servers": ("https://canary.example/fhir",),
    "allow_loopback": True,
    "fhir_seconds": 0.1,
    "fhir_credentials_file": "canary.toml",
    "max_body_mib": 1,
    "cors_origins": (),
    "public_url": "https://canary.example",
    "jwt": "required",
    "clients_file": "clients-canary.toml",
    "calls_a_minute": 1,
    "calls_at_once": 1,
    "recent_charts_mib": 0,
    "log_level": "error",
}
ELSEWHERE = {"audit_db", "audit_url", "site_file"}
"""Another log has no last start; a site file is flipped below."""


def test_every_setting_is_flipped_here() -> None:
    assert set(FLIPPED) | ELSEWHERE == set(Settings.model_fields)


@pytest.mark.parametrize("name", FLIPPED)
async def test_each_setting_that_is_flipped_is_named_and_its_value_is_not(
    tmp_path: Path, name: str
) -> None:
    (first,) = [one for one in await start(tmp_path) if one["eventType"] == "service-started"]
    before = settings_for(tmp_path)
    after = settings_for(tmp_path, **{name: FLIPPED[name]})
    event = change_between(tmp_path, after)
    assert event is not None
    assert event["changed"] == [f"{PREFIX}{name.upper()}"]
    assert event["previousConfigDigest"] == first["configDigest"]
    assert event["configDigest"] == configuration_of(after, knowledge()).digest
    assert event["configDigest"] != event["previousConfigDigest"]
    assert "canary" not in json.dumps(event)
    assert change_between(tmp_path, before) is None


def change_between(folder: Path, settings: Settings) -> dict[str, Any] | None:
    """What a start with these settings would record, after the last one in the log."""
    from cds_service.audit.configuration import config_changed
    from cds_service.audit.reading import open_reader

    with open_reader(folder / "decisions.db") as reader:
        event = config_changed(reader, configuration_of(settings, knowledge()))
    return dict(event.members) if event else None


async def test_a_changed_setting_is_on_record_before_the_start_that_has_it(tmp_path: Path) -> None:
    assert changes(await start(tmp_path)) == []  # nothing was before
    assert changes(await start(tmp_path)) == []
    settings = {"fhir_seconds": 1.0, "max_body_mib": 2}
    entries = await start(tmp_path, settings=settings)
    assert [one["eventType"] for one in entries] == ["config-changed", "service-started"]
    assert entries[0]["changed"] == [f"{PREFIX}FHIR_SECONDS", f"{PREFIX}MAX_BODY_MIB"]
    assert changes(await start(tmp_path, settings=settings)) == []
    assert len(changes(await start(tmp_path))) == 1  # and back


async def test_cards_that_a_site_switches_off_and_on_are_named_by_their_disease(
    tmp_path: Path,
) -> None:
    await start(tmp_path)
    (change,) = changes(await start(tmp_path, **site(tmp_path, '["multiple-myeloma"]\n' + OFF)))
    assert change["switchedOff"] == ["multiple-myeloma"]
    assert f"{PREFIX}SITE_FILE" in change["changed"]
    (change,) = changes(await start(tmp_path, **site(tmp_path, '["cml"]\n' + OFF)))
    assert (change["switchedOff"], change["switchedOn"]) == (["cml"], ["multiple-myeloma"])
    assert change["configDigest"] == change["previousConfigDigest"]  # the same file, other text
    assert f"content of {PREFIX}SITE_FILE" in change["changed"]
    (change,) = changes(await start(tmp_path))
    assert change["switchedOn"] == ["cml"]


async def test_a_number_of_the_site_is_named(tmp_path: Path) -> None:
    number = '["multiple-myeloma.lines"]\ngap_days = {}\nbecause = "a test"\n'
    await start(tmp_path, **site(tmp_path, number.format(400)))
    (change,) = changes(await start(tmp_path, **site(tmp_path, number.format(401))))
    named = [one for one in change["changed"] if one.startswith("site file: ")]
    assert len(named) == 1
    assert "multiple-myeloma" in named[0]


async def test_clients_that_may_call_are_part_of_it(tmp_path: Path) -> None:
    clients = tmp_path / "clients.toml"
    await start(tmp_path)
    found = []
    for text in ("# one\n", "# two\n"):
        clients.write_text(text, "utf-8")
        settings = settings_for(tmp_path, clients_file=clients)
        found.append(configuration_of(settings, knowledge()).fingerprint)
    assert found[0] != found[1]


async def test_a_start_of_an_earlier_version_tells_that_settings_differ_and_not_which(
    tmp_path: Path,
) -> None:
    from cds_service.audit import Versions, service_started_event

    with serving(tmp_path) as served:
        versions = Versions(
            software="0.1", knowledge="1", knowledge_digest="sha256:0", config_digest="sha256:1"
        )
        await served.log.append(service_started_event(versions, settings={}))
    (change,) = changes(await start(tmp_path))
    assert (change["previousConfigDigest"], change.get("changed")) == ("sha256:1", None)


async def test_processes_that_start_together_say_it_once(tmp_path: Path) -> None:
    await start(tmp_path)
    with serving(tmp_path, settings={"fhir_seconds": 1.0}) as one:
        from cds_service.starting import told_at_start

        settings = settings_for(tmp_path, fhir_seconds=1.0)
        versions = one.app  # both ask before either has written
        del versions
        from cds_service.audit import Versions

        same = Versions(software="1", knowledge="1", knowledge_digest="sha256:0")
        both = [list(told_at_start(settings, knowledge(), same)) for _ in range(2)]
        assert both[0][0].event_id == both[1][0].event_id
        await one.log.append(both[0][0])
        with pytest.raises(AuditError, match="already"):
            await one.log.append(both[1][0])


# --- approval ------------------------------------------------------------------------------------

PERIOD = ("--from", "2000-01-01", "--to", "2100-01-01", "--format", "json")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(audit_app, [str(one) for one in arguments])


def activations(entries: list[Entry]) -> list[tuple[Any, ...]]:
    return [
        (one["approval"], one.get("approvedIn"))
        for one in entries
        if one["eventType"] == "knowledge-activated"
    ]


def compared(folder: Path, path: Path) -> Path:
    """A comparison of the log's decisions under the shipped knowledge with this site file."""
    report = folder / "comparison.json"
    db = folder / "decisions.db"
    result = run("replay", *PERIOD, "--site", path, "--db", db)
    report.write_text(result.stdout, "utf-8")
    return report


async def test_the_first_knowledge_of_a_log_and_what_it_has_seen_need_no_approval(
    tmp_path: Path,
) -> None:
    of_site = site(tmp_path, '["cml"]\n' + OFF)
    assert activations(await start(tmp_path)) == [("first", None)]
    await start(tmp_path, **of_site)
    assert activations(await start(tmp_path)) == [("seen", None)]
    required = {"knowledge_approval": "required"}
    assert activations(await start(tmp_path, settings=required)) == []
    of_site["settings"] |= required
    assert activations(await start(tmp_path, **of_site)) == [("seen", None)]


async def test_without_approval_it_is_recorded_and_warned_of(
    tmp_path: Path, said: Callable[[], str]
) -> None:
    await start(tmp_path)
    assert "knowledge.not-approved" not in said()
    of_site = site(tmp_path, '["cml"]\n' + OFF)
    assert activations(await start(tmp_path, **of_site)) == [("none", None)]
    lines = [json.loads(line) for line in said().splitlines()]
    assert [one["level"] for one in lines if one["event"] == "knowledge.not-approved"] == [
        "warning"
    ]


async def test_where_approval_is_required_nothing_starts_without(tmp_path: Path) -> None:
    await start(tmp_path)
    of_site = site(tmp_path, '["cml"]\n' + OFF)
    settings = settings_for(tmp_path, knowledge_approval="required", **of_site["settings"])
    with pytest.raises(AuditError, match="nobody has approved"):
        await asyncio.to_thread(create_app, settings)
    path, db = tmp_path / "site.toml", tmp_path / "decisions.db"
    report = compared(tmp_path, path)
    approved = run(
        "approve-knowledge", "current", "--site", path, "--by", "board-2026-11",
        "--comparison", report, "--db", db,
    )  # fmt: skip
    assert approved.exit_code == 0, approved.output
    of_site["settings"] |= {"knowledge_approval": "required"}
    async with started(tmp_path, **of_site) as served:
        entries = served.entries()
    (approval,) = [one for one in entries if one.get("approved")]
    assert approval["approved"]["approver"] == "board-2026-11"
    assert approval["approved"]["comparison"]["decisions"] == 0
    assert approval["approved"]["comparison"]["digest"].startswith("sha256:")
    assert approval["approved"]["knowledge"]["digest"] == of_site["knowledge"].digest
    assert activations(entries)[-1] == ("approved", approval["eventId"])


async def test_by_force_is_an_entry_too(tmp_path: Path) -> None:
    await start(tmp_path)
    of_site = site(tmp_path, '["cml"]\n' + OFF)
    forced = run(
        "approve-knowledge", of_site["knowledge"].digest, "--by", "dr-a", "--force",
        "--reason", "a wrong rule has to go tonight", "--db", tmp_path / "decisions.db",
    )  # fmt: skip
    assert forced.exit_code == 0, forced.output
    of_site["settings"] |= {"knowledge_approval": "required"}
    entries = await start(tmp_path, **of_site)
    ((standing, approved_in),) = activations(entries)
    assert standing == "forced"
    assert approved_in is not None


async def test_what_is_no_comparison_of_this_log_and_knowledge_approves_nothing(
    tmp_path: Path,
) -> None:
    await start(tmp_path)
    of_site = site(tmp_path, '["cml"]\n' + OFF)
    db, path = tmp_path / "decisions.db", tmp_path / "site.toml"
    report = compared(tmp_path, path)
    told = json.loads(report.read_text("utf-8"))
    assert told["knowledge"]["digest"] == of_site["knowledge"].digest
    with serving(tmp_path) as served:
        before = served.size()

    def approve(content: str, *more: object, by: str = "dr-a") -> Result:
        report.write_text(content, "utf-8")
        given = more or ("current", "--site", path, "--comparison", report)
        return run("approve-knowledge", *given, "--by", by, "--db", db)

    good = json.dumps(told)
    for result, why in (
        (approve(json.dumps({**told, "logId": "another"})), "of another log"),
        (approve(good, "current", "--comparison", report), "of other knowledge"),
        (approve(json.dumps({**told, "knowledge": {}})), "of other knowledge"),
        (approve("{}"), "not a report"),
        (approve("no JSON"), "not a report"),
        (approve(good, "current"), "--comparison"),
        (approve(good, "current", "--force"), "--reason"),
        (approve(good, "current", "--force", "--comparison", report), "--comparison"),
        (approve(good, "sha256:12", "--comparison", report), "hexadecimal"),
        (approve(good, by="Dr A"), "without spaces"),
    ):
        assert result.exit_code == 2
        assert why in " ".join(result.stderr.split())
    with serving(tmp_path) as served:
        assert served.size() == before
