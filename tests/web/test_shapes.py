"""The shapes on the OpenAPI page are those of what really comes and goes."""

from __future__ import annotations

from typing import Any

import pytest
from fixtures.stories import STORIES, Story
from hooks.calls import SERVICE, call, myeloma, prefetch_of
from hooks.serving import Served

from cds_service.hooks import shapes
from cds_service.openapi import LOOKED_AT, OUTCOME_SHAPE, bundle, or_null, record, resource
from cds_service.web.page import page_of
from cds_service.web.shapes import ASSESSMENT
from web.described import faults

JSON = "application/json"
HOOK = f"/cds-services/{SERVICE}"


@pytest.fixture
async def paths(served: Served) -> dict[str, Any]:
    paths: dict[str, Any] = (await served.http.get("/openapi.json")).json()["paths"]
    return paths


def of(described: dict[str, Any]) -> dict[str, Any]:
    shape: dict[str, Any] = described["content"][JSON]["schema"]
    return shape


async def test_every_example_fits_its_shape(paths: dict[str, Any]) -> None:
    tried = 0
    for path, operations in paths.items():
        for method, operation in operations.items():
            described = [*operation["responses"].values()]
            described += [operation["requestBody"]] if "requestBody" in operation else []
            for one in described:
                if JSON in one["content"]:
                    tried += 1
                    assert faults(one["content"][JSON]["example"], of(one)) == [], (method, path)
                    assert of(one) != {"type": "object"}
    assert tried > 20


async def test_cards_fit_the_shape_of_cards(served: Served, paths: dict[str, Any]) -> None:
    answer = await served.hook(call(prefetch_of(myeloma())))
    assert answer.json()["cards"]
    assert faults(answer.json(), of(paths[HOOK]["post"]["responses"]["200"])) == []


@pytest.mark.parametrize("path", ["/cds-services", "/healthz", "/readyz"])
async def test_what_is_read_fits_its_shape(
    path: str, served: Served, paths: dict[str, Any]
) -> None:
    answer = await served.http.get(path)
    assert faults(answer.json(), of(paths[path]["get"]["responses"]["200"])) == []


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.slug)
async def test_a_story_and_its_assessment_fit_their_shapes(story: Story, served: Served) -> None:
    body = {"resourceType": "Bundle", "type": "collection",
            "entry": [{"resource": one} for one in story.resources]}  # fmt: skip
    assert faults(body, bundle()) == []
    for one in story.resources if story.slug != "dirty-data" else ():
        kind = str(one["resourceType"])
        assert faults(one, resource(kind if kind in LOOKED_AT else "")) == []
    for explain in ("true", "false"):
        answer = await served.assess(body, asOf="2026-11-21", explain=explain)
        assert answer.status_code == 200
        assert faults(answer.json(), ASSESSMENT) == []


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (HOOK, "no JSON", 400),
        (HOOK, call(), 412),
        ("/cds-services/other/feedback", {"feedback": []}, 404),
        (f"{HOOK}/feedback", {"feedback": []}, 400),
        ("/api/assess", {}, 400),
    ],
)
async def test_errors_fit_the_shape_of_an_outcome(
    path: str, body: Any, status: int, served: Served
) -> None:
    answer = await served.post(path, body)
    assert answer.status_code == status
    assert faults(answer.json(), OUTCOME_SHAPE) == []


@pytest.mark.parametrize(
    ("hook", "besides"),
    [("order-select", ["selections", "draftOrders"]), ("order-sign", ["draftOrders"])],
)
def test_the_call_of_an_ordering_hook_is_described_by_what_its_context_has_besides(
    hook: str, besides: list[str]
) -> None:
    drafts = {
        "selections": ["MedicationRequest/m1"],
        "draftOrders": {
            "resourceType": "Bundle",
            "entry": [{"resource": {"resourceType": "MedicationRequest", "id": "m1"}}],
        },
    }
    context = {"userId": "Practitioner/1", "patientId": "p1"}
    shape = shapes.call_shape(hook)
    own = {name: drafts[name] for name in besides}
    assert faults(call(hook=hook, context=context | own), shape) == []
    missing = [f".context.{name} is missing" for name in besides]
    assert faults(call(hook=hook, context=context), shape) == missing
    assert ".hook: 'patient-view' is none of the words" in faults(call(), shape)


def test_the_page_shows_the_members_that_a_shape_has() -> None:
    inner = record({"code": {"type": "string"}}, {"more": or_null({"type": "integer"})})
    shape = record({"list<b>": {"type": "array", "items": inner}})
    content = {JSON: {"schema": shape}}
    operation = {"description": "", "responses": {"200": {"content": content}}}
    info = {"title": "", "version": "", "description": ""}
    page = page_of({"info": info, "paths": {"/": {"get": operation}}})
    assert (
        "<ul><li><code>list&lt;b&gt;</code> list of object<ul><li><code>code</code> text</li>"
        "<li><code>more</code> integer or null, optional</li></ul></li></ul>"
    ) in page
