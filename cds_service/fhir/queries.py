"""What the service needs of a chart: one table, for discovery's prefetch and for fetching alike."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from cds_service.clinical.record.studies import SAMPLES
from cds_service.errors import FhirError, FhirNotFhir, FhirUnavailable
from cds_service.fhir.bundles import Problem, RawResource
from cds_service.fhir.client import FhirClient
from cds_service.fhir.paging import SearchResult
from cds_service.fhir.references import is_of_patient

PATIENT_TOKEN = "{{context.patientId}}"  # noqa: S105 - a prefetch token, not a secret
PAGE_SIZE = "500"
"""Asked of each search: a server that pages by 20 would make every prefetch a first page."""


@dataclass(frozen=True, slots=True)
class Query:
    """One key of the prefetch: all resources of a type that a patient has, or the Patient.

    Only what servers widely support: the patient, a token by equality and a page size, no
    parameter twice, no `_include`. Where it is not `required`, the assessment does without and
    says so.
    """

    key: str
    resource_type: str
    required: bool = False
    tokens: tuple[tuple[str, str], ...] = ()

    @property
    def is_read(self) -> bool:
        return self.resource_type == "Patient"

    @property
    def template(self) -> str:
        """The prefetch template of CDS Hooks."""
        if self.is_read:
            return f"{self.resource_type}/{PATIENT_TOKEN}"
        params = "&".join(f"{name}={value}" for name, value in self.params(PATIENT_TOKEN))
        return f"{self.resource_type}?{params}"

    def params(self, patient_id: str) -> tuple[tuple[str, str], ...]:
        """The parameters of the search for one patient."""
        return (("patient", patient_id), *self.tokens, ("_count", PAGE_SIZE))


QUERIES = (
    Query("patient", "Patient", required=True),
    Query("conditions", "Condition", required=True),
    Query("medicationRequests", "MedicationRequest", required=True),
    # Not by category or code: disease status is recorded under any category or none, and a
    # site's own codes are in no list (docs/decisions/0021-what-is-asked-of-a-fhir-server.md)
    Query("observations", "Observation", required=True),
    Query("medicationAdministrations", "MedicationAdministration"),
    Query("procedures", "Procedure"),
    Query("serviceRequests", "ServiceRequest"),
    Query("diagnosticReports", "DiagnosticReport"),
    Query("medicationDispenses", "MedicationDispense"),
    Query("medicationStatements", "MedicationStatement"),
    Query("imagingStudies", "ImagingStudy"),
    Query("allergyIntolerances", "AllergyIntolerance"),
    Query("researchSubjects", "ResearchSubject"),
    # all other specimens are tubes of blood, many a day; the record reads these alone
    Query("specimens", "Specimen", tokens=(("type", ",".join(sorted(SAMPLES))),)),
)
KEYS = tuple(query.key for query in QUERIES)


def prefetch_templates() -> dict[str, str]:
    """The `prefetch` of discovery."""
    return {query.key: query.template for query in QUERIES}


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was read for each key, or why it could not be: a key stands in one of the two.

    `problems` are entries of the answers that were broken and left out.
    """

    resources: Mapping[str, tuple[RawResource, ...]]
    errors: Mapping[str, FhirError]
    problems: tuple[Problem, ...] = ()

    @property
    def failure(self) -> FhirError | None:
        """Why the chart cannot be assessed: the first required key that is missing."""
        return next(
            (self.errors[q.key] for q in QUERIES if q.required and q.key in self.errors), None
        )


async def fetch_missing(
    client: FhirClient,
    patient_id: str,
    keys: Collection[str],
    deadline: float | None = None,
    optional_deadline: float | None = None,
    refused: Mapping[str, FhirError] = MappingProxyType({}),
) -> Fetched:
    """Read these keys side by side; no failure of one costs another.

    Deadlines are times of the event loop's clock; optional keys may have one of their own. A
    search that could be read in part only counts as an error, since half of a record is not a
    record; so does one that found nothing but other patients' resources. Types that are `refused`
    from the start are not asked for.
    """
    wanted = [query for query in QUERIES if query.key in keys]
    of_optional = deadline if optional_deadline is None else optional_deadline
    answers = await asyncio.gather(
        *(
            _fetch(client, query, patient_id, deadline if query.required else of_optional)
            for query in wanted
            if query.resource_type not in refused
        )
    )
    read = iter(answers)
    return _fetched((q.key, refused.get(q.resource_type) or next(read)) for q in wanted)


async def _fetch(
    client: FhirClient, query: Query, patient_id: str, deadline: float | None
) -> SearchResult | FhirError:
    if not query.is_read:
        found = await search_whole(client, query.resource_type, query.params(patient_id), deadline)
        return _of_this_patient(found, query, patient_id)
    try:
        resource = await client.read(query.resource_type, patient_id, deadline=deadline)
    except FhirError as error:
        return error
    return SearchResult((resource,), pages=1, complete=True)


def _of_this_patient(
    found: SearchResult | FhirError, query: Query, patient_id: str
) -> SearchResult | FhirError:
    if isinstance(found, FhirError) or not found.resources:
        return found
    if any(is_of_patient(resource, patient_id, {}) for resource in found.resources):
        return found
    return FhirNotFhir(query.resource_type, "it is of other patients only")


async def search_whole(
    client: FhirClient,
    resource_type: str,
    params: Iterable[tuple[str, str]],
    deadline: float | None,
) -> SearchResult | FhirError:
    """All that a search finds, or the error that stands for it; a part of it is an error."""
    try:
        found = await client.search(resource_type, params, deadline=deadline)
    except FhirError as error:
        return error
    if not found.complete:
        return FhirUnavailable(resource_type, "only a part of it could be read")
    return found


def _fetched(answers: Iterable[tuple[str, SearchResult | FhirError]]) -> Fetched:
    resources: dict[str, tuple[RawResource, ...]] = {}
    errors: dict[str, FhirError] = {}
    problems: list[Problem] = []
    for key, answer in answers:
        if isinstance(answer, FhirError):
            errors[key] = answer
        else:
            resources[key] = answer.resources
            problems += [replace(p, where=f"{key} {p.where}") for p in answer.problems]
    return Fetched(resources, errors, tuple(problems))
