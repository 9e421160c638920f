"""What clinicians and reports said, and why drugs were stopped, as evidence with its precedence."""

from __future__ import annotations

from typing import Any

import pytest
from clinical.values import CONDITION, KNOWLEDGE, cancer, line, on, record, seen, use, value

from cds_service.clinical.evidence import Finding, gather_evidence, is_about, unlinked_evidence
from cds_service.clinical.evidence.evidence import (
    FORMAL,
    HISTOLOGY,
    IMAGED,
    JUDGED,
    MARKER,
    in_order,
)
from cds_service.clinical.evidence.statements import from_statement, from_stops
from cds_service.clinical.record import Cancer, Exposure, Statement


def statement(category: str = "", finding: str = "", **said: Any) -> Statement:
    given: dict[str, Any] = {
        "resource": "Observation/s1",
        "on": on("2024-05-20"),
        "kind": "disease-status",
        "criteria": "clinician",
        "text": "as recorded",
    }
    return Statement(category=category, finding=finding, **(given | said))


@pytest.mark.parametrize(
    ("category", "finding", "read"),
    [
        pytest.param("complete-response", "", "complete-response", id="a category"),
        pytest.param("progression", "", "progression", id="progression"),
        pytest.param("stable", "", "stable", id="stable disease"),
        pytest.param("unconfirmed-progression", "", "unconfirmed-progression", id="iUPD"),
        pytest.param("progression", "relapse", "relapse", id="a relapse is one, not progression"),
        pytest.param("", "relapse", "relapse", id="a relapse without a category"),
        pytest.param("", "castration-resistant", "progression", id="castration resistance"),
        pytest.param("progression", "documented-refractory", "progression", id="refractory"),
        pytest.param("", "responding", "falling", id="better, of whatever degree"),
        pytest.param("partial-response", "responding", "partial-response", id="better, and how"),
        pytest.param("", "remission", "remission", id="remission of unknown degree"),
        pytest.param("complete-response", "remission", "complete-response", id="remission, known"),
        pytest.param("", "mixed", "not-evaluable", id="mixed"),
        pytest.param("not-evaluable", "no-response", "not-evaluable", id="no response"),
        pytest.param("", "", None, id="nothing"),
        pytest.param("", "documented-refractory", None, id="refractory of no category"),
    ],
)
def test_what_a_statement_says(category: str, finding: str, read: str | None) -> None:
    found = from_statement(statement(category, finding))
    assert (found.finding if found else None) == read


@pytest.mark.parametrize(
    ("category", "finding", "marks"),
    [
        pytest.param("progression", "", set(), id="progression"),
        pytest.param("progression", "relapse", {"is_documented"}, id="relapse"),
        pytest.param(
            "progression",
            "documented-refractory",
            {"is_documented", "is_refractory_in_words"},
            id="refractory",
        ),
        pytest.param(
            "",
            "castration-resistant",
            {"is_documented", "is_refractory_in_words"},
            id="castration-resistant",
        ),
        pytest.param("partial-response", "", {"is_response"}, id="response"),
        pytest.param("", "responding", {"is_response"}, id="better"),
        pytest.param("", "remission", {"is_response"}, id="remission"),
        pytest.param("", "mixed", {"is_mixed"}, id="mixed"),
        pytest.param(
            "unconfirmed-progression", "", {"is_unconfirmed", "is_atypical"}, id="unconfirmed"
        ),
        pytest.param("stable", "", set(), id="stable"),
    ],
)
def test_how_a_statement_is_marked(category: str, finding: str, marks: set[str]) -> None:
    found = from_statement(statement(category, finding))
    assert found is not None
    every = (
        "is_documented", "is_refractory_in_words", "is_response", "is_mixed", "is_unconfirmed",
        "is_atypical", "is_confirmed", "is_formal",
    )  # fmt: skip
    assert {mark for mark in every if getattr(found, mark)} == marks


