"""The OpenAPI document: every route there is, with examples that hold and errors that occur."""

from __future__ import annotations

import re
from typing import Any

import pytest
from contract_shape import shape_faults
from fhir.resources.R4B.operationoutcome import OperationOutcome
from hooks.calls import REQUIRED, SERVICE
from hooks.serving import Served

from cds_service.web.page import page_of

HOOK = f"/cds-services/{SERVICE}"
FEEDBACK = "/cds-services/{service_id}/feedback"
REFUSED = {"200", "400", "401", "408", "413", "415", "429", "503"}
ROUTES = {
    ("get", "/cds-services"): {"200", "401", "429", "503"},
    ("post", HOOK): {*REFUSED, "412"},
    ("post", f"{HOOK}-order-select"): {*REFUSED, "412"},
    ("post", f"{HOOK}-order-sign"): {*REFUSED, "412"},
    ("post", FEEDBACK): {*REFUSED, "404"},
    ("post", "/api/assess"): REFUSED,
    ("get", "/healthz"): {"200"},
    ("get", "/readyz"): {"200", "503"},
    ("get", "/metrics"): {"200"},
}
"""Statuses that are told apart; any other error is described once, as the default."""
JSON = "application/json"


@pytest.fixture
async def document(served: Served) -> dict[str, Any]:
    answer = await served.http.get("/openapi.json")
    assert answer.headers["content-type"] == JSON
    described: dict[str, Any] = answer.json()
    return described


async def test_it_describes_every_route_and_every_status_of_the_contract(
    document: dict[str, Any],
) -> None:
    described = {
        (method, path): set(operation["responses"]) - {"default"}
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert described == ROUTES


async def test_it_says_what_it_is(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.")
    assert document["info"]["title"] == "refractory-cds"
    assert "possibly refractory" in document["info"]["description"]
    names = [o["operationId"] for path in document["paths"].values() for o in path.values()]
    assert len(names) == len(set(names)) == len(ROUTES)
    for path in document["paths"].values():
        for operation in path.values():
            assert operation["summary"]
            assert operation["description"]
            assert operation["tags"]
            assert all(answer["description"] for answer in operation["responses"].values())


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_the_example_of_an_error_is_an_outcome(
    document: dict[str, Any], method: str, path: str
) -> None:
    for status, answer in document["paths"][path][method]["responses"].items():
        if status != "200" and path != "/readyz":
            OperationOutcome.model_validate(answer["content"][JSON]["example"])


@pytest.mark.parametrize(
    ("described", "path"),
    [(HOOK, HOOK), (FEEDBACK, f"{HOOK}/feedback"), ("/api/assess", "/api/assess")],
)
async def test_the_example_of_a_body_can_be_sent_as_it_stands(
    served: Served, document: dict[str, Any], described: str, path: str
) -> None:
    body = document["paths"][described]["post"]["requestBody"]
    assert body["required"] is True
    answer = await served.post(path, body["content"][JSON]["example"])
    assert answer.status_code == 200, answer.text
    example = document["paths"][described]["post"]["responses"]["200"]["content"][JSON]["example"]
    assert set(answer.json()) == set(example)


async def test_the_example_call_brings_all_that_is_needed_and_a_cancer(
    served: Served, document: dict[str, Any]
) -> None:
    body = document["paths"][HOOK]["post"]["requestBody"]["content"][JSON]["example"]
    assert set(body["prefetch"]) == set(REQUIRED)
    assert (await served.hook(body)).status_code == 200
    assert served.last()["outcome"] == "cards-returned"


@pytest.mark.parametrize("path", ["/cds-services", "/healthz", "/readyz"])
async def test_the_example_of_an_answer_has_the_members_of_the_answer(
    served: Served, document: dict[str, Any], path: str
) -> None:
    example = document["paths"][path]["get"]["responses"]["200"]["content"][JSON]["example"]
    assert set((await served.http.get(path)).json()) == set(example)


async def test_the_example_of_an_assessment_has_the_shape_of_the_contract(
    document: dict[str, Any],
) -> None:
    answer = document["paths"]["/api/assess"]["post"]["responses"]["200"]
    assert shape_faults(answer["content"][JSON]["example"]) == []


async def test_the_day_and_an_explanation_can_be_asked_for(document: dict[str, Any]) -> None:
    asked = document["paths"]["/api/assess"]["post"]["parameters"]
    assert [one["name"] for one in asked] == ["asOf", "explain"]
    assert all(one["in"] == "query" and not one["required"] for one in asked)
    assert all(one["description"] for one in asked)


async def test_the_page_for_people_reads_the_document(served: Served) -> None:
    answer = await served.http.get("/docs")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "/openapi.json" in answer.text
    for _, path in ROUTES:
        assert f" {path}</code>" in answer.text


async def test_the_page_needs_nobody_else_and_runs_nothing(served: Served) -> None:
    answer = await served.http.get("/docs")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    asked, *within = re.findall(r'(?:src|href)="([^"]*)"', answer.text)
    assert asked == "/openapi.json"
    assert within
    assert within == [f"#{name}" for name in re.findall(r'<h2 id="([^"]*)"', answer.text)]
    assert "<script" not in answer.text
    assert (await served.http.get("/redoc")).status_code == 404


async def test_the_page_shows_once_what_every_error_looks_like(served: Served) -> None:
    page = (await served.http.get("/docs")).text
    assert page.count("OperationOutcome&quot;,") == 1
    assert "<code>412</code> Data that are needed" in page
    assert "<h3>503</h3>" in page  # of readiness, which is no OperationOutcome


def test_text_of_the_document_is_escaped_on_the_page() -> None:
    info = {"title": "<b>", "version": "1", "description": "<script>x</script>"}
    page = page_of(
        {"info": info, "paths": {"/<i>": {"get": {"description": "&", "responses": {}}}}}
    )
    assert "<script" not in page
    assert "/&lt;i&gt;" in page
