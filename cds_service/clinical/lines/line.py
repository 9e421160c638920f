"""A line of therapy: its agents, the days each of them covers, and what a reader should know."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import pairwise
from operator import itemgetter
from typing import Literal

import msgspec

from cds_service.clinical.record import Event, Exposure
from cds_service.dates import PartialDate
from cds_service.knowledge.terms import Drug

Intent = Literal["curative", "palliative"]
Setting = Literal["neoadjuvant", "adjuvant", "definitive", "advanced", "maintenance"]

CURATIVE_SETTINGS = frozenset({"neoadjuvant", "adjuvant", "definitive"})
DEFAULT_CYCLE_DAYS = 21
"""Length of a cycle where neither order nor regimen tells it."""
COURSE_PAUSE_DAYS = 7
"""Longer without a dose ends a course of daily doses; weekends and a missed day do not."""


class AgentUse(msgspec.Struct, frozen=True, dict=True):
    """One agent within one line: its first and last covered day there, and its doses.

    `last` is the last dose of a parenteral agent, or the last covered day of tablets; for an
    ongoing agent, the day asked. `doses` are the first days of its uses, once each.
    """

    drug: Drug
    first: PartialDate
    last: PartialDate
    is_ongoing: bool
    doses: tuple[date, ...]
    is_continuous: bool
    cycle_days: int
    stop_reasons: frozenset[str]
    breaks: tuple[tuple[date, date], ...] = ()
    """First and last uncovered day between supplies of tablets that are on record."""
    daily_doses: tuple[tuple[date, Decimal], ...] = ()
    """Milligrams a day from a day on, where an order tells them."""

    def doses_by(self, until: date) -> int:
        return bisect_right(self.doses, until)

    def longest_break_days(self) -> int:
        """The longest run of uncovered days; 0 without any."""
        return max(((end - first).days + 1 for first, end in self.breaks), default=0)

    def days_at_dose(self, mg_per_day: Decimal, until: date) -> int | None:
        """Days up to `until` for which the dose has been at least so much; None: not known.

        0 where the last order by then is of less. Of several orders of a day the highest counts.
        """
        if mg_per_day not in self._at_dose:
            self._at_dose[mg_per_day] = list(self._days_of(mg_per_day))
        days = self._at_dose[mg_per_day]
        told = bisect_right(days, until, key=itemgetter(0))
        if not told:
            return None
        since = days[told - 1][1]
        return 0 if since is None else max(0, (min(until, self.last.last) - since).days)

    @cached_property
    def _at_dose(self) -> dict[Decimal, Sequence[tuple[date, date | None]]]:
        return {}

    def _days_of(self, mg_per_day: Decimal) -> Iterator[tuple[date, date | None]]:
        """Each day of an order, and since when the dose had been so high by then."""
        since: date | None = None
        for on, mg in self.daily_doses:
            since = (since or on) if mg >= mg_per_day else None
            yield on, since

    def exposure_days(self, until: date) -> int:
        """Whole days from the first dose to `until`, or to the end of its last cycle's effect."""
        tail = 0 if self.is_continuous else self.cycle_days
        covered = (self.last.last - self.first.first).days + tail
        return min(covered, (until - self.first.first).days)

    def cycles(self, until: date) -> int:
        """Cycles begun up to `until`; of what is given day after day, its courses, however late."""
        doses = self.doses_by(until)
        if not doses:
            return 0
        if self._is_given_in_courses:
            return self.courses(until, COURSE_PAUSE_DAYS)
        spanned = 1 + (min(until, self.last.last) - self.first.first).days // self.cycle_days
        if doses == 1 and self.is_continuous:
            return spanned
        return min(spanned, doses)

    @cached_property
    def _is_given_in_courses(self) -> bool:
        """Whether it was given on three days running, and then paused."""
        steps = [(b - a).days for a, b in pairwise(self.doses)]
        return (1, 1) in pairwise(steps) and any(step > COURSE_PAUSE_DAYS for step in steps)

    def courses(self, until: date, pause_days: int) -> int:
        """Blocks of doses begun up to `until`, more than `pause_days` apart."""
        if pause_days not in self._courses:
            self._courses[pause_days] = [
                *self.doses[:1],
                *(b for a, b in pairwise(self.doses) if (b - a).days > pause_days),
            ]
        return bisect_right(self._courses[pause_days], until)

    @cached_property
    def _courses(self) -> dict[int, Sequence[date]]:
        return {}

    def completed_cycles(self, until: date) -> int:
        """Cycles that had run their length by `until`; of tablets, those taken in full."""
        if len(self.doses) == 1 and self.is_continuous and set(self.drug.routes) == {"oral"}:
            return max(0, self.exposure_days(until)) // self.cycle_days
        return self.cycles(until - timedelta(days=self.cycle_days))


class Line(msgspec.Struct, frozen=True, gc=False):
    """One line of therapy of one cancer.

    `next_start`: first day of the next line, after which evidence speaks of that one.
    `events`: procedures that belong to it. `signs` are dates in the chart that speak of
    progression before the next line.
    """

    number: int
    uses: tuple[AgentUse, ...]
    start: PartialDate
    end: PartialDate | None
    is_ongoing: bool
    intent: Intent | None
    setting: Setting | None
    regimen: str | None
    flags: tuple[str, ...]
    exposures: tuple[Exposure, ...]
    next_start: date | None = None
    transplant_on: date | None = None
    events: tuple[Event, ...] = ()

    @property
    def agents(self) -> tuple[str, ...]:
        return tuple(sorted(use.drug.name for use in self.uses))

    @property
    def is_curative(self) -> bool:
        return self.intent == "curative"

    @property
    def last_day(self) -> PartialDate:
        """The last day of exposure; for a line of nothing known, its start."""
        return max((use.last for use in self.uses), default=self.end or self.start)

    @property
    def last_dose(self) -> PartialDate:
        """The last day of an agent that is no corticosteroid, from which intervals count."""
        lead = (use.last for use in self.uses if not use.drug.is_corticosteroid)
        return max(lead, default=self.last_day, key=lambda day: (day.last, day.first))

    def last_of_class(self, drug_class: str) -> PartialDate | None:
        return latest(use.last for use in self.uses if use.drug.drug_class == drug_class)

    @property
    def name(self) -> str:
        """What the line is called: its regimen, else its agents, else that they are not known."""
        unnamed = "study drug" if "investigational" in self.flags else "cells that are not named"
        return self.regimen or " + ".join(self.agents) or unnamed

    def stopped_for(self, reason: str) -> bool:
        return any(reason in use.stop_reasons for use in self.uses)

    def cycles(self, until: date) -> int:
        """Cycles of the line up to `until`: those of the agent that was given most often."""
        lead = [use for use in self.uses if not use.drug.is_corticosteroid] or self.uses
        return max((use.cycles(until) for use in lead), default=0)

    def exposure_days(self, until: date) -> int:
        return max((use.exposure_days(until) for use in self.uses), default=0)


def latest(days: Iterable[PartialDate]) -> PartialDate | None:
    return max(days, default=None, key=lambda day: (day.last, day.first))
