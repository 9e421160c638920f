"""Conditions → cancers, metastases, statements of relapse, cautions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from cds_service.clinical.record.diagnoses import (
    IN_HOSPICE,
    WORSE_SYMPTOM,
    condition_term,
    note_unknown_cancer,
    with_histology,
)
from cds_service.clinical.record.elements import (
    CodeableConcept,
    Condition,
    ConditionStage,
    several,
)
from cds_service.clinical.record.reader import Reader
from cds_service.clinical.record.record import Cancer, Doubt, Statement
from cds_service.clinical.record.sites import metastatic_site
from cds_service.dates import PartialDate
from cds_service.knowledge.terms import ConditionTerm, Terminology

NOT_CONFIRMED = frozenset({"provisional", "differential", "unconfirmed"})
NOT_THERE = frozenset({"refuted", "entered-in-error"})
QUIET = frozenset({"inactive", "remission"})
STAGE_FOUR = re.compile(r"\b(stage\s*)?(iv|4)[abc]?\b", re.IGNORECASE)
BACKFILLED_DAYS = 90
"""Entered so many days after the day that it names: no observation of that day (our default)."""


class ReadCondition(msgspec.Struct, frozen=True, gc=False):
    """One Condition, with what its codes say."""

    reference: str
    term: ConditionTerm
    clinical: str
    is_unverified: bool
    onset: PartialDate | None
    recorded: PartialDate | None
    abated: PartialDate | None
    is_stage_four: bool
    site: str = ""
    """Where a metastasis is, if it names one place."""

    @property
    def since(self) -> PartialDate | None:
        return self.onset or self.recorded


@dataclass(slots=True)
class ReadConditions:
    """What all Conditions of a chart say together."""

    cancers: list[Cancer] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)
    is_in_hospice: bool = False


def read_condition(raw: Condition, reference: str, reader: Reader) -> ReadCondition | None:
    """One Condition; None where it says nothing of cancer, or is refuted."""
    verification = _code(raw.verificationStatus)
    if verification in NOT_THERE:
        return None
    places = several(raw.bodySite, CodeableConcept) if raw.bodySite else ()
    term = condition_term(with_histology(raw), reader, places)
    if term is None:
        note_unknown_cancer(raw.code, reference, reader)
        return None
    onset = reader.period(raw.onsetDateTime, raw.onsetPeriod, reference, "onset")
    recorded = reader.day(raw.recordedDate, reference, "recordedDate")
    if term == IN_HOSPICE and not (onset or recorded) and (raw.onsetDateTime or raw.recordedDate):
        return None  # not yet, or nobody knows when
    abated = reader.period(raw.abatementDateTime, raw.abatementPeriod, reference, "abatement")
    return ReadCondition(
        reference=reference,
        term=term,
        clinical=_code(raw.clinicalStatus),
        is_unverified=verification in NOT_CONFIRMED,
        onset=onset[0] if onset else None,
        recorded=recorded,
        abated=abated[1] if abated else None,
        is_stage_four=any(
            is_stage_four(stage.summary, reader.knowledge.terms)
            for stage in several(raw.stage, ConditionStage)
        ),
        site=_site_of(raw.code, places) if term.role == "secondary" else "",
    )


def _site_of(code: CodeableConcept | None, places: Sequence[CodeableConcept]) -> str:
    code = code or CodeableConcept()
    return metastatic_site(
        code.texts(), code.codes(), [(place.texts() or [""])[0] for place in places]
    )


def is_stage_four(concept: CodeableConcept | None, terms: Terminology) -> bool:
    """Whether a stage, by code or in words, is IV."""
    if concept is None:
        return False
    if any(terms.fact_values.get(code) == "stage-iv" for code in concept.codes()):
        return True
    codes = (code for _, code in concept.codes())
    return any(STAGE_FOUR.fullmatch(text.strip()) for text in [*concept.texts(), *codes])


def gather_conditions(read: Iterable[ReadCondition], reader: Reader) -> ReadConditions:
    """All Conditions together: one cancer for each disease, however often it is recorded."""
    gathered = ReadConditions()
    by_role: dict[str, list[ReadCondition]] = {}
    for condition in read:
        by_role.setdefault(condition.term.role, []).append(condition)
    primaries = [*by_role.get("primary", ()), *by_role.get("history", ())]
    entries = _absorb_open_codes([*primaries, *_origins(by_role.get("secondary", ()), primaries)])
    for disease in sorted(entries):
        gathered.cancers.append(_cancer(disease, entries[disease], by_role, reader))
    known = {cancer.disease for cancer in gathered.cancers}
    for condition in by_role.get("primary", ()):
        gathered.statements += _course(condition, known)
        gathered.statements += _transformations(condition, gathered.cancers, reader)
    for condition in by_role.get("secondary", ()):
        gathered.statements += _metastasis(condition)
    _gather_cautions(by_role, gathered, reader)
    return gathered


def _origins(
    metastases: Sequence[ReadCondition], primaries: Sequence[ReadCondition]
) -> list[ReadCondition]:
    """Metastases that name their origin, where no primary is recorded: they stand for it.

    Beside a primary they stand only for what its code leaves open.
    """
    recorded = [
        c.term
        for c in primaries
        if c.term.role == "primary" and c.term.disease and c.term.status != "unknown-primary"
    ]
    left_open = {disease for term in recorded for disease in term.alternatives}
    return [
        c for c in metastases if c.term.disease and (not recorded or c.term.disease in left_open)
    ]


def _absorb_open_codes(conditions: Sequence[ReadCondition]) -> dict[str, list[ReadCondition]]:
    """Conditions by disease; one whose code leaves several diseases open joins a settled one."""
    groups: dict[str, list[ReadCondition]] = {}
    open_codes: list[ReadCondition] = []
    for condition in conditions:
        if not condition.term.disease:
            continue
        if condition.term.alternatives:
            open_codes.append(condition)
        else:
            groups.setdefault(condition.term.disease, []).append(condition)
    for condition in open_codes:
        candidates = (condition.term.disease, *condition.term.alternatives)
        home = next((disease for disease in candidates if disease in groups), None)
        groups.setdefault(home or condition.term.disease, []).append(condition)
    specific = [disease for disease in groups if not disease.startswith("other-")]
    return groups if not specific else {d: g for d, g in groups.items() if not _is_vague(g)}


def _is_vague(group: Sequence[ReadCondition]) -> bool:
    """A cancer of unknown primary, recorded beside a known one, is the known one."""
    return all(condition.term.status == "unknown-primary" for condition in group)


def _cancer(
    disease: str,
    entries: Sequence[ReadCondition],
    by_role: dict[str, list[ReadCondition]],
    reader: Reader,
) -> Cancer:
    live = [c for c in entries if c.term.role != "history" and c.clinical != "resolved"]
    # An entry in remission is quiet unless another one of the same cancer is active.
    loud = [c for c in live if c.clinical not in QUIET and c.term.status != "in-remission"]
    best = min(loud or live or entries, key=_naming_order)
    settled = [c for c in entries if not c.term.alternatives]
    quiet_days = [day for c in entries if (day := c.abated or c.recorded) is not None]
    onsets = [c.since for c in entries if c.since is not None]
    return Cancer(
        condition=best.reference,
        conditions=tuple(sorted(c.reference for c in entries)),
        disease=disease,
        alternatives=() if settled else best.term.alternatives,
        is_unverified=all(c.is_unverified for c in (live or entries)),
        onset=min(onsets, default=None),
        remission_on=None if loud else max(quiet_days, default=None),
        is_in_remission=bool(live) and not loud,
        is_history=not live,
        metastatic_since=_metastatic_since(disease, entries, by_role.get("secondary", ())),
        subtypes=_subtypes(entries, by_role.get("status", ()), disease),
    )


def _naming_order(condition: ReadCondition) -> tuple[object, ...]:
    since = condition.since
    return (
        condition.is_unverified,
        condition.term.role == "secondary",
        bool(condition.term.alternatives),
        condition.term.status not in ("active", ""),
        since is None,
        since.first.toordinal() if since else 0,
        condition.reference,
    )


def _metastatic_since(
    disease: str, entries: Sequence[ReadCondition], metastases: Sequence[ReadCondition]
) -> PartialDate | None:
    days = [c.since for c in entries if c.is_stage_four or c.term.status == "metastatic"]
    days += [
        c.since for c in metastases if c.term.status != "nodal" and c.term.disease in ("", disease)
    ]
    return min((day for day in days if day is not None), default=None)


def _subtypes(
    entries: Sequence[ReadCondition], status: Sequence[ReadCondition], disease: str
) -> frozenset[str]:
    said = {c.term.subtype for c in entries}
    said |= {c.term.subtype for c in status if c.term.disease in ("", disease)}
    return frozenset(subtype for subtype in said if subtype)


_COURSE = {
    "in-relapse": ("progression", "relapse"),
    "refractory": ("progression", "documented-refractory"),
    "blast-phase": ("progression", "transformation"),
    "accelerated-phase": ("progression", "transformation"),
    "hormone-resistant": ("", "castration-resistant"),
}


def _course(condition: ReadCondition, known: set[str]) -> list[Statement]:
    """A Condition that says relapsed, refractory or transformed, as a dated statement."""
    category, finding = _COURSE.get(condition.term.status, ("", ""))
    on = condition.since
    if not category and not finding and condition.clinical in ("relapse", "recurrence"):
        category, finding = "progression", "relapse"
        # The status of a diagnosis that was recorded once has no date of its own.
        on = _recorded_later(condition)
    if on is None or not (category or finding) or condition.is_unverified:
        return []
    return [
        Statement(
            resource=condition.reference,
            on=on,
            kind="condition",
            category=category,
            finding=finding,
            criteria="clinician",
            text=f"condition recorded as {_words(condition.term.status, finding)}",
            disease=condition.term.disease if condition.term.disease in known else "",
        )
    ]


def _words(status: str, finding: str) -> str:
    """The word that the chart has: its status, where the finding is of our making."""
    said = status if finding in ("", "transformation") else finding
    return said.replace("-", " ")


def _recorded_later(condition: ReadCondition) -> PartialDate | None:
    if condition.recorded is None or condition.onset is None:
        return None
    return condition.recorded if condition.recorded.first > condition.onset.last else None


def _transformations(
    condition: ReadCondition, cancers: Sequence[Cancer], reader: Reader
) -> list[Statement]:
    """A cancer that is newer than one that turns into such: progression of that one."""
    on, term = condition.onset, condition.term
    if on is None or condition.is_unverified or term.alternatives:
        return []
    return [
        Statement(
            resource=condition.reference,
            on=on,
            kind="condition",
            category="progression",
            finding="transformation",
            criteria="clinician",
            text=f"{reader.knowledge.disease(term.disease).name} recorded",
            disease=cancer.disease,
            is_backfilled=_is_backfilled(condition),
        )
        for cancer in cancers
        if term.disease in reader.knowledge.disease(cancer.disease).transforms_into
        and (cancer.onset is None or cancer.onset.last < on.first)
    ]


def _metastasis(condition: ReadCondition) -> list[Statement]:
    """A newly dated metastasis: progression, if it falls into a line and not before it."""
    if condition.onset is None or condition.is_unverified or condition.clinical == "resolved":
        return []
    return [
        Statement(
            resource=condition.reference,
            on=condition.onset,
            kind="condition",
            category="progression",
            finding="new-metastasis",
            criteria="clinician",
            text="new metastasis recorded",
            disease=condition.term.disease,
            sites=(condition.site,) if condition.site else (),
            is_new_lesion=True,
            is_backfilled=_is_backfilled(condition),
        )
    ]


def _is_backfilled(condition: ReadCondition) -> bool:
    """Whether it was entered long after the day that it names, at the least."""
    if condition.recorded is None or condition.onset is None:
        return False
    return (condition.recorded.first - condition.onset.last).days > BACKFILLED_DAYS


def _gather_cautions(
    by_role: dict[str, list[ReadCondition]], gathered: ReadConditions, reader: Reader
) -> None:
    for condition in by_role.get("adherence", ()):
        gathered.doubts.append(Doubt(condition.reference, "adherence", condition.since))
    for condition in by_role.get("symptom", ()):
        if condition.term != WORSE_SYMPTOM:
            continue
        gathered.doubts.append(Doubt(condition.reference, "symptom", condition.since))
    for condition in by_role.get("status", ()):
        if condition.term.status in ("hormone-resistant", "refractory"):
            gathered.statements += _course(condition, set())
    gathered.is_in_hospice = any(
        condition.term == IN_HOSPICE and condition.clinical not in ("resolved", "inactive")
        for condition in by_role.get("hospice", ())
    )


def _code(concept: CodeableConcept | None) -> str:
    """The code of a status concept, of whichever system; its text where that is all there is."""
    if concept is None:
        return ""
    for coding in concept.coding:
        if coding.code:
            return coding.code.lower()
    return (concept.text or "").strip().lower()
