"""Replays for people: one decision, or the table of a period."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from rich.table import Table

from cds_service.audit.cli_text import console, harmless
from cds_service.replay.compare import Replayed
from cds_service.replay.period import CHANGES, PeriodReport

_MOST = 40
_LONGEST = 160


def print_replayed(replayed: Replayed) -> None:
    out = console()
    colour = {"identical": "green", "different": "bold red"}.get(replayed.result, "yellow")
    why = f": {replayed.why}" if replayed.why else ""
    out.print(harmless(f"{replayed.result}{why}"), style=colour)
    out.print(harmless(f"decision {replayed.decision_id}, entry {replayed.seq}"))
    for line in _versions(replayed):
        out.print(harmless(line))
    for note in replayed.notes:
        out.print(harmless(f"note: {note}"))
    for one in replayed.differences[:_MOST]:
        value = json.dumps(one["value"])[:_LONGEST] if "value" in one else ""
        out.print(harmless(f"{one['class']}: {one['op']} {one['path']} {value}".rstrip()))
    if len(replayed.differences) > _MOST:
        out.print(f"and {len(replayed.differences) - _MOST} more (see --format json)")


def _versions(replayed: Replayed) -> Iterator[str]:
    for name, said in (("knowledge", replayed.knowledge), ("software", replayed.software)):
        if said:
            then, here = said["recorded"].get("version"), said["here"].get("version")
            yield f"{name} {then}" if then == here else f"{name} {then} then, {here} here"


def print_period(report: PeriodReport) -> None:
    out = console()
    out.print(f"{report.decisions} decisions", style="bold")
    for line in _decisions(report):
        out.print(harmless(line))
    for name in ("disease", "rule", "status"):
        if rows := report.by(name):
            out.print()
            out.print(_table(name, rows))


def _decisions(report: PeriodReport) -> Iterator[str]:
    for change in CHANGES:
        ids = report.decisions_by_change.get(change, [])
        if ids:
            yield f"{len(ids)} {change}"
        if change != "same":
            yield from (f"    {one}" for one in ids[:_MOST])
            if len(ids) > _MOST:
                yield f"    and {len(ids) - _MOST} more (see --format json)"
    for why, ids in sorted(report.not_replayable.items()):
        yield f"{len(ids)} not replayable: {why}"


def _table(name: str, rows: Mapping[str, Mapping[str, int]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(f"lines by {name}", overflow="fold")
    for change in CHANGES:
        table.add_column(change, justify="right", no_wrap=True)
    for key, counts in rows.items():
        cells = (counts.get(change, 0) for change in CHANGES)
        table.add_row(harmless(key), *(str(cell) if cell else "" for cell in cells))
    return table
