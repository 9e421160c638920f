"""Charts of any size for measuring: a man on enzalutamide, with all else that a record holds.

The same size and day give the same bytes. What the engine has to find is the same at every size:
a PSA course over two lines, castrate testosterone and a progression. The rest, nine resources of
ten, is what surrounds it in a real record: vital signs, blood counts, chemistry, other illnesses.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any, Final

import orjson

from cds_service.fhir.queries import QUERIES

Resource = dict[str, Any]
Chart = dict[str, list[Resource]]

SEED: Final = 4242
PATIENT: Final = "bench-1"
CANCER: Final = "Condition/bench-1-c0"
HL7: Final = "http://terminology.hl7.org/CodeSystem/"
CORE: Final = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"
MCODE: Final = "http://hl7.org/fhir/us/mcode/StructureDefinition/mcode-"
LOINC: Final = "http://loinc.org"
SNOMED: Final = "http://snomed.info/sct"
RXNORM: Final = "http://www.nlm.nih.gov/research/umls/rxnorm"
UCUM: Final = "http://unitsofmeasure.org"

DEPRIVATION_DAYS: Final = 900
"""Since when leuprolide is given; enzalutamide came later."""
ENZALUTAMIDE_DAYS: Final = 500

# days before the chart is opened → PSA in ng/mL: two falls, two rises
PSA: Final = {
    905: 84.0, 870: 31.0, 840: 9.6, 805: 3.1, 770: 1.4, 735: 0.9, 700: 0.8, 665: 1.2, 630: 2.6,
    595: 4.1, 560: 6.3, 525: 8.9, 505: 11.2, 470: 6.0, 435: 3.2, 400: 1.9, 365: 1.4, 330: 1.1,
    295: 1.1, 260: 1.2, 225: 1.6, 190: 2.4, 155: 3.9, 120: 5.2, 85: 7.4, 50: 9.8, 22: 13.1,
}  # fmt: skip
TESTOSTERONE: Final = {860: 18.0, 680: 14.0, 600: 16.0, 540: 15.0, 380: 12.0, 150: 13.0, 40: 11.0}
STATUS: Final = {
    380: ("359746009", "Patient's condition stable (finding)"),
    210: ("359746009", "Patient's condition stable (finding)"),
    20: ("271299001", "Patient's condition worsened (finding)"),
}
# LOINC → name, unit, low, high
LABS: Final = {
    "718-7": ("Hemoglobin [Mass/volume] in Blood", "g/dL", 13.2, 17.1),
    "4544-3": ("Hematocrit [Volume Fraction] of Blood by Automated count", "%", 38.5, 50.0),
    "6690-2": ("Leukocytes [#/volume] in Blood by Automated count", "10*3/uL", 3.8, 10.8),
    "777-3": ("Platelets [#/volume] in Blood by Automated count", "10*3/uL", 140.0, 400.0),
    "789-8": ("Erythrocytes [#/volume] in Blood by Automated count", "10*6/uL", 4.2, 5.8),
    "787-2": ("MCV [Entitic volume] by Automated count", "fL", 80.0, 100.0),
    "751-8": ("Neutrophils [#/volume] in Blood by Automated count", "10*3/uL", 1.5, 7.8),
    "2160-0": ("Creatinine [Mass/volume] in Serum or Plasma", "mg/dL", 0.7, 1.3),
    "3094-0": ("Urea nitrogen [Mass/volume] in Serum or Plasma", "mg/dL", 7.0, 25.0),
    "2951-2": ("Sodium [Moles/volume] in Serum or Plasma", "mmol/L", 135.0, 146.0),
    "2823-3": ("Potassium [Moles/volume] in Serum or Plasma", "mmol/L", 3.5, 5.3),
    "2075-0": ("Chloride [Moles/volume] in Serum or Plasma", "mmol/L", 98.0, 110.0),
    "17861-6": ("Calcium [Mass/volume] in Serum or Plasma", "mg/dL", 8.6, 10.3),
    "2345-7": ("Glucose [Mass/volume] in Serum or Plasma", "mg/dL", 70.0, 99.0),
    "1751-7": ("Albumin [Mass/volume] in Serum or Plasma", "g/dL", 3.6, 5.1),
    "6768-6": ("Alkaline phosphatase [Enzymatic activity/volume] in Serum", "U/L", 35.0, 144.0),
    "1742-6": ("Alanine aminotransferase [Enzymatic activity/volume] in Serum", "U/L", 9.0, 46.0),
    "1975-2": ("Bilirubin.total [Mass/volume] in Serum or Plasma", "mg/dL", 0.2, 1.2),
}
VITALS: Final = {
    "8867-4": ("Heart rate", "/min", 58.0, 98.0),
    "9279-1": ("Respiratory rate", "/min", 12.0, 20.0),
    "8310-5": ("Body temperature", "Cel", 36.1, 37.4),
    "29463-7": ("Body weight", "kg", 79.0, 91.0),
    "59408-5": ("Oxygen saturation in Arterial blood by Pulse oximetry", "%", 94.0, 99.0),
}
ILLNESSES: Final = (
    ("38341003", "I10", "Essential hypertension"),
    ("55822004", "E78.5", "Hyperlipidemia"),
    ("396275006", "M19.90", "Osteoarthritis"),
    ("44054006", "E11.9", "Type 2 diabetes mellitus"),
    ("235595009", "K21.9", "Gastroesophageal reflux disease"),
    ("195967001", "J45.909", "Asthma"),
    ("73430006", "G47.33", "Sleep apnea"),
    ("49436004", "I48.91", "Atrial fibrillation"),
)
TABLETS: Final = (
    ("83367", "atorvastatin"),
    ("17767", "amlodipine"),
    ("6809", "metformin"),
    ("7646", "omeprazole"),
    ("29046", "lisinopril"),
    ("77492", "tamsulosin"),
    ("435", "albuterol"),
    ("11289", "warfarin"),
)
ORDERS: Final = (
    ("58410-2", "CBC panel - Blood by Automated count"),
    ("24323-8", "Comprehensive metabolic 2000 panel - Serum or Plasma"),
    ("57698-3", "Lipid panel with direct LDL - Serum or Plasma"),
)


AWAY: Final = "http://127.0.0.1:9/fhir"
"""A server that nobody has to ask: as clients do, every call names one."""
NEEDED: Final = ("patient", "conditions", "medicationRequests", "observations")


def hook_call(size: int, today: date) -> bytes:
    """A `patient-view` call whose prefetch holds `size` resources and lacks nothing."""
    chart = prostate_chart(size, today)
    prefetch: dict[str, Any] = {key: _searchset(found) for key, found in chart.items()}
    prefetch["patient"] = chart["patient"][0]
    return orjson.dumps(
        {
            "hook": "patient-view",
            "hookInstance": "6f1b8c7e-3a0f-4d55-9a0e-1c1f6d1a7c10",
            "fhirServer": AWAY,
            "context": {"userId": "Practitioner/bench", "patientId": PATIENT},
            "prefetch": prefetch,
        }
    )


def in_part(call: bytes) -> bytes:
    """The same of a client that prefetches only what is needed; its server is away."""
    whole = orjson.loads(call)
    needed = {key: whole["prefetch"][key] for key in NEEDED}
    return orjson.dumps({**whole, "prefetch": needed})


def prostate_chart(size: int, today: date) -> Chart:
    """The resources by prefetch key, `size` of them together; 50 is the fewest."""
    if size < 50:
        raise ValueError("a chart has 50 resources or more")
    return _Writer(size, today).chart()


def _searchset(resources: list[Resource]) -> Resource:
    base = "https://ehr.example.org/fhir"
    entries = [
        {"fullUrl": f"{base}/{r['resourceType']}/{r['id']}", "resource": r} for r in resources
    ]
    return {
        "resourceType": "Bundle", "type": "searchset", "total": len(entries), "entry": entries,
    }  # fmt: skip


class _Writer:
    """One chart while it is made up."""

    def __init__(self, size: int, today: date) -> None:
        self._size = size
        self._today = today
        self._chance = random.Random(SEED)  # noqa: S311 - not a secret

    def chart(self) -> Chart:
        size = self._size
        chart = {
            "patient": [self._patient()],
            "conditions": self._conditions(min(40, 2 + size // 50)),
            "medicationRequests": self._orders(2 + size // 12),
            "medicationAdministrations": self._doses(min(11, size // 8)),
            "procedures": self._procedures(1 + size // 200),
            "serviceRequests": self._requests(1 + size // 100),
            "diagnosticReports": self._reports(1 + size // 50),
        }
        chart |= {query.key: [] for query in QUERIES if query.key not in (*chart, "observations")}
        left = size - sum(map(len, chart.values()))
        return chart | {"observations": self._observations(left)}

    def _day(self, days_ago: int) -> str:
        return (self._today - timedelta(days=days_ago)).isoformat()

    def _moment(self, days_ago: int) -> str:
        hour, minute = self._chance.randrange(7, 18), self._chance.randrange(60)
        return f"{self._day(days_ago)}T{hour:02}:{minute:02}:00-05:00"

    def _some_day(self) -> int:
        return self._chance.randrange(30, 3_600)

    def _resource(self, kind: str, tag: str, number: int, profile: str, **body: Any) -> Resource:
        resource = {
            "resourceType": kind,
            "id": f"{PATIENT}-{tag}{number}",
            "meta": {
                "versionId": str(self._chance.randrange(1, 6)),
                "lastUpdated": f"{self._day(self._some_day())}T03:15:00Z",
                "profile": [profile],
            },
        }
        owner = {} if kind == "Patient" else {"subject": _reference(f"Patient/{PATIENT}")}
        return resource | body | owner

    def _patient(self) -> Resource:
        patient = self._resource("Patient", "", 0, f"{CORE}patient")
        return patient | {
            "id": PATIENT,
            "active": True,
            "name": [{"use": "official", "family": "Bench", "given": ["Otto", "Karl"]}],
            "gender": "male",
            "birthDate": "1951-02-03",
            "telecom": [{"system": "phone", "value": "555-0142", "use": "home"}],
        }

    def _conditions(self, count: int) -> list[Resource]:
        cancer = ("399068003", "C61", "Malignant neoplasm of prostate")
        bone = ("94222008", "C79.51", "Secondary malignant neoplasm of bone")
        found = [
            self._condition(0, cancer, f"{MCODE}primary-cancer-condition", DEPRIVATION_DAYS + 30),
            self._condition(1, bone, f"{MCODE}secondary-cancer-condition", DEPRIVATION_DAYS + 20),
        ]
        for number in range(2, count):
            illness = self._chance.choice(ILLNESSES)
            profile = f"{CORE}condition-problems-health-concerns"
            found.append(self._condition(number, illness, profile, self._some_day()))
        return found

    def _condition(
        self, number: int, illness: tuple[str, str, str], profile: str, days_ago: int
    ) -> Resource:
        snomed, icd, name = illness
        icd10 = "http://hl7.org/fhir/sid/icd-10-cm"
        return self._resource(
            "Condition", "c", number, profile,
            clinicalStatus=_concept(f"{HL7}condition-clinical", "active", "Active"),
            verificationStatus=_concept(f"{HL7}condition-ver-status", "confirmed", "Confirmed"),
            category=[_concept(f"{HL7}condition-category", "problem-list-item", "Problem")],
            code={"coding": [_coding(SNOMED, snomed, name), _coding(icd10, icd, name)],
                  "text": name},
            onsetDateTime=self._day(days_ago),
            recordedDate=self._day(days_ago),
        )  # fmt: skip

    def _orders(self, count: int) -> list[Resource]:
        found = [
            self._order(0, ("42375", "leuprolide"), DEPRIVATION_DAYS, None),
            self._order(1, ("1307298", "enzalutamide"), ENZALUTAMIDE_DAYS, None),
        ]
        for number in range(2, count):
            since = self._chance.randrange(200, 3_600)
            found.append(self._order(number, self._chance.choice(TABLETS), since, since - 90))
        return found

    def _order(self, number: int, drug: tuple[str, str], since: int, until: int | None) -> Resource:
        bounds = {"start": self._day(since)} | ({"end": self._day(until)} if until else {})
        reason = [_reference(CANCER)] if until is None else [_reference(f"Condition/{PATIENT}-c2")]
        supply = {
            "numberOfRepeatsAllowed": 3,
            "quantity": _quantity(90, "{tbl}"),
            "expectedSupplyDuration": _quantity(90, "d"),
        }
        return self._resource(
            "MedicationRequest", "mr", number, f"{CORE}medicationrequest",
            status="active" if until is None else "completed",
            intent="order",
            category=[_concept(f"{HL7}medicationrequest-category", "outpatient", "Outpatient")],
            medicationCodeableConcept=_concept(RXNORM, *drug) | {"text": drug[1]},
            encounter=_reference(f"Encounter/{PATIENT}-e{self._chance.randrange(400)}"),
            authoredOn=self._day(since),
            requester={"reference": "Practitioner/bench", "display": "Dr B. Ench"},
            reasonReference=reason,
            dosageInstruction=[{"text": "as directed", "timing": {"repeat": {
                "boundsPeriod": bounds, "frequency": 1, "period": 1, "periodUnit": "d"}}}],
            **({"dispenseRequest": supply} if until else {}),
        )  # fmt: skip

    def _doses(self, count: int) -> list[Resource]:
        """The newest doses of leuprolide, which is given every twelve weeks."""
        first = DEPRIVATION_DAYS - 84 * (DEPRIVATION_DAYS // 84)
        return [
            self._resource(
                "MedicationAdministration", "ma", number, f"{MCODE}cancer-related-medication",
                status="completed",
                medicationCodeableConcept=_concept(RXNORM, "42375", "leuprolide"),
                effectiveDateTime=self._moment(first + 84 * number),
                request=_reference(f"MedicationRequest/{PATIENT}-mr0"),
                dosage={"route": _concept(SNOMED, "34206005", "Subcutaneous route"),
                        "dose": _quantity(22.5, "mg")},
            )
            for number in range(count)
        ]  # fmt: skip

    def _procedures(self, count: int) -> list[Resource]:
        return [
            self._resource(
                "Procedure", "p", number, f"{CORE}procedure",
                status="completed",
                code=_concept(SNOMED, *(("65575008", "Biopsy of prostate") if number == 0
                                        else ("29303009", "Electrocardiographic procedure"))),
                performedDateTime=self._day(
                    DEPRIVATION_DAYS + 40 if number == 0 else self._some_day()),
            )
            for number in range(count)
        ]  # fmt: skip

    def _requests(self, count: int) -> list[Resource]:
        return [
            self._resource(
                "ServiceRequest", "sr", number, f"{CORE}servicerequest",
                status="completed",
                intent="order",
                category=[_concept(SNOMED, "108252007", "Laboratory procedure")],
                code=_concept(LOINC, *self._chance.choice(ORDERS)),
                authoredOn=self._moment(self._some_day()),
                requester=_reference("Practitioner/bench"),
            )
            for number in range(count)
        ]  # fmt: skip

    def _reports(self, count: int) -> list[Resource]:
        return [
            self._resource(
                "DiagnosticReport", "dr", number, f"{CORE}diagnosticreport-lab",
                status="final",
                category=[_concept(f"{HL7}v2-0074", "LAB", "Laboratory")],
                code=_concept(LOINC, *self._chance.choice(ORDERS)),
                effectiveDateTime=self._moment(self._some_day()),
                issued=f"{self._day(self._some_day())}T18:00:00-05:00",
                result=[_reference(f"Observation/{PATIENT}-o{n + 60}") for n in range(9)],
            )
            for number in range(count)
        ]  # fmt: skip

    def _observations(self, count: int) -> list[Resource]:
        """Of the PSA course the newest third at the smallest size, and all of it from 150 on."""
        told = list(self._course())
        kept = told if count > 2 * len(told) else told[-(count // 2) :]
        noise = self._noise()
        found = [*kept, *(next(noise)(number) for number in range(count - len(kept)))]
        self._chance.shuffle(found)
        return found

    def _course(self) -> Iterator[Resource]:
        """Markers and statuses, oldest first."""
        course = [
            *((days, ("2857-1", "Prostate specific Ag [Mass/volume] in Serum or Plasma"),
               {"valueQuantity": _quantity(value, "ng/mL")}) for days, value in PSA.items()),
            *((days, ("2986-8", "Testosterone [Mass/volume] in Serum or Plasma"),
               {"valueQuantity": _quantity(value, "ng/dL")})
              for days, value in TESTOSTERONE.items()),
            *((days, ("97509-4", "Cancer disease progression"),
               {"valueCodeableConcept": _concept(SNOMED, *value)})
              for days, value in STATUS.items()),
        ]  # fmt: skip
        course.sort(key=lambda told: -told[0])
        for number, (days, code, value) in enumerate(course):
            profile = f"{MCODE}tumor-marker-test"
            is_status = code[0] == "97509-4"
            body = value | ({"focus": [_reference(CANCER)]} if is_status else {})
            yield self._observation(f"m{number}-", 0, profile, "laboratory", code, days, body)

    def _noise(self) -> Iterator[Callable[[int], Resource]]:
        makers = [self._pressure, *[self._vital] * 4, *[self._lab] * 11]
        while True:
            yield self._chance.choice(makers)

    def _pressure(self, number: int) -> Resource:
        parts = (("8480-6", "Systolic blood pressure", 105, 165),
                 ("8462-4", "Diastolic blood pressure", 60, 99))  # fmt: skip
        components = [
            {
                "code": _concept(LOINC, code, name),
                "valueQuantity": _quantity(self._chance.randrange(low, high), "mm[Hg]"),
            }
            for code, name, low, high in parts
        ]
        code = ("85354-9", "Blood pressure panel with all children optional")
        return self._observation(
            "o", number, f"{CORE}blood-pressure", "vital-signs", code, self._some_day(),
            {"component": components},
        )  # fmt: skip

    def _vital(self, number: int) -> Resource:
        code, (name, unit, low, high) = self._chance.choice(list(VITALS.items()))
        value = round(self._chance.uniform(low, high), 1)
        return self._observation(
            "o", number, f"{CORE}vital-signs", "vital-signs", (code, name), self._some_day(),
            {"valueQuantity": _quantity(value, unit)},
        )  # fmt: skip

    def _lab(self, number: int) -> Resource:
        code, (name, unit, low, high) = self._chance.choice(list(LABS.items()))
        value = round(self._chance.uniform(low * 0.8, high * 1.2), 2)
        mark = "L" if value < low else "H" if value > high else "N"
        meaning = _concept(f"{HL7}v3-ObservationInterpretation", mark, mark)
        limits = {"low": _quantity(low, unit), "high": _quantity(high, unit)}
        return self._observation(
            "o", number, f"{CORE}observation-lab", "laboratory", (code, name), self._some_day(),
            {"valueQuantity": _quantity(value, unit), "interpretation": [meaning],
             "referenceRange": [limits]},
        )  # fmt: skip

    def _observation(
        self,
        tag: str,
        number: int,
        profile: str,
        category: str,
        code: tuple[str, str],
        days_ago: int,
        body: Resource,
    ) -> Resource:
        when = self._moment(days_ago)
        return self._resource(
            "Observation", tag, number, profile,
            status="final",
            category=[_concept(f"{HL7}observation-category", category, category)],
            code=_concept(LOINC, *code) | {"text": code[1]},
            encounter=_reference(f"Encounter/{PATIENT}-e{self._chance.randrange(400)}"),
            effectiveDateTime=when,
            issued=when,
            performer=[{"reference": "Organization/lab", "display": "Central laboratory"}],
            **body,
        )  # fmt: skip


def _reference(target: str) -> Resource:
    return {"reference": target}


def _coding(system: str, code: str, display: str) -> Resource:
    return {"system": system, "code": code, "display": display}


def _concept(system: str, code: str, display: str) -> Resource:
    return {"coding": [_coding(system, code, display)]}


def _quantity(value: float, unit: str) -> Resource:
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}
