"""Every builder makes valid FHIR R4, and the short form of a chart says what it seems to say."""

from datetime import date
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from charts import (
    Resource,
    condition,
    deauville,
    disease_status,
    dispensed,
    ecog,
    fact,
    given,
    lesion,
    marker,
    noise,
    order,
    patient,
    problem,
    procedure,
    receptors,
    report,
    resources,
    response,
    secondary,
    service_request,
    stated,
    transcript,
    tumour,
    variant,
)
from charts.codes import (
    CANCERS,
    DISEASE_STATUS,
    DRUGS,
    EVIDENCE_TYPES,
    MARKERS,
    METASTASES,
    PROCEDURES,
    REQUESTS,
    STOP_REASONS,
)

BUILT: dict[str, Resource | list[Resource]] = {
    "patient": patient(),
    "patient who died": patient(deceased="2024-03-01"),
    "patient who died on a day unknown": patient(deceased=True),
    "cancers": [
        condition(disease, onset="2023-05", recorded="2023-06-01", stage="4") for disease in CANCERS
    ],
    "cancer in remission": condition("cml", clinical="remission", abated="2023-09-09"),
    "cancer by a code of its own": condition("prostate", code="427492003"),
    "provisional cancer": condition("dlbcl", verification="provisional"),
    "cancer entered in error": condition("dlbcl", verification="entered-in-error"),
    "metastases": [secondary(site, onset="2024-01-02", of="breast") for site in METASTASES],
    "problem": problem("Refractory cancer pain", code="G89.3", recorded="2024-02-02"),
    "orders": [order(drug, "2024-01-05", "2024-06-01") for drug in DRUGS],
    "order with everything": order(
        "letrozole",
        "2024-01-05",
        reason="breast",
        intent="palliative",
        stopped_for="toxicity",
        route="oral",
        do_not_perform=True,
        identifier="rx-1",
    ),
    "orders stopped for every reason": [
        order("letrozole", "2024-01-05", "2024-02-01", stopped_for=reason)
        for reason in STOP_REASONS
    ],
    "order with a dose": order("imatinib", "2024-01-05", mg_a_day=400),
    "doses": given("rituximab", start="2024-01-05", every=21, times=6, route="intravenous"),
    "dispensed": dispensed("imatinib", "2024-01-05"),
    "stated": stated("imatinib", "2024-01-05", status="not-taken", stopped_for="cost"),
    "procedures": [procedure(what, "2024-01-05") for what in PROCEDURES],
    "course of radiotherapy": procedure("chemoradiation", "2024-01-05", "2024-02-16"),
    "procedure declined": procedure(
        "biopsy", "2024-01-05", status="not-done", status_reason="refusal"
    ),
    "requests": [service_request(what, "2024-01-05") for what in REQUESTS],
    "request declined": service_request(
        "biopsy", "2024-01-05", status="revoked", status_reason="refusal"
    ),
    "disease status": [
        disease_status(what, "2024-01-05", by=by, site="brain", cancer="nsclc")
        for what in DISEASE_STATUS
        for by in EVIDENCE_TYPES
    ],
    "disease status of a month": disease_status("progression", "2024-01"),
    "responses": [response(category, "2024-01-05") for category in ("PR", "VGPR", "iUPD")],
    "German response": response("D", "2024-01-05", obds=True),
    "markers": [marker(analyte, "2024-01-05", 4.2, high=4.0) for analyte in MARKERS],
    "corrected marker": marker(
        "psa",
        "2024-01-05",
        0.1,
        comparator="<",
        lab="lab-a",
        status="corrected",
        identifier="r-1",
        issued="2024-01-06",
    ),
    "transcript": transcript("IS", "2024-01-05", 0.0032, comparator="<", lab="lab-a"),
    "transcript off the scale": transcript("local", "2024-01-05", 3),
    "receptors": receptors("ER+ PR- HER2-", "2024-01-05"),
    "facts": [fact("t-category", "2024-01-05", "T1"), fact("rai-avidity", "2024-01-05", "Absent")],
    "variant": variant("KIT", "2024-01-05", "exon 9"),
    "ecog": ecog(2, "2024-01-05"),
    "deauville": [deauville(score, "2024-01-05") for score in range(1, 6)],
    "lesions": [
        lesion("t1", "2024-01-05", 2.4, unit="cm", short=1.1),
        lesion("", "2024-01-05", 14, site="liver", method=None, says="New lesion", cancer="c1"),
        tumour("t1", site="lung", cancer="c1"),
        tumour("t2"),
    ],
    "report": report("No comparison available.", "2024-01-05"),
    "noise": noise("2024-01-05"),
}


@pytest.mark.parametrize("what", BUILT)
def test_builders_make_valid_fhir(what: str) -> None:
    built = BUILT[what]
    for resource in built if isinstance(built, list) else [built]:
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)


def test_an_order_without_an_end_is_active_and_one_with_an_end_completed() -> None:
    assert order("imatinib", "2024-01-05")["status"] == "active"
    assert order("imatinib", "2024-01-05", "2024-02-05")["status"] == "completed"
    toxic = order("imatinib", "2024-01-05", "2024-02-05", stopped_for="toxicity")
    assert toxic["status"] == "stopped"


def _only(chart: list[dict[str, Any]], resource_type: str) -> list[Resource]:
    return [made for made in resources(chart) if made["resourceType"] == resource_type]


def test_dates_may_be_sums() -> None:
    (pd,) = _only([{"status": "progression", "on": "2024-06-01 + 60 d"}], "Observation")
    assert pd["effectiveDateTime"] == "2024-07-31"


def test_lists_and_series_make_one_resource_each() -> None:
    assert len(_only([{"order": ["lenalidomide", "dexamethasone"], "start": "2024-01-05"}],
                     "MedicationRequest")) == 2  # fmt: skip
    series = [["2024-01-05", 4.0], ["2024-02-05", 5.0]]
    results = _only([{"marker": "psa", "series": series}], "Observation")
    assert [result["valueQuantity"]["value"] for result in results] == [4.0, 5.0]


def test_doses_after_the_day_of_reading_have_not_been_given() -> None:
    course = [{"given": "rituximab", "start": "2024-01-05", "every": 21, "times": 6}]
    made = resources(course, until=date(2024, 2, 16))
    assert [dose["effectiveDateTime"] for dose in made[1:]] == [
        "2024-01-05",
        "2024-01-26",
        "2024-02-16",
    ]


def test_the_same_thing_twice_is_two_resources() -> None:
    twice = [{"marker": "psa", "on": "2024-01-05", "value": 4}] * 2
    assert len({result["id"] for result in _only(twice, "Observation")}) == 2


def test_a_chart_without_a_patient_gets_one() -> None:
    assert [made["resourceType"] for made in resources([{"cancer": "cml"}])] == [
        "Patient",
        "Condition",
    ]
