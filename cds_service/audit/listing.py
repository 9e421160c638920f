"""Which entries a list asks for, and how that is said in SQL so that it stays quick."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cds_service.audit.events import EventType, timestamp

FEW = 10_000
"""A condition that holds for fewer entries is worth starting from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which entries to list: all conditions hold; None or empty asks for nothing.

    `since` is inside the time, `until` outside it. `having` maps a field (disease, status, advice,
    outcome, reason, hook, service, card, patient) to the values of which one is there. `before` is
    the last `seq` of the page before this one; what is listed comes after `after`.
    """

    event_type: EventType | None = EventType.DECISION
    since: datetime | None = None
    until: datetime | None = None
    having: Mapping[str, Sequence[str]] = field(default_factory=dict)
    before: int | None = None
    after: int | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition in SQL: as said of one event `e`, and as a query for all it holds for."""

    of_event: str
    seqs: str
    values: Mapping[str, object]

    @property
    def as_list(self) -> str:
        return f"e.seq IN ({self.seqs})"

    @property
    def count(self) -> str:
        """For how many entries it holds, counted up to FEW."""
        return f"SELECT count(*) FROM ({self.seqs} LIMIT {FEW}) AS found"  # noqa: S608


def conditions(wanted: Wanted) -> Iterator[Condition]:
    """All conditions of a list; together they say just what is wanted."""
    for name, among in wanted.having.items():
        if among:
            yield _having(name, among)
    if wanted.since or wanted.until:
        yield _recorded(wanted.since, wanted.until)
    if wanted.event_type is not None:
        seqs = "SELECT seq FROM events WHERE event_type = :type"
        yield Condition("e.event_type = :type", seqs, {"type": wanted.event_type.value})
    if wanted.before is not None:
        seqs = "SELECT seq FROM events WHERE seq < :before"
        yield Condition("e.seq < :before", seqs, {"before": wanted.before})
    if wanted.after is not None:
        seqs = "SELECT seq FROM events WHERE seq > :after"
        yield Condition("e.seq > :after", seqs, {"after": wanted.after})


def _having(name: str, among: Sequence[str]) -> Condition:
    values = {f"{name}{number}": value for number, value in enumerate(among)}
    places = ", ".join(f":{key}" for key in values)
    match = f"field = :{name} AND value IN ({places})"
    return Condition(
        f"EXISTS (SELECT 1 FROM terms WHERE {match} AND seq = e.seq)",  # noqa: S608
        f"SELECT seq FROM terms WHERE {match}",  # noqa: S608
        {name: name, **values},
    )


def _recorded(since: datetime | None, until: datetime | None) -> Condition:
    """Times mostly rise with `seq`, but a clock may have been set back: so the newest `seq` of the
    time is looked up to begin from, and each event's own time is compared as well."""
    bounds = {"since": ("recorded_at >= :since", since), "until": ("recorded_at < :until", until)}
    said = [text for text, moment in bounds.values() if moment]
    match = " AND ".join(said)
    of_event = " AND ".join(f"+e.{text}" for text in said)
    if until:
        of_event += f" AND e.seq <= (SELECT max(seq) FROM events WHERE {match})"  # noqa: S608
    return Condition(
        of_event,
        f"SELECT seq FROM events WHERE {match}",  # noqa: S608
        {name: timestamp(moment) for name, (_, moment) in bounds.items() if moment},
    )
