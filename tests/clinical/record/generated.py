"""Hypothesis strategies: valid FHIR R4B resources of the types that are read, as JSON values.

Every element that is read is there in some of them, in each of its forms, amid elements that are
not. Decimals are `Decimal`, so that `to_json` writes exactly the digits that were drawn.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Final

import msgspec
from charts.codes import DRUGS, HL7, ICD10, LOINC, MCODE, RXNORM, SNOMED, UCUM
from hypothesis import strategies as st

Json = dict[str, Any]
Drawn = st.SearchStrategy[Any]

_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
_LETTERS: Final = string.ascii_letters + string.digits


def to_json(resource: Mapping[str, Any]) -> bytes:
    """The resource as it travels, each decimal with its own digits."""
    return _ENCODER.encode(resource)


# --- FHIR's primitive types ---------------------------------------------------------------------

ids = st.text(_LETTERS + "-.", min_size=1, max_size=12)
codes = st.text(_LETTERS, min_size=1, max_size=9)
texts = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")),
    min_size=1,
    max_size=20,
).filter(lambda text: text.strip() == text)
days = st.dates(date(1950, 1, 1), date(2030, 12, 31))
partial_dates = st.one_of(
    days.map(date.isoformat),
    days.map(lambda day: day.isoformat()[:7]),
    days.map(lambda day: day.isoformat()[:4]),
)
_zones = st.integers(-12 * 4, 14 * 4).map(lambda n: timezone(timedelta(minutes=15 * n)))
_times = st.datetimes(datetime(1950, 1, 1), datetime(2030, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
instants = st.builds(
    lambda at, zone, places: at.astimezone(zone).isoformat(timespec=places),
    _times,
    _zones,
    st.sampled_from(["seconds", "milliseconds"]),
).map(lambda text: text.replace("+00:00", "Z"))
date_times = st.one_of(partial_dates, instants)
decimals = st.one_of(
    st.decimals("-1000000", "1000000", places=3),
    st.sampled_from(["0", "1.10", "4.200", "1E+3", "2.5e-2", "100", "0.0001"]).map(Decimal),
)
_systems = st.sampled_from([SNOMED, LOINC, ICD10, RXNORM, UCUM, f"{HL7}condition-clinical"])


def optional(**elements: Drawn) -> Drawn:
    """An object with any of these elements."""
    return st.fixed_dictionaries({}, optional=elements)


def joined(*parts: Drawn) -> Drawn:
    """The members of several objects in one."""
    return st.tuples(*parts).map(lambda drawn: {k: v for part in drawn for k, v in part.items()})


def some(element: Drawn, most: int = 3) -> Drawn:
    return st.lists(element, min_size=1, max_size=most)


# --- FHIR's data types --------------------------------------------------------------------------

codings = optional(
    system=_systems, code=codes, display=texts, version=codes, userSelected=st.booleans()
).filter(bool)
concepts = optional(coding=some(codings), text=texts).filter(bool)
references = st.one_of(
    st.builds("{}/{}".format, st.sampled_from(["Condition", "Organization"]), ids),
    st.builds("https://ehr.example/fhir/Condition/{}/_history/{}".format, ids, codes),
    st.uuids().map(lambda uuid: f"urn:uuid:{uuid}"),
    ids.map("#{}".format),
).flatmap(lambda text: joined(st.just({"reference": text}), optional(display=texts)))
periods = optional(start=date_times, end=date_times).filter(
    lambda period: bool(period) and sorted(period.values()) == list(period.values())
)
_plain_quantities = joined(
    st.fixed_dictionaries({"value": decimals}),
    optional(unit=texts, system=st.just(UCUM), code=st.sampled_from(["g/dL", "ng/mL", "%", "d"])),
)
quantities = joined(_plain_quantities, optional(comparator=st.sampled_from(["<", "<=", ">=", ">"])))
durations = joined(
    st.fixed_dictionaries({"value": st.decimals("0", "999", places=2)}),
    st.just({"system": UCUM, "code": "d", "unit": "days"}),
)
extensions = st.one_of(
    st.fixed_dictionaries(
        {
            "url": st.sampled_from(
                [
                    f"{MCODE}mcode-procedure-intent",
                    f"{MCODE}mcode-cancer-disease-status-evidence-type",
                    "http://hl7.org/fhir/StructureDefinition/request-statusReason",
                ]
            ),
            "valueCodeableConcept": concepts,
        }
    ),
    st.fixed_dictionaries({"url": st.just("https://ehr.example/vendor"), "valueString": texts}),
)
identifiers = st.fixed_dictionaries({"system": st.just("urn:example"), "value": codes})
timings = optional(
    event=some(date_times, 2),
    repeat=joined(
        st.one_of(
            periods.map(lambda period: {"boundsPeriod": period}),
            durations.map(lambda duration: {"boundsDuration": duration}),
        ),
        st.fixed_dictionaries(
            {"period": st.decimals("1", "99", places=1), "periodUnit": st.sampled_from(["d", "wk"])}
        ),
    ),
).filter(bool)
dosages = optional(timing=timings, route=concepts, text=texts).filter(bool)

SUBJECT: Final = {"subject": {"reference": "Patient/p1"}}
_not_read = optional(
    meta=st.fixed_dictionaries({"versionId": codes, "lastUpdated": instants}),
    language=st.just("en"),
    implicitRules=st.just("https://ehr.example/rules"),
    text=st.just({"status": "empty", "div": '<div xmlns="http://www.w3.org/1999/xhtml">-</div>'}),
)
_drugs = st.one_of(
    concepts,
    st.sampled_from(sorted(name for name, code in DRUGS.items() if code)).map(
        lambda name: {"coding": [{"system": RXNORM, "code": DRUGS[name], "display": name}]}
    ),
)


def _resource(resource_type: str, *parts: Drawn) -> Drawn:
    head = st.fixed_dictionaries({"resourceType": st.just(resource_type), "id": ids})
    return joined(head, _not_read, *parts)


def _one_of(name: str, **forms: Drawn) -> Drawn:
    """A choice of types (`onset[x]`), or none of them."""
    chosen = [st.fixed_dictionaries({f"{name}{form}": value}) for form, value in forms.items()]
    return st.one_of(st.just({}), *chosen)


# --- resources ----------------------------------------------------------------------------------

patients = _resource(
    "Patient",
    optional(birthDate=partial_dates, gender=st.sampled_from(["male", "female", "unknown"])),
    _one_of("deceased", Boolean=st.booleans(), DateTime=date_times),
)
conditions = _resource(
    "Condition",
    st.just(SUBJECT),
    st.fixed_dictionaries(
        {
            "clinicalStatus": st.sampled_from(["active", "relapse", "remission", "inactive"]).map(
                lambda code: {"coding": [{"system": f"{HL7}condition-clinical", "code": code}]}
            )
        }
    ),
    optional(
        verificationStatus=st.sampled_from(["confirmed", "provisional", "refuted"]).map(
            lambda code: {"coding": [{"system": f"{HL7}condition-ver-status", "code": code}]}
        ),
        code=concepts,
        category=some(concepts, 2),
        severity=concepts,
        bodySite=some(concepts, 2),
        recordedDate=date_times,
        stage=some(st.fixed_dictionaries({"summary": concepts, "type": concepts}), 2),
        extension=some(extensions, 2),
        identifier=some(identifiers, 2),
    ),
    _one_of("onset", DateTime=date_times, Period=periods, String=texts),
)
_use = optional(
    reasonCode=some(concepts, 2),
    reasonReference=some(references, 2),
    extension=some(extensions, 2),
    note=some(st.fixed_dictionaries({"text": texts}), 1),
)
_medication = _one_of("medication", CodeableConcept=_drugs, Reference=references).filter(bool)
medication_requests = _resource(
    "MedicationRequest",
    st.just(SUBJECT),
    st.fixed_dictionaries(
        {
            "status": st.sampled_from(["active", "on-hold", "completed", "stopped", "draft"]),
            "intent": st.sampled_from(["order", "plan", "instance-order"]),
        }
    ),
    _medication,
    _use,
    optional(
        authoredOn=date_times,
        doNotPerform=st.booleans(),
        statusReason=concepts,
        dosageInstruction=some(dosages, 2),
        dispenseRequest=optional(
            validityPeriod=periods,
            numberOfRepeatsAllowed=st.integers(0, 12),
            expectedSupplyDuration=durations,
        ).filter(bool),
        contained=some(
            st.fixed_dictionaries(
                {"resourceType": st.just("Medication"), "id": ids, "code": concepts}
            ),
            2,
        ),
        priority=st.just("routine"),
        requester=references,
    ),
)
medication_administrations = _resource(
    "MedicationAdministration",
    st.just(SUBJECT),
    st.fixed_dictionaries({"status": st.sampled_from(["completed", "in-progress", "not-done"])}),
    _medication,
    _use,
    _one_of("effective", DateTime=date_times, Period=periods).filter(bool),
    optional(
        statusReason=some(concepts, 2),
        dosage=optional(route=concepts, text=texts, dose=_plain_quantities).filter(
            lambda dosage: "dose" in dosage
        ),
        category=concepts,
    ),
)
observations = _resource(
    "Observation",
    st.just(SUBJECT),
    st.fixed_dictionaries(
        {"status": st.sampled_from(["final", "amended", "preliminary"]), "code": concepts}
    ),
    _one_of("effective", DateTime=date_times, Period=periods, Instant=instants),
    _one_of(
        "value",
        Quantity=quantities,
        CodeableConcept=concepts,
        String=texts,
        Integer=st.integers(-(2**31), 2**31 - 1),
        Boolean=st.booleans(),
        DateTime=date_times,
    ),
    optional(
        issued=instants,
        focus=some(references, 2),
        extension=some(extensions, 2),
        bodySite=concepts,
        method=concepts,
        specimen=references,
        interpretation=some(concepts, 1),
        category=some(concepts, 1),
        referenceRange=some(
            optional(low=_plain_quantities, high=_plain_quantities, text=texts).filter(bool), 2
        ),
        performer=some(references, 2),
        identifier=some(identifiers, 2),
        component=some(
            joined(
                st.fixed_dictionaries({"code": concepts}),
                _one_of("value", Quantity=quantities, CodeableConcept=concepts, String=texts),
            ),
            2,
        ),
    ),
)
procedures = _resource(
    "Procedure",
    st.just(SUBJECT),
    st.fixed_dictionaries(
        {"status": st.sampled_from(["completed", "in-progress", "not-done", "preparation"])}
    ),
    _one_of("performed", DateTime=date_times, Period=periods, String=texts),
    optional(
        code=concepts,
        statusReason=concepts,
        category=concepts,
        reasonReference=some(references, 2),
        extension=some(extensions, 2),
        outcome=concepts,
        bodySite=some(concepts, 2),
    ),
)
service_requests = _resource(
    "ServiceRequest",
    st.just(SUBJECT),
    st.fixed_dictionaries(
        {
            "status": st.sampled_from(["active", "draft", "revoked", "completed"]),
            "intent": st.sampled_from(["order", "proposal"]),
        }
    ),
    _one_of("occurrence", DateTime=date_times, Period=periods),
    optional(
        code=concepts,
        authoredOn=date_times,
        category=some(concepts, 1),
        reasonReference=some(references, 2),
        reasonCode=some(concepts, 2),
        extension=some(extensions, 2),
        bodySite=some(concepts, 2),
        priority=st.just("urgent"),
    ),
)

encounters = _resource(
    "Encounter",
    st.just(SUBJECT),
    st.fixed_dictionaries(
        {
            "status": st.sampled_from(["finished", "in-progress", "planned"]),
            "class": st.just({"code": "IMP"}),
        }
    ),
    optional(
        type=some(concepts, 2),
        period=periods,
        hospitalization=optional(
            dischargeDisposition=concepts, admitSource=concepts, origin=references
        ).filter(bool),
        serviceType=concepts,
    ),
)

body_structures = _resource(
    "BodyStructure",
    st.just({"patient": SUBJECT["subject"]}),
    optional(
        location=concepts,
        morphology=concepts,
        extension=some(extensions, 2),
        identifier=some(identifiers, 2),
    ),
)

RESOURCES: Final[Mapping[str, Drawn]] = {
    "BodyStructure": body_structures,
    "Patient": patients,
    "Condition": conditions,
    "MedicationRequest": medication_requests,
    "MedicationAdministration": medication_administrations,
    "Observation": observations,
    "Procedure": procedures,
    "ServiceRequest": service_requests,
    "Encounter": encounters,
}
