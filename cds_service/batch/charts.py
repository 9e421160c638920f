"""Charts in memory: one Assessment each, one patient at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date

from cds_service.clinical.assessment import Assessment, assess
from cds_service.clinical.record import Issue
from cds_service.fhir.bundles import Problem
from cds_service.fhir.charts import Chart
from cds_service.knowledge.model import Knowledge


def assess_charts(
    charts: Iterable[Chart], as_of: date, knowledge: Knowledge
) -> Iterator[Assessment]:
    """The Assessment of each Chart, in their order, each as soon as it is there."""
    for chart in charts:
        assessment = assess(chart.resources, as_of, knowledge, chart.patient)
        yield with_issues(assessment, map(issue_of, chart.problems))


def issue_of(problem: Problem) -> Issue:
    """What could not be read on the way in, as one of the issues of the patient whom it may cost.

    It has no reference, so the place where it stood takes the place of one.
    """
    return Issue("warning", problem.code, problem.where, problem.what)


def with_issues(assessment: Assessment, issues: Iterable[Issue]) -> Assessment:
    """The same Assessment with further issues among its own, in their order."""
    return replace(assessment, issues=tuple(sorted({*assessment.issues, *issues})))
