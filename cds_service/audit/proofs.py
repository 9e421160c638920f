"""Proofs that stand on their own: an entry is in the log; a log begins with an older one.

`offline_verify.py` checks them, with nothing of this package.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from itertools import islice

from cds_service.audit.canonical import Json
from cds_service.audit.chain import leaf_hash
from cds_service.audit.checkpoint import Checkpoint, read_note
from cds_service.audit.events import EventType
from cds_service.audit.key_events import ring_of
from cds_service.audit.reading import LogReader, StoredCheckpoint, StoredEvent
from cds_service.audit.tree import (
    Span,
    consistency_spans,
    inclusion_spans,
    is_consistent,
    is_included,
    roots_of,
)
from cds_service.errors import AuditError

INCLUSION_FORM = "refractory-cds/inclusion-proof-1"
CONSISTENCY_FORM = "refractory-cds/consistency-proof-1"


class NotTheSameHistory(AuditError):
    """What was to be proved is not so: the log has been changed."""


def inclusion_proof(reader: LogReader, event: StoredEvent) -> dict[str, Json]:
    """The proof that this entry stands in the log under its latest checkpoint.

    Raises NotTheSameHistory where it does not, AuditError where no checkpoint covers it.
    """
    stored, checkpoint = latest_checkpoint(reader)
    if checkpoint.size < event.seq:
        raise AuditError("no checkpoint covers this entry yet")
    path = _roots(reader, inclusion_spans(event.seq - 1, checkpoint.size), checkpoint.size)
    leaf = leaf_hash(event.envelope)
    if not is_included(leaf, event.seq - 1, checkpoint.size, path, checkpoint.root):
        raise NotTheSameHistory("the log is not the one that was signed (see `audit verify`)")
    envelope = base64.b64encode(event.envelope).decode()
    return {
        "format": INCLUSION_FORM,
        "entry": {"seq": event.seq, "eventId": event.event_id, "envelope": envelope},
        "path": [one.hex() for one in path],
        **_signed(reader, stored),
    }


def consistency_proof(reader: LogReader, old: Checkpoint, note: str) -> dict[str, Json]:
    """The proof that the log, as its latest checkpoint has it, begins with the older one of `note`.

    Raises NotTheSameHistory where it does not.
    """
    log_id, _ = reader.first_link()
    if old.log_id != log_id:
        raise NotTheSameHistory("the older checkpoint is of another log")
    stored, checkpoint = latest_checkpoint(reader)
    if old.size > checkpoint.size:
        missing = old.size - checkpoint.size
        raise NotTheSameHistory(
            f"the older checkpoint knows of {missing} more entries than the latest one of the log"
        )
    path = _roots(reader, consistency_spans(old.size, checkpoint.size), checkpoint.size)
    if not is_consistent(old.size, checkpoint.size, path, old.root, checkpoint.root):
        raise NotTheSameHistory("the log does not begin with the one of the older checkpoint")
    return {
        "format": CONSISTENCY_FORM,
        "from": note,
        "path": [one.hex() for one in path],
        **_signed(reader, stored),
    }


def latest_checkpoint(reader: LogReader) -> tuple[StoredCheckpoint, Checkpoint]:
    """The latest checkpoint; AuditError where there is none, or it cannot be read."""
    stored = reader.latest_checkpoint()
    if stored is None:
        raise AuditError("the log has no checkpoint yet")
    try:
        checkpoint, _ = read_note(stored.note)
    except ValueError as error:
        raise AuditError("the latest checkpoint of the log cannot be read") from error
    return stored, checkpoint


def _signed(reader: LogReader, stored: StoredCheckpoint) -> dict[str, Json]:
    log_id, _ = reader.first_link()
    ring = ring_of(log_id, reader.entries_of(EventType.KEY_EVENT))
    return {
        "checkpoint": stored.note,
        "keys": [str(one.key) for one in ring.keys],
        "keyStatements": [one.statement for one in ring.keys],
    }


def _roots(reader: LogReader, spans: list[Span], size: int) -> list[bytes]:
    leaves: Iterator[bytes] = islice(reader.leaves(), size)
    try:
        return roots_of(spans, leaves)
    except ValueError as error:
        raise NotTheSameHistory("the log has fewer entries than were signed for") from error
