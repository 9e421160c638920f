"""Whether something makes a marker of this disease unfit to be read in this patient."""

from __future__ import annotations

from cds_service.clinical.evidence import is_unreadable, unreadable_spans
from cds_service.clinical.status.line_status import Case
from cds_service.knowledge.model import MarkerRule

PERSISTENT = 2
"""So many values make "never any higher"."""


def has_marker_interference(case: Case) -> bool:
    """Whether values of the line cannot be read: by another value near them, or for want of them.

    Sources: antibodies against thyroglobulin; CA 19-9 in Lewis-negative patients and cholestasis.
    """
    return any(_interferes(rule, case) for rule in case.disease.marker_rules)


def _interferes(rule: MarkerRule, case: Case) -> bool:
    if not rule.unreadable_with and rule.unusable_below is None:
        return False
    spans = unreadable_spans(rule, case.all_values())
    until = case.line.next_start or case.record.as_of
    within = case.all_values().within(rule.marker, case.line.start.first, until)
    values = [m for m in within if m.quantity is not None]
    if any(is_unreadable(m.on.first, spans) for m in values):
        return True
    limit = rule.unusable_below
    if limit is None or len(values) < PERSISTENT:
        return False
    return all(
        m.quantity.value < limit or (m.quantity.is_upper_bound and m.quantity.value <= limit)
        for m in values
        if m.quantity is not None
    )
