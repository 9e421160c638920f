"""Where a new line shares drugs with the last one, the day on which it really began."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import groupby

from cds_service.clinical.lines.belongs import GRACE_DAYS
from cds_service.clinical.lines.course import Building, Course
from cds_service.clinical.record import Exposure

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

    A drug of both regimens may be given some days before the new one: after progression, or when
    a drug of the old regimen has just been left. A day on which such a drug was given too is a
    cycle of the old regimen; tablets and a backbone that go on tell nothing.
    """
    signs = [sign.last for sign in course.signs if last.start < sign.last <= start]
    days = SPLIT_START_DAYS if signs else SILENT_START_DAYS
    after = max((*signs, start - timedelta(days=days + 1), last.start))
    until = start + timedelta(days=NEXT_CYCLE_DAYS)
    shared = [e for e in last.exposures if after < e.start.first < start]
    again = {e.drug for e in agents if start <= e.start.first <= until}
    again |= {e.drug for e in shared if e.end is None or e.end.last >= start}
    found: list[Exposure] = []
    for _, same_day in groupby(reversed(shared), key=lambda e: e.start.first):
        day = list(same_day)
        if any(e.drug not in again for e in day):
            break
        found += [e for e in day if not _goes_on(e, last, course)]
    if signs or not found:
        return found
    first = min(e.start.first for e in found)
    ends = {e: min(e.end.last if e.end else first, first) for e in last.exposures if e not in found}
    since = max(ends.values(), default=first) - timedelta(days=LAST_CYCLE_DAYS)
    left = {e.drug for e, end in ends.items() if end >= since}
    return found if left - again else []


def _goes_on(use: Exposure, last: Building, course: Course) -> bool:
    """Whether a use continues an earlier one: a backbone, or tablets without a pause."""
    drug = course.drug(use.drug)
    if drug is None or course.disease.lines.backbone.include(drug):
        return True
    if drug.routes != {"oral"}:
        return False
    before = [e for e in last.exposures if e.drug == use.drug and e.start < use.start]
    covered = max(
        (course.record.as_of if e.end is None else e.end.last for e in before), default=None
    )
    return covered is not None and (use.start.first - covered).days <= GRACE_DAYS
