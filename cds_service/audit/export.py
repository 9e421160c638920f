"""Entries of the log for others: as they were hashed, as tables, or as FHIR AuditEvents.

Pseudonymous, all of them; but for FHIR that is encrypted for one recipient.

`ndjson`: each envelope byte for byte on a line of its own, then a line of our own, the manifest,
by which `offline_verify.py` checks the whole. `csv` and `parquet`: a row for each card, and one for
each decision without a card. `feedback`: a row for each card and what was done with it, as
45 CFR 170.315(b)(11)(ii)(C) asks for.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import IO, Any

from cds_service.audit.canonical import Json
from cds_service.audit.checkpoint import read_note
from cds_service.audit.events import EventType
from cds_service.audit.export_rows import (
    CARD_COLUMNS,
    FEEDBACK_COLUMNS,
    Row,
    card_rows,
    feedback_rows,
    typed,
)
from cds_service.audit.fhir_export import (
    Recipient,
    identified_lines,
    pseudonymous_lines,
)
from cds_service.audit.filters import Filter
from cds_service.audit.key_events import ring_of
from cds_service.audit.listing import Wanted
from cds_service.audit.reading import LogReader, StoredEvent
from cds_service.audit.searching import matching
from cds_service.errors import AuditError, UsageError

EXPORT_FORM = "refractory-cds/export-1"
TABLE_VERSION = "1"
_RISKY = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a spreadsheet may take for the beginning of a formula. Source: OWASP, CSV injection."""


class ExportFormat(StrEnum):
    NDJSON = "ndjson"
    CSV = "csv"
    PARQUET = "parquet"
    FEEDBACK = "feedback"
    FHIR = "fhir"


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: so many entries or rows, and the digest of all the bytes."""

    rows: int
    digest: str


class Digesting(io.RawIOBase):
    """A file that is written to once, from beginning to end, and knows the digest of it all."""

    def __init__(self, to: IO[bytes]) -> None:
        self._to = to
        self._state = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._state.update(data)
        return self._to.write(data)

    @property
    def digest(self) -> str:
        return f"sha256:{self._state.hexdigest()}"


def export(
    reader: LogReader,
    wanted: Wanted,
    asked: Filter,
    form: ExportFormat,
    to: IO[bytes],
    query: Mapping[str, Json],
    progress: Callable[[int], None] = lambda _: None,
    recipient: Recipient | None = None,
) -> Exported:
    """Write these entries, the oldest first. Raises UsageError where a format cannot be had.

    With a `recipient`, FHIR names the patients, and is encrypted before it is written.
    """
    out = Digesting(to)
    events = matching(reader, wanted, asked, progress)
    if form is ExportFormat.NDJSON:
        rows = _ndjson(reader, events, out, query)
    elif form is ExportFormat.CSV:
        rows = _csv(CARD_COLUMNS, card_rows(reader, events), out)
    elif form is ExportFormat.FHIR and recipient is not None:
        content = io.BytesIO()  # never on a disk as it is
        rows = sum(1 for line in identified_lines(reader, events) if content.write(line))
        out.write(recipient.encrypt(content.getvalue()))
    elif form is ExportFormat.FHIR:
        rows = sum(1 for line in pseudonymous_lines(reader, events) if out.write(line))
    elif form is ExportFormat.FEEDBACK:
        rows = _csv(FEEDBACK_COLUMNS, feedback_rows(reader, events), out)
    else:
        rows = _parquet(card_rows(reader, events), to)
        to.seek(0)
        return Exported(rows, f"sha256:{hashlib.file_digest(to, 'sha256').hexdigest()}")  # type: ignore[arg-type]
    return Exported(rows, out.digest)


def _ndjson(
    reader: LogReader, events: Iterable[StoredEvent], out: Digesting, query: Mapping[str, Json]
) -> int:
    """Envelopes as they are stored: a line break in one would be damage, and is refused."""
    count, first, last = 0, None, None
    for event in events:
        if b"\n" in event.envelope:
            raise AuditError(f"event {event.seq} is not what was recorded: run verify")
        out.write(event.envelope + b"\n")
        count, first, last = count + 1, first or event.seq, event.seq
    manifest = {
        "format": EXPORT_FORM,
        "count": count,
        "firstSeq": first,
        "lastSeq": last,
        "filter": dict(query),
        "lines": out.digest,
        **_signed(reader),
    }
    said = {name: value for name, value in manifest.items() if value is not None}
    out.write(json.dumps(said, separators=(",", ":")).encode() + b"\n")
    return count


def _signed(reader: LogReader) -> dict[str, Any]:
    """The newest checkpoint and the keys of the log; without a checkpoint, only the log's id."""
    log_id, _ = reader.first_link()
    ring = ring_of(log_id, reader.entries_of(EventType.KEY_EVENT))
    stored = reader.latest_checkpoint()
    signed: dict[str, Any] = {
        "log": log_id,
        "keys": [str(one.key) for one in ring.keys],
        "keyStatements": [one.statement for one in ring.keys],
    }
    if stored is not None:
        try:
            read_note(stored.note)
        except ValueError as error:
            raise AuditError("the latest checkpoint of the log cannot be read") from error
        signed["checkpoint"] = stored.note
    return signed


def _csv(columns: Iterable[str], rows: Iterable[Mapping[str, Any]], out: Digesting) -> int:
    """RFC 4180, in UTF-8 without a mark at the beginning."""
    columns, count = list(columns), 0
    for cells in _with_heading(columns, rows):
        line = io.StringIO(newline="")
        csv.writer(line, lineterminator="\r\n").writerow(cells)
        out.write(line.getvalue().encode("utf-8", "replace"))
        count += 1
    return count - 1


def _with_heading(columns: list[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[list[str]]:
    yield columns
    for row in rows:
        yield [inert(_text(row.get(name))) for name in columns]


def _text(value: Any) -> str:
    if value is None:
        return ""
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def inert(cell: str) -> str:
    """The cell so that no spreadsheet takes it for a formula: an apostrophe comes before it."""
    return f"'{cell}" if cell.startswith(_RISKY) else cell


def _parquet(rows: Iterable[Mapping[str, Any]], to: IO[bytes]) -> int:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UsageError(
            "Parquet needs the package pyarrow, which is not installed: "
            "pip install 'refractory-cds[parquet]'"
        ) from None
    kinds = {
        "text": pyarrow.string(),
        "number": pyarrow.int64(),
        "list": pyarrow.list_(pyarrow.string()),
        "moment": pyarrow.timestamp("us", tz="UTC"),
        "day": pyarrow.date32(),
    }
    fields = [pyarrow.field(name, kinds[kind]) for name, kind in CARD_COLUMNS.items()]
    schema = pyarrow.schema(fields, metadata={"refractory-cds-cards": TABLE_VERSION})
    count = 0
    with parquet.ParquetWriter(to, schema) as writer:
        for batch in _batches(rows):
            writer.write_table(pyarrow.Table.from_pylist(batch, schema=schema))
            count += len(batch)
    return count


def _batches(
    rows: Iterable[Mapping[str, Any]], size: int = 10_000
) -> Iterator[list[dict[str, Any]]]:
    batch: list[Row] = []
    for row in rows:
        batch.append({name: typed(kind, row.get(name)) for name, kind in CARD_COLUMNS.items()})
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
