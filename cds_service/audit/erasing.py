"""Erasing a patient: the key to all that was sealed, and what ties the id to its pseudonym."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from cds_service.audit.address import Address, connect
from cds_service.audit.canonical import Json
from cds_service.audit.data_keys import DataKeys
from cds_service.audit.database import UNREADABLE, Connection
from cds_service.audit.entries import Reader
from cds_service.audit.envelope import Process, Recorder
from cds_service.audit.events import Event, EventType, id_shaped, present
from cds_service.audit.holds import hold_on
from cds_service.audit.pseudonyms import PatientIdentity, PseudonymKey
from cds_service.audit.reading import open_reader
from cds_service.audit.removing import RemovingStore
from cds_service.errors import AuditError

STAYED = ("envelopes",)
"""What erasing leaves: codes, times and staff, under a pseudonym that nobody can make again."""

# What the patient's key does not seal: payloads of before there were keys, and of the log's key.
_OTHERS = """
FROM payloads WHERE seq IN (SELECT seq FROM terms WHERE field = 'patient' AND value = :pseudonym)
 AND (key_id IS NULL OR key_id <> coalesce(:key, ''))
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A patient's row under one generation of the pseudonym key."""

    lookup_id: bytes
    pseudonym: str
    data_key: str | None


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was done. `is_flushed`: a file's write-ahead log, too, is rid of what was destroyed."""

    rows: int
    payloads_deleted: int
    is_flushed: bool


def erase(
    address: Address,
    patient: PatientIdentity,
    pseudonym_keys: Sequence[PseudonymKey],
    data_keys: DataKeys,
    *,
    by: Reader,
    policy: str,
    ground: str,
) -> Erasure:
    """Destroy the patient's keys and salts and append the `redaction` that says so, in one
    transaction. Raises AuditError where the patient has no row, or it cannot be written.

    Patients are found under every key that is given. The entry does not name the patient, nor
    anything that a later entry about the same patient will have.
    """
    try:
        with closing(connect(address)) as db:
            rows = _rows(db, patient, pseudonym_keys)
            others = sum(
                db.execute(f"SELECT count(*) {_OTHERS}", _asked(row)).fetchone()[0] for row in rows
            )
    except UNREADABLE as error:
        raise AuditError(f"the decision log cannot be read: {error}") from error
    if not rows:
        raise AuditError(
            "no patient is known by this id; server and client are part of a patient's name:"
            " give them as the calls did"
        )
    seen = _refuse_what_is_held(address, rows)
    event = redaction_event(by, rows, policy=policy, ground=ground, payloads_deleted=others)
    recorder = Recorder(keys=(), data_keys=data_keys, process=Process.this())
    store = _Erasing(address, recorder, rows, seen)
    with closing(store):
        (receipt,) = store.append([event])
        if isinstance(receipt, AuditError):
            raise receipt
        return Erasure(len(rows), others, store.flush())


def _refuse_what_is_held(address: Address, rows: Sequence[Row]) -> int:
    """Raise AuditError where a legal hold covers the patient; how many entries about holds there
    are, so that none comes in between."""
    with open_reader(address) as reader:
        held = hold_on(reader, [row.pseudonym for row in rows])
        if held is not None:
            raise AuditError(f"a legal hold is on this patient: {held.hold_id}; nothing was erased")
        return sum(1 for _ in reader.entries_of(EventType.LEGAL_HOLD))


def redaction_event(
    by: Reader, rows: Sequence[Row], *, policy: str, ground: str, payloads_deleted: int
) -> Event:
    """The entry about an erasure: which pseudonyms and keys, by what policy, and what stayed."""
    members: dict[str, Json] = {
        "reader": by.as_json(),
        "policy": id_shaped(policy),
        "erased": present(
            {
                "pseudonyms": [row.pseudonym for row in rows],
                "dataKeys": [row.data_key for row in rows if row.data_key],
                "payloadsDeleted": payloads_deleted or None,
            }
        ),
        "stayed": list(STAYED),
    }
    sealed = {"ground": ground.encode(), **by.sealed()}
    return Event(type=EventType.REDACTION, members=members, sealed=sealed)


class _Erasing(RemovingStore):
    """A store whose one transaction also deletes these rows."""

    def __init__(
        self, address: Address, recorder: Recorder, rows: Sequence[Row], holds_seen: int
    ) -> None:
        super().__init__(address, recorder, holds_seen)
        self._rows = rows

    def remove_from(self, db: Connection) -> None:
        for row in self._rows:
            if not db.erase(row.lookup_id, row.data_key, row.pseudonym):
                raise AuditError("the patient's row changed meanwhile; nothing was erased")


def _rows(db: Connection, patient: PatientIdentity, keys: Sequence[PseudonymKey]) -> list[Row]:
    found = []
    for key in keys:
        lookup_id = key.lookup_id(patient)
        row = db.execute(
            "SELECT salt, data_key_id FROM patients WHERE lookup_id = ?", (lookup_id,)
        ).fetchone()
        if row is not None:
            found.append(Row(lookup_id, key.pseudonym(patient, row[0]), row[1]))
    return found


def _asked(row: Row) -> dict[str, object]:
    return {"pseudonym": row.pseudonym, "key": row.data_key}
