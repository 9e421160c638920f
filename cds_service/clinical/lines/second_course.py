"""A second induction course of the same line, for disease that the first one left."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from cds_service.clinical.lines.course import Building, Course
from cds_service.clinical.record import Exposure
from cds_service.knowledge.model import Agents


def has_second_course(line: Building, course: Course) -> bool:
    """Whether the induction was given twice, with no complete response on record between."""
    rules = course.disease.lines.induction
    if rules.agents.is_empty:
        return False
    partners = _blocks(line, rules.partners, course)
    courses = [
        (first, last)
        for first, last in _blocks(line, rules.agents, course)
        if any(first <= until and start <= last for start, until in partners)
    ]
    if len(courses) < 2:
        return False
    start, again = courses[0][0], courses[1][0]
    return (again - start).days <= rules.days and not course.had_remission(start, again)


def _blocks(line: Building, agents: Agents, course: Course) -> list[tuple[date, date]]:
    """First and last days of the blocks in which such drugs were given."""
    pause = course.disease.lines.induction.pause_days
    blocks: list[tuple[date, date]] = []
    for use in _uses_of(line, agents, course):
        first, last = use.start.first, (use.end or use.start).last
        if blocks and (first - blocks[-1][1]).days <= pause:
            blocks[-1] = (blocks[-1][0], max(blocks[-1][1], last))
        else:
            blocks.append((first, last))
    return blocks


def _uses_of(line: Building, agents: Agents, course: Course) -> Sequence[Exposure]:
    uses = [e for e in line.exposures if (d := course.drug(e.drug)) and agents.include(d)]
    return sorted(uses, key=lambda use: (use.start.first, use.resource))
