"""What every rule says of a line: that it held, that it did not, or that nobody can tell."""

from __future__ import annotations

import json
from typing import Any

import pytest
from charts import condition, given, marker, order, patient, response, transcript

from cds_service import assess
from cds_service.clinical.assessment_json import to_bytes, to_json

MYELOMA = [
    patient("p1"),
    condition("multiple-myeloma", onset="2023-01-01", id="mm"),
    *given("carfilzomib", start="2023-02-01", every=28, times=6),
]
COLON = [
    patient("p1"),
    condition("colorectal", onset="2023-01-01", id="cc"),
    *given("irinotecan", start="2023-02-01", every=14, times=8),
]
PROSTATE = [
    patient("p1"),
    condition("prostate", onset="2020-01-01", id="pc"),
    order("leuprolide", start="2023-01-02", end="2024-01-02"),
]
CML = [
    patient("p1"),
    condition("cml", onset="2023-01-01", id="cml"),
    order("imatinib", start="2023-01-02", end="2024-06-02"),
]


def answers(chart: list[dict[str, Any]], as_of: str) -> dict[str, tuple[str, str | None, str]]:
    """By rule: its answer, what failed as a code, and why in words."""
    said = to_json(assess(chart, as_of), explain=True)
    (line,) = said["cancers"][0]["lines"]
    return {a["rule"]: (a["answer"], a["condition"], a["why"]) for a in line["explanation"]}


@pytest.mark.parametrize(
    ("chart", "rule", "answer", "condition", "why"),
    [
        pytest.param(
            MYELOMA, "multiple-myeloma.imwg-60-days", "not-held", "no-progression",
            "no progression is on record", id="nothing recorded",
        ),
        pytest.param(
            [*MYELOMA, response("PD", "2023-08-20")], "multiple-myeloma.imwg-60-days", "held", None,
            "carfilzomib: progression 60 days after it; the rule counts up to 60 days",
            id="on day 60",
        ),
        pytest.param(
            [*MYELOMA, response("PD", "2023-08-21")], "multiple-myeloma.imwg-60-days",
            "not-held", "outside-window",
            "carfilzomib: progression 61 days after it; the rule counts up to 60 days",
            id="on day 61",
        ),
        pytest.param(
            [*MYELOMA, response("PD", "2023-08")], "multiple-myeloma.imwg-60-days",
            "cannot-tell", "cannot-tell",
            "carfilzomib: progression 41 days after it; the rule counts up to 60 days",
            id="some day of a month that lies on both sides of the limit",
        ),
        pytest.param(
            [*MYELOMA[:2], *given("carfilzomib", start="2023-02-01", every=7, times=2),
             response("PD", "2023-02-21")],
            "multiple-myeloma.imwg-60-days", "not-held", "too-little-exposure",
            "carfilzomib: 20 days of exposure by then, and the rule asks for 21 days or 1 cycles",
            id="twenty days of exposure",
        ),
        pytest.param(
            MYELOMA, "multiple-myeloma.no-minor-response", "cannot-tell", "not-assessed",
            "no response category is on record that tells whether minimal response was reached",
            id="response never assessed",
        ),
        pytest.param(
            [*MYELOMA, response("MR", "2023-05-01")], "multiple-myeloma.no-minor-response",
            "not-held", "response-reached", "minimal response was reached",
            id="a minor response",
        ),
        pytest.param(
            [*MYELOMA, response("SD", "2023-02-20")], "multiple-myeloma.no-minor-response",
            "not-held", "too-little-exposure", "1 cycles up to 2023-02-20; the rule asks for 2",
            id="stable after one cycle",
        ),
        pytest.param(
            [*MYELOMA, response("SD", "2023-05-01")], "multiple-myeloma.no-minor-response",
            "held", None, "minimal response was not reached after adequate exposure",
            id="stable after three cycles",
        ),
        pytest.param(
            MYELOMA, "multiple-myeloma.serum-m-protein", "cannot-tell", "value-missing",
            "no m-protein-serum during this line", id="marker never measured",
        ),
        pytest.param(
            [*MYELOMA, marker("m-protein", on="2023-03-01", value=1.2)],
            "multiple-myeloma.serum-m-protein", "cannot-tell", "value-missing",
            "one value alone shows no course", id="marker measured once",
        ),
        pytest.param(
            [*MYELOMA, marker("m-protein", on="2023-03-01", value=1.2),
             marker("m-protein", on="2023-04-01", value=1.1)],
            "multiple-myeloma.serum-m-protein", "not-held", "not-met",
            "2 values, none of which meets it", id="marker flat",
        ),
        pytest.param(
            [*MYELOMA, marker("m-protein", on="2023-03-01", value=1.2),
             marker("m-protein", on="2023-04-01", value=11, unit="units")],
            "multiple-myeloma.serum-m-protein", "cannot-tell", "not-comparable",
            "1 of 2 values cannot be converted", id="marker in a unit that nobody knows",
        ),
        pytest.param(
            [*COLON, marker("cea", on="2023-02-01", value=5),
             marker("cea", on="2023-04-01", value=20),
             marker("cea", on="2023-04-20", value=25)],
            "colorectal.cea", "cannot-tell", "unverified",
            "it only suggests", id="a marker rule whose number nobody could confirm",
        ),
        pytest.param(
            [*PROSTATE, response("PD", "2023-08-01")], "prostate.androgen-deprivation",
            "cannot-tell", "value-missing",
            "leuprolide: the rule asks for testosterone below 50, at most 90 days old, and the "
            "chart has no such value", id="no testosterone",
        ),
        pytest.param(
            CML, "cml.eln-2020-milestones", "cannot-tell", "value-missing",
            "no value at a time that can be read", id="transcript never measured",
        ),
        pytest.param(
            [*CML, transcript("IS", on="2023-07-02", value=11)],
            "cml.eln-2020-milestones", "held", None, "above 10 % at 6 months",
            id="milestone missed",
        ),
        pytest.param(
            [*CML, transcript("IS", on="2023-04-02", value=11)],
            "cml.eln-2020-milestones", "cannot-tell", "not-confirmed", "not confirmed",
            id="milestone missed once, to be repeated",
        ),
        pytest.param(
            [*CML, transcript("IS", on="2023-07-02", value=0.5)],
            "cml.eln-2020-milestones", "not-held", "response-reached", "milestone met",
            id="milestone met",
        ),
    ],
)  # fmt: skip
def test_a_rule_says_whether_it_held_and_why(
    chart: list[dict[str, Any]], rule: str, answer: str, condition: str | None, why: str
) -> None:
    said = answers(chart, "2024-06-01")[rule]
    assert said[:2] == (answer, condition)
    assert why in said[2]


def test_composites_say_what_is_wanting() -> None:
    chart = [*MYELOMA, response("PD", "2023-08-20")]
    (cancer,) = to_json(assess(chart, "2023-09-01"), explain=True)["cancers"]
    said = {a["rule"]: (a["answer"], a["why"]) for a in cancer["explanation"]}
    assert said["double-refractory"] == ("not-held", "not refractory to immunomodulatory-drug")
    assert said["triple-class-refractory"][1].endswith("nor to anti-cd38-antibody")


def test_nobody_who_does_not_ask_is_told() -> None:
    said = json.loads(to_bytes(assess(MYELOMA, "2023-09-01")))
    assert "explanation" not in said["cancers"][0]
    assert "explanation" not in said["cancers"][0]["lines"][0]
