"""What was found: disease status, response, markers, receptors, scans, and ordinary noise."""

from typing import Any

from charts.codes import (
    BODY_SITES,
    DEAUVILLE,
    DISEASE_STATUS,
    EVIDENCE_TYPES,
    FACTS,
    HL7,
    LOINC,
    MARKERS,
    MCODE,
    METHODS,
    NCIT,
    OBDS,
    RECEPTORS,
    RESPONSES,
    SNOMED,
    UCUM,
)
from charts.fhir import Resource, concept, identified, reference


def disease_status(
    what: str,
    on: str,
    *,
    by: str | None = None,
    site: str | None = None,
    cancer: str | None = None,
    status: str = "final",
    id: str | None = None,
    patient: str = "p1",
) -> Resource:
    """The clinician's judgement (mCODE cancer disease status), with its evidence type `by`.

    `cancer` is the id of the Condition that it is about (`Observation.focus`).
    """
    code, display = DISEASE_STATUS[what]
    made = _observation(
        id or identified("status", what, site, on),
        concept((LOINC, "97509-4", "Cancer disease progression")),
        on,
        status=status,
        patient=patient,
    )
    made["valueCodeableConcept"] = concept((SNOMED, code, display), text=display)
    if by is not None:
        type_code, type_display = EVIDENCE_TYPES[by]
        made["extension"] = [
            {
                "url": f"{MCODE}mcode-cancer-disease-status-evidence-type",
                "valueCodeableConcept": concept((SNOMED, type_code, type_display)),
            }
        ]
    _located(made, site, cancer)
    return made


def response(
    category: str,
    on: str,
    *,
    obds: bool = False,
    site: str | None = None,
    cancer: str | None = None,
    status: str = "final",
    id: str | None = None,
    patient: str = "p1",
) -> Resource:
    """A response category: a LOINC answer for RECIST, the German oBDS code, else a text."""
    made = _observation(
        id or identified("response", category, site, on),
        concept((LOINC, "21976-6", "Cancer outcome status")),
        on,
        status=status,
        patient=patient,
    )
    if obds:
        made["valueCodeableConcept"] = concept((OBDS, category, None))
    elif category in RESPONSES:
        code, display = RESPONSES[category]
        made["valueCodeableConcept"] = concept((LOINC, code, display))
    else:
        made["valueCodeableConcept"] = concept(text=category)
    _located(made, site, cancer)
    return made


def marker(
    analyte: str,
    on: str,
    value: float,
    *,
    unit: str | None = None,
    high: float | None = None,
    comparator: str | None = None,
    lab: str | None = None,
    status: str = "final",
    identifier: str | None = None,
    issued: str | None = None,
    id: str | None = None,
    patient: str = "p1",
) -> Resource:
    """A tumour marker or hormone; `high` is the upper limit of normal of that very result."""
    loinc, display, usual = MARKERS[analyte]
    made = _laboratory(id or identified(analyte, on, value), (loinc, display), on, patient, status)
    made["valueQuantity"] = _quantity(value, unit or usual)
    if comparator is not None:
        made["valueQuantity"]["comparator"] = comparator
    if high is not None:
        made["referenceRange"] = [{"high": _quantity(high, unit or usual)}]
    if lab is not None:
        made["performer"] = [reference("Organization", lab)]
    if identifier is not None:
        made["identifier"] = [{"system": "urn:example:result", "value": identifier}]
    if issued is not None:
        made["issued"] = f"{issued}T12:00:00Z"
    return made


def transcript(
    scale: str,
    on: str,
    value: float,
    *,
    comparator: str | None = None,
    lab: str | None = None,
    status: str = "final",
    id: str | None = None,
    patient: str = "p1",
) -> Resource:
    """BCR::ABL1 in per cent of the International Scale ("IS"), or a ratio on a scale of its own."""
    code = ("69380-4", "t(9;22)(ABL1,BCR)/control (International Scale)")
    made = _laboratory(id or identified("transcript", on, value), code, on, patient, status)
    if scale != "IS":
        made["code"] = concept(text=f"BCR-ABL1/ABL1 ratio, {scale} scale")
    made["valueQuantity"] = _quantity(value, "%")
    if comparator is not None:
        made["valueQuantity"]["comparator"] = comparator
    if lab is not None:
        made["performer"] = [reference("Organization", lab)]
    return made


