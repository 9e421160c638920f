"""Orders, administrations, dispenses, statements of medication → exposures to drugs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from cds_service.clinical.record.doses import daily_dose_mg
from cds_service.clinical.record.drug_names import Recognised
from cds_service.clinical.record.elements import (
    CodeableConcept,
    DispenseRequest,
    Dosage,
    Duration,
    Extension,
    Medication,
    MedicationUse,
    Quantity,
    Reference,
    optional,
    several,
)
from cds_service.clinical.record.naming import NamedMedication, name_medication
from cds_service.clinical.record.reader import Reader
from cds_service.clinical.record.record import Doubt, Exposure, UseKind, Withheld
from cds_service.dates import PartialDate
from cds_service.knowledge.terms import Terminology

ONE_CYCLE_DAYS = 28
"""Exposure that an order without an end stands for, unless it is active."""

LONGEST_DAYS = 36_525
"""A hundred years: a supply or duration beyond it is a slip of the pen."""

USES: dict[str, UseKind] = {
    "MedicationRequest": "order",
    "MedicationAdministration": "administration",
    "MedicationDispense": "dispense",
    "MedicationStatement": "statement",
}
# Statuses that speak of use; whatever is not named here was not given, or is not known to be.
USED_STATUSES: dict[UseKind, frozenset[str]] = {
    "order": frozenset({"active", "on-hold", "completed", "stopped"}),
    "administration": frozenset({"in-progress", "on-hold", "completed", "stopped"}),
    "dispense": frozenset({"completed", "in-progress", "on-hold", "stopped"}),
    "statement": frozenset({"active", "completed", "stopped", "on-hold"}),
}
PRESCRIBING = frozenset(
    {"order", "original-order", "instance-order", "filler-order", "reflex-order"}
)
TERMINATION_EXTENSIONS = ("mcode-termination-reason", "mcode-treatment-termination-reason")
"""mCODE STU 1 and STU 2, both retired: what `statusReason` says since STU 3."""
INTENT_EXTENSIONS = ("mcode-procedure-intent", "mcode-treatment-intent")
DAYS_OF_UNIT = {
    "d": 1, "day": 1, "days": 1, "wk": 7, "week": 7, "weeks": 7,
    "mo": 30, "month": 30, "months": 30, "a": 365, "year": 365, "years": 365,
}  # fmt: skip


class Covered(msgspec.Struct, frozen=True, gc=False):
    """The days that one use covers."""

    start: PartialDate
    end: PartialDate | None
    is_open_ended: bool = False
    is_estimated: bool = False


class ReadUse(msgspec.Struct, frozen=True, gc=False):
    """What one resource says of one or several drugs."""

    exposures: tuple[Exposure, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    withheld: tuple[Withheld, ...] = ()


NOTHING = ReadUse()


def read_use(
    raw: MedicationUse,
    resource_type: str,
    reference: str,
    medications: Mapping[str, Medication],
    reader: Reader,
) -> ReadUse:
    """The exposures that one resource records; none where it was planned, cancelled or unknown."""
    kind = USES[resource_type]
    named = name_medication(raw, medications, reader)
    if named is None:
        reader.note("warning", "invalid-resource", reference, "left out: names no medication")
        return NOTHING
    recognised = named.recognised
    if not raw.status:
        if recognised.drugs:
            reader.note("warning", "invalid-resource", reference, "left out: has no status")
        return NOTHING
    if raw.status == "not-taken":
        return ReadUse(doubts=_doubts(recognised, reference, _day_of(raw, reference, reader)))
    if not _was_used(raw, kind):
        return ReadUse(withheld=_withheld(raw, kind, recognised, reference, reader))
    if not (recognised.drugs or recognised.investigational):
        _note_unrecognised(named, reference, reader)
        return NOTHING
    dosages = dosages_of(raw, kind)
    if not recognised.systemic or is_local_route(dosages, reader):
        return NOTHING
    covered = _covered(raw, kind, dosages, reference, reader)
    if covered is None:
        return NOTHING
    reason, reason_text = _stop_reason(raw, reader.knowledge.terms)
    intent = intent_of(raw, reader)
    if intent == "supportive":
        return NOTHING
    conditions, reason_diseases = reasons_of(raw, reader)
    cycle_days = _cycle_days(dosages if kind in ("order", "dispense") else ())
    # of a combination nothing tells how much of each drug a dose holds
    dose = daily_dose_mg(raw, reference, reader) if len(recognised.drugs) == 1 else None
    exposures = [
        Exposure(
            resource=reference,
            drug=drug,
            kind=kind,
            start=covered.start,
            end=covered.end,
            is_open_ended=covered.is_open_ended,
            is_estimated=covered.is_estimated,
            is_active=raw.status in ("active", "in-progress"),
            stop_reason=reason,
            stop_text=reason_text,
            intent=intent,
            cycle_days=cycle_days,
            conditions=conditions,
            reason_diseases=reason_diseases,
            label=recognised.text,
            daily_dose_mg=dose,
        )
        for drug in recognised.drugs or ("",)
    ]
    doubts = (
        _doubts(recognised, reference, covered.end or covered.start)
        if reason == "adherence"
        else ()
    )
    return ReadUse(tuple(exposures), doubts)


def _was_used(raw: MedicationUse, kind: UseKind) -> bool:
    if raw.doNotPerform or raw.status not in USED_STATUSES[kind]:
        return False
    return kind != "order" or raw.intent in PRESCRIBING


def _withheld(
    raw: MedicationUse, kind: UseKind, recognised: Recognised, reference: str, reader: Reader
) -> tuple[Withheld, ...]:
    """What an order not to give a drug, or a dose that was not given, says of what was ordered."""
    if kind == "administration" and raw.status == "not-done":
        on = _day_of(raw, reference, reader)
        return tuple(Withheld(reference, "not-given", d, on) for d in recognised.drugs if on)
    is_stop = (
        kind == "order"
        and raw.doNotPerform
        and raw.status in USED_STATUSES[kind]
        and raw.intent in PRESCRIBING
    )
    covered = _ordered_days(raw, dosages_of(raw, kind), reference, reader) if is_stop else None
    if covered is None:
        return ()
    return tuple(Withheld(reference, "stop", drug, covered.start) for drug in recognised.drugs)


def _note_unrecognised(named: NamedMedication, reference: str, reader: Reader) -> None:
    """Free text that names no known drug may be a cancer drug; a code of another drug is not."""
    if named.recognised.how == "none" and not named.is_coded:
        reader.note(
            "information",
            "unrecognised-drug",
            reference,
            "neither its code nor its text names a drug that is known; not used",
        )


def dosages_of(raw: MedicationUse, kind: UseKind) -> list[Dosage]:
    """The dosages, which stand under a name of their own in orders and dispenses."""
    is_order = kind in ("order", "dispense")
    return several(raw.dosageInstruction if is_order else raw.dosage, Dosage)


def is_local_route(dosages: Sequence[Dosage], reader: Reader) -> bool:
    """Whether the drug was given into a compartment and treats nothing else."""
    routes = [dosage.route for dosage in dosages if dosage.route is not None]
    return bool(routes) and all([reader.once(route, _is_local) for route in routes])


def _is_local(route: CodeableConcept, reader: Reader) -> bool:
    local = reader.knowledge.value_sets["local-routes"]
    return any(code in local for _, code in route.codes()) or any(
        text.strip().lower() in local for text in route.texts()
    )


def _covered(
    raw: MedicationUse, kind: UseKind, dosages: Sequence[Dosage], reference: str, reader: Reader
) -> Covered | None:
    if kind == "order":
        return _ordered_days(raw, dosages, reference, reader)
    if kind == "dispense":
        return _dispensed_days(raw, reference, reader)
    spoken = reader.period(raw.effectiveDateTime, raw.effectivePeriod, reference, "effective")
    if spoken is None:
        return None
    start, end = spoken
    is_open = (
        kind == "statement"
        and raw.status == "active"
        and (raw.effectivePeriod is None or not raw.effectivePeriod.end)
    )
    if is_open:
        return Covered(start, None, is_open_ended=True)
    if kind == "statement" and raw.effectivePeriod is None:
        return Covered(start, start.plus(ONE_CYCLE_DAYS), is_estimated=True)
    return _until_today(Covered(start, end), reader)


def _ordered_days(
    raw: MedicationUse, dosages: Sequence[Dosage], reference: str, reader: Reader
) -> Covered | None:
    """From the first date that tells when use begins to the last that tells when it ends."""
    timing = next((dosage.timing for dosage in dosages if dosage.timing), None)
    repeat = timing.repeat if timing else None
    bounds = repeat.boundsPeriod if repeat else None
    dispensed = optional(raw.dispenseRequest, DispenseRequest)
    validity = dispensed.validityPeriod if dispensed else None
    starts = (
        (timing.event[0] if timing and timing.event else None, "dosageInstruction.timing.event"),
        (bounds.start if bounds else None, "boundsPeriod.start"),
        (validity.start if validity else None, "validityPeriod.start"),
        (raw.authoredOn, "authoredOn"),
    )
    text, element = next(((t, e) for t, e in starts if t), (None, ""))
    if text is None:
        reader.note("warning", "missing-date", reference, "has no date; left out")
        return None
    start = reader.day(text, reference, element)
    if start is None:
        return None
    end = reader.end_of(bounds.end if bounds else None, reference, "boundsPeriod.end")
    end = end or reader.end_of(validity.end if validity else None, reference, "validityPeriod.end")
    if end is None and timing is not None and len(timing.event) > 1:
        end = reader.day(timing.event[-1], reference, "dosageInstruction.timing.event")
    if end is None and repeat is not None and repeat.boundsDuration is not None:
        end = _plus(start, repeat.boundsDuration, 1)
    if end is None and dispensed is not None and dispensed.expectedSupplyDuration is not None:
        repeats = 1 + max(0, min(dispensed.numberOfRepeatsAllowed or 0, LONGEST_DAYS))
        end = _plus(start, dispensed.expectedSupplyDuration, repeats)
    if end is not None and end.last < start.first:
        reader.note("warning", "impossible-date", reference, "ends before it starts; end not used")
        end = None
    if end is not None:
        return _until_today(Covered(start, end), reader)
    if raw.status == "active":
        return Covered(start, None, is_open_ended=True)
    return _until_today(Covered(start, start.plus(ONE_CYCLE_DAYS), is_estimated=True), reader)


def _dispensed_days(raw: MedicationUse, reference: str, reader: Reader) -> Covered | None:
    start = reader.day(raw.whenHandedOver or raw.whenPrepared, reference, "whenHandedOver")
    if start is None:
        return None
    supply = optional(raw.daysSupply, Quantity)
    number = None if supply is None else reader.number(supply, reference)
    if number is None or number > LONGEST_DAYS:
        return _until_today(Covered(start, start.plus(ONE_CYCLE_DAYS), is_estimated=True), reader)
    # the day of the dispense is the first day covered
    return _until_today(Covered(start, start.plus(max(0, int(number) - 1))), reader)


def _until_today(covered: Covered, reader: Reader) -> Covered:
    """No day after the day asked is covered yet."""
    end = covered.end
    if end is None or end.last <= reader.as_of:
        return covered
    last = PartialDate(min(end.first, reader.as_of), reader.as_of)
    return Covered(covered.start, last, covered.is_open_ended, covered.is_estimated)


def _plus(start: PartialDate, duration: Duration, times: int) -> PartialDate | None:
    days = DAYS_OF_UNIT.get((duration.code or duration.unit or "").strip().lower())
    if days is None or duration.value is None or not 0 <= duration.value <= 3660:
        return None
    total = round(duration.value * days * times)
    # the first day is the first of them
    return start.plus(max(0, total - 1)) if total <= LONGEST_DAYS else None


def _day_of(raw: MedicationUse, reference: str, reader: Reader) -> PartialDate | None:
    spoken = reader.period(raw.effectiveDateTime, raw.effectivePeriod, reference, "effective")
    return spoken[0] if spoken else None


def _doubts(recognised: Recognised, reference: str, on: PartialDate | None) -> tuple[Doubt, ...]:
    return tuple(Doubt(reference, "adherence", on, drug) for drug in recognised.drugs)


def _stop_reason(raw: MedicationUse, terms: Terminology) -> tuple[str, str]:
    """Why it was stopped, as one of the reasons of the terminology, and its words."""
    if not (raw.statusReason or raw.extension):
        return "", ""
    retired = [
        extension.valueCodeableConcept
        for extension in several(raw.extension, Extension)
        if extension.valueCodeableConcept and (extension.url or "").endswith(TERMINATION_EXTENSIONS)
    ]
    for concept in [*several(raw.statusReason, CodeableConcept), *retired]:
        said = next(iter(concept.texts()), "")
        for code in concept.codes():
            if (reason := terms.stop_reasons.get(code)) is not None:
                return reason, said
        for text in concept.texts():
            reason = terms.stop_reason_words.get(" ".join(text.lower().split()))
            if reason is not None:
                return reason, said
    return "", ""


def intent_of(raw: MedicationUse, reader: Reader) -> str:
    """What a treatment is for, where mCODE's extension tells it; empty where nothing does."""
    if not raw.extension:
        return ""
    known = reader.knowledge.value_sets["treatment-intents"]
    for extension in several(raw.extension, Extension):
        if (extension.url or "").endswith(INTENT_EXTENSIONS) and extension.valueCodeableConcept:
            for _, code in extension.valueCodeableConcept.codes():
                if code in known:
                    return known[code]
    return ""


def reasons_of(raw: MedicationUse, reader: Reader) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Conditions named as the reason, and diseases that reason codes stand for.

    A code of something that is no cancer gives "not-cancer".
    """
    if not (raw.reasonReference or raw.reasonCode):
        return (), ()
    references = tuple(
        reader.local(reason.reference)
        for reason in several(raw.reasonReference, Reference)
        if reason.reference
    )
    conditions = reader.knowledge.terms.conditions
    diseases = []
    for concept in several(raw.reasonCode, CodeableConcept):
        found = [term for code in concept.codes() if (term := conditions.get(code))]
        if found:
            diseases += [term.disease for term in found if term.disease]
        elif concept.codes():
            diseases.append("not-cancer")
    return references, tuple(sorted(set(diseases)))


def _cycle_days(dosages: Sequence[Dosage]) -> int | None:
    """Length of a cycle where the timing tells it."""
    for dosage in dosages:
        repeat = dosage.timing.repeat if dosage.timing else None
        if repeat is not None and repeat.period and repeat.periodUnit in DAYS_OF_UNIT:
            days = repeat.period * DAYS_OF_UNIT[repeat.periodUnit]
            if abs(days) <= LONGEST_DAYS and 7 <= round(days) <= 84:
                return round(days)
    return None
