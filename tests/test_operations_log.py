"""The operations log: JSON lines for whoever runs the service; one a call, nothing out of it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hooks.calls import SERVICE, call, myeloma, prefetch_of, quiet
from hooks.conftest import said as said
from hooks.serving import EHR, Served, serving

from cds_service import service
from cds_service.operations_log import FIELDS, log_event

WITH_CARD = call(prefetch_of(myeloma()))
TOKEN = "canary-token"  # noqa: S105
AUTHORISED: dict[str, Any] = {"fhirServer": EHR, "fhirAuthorization": {"access_token": TOKEN}}
Line = dict[str, Any]


def lines(said: Callable[[], str]) -> list[Line]:
    return [json.loads(line) for line in said().splitlines()]


# --- one line a call ----------------------------------------------------------------------------

CALLS = [
    pytest.param(
        lambda s: s.hook(WITH_CARD),
        {"event": "call.answered", "service": SERVICE, "outcome": "cards-returned", "status": 200}
        | {"cards": 1, "issues": 0, "missing": 0},
        id="a card",
    ),
    pytest.param(
        lambda s: s.hook(call(prefetch_of(quiet()))),
        {"event": "call.answered", "outcome": "no-cancer", "status": 200, "cards": 0},
        id="nothing to say",
    ),
    pytest.param(
        lambda s: s.hook(call()),
        {"event": "call.answered", "outcome": "data-unavailable", "status": 412},
        id="no data",
    ),
    pytest.param(
        lambda s: s.hook(call(**AUTHORISED)),
        {"event": "call.answered", "outcome": "cards-returned", "missing": 0},
        id="read with a token",
    ),
    pytest.param(
        lambda s: s.assess({"resourceType": "Bundle", "entry": [{"resource": myeloma()[0]}, 5]}),
        {"event": "call.answered", "service": "assess", "outcome": "assessed", "issues": 1},
        id="an assessment",
    ),
    pytest.param(
        lambda s: s.hook(b"canary"),
        {"event": "call.refused", "service": SERVICE, "cause": "malformed", "status": 400},
        id="no JSON",
    ),
    pytest.param(
        lambda s: s.post("/cds-services/canary/feedback", b"{}"),
        {"event": "call.refused", "service": "unknown", "status": 404},
        id="no such service",
    ),
]


@pytest.mark.parametrize(("send", "told"), CALLS)
async def test_a_call_is_one_line_with_its_outcome(
    tmp_path: Path, said: Callable[[], str], send: Callable[[Served], Any], told: Line
) -> None:
    with serving(tmp_path, chart=myeloma()) as served:
        await send(served)
        (line,) = lines(said)
        assert told.items() <= line.items()
        assert set(line) <= FIELDS | {"at", "level", "event"}
        if "decision" in line:
            assert line["decision"] == served.last()["decisionId"]
            assert line["milliseconds"] > 0
        for secret in ("canary", "p1", "ehr.example", "dr-a", "2026-11-02", "lenalidomide"):
            assert secret not in json.dumps({k: v for k, v in line.items() if k != "decision"})


async def test_an_error_nobody_foresaw_is_found_by_its_id_and_quotes_nothing(
    tmp_path: Path, said: Callable[[], str]
) -> None:
    class Broken(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            raise RuntimeError(f"canary {request.url}")

    with serving(tmp_path, transport=Broken()) as served:
        answer = await served.hook(call(fhirServer=EHR))
        error, answered = lines(said)
    assert (error["event"], error["level"]) == ("error.unforeseen", "error")
    assert error["error_id"] in answer.json()["issue"][0]["diagnostics"]
    assert error["error"].startswith("RuntimeError at test_operations_log.py:")
    assert (answered["event"], answered["outcome"], answered["status"]) == (
        "call.answered",
        "failed",
        500,
    )
    assert "canary" not in json.dumps([error, answered])


async def test_an_error_that_cannot_even_be_recorded_is_answered_as_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_record(*_: object) -> None:
        raise ValueError("canary")

    class Broken(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            raise RuntimeError

    monkeypatch.setattr(service, "record_decision", no_record)
    with serving(tmp_path, transport=Broken()) as served:
        answer = await served.hook(call(fhirServer=EHR))
    assert answer.status_code == 500
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert "canary" not in answer.text


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/cds-services", "/nowhere"])
async def test_what_is_no_call_is_no_line(
    tmp_path: Path, said: Callable[[], str], path: str
) -> None:
    with serving(tmp_path) as served:
        await served.http.get(path)
    assert lines(said) == []


# --- the form of a line -------------------------------------------------------------------------


def test_a_line_says_when_how_grave_and_what(said: Callable[[], str]) -> None:
    log_event("log.unavailable", level=logging.ERROR, service="assess", status=503, cause=None)
    (line,) = lines(said)
    assert list(line) == ["at", "level", "event", "service", "status"]
    assert line["level"] == "error"
    assert line["at"].endswith("+00:00")


def test_a_field_that_is_not_on_the_list_cannot_be_written(said: Callable[[], str]) -> None:
    with pytest.raises(KeyError, match="patient"):
        log_event("call.answered", patient="canary")
    assert said() == ""


def with_traceback() -> None:
    try:
        raise ValueError("canary")
    except ValueError:
        logging.getLogger("asyncio").exception("canary")


@pytest.mark.parametrize(
    ("speak", "logger"),
    [
        pytest.param(
            lambda: logging.getLogger("uvicorn.error").warning("GET /canary?%s", "canary"),
            "uvicorn.error",
            id="a request line",
        ),
        pytest.param(with_traceback, "asyncio", id="a traceback"),
        pytest.param(
            lambda: logging.getLogger("httpx").error("https://canary"), "httpx", id="an address"
        ),
    ],
)
def test_what_a_library_says_is_reduced_to_its_name_and_level(
    said: Callable[[], str], speak: Callable[[], None], logger: str
) -> None:
    speak()
    (line,) = lines(said)
    assert set(line) == {"at", "level", "event", "logger"}
    assert (line["event"], line["logger"]) == ("library", logger)


def test_what_libraries_say_in_passing_is_not_written(said: Callable[[], str]) -> None:
    logging.getLogger("httpx").info("HTTP Request: GET https://canary")
    logging.getLogger("uvicorn.access").info("GET /canary")
    assert said() == ""
