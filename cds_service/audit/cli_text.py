"""The decision log for people: a list, one entry on one screen, the report of a verification.

Text out of a chart is shown as text: control characters, changes of writing direction and rich's
own markup do nothing.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from cds_service.audit.events import EventType
from cds_service.audit.findings import Report

_WIDTH_WITHOUT_TERMINAL = 200
_WIDTH_WITH_IDS = 120
_UNSEEN = ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")


def console() -> Console:
    """Where text goes: as wide as the terminal and in colour, or wide and plain into a file."""
    is_terminal = sys.stdout.isatty()
    return Console(width=None if is_terminal else _WIDTH_WITHOUT_TERMINAL, highlight=False)


def harmless(value: object) -> Text:
    """This value as text that only shows itself."""
    return Text("".join(map(_visible, str(value))))


def print_json(value: object) -> None:
    """The value as JSON in ASCII, so that nothing in it can move a terminal."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def print_list(entries: Sequence[Mapping[str, Any]]) -> None:
    """A row for each entry; on a narrow terminal without the ids, since `show` takes a seq, too."""
    out = console()
    has_ids = out.width >= _WIDTH_WITH_IDS
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("seq", justify="right", no_wrap=True)
    table.add_column("recorded (UTC)", no_wrap=True)
    table.add_column("what", overflow="fold")
    table.add_column("found", overflow="fold", ratio=1)
    if has_ids:
        table.add_column("id", no_wrap=True)
    for entry in entries:
        at = entry["recordedAt"][:19].replace("T", " ")
        found = "; ".join(_line_found(line) for line in entry.get("lines", ()))
        row = (entry["seq"], at, _what(entry), found, entry["eventId"])
        table.add_row(*map(harmless, row if has_ids else row[:-1]))
    out.print(table if entries else "No entry matches.")


class _Rate(ProgressColumn):
    """How many a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.finished_speed or task.speed or 0:,.0f}/s")


@contextmanager
def progress_bar(total: int, doing: str = "verifying") -> Iterator[Callable[[int], None]]:
    """What to tell how many entries are done; with rate and time left, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(doing, total=total)
        yield lambda done: shown.update(task, completed=done)


def print_report(report: Report) -> None:
    out = console()
    colour = "green" if report.is_whole else "bold red"
    out.print(Text(report.verdict, style=colour))
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(report.events_by_type.items()))
    out.print(harmless(f"log {report.log_id}: {report.size} events ({counts or 'none'})"))
    out.print(harmless(f"root {report.root.hex()}"))
    if report.first_at:
        out.print(harmless(f"recorded {report.first_at} to {report.last_at}"))
    out.print(f"{report.checkpoints} checkpoints; compared with {report.anchors} anchors")
    for key in report.keys:
        out.print(harmless(f"key {key}"))
    for spool in report.spools:
        said = "not drained yet: of a process that runs, or was killed"
        out.print(harmless(f"spool segment {spool}: {said}"))
    for finding in report.findings:
        place = f" {finding.first}" if finding.first is not None else ""
        place += f" to {finding.last}" if finding.last != finding.first else ""
        good = f"; last good event {finding.last_good}" if finding.last_good else ""
        span = f", between {finding.after} and {finding.before}" if finding.before else ""
        mark = "note" if finding.informs else "FOUND"
        out.print(harmless(f"{mark}: {finding.kind}{place}: {finding.detail}{good}{span}"))
    if report.left_out:
        out.print(f"and {report.left_out} more findings")


def _what(entry: Mapping[str, Any]) -> str:
    gone = f"(purged {entry['purgedAt'][:10]})" if "purgedAt" in entry else ""
    if entry["eventType"] == EventType.PURGE:
        return _purge(entry)
    if entry["eventType"] != EventType.DECISION:
        said = (entry["eventType"], entry.get("outcome"), entry.get("overrideReason"))
        orphan = f"(orphan: {entry['orphan']})" if "orphan" in entry else ""
        return " ".join(filter(None, (*said, orphan, gone)))
    asked = f"{entry.get('hook', entry.get('serviceId', ''))}: {entry.get('outcome', '')}"
    return " ".join(filter(None, (asked, gone)))


def _purge(entry: Mapping[str, Any]) -> str:
    """What one purge removed, or what a whole run came to."""
    if "purged" in entry:
        of = entry["purged"]
        return f"purge: {of['part']}, {of['payloads']} payloads of {of['entries']} entries"
    result = entry.get("result", {})
    parts = (result.get(name, {}) for name in ("contents", "identities"))
    told = [f"run ended: {sum(part.get('payloads', 0) for part in parts)} payloads removed"]
    if "held" in result:
        told.append(f"{sum(result['held'].values())} under hold")
    if "notAsRecorded" in result:
        told.append(f"{result['notAsRecorded']['entries']} entries NOT AS RECORDED")
    return f"purge: {', '.join(told)}"


def _line_found(line: Mapping[str, Any]) -> str:
    return f"{line.get('disease', '')} line {line.get('line', '?')} {line.get('status', '')}"


def _visible(character: str) -> str:
    if character == "\n" or unicodedata.category(character) not in _UNSEEN:
        return character
    return "\N{REPLACEMENT CHARACTER}"
