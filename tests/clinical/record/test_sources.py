"""What an assessment rests on: the resources that it read something of, and no others."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from charts import (
    condition,
    ecog,
    marker,
    noise,
    order,
    patient,
    problem,
    procedure,
    response,
)

from cds_service import assess

AS_OF = date(2024, 6, 10)
MYELOMA = condition("multiple-myeloma", onset="2023-10-01", id="mm")
ELSEWHERE = {"resourceType": "Medication", "id": "m1", "code": {"text": "lenalidomide"}}
UNASKED = {"resourceType": "Medication", "id": "m2", "code": {"text": "bortezomib"}}


def by_reference() -> dict[str, Any]:
    resource = order("lenalidomide", "2024-01-05", id="len")
    del resource["medicationCodeableConcept"]
    return {**resource, "medicationReference": {"reference": "Medication/m1"}}


@pytest.mark.parametrize(
    ("added", "used"),
    [
        pytest.param([], set(), id="the patient and the cancer alone"),
        pytest.param([order("lenalidomide", "2024-01-05", id="len")], {"MedicationRequest/len"},
                     id="a drug against cancer"),
        pytest.param([by_reference(), ELSEWHERE, UNASKED],
                     {"MedicationRequest/len", "Medication/m1"},
                     id="a drug in a resource of its own, and not the one that nobody names"),
        pytest.param([order("ondansetron", "2024-01-05")], set(), id="a supportive drug"),
        pytest.param([problem("Essential hypertension", code="I10", onset="2020-01-01")], set(),
                     id="another illness"),
        pytest.param([response("PD", "2024-05-01", id="pd")], {"Observation/pd"}, id="a response"),
        pytest.param([marker("m-protein", "2024-05-01", 2.0, id="mp")], {"Observation/mp"},
                     id="a marker of this cancer"),
        pytest.param([marker("psa", "2024-05-01", 2.0)], set(), id="a marker of another"),
        pytest.param([ecog(1, "2024-05-01", id="ecog")], {"Observation/ecog"}, id="a fact"),
        pytest.param(noise("2024-05-01"), set(), id="vital signs"),
        pytest.param([procedure("biopsy", "2024-05-01", id="b")], {"Procedure/b"}, id="a biopsy"),
        pytest.param([{"resourceType": "Procedure", "id": "x", "status": "completed",
                       "code": {"text": "Tonsillectomy"}, "performedDateTime": "2024-05-01",
                       "subject": {"reference": "Patient/p1"}}],
                     set(), id="a procedure of no matter"),
        pytest.param([response("PD", "2024-05-01", patient="p2")], set(), id="another patient's"),
    ],
)  # fmt: skip
def test_an_assessment_rests_on(added: list[dict[str, Any]], used: set[str]) -> None:
    resources = [patient("p1"), MYELOMA, *added]
    assessed = assess(resources, as_of=AS_OF)
    assert set(assessed.used) == {"Patient/p1", "Condition/mm", *used}
    held = {f"{r['resourceType']}/{r['id']}": r for r in resources}
    assert assessed.record.sources == tuple(
        (name, held[name]) for name in held if name in assessed.used
    )