def receptors(
    profile: str, on: str, *, id: str | None = None, patient: str = "p1"
) -> list[Resource]:
    """Results of receptors or genes from "ER+ PR- HER2-"; what is not named was not tested."""
    results = []
    for word in profile.split():
        name, positive = word[:-1], word.endswith("+")
        code = RECEPTORS[name]
        made = _laboratory(identified(id or "receptor", name, on), code, on, patient, "final")
        made["valueCodeableConcept"] = concept(
            (SNOMED, "10828004", "Positive") if positive else (SNOMED, "260385009", "Negative")
        )
        results.append(made)
    return results


def fact(name: str, on: str, value: str, *, id: str | None = None, patient: str = "p1") -> Resource:
    """Stage, grade or uptake of a tumour, its value in words as reports have it ("T1", "high")."""
    loinc, display = FACTS[name]
    code = concept((LOINC, loinc, display)) if loinc else concept(text=display)
    made = _observation(id or identified(name, value, on), code, on, patient=patient)
    made["valueCodeableConcept"] = concept(text=value)
    return made


def variant(
    gene: str, on: str, change: str, *, id: str | None = None, patient: str = "p1"
) -> Resource:
    """A genetic variant that was found: its gene and what of it changed ("p.D842V", "exon 9")."""
    code = concept((LOINC, "69548-6", "Genetic variant assessment"))
    made = _observation(id or identified(gene, change, on), code, on, patient=patient)
    made["valueCodeableConcept"] = concept((LOINC, "LA9633-4", "Present"))
    made["component"] = [
        {
            "code": concept((LOINC, "48018-6", "Gene studied [ID]")),
            "valueCodeableConcept": concept(text=gene),
        },
        {
            "code": concept((LOINC, "48005-3", "Amino acid change (pHGVS)")),
            "valueCodeableConcept": concept(text=change),
        },
    ]
    return made


def ecog(grade: int, on: str, *, id: str | None = None, patient: str = "p1") -> Resource:
    """ECOG performance status."""
    made = _observation(
        id or identified("ecog", grade, on),
        concept((LOINC, "89247-1", "ECOG Performance Status score")),
        on,
        patient=patient,
    )
    made["valueInteger"] = grade
    return made


def lesion(
    tumour: str,
    on: str,
    value: float,
    *,
    method: str | None = "CT",
    unit: str = "mm",
    short: float | None = None,
    site: str | None = None,
    cancer: str | None = None,
    says: str | None = None,
    status: str = "final",
    id: str | None = None,
    patient: str = "p1",
) -> Resource:
    """The size of a tumour (mCODE): its longest dimension, and the short one where it is given.

    `tumour` is the id of the BodyStructure; empty for one that only its site tells from others.
    """
    made = _observation(
        id or identified("lesion", tumour or site, on),
        concept((LOINC, "21889-1", "Size tumor")),
        on,
        status=status,
        patient=patient,
    )
    dimensions = [("33728-7", value), ("33729-5", short)]
    made["component"] = [
        {"code": concept((LOINC, code, None)), "valueQuantity": _quantity(size, unit)}
        for code, size in dimensions
        if size is not None
    ]
    if method is not None:
        made["method"] = concept((SNOMED, METHODS[method], method))
    if says is not None:
        made["interpretation"] = [concept(text=says)]
    _located(made, site, None)
    made["focus"] = [reference("BodyStructure", tumour)] if tumour else []
    if cancer is not None:
        made["focus"].append(reference("Condition", cancer))
    if not made["focus"]:
        del made["focus"]
    return made


