"""Milestones of a transcript, on both sides of every boundary of time and of value."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import pytest
from clinical.values import KNOWLEDGE, cancer, line, on, record, use, value

from cds_service.clinical.evidence import Evidence, Values, gather_evidence
from cds_service.clinical.evidence.molecular import from_milestones, from_variants
from cds_service.clinical.lines import Line
from cds_service.clinical.record import Fact

START = date(2023, 1, 1)
UNTIL = START + timedelta(days=900)
(MILESTONES,) = KNOWLEDGE.diseases["cml"].milestones
IMATINIB = line(use("imatinib", "2023-01-01", as_of="2025-12-31"))

Course = Sequence[tuple[int, str]]
"""Day of the line and per cent on the International Scale."""


def read(course: Course, of_line: Line = IMATINIB, until: date = UNTIL) -> list[Evidence]:
    values = [
        value("bcr-abl-is", (START + timedelta(days=at)).isoformat(), amount)
        for at, amount in course
    ]
    return from_milestones(MILESTONES, of_line, Values(values), until)


@pytest.mark.parametrize(
    ("course", "finding", "missed"),
    [
        pytest.param([(59, "40")], "not-evaluable", "", id="day 59: too early"),
        pytest.param([(60, "10")], "falling", "", id="day 60: 10 % is met"),
        pytest.param([(60, "10.1")], "unconfirmed-progression", "3 months", id="day 60: 10.1 %"),
        pytest.param([(120, "10.1")], "unconfirmed-progression", "3 months", id="day 120"),
        pytest.param([(121, "40")], "not-evaluable", "", id="day 121: between milestones"),
        pytest.param([(149, "40")], "not-evaluable", "", id="day 149: still between"),
        pytest.param([(150, "10.1")], "progression", "6 months", id="day 150: needs no second"),
        pytest.param([(150, "10")], "falling", "", id="day 150: 10 % is a warning, no failure"),
        pytest.param([(210, "10.1")], "progression", "6 months", id="day 210"),
        pytest.param([(211, "40")], "not-evaluable", "", id="day 211: between milestones"),
        pytest.param([(329, "40")], "not-evaluable", "", id="day 329: still between"),
        pytest.param([(330, "1.1")], "progression", "12 months", id="day 330: 1.1 %"),
        pytest.param([(330, "1")], "falling", "", id="day 330: 1 % is a warning"),
        pytest.param([(400, "1.1")], "progression", "12 months", id="day 400"),
        pytest.param([(401, "1.1")], "progression", "after 12 months", id="day 401"),
        pytest.param([(899, "1.1")], "progression", "after 12 months", id="any time after"),
        pytest.param([(330, "<1.1")], "not-evaluable", "", id="less than 1.1 % cannot tell"),
        pytest.param([(330, "<1")], "falling", "", id="less than 1 % is no failure"),
        pytest.param([(330, "<=1")], "falling", "", id="nor is at most 1 %"),
        pytest.param([(330, ">1.1")], "progression", "12 months", id="more than 1.1 % is one"),
        pytest.param([(330, ">1")], "progression", "12 months", id="so is more than 1 %"),
        pytest.param([(330, ">=1")], "not-evaluable", "", id="1 % or more cannot tell"),
        pytest.param([(330, ">0.05")], "not-evaluable", "", id="nor can more than 0.05 %"),
        pytest.param([(180, ">10")], "progression", "6 months", id="more than 10 % at 6 months"),
        pytest.param([(180, ">9")], "not-evaluable", "", id="more than 9 % cannot tell"),
        pytest.param([(180, "<15")], "not-evaluable", "", id="nor can less than 15 %"),
        pytest.param([(250, ">9")], "not-evaluable", "", id="between milestones neither"),
    ],
)
def test_a_milestone_is_met_or_missed(course: Course, finding: str, missed: str) -> None:
    (found,) = read(course)
    assert (found.finding, found.missed) == (finding, missed)
    assert found.is_response is (finding == "falling")
    assert found.is_unconfirmed is (finding == "unconfirmed-progression")


@pytest.mark.parametrize(
    ("second", "finding"),
    [
        pytest.param((119, "11"), "unconfirmed-progression", id="29 days later"),
        pytest.param((120, "11"), "progression", id="30 days later"),
        pytest.param((180, "11"), "progression", id="90 days later"),
        pytest.param((181, "11"), "unconfirmed-progression", id="91 days later"),
        pytest.param((130, "10"), "unconfirmed-progression", id="no longer above"),
        pytest.param((130, "<12"), "unconfirmed-progression", id="less than 12 % confirms nothing"),
        pytest.param((130, ">10"), "progression", id="more than 10 % confirms"),
    ],
)
def test_the_first_milestone_asks_for_a_second_value(second: tuple[int, str], finding: str) -> None:
    assert read([(90, "12"), second])[0].finding == finding


@pytest.mark.parametrize(
    ("course", "finding", "missed"),
    [
        pytest.param(
            [(90, "1"), (130, "1.1")], "unconfirmed-progression", "", id="above it again, once"
        ),
        pytest.param(
            [(90, "1"), (130, "1.1"), (145, "1.1")], "progression", "loss", id="and once more"
        ),
        pytest.param(
            [(90, "1.1"), (130, "1.2")], "falling", "", id="what was not reached cannot be lost"
        ),
        pytest.param(
            [(90, "0.1"), (130, "0.2")],
            "unconfirmed-progression",
            "",
            id="a major response that is lost",
        ),
        pytest.param([(90, "0.1"), (130, "0.1")], "falling", "", id="a major response that holds"),
        pytest.param([(90, "0.2"), (130, "0.9")], "falling", "", id="no major response to lose"),
        pytest.param([(90, "0.05"), (130, "<0.3")], "falling", "", id="less than 0.3 %: not lost"),
        pytest.param([(90, ">0.05"), (130, "0.3")], "falling", "", id="never surely reached"),
        pytest.param([(90, "1"), (130, "<2")], "falling", "", id="less than 2 %: not above 1 %"),
    ],
)
def test_a_response_that_is_lost_between_milestones(
    course: Course, finding: str, missed: str
) -> None:
    last = read(course)[-1]
    assert (last.finding, last.missed) == (finding, missed)
    assert last.is_signal_only is (missed == "loss")


@pytest.mark.parametrize(
    ("earlier", "was_reached"),
    [pytest.param("1", True, id="at 1 %"), pytest.param("1.1", False, id="never at 1 %")],
)
def test_a_missed_milestone_knows_whether_the_response_had_been_there(
    earlier: str, was_reached: bool
) -> None:
    assert read([(200, earlier), (380, "5")])[-1].was_reached is was_reached


STOPPED = line(use("imatinib", "2023-01-01", "2023-12-31"))  # day 364 is its last


@pytest.mark.parametrize(
    ("course", "of_line", "finding"),
    [
        pytest.param([(300, "0.01"), (365, "0.1")], STOPPED, "remission", id="remission without"),
        pytest.param([(300, "0.01"), (365, "0.11")], STOPPED, "relapse", id="lost without"),
        pytest.param([(300, "0.01"), (364, "0.11")], STOPPED, "unconfirmed-progression", id="on"),
        pytest.param([(300, "0.2"), (365, "0.3")], STOPPED, "falling", id="no deep response"),
        pytest.param([(300, "0.01"), (365, "0.11")], IMATINIB, "unconfirmed-progression", id="on"),
        pytest.param([(300, "0.01"), (365, "<0.2")], STOPPED, "not-evaluable", id="under 0.2 %"),
        pytest.param([(300, "0.01"), (365, ">0.1")], STOPPED, "relapse", id="more than 0.1 %"),
    ],
)
def test_off_therapy_after_a_deep_response(course: Course, of_line: Line, finding: str) -> None:
    assert read(course, of_line)[-1].finding == finding


@pytest.mark.parametrize(
    ("stopped_for", "is_off_therapy"),
    [
        pytest.param(("completed",), True, id="as planned"),
        pytest.param((), False, id="for no reason that is told"),
        pytest.param(("progression",), False, id="for progression"),
    ],
)
def test_remission_without_treatment_begins_with_a_planned_stop(
    stopped_for: tuple[str, ...], is_off_therapy: bool
) -> None:
    of_line = line(use("imatinib", "2023-01-01", "2023-12-31", stopped_for=stopped_for))
    lost = read([(300, "0.01"), (390, "0.2")], of_line)[-1]
    assert (lost.finding, lost.is_off_therapy) == ("relapse", is_off_therapy)
    assert not read([(300, "0.01"), (390, "0.05")], of_line)[-1].is_off_therapy


@pytest.mark.parametrize(
    ("amounts", "finding", "is_doubted"),
    [
        pytest.param(("0.5", "0.6"), "falling", False, id="both below"),
        pytest.param(("1.5", "2"), "progression", False, id="both above"),
        pytest.param(("0.5", "2"), "not-evaluable", True, id="one above, one below"),
    ],
)
def test_two_values_of_one_day(amounts: tuple[str, ...], finding: str, is_doubted: bool) -> None:
    (found,) = read([(380, amount) for amount in amounts])
    assert (found.finding, found.is_not_comparable) == (finding, is_doubted)
    assert read([(380, amount) for amount in amounts[::-1]]) == [found]


def test_milestones_are_those_of_one_class_of_drugs() -> None:
    assert read([(380, "5")], line(use("hydroxyurea", "2023-01-01"))) == []


@pytest.mark.parametrize(("at", "is_read"), [(0, False), (1, True), (900, True), (901, False)])
def test_values_count_from_the_day_after_the_start_to_the_next_line(at: int, is_read: bool) -> None:
    assert bool(read([(at, "5")])) is is_read


@pytest.mark.parametrize(
    ("name", "said", "when", "is_found"),
    [
        pytest.param("variant-abl1", "positive", "2023-06-01", True, id="a mutation of the kinase"),
        pytest.param("variant-abl1", "negative", "2023-06-01", False, id="none found"),
        pytest.param("variant-tp53", "positive", "2023-06-01", False, id="of another gene"),
        pytest.param("variant-abl1", "positive", "2023-01-01", False, id="known at the start"),
        pytest.param("variant-abl1", "positive", "2023-01-02", True, id="the day after"),
        pytest.param("variant-abl1", "positive", "2025-06-18", False, id="after the line"),
        pytest.param("variant-abl1", "positive", None, False, id="without a date"),
    ],
)
def test_a_resistance_mutation_found_on_therapy_is_failure(
    name: str, said: str, when: str | None, is_found: bool
) -> None:
    fact = Fact("Observation/v", name, said, on(when) if when else None)
    found = from_variants(MILESTONES, IMATINIB, [fact], Values([]), date(2025, 6, 17))
    assert [(e.finding, e.missed) for e in found] == [("progression", "mutation")] * is_found
    other = line(use("hydroxyurea", "2023-01-01"))
    assert from_variants(MILESTONES, other, [fact], Values([]), UNTIL) == []


@pytest.mark.parametrize(
    ("course", "was_reached"),
    [
        pytest.param([], False, id="nothing measured"),
        pytest.param([(90, "10")], True, id="the first milestone met"),
        pytest.param([(90, "10.1")], False, id="the first milestone missed"),
        pytest.param([(130, "9")], False, id="9 % when no milestone is due"),
        pytest.param([(130, "1")], True, id="1 % at any time"),
        pytest.param([(180, "9")], False, id="a warning at 6 months"),
        pytest.param([(180, "1")], True, id="6 months"),
        pytest.param([(380, "0.5")], True, id="a warning at 12 months, but 1 % is reached"),
        pytest.param([(180, ">0.5")], False, id="not for sure"),
        pytest.param([(180, "0.5"), (180, "5")], False, id="two values of a day, one of them"),
        pytest.param([(400, "0.5")], False, id="on the day itself"),
    ],
)
def test_a_mutation_after_a_response_is_new(course: Course, was_reached: bool) -> None:
    when = (START + timedelta(days=400)).isoformat()
    values = [
        value("bcr-abl-is", (START + timedelta(days=at)).isoformat(), amount)
        for at, amount in course
    ]
    fact = Fact("Observation/v", "variant-abl1", "positive", on(when))
    (found,) = from_variants(MILESTONES, IMATINIB, [fact], Values(values), UNTIL)
    assert found.was_reached is was_reached


def test_the_transcripts_of_the_chart_tell_whether_a_mutation_is_new() -> None:
    fact = Fact("Observation/v", "variant-abl1", "positive", on("2023-10-01"))
    chart = record(
        "2023-12-31",
        facts=(fact,),
        measurements=(value("bcr-abl-is", "2023-07-01", "0.7"),),
    )
    found = gather_evidence(chart, cancer("cml"), IMATINIB, KNOWLEDGE)
    assert [e.was_reached for e in found if e.missed == "mutation"] == [True]
