"""Where a new line shares drugs with the last one, the day on which it really began."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import groupby
from operator import attrgetter

from cds_service.clinical.lines.belongs import GRACE_DAYS
from cds_service.clinical.lines.course import Building, Course
from cds_service.clinical.record import Exposure
from cds_service.dates import PartialDate

LONGEST_DATE = 366
"""Days of a date that is known to the year alone; no date is any longer."""
SPLIT_START_DAYS = 14
"""After progression, a cycle whose drugs are begun one after the other is complete by then."""
SILENT_START_DAYS = 8
"""The same, where the chart does not speak of progression."""
NEXT_CYCLE_DAYS = 90
"""What belongs to the new regimen is given again so soon, delays included."""
LAST_CYCLE_DAYS = 28
"""What belonged to the old regimen to its end was given in the days before its last dose."""


def begun_before(
    start: date, last: Building, agents: Sequence[Exposure], course: Course
) -> list[Exposure]:
    """Uses of the last line that are the first ones of the next, which a new drug opens on `start`.

    A drug of both regimens may be given some days before the new one: after progression, or after
    a pause, when a drug of the old regimen has been left. A day on which such a drug is given too,
    or still taken, is one of the old regimen; tablets and a backbone that go on tell nothing.
    """
    signs = [sign.last for sign in _between(course.signs, last.start, start)]
    days = SPLIT_START_DAYS if signs else SILENT_START_DAYS
    after = max((*signs, start - timedelta(days=days + 1), last.start))
    until = start + timedelta(days=NEXT_CYCLE_DAYS)
    shared = [e for e in last.exposures if after < e.start.first < start]
    begun = bisect_left(agents, start, key=_first_day)
    again = {e.drug for e in agents[begun : bisect_right(agents, until, key=_first_day)]}
    again |= {e.drug for e in shared if e.end is None or e.end.last >= start}
    left = [e for e in last.exposures if e.drug not in again]
    found: list[Exposure] = []
    for day, same_day in groupby(reversed(shared), key=lambda e: e.start.first):
        if any(e.end is None or e.end.last >= day for e in left):
            break
        found += [e for e in same_day if not _goes_on(e, last, course)]
    if signs or not found:
        return found
    first = min(found, key=lambda e: e.start)
    return found if _has_left(left, first, last) and _has_paused(first, last) else []


def _between(signs: Sequence[PartialDate], after: date, until: date) -> list[PartialDate]:
    """The signs, which lie in order, whose last day lies there."""
    first = bisect_left(signs, after - timedelta(LONGEST_DATE), key=attrgetter("first"))
    begun = signs[first : bisect_right(signs, until, key=attrgetter("first"))]
    return [sign for sign in begun if after < sign.last <= until]


def _first_day(use: Exposure) -> date:
    return use.start.first


def _has_left(left: Sequence[Exposure], first: Exposure, last: Building) -> bool:
    """Whether one of the drugs that were left belonged to the old regimen to its end."""
    before = [e.end.last for e in last.exposures if e.end and e.end.last < first.start.first]
    since = max(before, default=last.start) - timedelta(days=LAST_CYCLE_DAYS)
    return any(e.end is not None and e.end.last >= since for e in left)


def _has_paused(use: Exposure, last: Building) -> bool:
    """Whether a drug comes later than its rhythm would have it."""
    doses = [e for e in last.exposures if e.drug == use.drug and e.start < use.start and e.end]
    ends = sorted(e.end.last for e in doses if e.end)
    if len(ends) < 2:
        return True
    return use.start.first - ends[-1] > ends[-1] - ends[-2]


def _goes_on(use: Exposure, last: Building, course: Course) -> bool:
    """Whether a use continues an earlier one: a backbone, or tablets without a pause."""
    drug = course.drug(use.drug)
    if drug is None or course.disease.lines.backbone.include(drug):
        return True
    if drug.routes != {"oral"}:
        return False
    before = [e for e in last.exposures if e.drug == use.drug and e.start < use.start]
    covered = max((course.as_of if e.end is None else e.end.last for e in before), default=None)
    return covered is not None and (use.start.first - covered).days <= GRACE_DAYS
