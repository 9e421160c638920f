"""An event as it lies in a spool, from bytes and to bytes: everything the log would have been told.

Each frame is encrypted whole, under a key of its segment: the patient's own key stands in the
store, which cannot be asked while events are spooled.
"""

from __future__ import annotations

import secrets
import struct
import zlib
from datetime import date, datetime

import msgspec
from cryptography.exceptions import InvalidTag

from cds_service.audit.canonical import Json, canonical_json
from cds_service.audit.card_names import CardSubject
from cds_service.audit.data_keys import DataKey
from cds_service.audit.envelope import Process
from cds_service.audit.events import Content, Event, EventType, timestamp
from cds_service.audit.pieces import Pieces
from cds_service.audit.pseudonyms import PatientIdentity
from cds_service.audit.spool_frames import Frame
from cds_service.errors import AuditError

_NONCE_BYTES = 12
_PLACE = struct.Struct(">Q")


class _Subject(msgspec.Struct):
    condition: str
    evidence: str
    latest: date | None = None


class _Spooled(msgspec.Struct):
    """The form of a spooled event. Its members are JSON, as in an envelope, so that numbers come
    back as they went; a content that is None is kept out of the log."""

    type: EventType
    event_id: str
    members: bytes
    sealed: dict[str, bytes | None] = {}
    patient: tuple[str, str, str] | None = None
    subjects: dict[str, _Subject] = {}


def write_event(event: Event, spooled_at: datetime, process: Process) -> bytes:
    """The event with all that hangs on the moment: when it was spooled, and by whom.

    Raises ValueError, TypeError, AttributeError or RecursionError for an event that could not be
    recorded either.
    """
    members: dict[str, Json] = {
        **event.members,
        "spooledAt": timestamp(spooled_at),
        "hostId": process.host_id,
        "bootId": process.boot_id,
        "pid": process.pid,
    }
    patient = event.patient
    spooled = _Spooled(
        event.type,
        event.event_id or "",
        canonical_json(members),
        {
            name: _made(content() if callable(content) else content)
            for name, content in event.sealed.items()
        },
        (patient.tenant, patient.fhir_server, patient.patient_id) if patient else None,
        {
            card: _Subject(subject.condition, subject.evidence, subject.latest)
            for card, subject in event.subjects.items()
        },
    )
    return zlib.compress(msgspec.msgpack.encode(spooled), 1)


def read_event(written: bytes) -> Event:
    """The event again. Raises ValueError where these bytes are none."""
    try:
        found = msgspec.msgpack.decode(zlib.decompress(written), type=_Spooled)
        members = msgspec.json.decode(found.members)
    except (zlib.error, msgspec.MsgspecError) as error:
        raise ValueError("a spooled event cannot be read") from error
    return Event(
        type=found.type,
        event_id=found.event_id,
        members=members,
        sealed={name: _again(content) for name, content in found.sealed.items()},
        patient=PatientIdentity(*found.patient) if found.patient else None,
        subjects={
            card: CardSubject(one.condition, one.evidence, one.latest)
            for card, one in found.subjects.items()
        },
    )


def seal_event(written: bytes, key: DataKey, segment: bytes, number: int, before: bytes) -> bytes:
    """What `write_event` made, encrypted with AES-256-GCM and bound to its place in the spool."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    bond = segment + _PLACE.pack(number) + before
    return nonce + key.cipher.encrypt(nonce, written, bond)


def open_event(frame: Frame, key: DataKey, segment: bytes) -> Event:
    """The event in this frame; AuditError where it was altered, or stands in another's place."""
    nonce, sealed = frame.content[:_NONCE_BYTES], frame.content[_NONCE_BYTES:]
    bond = segment + _PLACE.pack(frame.number) + frame.before
    try:
        return read_event(key.cipher.decrypt(nonce, sealed, bond))
    except (InvalidTag, ValueError) as error:
        raise AuditError("a spooled event was altered") from error


def _made(content: bytes | Pieces | None) -> bytes | None:
    return bytes(content) if isinstance(content, Pieces) else content


def _again(content: bytes | None) -> Content:
    return (lambda: None) if content is None else content
