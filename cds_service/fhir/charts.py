"""Resources of many patients sorted into one Chart each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cds_service.fhir.bundles import Problem, RawResource
from cds_service.fhir.heads import Head
from cds_service.fhir.references import head_of, local_name, pointed_at_by

BELONG_TO_A_PATIENT = frozenset(
    {
        "AdverseEvent",
        "AllergyIntolerance",
        "CarePlan",
        "Condition",
        "DiagnosticReport",
        "Encounter",
        "ImagingStudy",
        "MedicationAdministration",
        "MedicationDispense",
        "MedicationRequest",
        "MedicationStatement",
        "Observation",
        "Procedure",
        "ResearchSubject",
        "ServiceRequest",
        "Specimen",
    }
)
"""Types that are missed where their patient cannot be told; others are passed over in silence."""
SHARED = frozenset({"Medication", "ResearchStudy"})
"""Types that are of no patient, and are given to each whose resources point at them."""
LOOKED_UP = SHARED | {"Patient"}
"""Types that are looked for by the address of their entry in a Bundle."""


@dataclass(frozen=True, slots=True)
class Chart:
    """All that is at hand of one patient ("Patient/p1"), in the order in which it came."""

    patient: str
    resources: tuple[RawResource, ...]
    problems: tuple[Problem, ...] = ()


def charts_of(
    resources: Iterable[RawResource], problems: tuple[Problem, ...] = ()
) -> Iterator[Chart]:
    """One Chart for each patient that is there or referred to, in the order of their ids.

    A Medication or a trial is given to each patient whose resources point at it. `problems` are
    of no patient alone, so each Chart carries them.
    """
    found = _sort(resources)
    for patient in sorted(found.of_patient):
        own = found.of_patient[patient]
        said = problems + left_out(found.homeless) + tuple(doubts_of(patient, own))
        yield Chart(patient, tuple(own), said)


def chart_of(patient_id: str, resources: Iterable[RawResource]) -> Chart:
    """The Chart of one patient: what belongs to another, or to nobody, is left out and said."""
    patient = f"Patient/{patient_id}"
    found = _sort(resources)
    own = found.of_patient.pop(patient, [])
    problems = left_out(found.homeless)
    others = sum(len(theirs) for theirs in found.of_patient.values())
    if others:
        what = f"{others} left out, of another patient than the one asked for"
        problems += (Problem("resources", what),)
    return Chart(patient, tuple(own), problems)


class _Sorted:
    """Resources by patient, and what could not be given to one."""

    def __init__(self) -> None:
        self.of_patient: dict[str, list[RawResource]] = {}
        self.homeless: Counter[str] = Counter()


def _sort(resources: Iterable[RawResource]) -> _Sorted:
    found = _Sorted()
    kept: list[tuple[RawResource, Head]] = []
    for resource in resources:
        if (head := head_of(resource)) is not None:
            kept.append((resource, head))
        else:
            found.homeless["resource"] += 1
    names = _names_by_address(kept)
    shared: dict[str, RawResource] = {}
    for resource, head in kept:
        if head.resource_type in SHARED:
            shared[own_name(resource, head, names)] = resource
        elif patient := patient_of(resource, head, names):
            found.of_patient.setdefault(patient, []).append(resource)
        elif head.resource_type in BELONG_TO_A_PATIENT:
            found.homeless[head.resource_type] += 1
    for own in found.of_patient.values():
        own += shared_with(own, names, shared)
    return found


def shared_with(
    resources: Iterable[RawResource], names: Mapping[str, str], shared: Mapping[str, RawResource]
) -> list[RawResource]:
    """Those of the shared resources, by name, that a patient's own resources point at."""
    if not shared:
        return []
    wanted = dict.fromkeys(
        local_name(reference, names)
        for resource in resources
        for reference in pointed_at_by(resource)
    )
    found = (shared.get(name) for name in wanted if name)
    return [resource for resource in found if resource is not None]


def doubts_of(patient: str, resources: Sequence[RawResource]) -> Iterator[Problem]:
    """What makes it doubtful that the resources are of one person."""
    ending = f"/{patient}"
    servers = {
        resource.full_url
        for resource in resources
        if resource.full_url.endswith(ending)
        and (head := head_of(resource)) is not None
        and head.resource_type == "Patient"
    }
    if len(servers) > 1:
        yield Problem("Patient", "the same id on two servers, which may be two people")


def left_out(homeless: Counter[str]) -> tuple[Problem, ...]:
    """What to say of resources, counted by type, that are of no patient."""
    what = "left out, of no patient that can be told"
    return tuple(Problem(kind, f"{n} {what}") for kind, n in sorted(homeless.items()))


NOBODY = ""
"""The name at an address that means more than one: who uses it cannot be told."""


def _names_by_address(kept: Sequence[tuple[RawResource, Head]]) -> dict[str, str]:
    """Each address with what stands there. Documents that were put together may use the same one
    for different patients, or drugs; then it is nobody's."""
    names: dict[str, str] = {}
    for resource, head in kept:
        if head.resource_type in LOOKED_UP and resource.full_url:
            name = name_at(resource, head)
            if names.setdefault(resource.full_url, name) != name:
                names[resource.full_url] = NOBODY
    for _, head in kept:
        if head.resource_type == "Patient" and head.id:
            names.setdefault(address_by_id(head), head.name)
    return names


def name_at(resource: RawResource, head: Head) -> str:
    """The "Type/id" of a resource at its fullUrl.

    One that has no id yet (in a transaction to be sent) is named by its UUID.
    """
    return head.name or f"{head.resource_type}/{_last_part(resource.full_url)}"


def address_by_id(patient: Head) -> str:
    """What a patient is called besides its fullUrl, by those who send transactions."""
    return f"urn:uuid:{patient.id}"


def own_name(resource: RawResource, head: Head, names: Mapping[str, str]) -> str:
    """What references call a resource, "" where nothing says it."""
    if head.id or not resource.full_url:
        return head.name
    return names.get(resource.full_url) or name_at(resource, head)


def patient_of(resource: RawResource, head: Head, names: Mapping[str, str]) -> str:
    """The "Patient/id" whose a resource is, "" where it cannot be told."""
    if head.resource_type == "Patient":
        return own_name(resource, head, names)
    owner = local_name(head.owner, names)
    return owner if owner.startswith("Patient/") else ""


def _last_part(address: str) -> str:
    return address.replace("/", ":").rsplit(":", 1)[-1]
