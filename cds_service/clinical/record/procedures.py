"""Procedures, orders of tests and referrals, reports → events and requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msgspec import Raw

from cds_service.clinical.record.drug_names import recognise_medication
from cds_service.clinical.record.elements import (
    CodeableConcept,
    DiagnosticReport,
    Encounter,
    Extension,
    Hospitalization,
    Period,
    Procedure,
    Reference,
    ServiceRequest,
    optional,
    several,
)
from cds_service.clinical.record.medications import INTENT_EXTENSIONS
from cds_service.clinical.record.reader import Reader
from cds_service.clinical.record.record import Event, Request
from cds_service.clinical.record.regions import regions_of
from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.terms import Terminology

DONE = frozenset({"completed", "in-progress"})
OPEN = frozenset({"active", "draft", "on-hold"})
STATUS_REASON = "request-statusReason"
"""The standard extension that says why a request has its status."""
REFUSED = "105480006"
"""SNOMED CT: refusal of treatment by patient."""


def kind_of(concept: CodeableConcept | None, knowledge: Knowledge) -> str:
    """What a procedure or an order is, by code, else by a phrase in its words; else empty."""
    if concept is None:
        return ""
    for code in concept.codes():
        if (kind := knowledge.terms.procedures.get(code)) is not None:
            return kind
    phrases = knowledge.plan(_phrases)
    for text in concept.texts():
        if kind := phrases.kind_in(text.lower()):
            return kind
    return ""


@dataclass(frozen=True, slots=True)
class _Phrases:
    """The phrases that name procedures, by their first letters: few begin as a text goes on."""

    letters: int
    by_start: Mapping[str, Sequence[tuple[int, str, str]]]
    """First letters → place in the table, phrase, kind."""

    def kind_in(self, text: str) -> str:
        """The kind of the first phrase of the table that stands in a text; else empty."""
        starts = {text[at : at + self.letters] for at in range(len(text))}
        found = [
            phrase
            for start in starts & self.by_start.keys()
            for phrase in self.by_start[start]
            if phrase[1] in text
        ]
        return min(found)[2] if found else ""


def _phrases(knowledge: Knowledge) -> _Phrases:
    words = knowledge.terms.procedure_words
    letters = min(map(len, words), default=1)
    by_start: dict[str, list[tuple[int, str, str]]] = {}
    for place, (phrase, kind) in enumerate(words.items()):
        by_start.setdefault(phrase[:letters], []).append((place, phrase, kind))
    return _Phrases(letters, by_start)


def kind_said(concept: CodeableConcept | None, reader: Reader) -> str:
    """The same, of a chart that is read."""
    return "" if concept is None else reader.once(concept, _kind_said)


def _kind_said(concept: CodeableConcept, reader: Reader) -> str:
    return kind_of(concept, reader.knowledge)


def read_procedure(raw: Procedure, reference: str, reader: Reader) -> Event | Request | None:
    """A procedure that was done; or, where the patient declined it, a declined request."""
    kind = kind_said(raw.code, reader)
    if not kind:
        return None
    conditions = _named(raw.reasonReference, reader)
    if raw.status == "not-done":
        refused = _says_refused(several(raw.statusReason, CodeableConcept))
        spoken = reader.period(raw.performedDateTime, raw.performedPeriod, reference, "performed")
        on = spoken[0] if spoken else None
        return Request(reference, kind, on, is_declined=True) if refused else None
    if raw.status not in DONE:
        return None
    spoken = reader.period(raw.performedDateTime, raw.performedPeriod, reference, "performed")
    if spoken is None:
        return None
    terms = reader.knowledge.terms
    texts = list(raw.code.texts()) if raw.code and kind == "car-t-infusion" else []
    drugs = recognise_medication([], texts, terms).drugs
    regions = _regions(raw.code, several(raw.bodySite, CodeableConcept))
    return Event(reference, kind, *spoken, conditions, _intent(raw, reader), drugs, regions)


def read_request(raw: ServiceRequest, reference: str, reader: Reader) -> Request | None:
    """An order of something that advice may suggest, or that the patient declined."""
    kind = kind_said(raw.code, reader)
    if not kind:
        return None
    reasons = several(raw.reasonCode, CodeableConcept) + [
        extension.valueCodeableConcept
        for extension in several(raw.extension, Extension)
        if extension.valueCodeableConcept and (extension.url or "").endswith(STATUS_REASON)
    ]
    declined = raw.status == "revoked" and _says_refused(reasons)
    return Request(
        resource=reference,
        kind=kind,
        on=reader.day(raw.authoredOn or raw.occurrenceDateTime, reference, "authoredOn"),
        is_open=raw.status in OPEN,
        is_completed=raw.status == "completed",
        is_declined=declined,
        conditions=_named(raw.reasonReference, reader),
        regions=_regions(raw.code, several(raw.bodySite, CodeableConcept)),
    )


def read_encounter(
    raw: Encounter, reference: str, phrases: Sequence[str], reader: Reader
) -> Event | None:
    """A stay in a hospice from its first day, a discharge to hospice care on its last.

    Nothing else is read of encounters. `phrases` are those that mean hospice care in a discharge;
    a visit about it ("hospice consultation") is none, so that of a stay only the codes are read.
    """
    if raw.status not in ("finished", "in-progress"):
        return None
    terms = reader.knowledge.terms
    stay = optional(raw.hospitalization, Hospitalization)
    is_discharge = (
        raw.status == "finished"
        and stay is not None
        and _is_hospice(stay.dischargeDisposition, phrases, terms)
    )
    types = several(raw.type, CodeableConcept)
    if not is_discharge and not any(_is_hospice(type_, (), terms) for type_ in types):
        return None
    period = optional(raw.period, Period) or Period()
    at = (period.end or period.start) if is_discharge else period.start
    if not at:
        reader.note("warning", "missing-date", reference, "has no date; left out")
        return None
    on = reader.day(at, reference, "period")
    return None if on is None else Event(reference, "hospice", on, on)


def _is_hospice(
    concept: CodeableConcept | None, phrases: Sequence[str], terms: Terminology
) -> bool:
    if concept is None:
        return False
    if any(terms.procedures.get(code) == "hospice" for code in concept.codes()):
        return True
    return any(phrase in text for text in map(str.lower, concept.texts()) for phrase in phrases)


def read_report_event(raw: DiagnosticReport, reference: str, reader: Reader) -> Event | None:
    """A report as proof that its study was done."""
    kind = kind_said(raw.code, reader)
    if not kind or raw.status in ("entered-in-error", "cancelled", "registered"):
        return None
    spoken = reader.period(raw.effectiveDateTime, raw.effectivePeriod, reference, "effective")
    if spoken is None:
        return None
    return Event(reference, kind, *spoken, regions=_regions(raw.code, ()))


def _regions(code: CodeableConcept | None, sites: Sequence[CodeableConcept]) -> frozenset[str]:
    """Parts of the body that the name of a study, or its body site, says it covers."""
    texts = [text for concept in (code, *sites) if concept for text in concept.texts()]
    return regions_of(texts, code.codes() if code else ())


def _named(reasons: Raw, reader: Reader) -> tuple[str, ...]:
    """The Conditions that are named as a reason; one in words alone names none."""
    references = several(reasons, Reference)
    return tuple(reader.local(r.reference) for r in references if r.reference)


def _says_refused(concepts: list[CodeableConcept]) -> bool:
    return any(code == REFUSED for concept in concepts for _, code in concept.codes())


def _intent(raw: Procedure, reader: Reader) -> str:
    known = reader.knowledge.value_sets["treatment-intents"]
    for extension in several(raw.extension, Extension):
        if (extension.url or "").endswith(INTENT_EXTENSIONS) and extension.valueCodeableConcept:
            for _, code in extension.valueCodeableConcept.codes():
                if code in known:
                    return known[code]
    return ""