@pytest.mark.parametrize(
    ("said", "is_formal", "is_confirmed"),
    [
        pytest.param({"kind": "response-category", "criteria": "recist-1.1"}, True, False, id="PD"),
        pytest.param({"kind": "response-category", "criteria": "irecist"}, True, True, id="iCPD"),
        pytest.param({"kind": "response-category", "criteria": "clinician"}, False, False, id="-"),
        pytest.param(
            {"kind": "response-category", "criteria": "generic"}, True, False, id="its bare word"
        ),
        pytest.param({"kind": "response-category", "criteria": "cdisc"}, True, False, id="NCIt"),
        pytest.param(
            {"kind": "imaging", "criteria": "clinician"}, False, False, id="worse, says -"
        ),
        pytest.param({"criteria": "generic"}, False, False, id="the word as a clinician's status"),
        pytest.param({"kind": "imaging", "criteria": "recist-1.1"}, True, False, id="a report"),
        pytest.param({"criteria": "recist-1.1"}, False, False, id="a clinician's status is none"),
    ],
)
def test_a_category_of_a_response_system_is_formal(
    said: dict[str, Any], is_formal: bool, is_confirmed: bool
) -> None:
    found = from_statement(statement("progression", **said))
    assert found is not None
    assert (found.is_formal, found.is_confirmed) == (is_formal, is_confirmed)


@pytest.mark.parametrize(
    ("by", "is_marker_based"),
    [
        pytest.param({"marker"}, True, id="a marker alone"),
        pytest.param({"marker", "imaging"}, False, id="a marker and a scan"),
        pytest.param({"laboratory"}, False, id="a laboratory's interpretation"),
        pytest.param(set(), False, id="nobody says"),
    ],
)
def test_whether_a_statement_rests_on_a_marker_alone(by: set[str], is_marker_based: bool) -> None:
    found = from_statement(statement("progression", by=frozenset(by)))
    assert found is not None
    assert found.is_marker_based is is_marker_based


@pytest.mark.parametrize(
    ("said", "rank"),
    [
        pytest.param({"by": frozenset({"histology"})}, HISTOLOGY, id="tissue"),
        pytest.param({"by": frozenset({"cytology", "imaging"})}, HISTOLOGY, id="cells and a scan"),
        pytest.param({"kind": "response-category"}, FORMAL, id="a response category"),
        pytest.param({"kind": "imaging"}, FORMAL, id="a report"),
        pytest.param({"by": frozenset({"imaging"})}, IMAGED, id="a judgement on a scan"),
        pytest.param({"by": frozenset({"imaging", "marker"})}, IMAGED, id="a scan and a marker"),
        pytest.param({}, JUDGED, id="a judgement"),
        pytest.param({"by": frozenset({"examination"})}, JUDGED, id="an examination"),
        pytest.param({"by": frozenset({"marker"})}, MARKER, id="a marker alone"),
        pytest.param(
            {"by": frozenset({"marker"}), "kind": "response-category"},
            MARKER,
            id="a marker alone, however it is called",
        ),
    ],
)
def test_how_loud_a_statement_is(said: dict[str, Any], rank: int) -> None:
    found = from_statement(statement("progression", **said))
    assert found is not None
    assert found.rank == rank


@pytest.mark.parametrize(
    ("said", "detail"),
    [
        pytest.param({}, "as recorded", id="in its own words"),
        pytest.param({"text": ""}, "partial response", id="or in those of the category"),
        pytest.param({"by": frozenset({"marker", "imaging"})}, "as recorded (by imaging, marker)",
                     id="by what"),
        pytest.param({"sites": ("bone", "liver")}, "as recorded at bone, liver", id="where"),
        pytest.param({"on": on("2024-05")}, "as recorded, dated 2024-05 only", id="when, about"),
    ],
)  # fmt: skip
def test_what_a_reader_is_told(said: dict[str, Any], detail: str) -> None:
    found = from_statement(statement("partial-response", **said))
    assert found is not None
    assert found.detail == detail


@pytest.mark.parametrize(
    ("reason", "finding", "decides"),
    [
        pytest.param("progression", "stopped-for-progression", True, id="progression"),
        pytest.param("toxicity", "stopped-for-toxicity", False, id="toxicity only supports"),
        pytest.param("completed", None, False, id="completion says nothing of the course"),
        pytest.param("adherence", None, False, id="nor do missed doses"),
        pytest.param("", None, False, id="nor no reason"),
    ],
)
def test_why_a_drug_was_stopped(reason: str, finding: str | None, decides: bool) -> None:
    exposure = Exposure(
        "MedicationRequest/m1", "docetaxel", "order", on("2024-01-01"), on("2024-04-01"),
        stop_reason=reason,
    )  # fmt: skip
    found = list(from_stops(line(exposures=[exposure])))
    expected = [] if finding is None else [(finding, on("2024-04-01"), decides)]
    assert [(e.finding, e.on, e.decides) for e in found] == expected


