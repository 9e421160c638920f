"""Deauville scores → what they say of a lymphoma by themselves.

One to three is complete metabolic response. Four and five are uptake that may have fallen, stayed
or grown: without the comparison they decide nothing. Source: Cheson 2014, Lugano classification.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from cds_service.clinical.evidence.evidence import FORMAL, Evidence
from cds_service.clinical.lines import Line
from cds_service.clinical.record import Fact
from cds_service.dates import PartialDate

SYSTEM = "lugano"
FACT = "deauville"
COMPLETE = ("1", "2", "3")
PERSISTENT = ("4", "5")


def from_deauville(
    facts: Sequence[Fact], said: Sequence[Evidence], line: Line, until: date
) -> list[Evidence]:
    """The scores of a line; beside a category of the same day they support only."""
    coded = {e.on for e in said if e.is_formal}
    return [
        _evidence(fact, fact.on, is_alone=fact.on not in coded)
        for fact in facts
        if fact.name == FACT
        and fact.value in (*COMPLETE, *PERSISTENT)
        and fact.on is not None
        and fact.on.last > line.start.first
        and fact.on.first <= until
    ]


def _evidence(fact: Fact, on: PartialDate, *, is_alone: bool) -> Evidence:
    is_complete = fact.value in COMPLETE
    meaning = (
        "complete metabolic response"
        if is_complete
        else "persistent uptake; whether it grew or is new is not recorded with it"
    )
    return Evidence(
        resource=fact.resource,
        on=on,
        kind="imaging",
        finding="complete-response" if is_complete else "not-evaluable",
        detail=f"Deauville {fact.value}: {meaning}",
        rank=FORMAL,
        is_response=is_complete,
        is_formal=True,
        decides=is_complete and is_alone,
    )
