"""A drug that was used in an earlier line, left, and is given again."""

from __future__ import annotations

from datetime import date

from cds_service.clinical.lines.belongs import GRACE_DAYS
from cds_service.clinical.lines.course import Building, Course
from cds_service.clinical.record import Exposure


class EarlierUses:
    """What the lines so far come to, by drug: lines are added in their order."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self._used: set[Exposure] = set()
        self._last: dict[str, date] = {}
        self._first_start: dict[str, date] = {}
        self._last_start: dict[str, date] = {}

    def add(self, line: Building) -> None:
        for e in line.exposures:
            name, start = e.drug, e.start.first
            end = self._course.as_of if e.end is None else e.end.last
            self._used.add(e)
            self._last[name] = max(self._last.get(name, end), end)
            self._first_start[name] = min(self._first_start.get(name, start), start)
            self._last_start[name] = max(self._last_start.get(name, start), start)

    def is_rechallenge(self, exposure: Exposure, line: Building) -> bool:
        """Whether a drug of these lines is given again; a drug that went on is none."""
        name, course = exposure.drug, self._course
        last = self._last.get(name)
        drug = course.drug(name)
        if drug is None or drug.is_corticosteroid or course.disease.lines.backbone.include(drug):
            return False
        if last is None or (exposure.start.first - last).days <= GRACE_DAYS:
            return False
        if exposure in self._used:
            return False
        others = any(on > last for other, on in self._last_start.items() if other != name)
        return others or course.progressed(self._first_start[name], line.start)
