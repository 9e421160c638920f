"""No label of a definition that was made for adults is given to a child."""

from __future__ import annotations

from datetime import date

from msgspec.structs import replace

from cds_service.clinical.record import Patient
from cds_service.clinical.status.line_status import LineStatus
from cds_service.knowledge.model import Disease

ADULT_YEARS = 18
DOCUMENTED = "documented"


def is_child_of_adult_definition(patient: Patient, on: date, disease: Disease) -> bool:
    """Whether the patient was, or may have been, under 18 years old on that day.

    A birth date known to the year leaves the answer open: then no label is given either. Without
    any birth date the patient counts as an adult.
    """
    age = patient.age_on(on)
    return disease.is_adult_only and age is not None and age[0] < ADULT_YEARS


def without_adult_label(
    status: LineStatus, patient: Patient, as_of: date, disease: Disease
) -> LineStatus:
    """The same status, but `indeterminate` where only an adult's definition calls it refractory.

    What a clinician documented in so many words is no label of ours, and stays.
    """
    on = status.progressed_on or as_of
    if not is_child_of_adult_definition(patient, on, disease):
        return status
    history = tuple(
        replace(past, status="indeterminate") if past.status == "possible-refractory" else past
        for past in status.history
    )
    if status.status != "possible-refractory" or status.confidence == DOCUMENTED:
        return replace(status, history=history)
    return replace(
        status, status="indeterminate", pattern=None, confidence=None, refractory_to=(),
        refractory_classes=(), labels=(), history=history,
    )  # fmt: skip
