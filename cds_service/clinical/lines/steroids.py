"""Corticosteroids of haematological regimens: they belong to a line, and never make one alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from cds_service.clinical.lines.course import Course
from cds_service.clinical.record import Exposure

AGAIN_DAYS = 60
"""A steroid of a regimen is given again so soon, in its next cycle."""


def is_steroid(name: str, course: Course) -> bool:
    drug = course.drug(name)
    return drug is not None and drug.is_corticosteroid


def of_the_line(
    waiting: Sequence[Exposure], start: date, agents: Iterable[Exposure], course: Course
) -> tuple[list[Exposure], list[Exposure]]:
    """Steroids given alone before a line: those that begin it, and those that only still run.

    A steroid begins the line where it was first given within the days in which a regimen is put
    together; a pre-phase (another steroid, over when the treatment proper begins) does not.
    """
    if not waiting:
        return [], []
    rules = course.disease.lines
    later = {e.drug for e in agents if 0 <= (e.start.first - start).days <= AGAIN_DAYS}
    begins, runs = [], []
    for use in waiting:
        days = (start - use.start.first).days
        still_runs = use.end is None or use.end.last >= start
        is_pre_phase = not still_runs and use.drug not in later
        if days <= rules.window_days and not (is_pre_phase and days <= rules.steroid_lead_in_days):
            begins.append(use)
        elif still_runs:
            runs.append(use)
    return begins, runs
