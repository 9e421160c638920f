"""What a line is while it is put together, and what decisions about it look at."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import date
from itertools import accumulate
from operator import itemgetter

import msgspec

from cds_service.clinical.record import Cancer, Event, Exposure, Statement
from cds_service.dates import PartialDate
from cds_service.knowledge.model import Agents, Disease, Knowledge
from cds_service.knowledge.terms import Drug, Regimen

SURGERY_DAYS = 120
"""From the last neoadjuvant dose to surgery, and from surgery to the first adjuvant dose."""

RESPONSES = frozenset({"partial-response", "very-good-partial-response", "complete-response"})
NO_RESPONSES = frozenset({"minimal-response", "stable"})


@dataclass(slots=True)
class _Uses:
    """What so many exposures of a list come to: asked anew for each use that may belong to them."""

    of: list[Exposure]
    count: int = 0
    intents: set[str] = field(default_factory=set)
    last_ends: dict[str, date] = field(default_factory=dict)
    """By drug; of those that have an end."""
    ongoing: set[str] = field(default_factory=set)
    drugs: set[str] = field(default_factory=set)

    def read_on(self) -> None:
        for exposure in self.of[self.count :]:
            name = exposure.drug
            self.drugs.add(name)
            self.intents.add(exposure.intent)
            if exposure.end is None:
                self.ongoing.add(name)
            else:
                last = exposure.end.last
                self.last_ends[name] = max(self.last_ends.get(name, last), last)
        self.count = len(self.of)


@dataclass(slots=True)
class Building:
    """A line while it is put together."""

    start: date
    exposures: list[Exposure] = field(default_factory=list)
    induction: set[str] = field(default_factory=set)
    flags: set[str] = field(default_factory=set)
    is_maintenance: bool = False
    _uses: _Uses | None = None

    def drugs(self) -> Set[str]:
        return self._told().drugs

    def intents(self) -> Set[str]:
        return self._told().intents

    def last_covered(self, as_of: date, drugs: Iterable[str] | None = None) -> date:
        told = self._told()
        names = told.drugs if drugs is None else told.drugs.intersection(drugs)
        ends = [told.last_ends[name] for name in names if name in told.last_ends]
        if not names.isdisjoint(told.ongoing):
            ends.append(as_of)
        return max(ends, default=self.start)

    def _told(self) -> _Uses:
        """Read once: the list of exposures grows at its end, or is replaced."""
        if self._uses is None or self._uses.of is not self.exposures:
            self._uses = _Uses(self.exposures)
        if self._uses.count < len(self.exposures):
            self._uses.read_on()
        return self._uses

    def has(self, agents: Agents, course: Course) -> bool:
        drugs = (course.drug(name) for name in self.drugs())
        return any(drug is not None and agents.include(drug) for drug in drugs)


class Course(msgspec.Struct, frozen=True, gc=False):
    """What a decision about the next use looks at, besides the line that runs."""

    as_of: date
    exposures: Sequence[Exposure]
    """Uses against this cancer, in order."""
    of_drug: Mapping[str, Sequence[Exposure]]
    """The same by drug."""
    cancer: Cancer
    disease: Disease
    knowledge: Knowledge
    statements: tuple[Statement, ...]
    """What the chart says of the course of this cancer."""
    signs: tuple[PartialDate, ...]
    """Days on which the chart speaks of progression."""
    sign_steps: tuple[tuple[date, date], ...]
    """By first day of a sign: the latest day of all that had begun by then."""
    transplants: tuple[date, ...]
    collections: tuple[date, ...]
    """Days on which stem cells were collected."""
    surgeries: tuple[date, ...]
    radiotherapies: tuple[tuple[date, date], ...]
    """First and last days of radiotherapy that is not palliative."""
    infusions: tuple[date, ...]
    """Days of CAR-T infusions."""
    regimens: Sequence[Regimen]
    """Those of this disease, or of what else it may be, in the order of the table."""

    def drug(self, name: str) -> Drug | None:
        return self.knowledge.terms.drugs.get(name)

    def begun_between(self, first: date, last: date) -> Sequence[Exposure]:
        """The uses that begin on those days or between them."""
        place = bisect_left(self.exposures, first, key=_first_day)
        return self.exposures[place : bisect_right(self.exposures, last, key=_first_day)]

    def progressed(self, after: date, until: date) -> bool:
        """Whether the chart speaks of progression after one day and up to another."""
        last = self.last_sign(until)
        return last is not None and last > after

    def last_sign(self, until: date) -> date | None:
        """The latest day of all signs that had begun by a day."""
        begun = bisect_right(self.sign_steps, until, key=itemgetter(0))
        return self.sign_steps[begun - 1][1] if begun else None

    def may_have_responded(self, after: date, until: date) -> bool:
        """False where the disease was assessed between two days, and never was in response."""
        said = self._said(after, until)
        if any(s.category in RESPONSES or s.finding in ("responding", "remission") for s in said):
            return True
        return not any(s.category in NO_RESPONSES or s.finding == "no-response" for s in said)

    def had_remission(self, after: date, until: date) -> bool:
        said = self._said(after, until)
        return any(s.category == "complete-response" or s.finding == "remission" for s in said)

    def _said(self, after: date, until: date) -> list[Statement]:
        return [s for s in self.statements if after < s.on.last and s.on.first <= until]


def _first_day(use: Exposure) -> date:
    return use.start.first


def steps_of(signs: Iterable[PartialDate]) -> tuple[tuple[date, date], ...]:
    """In order of their first days, with the latest day of each and all before it."""
    in_order = sorted({(sign.first, sign.last) for sign in signs})
    latest = accumulate((last for _, last in in_order), max)
    return tuple(zip((first for first, _ in in_order), latest, strict=True))


def is_curative(exposures: Sequence[Exposure], start: date, course: Course) -> bool:
    """Whether a line is meant to cure: by its recorded intent, else by surgery around it.

    Surgery counts up to 120 days before the start, or up to 365 after it without a longer pause
    and without progression before it; never once distant spread is on record.
    """
    said = {e.intent for e in exposures}
    if said & {"curative", "preventive"}:
        return True
    if "palliative" in said or not course.disease.lines.surgery_means_curative:
        return False
    spread = course.cancer.metastatic_since
    if spread is not None and spread.first <= start:
        return False
    return any(_frames(day, start, exposures, course) for day in course.surgeries)


def _frames(surgery: date, start: date, exposures: Sequence[Exposure], course: Course) -> bool:
    if 0 <= (start - surgery).days <= SURGERY_DAYS:
        return True
    if not 0 < (surgery - start).days <= 365 or course.progressed(start, surgery):
        return False
    before = course.begun_between(start, surgery)
    last = max(((e.end or e.start).last for e in before), default=start)
    return (surgery - min(last, surgery)).days <= SURGERY_DAYS


def stopped_for(line: Building, reason: str) -> bool:
    return any(e.stop_reason == reason for e in line.exposures)


def event_days(events: Iterable[Event], kind: str) -> tuple[date, ...]:
    return tuple(event.on.first for event in events if event.kind == kind)
