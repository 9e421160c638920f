"""The name of a regimen, and the length of its cycle, from the set of its agents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cds_service.clinical.lines.course import Building, Course
from cds_service.clinical.lines.line import DEFAULT_CYCLE_DAYS
from cds_service.knowledge.terms import Regimen


class Regimens:
    """The named regimens that the agents of a line may be."""

    def __init__(self, line: Building, course: Course) -> None:
        self._line = line
        self._course = course
        self._names = frozenset(name for name in line.drugs() if course.drug(name) is not None)
        self._whole = [r for form in _forms(self._names, course) for r in _named(form, course)]
        self._begun = [
            r for form in _beginnings(line, self._names, course) for r in _named(form, course)
        ]

    def of_line(self) -> Regimen | None:
        """The named regimen of a line: of all its agents, else of those that it began with.

        A backbone (androgen deprivation) is not part of the name, and a corticosteroid that the
        chart leaves out does not prevent it. A single drug has no regimen name.
        """
        if self._whole:
            return self._whole[0]
        protocol = _protocol(self._line, self._names, self._course)
        if protocol is not None:
            return protocol
        return self._begun[0] if self._begun else None

    def cycle_days(self) -> int:
        """Length of the line's cycle: that of its regimen, else the default of 21 days.

        A drug given alone has no regimen's name, but may have a longer cycle than the default.
        """
        for regimen in (*self._whole, *self._begun):
            if regimen.cycle_days:
                return regimen.cycle_days
        alone = _named(self._names, self._course) if len(self._names) == 1 else ()
        return max([DEFAULT_CYCLE_DAYS, *(regimen.cycle_days or 0 for regimen in alone)])


def _protocol(line: Building, names: frozenset[str], course: Course) -> Regimen | None:
    """The largest regimen of drugs in turn that began with the line's first ones, all given."""
    regimens = (course.knowledge.terms.regimens[name] for name in course.disease.lines.protocols)
    found = [
        regimen
        for regimen in regimens
        if regimen.components <= names
        and line.induction & names <= regimen.components | regimen.optional
    ]
    return max(found, key=lambda regimen: len(regimen.components), default=None)


def _beginnings(line: Building, names: frozenset[str], course: Course) -> Iterator[frozenset[str]]:
    """The agents that a line began with: in its first four weeks, else in its first one."""
    if len(names) < 2:
        return
    yield from _forms(frozenset(line.induction) & names, course)
    week = {e.drug for e in line.exposures if (e.start.first - line.start).days <= 7}
    yield from _forms(frozenset(week) & names, course)


def _forms(agents: frozenset[str], course: Course) -> Iterator[frozenset[str]]:
    """A combination as it is, and without its backbone."""
    if len(agents) < 2:
        return
    yield agents
    bare = frozenset(name for name in agents if not _is_backbone(name, course))
    if 1 < len(bare) < len(agents):
        yield bare


def _is_backbone(name: str, course: Course) -> bool:
    drug = course.drug(name)
    return drug is not None and course.disease.lines.backbone.include(drug)


def _named(agents: frozenset[str], course: Course) -> Sequence[Regimen]:
    """Regimens of this disease with exactly these agents; those that lack only a steroid last."""
    own = course.regimens
    found = [r for r in own if r.components <= agents and agents <= r.components | r.optional]
    bare = frozenset(name for name in agents if not _is_corticosteroid(name, course))
    if len(bare) > 1:
        found += [r for r in own if r.steroids and r.components == bare | r.steroids]
    return found


def _is_corticosteroid(name: str, course: Course) -> bool:
    drug = course.drug(name)
    return drug is not None and drug.is_corticosteroid
