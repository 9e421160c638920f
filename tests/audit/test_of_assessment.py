"""Why no card came: the rules that were asked of a line and did not hold, with what failed."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from charts import condition, given, patient, response

from cds_service import assess
from cds_service.audit.decided import Unmet
from cds_service.audit.of_assessment import cancers_decided

RULE = "multiple-myeloma.imwg-60-days"
CHART = [
    patient("p1"),
    condition("multiple-myeloma", onset="2023-01-01", id="mm"),
    *given("carfilzomib", start="2023-02-01", every=28, times=6),
]
NOT_MEASURED = [
    Unmet(f"multiple-myeloma.{marker}", "value-missing")
    for marker in (
        "circulating-plasma-cells", "free-light-chains", "marrow-plasma-cells", "serum-m-protein",
        "urine-m-protein",
    )
]  # fmt: skip
RESPONSE = "multiple-myeloma.no-minor-response"
LAST_DOSE = "2023-06-21"


@pytest.mark.parametrize(
    ("added", "status", "met", "unmet"),
    [
        pytest.param(
            [],
            "no-evidence",
            (),
            [Unmet(RULE, "no-progression"), Unmet(RESPONSE, "not-assessed")],
            id="nothing recorded",
        ),
        pytest.param(
            [response("PR", "2023-05-01")],
            "responding",
            (),
            [Unmet(RULE, "no-progression"), Unmet(RESPONSE, "response-reached")],
            id="a response",
        ),
        pytest.param(
            [response("PR", "2023-05-01"), response("PD", "2023-08-21")],
            "relapsed",
            (RULE,),
            [Unmet(RESPONSE, "response-reached")],
            id="progression a day too late: the rule decides that it is a relapse",
        ),
        pytest.param(
            [response("PD", "2023-08-20")],
            "possible-refractory",
            (RULE,),
            [Unmet(RESPONSE, "not-assessed")],
            id="on day 60",
        ),
    ],
)
def test_the_record_names_the_rules_that_did_not_hold(
    added: list[dict[str, Any]], status: str, met: tuple[str, ...], unmet: list[Unmet]
) -> None:
    (cancer,) = cancers_decided(assess([*CHART, *added], as_of=date(2023, 9, 1)))
    (line,) = cancer.lines
    assert (line.status, tuple(line.rules)) == (status, met)
    assert list(line.unmet) == sorted([*unmet, *NOT_MEASURED], key=lambda one: one.rule)
