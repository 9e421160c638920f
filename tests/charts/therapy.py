"""What was ordered, given, dispensed and stated, and what was done to the patient."""

from datetime import date, timedelta

from charts.codes import (
    DRUGS,
    INTENTS,
    MCODE,
    PROCEDURES,
    REQUESTS,
    ROUTES,
    RXNORM,
    SNOMED,
    STOP_REASONS,
    UCUM,
)
from charts.fhir import Resource, concept, identified, reference


def order(
    drug: str,
    start: str,
    end: str | None = None,
    *,
    status: str | None = None,
    kind: str = "order",
    reason: str | None = None,
    intent: str | None = None,
    stopped_for: str | None = None,
    route: str | None = None,
    do_not_perform: bool = False,
    mg_a_day: float | None = None,
    identifier: str | None = None,
    id: str | None = None,
    patient: str = "p1",
) -> Resource:
    """A MedicationRequest from `start` to `end` (the bounds of its dosage).

    Without a status it is active when it has no end, stopped when it was stopped for anything but
    completion, else completed. `kind` is FHIR's request intent; `intent` the goal of the treatment
    ("curative", "palliative"; mCODE extension); `reason` the id of the cancer's Condition;
    `mg_a_day` the daily dose.
    """
    if status is None:
        status = "completed" if stopped_for in (None, "completed") else "stopped"
        status = status if end is not None else "active"
    bounds = {"start": start} | ({"end": end} if end is not None else {})
    made: Resource = {
        "resourceType": "MedicationRequest",
        "id": id or identified("order", drug, start),
        "status": status,
        "intent": kind,
        "medicationCodeableConcept": _medication(drug),
        "subject": reference("Patient", patient),
        "authoredOn": start,
        "dosageInstruction": [{"timing": {"repeat": {"boundsPeriod": bounds}}}],
    }
    if intent is not None:
        made["extension"] = [_intent(intent)]
    if reason is not None:
        made["reasonReference"] = [reference("Condition", reason)]
    if stopped_for is not None:
        made["statusReason"] = _stop_reason(stopped_for)
    if route is not None:
        made["dosageInstruction"][0]["route"] = concept((SNOMED, ROUTES[route], route))
    if mg_a_day is not None:
        dosage = made["dosageInstruction"][0]
        dosage["timing"]["repeat"] |= {"frequency": 1, "period": 1, "periodUnit": "d"}
        dose = {"value": mg_a_day, "unit": "mg", "system": UCUM, "code": "mg"}
        dosage["doseAndRate"] = [{"doseQuantity": dose}]
    if do_not_perform:
        made["doNotPerform"] = True
    if identifier is not None:
        made["identifier"] = [{"system": "urn:example:order", "value": identifier}]
    return made


def given(
    drug: str,
    on: str | list[str] | None = None,
    *,
    start: str | None = None,
    every: int = 21,
    times: int = 1,
    status: str = "completed",
    reason: str | None = None,
    route: str | None = None,
    id: str | None = None,
    patient: str = "p1",
) -> list[Resource]:
    """MedicationAdministrations on the days of `on`, or `times` of them `every` so many days."""
    if on is None:
        if start is None:
            raise ValueError(f"{drug}: neither days nor a start")
        first = date.fromisoformat(start)
        days = [(first + timedelta(days=every * n)).isoformat() for n in range(times)]
    else:
        days = [on] if isinstance(on, str) else on
    doses = []
    for number, day in enumerate(days, start=1):
        dose: Resource = {
            "resourceType": "MedicationAdministration",
            "id": identified(id, number) if id else identified("given", drug, day),
            "status": status,
            "medicationCodeableConcept": _medication(drug),
            "subject": reference("Patient", patient),
            "effectiveDateTime": day,
        }
        if reason is not None:
            dose["reasonReference"] = [reference("Condition", reason)]
        if route is not None:
            dose["dosage"] = {"route": concept((SNOMED, ROUTES[route], route)), "text": route}
        doses.append(dose)
    return doses


def dispensed(
    drug: str,
    on: str,
    *,
    days: int = 28,
    status: str = "completed",
    id: str | None = None,
    patient: str = "p1",
) -> Resource:
    """A MedicationDispense handed over on `on`, enough for `days`."""
    supply = {"value": days, "unit": "days", "system": UCUM, "code": "d"}
    return {
        "resourceType": "MedicationDispense",
        "id": id or identified("dispensed", drug, on),
        "status": status,
        "medicationCodeableConcept": _medication(drug),
        "subject": reference("Patient", patient),
        "whenHandedOver": on,
        "daysSupply": supply,
    }


def stated(
    drug: str,
    start: str,
    end: str | None = None,
    *,
    status: str = "active",
    stopped_for: str | None = None,
    id: str | None = None,
    patient: str = "p1",
) -> Resource:
    """A MedicationStatement: what the patient says to take, or not to take (`not-taken`)."""
    period = {"start": start} | ({"end": end} if end is not None else {})
    made: Resource = {
        "resourceType": "MedicationStatement",
        "id": id or identified("stated", drug, start),
        "status": status,
        "medicationCodeableConcept": _medication(drug),
        "subject": reference("Patient", patient),
        "effectivePeriod": period,
        "dateAsserted": start,
    }
    if stopped_for is not None:
        made["statusReason"] = [_stop_reason(stopped_for)]
    return made


def procedure(
    what: str,
    on: str,
    end: str | None = None,
    *,
    status: str = "completed",
    status_reason: str | None = None,
    reason: str | None = None,
    id: str | None = None,
    patient: str = "p1",
) -> Resource:
    """Surgery, radiotherapy, transplant, biopsy, drainage …; `end` makes it a course."""
    code, display, category = PROCEDURES[what]
    made: Resource = {
        "resourceType": "Procedure",
        "id": id or identified("procedure", what, on),
        "status": status,
        "category": concept((SNOMED, category, None)),
        "code": concept((SNOMED, code, display), text=display) if code else concept(text=display),
        "subject": reference("Patient", patient),
    }
    if end is None:
        made["performedDateTime"] = on
    else:
        made["performedPeriod"] = {"start": on, "end": end}
    if status_reason is not None:
        made["statusReason"] = _stop_reason(status_reason)
    if reason is not None:
        made["reasonReference"] = [reference("Condition", reason)]
    return made


def service_request(
    what: str,
    on: str,
    *,
    status: str = "active",
    status_reason: str | None = None,
    id: str | None = None,
    patient: str = "p1",
) -> Resource:
    """A scan, biopsy or referral that somebody ordered, or that the patient declined."""
    system, code, display = REQUESTS[what]
    made: Resource = {
        "resourceType": "ServiceRequest",
        "id": id or identified("request", what, on),
        "status": status,
        "intent": "order",
        "code": concept((system, code, display), text=display),
        "subject": reference("Patient", patient),
        "authoredOn": on,
    }
    if status_reason is not None:  # R4 has no status reason here: the request's own extension
        made["extension"] = [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/request-statusReason",
                "valueCodeableConcept": _stop_reason(status_reason),
            }
        ]
    return made


def _medication(drug: str) -> Resource:
    code = DRUGS.get(drug, "")
    return concept((RXNORM, code, drug), text=drug) if code else concept(text=drug)


def _intent(intent: str) -> Resource:
    return {
        "url": f"{MCODE}mcode-procedure-intent",
        "valueCodeableConcept": concept((SNOMED, INTENTS[intent], intent)),
    }


def _stop_reason(keyword: str) -> Resource:
    code, display = STOP_REASONS[keyword]
    return concept((SNOMED, code, display), text=display)
