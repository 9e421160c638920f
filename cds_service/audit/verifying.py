"""One verification in a process of its own, that gives way to all others: what it is to do comes as
JSON on standard input, what it found leaves as JSON on standard output."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from cds_service.audit.address import address_of
from cds_service.audit.anchor import read_anchors
from cds_service.audit.canonical import Json
from cds_service.audit.findings import Report
from cds_service.audit.reading import open_reader
from cds_service.audit.verify import Brought, verify
from cds_service.audit.verifying_later import Reached, reached_now, verify_later
from cds_service.errors import AuditError

UNREADABLE = 2
"""Exit code of a verification that could not read the log, as that of `audit verify`."""
_GIVES_WAY = 19
_PAUSE_SECONDS = 0.01


class Task(msgspec.Struct, rename="camel"):
    """What to verify. `since` None: all of it, against the anchor file where there is one."""

    db: str
    anchor_file: str | None = None
    since: dict[str, Any] | None = None


def found_by(task: Task, pause: Callable[[int], None] = lambda _: None) -> dict[str, Json]:
    """What a verification came to: for the entry about it, and to go on from."""
    since = Reached.of(task.since)
    try:
        with open_reader(address_of(task.db)) as reader:
            if since is not None:
                report, reached = verify_later(reader, since, pause)
            else:
                report = verify(reader, Brought(anchors=_anchors(task.anchor_file)), pause)
                reached = reached_now(reader) if report.is_whole else None
    except AuditError as error:
        return {"exitCode": UNREADABLE, "findings": [], "why": str(error)}
    return _told(report, reached if report.is_whole else None)


def _told(report: Report, reached: Reached | None) -> dict[str, Json]:
    told: dict[str, Json] = {
        "exitCode": report.exit_code,
        "size": report.size,
        "root": report.root.hex(),
        "anchored": report.anchored,
        "findings": sorted({str(finding.kind) for finding in report.findings}),
    }
    return told | ({"reached": reached.as_json()} if reached else {})


def _anchors(path: str | None) -> Any:
    return read_anchors(Path(path)) if path and Path(path).exists() else ()


def main() -> None:
    os.nice(_GIVES_WAY)
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    found = found_by(task, lambda _: time.sleep(_PAUSE_SECONDS))
    sys.stdout.buffer.write(msgspec.json.encode(found))


if __name__ == "__main__":
    main()