# --- of which cancer, of which line ---------------------------------------------------------------

OTHER = Cancer("Condition/c2", ("Condition/c2", "Condition/c2b"), "prostate")
QUIET = Cancer("Condition/c3", ("Condition/c3",), "breast", is_in_remission=True)
OWN = cancer("colorectal")


@pytest.mark.parametrize(
    ("said", "cancers", "about"),
    [
        pytest.param({}, [OWN], True, id="the only cancer"),
        pytest.param({}, [OWN, OTHER], False, id="one of two"),
        pytest.param({}, [OWN, QUIET], True, id="the active one of two"),
        pytest.param({"focus": (CONDITION,)}, [OWN, OTHER], True, id="it names it"),
        pytest.param({"focus": ("Condition/c2b",)}, [OWN, OTHER], False, id="it names the other"),
        pytest.param({"focus": ("Condition/x",)}, [OWN], False, id="it names something else"),
        pytest.param({"disease": "colorectal"}, [OWN, OTHER], True, id="it names the disease"),
        pytest.param({"disease": "prostate"}, [OWN, OTHER], False, id="it names the other disease"),
    ],
)
def test_which_cancer_a_statement_is_about(
    said: dict[str, Any], cancers: list[Cancer], about: bool
) -> None:
    made = statement("progression", **said)
    chart = record(cancers=tuple(cancers), statements=(made,))
    assert is_about(made, OWN, chart) is about
    reported = [issue.code for issue in unlinked_evidence(chart)]
    none_at_all = not any(is_about(made, each, chart) for each in cancers)
    assert reported == ["unlinked-evidence"] * none_at_all


@pytest.mark.parametrize(
    ("when", "falls_in"),
    [
        pytest.param("2024-01-10", False, id="the day the line starts speaks of the one before"),
        pytest.param("2024-01-11", True, id="the next day"),
        pytest.param("2024-06-01", True, id="the day the next line starts"),
        pytest.param("2024-06-02", False, id="the day after"),
        pytest.param("2024-01", True, id="a month that reaches into the line"),
        pytest.param("2023", False, id="a year that does not"),
    ],
)
def test_which_line_a_statement_falls_into(when: str, falls_in: bool) -> None:
    made = statement("progression", on=on(when))
    of_line = line(use("docetaxel", "2024-01-10", "2024-05-01"), next_start="2024-06-01")
    chart = record(cancers=(OWN,), statements=(made,))
    assert bool(gather_evidence(chart, OWN, of_line, KNOWLEDGE)) is falls_in


def test_a_value_that_names_another_cancer_is_left_out() -> None:
    man = cancer("prostate")
    days = (("2024-01-01", "2"), ("2024-06-01", "9"), ("2024-07-01", "9"))
    values = [value("psa", when, amount) for when, amount in days]
    of_line = line(use("enzalutamide", "2024-01-10"))
    chart = record(cancers=(man,), measurements=tuple(values))
    assert gather_evidence(chart, man, of_line, KNOWLEDGE)
    foreign = tuple(
        value("psa", when, amount).__class__(
            m.resource, m.on, m.marker, m.quantity, focus=("Condition/c9",)
        )
        for (when, amount), m in zip(days, values, strict=True)
    )
    chart = record(cancers=(man,), measurements=foreign)
    assert gather_evidence(chart, man, of_line, KNOWLEDGE) == ()


@pytest.mark.parametrize("names", ["ab", "ba"])
@pytest.mark.parametrize(
    ("better", "worse"),
    [
        pytest.param("complete-response", "partial-response", id="CR and PR"),
        pytest.param("partial-response", "stable", id="PR and SD"),
        pytest.param("stable", "progression", id="SD and PD"),
        pytest.param("not-evaluable", "complete-response", id="what was not evaluable is no word"),
    ],
)
def test_of_two_words_of_one_day_the_worse_is_the_last(
    better: Finding, worse: Finding, names: str
) -> None:
    first, second = (
        seen(finding, "2024-05-20", resource=f"Observation/{name}")
        for finding, name in zip((better, worse), names, strict=True)
    )
    assert sorted([second, first], key=in_order) == [first, second]
