"""FHIR resources of one patient → a `Record`: opening, belonging, and the families in turn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar

import msgspec

from cds_service.clinical.record import elements
from cds_service.clinical.record.cautions import read_cautions
from cds_service.clinical.record.conditions import (
    ReadCondition,
    gather_conditions,
    read_condition,
)
from cds_service.clinical.record.facts import read_facts, read_performance
from cds_service.clinical.record.lesions import read_lesion, read_tumour
from cds_service.clinical.record.medications import USES, read_use
from cds_service.clinical.record.observations import (
    COUNTS,
    PENDING,
    note_pending,
    read_measurement,
    read_report,
    read_statement,
)
from cds_service.clinical.record.procedures import (
    read_encounter,
    read_procedure,
    read_report_event,
    read_request,
)
from cds_service.clinical.record.reader import Reader
from cds_service.clinical.record.record import (
    Cancer,
    Doubt,
    Event,
    Exposure,
    Fact,
    Lesion,
    Measurement,
    Patient,
    Record,
    Request,
    Statement,
    Withheld,
)
from cds_service.clinical.record.sources import (
    AnyResource,
    RawResource,
    Source,
    aliases_of,
    in_order,
    latest_versions,
    open_sources,
    own_of,
    read_source,
    whose,
)
from cds_service.clinical.record.studies import read_studies
from cds_service.clinical.record.superseded import ReadObservation, superseded
from cds_service.dates import PartialDate
from cds_service.knowledge.model import Knowledge

__all__ = ["AnyResource", "RawResource", "read_record"]


@dataclass(slots=True)
class _Gathered:
    """What has been read so far, family by family."""

    conditions: list[ReadCondition] = field(default_factory=list)
    other_conditions: set[str] = field(default_factory=set)
    exposures: list[Exposure] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)
    lesions: list[Lesion] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)
    withheld: list[Withheld] = field(default_factory=list)
    used: set[str] = field(default_factory=set)


def read_record(
    resources: Iterable[AnyResource],
    as_of: date,
    knowledge: Knowledge,
    patient: str | None = None,
) -> Record:
    """The chart of one patient up to `as_of`, in words of oncology.

    `patient` is a reference ("Patient/p1"); without it, the Patient resource or, failing that, the
    most frequent subject tells whose chart it is. A resource that cannot be read, or is another
    patient's, becomes an issue and costs nothing else. The order of the resources never matters.
    """
    reader = Reader(knowledge, as_of)
    sources = open_sources(resources, reader)
    reader.aliases = aliases_of(sources)
    own = patient or whose(sources, reader)
    sources = latest_versions(own_of(sources, own, reader), reader)
    by_type = _by_type(sources)
    gathered = _Gathered()
    person = _read_patient(by_type.get("Patient", ()), own, gathered, reader)
    diagnoses = _read_conditions(by_type.get("Condition", ()), gathered, reader)
    conditions = gather_conditions(gathered.conditions, reader)
    diseases = [knowledge.disease(cancer.disease) for cancer in conditions.cancers]
    reader.systems = frozenset(
        system for disease in diseases for system in disease.response_systems
    )
    reader.markers = frozenset(marker for disease in diseases for marker in disease.markers)
    _read_medications(by_type, gathered, reader)
    reader.tumours = _read_tumours(by_type.get("BodyStructure", ()), gathered, reader)
    _read_observations(by_type.get("Observation", ()), gathered, reader)
    _read_events(by_type, gathered, reader)
    cautions = read_cautions(diagnoses, by_type, reader)
    gathered.used.update(caution.resource for caution in cautions)
    return Record(
        patient=person,
        as_of=as_of,
        cancers=tuple(_with_stage(cancer, gathered.facts) for cancer in conditions.cancers),
        other_conditions=frozenset(gathered.other_conditions),
        exposures=_exposures_in_order(gathered.exposures),
        statements=_without_copies([*gathered.statements, *conditions.statements]),
        measurements=_by_day(gathered.measurements),
        lesions=_by_day(gathered.lesions),
        events=_by_day(gathered.events),
        requests=_by_day(gathered.requests),
        facts=_by_day(gathered.facts),
        doubts=_by_day([*gathered.doubts, *conditions.doubts]),
        withheld=_by_day(gathered.withheld),
        is_in_hospice=conditions.is_in_hospice or _is_in_hospice(gathered),
        cautions=cautions,
        issues=tuple(sorted(set(reader.issues))),
        sources=tuple((s.reference, s.given) for s in sources if s.reference in gathered.used),
    )


def _by_type(sources: Iterable[Source]) -> dict[str, list[Source]]:
    by_type: dict[str, list[Source]] = {}
    for source in sources:
        if not source.code.is_silent:
            by_type.setdefault(source.head.resourceType, []).append(source)
    # most of a chart is Observations, few of which are read: those alone are put in order
    return {t: found if t == "Observation" else in_order(found) for t, found in by_type.items()}


def _counting(sources: Iterable[Source], reader: Reader) -> list[Source]:
    """The Observations about something that is read, and final."""
    found = []
    for source in sources:
        code = source.code
        topic = code.topic
        if topic is None and not code.is_missing:
            continue
        if topic is not None and topic[0] == "marker" and topic[1] not in reader.markers:
            continue
        status = source.head.status
        if topic is None or not status:
            detail = f"left out: has no {'code' if code.is_missing else 'status'}"
            reader.note("warning", "invalid-resource", source.reference, detail)
        elif status in COUNTS:
            found.append(source)
        elif status in PENDING:
            note_pending(source.reference, reader)
    return found


def _read_patient(
    sources: Sequence[Source], own: str, gathered: _Gathered, reader: Reader
) -> Patient:
    for source in sources:
        raw = read_source(source, elements.Patient, reader)
        if raw is None:
            continue
        gathered.used.add(source.reference)
        reader.birth_date = reader.day(raw.birthDate, source.reference, "birthDate")
        died = reader.day(raw.deceasedDateTime, source.reference, "deceasedDateTime")
        is_deceased = bool(raw.deceasedBoolean) or died is not None
        return Patient(own, reader.birth_date, is_deceased, died)
    return Patient(own)


def _read_conditions(
    sources: Sequence[Source], gathered: _Gathered, reader: Reader
) -> list[tuple[str, elements.Condition]]:
    """Reads the Conditions; hands them back with their references, for what else they say."""
    read = []
    for source in sources:
        raw = read_source(source, elements.Condition, reader)
        if raw is None:
            continue
        read.append((source.reference, raw))
        condition = read_condition(raw, source.reference, reader)
        if condition is None:
            gathered.other_conditions.add(source.reference)
        else:
            gathered.conditions.append(condition)
            gathered.used.add(source.reference)
    return read


def _read_medications(
    by_type: Mapping[str, Sequence[Source]], gathered: _Gathered, reader: Reader
) -> None:
    medications = {}
    for source in by_type.get("Medication", ()):
        medication = read_source(source, elements.Medication, reader)
        if medication is not None:
            medications[source.reference] = medication
    for resource_type in USES:
        for source in by_type.get(resource_type, ()):
            raw = read_source(source, elements.MedicationUse, reader)
            if raw is None:
                continue
            use = read_use(raw, resource_type, source.reference, medications, reader)
            gathered.exposures += use.exposures
            gathered.doubts += use.doubts
            gathered.withheld += use.withheld
            if use.exposures or use.doubts or use.withheld:
                gathered.used.add(source.reference)
                if medications:
                    gathered.used |= medications.keys() & {_named_by(raw, reader)}


def _named_by(use: elements.MedicationUse, reader: Reader) -> str:
    """The Medication that says which drug it is, where that stands in a resource of its own."""
    return reader.local(use.medicationReference.reference) if use.medicationReference else ""


def _read_tumours(
    sources: Sequence[Source], gathered: _Gathered, reader: Reader
) -> dict[str, tuple[str, str]]:
    tumours = {}
    for source in sources:
        raw = read_source(source, elements.BodyStructure, reader)
        if raw is not None:
            tumours[source.reference] = read_tumour(raw, reader)
            gathered.used.add(source.reference)
    return tumours


def _read_observations(sources: Sequence[Source], gathered: _Gathered, reader: Reader) -> None:
    relevant = []
    for source in in_order(_counting(sources, reader)):
        topic = source.code.topic
        raw = read_source(source, elements.Observation, reader)
        if raw is None or topic is None:
            continue
        gathered.used.add(source.reference)
        relevant.append(ReadObservation(source.reference, topic, raw))
    replaced = superseded(relevant)
    for position, found in enumerate(relevant):
        if position not in replaced:
            _read_observation(found, gathered, reader)


def _read_observation(found: ReadObservation, gathered: _Gathered, reader: Reader) -> None:
    raw, reference, (family, name) = found.raw, found.reference, found.topic
    if family == "marker":
        measurement = read_measurement(raw, reference, name, reader)
        gathered.measurements += [] if measurement is None else [measurement]
    elif family == "fact":
        gathered.facts += read_facts(raw, reference, name, reader)
    elif name == "performance-status":
        gathered.facts += read_performance(raw, reference, reader)
    elif name == "tumour-size":
        lesion = read_lesion(raw, reference, reader)
        gathered.lesions += [] if lesion is None else [lesion]
    else:
        statement, doubt = read_statement(raw, reference, name, reader)
        gathered.statements += [] if statement is None else [statement]
        gathered.doubts += [] if doubt is None else [doubt]


def _read_events(
    by_type: Mapping[str, Sequence[Source]], gathered: _Gathered, reader: Reader
) -> None:
    for source in by_type.get("Procedure", ()):
        procedure = read_source(source, elements.Procedure, reader)
        done = procedure and read_procedure(procedure, source.reference, reader)
        if isinstance(done, Event):
            gathered.events.append(done)
        elif isinstance(done, Request):
            gathered.requests.append(done)
        if done:
            gathered.used.add(source.reference)
    for source in by_type.get("ServiceRequest", ()):
        order = read_source(source, elements.ServiceRequest, reader)
        request = order and read_request(order, source.reference, reader)
        if request:
            gathered.requests.append(request)
            gathered.used.add(source.reference)
    _read_encounters(by_type.get("Encounter", ()), gathered, reader)
    for source in by_type.get("DiagnosticReport", ()):
        _read_report(source, gathered, reader)
    for found in read_studies(by_type, reader):
        if isinstance(found, Event):
            gathered.events.append(found)
        else:
            gathered.requests.append(found)
        gathered.used.add(found.resource)


def _read_encounters(sources: Sequence[Source], gathered: _Gathered, reader: Reader) -> None:
    words = reader.knowledge.terms.procedure_words
    phrases = [phrase for phrase, kind in words.items() if kind == "hospice"] if sources else []
    for source in sources:
        encounter = read_source(source, elements.Encounter, reader)
        hospice = encounter and read_encounter(encounter, source.reference, phrases, reader)
        if hospice:
            gathered.events.append(hospice)
            gathered.used.add(source.reference)


def _read_report(source: Source, gathered: _Gathered, reader: Reader) -> None:
    report = read_source(source, elements.DiagnosticReport, reader)
    if report is None:
        return
    statement = read_report(report, source.reference, reader)
    event = read_report_event(report, source.reference, reader)
    if statement is not None:
        gathered.statements.append(statement)
    if event is not None:
        gathered.events.append(event)
    if statement or event:
        gathered.used.add(source.reference)


def _with_stage(cancer: Cancer, facts: Sequence[Fact]) -> Cancer:
    """The cancer with what observations say of its stage."""
    days = [
        fact.on
        for fact in facts
        if fact.name == "stage-group"
        and fact.value == "stage-iv"
        and fact.on is not None
        and (not fact.focus or set(fact.focus) & set(cancer.conditions))
    ]
    if not days:
        return cancer
    if cancer.metastatic_since is not None:
        days.append(cancer.metastatic_since)
    return msgspec.structs.replace(cancer, metastatic_since=min(days))


def _is_in_hospice(gathered: _Gathered) -> bool:
    if any(fact.name == "hospice" and fact.value in ("yes", "true") for fact in gathered.facts):
        return True
    return any(event.kind == "hospice" for event in gathered.events) or any(
        request.kind == "hospice" and (request.is_open or request.is_completed)
        for request in gathered.requests
    )


D = TypeVar("D", Statement, Measurement, Lesion, Event, Request, Fact, Doubt, Withheld)


def _by_day(found: Sequence[D]) -> tuple[D, ...]:
    """Unique, in order of date and reference; what has no date comes first."""
    if not found:
        return ()
    if len({item.resource for item in found}) == len(found):
        return tuple(sorted(found, key=_day_order))
    return tuple(sorted(sorted(set(found), key=repr), key=_day_order))


def _without_copies(statements: Sequence[Statement]) -> tuple[Statement, ...]:
    """Statements in order, one of each: what was recorded twice was found once."""
    kept: dict[Statement, Statement] = {}
    for statement in _by_day(statements):
        kept.setdefault(msgspec.structs.replace(statement, resource=""), statement)
    return tuple(kept.values())


UNDATED = PartialDate.on(date.min)


def _day_order(
    item: Statement | Measurement | Lesion | Event | Request | Fact | Doubt | Withheld,
) -> tuple[date, date, str]:
    on = item.on or UNDATED
    return on.first, on.last, item.resource


def _exposures_in_order(found: Sequence[Exposure]) -> tuple[Exposure, ...]:
    """Unique, in order of their first day, drug and reference."""
    if len({(exposure.resource, exposure.drug) for exposure in found}) < len(found):
        found = sorted(set(found), key=repr)
    return tuple(sorted(found, key=_exposure_order))


def _exposure_order(exposure: Exposure) -> tuple[date, date, str, str]:
    start = exposure.start
    return start.first, start.last, exposure.drug, exposure.resource
