"""FHIR resources of one patient → a `Record`: opening, belonging, and the families in turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from hashlib import sha256
from typing import Protocol, TypeVar, runtime_checkable

import msgspec

from cds_service.clinical.record import elements
from cds_service.clinical.record.conditions import (
    ReadCondition,
    gather_conditions,
    read_condition,
)
from cds_service.clinical.record.elements import decode
from cds_service.clinical.record.medications import USES, read_use
from cds_service.clinical.record.observations import (
    COUNTS,
    PENDING,
    note_pending,
    read_fact,
    read_measurement,
    read_report,
    read_statement,
    topic_of,
)
from cds_service.clinical.record.procedures import (
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
    Measurement,
    Patient,
    Record,
    Request,
    Statement,
)
from cds_service.errors import UnreadableInput
from cds_service.knowledge.model import Knowledge


@runtime_checkable
class RawResource(Protocol):
    """A resource as it travels: its JSON, and the URL that its Bundle gave it (or an empty one)."""

    @property
    def raw(self) -> bytes | msgspec.Raw: ...
    @property
    def full_url(self) -> str: ...


AnyResource = RawResource | Mapping[str, object] | bytes | str


@dataclass(frozen=True, slots=True)
class Source:
    """One resource of the chart: its raw JSON, head and reference."""

    raw: bytes | msgspec.Raw
    head: elements.Head
    reference: str
    full_url: str = ""


@dataclass(slots=True)
class _Gathered:
    """What has been read so far, family by family."""

    conditions: list[ReadCondition] = field(default_factory=list)
    other_conditions: set[str] = field(default_factory=set)
    exposures: list[Exposure] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)
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
    sources = _open(resources, reader)
    reader.aliases = _aliases(sources)
    own = patient or _whose(sources, reader)
    by_type: dict[str, list[Source]] = {}
    for source in sources:
        if _belongs(source, own, reader):
            by_type.setdefault(source.head.resourceType, []).append(source)
    person = _read_patient(by_type.get("Patient", ()), own, reader)
    gathered = _Gathered()
    _read_conditions(by_type.get("Condition", ()), gathered, reader)
    conditions = gather_conditions(gathered.conditions, reader)
    reader.systems = frozenset(
        system
        for cancer in conditions.cancers
        for system in knowledge.disease(cancer.disease).response_systems
    )
    _read_medications(by_type, gathered, reader)
    _read_observations(by_type.get("Observation", ()), gathered, reader)
    _read_events(by_type, gathered, reader)
    return Record(
        patient=person,
        as_of=as_of,
        cancers=tuple(_with_stage(cancer, gathered.facts) for cancer in conditions.cancers),
        other_conditions=frozenset(gathered.other_conditions),
        exposures=tuple(sorted(set(gathered.exposures), key=_exposure_order)),
        statements=_without_copies([*gathered.statements, *conditions.statements]),
        measurements=_by_day(gathered.measurements),
        events=_by_day(gathered.events),
        requests=_by_day(gathered.requests),
        facts=_by_day(gathered.facts),
        doubts=_by_day([*gathered.doubts, *conditions.doubts]),
        is_in_hospice=conditions.is_in_hospice or _is_in_hospice(gathered),
        issues=tuple(sorted(set(reader.issues))),
        used=tuple(sorted(gathered.used)),
    )


def _open(resources: Iterable[AnyResource], reader: Reader) -> list[Source]:
    """The head of each resource; what has none becomes an issue."""
    opened = []
    for position, resource in enumerate(resources):
        raw, full_url = _raw(resource)
        try:
            head = decode(raw, elements.Head)
        except msgspec.DecodeError as fault:
            reader.note("warning", "invalid-resource", _name(raw, position), _why(fault))
            continue
        if head.resourceType == "Bundle":
            raise UnreadableInput("a Bundle stands among the resources: pass its entries")
        reference = _reference(head, full_url, raw)
        opened.append(Source(raw, head, reference, full_url))
    return opened


def _raw(resource: AnyResource) -> tuple[bytes | msgspec.Raw, str]:
    if isinstance(resource, (bytes, msgspec.Raw)):
        return resource, ""
    if isinstance(resource, str):
        return resource.encode(), ""
    if isinstance(resource, Mapping):
        return msgspec.json.encode(resource), ""
    return resource.raw, resource.full_url


def _reference(head: elements.Head, full_url: str, raw: bytes | msgspec.Raw) -> str:
    """`Type/id`; for a resource without id the URN of its entry, else a digest of its content."""
    if head.id:
        return f"{head.resourceType}/{head.id}"
    if full_url:
        return full_url
    return f"{head.resourceType}/#{sha256(bytes(raw)).hexdigest()[:12]}"


def _name(raw: bytes | msgspec.Raw, position: int) -> str:
    """What can be said of a resource that cannot be read."""
    try:
        name = decode(raw, elements.Name)
    except msgspec.DecodeError:
        return f"entry {position}"
    return f"{name.resourceType or 'resource'}/{name.id or '?'}"


def _why(fault: msgspec.DecodeError) -> str:
    """The fault in words; msgspec names path and types, and quotes values of enumerations only."""
    if isinstance(fault, msgspec.ValidationError):
        return f"left out: {str(fault).replace('`', '')}"
    return "left out: not valid JSON"


def _aliases(sources: Sequence[Source]) -> dict[str, str]:
    """Full URLs and bare ids of Bundle entries → `Type/id`."""
    aliases = {}
    for source in sources:
        if source.full_url.startswith("urn:"):
            aliases[source.full_url] = source.reference
        if source.head.id and len(source.head.id) == len("00000000-0000-0000-0000-000000000000"):
            aliases[source.head.id] = source.reference
    return aliases


def _subject(source: Source) -> elements.Reference | None:
    return source.head.subject or source.head.patient


def _whose(sources: Sequence[Source], reader: Reader) -> str:
    patients = sorted(s.reference for s in sources if s.head.resourceType == "Patient")
    if len(patients) == 1:
        return patients[0]
    named = Counter(
        reader.local(subject.reference)
        for source in sources
        if (subject := _subject(source)) is not None and subject.reference
    )
    if not named:
        return patients[0] if patients else ""
    most = max(named.values())
    return min(reference for reference, count in named.items() if count == most)


def _belongs(source: Source, own: str, reader: Reader) -> bool:
    """Whether a resource is this patient's; a foreign one is reported, never used."""
    subject = _subject(source)
    whose = source.reference if source.head.resourceType == "Patient" else ""
    if subject is not None and subject.reference:
        whose = reader.local(subject.reference)
    if not whose or whose == own:
        return True
    reader.note(
        "warning", "other-patient", source.reference, "belongs to another patient; not used"
    )
    return False


