"""What a stage works out of the knowledge is worked out once, and anew for other knowledge."""

from __future__ import annotations

from dataclasses import replace

from cds_service import shipped_knowledge
from cds_service.knowledge.model import Knowledge


def test_a_plan_is_made_once_for_each_state_of_the_knowledge() -> None:
    made: list[str] = []

    def plan(knowledge: Knowledge) -> str:
        made.append(knowledge.version)
        return knowledge.version

    shipped = shipped_knowledge()
    other = replace(shipped, version="other")
    told = [one.plan(plan) for one in (shipped, other, shipped, other)]
    assert told == [shipped.version, "other", shipped.version, "other"]
    assert made == [shipped.version, "other"]
