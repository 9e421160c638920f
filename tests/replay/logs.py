"""Decisions that were made over HTTP, and what replays come to; and the tools to spoil them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from hooks.serving import Served, serving
from typer.testing import CliRunner, Result

from cds_service.audit.listing import Wanted
from cds_service.audit.reading import open_reader
from cds_service.replay.commands import audit_app
from cds_service.replay.compare import Replayed, replay_one
from cds_service.replay.knowledge import KnownThen
from cds_service.replay.rerun import Again


@asynccontextmanager
async def started(folder: Path, **options: Any) -> AsyncIterator[Served]:
    """A service that has started, so that its knowledge is on record."""
    with serving(folder, **options) as served:
        async with served.app.router.lifespan_context(served.app):
            yield served


class Day:
    """A clock that stands at noon of a day until it is moved."""

    def __init__(self, day: date = date(2026, 11, 21)) -> None:
        self.day = day

    def __call__(self) -> datetime:
        return datetime.combine(self.day, time(12), UTC)


def replays(db: Path, under: Again | None = None) -> list[Replayed]:
    """Every decision of a log worked out again, oldest first."""
    with open_reader(db) as reader:
        then = KnownThen(reader)
        return [replay_one(reader, event, then, under) for event in reader.matching(Wanted())]


def results(found: Iterable[Replayed]) -> list[tuple[str, str, tuple[Any, ...]]]:
    return [(one.result, one.why, one.differences) for one in found]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(audit_app, [str(one) for one in arguments])


def run_json(*arguments: object) -> tuple[int, Any]:
    result = run(*arguments, "--format", "json")
    return result.exit_code, json.loads(result.stdout)
