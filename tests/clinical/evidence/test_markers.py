"""Marker rules, number by number: what is a rise, from what, confirmed by what, and when not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from clinical.values import KNOWLEDGE, event, line, on, use, value

from cds_service.clinical.evidence import Evidence, Values
from cds_service.clinical.evidence.evidence import MARKER, MILESTONE, VALIDATED_MARKER
from cds_service.clinical.evidence.falls import HALF
from cds_service.clinical.evidence.marker_criteria import difference_of_light_chains
from cds_service.clinical.evidence.markers import from_markers
from cds_service.clinical.record import Event, Measurement
from cds_service.knowledge.model import MarkerResponse, MarkerRule

# The line starts on 2024-01-01 and nothing follows it before the day asked, 2024-12-31.
START, UNTIL = "2024-01-01", date(2024, 12, 31)
LINE = line(use("lenalidomide", START))
Series = Sequence[tuple[str, str]]

DOUBLED = MarkerRule(
    "test.doubled",
    "at least twice the lowest value, twice",
    "rise-over-nadir",
    "psa",
    "O",
    (),
    multiplier=Decimal(2),
)


def series(values: Series, marker: str = "psa", **told: Any) -> list[Measurement]:
    return [value(marker, when, amount, **told) for when, amount in values]


def read(
    rule: MarkerRule,
    values: Sequence[Measurement],
    events: Sequence[Event] = (),
    until: date = UNTIL,
) -> list[Evidence]:
    return from_markers([rule], KNOWLEDGE.terms.markers, LINE, Values(values), events, until)


def verdict(found: Sequence[Evidence]) -> str:
    """What decides beside a response, with its day: "progression 2024-05-01", or nothing."""
    deciding = [e for e in found if e.decides and not e.is_response]
    assert len(deciding) <= 1
    return f"{deciding[0].finding} {deciding[0].on}" if deciding else ""


def responses(found: Sequence[Evidence]) -> list[str]:
    """The days of values that speak of response."""
    return sorted(str(e.on) for e in found if e.is_response)


def rule(**changes: Any) -> MarkerRule:
    return replace(DOUBLED, **changes)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        pytest.param([], "", id="no values"),
        pytest.param([("2024-03-01", "9")], "", id="one value is no course"),
        pytest.param(
            [("2024-03-01", "2"), ("2024-04-01", "3.99")], "", id="just under the multiple"
        ),
        pytest.param(
            [("2024-03-01", "2"), ("2024-04-01", "4")],
            "unconfirmed-progression 2024-04-01",
            id="exactly the multiple, once",
        ),
        pytest.param(
            [("2024-03-01", "2"), ("2024-04-01", "4"), ("2024-04-02", "4")],
            "progression 2024-04-01",
            id="twice: dated by the first",
        ),
        pytest.param(
            [("2024-03-01", "2"), ("2024-04-01", "4"), ("2024-04-20", "3"), ("2024-05-01", "4")],
            "unconfirmed-progression 2024-05-01",
            id="a value in between that is lower than the first ends the suspicion",
        ),
        pytest.param(
            [("2024-03-01", "9"), ("2024-04-01", "2"), ("2024-05-01", "4"), ("2024-06-01", "5")],
            "progression 2024-05-01",
            id="the lowest value counts, not the first",
        ),
        pytest.param(
            [("2024-03-01", "2"), ("2024-04-01", "4"), ("2024-05-01", "5"), ("2024-06-01", "1")],
            "progression 2024-04-01",
            id="what is confirmed is not undone by a later fall",
        ),
        pytest.param(
            [("2024-03-01", "0"), ("2024-04-01", "0"), ("2024-05-01", "0")],
            "",
            id="nought is no multiple of nought",
        ),
        pytest.param(
            [("2024-04-01", "4"), ("2024-03-01", "2"), ("2024-04-02", "4")],
            "progression 2024-04-01",
            id="in whatever order they come",
        ),
    ],
)
def test_a_rise_over_the_lowest_value(values: Series, said: str) -> None:
    assert verdict(read(DOUBLED, series(values))) == said


@pytest.mark.parametrize(
    ("baseline", "said"),
    [
        pytest.param("2024-01-01", "progression 2024-02-01", id="the first day of the line"),
        pytest.param("2023-12-31", "progression 2024-02-01", id="the day before"),
        pytest.param("2023-10-03", "progression 2024-02-01", id="90 days before"),
        pytest.param("2023-10-02", "", id="91 days before is too old"),
    ],
)
def test_the_last_value_before_the_line_is_its_baseline(baseline: str, said: str) -> None:
    values = [(baseline, "2"), ("2024-02-01", "4"), ("2024-03-01", "5")]
    assert verdict(read(DOUBLED, series(values))) == said


def test_only_the_last_value_before_the_line_is() -> None:
    values = [("2023-11-01", "1"), ("2023-12-01", "3"), ("2024-02-01", "4"), ("2024-03-01", "5")]
    assert verdict(read(DOUBLED, series(values))) == ""


@pytest.mark.parametrize(
    ("until", "said"),
    [
        pytest.param(date(2024, 5, 1), "progression 2024-04-01", id="up to the last day"),
        pytest.param(
            date(2024, 4, 30), "unconfirmed-progression 2024-04-01", id="and not beyond it"
        ),
    ],
)
def test_values_count_up_to_the_first_day_of_the_next_line(until: date, said: str) -> None:
    values = [("2024-03-01", "2"), ("2024-04-01", "4"), ("2024-05-01", "5")]
    assert verdict(read(DOUBLED, series(values), until=until)) == said


@pytest.mark.parametrize(
    ("changes", "values", "is_rise"),
    [
        pytest.param({"min_delta": Decimal(2)}, ("1", "3"), True, id="the least rise, exactly"),
        pytest.param({"min_delta": Decimal(2)}, ("1", "2.9"), False, id="less than that"),
        pytest.param(
            {"min_delta": Decimal(2), "is_delta_exclusive": True},
            ("1", "3"),
            False,
            id="more than asked: exactly is not",
        ),
        pytest.param(
            {"min_delta": Decimal(2), "is_delta_exclusive": True}, ("1", "3.1"), True, id="more is"
        ),
        pytest.param(
            {"high_nadir": Decimal(5), "high_delta": Decimal(1)},
            ("5", "6"),
            True,
            id="from a high lowest value a small rise suffices",
        ),
        pytest.param(
            {"high_nadir": Decimal(5), "high_delta": Decimal(1)},
            ("5", "5.9"),
            False,
            id="a smaller one does not",
        ),
        pytest.param(
            {"high_nadir": Decimal(5), "high_delta": Decimal(1)},
            ("4.9", "6"),
            False,
            id="from a lower one neither",
        ),
        pytest.param({"min_value": Decimal(10)}, ("4", "10"), True, id="the least value, exactly"),
        pytest.param({"min_value": Decimal(10)}, ("4", "9.9"), False, id="less than it"),
        pytest.param({"min_uln": Decimal(1)}, ("2", "4"), False, id="at the usual limit (4)"),
        pytest.param({"min_uln": Decimal(1)}, ("2", "4.1"), True, id="above the usual limit"),
        pytest.param({"min_uln": Decimal(2)}, ("2", "8"), False, id="at twice the limit"),
        pytest.param({"min_uln": Decimal(2)}, ("2", "8.1"), True, id="above twice the limit"),
        pytest.param({}, ("2", "<4"), False, id="an upper bound is never a rise"),
        pytest.param({}, ("2", "<=9"), False, id="whatever it is"),
        pytest.param({}, ("2", ">4"), True, id="a lower bound is, where the bound is"),
        pytest.param({}, ("2", ">3.9"), False, id="and is not where it is not"),
        pytest.param({}, ("<2", "4"), True, id="an upper bound as lowest value counts as itself"),
        pytest.param({}, ("<2", "3.9"), False, id="and never as nought"),
    ],
)
def test_how_much_is_a_rise(
    changes: dict[str, Any], values: tuple[str, str], is_rise: bool
) -> None:
    first, then = values
    found = read(rule(**changes), series([("2024-03-01", first), ("2024-04-01", then)]))
    assert bool(verdict(found)) is is_rise


@pytest.mark.parametrize(
    ("uln", "is_rise"),
    [
        pytest.param("3", True, id="above the laboratory's own limit"),
        pytest.param("6", False, id="below it, though above the usual one"),
    ],
)
def test_the_limit_of_normal_is_that_of_the_result(uln: str, is_rise: bool) -> None:
    values = series([("2024-03-01", "2"), ("2024-04-01", "5")], uln=uln)
    assert bool(verdict(read(rule(min_uln=Decimal(1)), values))) is is_rise


def test_without_any_limit_of_normal_the_rule_is_not_answered() -> None:
    no_limit = replace(KNOWLEDGE.terms.markers["psa"], typical_uln=None)
    values = series([("2024-03-01", "2"), ("2024-04-01", "50")])
    asked = [rule(min_uln=Decimal(1))]
    assert from_markers(asked, {"psa": no_limit}, LINE, Values(values), (), UNTIL) == []


@pytest.mark.parametrize(
    ("days", "second", "said"),
    [
        pytest.param(21, "2024-04-21", "unconfirmed-progression 2024-04-01", id="20 days later"),
        pytest.param(21, "2024-04-22", "progression 2024-04-01", id="21 days later"),
        pytest.param(0, "2024-04-02", "progression 2024-04-01", id="no interval: the next day"),
    ],
)
def test_a_confirming_value_comes_late_enough(days: int, second: str, said: str) -> None:
    values = [("2024-03-01", "2"), ("2024-04-01", "4"), (second, "5")]
    assert verdict(read(rule(confirm_days=days), series(values))) == said


def test_a_third_value_confirms_what_the_second_came_too_early_for() -> None:
    values = [("2024-03-01", "2"), ("2024-04-01", "4"), ("2024-04-10", "5"), ("2024-05-01", "6")]
    found = read(rule(confirm_days=21), series(values))
    assert verdict(found) == "progression 2024-04-01"
    assert [str(e.on) for e in found if e.finding == "rising"] == ["2024-05-01"]


def test_a_value_that_is_no_lower_keeps_the_suspicion_without_confirming_it() -> None:
    values = [("2024-03-01", "2"), ("2024-04-01", "4"), ("2024-05-01", "4")]
    high = rule(min_delta=Decimal(2))
    # a laboratory with another limit: 4 is no rise by it, but no lower than the first either
    last = value("psa", "2024-05-01", "4", uln="4")
    found = read(replace(high, min_uln=Decimal(1)), [*series(values[:2], uln="3"), last])
    assert verdict(found) == "unconfirmed-progression 2024-04-01"


@pytest.mark.parametrize(
    ("first", "said"),
    [
        pytest.param("2024-03-24", "", id="day 83 of the line"),
        pytest.param("2024-03-25", "unconfirmed-progression 2024-03-25", id="day 84"),
    ],
)
def test_early_values_do_not_count_as_a_rise(first: str, said: str) -> None:
    values = series([("2024-02-01", "2"), (first, "4")])
    assert verdict(read(rule(ignore_first_days=84), values)) == said


def test_an_early_value_can_still_be_the_lowest() -> None:
    values = series([("2024-01-10", "1"), ("2024-04-01", "2"), ("2024-05-01", "2")])
    assert verdict(read(rule(ignore_first_days=84), values)) == "progression 2024-04-01"


@pytest.mark.parametrize(
    ("procedure", "said"),
    [
        pytest.param("2024-03-03", "progression 2024-04-01", id="29 days before"),
        pytest.param("2024-03-04", "unconfirmed-progression 2024-05-10", id="28 days before"),
        pytest.param("2024-04-01", "unconfirmed-progression 2024-05-10", id="on the day"),
        pytest.param("2024-04-02", "progression 2024-04-01", id="the day after the value"),
    ],
)
def test_values_soon_after_a_procedure_are_left_out(procedure: str, said: str) -> None:
    drained = rule(excluded_after=("paracentesis-or-drainage",), excluded_days=28)
    values = series([("2024-02-01", "2"), ("2024-04-01", "4"), ("2024-05-10", "5")])
    assert verdict(read(drained, values, [event("paracentesis-or-drainage", procedure)])) == said
    assert verdict(read(drained, values, [event("biopsy", procedure)])) == "progression 2024-04-01"


def test_a_course_of_procedures_counts_from_its_end() -> None:
    drained = rule(excluded_after=("radiotherapy",), excluded_days=28)
    values = series([("2024-02-01", "2"), ("2024-04-01", "4"), ("2024-05-10", "5")])
    course = event("radiotherapy", "2024-01-10", "2024-03-10")
    assert verdict(read(drained, values, [course])) == "unconfirmed-progression 2024-05-10"


# --- several values, several laboratories --------------------------------------------------------


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        pytest.param(("4", "5"), "unconfirmed-progression 2024-04-01", id="both rise"),
        pytest.param(("4", "3"), "not-evaluable 2024-04-01", id="they contradict each other"),
        pytest.param(("3", "2"), "", id="neither does"),
        pytest.param(("4", "4"), "unconfirmed-progression 2024-04-01", id="the same value twice"),
    ],
)
def test_two_values_of_one_day(pair: tuple[str, str], said: str) -> None:
    values = series([("2024-03-01", "2"), *(("2024-04-01", amount) for amount in pair)])
    found = read(DOUBLED, values)
    assert verdict(found) == said
    assert any(e.is_not_comparable for e in found) == said.startswith("not-evaluable")


def test_the_lower_of_two_values_of_one_day_is_the_lowest_value() -> None:
    values = series([("2024-03-01", "3"), ("2024-03-01", "2"), ("2024-04-01", "4")])
    assert verdict(read(DOUBLED, values)) == "unconfirmed-progression 2024-04-01"


@pytest.mark.parametrize(
    ("labs", "said", "is_doubted"),
    [
        pytest.param("aaa", "progression 2024-04-01", False, id="one laboratory"),
        pytest.param("abb", "unconfirmed-progression 2024-04-01", True, id="one confirming value"),
        pytest.param("abbb", "progression 2024-04-01", True, id="two of the later laboratory"),
        pytest.param("abba", "unconfirmed-progression 2024-04-01", True, id="the third elsewhere"),
        pytest.param("-bb", "progression 2024-04-01", False, id="an unknown first laboratory"),
        pytest.param("a-b", "progression 2024-04-01", False, id="an unknown second laboratory"),
    ],
)
def test_a_rise_across_laboratories_asks_for_one_more_value(
    labs: str, said: str, is_doubted: bool
) -> None:
    days = ("2024-03-01", "2024-04-01", "2024-05-01", "2024-06-01")
    amounts = ("2", "4", "5", "6")
    values = [
        value("psa", when, amount, lab="" if lab == "-" else lab)
        for when, amount, lab in zip(days, amounts, labs, strict=False)
    ]
    found = read(DOUBLED, values)
    assert verdict(found) == said
    assert any(e.is_not_comparable for e in found) is is_doubted


@pytest.mark.parametrize(
    ("told", "said", "is_doubted"),
    [
        pytest.param(
            [("a", "2"), ("b", "4"), ("a", "5"), ("a", "6")],
            "progression 2024-05-01",
            False,
            id="confirmed by the first laboratory alone",
        ),
        pytest.param(
            [("a", "2"), ("b", "1.9"), ("a", "4"), ("a", "4")],
            "progression 2024-05-01",
            False,
            id="though another one measured lower",
        ),
        pytest.param(
            [("a", "2"), ("b", "1.9"), ("a", "4"), ("b", "3.9")],
            "unconfirmed-progression 2024-05-01",
            False,
            id="its own suspicion is comparable",
        ),
        pytest.param(
            [("a", "2"), ("b", "4"), ("a", "3"), ("b", "5")],
            "unconfirmed-progression 2024-06-01",
            True,
            id="neither rises by itself: not comparable, as before",
        ),
        pytest.param(
            [("a", "2"), ("b", "4"), ("b", "5"), ("a", "3")],
            "",
            False,
            id="what one measured higher the other takes back",
        ),
    ],
)
def test_each_laboratory_is_read_by_its_own_values_first(
    told: list[tuple[str, str]], said: str, is_doubted: bool
) -> None:
    days = ("2024-03-01", "2024-04-01", "2024-05-01", "2024-06-01")
    values = [
        value("psa", when, amount, lab=lab) for when, (lab, amount) in zip(days, told, strict=True)
    ]
    found = read(DOUBLED, values)
    assert verdict(found) == said
    assert any(e.is_not_comparable for e in found) is is_doubted
    assert read(DOUBLED, values[::-1]) == found


def test_a_laboratory_has_a_baseline_of_its_own() -> None:
    told = [
        ("2023-12-01", "2", "a"),
        ("2023-12-20", "9", "b"),
        ("2024-03-01", "4", "a"),
        ("2024-04-01", "4", "a"),
    ]
    values = [value("psa", when, amount, lab=lab) for when, amount, lab in told]
    assert verdict(read(DOUBLED, values)) == "progression 2024-03-01"


def test_a_response_within_one_laboratory_is_one() -> None:
    told = [
        ("2023-12-20", "8", "a"),
        ("2024-02-01", "4", "a"),
        ("2024-02-15", "5", "b"),
        ("2024-03-01", "4", "a"),
    ]
    values = [value("psa", when, amount, lab=lab) for when, amount, lab in told]
    assert responses(read(HALVED, values)) == ["2024-02-01", "2024-03-01"]


@pytest.mark.parametrize(
    ("amount", "when"),
    [
        pytest.param(None, "2024-04-01", id="cannot be converted"),
        pytest.param("9", "2024-04", id="dated to the month only"),
    ],
)
def test_values_that_cannot_be_used_are_passed_over(amount: str | None, when: str) -> None:
    values = [value("psa", "2024-03-01", "2"), value("psa", when, amount)]
    assert read(DOUBLED, values) == []


def test_another_marker_is_another_course() -> None:
    values = [value("psa", "2024-03-01", "2"), value("cea", "2024-04-01", "9")]
    assert read(DOUBLED, values) == []


# --- what is said of it --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "is_confirmed", "finding", "rank"),
    [
        pytest.param({}, True, "progression", VALIDATED_MARKER, id="sufficient alone"),
        pytest.param({}, False, "unconfirmed-progression", MARKER, id="until it is confirmed"),
        pytest.param(
            {"is_sufficient_alone": False}, True, "progression", MARKER, id="not sufficient alone"
        ),
        pytest.param(
            {"is_unverified": True},
            False,
            "unconfirmed-progression",
            MARKER,
            id="by a rule of no proof, until it is confirmed",
        ),
    ],
)
def test_how_loud_a_rise_is(
    changes: dict[str, Any], is_confirmed: bool, finding: str, rank: int
) -> None:
    values = [("2024-03-01", "2"), ("2024-04-01", "4"), ("2024-05-01", "5")]
    found = read(rule(**changes), series(values if is_confirmed else values[:2]))
    (deciding,) = (e for e in found if e.decides)
    assert (deciding.finding, deciding.rank) == (finding, rank)
    assert deciding.is_unconfirmed is (finding != "progression")
    assert deciding.confirmed_on == (on("2024-05-01") if is_confirmed else None)
    assert deciding.rule == "test.doubled"


def test_a_confirmed_rise_by_a_rule_of_no_proof_suggests_and_does_not_decide() -> None:
    values = series([("2024-03-01", "2"), ("2024-04-01", "4"), ("2024-05-01", "5")])
    found = read(rule(is_unverified=True), values)
    assert not any(e.decides or e.is_unconfirmed for e in found)
    (rise,) = (e for e in found if e.suggests)
    assert (rise.finding, rise.on, rise.confirmed_on) == (
        "rising",
        on("2024-04-01"),
        on("2024-05-01"),
    )
    assert not any(e.suggests for e in read(rule(is_unverified=True), values[:2]))
    assert not any(e.suggests for e in read(DOUBLED, values))


@pytest.mark.parametrize(
    ("marker", "is_confirmed", "rank"),
    [
        pytest.param("m-protein-serum", True, MILESTONE, id="M-protein is the disease itself"),
        pytest.param("m-protein-serum", False, MARKER, id="not before it is confirmed"),
        pytest.param("psa", True, VALIDATED_MARKER, id="a tumour marker is a marker"),
    ],
)
def test_a_marker_of_a_blood_cancer_speaks_as_a_milestone(
    marker: str, is_confirmed: bool, rank: int
) -> None:
    values = series([("2024-03-01", "2"), ("2024-04-01", "4"), ("2024-05-01", "5")], marker)
    found = read(rule(marker=marker), values if is_confirmed else values[:2])
    assert [e.rank for e in found if e.decides] == [rank]


def test_the_reference_and_the_confirmation_stand_beside_the_rise() -> None:
    found = read(DOUBLED, series([("2024-03-01", "2"), ("2024-04-01", "4"), ("2024-05-01", "5")]))
    assert [(e.finding, str(e.on), e.decides) for e in found] == [
        ("falling", "2024-03-01", False),
        ("progression", "2024-04-01", True),
        ("rising", "2024-05-01", False),
    ]


# --- response ------------------------------------------------------------------------------------

HALVED = rule(response=MarkerResponse(HALF, confirm_days=21))
TWICE_NORMAL = MarkerResponse(HALF, min_baseline_uln=Decimal(2))


@pytest.mark.parametrize(
    ("values", "days"),
    [
        pytest.param(
            [("2024-01-01", "8"), ("2024-03-01", "4"), ("2024-03-22", "4")],
            ["2024-03-01", "2024-03-22"],
            id="exactly half, and again 21 days later: by the first, and still so by the last",
        ),
        pytest.param(
            [("2024-01-01", "8"), ("2024-03-01", "4"), ("2024-03-21", "4")], [], id="20 days later"
        ),
        pytest.param([("2024-01-01", "8"), ("2024-03-01", "1")], [], id="once"),
        pytest.param(
            [("2024-01-01", "8"), ("2024-03-01", "4"), ("2024-03-22", "4.1")],
            [],
            id="a little more than half",
        ),
        pytest.param(
            [("2024-01-01", "8"), ("2024-03-01", "4"), ("2024-03-10", "5"), ("2024-03-22", "4")],
            [],
            id="not held in between",
        ),
        pytest.param(
            [("2024-01-01", "8"), ("2024-02-01", "4"), ("2024-03-01", "2"), ("2024-04-01", "3.9")],
            ["2024-02-01", "2024-04-01"],
            id="lower still, then up again, though not to a rise",
        ),
        pytest.param(
            [("2024-01-01", "8"), ("2024-02-01", "3"), ("2024-03-01", "3"), ("2024-04-01", "4.5")],
            ["2024-02-01"],
            id="up again beyond half: it was reached",
        ),
        pytest.param(
            [("2024-01-01", "0"), ("2024-03-01", "0"), ("2024-04-01", "0")],
            [],
            id="nought from nought",
        ),
        pytest.param([("2024-03-01", "4"), ("2024-04-01", "3")], [], id="no baseline to halve"),
        pytest.param(
            [("2024-01-01", "<8"), ("2024-03-01", "1"), ("2024-04-01", "1")],
            [],
            id="from less than 8 nobody can tell",
        ),
        pytest.param(
            [("2024-01-01", "8"), ("2024-03-01", ">4"), ("2024-04-01", ">4")],
            [],
            id="more than 4 is not half",
        ),
        pytest.param(
            [("2024-01-01", "8"), ("2024-03-01", "<4"), ("2024-04-01", "<4")],
            ["2024-03-01", "2024-04-01"],
            id="less than 4 is",
        ),
        pytest.param(
            [("2024-01-01", "8"), ("2024-03-01", "3"), ("2024-03-01", "5"), ("2024-04-01", "3")],
            [],
            id="values of one day that contradict each other",
        ),
    ],
)
def test_a_fall_is_a_response_once_it_is_confirmed(values: Series, days: list[str]) -> None:
    found = read(HALVED, series(values))
    assert responses(found) == days
    assert all(e.finding == "falling" and e.decides for e in found if e.is_response)


def test_without_an_interval_the_next_value_confirms() -> None:
    next_value = rule(response=MarkerResponse(HALF))
    values = series([("2024-01-01", "8"), ("2024-03-01", "4"), ("2024-03-02", "4")])
    assert responses(read(next_value, values)) == ["2024-03-01", "2024-03-02"]
    assert responses(read(next_value, values[:2])) == []


@pytest.mark.parametrize(
    ("asked", "baseline", "is_response"),
    [
        pytest.param(MarkerResponse(HALF, 0, Decimal(8)), "8", True, id="the least baseline"),
        pytest.param(MarkerResponse(HALF, 0, Decimal(8)), "7.9", False, id="less than it"),
        pytest.param(TWICE_NORMAL, "8", True, id="twice the limit (4)"),
        pytest.param(TWICE_NORMAL, "7.9", False, id="less than twice"),
    ],
)
def test_a_fall_from_too_low_a_value_says_nothing(
    asked: MarkerResponse, baseline: str, is_response: bool
) -> None:
    high = rule(response=asked)
    values = series([("2024-01-01", baseline), ("2024-03-01", "1"), ("2024-04-01", "1")])
    assert bool(responses(read(high, values))) is is_response


@pytest.mark.parametrize(
    ("last", "shown"),
    [pytest.param("4", ["falling"], id="halved"), pytest.param("4.1", [], id="not quite")],
)
def test_without_a_rule_of_response_a_fall_is_shown_and_says_nothing(
    last: str, shown: list[str]
) -> None:
    values = series([("2024-01-01", "8"), ("2024-03-01", "4"), ("2024-04-01", last)])
    found = read(DOUBLED, values)
    assert [e.finding for e in found] == shown
    assert not any(e.is_response or e.decides for e in found)


@pytest.mark.parametrize(
    ("lows", "days"),
    [
        pytest.param(("4", "3.5"), ["2024-02-01"], id="confirmed: by its own first day"),
        pytest.param(("4.1", "3.5"), [], id="half only once"),
    ],
)
def test_a_rise_after_a_response_tells_of_the_response_before(
    lows: tuple[str, str], days: list[str]
) -> None:
    first, lowest = lows
    values = [("2024-01-01", "8"), ("2024-02-01", first), ("2024-03-01", lowest)]
    found = read(HALVED, series([*values, ("2024-04-01", "9"), ("2024-05-01", "9")]))
    assert verdict(found) == "progression 2024-04-01"
    assert responses(found) == days
    assert "2024-03-01" in [str(e.on) for e in found if e.finding == "falling"]


def test_a_fall_after_a_confirmed_rise_is_no_response_of_the_time_before() -> None:
    values = [("2024-01-01", "8"), ("2024-02-01", "20"), ("2024-03-01", "20")]
    found = read(HALVED, series([*values, ("2024-06-01", "2"), ("2024-07-01", "2")]))
    assert verdict(found) == "progression 2024-02-01"
    assert responses(found) == []


@pytest.mark.parametrize(
    ("later", "days"),
    [
        pytest.param([], ["2024-02-01"], id="the response before it, and no word of it later"),
        pytest.param(
            [("2024-06-01", "1.5"), ("2024-07-01", "1.5")],
            ["2024-02-01", "2024-06-01", "2024-07-01"],
            id="half of what confirmed the rise is a response again",
        ),
        pytest.param([("2024-06-01", "1.6"), ("2024-07-01", "1.5")], ["2024-02-01"], id="once"),
    ],
)
def test_two_rules_of_one_marker_speak_of_one_course(later: Series, days: list[str]) -> None:
    responding = replace(HALVED, multiplier=Decimal(5))
    by_half = rule(id="psa-by-half", multiplier=Decimal("1.5"))
    low = [("2024-01-01", "8"), ("2024-02-01", "2"), ("2024-03-01", "2")]
    values = series([*low, ("2024-04-01", "3"), ("2024-05-01", "3"), *later])
    rules = [responding, by_half]
    found = from_markers(rules, KNOWLEDGE.terms.markers, LINE, Values(values), (), UNTIL)
    assert verdict(found) == "progression 2024-04-01"
    assert responses(found) == days


@pytest.mark.parametrize(
    ("value", "is_rise"),
    [pytest.param("4", False, id="the multiple itself"), pytest.param("4.01", True, id="more")],
)
def test_a_rule_may_ask_for_more_than_its_multiple(value: str, is_rise: bool) -> None:
    values = series([("2024-03-01", "2"), ("2024-04-01", value), ("2024-05-01", value)])
    assert bool(verdict(read(rule(is_multiplier_exclusive=True), values))) is is_rise


@pytest.mark.parametrize(
    ("disease", "marker", "asked"),
    [
        pytest.param("prostate", "psa", MarkerResponse(HALF, 21), id="PCWG3"),
        pytest.param("ovarian", "ca-125", replace(TWICE_NORMAL, confirm_days=28), id="GCIG"),
        pytest.param(
            "multiple-myeloma",
            "m-protein-serum",
            MarkerResponse(HALF, min_baseline=Decimal(1)),
            id="IMWG, of a measurable protein",
        ),
        pytest.param("colorectal", "cea", None, id="CEA has none"),
        pytest.param("breast", "ca-15-3", None, id="CA 15-3 has none"),
        pytest.param("breast", "ca-27-29", None, id="CA 27-29 has none"),
    ],
)
def test_which_markers_have_a_rule_of_response(
    disease: str, marker: str, asked: MarkerResponse | None
) -> None:
    rules = KNOWLEDGE.diseases[disease].marker_rules
    assert [r.response for r in rules if r.marker == marker] == [asked]


# --- the lowest value ----------------------------------------------------------------------------

CONFIRMED_LOW = rule(multiplier=Decimal("1.25"), min_delta=Decimal("0.5"), is_nadir_confirmed=True)
MONTHS = ("2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01", "2024-05-01", "2024-06-01")


@pytest.mark.parametrize(
    ("amounts", "said"),
    [
        pytest.param(
            ("3.2", "0.8", "0.2", "0.8", "0.8", "0.8"),
            "unconfirmed-progression 2024-04-01",
            id="a lone dip, after which the course goes on as before",
        ),
        pytest.param(
            ("3.2", "0.8", "0.3", "0.8", "0.8", "0.8"),
            "progression 2024-04-01",
            id="0.5 above it: another value bears it out",
        ),
        pytest.param(
            ("3.2", "0.8", "0.2", "0.7", "0.8", "0.8"),
            "progression 2024-04-01",
            id="0.7 after 0.2 bears it out too",
        ),
        pytest.param(
            ("3.2", "0.8", "0.2", "0.2", "0.8", "0.8"), "progression 2024-05-01", id="twice as low"
        ),
        pytest.param(
            ("3.2", "0.2", "0.8", "0.8", "0.8", "0.8"),
            "progression 2024-03-01",
            id="the course does not go on as before: from 3.2 to 0.2, then 0.8",
        ),
        pytest.param(
            ("3.2", "1.4", "0.2", "0.8", "0.8", "0.8"),
            "progression 2024-04-01",
            id="0.6 lower than before the dip",
        ),
        pytest.param(
            ("3.2", "1.3", "0.2", "0.8", "0.8", "0.8"),
            "unconfirmed-progression 2024-04-01",
            id="0.5 lower than before the dip",
        ),
        pytest.param(
            ("3.2", "0.8", "0.2", "0.8", "1.4", "1.5"),
            "progression 2024-05-01",
            id="a full rise over the lowest value that is borne out",
        ),
    ],
)
def test_a_rise_from_a_lowest_value_that_stands_alone(amounts: tuple[str, ...], said: str) -> None:
    values = series(list(zip(MONTHS, amounts, strict=True)))
    assert verdict(read(CONFIRMED_LOW, values)) == said


def test_other_rules_measure_from_the_plain_lowest_value() -> None:
    values = series(list(zip(MONTHS, ("3.2", "0.8", "0.2", "0.8", "0.8", "0.8"), strict=True)))
    plain = replace(CONFIRMED_LOW, is_nadir_confirmed=False)
    assert verdict(read(plain, values)) == "progression 2024-04-01"
    asked = {r.is_nadir_confirmed for r in KNOWLEDGE.diseases["multiple-myeloma"].marker_rules}
    assert asked == {True}


@pytest.mark.parametrize(
    ("days", "said"),
    [
        pytest.param(
            ("2024-03-01", "2024-04-12"), "progression 2024-03-01", id="42 days: not too late"
        ),
        pytest.param(
            ("2024-03-01", "2024-04-13"), "unconfirmed-progression 2024-03-01", id="43 days"
        ),
        pytest.param(
            ("2024-03-01", "2024-04-13", "2024-05-01"),
            "progression 2024-04-13",
            id="the third confirms the second",
        ),
    ],
)
def test_a_confirming_value_may_come_too_late(days: tuple[str, ...], said: str) -> None:
    values = series([("2024-02-01", "2"), *((day, "5") for day in days)])
    assert verdict(read(rule(confirm_days=14, confirm_within_days=42), values)) == said


# --- the rule of GCIG -----------------------------------------------------------------------------

GCIG = next(r for r in KNOWLEDGE.diseases["ovarian"].marker_rules if r.criterion == "gcig-ca-125")


@pytest.mark.parametrize(
    ("before", "amounts", "said"),
    [
        pytest.param("300", ("12", "69", "74"), "unconfirmed-progression 2024-05-01", id="A: 69"),
        pytest.param("300", ("12", "70", "74"), "progression 2024-04-01", id="A: twice the limit"),
        pytest.param("300", ("35", "70", "74"), "progression 2024-04-01", id="A: at the limit"),
        pytest.param("300", ("36", "71", "72"), "unconfirmed-progression 2024-05-01", id="B: 71"),
        pytest.param("300", ("36", "72", "72"), "progression 2024-04-01", id="B: twice the lowest"),
        pytest.param("300", ("80", "158", "159"), "", id="B: not twice the lowest"),
        pytest.param("20", ("18", "69", "69"), "", id="C: under twice the limit"),
        pytest.param("20", ("18", "70", "70"), "progression 2024-04-01", id="C: normal before"),
        pytest.param("300", ("12", "<70", "74"), "unconfirmed-progression 2024-05-01", id="bound"),
    ],
)
def test_ca_125_by_its_group(before: str, amounts: tuple[str, ...], said: str) -> None:
    days = ("2024-01-01", "2024-03-01", "2024-04-01", "2024-05-01")
    values = series(list(zip(days, (before, *amounts), strict=True)), "ca-125")
    assert verdict(read(GCIG, values)) == said


@pytest.mark.parametrize(
    ("second", "said"),
    [
        pytest.param("2024-04-07", "unconfirmed-progression 2024-04-01", id="six days"),
        pytest.param("2024-04-08", "progression 2024-04-01", id="a week"),
    ],
)
def test_ca_125_is_confirmed_a_week_later(second: str, said: str) -> None:
    values = [("2024-01-01", "300"), ("2024-03-01", "12"), ("2024-04-01", "80"), (second, "90")]
    assert verdict(read(GCIG, series(values, "ca-125"))) == said


def test_ca_125_is_read_by_the_limit_of_each_result() -> None:
    days = ("2024-01-01", "2024-03-01", "2024-04-01", "2024-05-01")
    amounts = ("300", "12", "50", "52")
    own = series(list(zip(days, amounts, strict=True)), "ca-125", uln="25")
    assert verdict(read(GCIG, own)) == "progression 2024-04-01"
    usual = series(list(zip(days, amounts, strict=True)), "ca-125")
    assert verdict(read(GCIG, usual)) == ""
    assert responses(read(GCIG, usual)) == ["2024-03-01", "2024-05-01"]


# --- light chains ---------------------------------------------------------------------------------


def chains(*days: tuple[str, str | None, str | None]) -> list[Measurement]:
    return [
        value(name, when, amount)
        for when, kappa, lambda_ in days
        for name, amount in (("flc-kappa", kappa), ("flc-lambda", lambda_))
        if amount is not None
    ]


@pytest.mark.parametrize(
    ("days", "differences"),
    [
        pytest.param([("2024-01-01", "450", "10")], ["440"], id="kappa is involved"),
        pytest.param([("2024-01-01", "10", "450")], ["440"], id="lambda is involved"),
        pytest.param(
            [("2024-01-01", "450", "10"), ("2024-02-01", "8", "12")],
            ["440", "0"],
            id="the involved chain stays the involved one, and is never below nought",
        ),
        pytest.param([("2024-01-01", "450", None)], [], id="one chain alone says nothing"),
        pytest.param(
            [("2024-01-01", "450", None), ("2024-01-02", None, "10")], [], id="nor on two days"
        ),
        pytest.param([("2024-01", "450", "10")], [], id="nor in a month"),
        pytest.param(
            [("2024-01-01", "450", "10"), ("2024-01-01", "440", "20")],
            ["440", "430", "430", "420"],
            id="of two values a day each is set against each",
        ),
    ],
)
def test_the_difference_of_the_light_chains(
    days: list[tuple[str, str | None, str | None]], differences: list[str]
) -> None:
    found = difference_of_light_chains(chains(*days))
    assert [str(m.quantity.value) for m in found if m.quantity] == differences
    assert {m.marker for m in found} <= {"flc-difference"}


LIGHT_CHAINS = next(
    r
    for r in KNOWLEDGE.diseases["multiple-myeloma"].marker_rules
    if r.criterion == "light-chain-difference"
)
RISING = chains(
    ("2024-01-01", "450", "10"),
    ("2024-03-01", "30", "10"),
    ("2024-04-01", "135", "10"),
    ("2024-05-01", "141", "10"),
)


@pytest.mark.parametrize(
    ("marker", "amount", "is_read"),
    [
        pytest.param("m-protein-serum", "0.9", True, id="serum protein not measurable"),
        pytest.param("m-protein-serum", "1.0", False, id="measurable from 1 g/dL on"),
        pytest.param("m-protein-urine-24h", "199", True, id="urine protein not measurable"),
        pytest.param("m-protein-urine-24h", "200", False, id="measurable from 200 mg a day on"),
    ],
)
def test_light_chains_decide_where_no_protein_is_measurable(
    marker: str, amount: str, is_read: bool
) -> None:
    found = read(LIGHT_CHAINS, [*RISING, value(marker, "2024-01-01", amount)])
    assert verdict(found) == ("progression 2024-04-01" if is_read else "")


def test_values_of_one_day_are_named_by_one_of_them() -> None:
    values = [
        value("psa", "2024-03-01", "2"),
        value("psa", "2024-04-01", "4", resource="Observation/a"),
        value("psa", "2024-04-01", "5", resource="Observation/b"),
    ]
    (rise,) = (e for e in read(DOUBLED, values) if e.decides)
    assert rise.resource == "Observation/b"
    assert rise.on == on("2024-04-01")