T = TypeVar("T")
R = TypeVar("R")


def _read(source: Source, into: type[T], reader: Reader, used: set[str]) -> T | None:
    try:
        read = decode(source.raw, into)
    except msgspec.DecodeError as fault:
        reader.note("warning", "invalid-resource", source.reference, _why(fault))
        return None
    used.add(source.reference)
    return read


def _read_patient(sources: Sequence[Source], own: str, reader: Reader) -> Patient:
    for source in sources:
        raw = _read(source, elements.Patient, reader, set())
        if raw is None:
            continue
        reader.birth_date = reader.day(raw.birthDate, source.reference, "birthDate")
        died = reader.day(raw.deceasedDateTime, source.reference, "deceasedDateTime")
        return Patient(own, reader.birth_date, bool(raw.deceasedBoolean) or died is not None)
    return Patient(own)


def _read_conditions(sources: Sequence[Source], gathered: _Gathered, reader: Reader) -> None:
    for source in sources:
        raw = _read(source, elements.Condition, reader, gathered.used)
        if raw is None:
            continue
        condition = read_condition(raw, source.reference, reader)
        if condition is None:
            gathered.other_conditions.add(source.reference)
            gathered.used.discard(source.reference)
        else:
            gathered.conditions.append(condition)


def _read_medications(
    by_type: Mapping[str, Sequence[Source]], gathered: _Gathered, reader: Reader
) -> None:
    medications = {}
    for source in by_type.get("Medication", ()):
        medication = _read(source, elements.Medication, reader, set())
        if medication is not None:
            medications[source.reference] = medication
    for resource_type in USES:
        for source in by_type.get(resource_type, ()):
            raw = _read(source, elements.MedicationUse, reader, gathered.used)
            if raw is None:
                continue
            use = read_use(raw, resource_type, source.reference, medications, reader)
            gathered.exposures += use.exposures
            gathered.doubts += use.doubts
            if not (use.exposures or use.doubts):
                gathered.used.discard(source.reference)


def _read_observations(sources: Sequence[Source], gathered: _Gathered, reader: Reader) -> None:
    amended: dict[bytes, tuple[str, elements.Observation]] = {}
    relevant = []
    for source in sources:
        topic = topic_of(source.head.code, reader)
        if source.head.code is None or (topic and not source.head.status):
            missing = "code" if source.head.code is None else "status"
            reader.note(
                "warning", "invalid-resource", source.reference, f"left out: has no {missing}"
            )
            continue
        if topic is None:
            continue
        if source.head.status not in COUNTS:
            if source.head.status in PENDING:
                note_pending(source.reference, reader)
            continue
        raw = _read(source, elements.Observation, reader, gathered.used)
        if raw is None:
            continue
        relevant.append((source.reference, topic, raw))
        _note_amendment(source.reference, raw, amended)
    replaced = _replaced(relevant, amended)
    for reference, (family, name), raw in relevant:
        if reference not in replaced:
            _read_observation(raw, reference, family, name, gathered, reader)


