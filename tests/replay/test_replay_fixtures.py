"""Every decision about a fixture patient, made over HTTP, is worked out again to the same bytes."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from fixtures.stories import STORIES, Story
from hooks.calls import call
from hooks.serving import EHR
from hooks.test_cards import call_of
from hooks.test_order_services import SELECT, SIGN, draft, ordering

from replay.logs import Day, replays, results, started

DRUGS = ("lenalidomide", "osimertinib", "carboplatin", "prednisone")
IDENTICAL = ("identical", "", ())


@pytest.mark.parametrize("story", [pytest.param(story, id=story.slug) for story in STORIES])
async def test_every_way_to_a_decision_is_replayed_to_the_byte(
    story: Story, tmp_path: Path
) -> None:
    day = Day(story.as_of)
    async with started(tmp_path, clock=day, chart=story.resources) as served:
        given = call_of(story)
        await served.hook(given)
        asked = call(fhirServer=EHR, context=given["context"])
        await served.hook(asked)
        for service in (SELECT, SIGN):
            drafts = [draft(drug, id=f"d-{drug}", patient=story.slug) for drug in DRUGS]
            for body in (given, asked):
                answer = ordering(service, copy.deepcopy(body), *drafts)
                await served.post(f"/cds-services/{service}", answer)
        await served.assess(_bundle(story), asOf=story.as_of.isoformat())
        await served.assess(_bundle(story), asOf=story.as_of.isoformat(), explain="true")
        assert {
            entry["httpStatus"] for entry in served.entries() if "httpStatus" in entry.envelope
        } == {200}
        found = replays(served.db)
    assert len(found) == 8
    assert results(found) == [IDENTICAL] * 8


def _bundle(story: Story) -> dict[str, Any]:
    entries = [{"resource": resource} for resource in story.resources]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}
