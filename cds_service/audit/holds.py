"""Legal holds: whose payloads may not be destroyed, until two persons say that they may.

A hold is an entry, and so is its release: nothing stands anywhere else. It covers the patients of
the decisions that it names; an erasure of one of them does nothing, and a purge passes over them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from cds_service.audit.canonical import Json
from cds_service.audit.entries import Reader
from cds_service.audit.events import Event, EventType, present, timestamp
from cds_service.audit.filters import Filter
from cds_service.audit.listing import Wanted
from cds_service.audit.reading import LogReader
from cds_service.audit.searching import matching
from cds_service.errors import AuditError

State = Literal["placed", "release-asked", "released"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which decisions a hold names: all conditions hold; without any, it names all there are and
    will be. `pseudonym` is of one patient, in the words of the log."""

    pseudonym: str | None = None
    user: str | None = None
    rule: str | None = None
    disease: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def as_json(self) -> dict[str, Json]:
        return present(
            {
                "user": self.user,
                "rule": self.rule,
                "disease": self.disease,
                "since": timestamp(self.since) if self.since else None,
                "until": timestamp(self.until) if self.until else None,
            }
        )

    @classmethod
    def of(cls, members: dict[str, Any]) -> Scope:
        """As an entry keeps it."""
        said = members.get("scope", {})
        return cls(
            pseudonym=members.get("patientPseudonym"),
            user=said.get("user"),
            rule=said.get("rule"),
            disease=said.get("disease"),
            since=_moment(said.get("since")),
            until=_moment(said.get("until")),
        )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


@dataclass(frozen=True, slots=True)
class Hold:
    """One hold that is in force. `asked_by`: the account that asked for its release, if one has."""

    hold_id: str
    seq: int
    placed_at: str
    placed_by: str
    scope: Scope
    asked_by: str | None = None


def hold_event(
    by: Reader, state: State, *, hold: str | None = None, scope: Scope | None = None
) -> Event:
    """The entry that places a hold, or says of the one with this id that its release was asked
    for, or done."""
    scope = scope or Scope()
    members: dict[str, Json] = {
        "reader": by.as_json(),
        "state": state,
        "hold": hold,
        "scope": scope.as_json(),
        "patientPseudonym": scope.pseudonym,
    }
    return Event(type=EventType.LEGAL_HOLD, members=present(members), sealed=by.sealed())


def holds_in_force(reader: LogReader) -> list[Hold]:
    """All holds that were placed and not released, the oldest first."""
    found: dict[str, Hold] = {}
    for seq, members in reader.entries_of(EventType.LEGAL_HOLD):
        account = str(members.get("reader", {}).get("account"))
        if members["state"] == "placed":
            hold_id = members["eventId"]
            found[hold_id] = Hold(hold_id, seq, members["recordedAt"], account, Scope.of(members))
        elif members["state"] == "released":
            found.pop(members["hold"], None)
        elif (held := found.get(members["hold"])) is not None:
            found[held.hold_id] = Hold(
                held.hold_id, held.seq, held.placed_at, held.placed_by, held.scope, account
            )
    return list(found.values())


def hold_on(reader: LogReader, pseudonyms: Collection[str]) -> Hold | None:
    """A hold that covers the patient of these pseudonyms; None where none does."""
    for hold in holds_in_force(reader):
        if hold.scope.pseudonym in pseudonyms or any(_decisions(reader, hold.scope, pseudonyms)):
            return hold
    return None


def _decisions(reader: LogReader, scope: Scope, pseudonyms: Collection[str]) -> Iterator[object]:
    if scope.pseudonym is not None:
        return iter(())
    wanted = Wanted(since=scope.since, until=scope.until, having={"patient": sorted(pseudonyms)})
    asked = Filter(user=scope.user, rule=scope.rule, disease=scope.disease)
    return matching(reader, wanted, asked)


def release(reader: LogReader, hold_id: str, by: Reader) -> Event:
    """The entry that this person's wish to release a hold becomes: the first asks, another
    releases. Raises AuditError where there is no such hold, or the same person asks again."""
    hold = next((one for one in holds_in_force(reader) if one.hold_id == hold_id), None)
    if hold is None:
        raise AuditError("there is no hold in force with this id")
    if hold.asked_by == by.account:
        raise AuditError("your wish is on record; another account has to release it")
    state: State = "release-asked" if hold.asked_by is None else "released"
    return hold_event(by, state, hold=hold_id)
