"""Observations and reports → statements of response, and values of markers."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from cds_service.clinical.record.elements import (
    CodeableConcept,
    DiagnosticReport,
    Extension,
    Observation,
    Range,
    Reference,
    optional,
    several,
)
from cds_service.clinical.record.reader import Reader
from cds_service.clinical.record.record import Doubt, Measurement, Statement, StatementKind
from cds_service.clinical.record.values import (
    BODY_STRUCTURE,
    conditions_in_focus,
    effective,
    focus_of,
    quantity_of,
    unit_of,
    value_concepts,
)
from cds_service.knowledge.terms import Code, Marker, ResponseTerm
from cds_service.quantities import Quantity

COUNTS = frozenset({"final", "amended", "corrected"})
REPORT_COUNTS = COUNTS | {"appended"}
PENDING = frozenset({"preliminary", "registered"})
EVIDENCE_TYPE = "mcode-cancer-disease-status-evidence-type"
STATUS_KINDS: dict[str, StatementKind] = {
    "disease-status": "disease-status",
    "response-category": "response-category",
}


def read_statement(
    raw: Observation, reference: str, kind: str, reader: Reader
) -> tuple[Statement | None, Doubt | None]:
    """A disease status or response category; or, where only a symptom is meant, a doubt."""
    statement_kind = STATUS_KINDS.get(kind)
    on = effective(raw, reference, reader)
    if statement_kind is None or on is None:
        return None, None
    term, text = _response(raw, reader)
    if term is None:
        reader.note(
            "warning",
            "unknown-value",
            reference,
            "the value of this disease status is not known; left out",
        )
        return None, None
    by = _evidence_types(raw, reader) or frozenset({term.by} - {""})
    if by == {"symptom"}:
        return None, Doubt(reference, "symptom", on)
    statement = Statement(
        resource=reference,
        on=on,
        kind=statement_kind,
        category=term.category,
        finding=term.finding,
        criteria=term.criteria,
        text=text,
        by=by,
        sites=_sites(raw, reader),
        focus=conditions_in_focus(raw, reader),
        is_new_lesion="new lesion" in text.lower(),
    )
    return statement, None


def read_report(raw: DiagnosticReport, reference: str, reader: Reader) -> Statement | None:
    """The coded conclusion of a report; its free text is never read for a label."""
    spoken = reader.period(raw.effectiveDateTime, raw.effectivePeriod, reference, "effective")
    if spoken is None or raw.status not in REPORT_COUNTS:
        return None
    for concept in several(raw.conclusionCode, CodeableConcept):
        term = response_term(concept, reader)
        if term is not None:
            return Statement(
                resource=reference,
                on=spoken[0],
                kind="imaging",
                category=term.category,
                finding=term.finding,
                criteria=term.criteria,
                text=next(iter(concept.texts()), term.category),
                by=frozenset({term.by or "imaging"}),
            )
    return None


def read_measurement(
    raw: Observation, reference: str, marker_id: str, reader: Reader
) -> Measurement | None:
    """One value of a marker; without a quantity where it cannot be converted."""
    on = effective(raw, reference, reader)
    if on is None:
        return None
    marker = reader.knowledge.terms.markers[marker_id]
    recorded = quantity_of(raw, reference, reader)
    if recorded is None:
        return None
    converted = recorded.to(marker.unit, marker.factors)
    if converted is None:
        reader.note(
            "warning",
            "unknown-unit",
            reference,
            f"a value of {marker.name} is in a unit that cannot be compared; not used",
        )
    return Measurement(
        resource=reference,
        on=on,
        marker=marker_id,
        quantity=converted,
        uln=_upper_limit(raw, reference, marker, reader) if raw.referenceRange else None,
        laboratory=_laboratory(raw, reader) if raw.performer else method_of(raw),
        code=_first_code(raw.code),
        focus=conditions_in_focus(raw, reader),
    )


def _first_code(concept: CodeableConcept | None) -> str:
    for coding in concept.coding if concept else ():
        if coding.code:
            return coding.code
    return ""


def _laboratory(raw: Observation, reader: Reader) -> str:
    """Who measured it, and how: the performing organisation, and the method where it is said."""
    place = ""
    for performer in several(raw.performer, Reference):
        if performer.reference:
            name = reader.local(performer.reference)
            if not name.startswith(PEOPLE):
                place = name
                break
    method = method_of(raw)
    return f"{place} {method}" if place and method else place or method


def method_of(raw: Observation) -> str:
    """How it was measured: the code of the method, else its words; empty where it is not said."""
    concept = optional(raw.method, CodeableConcept)
    if concept is None:
        return ""
    codes = [code for _, code in concept.codes()]
    return codes[0] if codes else next(iter(concept.texts()), "").strip().lower()


PEOPLE = ("Practitioner/", "PractitionerRole/", "Patient/", "RelatedPerson/", "CareTeam/")
"""Performers who are no laboratory: the same one has several of them."""


def note_pending(reference: str, reader: Reader) -> None:
    reader.note("information", "pending-result", reference, "not final yet; not used")


def _response(raw: Observation, reader: Reader) -> tuple[ResponseTerm | None, str]:
    """What the value says, and its words."""
    for concept in value_concepts(raw):
        term = response_term(concept, reader)
        if term is not None:
            return term, next(iter(concept.texts()), term.category)
    return None, ""


def response_term(concept: CodeableConcept, reader: Reader) -> ResponseTerm | None:
    """What a value says of the course; a word only as a response system of this chart means it."""
    terms = reader.knowledge.terms
    coded = [term for code in concept.codes() if (term := terms.responses.get(code)) is not None]
    if coded:  # a category says more than the judgement that it is translated to
        return min(coded, key=lambda term: term.criteria == "clinician")
    for text in concept.texts():
        candidates = terms.response_words.get(" ".join(text.lower().split()), ())
        if (term := _of_these_systems(candidates, reader.systems)) is not None:
            return term
    return None


def _of_these_systems(
    candidates: Sequence[ResponseTerm], systems: frozenset[str]
) -> ResponseTerm | None:
    """The reading of a word that fits the response systems of this chart's diseases."""
    fitting = [
        term
        for term in candidates
        if term.criteria in ANY_DISEASE or any(s.startswith(term.criteria) for s in systems)
    ]
    return fitting[0] if fitting else None


