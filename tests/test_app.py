"""Start and stop: what is on record of them, and what keeps the service from starting at all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from hashlib import sha256
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

import pytest
from hooks.calls import call, myeloma, prefetch_of
from hooks.conftest import said as said
from hooks.serving import NOON, Served, knowledge, serving, settings_for

from cds_service.app import create_app
from cds_service.audit.events import utc_now
from cds_service.audit.installed import installed_software, named_by
from cds_service.errors import AuditError, LogUnavailable
from cds_service.knowledge.package import open_package
from cds_service.version import __version__

WITH_CARD = call(prefetch_of(myeloma()))


START = ["knowledge-activated", "service-started"]


def lifespan(served: Served) -> Any:
    return served.app.router.lifespan_context(served.app)


def events(said: Callable[[], str]) -> list[str]:
    return [json.loads(line)["event"] for line in said().splitlines()]


async def test_start_and_stop_are_on_record_around_the_decisions(
    tmp_path: Path, said: Callable[[], str]
) -> None:
    with serving(tmp_path) as served:
        async with lifespan(served):
            assert (await served.hook(WITH_CARD)).status_code == 200
        activated, started, decision, stopped = served.entries()
        assert served.exit_code_of_verify() == 3
    assert activated["eventType"] == "knowledge-activated"
    assert activated["knowledge"] == started["knowledge"]
    assert open_package(activated.sealed["package"], knowledge().digest) == knowledge()
    assert started["eventType"] == "service-started"
    assert started["knowledge"] == {"version": knowledge().version, "digest": knowledge().digest}
    assert started["software"]["version"] == __version__
    assert started["settings"] == {"fhirServers": 0, "jwt": "off"}
    assert decision["eventType"] == "decision"
    assert (stopped["eventType"], stopped["cause"]) == ("service-stopped", "shutdown")
    assert events(said) == ["service.started", "call.answered", "service.stopped"]


async def test_what_was_running_and_by_which_settings_is_on_record(tmp_path: Path) -> None:
    digests = []
    for number, changes in enumerate(({}, {}, {"fhir_seconds": 4.0})):
        with serving(tmp_path, settings={"audit_db": tmp_path / "one.db", **changes}) as served:
            async with lifespan(served):
                await served.hook(WITH_CARD)
            *changed, started, decision, _ = served.entries(after=1 + 3 * number)
        assert [one["eventType"] for one in changed] == ["config-changed"] * len(changes)
        assert started["configDigest"] == decision["configDigest"]
        assert started["software"] == decision["software"]
        assert started["software"]["lockDigest"].startswith("sha256:")
        digests.append(started["configDigest"])
    assert digests[0] == digests[1] != digests[2]


def test_the_digest_of_what_is_installed_can_be_worked_out_by_anybody() -> None:
    lines = {f"{one.metadata['Name'].lower()}=={one.version}" for one in distributions()}
    text = "\n".join(sorted(lines)).encode()
    assert installed_software().lock_digest == f"sha256:{sha256(text).hexdigest()}"


METADATA = "Metadata-Version: 2.4\n{}\n\nName: of-the-description\nVersion: 9\n"


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        pytest.param("Name: Some_Thing\nVersion: 1.0", ("Some_Thing", "1.0"), id="as written"),
        pytest.param("Version: 1.0\nName:x", ("x", "1.0"), id="the other way round"),
        pytest.param("name: x\nVERSION: 2", ("x", "2"), id="headers in any case"),
        pytest.param("Name: x\nName: y\nVersion: 1", ("x", "1"), id="the first of two"),
        pytest.param("Summary: Name: y\nVersion: 1", ("", "1"), id="without a name"),
    ],
)
def test_what_is_installed_is_named_by_its_headers(
    headers: str, named: tuple[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "some-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(METADATA.format(headers))
    found = Distribution.at(folder)
    assert named_by(found) == named
    assert (found.metadata["Name"] or "", found.version) == named


async def test_a_day_that_is_held_still_is_on_record_as_fixed(tmp_path: Path) -> None:
    with serving(tmp_path, day_from="fixed") as served:
        await served.hook(WITH_CARD)
        assert served.last()["asOfSource"] == "fixed"


async def test_the_start_says_how_many_servers_are_listed_and_not_which(tmp_path: Path) -> None:
    servers = ("https://canary.example/a", "https://canary.example/b")
    with serving(tmp_path, settings={"fhir_servers": servers}) as served:
        async with lifespan(served):
            assert served.last()["settings"]["fhirServers"] == 2
            assert "canary" not in served.searchable()


async def test_what_waits_for_the_log_is_on_record_before_it_closes(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        async with lifespan(served):
            calls = [asyncio.ensure_future(served.hook(WITH_CARD)) for _ in range(20)]
            answers = await asyncio.gather(*calls)
        kinds = [entry["eventType"] for entry in served.entries()]
        assert {answer.status_code for answer in answers} == {200}
        assert kinds == [*START, *["decision"] * 20, "service-stopped"]


async def test_after_the_stop_nothing_is_answered_that_is_not_on_record(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        async with lifespan(served):
            pass
        before = served.size()
        assert (await served.hook(WITH_CARD)).status_code == 503
        assert served.size() == before


async def test_a_log_that_went_away_does_not_keep_the_service_from_stopping(
    tmp_path: Path, said: Callable[[], str]
) -> None:
    with serving(tmp_path) as served:
        async with lifespan(served):
            served.log.close()
        assert [entry["eventType"] for entry in served.entries()] == START
    assert events(said)[-1] == "service.stopped"


async def test_a_service_whose_log_takes_no_entry_does_not_start(
    tmp_path: Path, said: Callable[[], str]
) -> None:
    with serving(tmp_path) as served:
        served.log.close()
        with pytest.raises(LogUnavailable):
            async with lifespan(served):
                pytest.fail("started without a log")
    assert events(said) == []


async def test_the_next_start_goes_on_with_the_same_log(tmp_path: Path) -> None:
    for _ in range(2):
        with serving(tmp_path) as served:
            async with lifespan(served):
                await served.hook(WITH_CARD)
    one_run = ["service-started", "decision", "service-stopped"]
    kinds = [entry["eventType"] for entry in served.entries()]
    assert kinds == ["knowledge-activated", *one_run * 2]  # the knowledge is the same
    assert served.exit_code_of_verify() == 3


# --- what it does not start with ----------------------------------------------------------------


def below_a_file(folder: Path) -> dict[str, Any]:
    (folder / "file").write_text("no folder")
    return {"audit_db": folder / "file" / "log.db"}


def no_database(folder: Path) -> dict[str, Any]:
    with serving(folder):
        pass
    (folder / "decisions.db").write_text("no database")
    return {"audit_db": folder / "decisions.db"}


def without_its_key(folder: Path) -> dict[str, Any]:
    with serving(folder):
        pass
    (folder / "decisions.db.pseudonym-key").unlink()
    return {"audit_db": folder / "decisions.db"}


REFUSED = [
    pytest.param(lambda folder: {"audit_db": folder}, "a folder", id="a folder"),
    pytest.param(lambda _: {"audit_db": Path()}, "a folder", id="an empty name"),
    pytest.param(below_a_file, "file: File exists", id="below a file"),
    pytest.param(no_database, "not a database", id="no database"),
    pytest.param(without_its_key, "key file", id="a log whose key is gone"),
]


@pytest.mark.parametrize(("settings", "why"), REFUSED)
def test_without_a_log_that_can_be_written_it_does_not_start_and_says_why_in_one_line(
    tmp_path: Path, settings: Callable[[Path], dict[str, Any]], why: str
) -> None:
    chosen = settings_for(tmp_path, **settings(tmp_path))
    with pytest.raises(AuditError, match=why) as caught:
        create_app(chosen, clock=utc_now, knowledge=knowledge())
    assert len(str(caught.value).splitlines()) == 1


async def test_without_a_log_it_makes_one_with_its_folder_and_key(tmp_path: Path) -> None:
    chosen = settings_for(tmp_path, audit_db=tmp_path / "new" / "folder" / "log.db")
    app = create_app(chosen, clock=lambda: NOON, knowledge=knowledge())
    async with app.router.lifespan_context(app):
        pass
    assert chosen.audit_db.stat().st_mode & 0o777 == 0o600
    key = chosen.audit_db.with_name("log.db.pseudonym-key")
    assert key.stat().st_mode & 0o777 == 0o600