def tumour(
    id: str, *, site: str = "liver", cancer: str | None = None, patient: str = "p1"
) -> Resource:
    """A tumour that is followed over time (mCODE), in some place, of some cancer."""
    made: Resource = {
        "resourceType": "BodyStructure",
        "id": id,
        "patient": reference("Patient", patient),
        "location": concept((SNOMED, BODY_SITES[site], site)),
    }
    if cancer is not None:
        made["extension"] = [
            {
                "url": f"{MCODE}mcode-related-condition",
                "valueReference": reference("Condition", cancer),
            }
        ]
    return made


def deauville(
    score: int, on: str, *, status: str = "final", id: str | None = None, patient: str = "p1"
) -> Resource:
    """The Deauville score of a PET (mCODE): the value, and its NCIt code as interpretation."""
    made = _observation(
        id or identified("deauville", score, on),
        concept((SNOMED, "708895006", "Deauville five point scale")),
        on,
        status=status,
        patient=patient,
    )
    made["valueInteger"] = score
    made["interpretation"] = [concept((NCIT, DEAUVILLE[score - 1], None))]
    return made


def report(
    text: str,
    on: str,
    *,
    code: str = "72254-6",
    status: str = "final",
    id: str | None = None,
    patient: str = "p1",
) -> Resource:
    """A radiology report (by default CT of chest, abdomen and pelvis) with free text only."""
    return {
        "resourceType": "DiagnosticReport",
        "id": id or identified("report", code, on),
        "status": status,
        "category": [concept((f"{HL7}v2-0074", "RAD", "Radiology"))],
        "code": concept((LOINC, code, None), text="CT Chest and Abdomen and Pelvis W contrast IV"),
        "subject": reference("Patient", patient),
        "effectiveDateTime": on,
        "conclusion": text,
    }


def noise(on: str, *, patient: str = "p1") -> list[Resource]:
    """An ordinary visit: vital signs and a metabolic panel, of no concern to any rule."""
    values: list[tuple[str, str, float, str, str]] = [
        ("8867-4", "Heart rate", 74, "/min", "vital-signs"),
        ("29463-7", "Body weight", 71.2, "kg", "vital-signs"),
        ("8310-5", "Body temperature", 36.8, "Cel", "vital-signs"),
        ("2345-7", "Glucose", 101, "mg/dL", "laboratory"),
        ("2951-2", "Sodium", 139, "mmol/L", "laboratory"),
        ("2823-3", "Potassium", 4.1, "mmol/L", "laboratory"),
        ("1920-8", "Aspartate aminotransferase", 22, "U/L", "laboratory"),
    ]
    visit = []
    for loinc, display, value, unit, category in values:
        made = _observation(
            identified("noise", loinc, on), concept((LOINC, loinc, display)), on, patient=patient
        )
        made["category"] = [concept((f"{HL7}observation-category", category, None))]
        made["valueQuantity"] = _quantity(value, unit)
        visit.append(made)
    return visit


def _observation(
    id: str, code: dict[str, Any], on: str, *, status: str = "final", patient: str
) -> Resource:
    return {
        "resourceType": "Observation",
        "id": id,
        "status": status,
        "code": code,
        "subject": reference("Patient", patient),
        "effectiveDateTime": on,
    }


def _laboratory(id: str, code: tuple[str, str], on: str, patient: str, status: str) -> Resource:
    loinc, display = code
    named = concept((LOINC, loinc, display)) if loinc else concept(text=display)
    made = _observation(id, named, on, status=status, patient=patient)
    made["category"] = [concept((f"{HL7}observation-category", "laboratory", None))]
    return made


def _quantity(value: float, unit: str) -> dict[str, Any]:
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}


def _located(made: Resource, site: str | None, cancer: str | None) -> None:
    if site is not None:
        made["bodySite"] = concept((SNOMED, BODY_SITES[site], site))
    if cancer is not None:
        made["focus"] = [reference("Condition", cancer)]
