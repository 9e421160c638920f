"""Who a patient is: the one place where the sealed identity of a decision is opened for people.

Nothing is answered before a `reidentification` entry says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import msgspec

from cds_service.audit.entries import Reader, reidentification_event
from cds_service.audit.events import Event, EventType
from cds_service.audit.listing import Wanted
from cds_service.audit.reading import LogReader, StoredEvent
from cds_service.audit.seal import PayloadErased, PayloadPurged
from cds_service.errors import AuditError

PRIVACY_OFFICER: Final = "privacy-officer"
SECOND_WITHIN: Final = timedelta(hours=24)
"""So long a first person's asking stands, where two have to."""
_ASKINGS = 1_000


class Identity(msgspec.Struct, rename="camel"):
    """Who the chart is about, as it was sealed."""

    patient_id: str | None = None
    encounter_id: str | None = None
    fhir_server: str | None = None


class SecondPersonNeeded(AuditError):
    """It is on record that one person asked; another has to ask for the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Who asks for names, how that is put on record, and whether one person is enough."""

    by: Reader
    record: Callable[[Event], object]
    now: datetime
    needs_two: bool = False


def identity_of(reader: LogReader, event: StoredEvent) -> Identity:
    """The identity that was sealed with a decision. For the two callers who put on record that
    they name a patient: `reidentify`, and the identifiable export.

    Raises PayloadErased where the patient was erased, PayloadPurged where the entry is too old,
    KeysNeeded without the keys.
    """
    return msgspec.json.decode(reader.content(event, "identity") or b"{}", type=Identity)


def reidentify(reader: LogReader, event: StoredEvent, asking: Asking) -> Identity:
    """Who one decision is about. The entry about that is written before this returns; where it
    cannot be, it raises.

    Raises AuditError for a wrong role, without a reason, where the patient was erased, was purged
    or none was named, and SecondPersonNeeded for the first of two persons.
    """
    demand_right(asking.by)
    members = event.read()
    asked_in = second_of_two(reader, asking, decision=members)
    identity = Identity()
    state: Literal["answered", "erased", "purged", "unknown"] = "answered"
    why = "the call named no patient"
    try:
        identity = identity_of(reader, event)
    except PayloadErased:
        state, why = "erased", "the patient was erased: nobody can say any more who it was"
    except PayloadPurged as gone:
        state, why = "purged", f"who it was about was {gone.purge.told}"
    if state == "answered" and identity.patient_id is None:
        state = "unknown"
    rows = 1 if state == "answered" else 0
    asking.record(
        reidentification_event(
            asking.by, state=state, decision=members, rows=rows, asked_in=asked_in
        )
    )
    if state == "erased":
        raise PayloadErased(why)
    if state != "answered":
        raise AuditError(why)
    return identity


def demand_right(by: Reader) -> None:
    """Raise AuditError for somebody who may not be told names, or does not say why."""
    if by.role != PRIVACY_OFFICER:
        raise AuditError(f"patients are named to the role {PRIVACY_OFFICER} only")
    if not (by.reason and by.reason.strip()):
        raise AuditError("a patient is named for a reason only")


def second_of_two(
    reader: LogReader,
    asking: Asking,
    *,
    decision: dict[str, Any] | None = None,
    query: dict[str, Any] | None = None,
) -> str | None:
    """The entry by which somebody else asked for the same within a day; None where one person is
    enough. Raises SecondPersonNeeded, with this asking on record, where nobody has."""
    if not asking.needs_two:
        return None
    subject = (decision or {}).get("decisionId"), query or {}
    wanted = Wanted(
        event_type=EventType.REIDENTIFICATION, since=asking.now - SECOND_WITHIN, limit=_ASKINGS
    )
    for event in reader.newest(wanted):
        said = event.read()
        if (said.get("decisionId"), said.get("query", {})) != subject:
            continue
        if said["state"] == "answered":  # each asking is good for one answer
            break
        is_other = said.get("reader", {}).get("account") != asking.by.account
        if said["state"] == "asked" and is_other:
            return event.event_id
    asking.record(reidentification_event(asking.by, state="asked", decision=decision, query=query))
    raise SecondPersonNeeded(
        "on record that you ask; another account has to ask for the same within a day"
    )
