"""By which purge one payload went, without reading the others."""

from __future__ import annotations

from contextlib import suppress

import msgspec

from cds_service.audit.database import Connection
from cds_service.audit.gone import PARTS, Purge, Purged

_RUN = """
SELECT t.seq, e.envelope FROM terms t JOIN events e ON e.seq = t.seq
 WHERE t.field = 'purged' AND t.value >= :first AND t.value < :beyond
 ORDER BY t.value DESC LIMIT 1
"""


def purge_of(
    db: Connection, seq: int, event_type: str, recorded_at: str, name: str
) -> Purge | None:
    """The purge that removed this payload of an entry, by its search terms; None where none did."""
    for part in PARTS:
        asked = {"first": f"{part}/", "beyond": f"{part}/{seq:020d}~"}
        row = db.execute(_RUN, asked).fetchone()
        if row is None:
            continue
        with suppress(msgspec.DecodeError, TypeError):
            found = Purged([(row[0], msgspec.json.decode(row[1]))])
            purge = found.of(seq, event_type, recorded_at, name)
            if purge is not None:
                return purge
    return None
