"""The search parameters of the demo's FHIR server: which elements they look at, type by type.

Names and elements are those of FHIR R4's search parameter registry; what is not listed here is
not supported, and the CapabilityStatement says just what is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["token", "reference", "date", "string"]


@dataclass(frozen=True, slots=True)
class SearchParameter:
    """A search parameter by its kind and the JSON elements whose values it looks at.

    `target` restricts a reference to one resource type.
    """

    kind: Kind
    elements: tuple[str, ...]
    target: str = ""


def _token(*elements: str) -> SearchParameter:
    return SearchParameter("token", elements)


def _date(*elements: str) -> SearchParameter:
    return SearchParameter("date", elements)


def _string(*elements: str) -> SearchParameter:
    return SearchParameter("string", elements)


def _reference(element: str, target: str = "") -> SearchParameter:
    return SearchParameter("reference", (element,), target)


def _time_of(element: str) -> SearchParameter:
    """A date that stands as a dateTime, an instant or a Period."""
    return _date(f"{element}DateTime", f"{element}Period", f"{element}Instant")


_EVERY = {"_id": _token("id"), "_lastUpdated": _date("meta.lastUpdated")}
_IDENTIFIED = _EVERY | {"identifier": _token("identifier")}
_NAMED = _IDENTIFIED | {"name": _string("name")}
_OF_SUBJECT = _IDENTIFIED | {
    "patient": _reference("subject", "Patient"),
    "subject": _reference("subject"),
}
_CODED = _OF_SUBJECT | {
    "code": _token("code"),
    "category": _token("category"),
    "status": _token("status"),
}
_DRUG = _OF_SUBJECT | {
    "code": _token("medicationCodeableConcept"),
    "medication": _reference("medicationReference"),
    "status": _token("status"),
}

PARAMETERS: dict[str, dict[str, SearchParameter]] = {
    "Patient": _NAMED
    | {
        "family": _string("name.family"),
        "given": _string("name.given"),
        "birthdate": _date("birthDate"),
        "gender": _token("gender"),
    },
    "Condition": _OF_SUBJECT
    | {
        "code": _token("code"),
        "category": _token("category"),
        "clinical-status": _token("clinicalStatus"),
        "verification-status": _token("verificationStatus"),
        "onset-date": _time_of("onset"),
        "abatement-date": _time_of("abatement"),
        "recorded-date": _date("recordedDate"),
    },
    "Observation": _CODED | {"date": _time_of("effective")},
    "MedicationRequest": _DRUG
    | {
        "authoredon": _date("authoredOn"),
        "category": _token("category"),
        "intent": _token("intent"),
    },
    "MedicationAdministration": _DRUG | {"effective-time": _time_of("effective")},
    "MedicationStatement": _DRUG
    | {"category": _token("category"), "effective": _time_of("effective")},
    "MedicationDispense": _DRUG
    | {"whenhandedover": _date("whenHandedOver"), "whenprepared": _date("whenPrepared")},
    "Medication": _IDENTIFIED | {"code": _token("code"), "status": _token("status")},
    "Procedure": _CODED | {"date": _time_of("performed")},
    "ServiceRequest": _CODED
    | {
        "intent": _token("intent"),
        "authored": _date("authoredOn"),
        "occurrence": _time_of("occurrence"),
    },
    "DiagnosticReport": _CODED | {"date": _time_of("effective"), "issued": _date("issued")},
    "Encounter": _OF_SUBJECT
    | {"status": _token("status"), "class": _token("class"), "date": _date("period")},
    "ImagingStudy": _OF_SUBJECT | {"status": _token("status"), "started": _date("started")},
    "Specimen": _OF_SUBJECT | {"type": _token("type"), "status": _token("status")},
    "CarePlan": _OF_SUBJECT
    | {"category": _token("category"), "status": _token("status"), "date": _date("period")},
    "AllergyIntolerance": _IDENTIFIED
    | {
        "patient": _reference("patient", "Patient"),
        "code": _token("code"),
        "clinical-status": _token("clinicalStatus"),
    },
    "ResearchSubject": _IDENTIFIED
    | {
        "patient": _reference("individual", "Patient"),
        "study": _reference("study"),
        "status": _token("status"),
    },
    "ResearchStudy": _IDENTIFIED | {"status": _token("status"), "title": _string("title")},
    "Organization": _NAMED,
    "Location": _NAMED,
    "Practitioner": _NAMED | {"family": _string("name.family"), "given": _string("name.given")},
    "PractitionerRole": _IDENTIFIED
    | {"practitioner": _reference("practitioner"), "organization": _reference("organization")},
}


def parameters_of(resource_type: str) -> dict[str, SearchParameter]:
    """The search parameters of a type; those of every resource for one without a row."""
    return PARAMETERS.get(resource_type, _EVERY)
