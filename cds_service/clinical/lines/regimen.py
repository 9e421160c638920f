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
    for agents in _candidates(line, names, course):
        for regimen in _by_components(course, agents):
            return regimen
    return None


def cycle_days_of(line: Building, course: Course) -> int:
    """Length of the line's cycle: that of its regimen, else the default of 21 days."""
    names = frozenset(name for name in line.drugs() if course.drug(name) is not None)
    for agents in _candidates(line, names, course):
        for regimen in _by_components(course, agents):
            if regimen.cycle_days:
                return regimen.cycle_days
    return DEFAULT_CYCLE_DAYS


def _candidates(line: Building, names: frozenset[str], course: Course) -> Iterator[frozenset[str]]:
    induction = frozenset(line.induction) & names
    first = (
        frozenset(e.drug for e in line.exposures if (e.start.first - line.start).days <= 7) & names
    )
    for agents in (names, induction, first):
        bare = frozenset(n for n in agents if not _is_backbone(n, course))
        for candidate in (agents, bare):
            if len(candidate) > 1:
                yield candidate


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
