"""What a drug has to have reached: which signs miss it, from when on, and what was lost."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest
from clinical.values import day, event, line, use, value

from cds_service.clinical.evidence import Evidence, Values
from cds_service.clinical.evidence.targets import from_target
from cds_service.clinical.record import Event, Measurement
from cds_service.knowledge.model import Agents, Sign, Target

START = "2024-01-01"
SPLEEN = "spleen-palpable"


def read(
    *signs: Sign,
    values: list[Measurement],
    events: Sequence[Event] = (),
    is_response_when_reached: bool = False,
    is_intolerance: bool = False,
) -> list[str]:
    """Findings and days of a target that is due on day 90 of ruxolitinib."""
    target = Target(
        id="x.target",
        says="",
        agents=Agents(drugs=frozenset({"ruxolitinib"})),
        origin="O",
        cites=(),
        from_day=90,
        missed_by=signs,
        is_response_when_reached=is_response_when_reached,
        is_intolerance=is_intolerance,
    )
    of_line = line(use("ruxolitinib", START))
    found = from_target(target, of_line, Values(values), events, day("2024-12-31"))
    return [_said(e) for e in found]


def _said(found: Evidence) -> str:
    words = [found.finding, "lost" * found.was_reached, "intolerance" * found.is_intolerance]
    return " ".join(filter(None, [*words, str(found.on)]))


@pytest.mark.parametrize(
    ("sign", "before", "after", "said"),
    [
        pytest.param(
            Sign(SPLEEN, falls_less_than=Decimal("0.3")), "10", "7.1",
            ["progression 2024-05-01"], id="29 % shorter",
        ),
        pytest.param(
            Sign(SPLEEN, falls_less_than=Decimal("0.3")), "10", "7", [], id="30 % shorter"
        ),
        pytest.param(
            Sign(SPLEEN, falls_at_most=Decimal("0.5")), "12", "6",
            ["progression 2024-05-01"], id="by half, and more is asked",
        ),
        pytest.param(
            Sign(SPLEEN, falls_at_most=Decimal("0.5")), "12", "5.9", [], id="by more than half"
        ),
        pytest.param(
            Sign(SPLEEN, baseline_above=Decimal(10), falls_at_most=Decimal("0.5")), "10", "10",
            [], id="from a baseline that is not asked about",
        ),
        pytest.param(
            Sign(SPLEEN, baseline_above=Decimal(10), falls_at_most=Decimal("0.5")), "10.1", "10",
            ["progression 2024-05-01"], id="from one just above it",
        ),
        pytest.param(
            Sign(SPLEEN, falls_less_than=Decimal("0.3")), None, "10", [], id="without a baseline"
        ),
        pytest.param(
            Sign(SPLEEN, above=Decimal(8)), "10", ">7", [], id="a bound that does not tell"
        ),
    ],
)  # fmt: skip
def test_a_value_is_a_sign_or_none(
    sign: Sign, before: str | None, after: str, said: list[str]
) -> None:
    values = [value(SPLEEN, START, before)] if before else []
    assert read(sign, values=[*values, value(SPLEEN, "2024-05-01", after)]) == said


@pytest.mark.parametrize(
    ("on", "said"),
    [
        pytest.param("2024-03-30", [], id="day 89"),
        pytest.param("2024-03-31", ["progression 2024-03-31"], id="day 90"),
    ],
)
def test_a_target_is_due_from_its_day_on(on: str, said: list[str]) -> None:
    assert read(Sign(procedure="phlebotomy"), values=[], events=[event("phlebotomy", on)]) == said


def test_what_had_been_reached_and_is_missed_was_lost() -> None:
    values = [value(SPLEEN, START, "10"), value(SPLEEN, "2024-05-01", "4")]
    values.append(value(SPLEEN, "2024-08-01", "9"))
    sign = Sign(SPLEEN, falls_less_than=Decimal("0.3"))
    assert read(sign, values=values) == ["progression lost 2024-08-01"]
    with_response = read(sign, values=values, is_response_when_reached=True)
    assert with_response == ["falling 2024-05-01", "progression lost 2024-08-01"]


def test_signs_of_intolerance_are_no_progression() -> None:
    counts = [value("platelets", "2024-05-01", "410"), value("leukocytes", "2024-05-01", "2.4")]
    signs = Sign("platelets", above=Decimal(400)), Sign("leukocytes", below=Decimal("2.5"))
    found = read(*signs, values=counts, is_intolerance=True)
    assert found == ["not-evaluable intolerance 2024-05-01"]
