"""Conditions → cancers, metastases, statements of relapse, cautions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from cds_service.clinical.record.elements import (
    CodeableConcept,
    Condition,
    ConditionStage,
    several,
)
from cds_service.clinical.record.reader import Reader
from cds_service.clinical.record.record import Cancer, Doubt, Statement
from cds_service.dates import PartialDate
from cds_service.knowledge.terms import ICD10, ICDO3, Code, ConditionTerm, Terminology

NOT_CONFIRMED = frozenset({"provisional", "differential", "unconfirmed"})
NOT_THERE = frozenset({"refuted", "entered-in-error"})
QUIET = frozenset({"inactive", "remission"})
STAGE_FOUR = re.compile(r"\b(stage\s*)?(iv|4)[abc]?\b", re.IGNORECASE)
MALIGNANT = re.compile(
    r"\b(cancer|(adeno)?carcinoma|lymphoma|leuk[a]?emia|myeloma|sarcoma|melanoma|malignan\w+)\b",
    re.IGNORECASE,
)
MALIGNANT_CODE = re.compile(r"C\d[0-9A-Z]")
"""How ICD codes of malignant neoplasms begin, in every modification of the tenth revision."""
SITE = re.compile(r"C\d\d")
CARCINOMA = re.compile(r"8([0-4]\d|5[0-7])\d/3")
"""ICD-O-3 morphologies of malignant epithelial tumours, which the site tells apart."""


@dataclass(frozen=True, slots=True)
class ReadCondition:
    """One Condition, with what its codes say."""

    reference: str
    term: ConditionTerm
    clinical: str
    is_unverified: bool
    onset: PartialDate | None
    recorded: PartialDate | None
    abated: PartialDate | None
    is_stage_four: bool

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
    term = condition_term(raw.code, reader)
    if term is None:
        _note_unknown_cancer(raw.code, reference, reader)
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
    )


def condition_term(concept: CodeableConcept | None, reader: Reader) -> ConditionTerm | None:
    """What a diagnosis says; of several codings the one that leaves least open."""
    if concept is None:
        return None
    terms = reader.knowledge.terms
    codes = concept.codes()
    found = [term for code in codes if (term := terms.conditions.get(code)) is not None]
    if all(term.role in ("symptom", "complication") for term in found) and _is_worse_symptom(
        concept, reader
    ):
        return WORSE_SYMPTOM
    histology = [term for term in found if term.role == "morphology"]
    others = [term for term in found if term.role != "morphology"]
    if others:
        best = min(others, key=lambda term: (_ROLE_RANK.get(term.role, 9), len(term.alternatives)))
        return _with_subtype(_narrowed(best, histology), histology)
    if any(terms.procedures.get(code) == "hospice" for code in codes):
        return IN_HOSPICE
    if (named := _by_histology(histology, codes, terms)) is not None:
        return named
    for text in concept.texts():
        disease = reader.knowledge.disease_names.get(text.strip().lower())
        if disease is not None:
            return ConditionTerm(disease, "primary", "active")
    return None


WORSE_SYMPTOM = ConditionTerm("", "symptom", "worsening")
IN_HOSPICE = ConditionTerm("", "hospice", "hospice")


def _narrowed(term: ConditionTerm, histology: Sequence[ConditionTerm]) -> ConditionTerm:
    """A diagnosis that leaves diseases open, as the histology beside it settles it."""
    if not term.alternatives:
        return term
    candidates = (term.disease, *term.alternatives)
    said = {h.disease for h in histology if not h.alternatives} & set(candidates)
    if len(said) != 1:
        return term
    return replace(term, disease=said.pop(), alternatives=())


def _with_subtype(term: ConditionTerm, histology: Sequence[ConditionTerm]) -> ConditionTerm:
    """A diagnosis whose code says no subtype, with the one that its histology says."""
    said = sorted({h.subtype for h in histology} - {""})
    return replace(term, subtype=said[0]) if len(said) == 1 and not term.subtype else term


def _by_histology(
    histology: Sequence[ConditionTerm], codes: Sequence[Code], terms: Terminology
) -> ConditionTerm | None:
    """The cancer that ICD-O-3 names: by a morphology of one disease, else by morphology and site.

    A site without a morphology is no diagnosis: it does not say that the tumour is malignant.
    """
    named = [term for term in histology if term.disease]
    sure = next((term for term in named if not term.alternatives), None)
    if sure is not None:
        return replace(sure, role="primary")
    of_site = _by_site(codes, terms)
    if of_site is not None:
        return _with_subtype(of_site, histology)
    return replace(named[0], role="primary") if named else None


def _by_site(codes: Sequence[Code], terms: Terminology) -> ConditionTerm | None:
    """The carcinoma of an ICD-O-3 site: these sites are numbered as in ICD-10."""
    of_tumour = [code for system, code in codes if system == ICDO3]
    if not any(CARCINOMA.fullmatch(code) for code in of_tumour):
        return None
    sites = (terms.conditions.get((ICD10, code)) for code in of_tumour if SITE.match(code))
    return next((term for term in sites if term is not None and term.role == "primary"), None)


def _is_worse_symptom(concept: CodeableConcept, reader: Reader) -> bool:
    """Whether it is a symptom, not the disease, that is called refractory or worsening."""
    words = reader.knowledge.words
    return any(
        any(word in text for word in words["worsening"])
        and any(word in text for word in words["symptom"])
        for text in map(str.lower, concept.texts())
    )


_ROLE_RANK = {"primary": 0, "secondary": 1, "history": 2, "in-situ": 3, "morphology": 8}


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
            is_new_lesion=True,
        )
    ]


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


def _note_unknown_cancer(concept: CodeableConcept | None, reference: str, reader: Reader) -> None:
    if concept is None:
        return
    if any(map(_is_of_a_tumour, concept.codes())) or any(map(MALIGNANT.search, concept.texts())):
        reader.note(
            "warning",
            "unrecognised-condition",
            reference,
            "reads like a cancer, but none of its codes or words is known; left out",
        )


def _is_of_a_tumour(code: Code) -> bool:
    """Whether a code that names no cancer here has the look of one, in ICD-O-3 or ICD-10."""
    system, text = code
    if system == ICDO3:
        return not text.endswith(("/0", "/1", "/2"))
    return "icd" in system.lower() and MALIGNANT_CODE.match(text) is not None


def _code(concept: CodeableConcept | None) -> str:
    """The code of a status concept, of whichever system; its text where that is all there is."""
    if concept is None:
        return ""
    codes = concept.codes()
    return codes[0][1].lower() if codes else (concept.text or "").strip().lower()
