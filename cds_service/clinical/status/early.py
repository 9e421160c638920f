"""Whether a progression came so soon that the definition flags it."""

from __future__ import annotations

from datetime import date

from cds_service.clinical.status.line_status import Case, Status
from cds_service.clinical.status.windows import applies
from cds_service.dates import PartialDate
from cds_service.knowledge.model import Early


def is_early(early: Early, status: Status, on: PartialDate, case: Case) -> bool:
    """Whether the progression came soon enough, counted from where the flag counts."""
    if status not in early.statuses:
        return False
    if not applies(early.when, case.disease.agents, case):
        return False
    since = {
        "start": case.line.start.first,
        "last-dose": case.line.last_dose.last,
        "remission": _first_remission(case),
    }[early.since]
    return since is not None and bool(
        on.within_days_after(since, early.days, inclusive=early.is_inclusive)
    )


def _first_remission(case: Case) -> date | None:
    """The first day of a complete response, in words or by a marker that says remission."""
    found = [
        e.on.first
        for e in case.evidence
        if e.finding in ("complete-response", "remission") or e.is_marker_remission
    ]
    return min(found, default=None)
