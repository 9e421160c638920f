"""The fact that an advice rests on, as it is told: a progression, or a response that was missed."""

from __future__ import annotations

from typing import Any

import pytest
from charts import condition, given, marker, order, patient, response

from cds_service import assess
from cds_service.clinical.assessment_json import to_json

CHOP = ["rituximab", "cyclophosphamide", "doxorubicin", "vincristine", "prednisone"]
LYMPHOMA = [
    patient("p1"),
    condition("dlbcl", onset="2023-12-20"),
    *(dose for drug in CHOP for dose in given(drug, start="2024-01-08", every=21, times=4)),
]
IGM = [
    patient("p1"),
    condition("waldenstrom", onset="2020-12-10"),
    order("ibrutinib", start="2024-01-08"),
    marker("igm", "2024-01-05", 20),
    marker("igm", "2024-03-25", 30),
]


@pytest.mark.parametrize(
    ("chart", "reason"),
    [
        pytest.param(
            [*LYMPHOMA, response("SD", "2024-04-01")],
            "Possible refractory disease: a required response not reached on 2024-04-01 during"
            " line 1 (R-CHOP).",
            id="stable disease after four cycles",
        ),
        pytest.param(
            [*LYMPHOMA, response("PD", "2024-04-01")],
            "Possible refractory disease: progression on 2024-04-01, 21 days after the last dose"
            " of line 1 (R-CHOP).",
            id="progression after four cycles",
        ),
        pytest.param(
            IGM,
            "Progression that is not called refractory: progression on 2024-03-25 during line 1"
            " (ibrutinib).",
            id="a rise of a marker that nothing confirms",
        ),
    ],
)
def test_an_advice_says_what_it_rests_on(chart: list[dict[str, Any]], reason: str) -> None:
    (cancer,) = to_json(assess(chart, "2024-04-10"))["cancers"]
    assert reason in {advice["reason"] for advice in cancer["advice"]}
