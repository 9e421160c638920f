"""Uses that treat something else: of drugs with other uses, from long before the cancer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from cds_service.clinical.record import Cancer, Exposure, Record, Statement
from cds_service.knowledge.model import Knowledge

BEFORE_DAYS = 90
"""So long before its earliest record a cancer can have been treated: records lag (our default)."""
PAUSE_DAYS = 120
"""After a shorter pause it is the same use that goes on (our default)."""
TREATED = frozenset({"surgery-resection", "radiotherapy", "stem-cell-transplant"})


def uses_of_something_else(
    exposures: Sequence[Exposure], cancer: Cancer, record: Record, knowledge: Knowledge
) -> list[Exposure]:
    """Uses that cannot be therapy of the cancer: methotrexate for joints, years before it.

    Only of drugs that are used outside oncology and do not treat this cancer by themselves. Where
    anything else shows that the cancer was there by then, its date is the one that is late, and
    nothing is left out.
    """
    if cancer.onset is None:
        return []
    limit = cancer.onset.first - timedelta(days=BEFORE_DAYS)
    early = [e for e in exposures if e.start.last < limit and not _only_supports(e, knowledge)]
    suspects = {e.drug for e in early if _may_be_for_another(e, cancer, knowledge)}
    named = {e.drug for e in exposures if _names(e, cancer)}
    if any(e.drug not in suspects - named for e in early) or _was_there(cancer, record, limit):
        return []
    return [use for drug in sorted(suspects) for use in _as_it_goes_on(drug, exposures, limit)]


def _may_be_for_another(use: Exposure, cancer: Cancer, knowledge: Knowledge) -> bool:
    drug = knowledge.terms.drugs.get(use.drug)
    diseases = {cancer.disease, *cancer.alternatives}
    return drug is not None and drug.has_other_uses and drug.alone_in.isdisjoint(diseases)


def _names(use: Exposure, cancer: Cancer) -> bool:
    """Whether the chart gives this cancer as the reason for a use."""
    return bool(not cancer.named.isdisjoint(use.conditions) or use.reason_diseases)


def _only_supports(use: Exposure, knowledge: Knowledge) -> bool:
    drug = knowledge.terms.drugs.get(use.drug)
    return drug is not None and (drug.is_supportive or drug.is_corticosteroid)


def _was_there(cancer: Cancer, record: Record, limit: date) -> bool:
    """Whether the chart speaks of the cancer, or of local treatment, before its own date."""
    own = cancer.named
    said = any(s.on.first < limit and _may_speak_of(s, cancer) for s in record.statements)
    return said or any(
        e.kind in TREATED
        and e.on.first < limit
        and (not e.conditions or not own.isdisjoint(e.conditions))
        for e in record.events
    )


def _may_speak_of(statement: Statement, cancer: Cancer) -> bool:
    if statement.focus:
        return not cancer.named.isdisjoint(statement.focus)
    return statement.disease in ("", cancer.disease)


def _as_it_goes_on(drug: str, exposures: Sequence[Exposure], limit: date) -> list[Exposure]:
    """The early uses of a drug, and the later ones by which they go on: orders and supply.

    A dose that is given is none of them: it may belong to a regimen.
    """
    kept: list[Exposure] = []
    covered: date = limit
    for use in sorted((e for e in exposures if e.drug == drug), key=lambda e: e.start):
        is_early = use.start.last < limit
        goes_on = use.start.first <= covered + timedelta(days=PAUSE_DAYS)
        if is_early or (use.kind != "administration" and goes_on):
            end = date.max - timedelta(days=PAUSE_DAYS) if use.end is None else use.end.last
            covered = end if not kept else max(covered, end)
            kept.append(use)
    return kept