def _read_observation(
    raw: elements.Observation,
    reference: str,
    family: str,
    name: str,
    gathered: _Gathered,
    reader: Reader,
) -> None:
    if family == "marker":
        measurement = read_measurement(raw, reference, name, reader)
        if measurement is not None:
            gathered.measurements.append(measurement)
        return
    if family == "fact":
        fact = read_fact(raw, reference, name, reader)
        if fact is not None:
            gathered.facts.append(fact)
        return
    if name == "performance-status":
        fact = read_fact(raw, reference, "ecog", reader)
        if fact is not None:
            gathered.facts.append(fact)
        return
    statement, doubt = read_statement(raw, reference, name, reader)
    if statement is not None:
        gathered.statements.append(statement)
    if doubt is not None:
        gathered.doubts.append(doubt)


def _note_amendment(
    reference: str,
    raw: elements.Observation,
    amended: dict[bytes, tuple[str, elements.Observation]],
) -> None:
    identifier = bytes(raw.identifier)
    if raw.status in ("amended", "corrected") and identifier:
        held = amended.get(identifier)
        if held is None or (raw.issued or "", reference) > (held[1].issued or "", held[0]):
            amended[identifier] = (reference, raw)


def _replaced(
    relevant: Sequence[tuple[str, tuple[str, str], elements.Observation]],
    amended: Mapping[bytes, tuple[str, elements.Observation]],
) -> set[str]:
    """References of results that a corrected result with the same identifier stands for."""
    return {
        reference
        for reference, _, raw in relevant
        if (newest := amended.get(bytes(raw.identifier))) is not None and newest[0] != reference
    }


def _read_events(
    by_type: Mapping[str, Sequence[Source]], gathered: _Gathered, reader: Reader
) -> None:
    for source in by_type.get("Procedure", ()):
        procedure = _read(source, elements.Procedure, reader, gathered.used)
        done = procedure and read_procedure(procedure, source.reference, reader)
        if isinstance(done, Event):
            gathered.events.append(done)
        elif isinstance(done, Request):
            gathered.requests.append(done)
    for source in by_type.get("ServiceRequest", ()):
        order = _read(source, elements.ServiceRequest, reader, gathered.used)
        request = order and read_request(order, source.reference, reader)
        if request:
            gathered.requests.append(request)
    for source in by_type.get("DiagnosticReport", ()):
        _read_report(source, gathered, reader)
    for source in by_type.get("ResearchSubject", ()):
        subject = _read(source, elements.ResearchSubject, reader, gathered.used)
        if subject is not None and subject.status in ("on-study", "on-study-intervention"):
            enrolled = Request(source.reference, "trial-referral", None, is_open=True)
            gathered.requests.append(enrolled)


def _read_report(source: Source, gathered: _Gathered, reader: Reader) -> None:
    report = _read(source, elements.DiagnosticReport, reader, gathered.used)
    if report is None:
        return
    statement = read_report(report, source.reference, reader)
    event = read_report_event(report, source.reference, reader)
    if statement is not None:
        gathered.statements.append(statement)
    if event is not None:
        gathered.events.append(event)


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
    if cancer.metastatic_since is not None:
        days.append(cancer.metastatic_since)
    return replace(cancer, metastatic_since=min(days, default=None))


def _is_in_hospice(gathered: _Gathered) -> bool:
    if any(fact.name == "hospice" and fact.value in ("yes", "true") for fact in gathered.facts):
        return True
    return any(event.kind == "hospice" for event in gathered.events) or any(
        request.kind == "hospice" and (request.is_open or request.is_completed)
        for request in gathered.requests
    )


D = TypeVar("D", Statement, Measurement, Event, Request, Fact, Doubt)


def _by_day(found: Iterable[D]) -> tuple[D, ...]:
    """Unique, in order of date and reference; what has no date comes first."""
    return tuple(sorted(set(found), key=_day_order))


def _without_copies(statements: Iterable[Statement]) -> tuple[Statement, ...]:
    """Statements in order, one of each: what was recorded twice was found once."""
    kept: dict[Statement, Statement] = {}
    for statement in _by_day(statements):
        kept.setdefault(replace(statement, resource=""), statement)
    return tuple(kept.values())


def _day_order(
    item: Statement | Measurement | Event | Request | Fact | Doubt,
) -> tuple[object, ...]:
    first = item.on.first if item.on else date.min
    last = item.on.last if item.on else date.min
    return first, last, item.resource, repr(item)


def _exposure_order(exposure: Exposure) -> tuple[object, ...]:
    return exposure.start, exposure.drug, exposure.resource, repr(exposure)
