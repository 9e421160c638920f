"""The name of a regimen, and the length of its cycle, from the set of its agents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cds_service.clinical.lines.course import Building, Course
from cds_service.clinical.lines.line import DEFAULT_CYCLE_DAYS, AgentUse
from cds_service.knowledge.terms import Regimen


def regimen_of(line: Building, uses: Sequence[AgentUse], course: Course) -> Regimen | None:
    """The named regimen of a line: of all its agents, else of those that it began with.

    A backbone (androgen deprivation) is not part of the name, and a corticosteroid that the chart
    leaves out does not prevent it. A single drug has no regimen name.
    """
    names = frozenset(use.drug.name for use in uses)
    for agents in _forms(names, course):
        for regimen in _by_components(course, agents):
            return regimen
    protocol = _protocol(line, names, course)
    if protocol is not None:
        return protocol
    for agents in _beginnings(line, names, course):
        for regimen in _by_components(course, agents):
            return regimen
    return None


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


def cycle_days_of(line: Building, course: Course) -> int:
    """Length of the line's cycle: that of its regimen, else the default of 21 days.

    A drug given alone has no regimen's name, but may have a longer cycle than the default.
    """
    names = frozenset(name for name in line.drugs() if course.drug(name) is not None)
    for agents in (*_forms(names, course), *_beginnings(line, names, course)):
        for regimen in _by_components(course, agents):
            if regimen.cycle_days:
                return regimen.cycle_days
    alone = _by_components(course, names) if len(names) == 1 else ()
    return max([DEFAULT_CYCLE_DAYS, *(regimen.cycle_days or 0 for regimen in alone)])


def _beginnings(line: Building, names: frozenset[str], course: Course) -> Iterator[frozenset[str]]:
    """The agents that a line began with: in its first four weeks, else in its first one."""
    yield from _forms(frozenset(line.induction) & names, course)
    week = {e.drug for e in line.exposures if (e.start.first - line.start).days <= 7}
    yield from _forms(frozenset(week) & names, course)


def _forms(agents: frozenset[str], course: Course) -> Iterator[frozenset[str]]:
    """A combination as it is, and without its backbone."""
    bare = frozenset(name for name in agents if not _is_backbone(name, course))
    yield from (form for form in (agents, bare) if len(form) > 1)


def _is_backbone(name: str, course: Course) -> bool:
    drug = course.drug(name)
    return drug is not None and course.disease.lines.backbone.include(drug)


def _by_components(course: Course, agents: frozenset[str]) -> Iterator[Regimen]:
    """Regimens of this disease with exactly these agents; those that lack only a steroid last."""
    regimens = course.knowledge.terms.regimens_of
    diseases = (course.cancer.disease, *course.cancer.alternatives)
    own = [r for disease in diseases for r in regimens.get(disease, ())]
    yield from (r for r in own if _matches(r, agents))
    bare = frozenset(name for name in agents if not _is_corticosteroid(name, course))
    if len(bare) > 1:
        yield from (r for r in own if r.steroids and r.components == bare | r.steroids)


def _matches(regimen: Regimen, agents: frozenset[str]) -> bool:
    return regimen.components <= agents <= regimen.components | regimen.optional


def _is_corticosteroid(name: str, course: Course) -> bool:
    drug = course.drug(name)
    return drug is not None and drug.is_corticosteroid
