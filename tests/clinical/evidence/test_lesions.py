"""RECIST 1.1 from the sizes of lesions: sums, nadir, what cannot be compared, what stands above."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest
from clinical.values import day, line, on, seen, use

from cds_service.clinical.evidence import Evidence
from cds_service.clinical.evidence.lesions import from_lesions
from cds_service.clinical.record import Lesion

LINE = line(use("docetaxel", "2024-01-05", "2024-12-01"))
UNTIL = "2024-12-31"


def size(name: str, when: str, millimetres: str, **said: object) -> Lesion:
    given = {"method": "CT", "is_node": name.startswith("node")} | said
    amount = Decimal(millimetres)
    return Lesion(f"Observation/{name}-{when}", on(when), name, amount, **given)  # type: ignore[arg-type]


def measured(*points: tuple[str, str]) -> list[Lesion]:
    """Lesions from ("2024-03-01", "a 30, b 20")."""
    named = [(one.split(), when) for when, sizes in points for one in sizes.split(", ")]
    return [size(name, when, millimetres) for (name, millimetres), when in named]


def read(lesions: Sequence[Lesion], said: Sequence[Evidence] = (), until: str = UNTIL) -> str:
    """What is found of each day, in short: day and finding, ">" where it decides nothing."""
    found = from_lesions(lesions, said, LINE, day(until))
    return ", ".join(f"{e.on} {e.finding}{'' if e.decides else ' >'}" for e in found)


BEFORE = ("2023-12-20", "a 30, b 20")


@pytest.mark.parametrize(
    ("sizes", "finding"),
    [
        pytest.param("a 36, b 24", "progression", id="20 % over the lowest, 10 mm"),
        pytest.param("a 36, b 23.9", "stable", id="less than 20 %"),
        pytest.param("a 60, b 0", "progression", id="the sum counts, not each lesion"),
        pytest.param("a 15, b 20", "partial-response", id="30 % below the baseline"),
        pytest.param("a 15.1, b 20", "stable", id="less than 30 %"),
        pytest.param("a 0, b 0", "complete-response", id="all gone"),
        pytest.param("a 0, b 1", "partial-response", id="one left"),
        pytest.param("a 0, b 0, c 4", "partial-response", id="a lesion that is no target is left"),
        pytest.param("a 30, b 20, c 40", "stable", id="what was not measured before is not new"),
    ],
)
def test_two_time_points(sizes: str, finding: str) -> None:
    assert read(measured(BEFORE, ("2024-03-01", sizes))) == f"2024-03-01 {finding}"


@pytest.mark.parametrize(
    ("baseline", "later", "finding"),
    [
        pytest.param("a 20", "a 25", "progression", id="5 mm are enough"),
        pytest.param("a 20", "a 24.9", "stable", id="20 % of little is not"),
        pytest.param("a 10", "a 15", "progression", id="10 mm are measurable"),
        pytest.param("a 9.9", "a 30", "", id="less is not"),
        pytest.param("a 9.9, b 20", "a 30, b 20", "stable", id="and is no target beside others"),
        pytest.param("node 15", "node 9.9", "complete-response", id="a normal node is gone"),
        pytest.param("node 15", "node 10", "partial-response", id="a node of 10 mm is not normal"),
        pytest.param("node 14.9", "node 30", "", id="a small node is no target"),
    ],
)
def test_limits_of_size(baseline: str, later: str, finding: str) -> None:
    said = read(measured(("2023-12-20", baseline), ("2024-03-01", later)))
    assert said == (f"2024-03-01 {finding}" if finding else "")


@pytest.mark.parametrize(
    ("last", "finding"),
    [
        pytest.param("a 18, b 18", "progression", id="20 % over the lowest, below the baseline"),
        pytest.param("a 17, b 18", "partial-response", id="less, and still a response"),
        pytest.param("a 18, b 17.5", "stable", id="less, and a response no more"),
    ],
)
def test_growth_is_measured_from_the_lowest_sum(last: str, finding: str) -> None:
    points = measured(BEFORE, ("2024-03-01", "a 15, b 15"), ("2024-05-01", last))
    assert read(points) == f"2024-03-01 partial-response, 2024-05-01 {finding}"


def test_what_comes_back_after_complete_response_has_progressed() -> None:
    points = measured(BEFORE, ("2024-03-01", "a 0, b 0"), ("2024-05-01", "a 5, b 0"))
    assert read(points).endswith("2024-05-01 progression")


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        pytest.param("2023-10-07", "2024-03-01", "2024-03-01 progression", id="90 days before"),
        pytest.param("2023-10-06", "2024-03-01", "", id="91 days before is no baseline"),
        pytest.param("2024-01-05", "2024-03-01", "2024-03-01 progression", id="the first day"),
        pytest.param("2024-01-20", "2024-03-01", "2024-03-01 progression", id="first on the line"),
        pytest.param("2023-11-01", "2023-12-20", "", id="all before the line"),
        pytest.param("2023-12-20", "2025-01-02", "", id="after the next line began"),
        pytest.param("2023-12-20", "2024-03", "", id="a month has no order of days"),
    ],
)
def test_the_baseline_is_the_last_before_the_line_or_the_first_on_it(
    first: str, second: str, said: str
) -> None:
    assert read(measured((first, "a 30"), (second, "a 40"))) == said


def test_of_several_before_the_line_the_last_is_the_baseline() -> None:
    points = measured(("2023-11-01", "a 20"), ("2023-12-20", "a 40"), ("2024-03-01", "a 42"))
    assert read(points) == "2024-03-01 stable"


def test_one_time_point_says_nothing() -> None:
    assert read(measured(("2024-03-01", "a 90"))) == ""


METHODS = [
    pytest.param("CT", "MRI", False, id="CT, then MRI"),
    pytest.param("CT", "", False, id="CT, then nobody knows"),
    pytest.param("", "", True, id="never said"),
    pytest.param("MRI", "MRI", True, id="the same"),
]


@pytest.mark.parametrize(("first", "second", "is_compared"), METHODS)
def test_only_the_same_method_is_compared(first: str, second: str, is_compared: bool) -> None:
    lesions = [
        size("a", "2023-12-20", "30", method=first),
        size("a", "2024-03-01", "60", method=second),
    ]
    (found,) = from_lesions(lesions, (), LINE, day(UNTIL))
    assert (found.finding, found.is_not_comparable) == (
        ("progression", False) if is_compared else ("not-evaluable", True)
    )


@pytest.mark.parametrize(
    ("sizes", "why"),
    [
        pytest.param("a 60", "not all lesions", id="a lesion is missing"),
        pytest.param("c 60", "not all lesions", id="another lesion"),
        pytest.param("a 60, a 20, b 20", "two sizes", id="one lesion, two sizes"),
    ],
)
def test_only_the_same_lesions_are_compared(sizes: str, why: str) -> None:
    (found,) = from_lesions(measured(BEFORE, ("2024-03-01", sizes)), (), LINE, day(UNTIL))
    assert (found.finding, found.is_not_comparable) == ("not-evaluable", True)
    assert why in found.detail


@pytest.mark.parametrize(("count", "finding"), [(5, "progression"), (6, "not-evaluable")])
def test_up_to_five_lesions_are_targets(count: int, finding: str) -> None:
    names = "abcdef"[:count]
    points = (("2023-12-20", 20), ("2024-03-01", 40))
    sizes = measured(*((when, ", ".join(f"{n} {mm}" for n in names)) for when, mm in points))
    assert read(sizes) == f"2024-03-01 {finding}"


def test_a_time_point_that_cannot_be_compared_leaves_the_next_one_readable() -> None:
    points = measured(BEFORE, ("2024-03-01", "a 60"), ("2024-05-01", "a 36, b 24"))
    assert read(points) == "2024-03-01 not-evaluable, 2024-05-01 progression"


def test_a_new_lesion_counts_where_the_chart_calls_it_new() -> None:
    lesions = [*measured(BEFORE, ("2024-03-01", "a 30, b 20"))]
    found = from_lesions(
        [*lesions, size("c", "2024-03-01", "12", is_new=True)], (), LINE, day(UNTIL)
    )
    assert [(e.finding, e.is_new_lesion) for e in found] == [("progression", True)]


def test_it_is_a_formal_response_of_imaging() -> None:
    (found,) = from_lesions(measured(BEFORE, ("2024-03-01", "a 15, b 15")), (), LINE, day(UNTIL))
    assert (found.kind, found.rank, found.is_formal, found.is_response) == (
        "imaging", seen("stable", "2024-03-01", "response-category").rank, True, True,
    )  # fmt: skip
    assert "30 mm, from 50 mm on 2023-12-20" in found.detail


@pytest.mark.parametrize(
    ("when", "kind", "decides"),
    [
        pytest.param("2024-03-01", "response-category", False, id="a category of that day"),
        pytest.param("2024-03-02", "response-category", True, id="of the next day"),
        pytest.param("2024-03-01", "disease-status", True, id="a judgement of that day"),
    ],
)
def test_a_coded_category_of_the_day_stands_above_the_sum(
    when: str, kind: str, decides: bool
) -> None:
    said = [seen("stable", when, kind)]  # type: ignore[arg-type]
    (found,) = from_lesions(measured(BEFORE, ("2024-03-01", "a 60, b 20")), said, LINE, day(UNTIL))
    assert found.decides is decides
    assert ("stands above" in found.detail) is not decides


def test_what_cannot_be_compared_decides_nothing_beside_what_was_said() -> None:
    points = measured(BEFORE, ("2024-03-01", "a 60"))
    assert read(points) == "2024-03-01 not-evaluable"
    assert read(points, [seen("stable", "2024-06-01")]) == "2024-03-01 not-evaluable >"
