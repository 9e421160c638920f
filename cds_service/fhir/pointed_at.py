"""Resources that no prefetch can ask for, since others point at them, read in few searches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from cds_service.errors import FhirError
from cds_service.fhir.bundles import Problem, RawResource
from cds_service.fhir.client import FhirClient
from cds_service.fhir.paging import SearchResult
from cds_service.fhir.queries import Fetched, search_whole
from cds_service.fhir.references import head_of, local_name, pointed_at_by

POINTED_AT = {
    "Medication": "medications",
    "ResearchStudy": "researchStudies",
    "BodyStructure": "bodyStructures",
}
"""Types that are read by their ids → the key they are known by.

Most large servers keep the drug of an order in a Medication, and without it the order names no
drug. A trial tells which cancer it is about; a tumour, which findings are its own.
"""

_IDS_A_SEARCH = 100
_MARKS = tuple(f'"{kind}"'.encode() for kind in POINTED_AT)


async def fetch_pointed_at(
    client: FhirClient,
    resources: Iterable[RawResource],
    deadline: float | None = None,
    refused: Mapping[str, FhirError] = MappingProxyType({}),
) -> Fetched:
    """What the `resources` point at on this server, and is not among them, by its key.

    Types that are `refused` from the start are not asked for. Nothing is asked where nothing is
    missing.
    """
    missing: dict[str, list[str]] = {}
    for kind, id_ in _kept_there(lacking(list(resources)), client.keeps):
        missing.setdefault(kind, []).append(id_)
    kinds = sorted(missing)
    answers = await asyncio.gather(
        *(_by_id(client, kind, missing[kind], deadline, refused.get(kind)) for kind in kinds)
    )
    found: dict[str, tuple[RawResource, ...]] = {}
    errors: dict[str, FhirError] = {}
    problems: list[Problem] = []
    for kind, answer in zip(kinds, answers, strict=True):
        key = POINTED_AT[kind]
        if isinstance(answer, FhirError):
            errors[key] = answer
        else:
            found[key] = answer.resources
            problems += [replace(p, where=f"{key} {p.where}") for p in answer.problems]
    return Fetched(found, errors, tuple(problems))


async def _by_id(
    client: FhirClient,
    kind: str,
    ids: list[str],
    deadline: float | None,
    refused: FhirError | None,
) -> SearchResult | FhirError:
    if refused is not None:
        return refused
    batches = [ids[at : at + _IDS_A_SEARCH] for at in range(0, len(ids), _IDS_A_SEARCH)]
    answers = await asyncio.gather(
        *(search_whole(client, kind, [("_id", ",".join(batch))], deadline) for batch in batches)
    )
    whole: list[SearchResult] = []
    for answer in answers:
        if isinstance(answer, FhirError):
            return answer
        whole.append(answer)
    return SearchResult(
        tuple(resource for one in whole for resource in one.resources),
        sum(one.pages for one in whole),
        complete=True,
        problems=tuple(problem for one in whole for problem in one.problems),
    )


def lacking(resources: Sequence[RawResource]) -> tuple[str, ...]:
    """The references, as they are written, to what the `resources` point at, here or elsewhere, and
    what is not among them."""
    wanted = {
        reference: name
        for resource in resources
        for reference in pointed_at_by(resource)
        if (name := local_name(reference, {})).partition("/")[0] in POINTED_AT
    }
    if not wanted:  # as in most charts
        return ()
    here = {
        head.name
        for resource in resources
        if any(mark in resource.raw for mark in _MARKS) and (head := head_of(resource))
    }
    return tuple(reference for reference, name in wanted.items() if name not in here)


def keys_lacking(references: Iterable[str], keeps: Callable[[str], bool]) -> list[str]:
    """The keys that what is lacking, and kept there, is known by."""
    return sorted({POINTED_AT[kind] for kind, _ in _kept_there(references, keeps)})


def _kept_there(references: Iterable[str], keeps: Callable[[str], bool]) -> list[tuple[str, str]]:
    """Type and id of those of the references that lead there, each once and in order."""
    names = {local_name(reference, {}) for reference in references if keeps(reference)}
    return [(kind, id_) for kind, _, id_ in (name.partition("/") for name in sorted(names))]
