"""Who the patient is and what is on the problem list."""

import re

from charts.codes import AJCC, CANCERS, HL7, ICD10, MCODE, METASTASES, SNOMED
from charts.fhir import Resource, concept, identified, reference


def patient(
    id: str = "p1",
    *,
    born: str = "1956-04-12",
    gender: str = "unknown",
    deceased: str | bool | None = None,
) -> Resource:
    """A US Core patient; `deceased` is a day, or True where the day is not known."""
    made: Resource = {
        "resourceType": "Patient",
        "id": id,
        "identifier": [{"system": "urn:oid:2.16.840.1.113883.19.5", "value": f"mrn-{id}"}],
        "name": [{"family": "Doe", "given": ["Sam"]}],
        "gender": gender,
        "birthDate": born,
    }
    if deceased is not None:
        made["deceasedBoolean" if isinstance(deceased, bool) else "deceasedDateTime"] = deceased
    return made


def condition(
    disease: str,
    *,
    onset: str | None = None,
    recorded: str | None = None,
    abated: str | None = None,
    stage: str | None = None,
    clinical: str = "active",
    verification: str = "confirmed",
    code: str | None = None,
    id: str | None = None,
    patient: str = "p1",
) -> Resource:
    """A primary cancer, coded in SNOMED CT and ICD-10-CM as EHRs do.

    Its id is the disease's own id unless given. `code` replaces both codes: digits are read as
    SNOMED CT, anything else as ICD-10-CM. `stage` is an AJCC stage group ("4", "3B").
    """
    snomed, icd, display = CANCERS[disease]
    codings = [(SNOMED, snomed, display), (ICD10, icd, display)]
    if code is not None:
        codings = [(SNOMED if code.isdigit() else ICD10, code, display)]
    made: Resource = {
        "resourceType": "Condition",
        "id": id or disease,
        "clinicalStatus": concept((f"{HL7}condition-clinical", clinical, None)),
        "verificationStatus": concept((f"{HL7}condition-ver-status", verification, None)),
        "category": [concept((f"{HL7}condition-category", "problem-list-item", None))],
        "code": concept(*codings, text=display),
        "subject": reference("Patient", patient),
    }
    if verification == "entered-in-error":  # FHIR constraint con-5: no clinical status then
        del made["clinicalStatus"]
    if stage is not None:
        made["stage"] = [
            {"summary": concept((AJCC, stage, f"Stage {stage}"), text=f"Stage {stage}")}
        ]
    _dated(made, onset, recorded, abated)
    return made


def secondary(
    site: str,
    *,
    onset: str | None = None,
    recorded: str | None = None,
    of: str | None = None,
    id: str | None = None,
    patient: str = "p1",
) -> Resource:
    """A metastasis; `of` names the condition of the primary (mCODE extension)."""
    snomed, icd = METASTASES[site]
    display = f"Secondary malignant neoplasm of {site.replace('-', ' ')}"
    made: Resource = {
        "resourceType": "Condition",
        "id": id or identified("metastasis", site, onset or recorded),
        "clinicalStatus": concept((f"{HL7}condition-clinical", "active", None)),
        "verificationStatus": concept((f"{HL7}condition-ver-status", "confirmed", None)),
        "category": [concept((f"{HL7}condition-category", "problem-list-item", None))],
        "code": concept((SNOMED, snomed, display), (ICD10, icd, display), text=display),
        "subject": reference("Patient", patient),
    }
    if of is not None:
        made["extension"] = [
            {
                "url": f"{MCODE}mcode-related-primary-cancer-condition",
                "valueReference": reference("Condition", of),
            }
        ]
    _dated(made, onset, recorded, None)
    return made


def problem(
    text: str,
    *,
    code: str,
    onset: str | None = None,
    recorded: str | None = None,
    id: str | None = None,
    patient: str = "p1",
) -> Resource:
    """Any other problem: a symptom, a history code, a status code (see `condition` for `code`)."""
    made: Resource = {
        "resourceType": "Condition",
        "id": id or identified("problem", re.sub(r"[^A-Za-z0-9]+", "-", code), onset or recorded),
        "clinicalStatus": concept((f"{HL7}condition-clinical", "active", None)),
        "verificationStatus": concept((f"{HL7}condition-ver-status", "confirmed", None)),
        "category": [concept((f"{HL7}condition-category", "problem-list-item", None))],
        "code": concept((SNOMED if code.isdigit() else ICD10, code, text), text=text),
        "subject": reference("Patient", patient),
    }
    _dated(made, onset, recorded, None)
    return made


def _dated(made: Resource, onset: str | None, recorded: str | None, abated: str | None) -> None:
    dates = {"onsetDateTime": onset, "abatementDateTime": abated, "recordedDate": recorded}
    made.update({element: day for element, day in dates.items() if day is not None})
