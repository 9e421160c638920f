"""The operations log: JSON lines with an event name, ids that we made, counts and milliseconds.

Only the fields named here can be written, and none of them can hold anything out of a chart, a
token or an address. Decisions are not logged here: they have a log of their own.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

FIELDS = frozenset(
    {
        "service", "outcome", "status", "cards", "resources", "used", "issues", "milliseconds",
        "decision", "error", "error_id", "count", "host", "port", "workers", "version",
        "knowledge", "missing", "cause", "settings",
    }
)  # fmt: skip
_LOGGER = logging.getLogger("refractory_cds")


class JsonLines(logging.Formatter):
    """One JSON object a line. A message that is not ours is reduced to its logger and level."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
        }
        fields = getattr(record, "fields", None)
        if isinstance(fields, dict):
            line |= {"event": record.msg, **fields}
        else:
            # libraries write what they like, request lines and addresses among it
            line |= {"event": "library", "logger": record.name}
        return json.dumps(line)


def set_up(level: str) -> None:
    """Send everything to standard error as JSON lines, from this level on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    _LOGGER.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "fastapi"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True


def log_event(event: str, *, level: int = logging.INFO, **fields: str | float | None) -> None:
    """Write one event; raises KeyError for a field that is not on the list."""
    unknown = set(fields) - FIELDS
    if unknown:
        raise KeyError(f"not a field of the operations log: {sorted(unknown)}")
    present = {name: value for name, value in fields.items() if value is not None}
    _LOGGER.log(level, event, extra={"fields": present})
