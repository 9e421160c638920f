"""`audit replay --from … --to …`: what a period would have been told under other knowledge."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hooks.calls import call, myeloma, prefetch_of, quiet
from hooks.serving import Served

from cds_service.audit.listing import Wanted
from cds_service.errors import UsageError
from cds_service.knowledge.load import DATA, load_knowledge
from cds_service.replay import commands, crew
from cds_service.replay.period import _change
from replay.logs import Day, run, run_json, started

PERIOD = ("--from", "2000-01-01", "--to", "2100-01-01")
TOLD = call(prefetch_of(myeloma()))
QUIET = call(prefetch_of(quiet()), hookInstance="d1577c69-dfbe-44ad-ba6d-000000000002")


@pytest.fixture
async def log(tmp_path: Path) -> Served:
    """Two decisions: one with a card on a myeloma, one without a cancer."""
    async with started(tmp_path / "log", clock=Day()) as served:
        assert len((await served.hook(TOLD)).json()["cards"]) == 1
        assert (await served.hook(QUIET)).json()["cards"] == []
    return served


def ids(served: Served) -> list[str]:
    return [e["decisionId"] for e in served.entries() if e["eventType"] == "decision"]


def changed(folder: Path, file: str, old: str, new: str, version: str = "9999.1.0") -> Path:
    """A copy of the shipped knowledge with one thing changed, under a version of its own."""
    made = folder / "candidate"
    shutil.copytree(DATA, made)
    text = (made / file).read_text("utf-8")
    assert old in text
    (made / file).write_text(text.replace(old, new, 1), "utf-8")
    release = (made / "release.toml").read_text("utf-8")
    shipped = load_knowledge().version
    (made / "release.toml").write_text(release.replace(shipped, version), "utf-8")
    return made


def test_under_the_knowledge_of_then_all_is_the_same(log: Served) -> None:
    code, said = run_json("replay", *PERIOD, "--db", log.db)
    assert code == 0
    assert said["decisionsByChange"] == {"same": ids(log)}
    assert said["byDisease"] == {"multiple-myeloma": {"same": 1}}


def test_another_version_alone_is_no_change_of_wording(log: Served, tmp_path: Path) -> None:
    folder = changed(tmp_path, "diseases/cml.toml", "name", "name")
    code, said = run_json("replay", *PERIOD, "--db", log.db, "--knowledge", folder)
    assert (code, said["decisionsByChange"]) == (0, {"same": ids(log)})


def test_a_name_that_is_another_is_a_changed_wording(log: Served, tmp_path: Path) -> None:
    folder = changed(
        tmp_path, "diseases/multiple-myeloma.toml", '"multiple myeloma"', '"plasma cell myeloma"'
    )
    code, said = run_json("replay", *PERIOD, "--db", log.db, "--knowledge", folder)
    assert code == 1
    first, second = ids(log)
    assert said["decisionsByChange"] == {"changed-wording": [first], "same": [second]}
    assert said["byStatus"] == {"possible-refractory": {"changed-wording": 1}}


def test_a_rule_of_other_numbers_changes_a_status_and_is_named(log: Served, tmp_path: Path) -> None:
    folder = changed(
        tmp_path,
        "diseases/multiple-myeloma.toml",
        "minimum   = { days = 21, cycles = 1 }",
        "minimum   = { days = 3000 }",
    )
    code, said = run_json("replay", *PERIOD, "--db", log.db, "--knowledge", folder)
    first, second = ids(log)
    assert code == 1
    assert said["decisionsByChange"] == {"changed-status": [first], "same": [second]}
    assert said["byRule"] == {"multiple-myeloma.imwg-60-days": {"changed-status": 1}}
    assert said["byStatus"] == {"possible-refractory -> progressing": {"changed-status": 1}}
    (line,) = said["lines"]
    assert (line["decisionId"], line["was"], line["now"]) == (
        first, "possible-refractory", "progressing"
    )  # fmt: skip


CARD: list[Any] = [{"summary": "a"}]
LINE = {"status": "possible-refractory", "advice": ["restage"]}
ORDER = [
    ("new-card", LINE, LINE, None, CARD),
    ("lost-card", LINE, {}, CARD, None),
    ("changed-status", LINE, {**LINE, "status": "relapsed"}, CARD, CARD),
    ("changed-status", {}, LINE, None, None),
    ("changed-advice", LINE, {**LINE, "advice": ["biopsy"]}, CARD, [{"summary": "b"}]),
    ("changed-wording", LINE, LINE, CARD, [{"summary": "b"}]),
    ("same", LINE, LINE, CARD, CARD),
    ("same", LINE, LINE, None, None),
]


@pytest.mark.parametrize(("change", "was", "new", "then", "now"), ORDER)
def test_the_weightiest_change_of_a_line_counts(
    change: str, was: Any, new: Any, then: Any, now: Any
) -> None:
    assert _change(was, new, then, now) == change


async def test_what_cannot_be_replayed_is_counted_with_its_reason(tmp_path: Path) -> None:
    async with started(tmp_path, settings={"audit_keep_requests": False}) as served:
        await served.hook(TOLD)
    code, said = run_json("replay", *PERIOD, "--db", served.db)
    assert code == 3
    (why,) = said["notReplayable"]
    assert said["notReplayable"] == {why: ids(served)}
    assert "digests" in why


async def test_only_the_period_is_replayed(tmp_path: Path) -> None:
    day = Day(date(2026, 11, 20))
    async with started(tmp_path, clock=day) as served:
        await served.hook(TOLD)
        day.day = date(2026, 11, 22)
        await served.hook(QUIET)
    bounds = ("--from", "2026-11-21", "--to", "2026-11-23")
    _, said = run_json("replay", *bounds, "--db", served.db)
    assert said["decisionsByChange"] == {"same": ids(served)[1:]}


def test_it_leaves_one_entry_however_many_decisions(log: Served) -> None:
    before = log.size()
    shown = run("replay", *PERIOD, "--db", log.db, "--knowledge", load_knowledge().version)
    assert shown.exit_code == 0
    assert "2 decisions" in shown.stdout
    assert "lines by disease" in shown.stdout
    (entry,) = log.entries(after=before)
    assert (entry["eventType"], entry["command"], entry["rows"]) == ("access", "replay", 2)
    assert entry["query"]["knowledge"] == load_knowledge().version


def test_knowledge_that_is_nowhere_is_an_error_of_usage(log: Served) -> None:
    result = run("replay", *PERIOD, "--db", log.db, "--knowledge", "1999.1.0")
    assert isinstance(result.exception, UsageError)
    assert "no such knowledge" in str(result.exception)


def said_by(asked: tuple[object, ...]) -> tuple[int, str]:
    result = run(*asked, "--format", "json")
    return result.exit_code, result.output


async def test_several_processes_give_the_report_of_one(
    log: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = changed(tmp_path, "diseases/multiple-myeloma.toml", "days = 60", "days = 30")
    for more in ((), ("--knowledge", folder), ("--knowledge", "no-such-version")):
        asked = ("replay", *PERIOD, "--db", log.db, *more)
        alone = said_by(asked)
        monkeypatch.setattr(crew, "processes_for", lambda _: 3)
        monkeypatch.setattr(commands, "processes_for", lambda _: 3)
        assert said_by(asked) == alone
        monkeypatch.undo()


def test_entries_that_came_since_are_of_no_process(log: Served) -> None:
    wanted = Wanted()
    first = crew.Period(log.db, None, wanted, None, None, last=0)
    assert crew.replay_side_by_side(first, 2).decisions == 0


def test_a_process_that_ends_ends_the_replay(log: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = crew.Period(log.db.with_name("gone.db"), None, Wanted(), None, None, last=9)
    with pytest.raises(UsageError, match="there is no such decision log"):
        crew.replay_side_by_side(nowhere, 2)
