"""What a line was meant for, and where in the course of the disease it stands."""

from __future__ import annotations

from collections.abc import Sequence

from cds_service.clinical.lines.course import Building, Course, is_curative
from cds_service.clinical.lines.line import Intent, Setting
from cds_service.clinical.record import Event


def intent_and_setting(
    line: Building, number: int, built: Sequence[Building], course: Course, events: Sequence[Event]
) -> tuple[Intent | None, Setting | None]:
    """What the line was meant for: as recorded, else by surgery, radiotherapy or spread.

    None where the chart does not tell.
    """
    said = {e.intent for e in line.exposures}
    spread = course.cancer.metastatic_since
    is_spread = spread is not None and spread.first <= line.start
    if "palliative" in said:
        return "palliative", _palliative_setting(line)
    if is_curative(line.exposures, line.start, course):
        return "curative", _curative_setting(line, said, course)
    if is_spread:
        return "palliative", _palliative_setting(line)
    if course.disease.family == "solid":
        if number > 1 and course.progressed(built[0].start, line.start):
            return "palliative", _palliative_setting(line)
        if course.disease.lines.surgery_means_curative and _has_definitive_radiotherapy(
            line, events
        ):
            return "curative", "definitive"
    return None, "maintenance" if line.is_maintenance else None


def _palliative_setting(line: Building) -> Setting:
    return "maintenance" if line.is_maintenance else "advanced"


def _curative_setting(line: Building, said: set[str], course: Course) -> Setting:
    before = [day for day in course.surgeries if day <= line.start]
    after = [day for day in course.surgeries if day > line.start]
    if after and not course.progressed(line.start, min(after)):
        return "neoadjuvant"
    if "preventive" in said or (before and (line.start - max(before)).days <= 365):
        return "adjuvant"
    return "definitive"


def _has_definitive_radiotherapy(line: Building, events: Sequence[Event]) -> bool:
    """A course of radiotherapy of three weeks or more beside the first two months of the drugs."""
    return any(
        event.kind == "radiotherapy"
        and event.intent != "palliative"
        and (event.until.last - event.on.first).days >= 21
        and abs((event.on.first - line.start).days) <= 60
        for event in events
    )
