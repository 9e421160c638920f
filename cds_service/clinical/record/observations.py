"""Observations and reports → statements of response, marker values, facts about the tumour."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from cds_service.clinical.record.elements import (
    CodeableConcept,
    Component,
    DiagnosticReport,
    Extension,
    Observation,
    Range,
    Reference,
    several,
)
from cds_service.clinical.record.elements import Quantity as FhirQuantity
from cds_service.clinical.record.reader import Reader, is_plausible
from cds_service.clinical.record.record import Doubt, Fact, Measurement, Statement, StatementKind
from cds_service.dates import PartialDate
from cds_service.knowledge.terms import SAME_SYSTEM, UCUM, Marker, ResponseTerm
from cds_service.quantities import Quantity

COUNTS = frozenset({"final", "amended", "corrected"})
PENDING = frozenset({"preliminary", "registered"})
EVIDENCE_TYPE = "mcode-cancer-disease-status-evidence-type"
STATUS_KINDS: dict[str, StatementKind] = {
    "disease-status": "disease-status",
    "response-category": "response-category",
}


Topic = tuple[str, str]
"""Family (marker, status, fact) and name of what an observation is about."""


def topic_of(code: CodeableConcept | None, reader: Reader) -> Topic | None:
    """What an observation is about, or None: most of a chart is about nothing that is read."""
    topic = _any_topic(code, reader)
    if topic is not None and topic[0] == "marker" and topic[1] not in reader.markers:
        return None
    return topic


def _any_topic(code: CodeableConcept | None, reader: Reader) -> Topic | None:
    if code is None:
        return None
    terms = reader.knowledge.terms
    for coding in code.coding:
        if coding.code is None:
            continue
        system = coding.system or ""
        key = (SAME_SYSTEM.get(system, system), coding.code)
        if (marker := terms.marker_codes.get(key)) is not None:
            return "marker", marker
        if (kind := terms.observation_kinds.get(key)) is not None:
            return "status", kind
        if (fact := terms.facts.get(key)) is not None:
            return "fact", fact
    for text in code.texts():
        if (marker := terms.marker_names.get(text.strip().lower())) is not None:
            return "marker", marker
    return None


def read_statement(
    raw: Observation, reference: str, kind: str, reader: Reader
) -> tuple[Statement | None, Doubt | None]:
    """A disease status or response category; or, where only a symptom is meant, a doubt."""
    statement_kind = STATUS_KINDS.get(kind)
    on = _effective(raw, reference, reader)
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
        sites=_sites(raw),
        focus=tuple(reader.local(focus.reference) for focus in raw.focus),
        is_new_lesion="new lesion" in text.lower(),
    )
    return statement, None


def read_report(raw: DiagnosticReport, reference: str, reader: Reader) -> Statement | None:
    """The coded conclusion of a report; its free text is never read for a label."""
    spoken = reader.period(raw.effectiveDateTime, raw.effectivePeriod, reference, "effective")
    if spoken is None or raw.status not in COUNTS:
        return None
    for concept in several(raw.conclusionCode, CodeableConcept):
        term = _look_up(concept, reader)
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
    on = _effective(raw, reference, reader)
    if on is None:
        return None
    marker = reader.knowledge.terms.markers[marker_id]
    recorded = _quantity(raw, reference, reader)
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
        as_recorded=str(recorded),
        uln=_upper_limit(raw, reference, marker, reader),
        laboratory=next(
            (reader.local(p.reference) for p in several(raw.performer, Reference) if p.reference),
            "",
        ),
        code=next((coding.code for coding in raw.code.coding if coding.code), "")
        if raw.code
        else "",
        focus=tuple(reader.local(focus.reference) for focus in raw.focus),
    )


GENE_STUDIED = "48018-6"
"""LOINC: the gene that a genomic variant was found in."""
GENE = re.compile(r"\b[A-Z][A-Z0-9]{1,6}\b")


def gene_of(raw: Observation) -> str:
    """The gene of a genomic variant, in lower case: its component, else the first of its words."""
    for component in several(raw.component, Component):
        codes = component.code.codes() if component.code else []
        if any(code == GENE_STUDIED for _, code in codes) and component.valueCodeableConcept:
            return next(iter(component.valueCodeableConcept.texts()), "").strip().lower()
    said = [gene for text in (raw.code.texts() if raw.code else []) for gene in GENE.findall(text)]
    return said[-1].lower() if said else ""


def read_fact(raw: Observation, reference: str, name: str, reader: Reader) -> Fact | None:
    """A receptor, a mutation, a stage, a performance status: its value in our words."""
    terms = reader.knowledge.terms
    if name == "variant":
        name = f"variant-{gene_of(raw)}"
    value = ""
    for concept in _value_concepts(raw):
        value = next(
            (found for code in concept.codes() if (found := terms.fact_values.get(code))), ""
        )
        value = value or next(
            (
                found
                for text in concept.texts()
                if (found := terms.fact_words.get(text.strip().lower()))
            ),
            "",
        )
        if value:
            break
    if not value and raw.valueInteger is not None:
        value = str(raw.valueInteger)
    if not value and raw.valueQuantity is not None:
        number = reader.number(raw.valueQuantity, reference)
        value = "" if number is None else f"{number.normalize():f}"
    if not value and raw.valueBoolean is not None:
        value = "yes" if raw.valueBoolean else "no"
    if not value:
        return None
    return Fact(
        resource=reference,
        name=name,
        value=value,
        on=_effective(raw, reference, reader),
        focus=tuple(reader.local(focus.reference) for focus in raw.focus),
    )


def read_performance(raw: Observation, reference: str, reader: Reader) -> Fact | None:
    """The ECOG performance status; a value that is no grade of it becomes an issue."""
    fact = read_fact(raw, reference, "ecog", reader)
    if fact is None and (raw.valueCodeableConcept is not None or raw.valueString):
        reader.note(
            "warning",
            "unknown-value",
            reference,
            "the value of this performance status is not known; left out",
        )
    return fact


def note_pending(reference: str, reader: Reader) -> None:
    reader.note("information", "pending-result", reference, "not final yet; not used")


def _effective(raw: Observation, reference: str, reader: Reader) -> PartialDate | None:
    spoken = reader.period(
        raw.effectiveDateTime or raw.effectiveInstant, raw.effectivePeriod, reference, "effective"
    )
    if spoken is not None:
        return spoken[0]
    if raw.effectiveDateTime or raw.effectivePeriod or raw.effectiveInstant:
        return None
    if raw.issued is None:
        reader.note("warning", "missing-date", reference, "has no date; left out")
        return None
    reader.note("information", "issued-date", reference, "dated by when it was issued")
    return reader.day(raw.issued, reference, "issued")


def _response(raw: Observation, reader: Reader) -> tuple[ResponseTerm | None, str]:
    """What the value says, and its words."""
    for concept in _value_concepts(raw):
        term = _look_up(concept, reader)
        if term is not None:
            return term, next(iter(concept.texts()), term.category)
    return None, ""


def _value_concepts(raw: Observation) -> list[CodeableConcept]:
    concepts = [] if raw.valueCodeableConcept is None else [raw.valueCodeableConcept]
    if raw.valueString:
        concepts.append(CodeableConcept(text=raw.valueString))
    for component in several(raw.component, Component):
        if component.valueCodeableConcept is not None:
            concepts.append(component.valueCodeableConcept)
    return concepts


def _look_up(concept: CodeableConcept, reader: Reader) -> ResponseTerm | None:
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
    said = set()
    for extension in several(raw.extension, Extension):
        if (extension.url or "").endswith(EVIDENCE_TYPE) and extension.valueCodeableConcept:
            said |= {
                known[code] for _, code in extension.valueCodeableConcept.codes() if code in known
            }
    return frozenset(said)


def _sites(raw: Observation) -> tuple[str, ...]:
    """Body sites that the statement names, in lower case; R4 has one, exports have several."""
    named = []
    for concept in several(raw.bodySite, CodeableConcept):
        said = concept.texts() or [code for _, code in concept.codes()]
        named += [site.strip().lower() for site in said[:1]]
    return tuple(sorted(set(named)))


def _quantity(raw: Observation, reference: str, reader: Reader) -> Quantity | None:
    quantity = raw.valueQuantity
    if quantity is not None:
        value = reader.number(quantity, reference)
        return (
            None if value is None else Quantity(value, _unit(quantity), quantity.comparator or "")
        )
    if raw.valueString:
        return _written_quantity(raw.valueString)
    return None


def _unit(quantity: FhirQuantity) -> str:
    """The UCUM code where there is one, else the unit as written."""
    if quantity.code and quantity.system in (UCUM, None):
        return quantity.code.strip()
    return (quantity.unit or "").strip()


def _written_quantity(text: str) -> Quantity | None:
    """ "< 0.1 ng/mL" as a quantity; None unless the whole text is a number and a unit."""
    rest = text.strip()
    comparator = next((c for c in ("<=", ">=", "<", ">") if rest.startswith(c)), "")
    number, _, unit = rest.removeprefix(comparator).strip().partition(" ")
    try:
        value = Decimal(number)
    except ArithmeticError:
        return None
    return Quantity(value, unit.strip(), comparator) if is_plausible(value) else None


def _upper_limit(
    raw: Observation, reference: str, marker: Marker, reader: Reader
) -> Decimal | None:
    """The upper limit of normal that came with the result, in the marker's unit."""
    for limits in several(raw.referenceRange, Range):
        if limits.high is None:
            continue
        value = reader.number(limits.high, reference)
        unit = _unit(limits.high) or (_unit(raw.valueQuantity) if raw.valueQuantity else "")
        converted = None if value is None else Quantity(value, unit).to(marker.unit, marker.factors)
        if converted is not None:
            return converted.value
    return None
