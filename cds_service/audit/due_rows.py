"""The rows that a purge asks for: entries with payloads of some names, these payloads, and whether
anything stands between two entries."""

from __future__ import annotations

from collections.abc import Sequence

from cds_service.audit.reading import EVENT_COLUMNS, PAYLOAD_COLUMNS, LogReader, StoredEvent
from cds_service.audit.seal import Payload

_WITH_PAYLOADS = f"""
SELECT {EVENT_COLUMNS} FROM events e WHERE e.seq IN (
    SELECT DISTINCT seq FROM payloads
     WHERE seq > ? AND name IN ({{}})
       AND seq <= (SELECT max(seq) FROM events WHERE recorded_at < ?)
     ORDER BY seq LIMIT ?)
 ORDER BY e.seq
"""  # noqa: S608 # our own names
_OF_ENTRY = f"SELECT {PAYLOAD_COLUMNS} FROM payloads WHERE seq = ? AND name IN ({{}}) ORDER BY name"  # noqa: S608
_BETWEEN = """
SELECT EXISTS (SELECT 1 FROM events WHERE seq > ? AND seq < ? AND event_type IN ({}))
"""


class DueReader(LogReader):
    """The same view of a log, with these questions."""

    def __init__(self, reader: LogReader) -> None:
        self.__dict__.update(reader.__dict__)

    def with_payloads(
        self, names: Sequence[str], before: str, after: int, limit: int
    ) -> list[StoredEvent]:
        """The first entries beyond `after` with a payload of one of these names, as far as there is
        one that was recorded before then."""
        query = _WITH_PAYLOADS.format(_places(names))
        rows = self._db.execute(query, (after, *names, before, limit))
        return [StoredEvent(*row) for row in rows]

    def payloads_of(self, seq: int, names: Sequence[str]) -> list[Payload]:
        """An entry's payloads of these names, in the order of names."""
        rows = self._db.execute(_OF_ENTRY.format(_places(names)), (seq, *names))
        return [Payload(*row) for row in rows]

    def has_between(self, after: int, before: int, types: Sequence[str]) -> bool:
        """Whether an entry of one of these types stands between two others."""
        if before == after + 1:
            return False
        asked = (after, before, *map(str, types))
        (found,) = self._db.execute(_BETWEEN.format(_places(types)), asked).fetchone()
        return bool(found)


def _places(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))
