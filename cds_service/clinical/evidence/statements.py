"""What clinicians and reports said of the course: statuses, categories, relapse, stop reasons."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.clinical.evidence.evidence import (
    CHANGE,
    FORMAL,
    HISTOLOGY,
    IMAGED,
    JUDGED,
    MARKER,
    RESPONSES,
    Evidence,
    Finding,
)
from cds_service.clinical.lines import Line
from cds_service.clinical.record import Exposure, Statement

_PLAIN: dict[str, Finding] = {
    "complete-response": "complete-response",
    "very-good-partial-response": "very-good-partial-response",
    "partial-response": "partial-response",
    "minimal-response": "minimal-response",
    "stable": "stable",
    "progression": "progression",
    "unconfirmed-progression": "unconfirmed-progression",
    "not-evaluable": "not-evaluable",
}


def from_statement(statement: Statement) -> Evidence | None:
    """The evidence in one statement; None where it tells nothing of the course.

    It is formal where a response category was recorded as one: in an observation or a report of
    response, and not in the words of a judgement ("condition stable").
    """
    finding = _finding(statement)
    if finding is None:
        return None
    return Evidence(
        resource=statement.resource,
        on=statement.on,
        kind=statement.kind,
        finding=finding,
        detail=_detail(statement),
        rank=_rank(statement),
        is_documented=statement.finding
        in ("documented-refractory", "relapse", "castration-resistant"),
        is_response=finding in RESPONSES or statement.finding in ("responding", "remission"),
        is_formal=statement.kind in ("response-category", "imaging")
        and statement.criteria != "clinician",
        is_marker_based=statement.by == {"marker"},
        is_mixed=statement.finding == "mixed",
        is_unconfirmed=finding == "unconfirmed-progression",
        is_atypical=finding == "unconfirmed-progression",
        is_new_lesion=statement.is_new_lesion,
        is_confirmed=finding == "progression" and statement.criteria == "irecist",
        is_refractory_in_words=statement.finding
        in ("documented-refractory", "castration-resistant"),
        sites=statement.sites,
        is_transformation=statement.finding == "transformation",
        is_signal_only=statement.is_backfilled,
    )


def _finding(statement: Statement) -> Finding | None:
    if statement.finding == "relapse":
        return "relapse"
    if statement.finding == "castration-resistant":
        return "progression"
    if statement.finding in ("mixed", "no-response") and statement.category in (
        "",
        "not-evaluable",
    ):
        return "not-evaluable"
    if statement.finding == "responding" and not statement.category:
        return "falling"
    if not statement.category and statement.finding == "remission":
        return "remission"
    return _PLAIN.get(statement.category)


def _detail(statement: Statement) -> str:
    said = statement.text or statement.category.replace("-", " ")
    by = f" (by {', '.join(sorted(statement.by))})" if statement.by else ""
    at = f" at {', '.join(statement.sites)}" if statement.sites else ""
    dated = "" if statement.on.is_exact else f", dated {statement.on} only"
    return f"{said}{at}{by}{dated}"


def _rank(statement: Statement) -> int:
    if statement.by & {"histology", "cytology"} or statement.finding == "transformation":
        return HISTOLOGY
    if statement.by == {"marker"}:
        return MARKER
    if statement.kind in ("response-category", "imaging"):
        return FORMAL
    return IMAGED if "imaging" in statement.by else JUDGED


def from_stops(line: Line) -> Iterator[Evidence]:
    """Reasons for which drugs of a line were stopped, on the last day that each covered."""
    for exposure in line.exposures:
        finding = _STOPPED.get(exposure.stop_reason)
        if finding is not None:
            yield _stop(exposure, finding)


_STOPPED: dict[str, Finding] = {
    "progression": "stopped-for-progression",
    "toxicity": "stopped-for-toxicity",
}


def _stop(exposure: Exposure, finding: Finding) -> Evidence:
    reason = exposure.stop_text or exposure.stop_reason
    return Evidence(
        resource=exposure.resource,
        on=exposure.end or exposure.start,
        kind="treatment-change",
        finding=finding,
        detail=f"{exposure.drug or 'study drug'} stopped: {reason}",
        rank=CHANGE,
        is_unconfirmed=finding == "stopped-for-progression",
        decides=finding == "stopped-for-progression",
    )
