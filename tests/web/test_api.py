"""POST /api/assess: a Bundle of one patient in, what `refractory-cds assess` prints out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import charts
import pytest
from fixtures.stories import FOLDER, STORIES, Story
from hooks.calls import bundle, myeloma, outcome
from hooks.serving import Served, everything_in, issue_of, serving

from cds_service.cli import run

AS_OF = "2026-11-21"


def holding(*resources: dict[str, Any], kind: str = "collection", **members: Any) -> dict[str, Any]:
    return bundle(*resources, type=kind, **members)


def printed(capsys: pytest.CaptureFixture[str], path: Path, as_of: str) -> list[str]:
    """What the command prints for a file."""
    capsys.readouterr()
    assert run(["assess", str(path), "--as-of", as_of, "--format", "json"]) == 0
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("story", [pytest.param(story, id=story.slug) for story in STORIES])
async def test_a_fixture_patient_is_assessed_as_on_the_command_line(
    served: Served, story: Story, capsys: pytest.CaptureFixture[str]
) -> None:
    file = FOLDER / story.slug / "bundle.json"
    answer = await served.assess(file.read_bytes(), asOf=story.as_of.isoformat())
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert [answer.text] == printed(capsys, file, story.as_of.isoformat())


def entries_of(resources: list[dict[str, Any]], **extra: Any) -> list[dict[str, Any]]:
    return [
        {
            "fullUrl": f"https://ehr.example/fhir/{r['resourceType']}/{r['id']}",
            "resource": r,
            **extra,
        }
        for r in resources
    ]


def put(resource: dict[str, Any]) -> dict[str, str]:
    return {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"}


def as_transaction() -> dict[str, Any]:
    entries = [{"resource": r, "request": put(r)} for r in myeloma()]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def as_batch_response() -> dict[str, Any]:
    inner = holding(*myeloma()[1:], kind="searchset")
    entries = [
        {"resource": myeloma()[0], "response": {"status": "200 OK"}},
        {"resource": inner, "response": {"status": "200 OK"}},
    ]
    return {"resourceType": "Bundle", "type": "batch-response", "entry": entries}


def as_history() -> dict[str, Any]:
    """The newest version first; the order had been cancelled before."""
    older = [r | {"status": "cancelled"} for r in myeloma() if r["resourceType"].startswith("Med")]
    return {
        "resourceType": "Bundle",
        "type": "history",
        "entry": [{"resource": r, "request": put(r)} for r in [*myeloma(), *older]],
    }


def as_document() -> dict[str, Any]:
    composition = {"resourceType": "Composition", "status": "final", "title": "x"}
    return holding(composition, *myeloma(), kind="document")


SHAPES = [
    pytest.param(lambda: holding(*myeloma()), id="collection"),
    pytest.param(lambda: holding(*myeloma(), kind="searchset", total=9), id="searchset"),
    pytest.param(as_transaction, id="transaction"),
    pytest.param(as_batch_response, id="batch-response"),
    pytest.param(as_history, id="history"),
    pytest.param(as_document, id="document"),
    pytest.param(lambda: holding(*myeloma(), kind="canary"), id="a type that does not exist"),
    pytest.param(lambda: {"resourceType": "Bundle", "entry": entries_of(myeloma())}, id="no type"),
    pytest.param(lambda: holding(*reversed(myeloma())), id="in another order"),
    pytest.param(lambda: holding(*myeloma(), *myeloma()), id="everything twice"),
]


@pytest.mark.parametrize("shape", SHAPES)
async def test_the_type_of_the_bundle_changes_nothing(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str], shape: Any
) -> None:
    plain = (await served.assess(holding(*myeloma()), asOf=AS_OF)).json()
    answer = await served.assess(shape(), asOf=AS_OF)
    assert answer.status_code == 200
    assert answer.json()["cancers"] == plain["cancers"]
    file = tmp_path / "chart.json"
    file.write_text(json.dumps(shape()), encoding="utf-8")
    (line,) = printed(capsys, file, AS_OF)
    assert json.loads(line)["cancers"] == plain["cancers"]


async def test_a_single_resource_is_a_chart_of_one(served: Served) -> None:
    answer = await served.assess(charts.condition("multiple-myeloma"), asOf=AS_OF)
    assert answer.json()["patient"] == "Patient/p1"
    assert [cancer["disease"] for cancer in answer.json()["cancers"]] == ["multiple-myeloma"]


async def test_a_patient_alone_has_no_cancer(served: Served) -> None:
    answer = await served.assess(holding(charts.patient()))
    assert (answer.status_code, answer.json()["cancers"]) == (200, [])


# --- the day ------------------------------------------------------------------------------------


async def test_the_day_is_today_unless_asked_otherwise(served: Served) -> None:
    answer = await served.assess(holding(*myeloma()))
    assert answer.json()["asOf"] == AS_OF
    assert served.last()["asOfSource"] == "clock"
    answer = await served.assess(holding(*myeloma()), asOf="2026-06-01")
    assert answer.json()["asOf"] == "2026-06-01"
    assert (served.last()["asOf"], served.last()["asOfSource"]) == ("2026-06-01", "query")
    (line,) = answer.json()["cancers"][0]["lines"]
    assert line["status"] == "stable", "what lies after the day asked is not known yet"


@pytest.mark.parametrize(
    "day",
    [
        pytest.param("", id="empty"),
        pytest.param("today", id="a word"),
        pytest.param("2026", id="a year"),
        pytest.param("2026-11", id="a month"),
        pytest.param("2026-02-30", id="no such day"),
        pytest.param("0000-01-01", id="the year 0"),
        pytest.param("21.11.2026", id="another order"),
        pytest.param("2026-11-21T00:00:00Z", id="a time"),
        pytest.param(" 2026-11-21", id="a space"),
        pytest.param("2026-11-21\n", id="a line break"),
        pytest.param("-2026-11-21", id="before Christ"),
        pytest.param("canary'; DROP TABLE events; --", id="SQL"),
    ],
)
async def test_a_day_that_is_none_is_400_and_on_record(served: Served, day: str) -> None:
    before = served.size()
    answer = await served.assess(holding(*myeloma()), asOf=day)
    assert answer.status_code == 400
    assert issue_of(answer)["expression"] == ["asOf"]
    assert "canary" not in answer.text
    assert [one["reason"] for one in served.entries(after=before)] == ["malformed"]


@pytest.mark.parametrize("day", ["2026-02-28", "2024-02-29", "1900-01-01", "2199-12-31"])
async def test_any_day_is_taken(served: Served, day: str) -> None:
    answer = await served.assess(holding(*myeloma()), asOf=day)
    assert (answer.status_code, answer.json()["asOf"]) == (200, day)


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
async def test_the_ends_of_the_calendar_are_no_error_of_ours(served: Served, day: str) -> None:
    for story in STORIES:
        answer = await served.assess(holding(*story.resources), asOf=day)
        assert answer.status_code == 200, story.slug


async def test_a_parameter_that_nobody_knows_is_ignored(served: Served) -> None:
    answer = await served.assess(holding(*myeloma()), asOf=AS_OF, as_of="x", patient="p2")
    assert answer.status_code == 200


# --- what is no chart of one patient ------------------------------------------------------------

NO_CHART: list[Any] = [
    pytest.param({"resourceType": "Bundle"}, id="an empty Bundle"),
    pytest.param(holding(), id="entry []"),
    pytest.param(holding() | {"entry": [{}]}, id="an entry without resource"),
    pytest.param(holding({"resourceType": "Organization", "id": "x"}), id="nothing of a patient"),
    pytest.param(
        holding(charts.condition("dlbcl") | {"subject": {"display": "canary"}}),
        id="of a patient who cannot be told",
    ),
    pytest.param(outcome(), id="an OperationOutcome"),
    pytest.param(outcome("information"), id="an OperationOutcome of no error"),
    pytest.param(holding(charts.patient("a"), charts.patient("b")), id="two patients"),
    pytest.param(
        holding(
            charts.condition("dlbcl", patient="a"), charts.condition("cml", id="c", patient="b")
        ),
        id="two patients by their subjects",
    ),
    pytest.param(
        holding(charts.patient("a"), charts.condition("cml", patient="b")),
        id="a patient, and the condition of another",
    ),
    pytest.param(b"", id="nothing"),
    pytest.param(b"canary", id="no JSON"),
    pytest.param(b"[]", id="an array"),
    pytest.param(b"{}", id="no resourceType"),
    pytest.param({"resourceType": 5}, id="a number for a type"),
    pytest.param(b'{"resourceType": "Bundle", "x": "\xff"}', id="bytes that are not UTF-8"),
    pytest.param(b"<Bundle/>", id="XML"),
    pytest.param(b'{"resourceType":"Patient","id":"a"}\n{"resourceType":"Patient"}', id="NDJSON"),
    pytest.param(b'{"resourceType":"Bundle","entry":' + b"[" * 10_000, id="10,000 arrays"),
]


@pytest.mark.parametrize("body", NO_CHART)
async def test_what_is_no_chart_of_one_patient_is_400_and_on_record(
    served: Served, body: Any
) -> None:
    before = served.size()
    answer = await served.assess(body)
    assert answer.status_code == 400, answer.text
    issue_of(answer)
    assert "canary" not in answer.text
    assert [one["reason"] for one in served.entries(after=before)] == ["malformed"]


# --- what is wrong with a chart is an issue of it -----------------------------------------------


async def test_what_could_not_be_read_is_among_the_issues_as_on_the_command_line(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chart = holding(*myeloma(), link=[{"relation": "next", "url": "https://ehr.example/?page=2"}])
    chart["entry"] += [
        {"resource": outcome()},
        {"resource": "canary"},
        5,
        {"resource": {"resourceType": "Observation", "id": "o9", "code": "x"}
         | {"subject": {"reference": "Patient/p1"}}},
    ]  # fmt: skip
    answer = await served.assess(chart, asOf=AS_OF)
    issues = answer.json()["issues"]
    details = " ".join(issue["detail"] for issue in issues)
    assert len(issues) == 5
    assert "OperationOutcome" in details
    assert "further pages" in details
    assert "canary" not in answer.text
    file = tmp_path / "chart.json"
    file.write_text(json.dumps(chart), encoding="utf-8")
    (line,) = printed(capsys, file, AS_OF)
    theirs = json.loads(line)
    assert len(theirs["issues"]) == len(issues)
    assert theirs["cancers"] == answer.json()["cancers"]
    assert served.last()["issues"] == {"invalid-resource": 3, "not-read": 2}


def with_day(kind: str, member: str, day: str) -> list[dict[str, Any]]:
    return [r | {member: day} if r["resourceType"] == kind else r for r in myeloma()]


@pytest.mark.parametrize(
    ("day", "code"),
    [
        pytest.param("2026-02-30", "invalid-date", id="no such day"),
        pytest.param("2026-13-01", "invalid-date", id="no such month"),
        pytest.param("0000-01-01", "invalid-date", id="the year 0"),
        pytest.param("yesterday", "invalid-date", id="a word"),
        pytest.param("", "missing-date", id="nothing"),
        pytest.param("1900-01-01", "impossible-date", id="before the birth"),
        pytest.param("2026-11-22", "future-date", id="after the day asked"),
        pytest.param("9999-12-31", "future-date", id="the last day there is"),
    ],
)
async def test_evidence_of_an_impossible_date_is_an_issue_and_no_evidence(
    served: Served, day: str, code: str
) -> None:
    answer = await served.assess(
        holding(*with_day("Observation", "effectiveDateTime", day)), asOf=AS_OF
    )
    assert answer.status_code == 200
    assert {issue["code"] for issue in answer.json()["issues"]} == {code}
    ((line,),) = (cancer["lines"] for cancer in answer.json()["cancers"])
    assert (line["status"], line["evidence"]) == ("no-evidence", [])


@pytest.mark.parametrize(
    "member", ["authoredOn", "effectiveDateTime", "birthDate", "onsetDateTime"]
)
@pytest.mark.parametrize("day", ["2026-02-30", "0000-01-01", "9999-12-31", "9" * 5000, "\u0000"])
async def test_no_date_is_an_error_of_ours_wherever_it_stands(
    served: Served, member: str, day: str
) -> None:
    chart = holding(*(r | {member: day} for r in myeloma()))
    assert (await served.assess(chart, asOf=AS_OF)).status_code == 200


@pytest.mark.parametrize(
    "unit",
    [
        pytest.param({"unit": "bananas", "code": "bananas"}, id="none that there is"),
        pytest.param({"unit": "degF", "code": "[degF]"}, id="of a temperature"),
        pytest.param({"unit": "", "code": ""}, id="empty"),
        pytest.param({"unit": None, "code": None}, id="null"),
    ],
)
async def test_values_in_a_unit_that_cannot_be_compared_decide_nothing(
    served: Served, unit: dict[str, Any]
) -> None:
    rise = [charts.marker("m-protein", "2026-02-01", 1.0), charts.marker("m-protein", AS_OF, 3.0)]
    told = [r for r in myeloma() if r["resourceType"] != "Observation"]
    spoilt = rise[1] | {"valueQuantity": {"value": 3.0, **unit}}
    plain = await served.assess(holding(*told, *rise), asOf=AS_OF)
    answer = await served.assess(holding(*told, rise[0], spoilt), asOf=AS_OF)
    assert plain.json()["cancers"][0]["lines"][0]["status"] == "progressing"
    assert answer.json()["cancers"][0]["lines"][0]["status"] == "indeterminate"
    assert [issue["code"] for issue in answer.json()["issues"]] == ["unknown-unit"]


@pytest.mark.parametrize(
    ("text", "agents", "codes"),
    [
        pytest.param("Lenalidomide 25 mg PO caps", ["lenalidomide"], [], id="name and strength"),
        pytest.param("REVLIMID", ["lenalidomide"], [], id="a brand"),
        pytest.param("Canary-mab 5 mg", [], ["unrecognised-drug"], id="a drug nobody knows"),
        pytest.param("", [], ["unrecognised-drug"], id="no word"),
    ],
)
async def test_a_drug_in_free_text_is_read_or_is_an_issue(
    served: Served, text: str, agents: list[str], codes: list[str]
) -> None:
    order = charts.order("lenalidomide", "2026-01-05") | {
        "medicationCodeableConcept": {"text": text}
    }
    chart = holding(charts.patient(), charts.condition("multiple-myeloma"), order)
    answer = await served.assess(chart, asOf=AS_OF)
    (cancer,) = answer.json()["cancers"]
    assert [line["agents"] for line in cancer["lines"]] == ([agents] if agents else [])
    assert [issue["code"] for issue in answer.json()["issues"]] == codes
    assert "anary" not in answer.text


# --- the body as it is sent ---------------------------------------------------------------------


async def test_an_integer_of_any_length_costs_nothing_and_has_a_digest(served: Served) -> None:
    text = json.dumps(holding(*myeloma())).replace('"id"', f'"x": {"9" * 5000}, "id"')
    answer = await served.assess(text, asOf=AS_OF)
    plain = await served.assess(holding(*myeloma()), asOf=AS_OF)
    assert (answer.status_code, answer.content) == (200, plain.content)
    answer = await served.assess(text, asOf=AS_OF)
    inputs = json.loads(served.last().sealed["inputs"])["resources"]
    assert all(one["whole"].startswith("sha256:") for one in inputs)
    assert served.exit_code_of_verify() == 3


@pytest.mark.parametrize("body", ["9" * 5000, f'{{"resourceType": {"9" * 5000}}}'])
async def test_a_long_integer_is_no_chart(served: Served, body: str) -> None:
    answer = await served.assess(body)
    assert answer.status_code == 400
    issue_of(answer)


async def test_a_body_beyond_the_limit_is_413_and_on_record(tmp_path: Path) -> None:
    with serving(tmp_path, settings={"max_body_mib": 1}) as small:
        answer = await small.assess(holding(*myeloma(), note="canary" * 200_000))
        assert answer.status_code == 413
        assert "1 MiB" in issue_of(answer)["diagnostics"]
        assert "canary" not in answer.text
        assert (small.last()["reason"], small.last()["httpStatus"]) == ("oversized", 413)


async def test_an_assessment_is_a_decision_with_its_bytes_and_its_patient(served: Served) -> None:
    answer = await served.assess(holding(*myeloma()), asOf=AS_OF)
    decision = served.last()
    assert (decision["eventType"], decision["outcome"]) == ("decision", "assessed")
    assert decision["serviceId"] == "assess"
    assert "hook" not in decision.envelope
    assert decision.sealed["response"] == answer.content
    assert decision.sealed["assessment"] == answer.content
    assert json.loads(decision.sealed["identity"])["patientId"] == "p1"
    assert decision["patientPseudonym"]
    assert decision["cancers"][0]["disease"] == "multiple-myeloma"


async def test_the_same_patient_has_one_pseudonym_by_the_api(served: Served) -> None:
    names = set()
    for day in ("2026-10-01", AS_OF):
        await served.assess(holding(*myeloma()), asOf=day)
        names.add(served.last()["patientPseudonym"])
    assert len(names) == 1
    await served.assess(holding(charts.patient("p2")))
    assert served.last()["patientPseudonym"] not in names


async def test_a_long_chart_is_assessed_beside_short_ones(served: Served) -> None:
    """Beyond two megabytes an assessment runs in a thread of its own."""
    text = "lorem ipsum " * 20_000
    chart = [*myeloma(), *(charts.report(text, "2026-01-01", id=f"r{n}") for n in range(10))]
    answer = await served.assess(holding(*chart), asOf=AS_OF)
    short = await served.assess(holding(*myeloma()), asOf=AS_OF)
    assert answer.json()["cancers"] == short.json()["cancers"]
    assert len(everything_in(served)) > 2_000_000
