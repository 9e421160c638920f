"""Who approved that a state of the clinical knowledge decides, and on what comparison.

An approval is a `config-changed` entry: it changes what may decide, and is no activation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from cds_service.audit.canonical import Json
from cds_service.audit.entries import Reader
from cds_service.audit.events import Event, EventType, present
from cds_service.audit.packages import activations
from cds_service.audit.reading import LogReader

Standing = Literal["approved", "forced", "first", "seen", "none"]
"""How knowledge comes to decide: `first` of a log, `seen` in it before, or by an approval, which is
`forced` without a comparison."""


@dataclass(frozen=True, slots=True)
class Approval:
    """One approval: the entry, whether it came without a comparison."""

    event_id: str
    digest: str
    is_forced: bool


def approval_event(
    by: Reader,
    *,
    approver: str,
    version: str | None,
    digest: str,
    comparison: Mapping[str, Json] | None,
) -> Event:
    """The entry for an approval. `comparison` None: without one, by force."""
    approved: dict[str, Json] = {
        "knowledge": present({"version": version, "digest": digest}),
        "approver": approver,
        "comparison": dict(comparison or {}),
        "forced": True if comparison is None else None,
    }
    members: dict[str, Json] = {"reader": by.as_json(), "approved": present(approved)}
    return Event(type=EventType.CONFIG_CHANGED, members=members, sealed=by.sealed())


def approvals(reader: LogReader) -> Iterator[Approval]:
    """Each approval, oldest first."""
    for seq, members in reader.entries_of(EventType.CONFIG_CHANGED):
        approved = members.get("approved")
        if isinstance(approved, dict):
            name = str(members.get("eventId", seq))
            of = str(approved.get("knowledge", {}).get("digest", ""))
            yield Approval(name, of, bool(approved.get("forced")))


def standing_of(reader: LogReader, digest: str) -> tuple[Standing, str | None]:
    """How knowledge of this digest may come to decide now, and the entry that approves of it."""
    found = [one for one in approvals(reader) if one.digest == digest]
    if found:
        compared = [one for one in found if not one.is_forced]
        one = (compared or found)[-1]
        return ("approved" if compared else "forced"), one.event_id
    known = {one.digest for one in activations(reader)}
    if not known:
        return "first", None
    return ("seen" if digest in known else "none"), None


def with_approval(activated: Event, standing: Standing, approved_in: str | None) -> Event:
    """The `knowledge-activated` that also says how it came to that."""
    told: dict[str, Json] = present({"approval": standing, "approvedIn": approved_in})
    return replace(activated, members={**activated.members, **told})
