"""Which exposure treats which cancer, and which record of a use stands for the others."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import accumulate

from msgspec.structs import replace

from cds_service.clinical.lines.other_uses import uses_of_something_else
from cds_service.clinical.record import Cancer, Exposure, Issue, Record
from cds_service.dates import PartialDate
from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.terms import Drug

COURSE_PAUSE_DAYS = 60
"""Longer without a drug, and its next use begins a course of its own."""
CONFIRMED_USE = frozenset({"administration", "dispense"})


def exposures_by_cancer(
    record: Record, knowledge: Knowledge
) -> tuple[dict[str, list[Exposure]], list[Issue]]:
    """Exposures under the reference of the cancer that they treat; what treats none is reported.

    A reason named in the chart decides, also that of the order under which a dose lies; without
    one, the cancer for which the drug is used does; of several, the one treated on the same day.
    """
    assigned: dict[str, list[Exposure]] = {cancer.condition: [] for cancer in record.cancers}
    issues = []
    beginnings = _beginnings(record.exposures) if len(record.cancers) > 1 else {}
    ordered: dict[str, list[Exposure]] = {}
    for exposure in record.exposures:
        if exposure.kind == "order" and (exposure.conditions or exposure.reason_diseases):
            ordered.setdefault(exposure.drug, []).append(exposure)
    beside: dict[date, set[str]] = {}
    open_uses = []
    for exposure in record.exposures:
        begun = beginnings.get(exposure.resource, exposure.start)
        cancer = _cancer_of(_with_reason(exposure, ordered), begun, record, knowledge)
        if cancer is None:
            open_uses.append(exposure)
            continue
        assigned[cancer.condition].append(exposure)
        beside.setdefault(exposure.start.first, set()).add(cancer.condition)
    for exposure in open_uses:
        cancer = _by_company(exposure, beside, record, knowledge)
        if cancer is not None:
            assigned[cancer.condition].append(exposure)
        elif _only_supports(exposure, knowledge):
            continue
        elif record.cancers and not _is_for_something_else(exposure, record):
            issues.append(
                Issue(
                    "information",
                    "unassigned-drug",
                    exposure.resource,
                    "no reason recorded, and no cancer of this chart that it is used for",
                )
            )
    for cancer in record.cancers:
        uses = assigned[cancer.condition]
        others = set(uses_of_something_else(uses, cancer, record, knowledge))
        assigned[cancer.condition] = [use for use in uses if use not in others]
        issues += [
            Issue(
                "information",
                "unassigned-drug",
                use.resource,
                "begun long before the cancer, and used for other diseases too; not counted",
            )
            for use in others
        ]
    return assigned, issues


def _with_reason(use: Exposure, ordered: Mapping[str, Sequence[Exposure]]) -> Exposure:
    """A dose that names no reason, with the one of the orders under which it lies."""
    if use.kind == "order" or use.conditions or use.reason_diseases:
        return use
    over = [order for order in ordered.get(use.drug, ()) if lies_under(use.start, order)]
    reasons = {(order.conditions, order.reason_diseases) for order in over}
    if len(reasons) != 1:
        return use
    conditions, diseases = reasons.pop()
    return replace(use, conditions=conditions, reason_diseases=diseases)


def _cancer_of(
    exposure: Exposure, begun: PartialDate, record: Record, knowledge: Knowledge
) -> Cancer | None:
    for cancer in record.cancers:
        if not cancer.named.isdisjoint(exposure.conditions):
            return cancer
    for cancer in record.cancers:
        if {cancer.disease, *cancer.alternatives} & set(exposure.reason_diseases):
            return cancer
    if _is_for_something_else(exposure, record):
        return None
    if len(record.cancers) == 1:
        return record.cancers[0]
    return _by_use(exposure, begun, record.cancers, knowledge)


def _by_company(
    exposure: Exposure, beside: Mapping[date, set[str]], record: Record, knowledge: Knowledge
) -> Cancer | None:
    """Of the cancers that a drug is used for, the one against which others began that day."""
    drug = knowledge.terms.drugs.get(exposure.drug)
    if drug is None or drug.is_supportive or _is_for_something_else(exposure, record):
        return None
    company = beside.get(exposure.start.first, set())
    treated = [
        cancer
        for cancer in record.cancers
        if cancer.condition in company and knowledge.disease(cancer.disease).agents.include(drug)
    ]
    return treated[0] if len(treated) == 1 and exposure.start.is_exact else None


def _only_supports(exposure: Exposure, knowledge: Knowledge) -> bool:
    drug = knowledge.terms.drugs.get(exposure.drug)
    return drug is not None and drug.is_supportive


def _is_for_something_else(exposure: Exposure, record: Record) -> bool:
    named = set(exposure.conditions)
    if named and named <= record.other_conditions:
        return True
    return exposure.reason_diseases == ("not-cancer",)


def _by_use(
    exposure: Exposure, begun: PartialDate, cancers: Sequence[Cancer], knowledge: Knowledge
) -> Cancer | None:
    """The one cancer whose definition lists the drug.

    Of several, the one that is active; of those, what one had become by then, not what it was;
    else the one that was there when the course of the drug was `begun`.
    """
    drug = knowledge.terms.drugs.get(exposure.drug)
    active = [c for c in cancers if not (c.is_history or c.is_in_remission)]
    if drug is None:
        return active[0] if len(active) == 1 else None
    if drug.is_supportive:
        treats = [
            c for c in cancers if knowledge.disease(c.disease).lines.supportive_agents.include(drug)
        ]
        return treats[0] if len(treats) == 1 else None
    using = [c for c in cancers if _is_agent(drug, c, knowledge)]
    treated = [c for c in using if c in active]
    known = [c for c in treated if c.onset is None or c.onset.first <= exposure.start.last]
    there = [c for c in treated if c.may_be_there_on(begun)]
    later = [_transformed(some, knowledge) for some in (known, there)]
    for candidates in (using, treated, later[0], there, later[1]):
        if len(candidates) == 1:
            return candidates[0]
    return active[0] if not using and len(active) == 1 else None


def _transformed(cancers: Sequence[Cancer], knowledge: Knowledge) -> list[Cancer]:
    """Those of them that others of them have become."""
    return [
        c
        for c in cancers
        if any(
            c.disease in knowledge.disease(other.disease).transforms_into and c.is_newer_than(other)
            for other in cancers
        )
    ]


def _beginnings(exposures: Sequence[Exposure]) -> dict[str, PartialDate]:
    """When the course began to which each use belongs, by the reference of the use."""
    begun: dict[str, PartialDate] = {}
    last: dict[str, tuple[PartialDate, date]] = {}
    for use in sorted(exposures, key=lambda e: (e.start, e.resource)):
        start, until = last.get(use.drug, (use.start, use.start.last))
        if (use.start.first - until).days > COURSE_PAUSE_DAYS:
            start = use.start
        begun[use.resource] = start
        last[use.drug] = start, max(until, (use.end or use.start).last)
    return begun


def _is_agent(drug: Drug, cancer: Cancer, knowledge: Knowledge) -> bool:
    disease = knowledge.disease(cancer.disease)
    return disease.agents.include(drug) and not disease.lines.never_agents.include(drug)


def without_shadows(
    exposures: Sequence[Exposure], as_of: date, gap_days: int, knowledge: Knowledge
) -> list[Exposure]:
    """One record of each use: an administration or dispense stands for its order.

    Of tablets only a dispense does: one given in hospital says nothing of the days at home.

    What the order or a statement beside it alone says (why it was stopped, its intent, its reason)
    goes over to the last administration under it, with the reference of what says why it was
    stopped. An active order without an end still says that use goes on, unless its last
    administration lies more than `gap_days` back; one whose first administration lies more than
    `gap_days` after its start stands for itself.
    """
    by_drug: dict[str, list[Exposure]] = {}
    for exposure in exposures:
        by_drug.setdefault(exposure.drug, []).append(exposure)
    kept: list[Exposure] = []
    for name in sorted(by_drug):
        drug = knowledge.terms.drugs.get(name)
        is_oral = drug is not None and drug.routes == {"oral"}
        standing = {"dispense"} if is_oral else {"administration", "dispense"}
        kept += _one_drug(by_drug[name], standing, as_of, gap_days)
    return sorted(kept, key=lambda e: (e.start, e.drug, e.resource))


def _one_drug(
    exposures: Sequence[Exposure], standing: set[str], as_of: date, gap_days: int
) -> list[Exposure]:
    orders = [e for e in exposures if e.kind == "order"]
    statements = [e for e in exposures if e.kind == "statement"]
    kept = [e for e in exposures if e.kind in CONFIRMED_USE]
    doses = _Doses(kept, standing)
    for order in orders:
        under = doses.under(order)
        first = min((kept[n].start.first for n in under), default=None)
        if first is None or (first - order.start.last).days > gap_days:
            kept.append(order)
            continue
        latest = max(under, key=lambda n: (kept[n].start, kept[n].resource))
        last = kept[latest]
        kept[latest] = _inheriting(last, order)
        recent = as_of - (last.end or last.start).last <= timedelta(days=gap_days)
        if order.is_open_ended and recent:
            kept.append(replace(order, start=max(order.start, last.start)))
    if not statements:
        return kept
    stated, spans = [], _Spans(kept)
    for statement in statements:
        is_beside, ended = spans.beside(statement)
        if not is_beside:
            stated.append(statement)
        elif ended is not None:
            kept[ended] = _inheriting(kept[ended], statement)
    return kept + stated


def _inheriting(use: Exposure, other: Exposure) -> Exposure:
    """A use with what another record of it says besides."""
    if other.stop_reason and not use.stop_reason:
        use = replace(
            use,
            resource=other.resource,
            stop_reason=other.stop_reason,
            stop_text=other.stop_text,
        )
    return replace(
        use,
        stop_text=use.stop_text or other.stop_text,
        intent=use.intent or other.intent,
        conditions=use.conditions or other.conditions,
        cycle_days=use.cycle_days or other.cycle_days,
        daily_dose_mg=use.daily_dose_mg if use.daily_dose_mg is not None else other.daily_dose_mg,
    )


class _Doses:
    """Where uses of some kinds stand among others, all of which are in order of days."""

    def __init__(self, uses: Sequence[Exposure], kinds: set[str]) -> None:
        of_kind = [(n, use.start) for n, use in enumerate(uses) if use.kind in kinds]
        self._exact = [n for n, on in of_kind if on.is_exact]
        self._days = [uses[n].start.first for n in self._exact]
        self._partial = [(n, on) for n, on in of_kind if not on.is_exact]
        """Months and years: there are few of them."""

    def under(self, order: Exposure) -> list[int]:
        """Places of the uses that lie under an order."""
        first, last = _days_under(order)
        exact = self._exact[bisect_left(self._days, first) : bisect_right(self._days, last)]
        return exact + [n for n, on in self._partial if lies_under(on, order)]


EARLY_DAYS = 3
"""So early a dose may be given, and belong to its order."""


def lies_under(day: PartialDate, order: Exposure) -> bool:
    """Whether a dose falls into the days of an order; a few days early is the same order."""
    first, last = _days_under(order)
    return first <= day.last and day.first <= last


def _days_under(order: Exposure) -> tuple[date, date]:
    """The first and last day of doses that belong to an order."""
    first = order.start.first - timedelta(days=EARLY_DAYS)
    end = order.end
    if order.is_open_ended or end is None:
        return first, date.max
    grace = timedelta(days=28) if order.is_estimated else timedelta(days=3)
    return first, end.last + grace


class _Spans:
    """The days that uses cover, by where they begin."""

    def __init__(self, uses: Sequence[Exposure]) -> None:
        self._uses = uses
        self._order = sorted(range(len(uses)), key=lambda n: uses[n].start)
        self._firsts = [uses[n].start.first for n in self._order]
        self._ends = list(accumulate((_end(uses[n]) for n in self._order), max))
        """The latest end of each and all that begin before it."""

    def beside(self, other: Exposure) -> tuple[bool, int | None]:
        """Whether any of the uses overlaps another one; and where the last such with an end is."""
        place, since = bisect_right(self._firsts, _end(other)), other.start.first
        is_beside, found = False, None
        while place and self._ends[place - 1] >= since:
            place -= 1
            at = self._order[place]
            use, last = self._uses[at], None if found is None else self._uses[found]
            if last is not None and use.start != last.start:
                break
            if _end(use) >= since:
                is_beside = True
                if use.end is not None and (last is None or use.resource >= last.resource):
                    found = at
        return is_beside, found


def _end(use: Exposure) -> date:
    return date.max if use.end is None else use.end.last