ANY_DISEASE = frozenset({"generic", "clinician", "recist-1.1", "irecist", "cdisc", "obds"})


def _evidence_types(raw: Observation, reader: Reader) -> frozenset[str]:
    known = reader.knowledge.value_sets["evidence-types"]
    said: set[str] = set()
    for extension in several(raw.extension, Extension):
        if (extension.url or "").endswith(EVIDENCE_TYPE) and extension.valueCodeableConcept:
            codes = extension.valueCodeableConcept.codes()
            said |= {known.get(code[1]) or _by_procedure(code, reader) for code in codes}
    return frozenset(said - {""})


def _by_procedure(code: Code, reader: Reader) -> str:
    """The kind of evidence that a named examination gives: a CT is imaging, a biopsy histology."""
    kind = reader.knowledge.terms.procedures.get(code) or ""
    if kind.startswith("imaging-"):
        return "imaging"
    return "histology" if kind in ("biopsy", "bone-marrow-examination") else ""


def _sites(raw: Observation, reader: Reader) -> tuple[str, ...]:
    """Body sites that the statement names, in lower case; R4 has one, exports have several.

    A tumour as its focus limits it too: to the place of that tumour.
    """
    named = []
    for concept in several(raw.bodySite, CodeableConcept):
        said = concept.texts() or [code for _, code in concept.codes()]
        named += [site.strip().lower() for site in said[:1]]
    tumours = (f for f in focus_of(raw, reader) if f.startswith(BODY_STRUCTURE))
    named += [reader.tumours.get(tumour, ("", ""))[1] or "one tumour" for tumour in tumours]
    return tuple(sorted(set(named)))


def _upper_limit(
    raw: Observation, reference: str, marker: Marker, reader: Reader
) -> Decimal | None:
    """The upper limit of normal that came with the result, in the marker's unit."""
    for limits in several(raw.referenceRange, Range):
        if limits.high is None:
            continue
        value = reader.number(limits.high, reference)
        unit = unit_of(limits.high) or (unit_of(raw.valueQuantity) if raw.valueQuantity else "")
        converted = None if value is None else Quantity(value, unit).to(marker.unit, marker.factors)
        if converted is not None:
            return converted.value
    return None
