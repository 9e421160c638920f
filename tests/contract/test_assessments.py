"""One Assessment, three ways to it: HTTP, the command line and Python give the contract's shape."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from contract_shape import shape_faults
from fixtures.stories import FOLDER, STORIES, Story
from hooks.serving import Served, knowledge, serving

import cds_service
from cds_service.cli import run
from cds_service.clinical.assessment_json import to_json

each_story = pytest.mark.parametrize("story", [pytest.param(s, id=s.slug) for s in STORIES])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("served")) as service:
        yield service


@each_story
async def test_every_story_is_told_in_the_shape_of_the_contract_whichever_way_it_is_asked(
    served: Served, story: Story, capsys: pytest.CaptureFixture[str]
) -> None:
    file, day = FOLDER / story.slug / "bundle.json", story.as_of.isoformat()
    by_http = (await served.assess(file.read_bytes(), asOf=day)).json()
    assert run(["assess", str(file), "--as-of", day, "--format", "json"]) == 0
    by_command = json.loads(capsys.readouterr().out)
    by_python = to_json(cds_service.assess(story.resources, as_of=story.as_of))
    assert shape_faults(by_http) == []
    assert by_http == by_command
    assert by_http["cancers"] == by_python["cancers"]
    assert by_http["knowledge"] == {
        "version": knowledge().version,
        "digest": knowledge().digest,
    }
