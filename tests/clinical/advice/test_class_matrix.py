"""To which classes a cancer is possibly refractory over all lines: since when, by which drugs."""

from __future__ import annotations

from clinical.values import day, line, use

from cds_service.clinical.lines import AgentUse, Line
from cds_service.clinical.status import ClassRefractory, LineStatus, refractory_classes

RULE = "multiple-myeloma.imwg-60-days"


def lost(number: int, when: str, to: tuple[str, ...], *uses: AgentUse) -> tuple[Line, LineStatus]:
    status = LineStatus(
        "possible-refractory", refractory_to=to, rules=(RULE,), progressed_on=day(when)
    )
    return line(*uses, number=number), status


FIRST = lost(
    1, "2024-05-20", ("lenalidomide",),
    use("bortezomib", "2023-01-05", "2023-04-01"), use("lenalidomide", "2023-01-05", "2024-05-20"),
)  # fmt: skip
SECOND = lost(
    2, "2024-11-01", ("daratumumab", "pomalidomide"),
    use("daratumumab", "2024-06-01", "2024-11-01"), use("pomalidomide", "2024-06-01", "2024-11-01"),
)  # fmt: skip


def test_each_class_with_its_first_line_and_all_its_drugs() -> None:
    assert refractory_classes([FIRST, SECOND]) == (
        ClassRefractory(
            "immunomodulatory-drug", day("2024-05-20"), 1, (RULE,), ("lenalidomide", "pomalidomide")
        ),
        ClassRefractory("anti-cd38-antibody", day("2024-11-01"), 2, (RULE,), ("daratumumab",)),
    )


def test_a_drug_that_was_dropped_before_the_window_is_of_no_refractory_class() -> None:
    assert [c.drug_class for c in refractory_classes([FIRST])] == ["immunomodulatory-drug"]


def test_a_line_that_responds_again_takes_its_own_label_back() -> None:
    reversed_ = (FIRST[0], LineStatus("responding"))
    assert refractory_classes([reversed_]) == ()


def test_a_response_to_the_class_on_a_later_line_is_said() -> None:
    again = line(use("lenalidomide", "2025-01-05"), number=3), LineStatus("responding")
    (known, _) = refractory_classes([FIRST, SECOND, again])
    assert known.responded_on == 3


def test_a_response_to_another_class_is_not() -> None:
    other = line(use("carfilzomib", "2025-01-05"), number=3), LineStatus("responding")
    assert {c.responded_on for c in refractory_classes([FIRST, SECOND, other])} == {None}


def test_a_response_between_two_failures_is_over() -> None:
    between = line(use("pomalidomide", "2024-05-25"), number=2), LineStatus("responding")
    last = lost(3, "2025-03-01", ("pomalidomide",), use("pomalidomide", "2025-01-05"))
    (known,) = refractory_classes([FIRST, between, last])
    assert (known.since, known.responded_on) == (day("2024-05-20"), None)


def test_no_line_no_class() -> None:
    assert refractory_classes([]) == ()
