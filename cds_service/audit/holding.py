"""Which entries a legal hold keeps from a purge: those about a patient whom it covers, and those
that it names themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cds_service.audit.events import EventType, timestamp
from cds_service.audit.filters import Filter
from cds_service.audit.holds import Hold, Scope, holds_in_force
from cds_service.audit.listing import Wanted
from cds_service.audit.reading import LogReader
from cds_service.audit.searching import matching


@dataclass(frozen=True, slots=True)
class Holding:
    """A hold in force, and the pseudonyms of all whom it covers."""

    hold: Hold
    pseudonyms: frozenset[str]

    def keeps(self, members: Mapping[str, Any]) -> bool:
        """Whether the contents of the entry with this envelope have to stay."""
        if self.hold.scope == Scope() or members.get("patientPseudonym") in self.pseudonyms:
            return True
        return self.hold.scope.pseudonym is None and _is_named(self.hold.scope, members)


def _is_named(scope: Scope, members: Mapping[str, Any]) -> bool:
    at = str(members.get("recordedAt"))
    if (scope.since and at < timestamp(scope.since)) or (
        scope.until and at >= timestamp(scope.until)
    ):
        return False
    return Filter(user=scope.user, rule=scope.rule, disease=scope.disease).holds(members)


def holdings(reader: LogReader) -> Sequence[Holding]:
    """All holds in force, the oldest first. Reads every decision once for each hold by conditions.

    A patient who has come under two pseudonyms, since the pseudonym key was rotated, is two here.
    """
    return [Holding(hold, _covered(reader, hold.scope)) for hold in holds_in_force(reader)]


def _covered(reader: LogReader, scope: Scope) -> frozenset[str]:
    if scope.pseudonym is not None:
        return frozenset({scope.pseudonym})
    if scope == Scope():  # everybody: nobody has to be sought
        return frozenset()
    wanted = Wanted(event_type=EventType.DECISION, since=scope.since, until=scope.until)
    asked = Filter(user=scope.user, rule=scope.rule, disease=scope.disease)
    found = (event.read().get("patientPseudonym") for event in matching(reader, wanted, asked))
    return frozenset(name for name in found if name is not None)
