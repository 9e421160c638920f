"""Addresses, methods and origins: every answer, an error too, is one that a client can read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hooks.calls import SERVICE, call, myeloma, prefetch_of
from hooks.serving import EHR, Served, issue_of, serving

SANDBOX = "https://sandbox.cds-hooks.org"
HOOK = f"/cds-services/{SERVICE}"
GETS = ("/cds-services", "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/knowledge/")
POSTS = (HOOK, f"{HOOK}/feedback", "/api/assess")


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/api", id="above a route"),
        pytest.param("/api/", id="above a route, with a slash"),
        pytest.param("/api/assess/", id="a slash behind"),
        pytest.param("/api/assess/canary", id="below a route"),
        pytest.param("/API/assess", id="capital letters"),
        pytest.param("/healthz/", id="health with a slash"),
        pytest.param("/metrics/canary", id="below the metrics"),
        pytest.param("/redoc/canary", id="another page for people"),
        pytest.param("//healthz", id="two slashes"),
        pytest.param("/.env", id="a hidden file"),
        pytest.param("/var/decisions.db", id="the decision log"),
        pytest.param("/canary%0d%0aX-Evil:%201", id="a line break"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_address_that_does_not_exist_is_404_and_leaves_no_entry(
    served: Served, path: str, method: str
) -> None:
    before = served.size()
    answer = await served.http.request(method, f"http://cds.test{path}", content=b"canary")
    assert answer.status_code == 404
    assert issue_of(answer)["code"] == "not-found"
    assert "canary" not in answer.text + str(answer.headers)
    assert served.size() == before


@pytest.mark.parametrize(
    ("path", "allowed"), [*((path, "GET") for path in GETS), *((path, "POST") for path in POSTS)]
)
async def test_a_wrong_method_is_405_with_the_right_one(
    served: Served, path: str, allowed: str
) -> None:
    for method in {"GET", "POST", "PUT", "DELETE", "PATCH"} - {allowed}:
        answer = await served.http.request(method, path, content=b"canary")
        assert answer.status_code == 405
        assert allowed in answer.headers["allow"]
        assert issue_of(answer)["code"] == "not-supported"


# --- clients in a browser -----------------------------------------------------------------------


class Broken(httpx.AsyncBaseTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise RuntimeError("nobody foresaw this")


async def of_every_status(served: Served, origin: str) -> dict[int, httpx.Response]:
    """An answer of each status there is, to a client of this origin."""
    headers = {"Origin": origin}
    card = call(prefetch_of(myeloma()))
    answers = [
        await served.http.get("/cds-services", headers=headers),
        await served.hook(card, **headers),
        await served.hook(b"{", **headers),
        await served.http.get("/nowhere", headers=headers),
        await served.http.get(HOOK, headers=headers),
        await served.hook(call(), **headers),
        await served.hook(b" " * 1_100_000, **headers),
        await served.hook(call(fhirServer=EHR), **headers),
    ]
    served.log.close()
    answers.append(await served.hook(card, **headers))
    return {answer.status_code: answer for answer in answers}


@pytest.mark.parametrize(
    ("origin", "is_read"),
    [
        pytest.param(SANDBOX, True, id="one that is listed"),
        pytest.param("https://evil.example", False, id="one that is not"),
        pytest.param(f"{SANDBOX}.evil.example", False, id="one that begins like it"),
        pytest.param(SANDBOX.replace("https", "http"), False, id="another scheme"),
        pytest.param("null", False, id="none"),
    ],
)
async def test_an_answer_of_any_status_can_be_read_by_the_listed_origins_alone(
    tmp_path: Path, origin: str, is_read: bool
) -> None:
    with serving(tmp_path, transport=Broken(), settings={"max_body_mib": 1}) as served:
        answers = await of_every_status(served, origin)
        assert set(answers) == {200, 400, 404, 405, 412, 413, 500, 503}
        for answer in answers.values():
            allowed = answer.headers.get("access-control-allow-origin")
            assert allowed == (origin if is_read else None)
            assert "Origin" in answer.headers["vary"]
            assert "access-control-allow-credentials" not in answer.headers


def preflight(method: str, **headers: str) -> dict[str, str]:
    return {"Origin": SANDBOX, "Access-Control-Request-Method": method} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param(preflight("POST"), 200, id="a post"),
        pytest.param(
            preflight("POST", Access_Control_Request_Headers="authorization,content-type"),
            200,
            id="a post of JSON with a token",
        ),
        pytest.param(preflight("DELETE"), 400, id="a method that is not taken"),
        pytest.param(
            preflight("POST", Access_Control_Request_Headers="x-canary"), 400, id="another header"
        ),
        pytest.param(preflight("POST", Origin="https://evil.example"), 400, id="another origin"),
    ],
)
async def test_a_browser_may_ask_first(
    served: Served, path: str, headers: dict[str, str], status: int
) -> None:
    answer = await served.http.options(path, headers=headers)
    assert answer.status_code == status
    if status == 200:
        assert answer.headers["access-control-allow-origin"] == SANDBOX
        assert "POST" in answer.headers["access-control-allow-methods"]


@pytest.mark.parametrize(
    ("origins", "is_read"),
    [
        pytest.param((), False, id="none listed"),
        pytest.param(("https://ehr.example",), True, id="a site's own"),
    ],
)
async def test_the_origins_are_those_of_the_settings(
    tmp_path: Path, origins: tuple[str, ...], is_read: bool
) -> None:
    with serving(tmp_path, settings={"cors_origins": origins}) as served:
        ask: Callable[[str], Any] = lambda origin: served.http.get(  # noqa: E731
            "/cds-services", headers={"Origin": origin}
        )
        assert (
            "access-control-allow-origin" in (await ask("https://ehr.example")).headers
        ) is is_read
        assert "access-control-allow-origin" not in (await ask(SANDBOX)).headers
