"""What clients said of the cards that were returned: counts with both of their denominators.

A card has one state: what was said of it last, or that nothing was said. Silence is a state of its
own, no override. Cards that did not leave, and those of decisions that were not live, are not
counted. Orphaned feedback is counted apart and changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from cds_service.audit.events import EventType
from cds_service.audit.export_rows import line_of
from cds_service.audit.filters import LIVE, Filter
from cds_service.audit.listing import Wanted
from cds_service.audit.reading import LogReader
from cds_service.audit.said_last import current_feedback
from cds_service.audit.searching import in_batches, matching, what_followed
from cds_service.audit.wilson import wilson_95

NOT_NAMED: Final = "(not named)"
LIMITS: Final = (
    "An override is not an error: published override rates of decision support run from 46 % to "
    "96 %, and of the overrides that were reviewed 29 % to 100 % were judged appropriate (Poly "
    "2020, JMIR Med Inform 8(7):e15653). A client need not report a card that nobody acted on, so "
    "no feedback says nothing about whether it was read. Whether a card was right is another "
    "question than whether it was followed."
)


class By(StrEnum):
    """What the cards are told apart by."""

    RULE = "rule"
    ADVICE = "advice"
    DISEASE = "disease"
    SERVICE = "service"
    CLIENT = "client"
    USER = "user"
    SITE = "site"
    HOUR = "hour"


@dataclass(frozen=True, slots=True)
class Share:
    """A proportion with its interval; None where there is nothing to count."""

    count: int
    of: int

    @property
    def as_json(self) -> dict[str, Any] | None:
        interval = wilson_95(self.count, self.of)
        if interval is None:
            return None
        low, high = interval
        return {
            "count": self.count,
            "of": self.of,
            "share": round(self.count / self.of, 4),
            "low": round(low, 4),
            "high": round(high, 4),
        }


@dataclass(slots=True)
class Counts:
    """The cards of one row, each in one state."""

    accepted: int = 0
    overridden: int = 0
    silent: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, said: Mapping[str, Any] | None) -> None:
        if said is None:
            self.silent += 1
        elif said["outcome"] == "accepted":
            self.accepted += 1
        else:
            self.overridden += 1
            self.reasons[said.get("overrideReason", {}).get("code", "(no reason)")] += 1

    @property
    def answered(self) -> int:
        return self.accepted + self.overridden

    @property
    def returned(self) -> int:
        return self.answered + self.silent

    @property
    def shares(self) -> dict[str, Share]:
        """Overrides and acceptances, of the cards with feedback and of all that were returned."""
        return {
            "overriddenOfAnswered": Share(self.overridden, self.answered),
            "overriddenOfReturned": Share(self.overridden, self.returned),
            "acceptedOfAnswered": Share(self.accepted, self.answered),
            "acceptedOfReturned": Share(self.accepted, self.returned),
        }


@dataclass(slots=True)
class Figures:
    """The figures of a period, and of what they were made: `first` and `last` are the times of the
    first and the last decision that was counted."""

    by: By | None
    decisions: int = 0
    first: str | None = None
    last: str | None = None
    knowledge: Counter[str] = field(default_factory=Counter)
    software: Counter[str] = field(default_factory=Counter)
    whole: Counts = field(default_factory=Counts)
    rows: dict[str, Counts] = field(default_factory=dict)
    orphans: Counter[str] = field(default_factory=Counter)
    feedback_entries: int = 0
    not_delivered: int = 0


def feedback_figures(
    reader: LogReader,
    wanted: Wanted,
    asked: Filter,
    by: By | None,
    progress: Callable[[int], None] = lambda _: None,
) -> Figures:
    """The figures on the cards of the decisions that are asked for, as the log stands now: what was
    said of them after the period counts too."""
    figures = Figures(by)
    decisions = replace(wanted, event_type=EventType.DECISION)
    for batch in in_batches(matching(reader, decisions, asked, progress)):
        followed = what_followed(reader, batch)
        for event in batch:
            _take(figures, event.read(), followed[event.event_id])
    feedback = replace(wanted, event_type=EventType.FEEDBACK, having={})
    for event in reader.matching(feedback):
        if why := event.read().get("orphan"):
            figures.orphans[str(why)] += 1
    return figures


def _take(figures: Figures, members: Mapping[str, Any], followed: list[Any]) -> None:
    cards = members.get("cards", ())
    if members.get("mode", LIVE) != LIVE or not cards:
        return
    if any(one.event_type == EventType.DELIVERY for one in followed):
        figures.not_delivered += len(cards)
        return
    figures.decisions += 1
    figures.first = min(filter(None, (figures.first, members["recordedAt"])))
    figures.last = max(filter(None, (figures.last, members["recordedAt"])))
    figures.knowledge[members.get("knowledge", {}).get("version", NOT_NAMED)] += len(cards)
    figures.software[members.get("software", {}).get("version", NOT_NAMED)] += len(cards)
    figures.feedback_entries += sum(one.event_type == EventType.FEEDBACK for one in followed)
    current = current_feedback(followed)
    for card in cards:
        said = current.get(card["uuid"])
        figures.whole.add(said)
        if figures.by is not None:
            for name in sorted(set(_names(figures.by, members, card))):
                figures.rows.setdefault(name, Counts()).add(said)


def _names(by: By, members: Mapping[str, Any], card: Mapping[str, Any]) -> Iterator[str]:
    """The rows that a card belongs to; more than one where several rules or kinds of advice."""
    user = members.get("user", {})
    found: Iterable[str | None]
    match by:
        case By.RULE:
            found = line_of(card, members).get("rules", ())
        case By.ADVICE:
            found = card.get("advice", ())
        case By.DISEASE:
            found = [card.get("disease")]
        case By.SERVICE:
            found = [members.get("serviceId")]
        case By.CLIENT:
            found = [members.get("client", {}).get("iss")]
        case By.USER:
            found = [user.get("userId")]
        case By.SITE:
            found = filter(None, (user.get("facility"), user.get("location")))
        case By.HOUR:
            found = [f"{members.get('receivedAt', '')[11:13]}:00 UTC"]
    named = [one for one in found if one]
    yield from named or [NOT_NAMED]
