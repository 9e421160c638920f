"""What makes a suggestion unsuitable though the cancer asks for it: pregnancy, kidneys, refusal.

None of it says anything of the course of a cancer: only the advice stage reads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from msgspec import Raw

from cds_service.clinical.record.diagnoses import condition_term
from cds_service.clinical.record.elements import (
    AllergyIntolerance,
    CodeableConcept,
    Condition,
    DiagnosticReport,
    Observation,
    Period,
    Procedure,
    optional,
    several,
)
from cds_service.clinical.record.observations import COUNTS
from cds_service.clinical.record.procedures import kind_said
from cds_service.clinical.record.reader import Reader
from cds_service.clinical.record.record import Caution, CautionKind
from cds_service.clinical.record.sources import Source
from cds_service.dates import PartialDate

PREGNANT = frozenset({"77386006", "Z33.1", "LA15173-0"})
"""SNOMED CT, ICD-10-CM and the answer in LOINC; with the visits of a supervised pregnancy below."""
PREGNANT_PREFIXES = ("Z34", "O09", "Z3A")
PREGNANCY_DAYS = 300
"""An entry older than this speaks of a pregnancy that is over."""
REFUSED = "105480006"
"""SNOMED CT: refusal of treatment by patient."""
RED_FLAGS = ("G95.2", "G83.4", "G93.5", "G93.6")
"""ICD-10: compression of cord or cauda equina, of the brain, cerebral oedema."""
CORD_COMPRESSION = "71286001"
RED_FLAG_DAYS = 90
EGFR_UNSAFE_BELOW = Decimal(30)
CONTRAST = re.compile(
    r"contrast|iodinated|iohexol|iopamidol|iodixanol|iopromide|iomeprol|gadolin|gadob|gadot",
    re.IGNORECASE,
)
CONTRAST_ALLERGY = "Z91.041"
"""ICD-10-CM: radiographic dye allergy status."""
INSUFFICIENT = re.compile(
    r"insufficient|inadequate|non-?diagnostic|unsatisfactory|unsuccessful|no tumou?r tissue",
    re.IGNORECASE,
)
UNSATISFACTORY = frozenset({"385671000", "125154007", "71978007"})
"""SNOMED CT: unsuccessful; specimen unsatisfactory for evaluation; inadequate."""
TISSUE = frozenset({"biopsy", "bone-marrow-examination", "molecular-test"})
OVER = frozenset({"inactive", "remission", "resolved"})


def read_cautions(
    conditions: Sequence[tuple[str, Condition]],
    by_type: Mapping[str, Sequence[Source]],
    reader: Reader,
) -> tuple[Caution, ...]:
    """Every caution of a chart, in order of kind, date and reference.

    `conditions` are those that could be read, with their references.
    """
    found = [
        *_of_conditions(conditions, reader),
        *_of_observations(by_type.get("Observation", ()), reader),
        *_of_allergies(by_type.get("AllergyIntolerance", ()), reader),
        *_of_procedures(by_type.get("Procedure", ()), reader),
        *_of_reports(by_type.get("DiagnosticReport", ()), reader),
    ]
    return tuple(sorted(set(found), key=_order))


def _raw(source: Source) -> Raw:
    """The resource, to be read without a word of its faults: its own reader says those."""
    return source.raw if isinstance(source.raw, Raw) else Raw(source.raw)


def _order(caution: Caution) -> tuple[object, ...]:
    on = caution.on
    return caution.kind, on.first.toordinal() if on else 0, caution.resource


def _of_conditions(
    conditions: Sequence[tuple[str, Condition]], reader: Reader
) -> Iterator[Caution]:
    for reference, raw in conditions:
        kinds = () if raw.code is None else reader.once(raw.code, _kinds_said)
        if not kinds or not _is_current(raw):
            continue
        on = _since(raw, reference, reader)
        for kind in kinds:
            if _is_recent(kind, on, reader):
                yield Caution(reference, kind, on)


def _is_current(raw: Condition) -> bool:
    if _says(raw.verificationStatus, {"refuted", "entered-in-error"}):
        return False
    return not _says(raw.clinicalStatus, OVER) and not (raw.abatementDateTime)


def _says(concept: CodeableConcept | None, words: set[str] | frozenset[str]) -> bool:
    if concept is None:
        return False
    said = {code.lower() for _, code in concept.codes()}
    return bool((said or {(concept.text or "").strip().lower()}) & words)


def _since(raw: Condition, reference: str, reader: Reader) -> PartialDate | None:
    begun = _quietly(raw.onsetDateTime, raw.onsetPeriod, reference, reader)
    return begun or _quietly(raw.recordedDate, None, reference, reader)


_DAYS: dict[CautionKind, int] = {"pregnancy": PREGNANCY_DAYS, "red-flag": RED_FLAG_DAYS}


def _is_recent(kind: CautionKind, on: PartialDate | None, reader: Reader) -> bool:
    days = _DAYS.get(kind)
    return days is None or on is None or (reader.as_of - on.last).days <= days


def _kinds_said(concept: CodeableConcept, reader: Reader) -> tuple[CautionKind, ...]:
    return tuple(_kinds_of(concept, reader))


def _kinds_of(concept: CodeableConcept, reader: Reader) -> Iterator[CautionKind]:
    codes = {code for _, code in concept.codes()}
    if codes & PREGNANT or any(code.startswith(PREGNANT_PREFIXES) for code in codes):
        yield "pregnancy"
    if CORD_COMPRESSION in codes or any(code.startswith(RED_FLAGS) for code in codes):
        yield "red-flag"
    if CONTRAST_ALLERGY in codes:
        yield "contrast-allergy"
    if REFUSED in codes:
        yield "refusal"
    term = condition_term(concept, reader)
    if term is None:
        return
    if term.role in ("symptom", "complication"):
        yield "symptom"
    if term.role == "patient-choice":
        yield "refusal"
    if term.status == "palliative-care":
        yield "palliative-care"


def _of_observations(sources: Sequence[Source], reader: Reader) -> Iterator[Caution]:
    """What was last said of a pregnancy, and of the kidneys."""
    status: list[tuple[PartialDate, bool, str]] = []
    egfr: list[tuple[PartialDate, Decimal, str]] = []
    for source in sources:
        code = source.code
        if not (code.is_of_pregnancy or code.is_of_kidneys) or source.head.status not in COUNTS:
            continue
        if code.is_of_pregnancy and (said := _pregnancy(source, reader)) is not None:
            status.append(said)
        elif code.is_of_kidneys and (measured := _measured(source, reader)) is not None:
            egfr.append(measured)
    if status:
        on, is_pregnant, reference = max(status)
        if is_pregnant and _is_recent("pregnancy", on, reader):
            yield Caution(reference, "pregnancy", on)
    if egfr:
        on, value, reference = max(egfr, key=lambda m: (m[0], -m[1], m[2]))
        if value < EGFR_UNSAFE_BELOW:
            yield Caution(reference, "kidney", on)


def _measured(source: Source, reader: Reader) -> tuple[PartialDate, Decimal, str] | None:
    raw = optional(_raw(source), Observation)
    if raw is None or raw.valueQuantity is None:
        return None
    on = _quietly(raw.effectiveDateTime, raw.effectivePeriod, source.reference, reader)
    value = reader.number(raw.valueQuantity, source.reference)
    return None if on is None or value is None else (on, value, source.reference)


def _pregnancy(source: Source, reader: Reader) -> tuple[PartialDate, bool, str] | None:
    raw = optional(_raw(source), Observation)
    if raw is None or raw.valueCodeableConcept is None:
        return None
    on = _quietly(raw.effectiveDateTime, raw.effectivePeriod, source.reference, reader)
    said = {code for _, code in raw.valueCodeableConcept.codes()}
    return None if on is None else (on, bool(said & PREGNANT), source.reference)


def _of_allergies(sources: Sequence[Source], reader: Reader) -> Iterator[Caution]:
    for source in sources:
        raw = optional(_raw(source), AllergyIntolerance)
        if raw is None or raw.code is None or _says(raw.clinicalStatus, OVER):
            continue
        if _says(raw.verificationStatus, {"refuted", "entered-in-error"}):
            continue
        if any(map(CONTRAST.search, raw.code.texts())):
            yield Caution(source.reference, "contrast-allergy")


def _of_procedures(sources: Sequence[Source], reader: Reader) -> Iterator[Caution]:
    """Biopsies that their own Procedure calls insufficient."""
    for source in sources:
        raw = optional(_raw(source), Procedure)
        if raw is None or kind_said(raw.code, reader) not in TISSUE:
            continue
        if any(map(_is_insufficient, several(raw.outcome, CodeableConcept))):
            on = _quietly(raw.performedDateTime, raw.performedPeriod, source.reference, reader)
            if on is not None:
                yield Caution(source.reference, "insufficient-sample", on)


def _of_reports(sources: Sequence[Source], reader: Reader) -> Iterator[Caution]:
    """Samples that the report on them calls insufficient."""
    for source in sources:
        raw = optional(_raw(source), DiagnosticReport)
        if raw is None or kind_said(raw.code, reader) not in TISSUE:
            continue
        if any(map(_is_insufficient, several(raw.conclusionCode, CodeableConcept))):
            on = _quietly(raw.effectiveDateTime, raw.effectivePeriod, source.reference, reader)
            if on is not None:
                yield Caution(source.reference, "insufficient-sample", on)


def _quietly(
    at: str | None, period: Period | None, reference: str, reader: Reader
) -> PartialDate | None:
    """The first day, without a word of doubt: the resource's own reader has said it already."""
    noted = len(reader.issues)
    spoken = reader.period(at, period, reference, "effective")
    del reader.issues[noted:]
    return spoken[0] if spoken else None


def _is_insufficient(concept: CodeableConcept) -> bool:
    if any(code in UNSATISFACTORY for _, code in concept.codes()):
        return True
    return any(map(INSUFFICIENT.search, concept.texts()))
