"""Images, samples and clinical trials that stand in resources of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cds_service.clinical.record.diagnoses import condition_term
from cds_service.clinical.record.elements import (
    CodeableConcept,
    Coding,
    ImagingStudy,
    ImagingStudySeries,
    Reference,
    ResearchStudy,
    ResearchSubject,
    Specimen,
    SpecimenCollection,
    optional,
    several,
)
from cds_service.clinical.record.reader import Reader
from cds_service.clinical.record.record import Event, Request
from cds_service.clinical.record.regions import regions_of
from cds_service.clinical.record.sources import Source, read_source

ON_STUDY = frozenset(
    {"on-study", "on-study-intervention", "on-study-observation", "pending-on-study", "screening"}
)
"""ResearchSubject.status of a patient who takes part in a trial, or is being screened for one."""
MODALITIES = {
    "CT": "imaging-ct", "MR": "imaging-mri", "PT": "imaging-pet", "NM": "imaging-other",
    "US": "imaging-other", "CR": "imaging-other", "DX": "imaging-other", "MG": "imaging-other",
}  # fmt: skip
"""DICOM modality of an ImagingStudy → kind of event; the loudest of several is the first here."""
SAMPLES = {
    "119376003": "biopsy",
    "258415003": "biopsy",
    "119359002": "bone-marrow-examination",
}
"""SNOMED CT: tissue specimen, biopsy sample, bone marrow specimen."""


def read_studies(
    by_type: Mapping[str, Sequence[Source]], reader: Reader
) -> Iterator[Event | Request]:
    """Images and samples as what was done, taking part in a trial as a referral that is open."""
    for source in by_type.get("ImagingStudy", ()):
        yield from _images(source, reader)
    for source in by_type.get("Specimen", ()):
        yield from _sample(source, reader)
    studies = {s.reference: s for s in by_type.get("ResearchStudy", ())}
    for source in by_type.get("ResearchSubject", ()):
        yield from _trial(source, studies, reader)


def _images(source: Source, reader: Reader) -> Iterator[Event]:
    raw = read_source(source, ImagingStudy, reader)
    if raw is None or raw.status in ("cancelled", "entered-in-error", "registered"):
        return
    series = several(raw.series, ImagingStudySeries)
    codings = [*several(raw.modality, Coding), *(s.modality for s in series if s.modality)]
    used = {coding.code for coding in codings}
    kind = next((kind for modality, kind in MODALITIES.items() if modality in used), "")
    on = reader.day(raw.started, source.reference, "started")
    if not kind or on is None:
        return
    texts = [raw.description or ""]
    texts += [t for concept in several(raw.procedureCode, CodeableConcept) for t in concept.texts()]
    texts += [s.bodySite.display for s in series if s.bodySite and s.bodySite.display]
    regions = regions_of([*texts, "pet" if kind == "imaging-pet" else ""])
    yield Event(source.reference, kind, on, on, regions=regions)


def _sample(source: Source, reader: Reader) -> Iterator[Event]:
    """A tissue or marrow sample that can be looked at."""
    raw = read_source(source, Specimen, reader)
    if raw is None or raw.status in ("unsatisfactory", "entered-in-error"):
        return
    codes = [code for type_ in several(raw.type, CodeableConcept) for _, code in type_.codes()]
    kind = next((SAMPLES[code] for code in codes if code in SAMPLES), "")
    taken = next(iter(several(raw.collection, SpecimenCollection)), SpecimenCollection())
    spoken = reader.period(
        taken.collectedDateTime or raw.receivedTime, taken.collectedPeriod, source.reference,
        "collected",
    )  # fmt: skip
    if kind and spoken is not None:
        yield Event(source.reference, kind, *spoken)


def _trial(source: Source, studies: Mapping[str, Source], reader: Reader) -> Iterator[Request]:
    """Taking part in a trial; `diseases` are those it is about, where the chart has the study."""
    raw = read_source(source, ResearchSubject, reader)
    if raw is None or raw.status not in ON_STUDY:
        return
    study_of = optional(raw.study, Reference) or Reference()
    named = studies.get(reader.local(study_of.reference))
    study = read_source(named, ResearchStudy, reader) if named else None
    concepts = several(study.condition, CodeableConcept) if study else []
    terms = (condition_term(concept, reader) for concept in concepts)
    diseases = {name for t in terms if t for name in (t.disease, *t.alternatives) if name}
    yield Request(
        source.reference, "trial-referral", None, is_open=True, diseases=tuple(sorted(diseases))
    )
