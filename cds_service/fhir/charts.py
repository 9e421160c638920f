"""Resources of many patients sorted into one Chart each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from cds_service.fhir.bundles import Problem, RawResource
from cds_service.fhir.references import Head, head_of, local_name, pointed_at_by

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
        own = tuple(found.problems_of(patient))
        yield Chart(patient, tuple(found.of_patient[patient]), problems + found.left_out() + own)


def chart_of(patient_id: str, resources: Iterable[RawResource]) -> Chart:
    """The Chart of one patient: what belongs to another, or to nobody, is left out and said."""
    patient = f"Patient/{patient_id}"
    found = _sort(resources)
    own = found.of_patient.pop(patient, [])
    problems = found.left_out()
    others = sum(len(theirs) for theirs in found.of_patient.values())
    if others:
        what = f"{others} left out, of another patient than the one asked for"
        problems += (Problem("resources", what),)
    return Chart(patient, tuple(own), problems)


class _Sorted:
    """Resources by patient, and what could not be given to one."""

    def __init__(self) -> None:
        self.of_patient: dict[str, list[RawResource]] = {}
        self.servers: dict[str, set[str]] = {}
        self.homeless: Counter[str] = Counter()

    def left_out(self) -> tuple[Problem, ...]:
        what = "left out, of no patient that can be told"
        return tuple(Problem(kind, f"{n} {what}") for kind, n in sorted(self.homeless.items()))

    def problems_of(self, patient: str) -> Iterator[Problem]:
        if len(self.servers.get(patient, ())) > 1:
            yield Problem("Patient", "the same id on two servers, which may be two people")


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
    pointed_at: dict[str, dict[str, None]] = {}
    for resource, head in kept:
        if head.resource_type in SHARED:
            shared[_own_name(resource, head, names)] = resource
        elif patient := _patient_of(resource, head, names):
            found.of_patient.setdefault(patient, []).append(resource)
            for reference in pointed_at_by(resource):
                pointed_at.setdefault(patient, {})[local_name(reference, names)] = None
            if head.resource_type == "Patient" and resource.full_url.endswith(f"/{patient}"):
                found.servers.setdefault(patient, set()).add(resource.full_url)
        elif head.resource_type in BELONG_TO_A_PATIENT:
            found.homeless[head.resource_type] += 1
    for patient, wanted in pointed_at.items():
        found.of_patient[patient] += [shared[n] for n in wanted if n and n in shared]
    return found


def _names_by_address(kept: Iterable[tuple[RawResource, Head]]) -> dict[str, str]:
    """The "Type/id" of each resource by its fullUrl; of patients also by `urn:uuid:` and id.

    A resource that has no id yet (in a transaction to be sent) is named by its UUID.
    """
    names: dict[str, str] = {}
    for resource, head in kept:
        if resource.full_url:
            names[resource.full_url] = (
                head.name or f"{head.resource_type}/{_last_part(resource.full_url)}"
            )
        if head.resource_type == "Patient" and head.id:
            names.setdefault(f"urn:uuid:{head.id}", head.name)
    return names


def _own_name(resource: RawResource, head: Head, names: Mapping[str, str]) -> str:
    return head.name or names.get(resource.full_url, "")


def _patient_of(resource: RawResource, head: Head, names: Mapping[str, str]) -> str:
    if head.resource_type == "Patient":
        return _own_name(resource, head, names)
    owner = local_name(head.owner, names)
    return owner if owner.startswith("Patient/") else ""


def _last_part(address: str) -> str:
    return address.replace("/", ":").rsplit(":", 1)[-1]
