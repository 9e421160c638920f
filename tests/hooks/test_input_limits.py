"""What is taken of a body, and what is not (8.6): type, coding, time, size, depth, how many.

Each limit on both of its sides, on every route that takes a body; what is beyond it is refused at
once, on record, and with nothing of the request in the answer.
"""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import random
import time
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from cds_service import intake
from cds_service.errors import InvalidRequest
from cds_service.fhir.queries import KEYS
from cds_service.hooks import messages
from cds_service.service import Asked
from hooks.calls import SERVICE, bundle, call, myeloma, prefetch_of
from hooks.serving import Served, issue_of, serving

HOOK = f"/cds-services/{SERVICE}"
FEEDBACK = f"{HOOK}/feedback"
ASSESS = "/api/assess"
MIB = 1024 * 1024
ENTRY = {
    "card": "9c1dbd52-1ac5-4bd1-a8ea-5b0d4bbd5f05",
    "outcome": "overridden",
    "outcomeTimestamp": "2026-11-21T09:00:00Z",
}
GOOD: dict[str, Any] = {
    HOOK: call(prefetch_of(myeloma())),
    FEEDBACK: {"feedback": [ENTRY]},
    ASSESS: bundle(*myeloma()),
}
"""A body that is answered with 200, by route."""
ROUTES = tuple(GOOD)


async def refused(
    served: Served, answer: httpx.Response, status: int, code: str, reason: str = "malformed"
) -> str:
    assert answer.status_code == status, answer.text[:300]
    issue = issue_of(answer)
    assert issue["code"] == code
    assert "canary" not in answer.text
    entry = served.last()
    assert (entry["eventType"], entry["reason"]) == ("request-refused", reason)
    assert entry["httpStatus"] == status
    said: str = issue["diagnostics"]
    return said


# --- media type and coding -----------------------------------------------------------------------

TAKEN = [
    "application/json", "Application/JSON", "application/json; charset=utf-8",
    'application/json;charset="UTF-8"', "application/json ; charset=us-ascii",
    "application/fhir+json", "application/fhir+json; fhirVersion=4.0", "application/json+fhir",
    "application/hal+json", "text/json",
]  # fmt: skip
NOT_TAKEN = [
    "text/plain", "text/plain;charset=UTF-8", "text/plain; application/json",
    "application/x-www-form-urlencoded", "multipart/form-data; boundary=canary",
    "application/xml", "application/fhir+xml", "application/octet-stream", "text/html",
    "canary", "application/", "json", "*/*", "application/json, text/plain",
    "application/jsonp", "application/json; charset=utf-16", "application/json; charset=latin-1",
]  # fmt: skip
"""Among them all that a page of another origin can make a browser send without a preflight."""


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("media_type", TAKEN)
async def test_3_8_a_body_that_is_said_to_be_json_is_read(
    served: Served, route: str, media_type: str
) -> None:
    headers = {"Content-Type": media_type}
    answer = await served.http.post(route, content=json.dumps(GOOD[route]), headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("media_type", NOT_TAKEN)
async def test_9_11_a_body_that_is_said_to_be_anything_else_is_415(
    served: Served, route: str, media_type: str
) -> None:
    headers = {"Content-Type": media_type}
    answer = await served.http.post(route, content=json.dumps(GOOD[route]), headers=headers)
    await refused(served, answer, 415, "not-supported")
    assert "application/json" in answer.headers["accept"]


@pytest.mark.parametrize("route", ROUTES)
async def test_9_11_a_body_without_a_type_is_read_unless_a_browser_sends_it(
    served: Served, route: str
) -> None:
    content = json.dumps(GOOD[route]).encode()
    assert (await served.http.post(route, content=content)).status_code == 200
    for origin in ("https://evil.example", "null", "https://sandbox.cds-hooks.org"):
        answer = await served.http.post(route, content=content, headers={"Origin": origin})
        await refused(served, answer, 415, "not-supported")


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "coding", ["gzip", "GZIP", "deflate", "br", "zstd", "gzip, gzip", "canary"]
)
async def test_a_compressed_body_is_415_and_is_told_what_is_taken(
    served: Served, route: str, coding: str
) -> None:
    for text in (json.dumps(GOOD[route]).encode(), b" " * 50_000_000):
        answer = await served.post(route, gzip.compress(text), Content_Encoding=coding)
        await refused(served, answer, 415, "not-supported")
        assert answer.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("coding", ["identity", "Identity", ""])
async def test_a_body_that_is_said_to_be_as_it_is_is_read(served: Served, coding: str) -> None:
    answer = await served.post(HOOK, GOOD[HOOK], Content_Encoding=coding)
    assert answer.status_code == 200


# --- time ----------------------------------------------------------------------------------------


async def dripping(body: bytes, pause: float, step: int = 64) -> AsyncIterator[bytes]:
    for start in range(0, len(body), step):
        await asyncio.sleep(pause)
        yield body[start : start + step]


@pytest.mark.parametrize("route", ROUTES)
async def test_a_body_that_drips_is_408_and_the_connection_is_closed(
    served: Served, route: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "BODY_SECONDS", 0.2)
    body = b" " * 64 * 1000 + json.dumps(GOOD[route]).encode()
    began = time.perf_counter()
    answer = await served.http.post(
        route, content=dripping(body, 0.02), headers={"Content-Type": "application/json"}
    )
    assert time.perf_counter() - began < 2
    await refused(served, answer, 408, "timeout", "interrupted")
    assert answer.headers["connection"] == "close"


async def test_a_body_that_is_slow_and_in_time_is_read(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "BODY_SECONDS", 20)
    body = json.dumps(GOOD[HOOK]).encode()
    content = dripping(body, 0.005, len(body) // 20)
    answer = await served.http.post(
        HOOK, content=content, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 200


# --- depth ---------------------------------------------------------------------------------------


def deep(route: str, depth: int, *, brackets: str = "[]") -> bytes:
    """A good body with a member that nobody knows, nested so deep, itself included."""
    opening, closing = brackets[0], brackets[1]
    if brackets == "{}":
        inside = '{"x":' * (depth - 2) + "{}" + "}" * (depth - 2)
    else:
        inside = opening * (depth - 1) + closing * (depth - 1)
    return (json.dumps(GOOD[route])[:-1] + f', "canary": {inside}}}').encode()


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("brackets", ["[]", "{}"])
async def test_64_levels_are_read_and_65_are_refused(
    served: Served, route: str, brackets: str
) -> None:
    answer = await served.post(route, deep(route, intake.DEEPEST, brackets=brackets))
    assert answer.status_code == 200, answer.text
    answer = await served.post(route, deep(route, intake.DEEPEST + 1, brackets=brackets))
    assert "64 levels" in await refused(served, answer, 400, "invalid")


BRACKETS_IN_TEXTS = [
    pytest.param("[" * 5000, id="opening"),
    pytest.param("]" * 5000, id="closing"),
    pytest.param("[]" * 5000, id="pairs"),
    pytest.param("[" * 100 + "]" * 100, id="nested"),
    pytest.param('\\"[' * 500, id="behind escaped quotes"),
    pytest.param("\\\\", id="a backslash at the end"),
    pytest.param("," * 5000, id="commas"),
]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("text", BRACKETS_IN_TEXTS)
async def test_brackets_inside_texts_count_for_nothing(
    served: Served, route: str, text: str
) -> None:
    body = json.dumps(GOOD[route])[:-1] + f', "x": ["{text}", {{"{text}": "]"}}, "["]}}'
    answer = await served.post(route, body)
    assert answer.status_code == 200, answer.text


async def test_brackets_inside_texts_hide_no_depth(served: Served) -> None:
    hidden = '["]", ' * 70 + '"x"' + "]" * 70
    answer = await served.post(HOOK, json.dumps(GOOD[HOOK])[:-1] + f', "x": {hidden}}}')
    await refused(served, answer, 400, "invalid")


def by_hand(body: bytes) -> tuple[int, int]:
    """How deep, and how many values, byte by byte."""
    depth = deepest = values = 0
    is_text = is_escaped = False
    for char in body.decode():
        if is_escaped:
            is_escaped = False
        elif is_text:
            is_escaped, is_text = char == "\\", char != '"'
        elif char == '"':
            is_text = True
        elif char in "[{":
            depth, values = depth + 1, values + 1
            deepest = max(deepest, depth)
        elif char in "]}":
            depth -= 1
        elif char == ",":
            values += 1
    return deepest, values


def random_json(source: random.Random, depth: int) -> Any:
    texts = ("", "[", '"]', "\\", '\\"[', "}{", ", ", 'a"b', '"', "é😀[")
    if depth <= 0 or source.random() < 0.2:
        return source.choice((*texts, 1, None))
    count = source.randint(0, 3)
    if source.random() < 0.5:
        return [random_json(source, depth - 1) for _ in range(count)]
    return {source.choice(texts): random_json(source, depth - 1) for _ in range(count)}


@pytest.mark.parametrize("step", [1, 2, 3, 7, 65_536])
def test_depth_and_values_are_those_that_a_reader_would_count(
    step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the length of the parts in which a body is looked through."""
    monkeypatch.setattr(intake, "_STEP", step)
    source = random.Random(step)  # noqa: S311
    for _ in range(500):
        made = random_json(source, source.randint(0, 8))
        body = json.dumps(made, ensure_ascii=source.random() < 0.5).encode()
        depth, values = by_hand(body)
        monkeypatch.setattr(intake, "DEEPEST", depth)
        intake.check_shape(body, values)
        if depth:
            monkeypatch.setattr(intake, "DEEPEST", depth - 1)
            with pytest.raises(InvalidRequest, match="nested"):
                intake.check_shape(body, values)
            with pytest.raises(InvalidRequest, match="members and elements"):
                intake.check_shape(body, values - 1)


# --- how many ------------------------------------------------------------------------------------


def observations(count: int) -> list[dict[str, Any]]:
    """Resources that say nothing, of this patient."""
    return [
        {"resourceType": "Flag", "id": f"f{n}", "subject": {"reference": "Patient/p1"}}
        for n in range(count)
    ]


@pytest.mark.parametrize(("more", "status"), [(0, 200), (1, 413)])
async def test_20_000_resources_of_a_bundle_are_read_and_no_more(
    served: Served, more: int, status: int
) -> None:
    chart = myeloma()
    body = bundle(*chart, *observations(intake.MOST_RESOURCES - len(chart) + more))
    answer = await served.assess(body)
    assert answer.status_code == status
    if status == 413:
        await refused(served, answer, 413, "too-long", "oversized")


@pytest.mark.parametrize(("more", "status"), [(0, 200), (1, 413)])
async def test_20_000_resources_of_all_keys_together_are_read_and_no_more(
    served: Served, more: int, status: int
) -> None:
    prefetch = prefetch_of(myeloma())
    there = 1 + sum(len(value.get("entry", ())) for value in prefetch.values())
    left = intake.MOST_RESOURCES - there + more
    flags = [{"resource": each} for each in observations(left)]
    prefetch["procedures"]["entry"] += flags[: left // 2]
    prefetch["serviceRequests"]["entry"] += flags[left // 2 :]
    answer = await served.hook(call(prefetch))
    assert answer.status_code == status
    if status == 413:
        await refused(served, answer, 413, "too-long", "oversized")
        assert issue_of(answer)["expression"] == [f"prefetch.{KEYS[-1]}"]


async def test_bundles_inside_bundles_count_as_well(served: Served) -> None:
    inside = bundle(*observations(intake.MOST_RESOURCES))
    answer = await served.assess(bundle(*myeloma(), inside))
    await refused(served, answer, 413, "too-long", "oversized")


@pytest.mark.parametrize(("count", "status"), [(messages.MOST_ENTRIES, 200), (501, 413)])
async def test_500_entries_of_feedback_are_taken_at_once_and_no_more(
    served: Served, count: int, status: int
) -> None:
    before = served.size()
    answer = await served.feedback({"feedback": [ENTRY] * count})
    assert answer.status_code == status
    if status == 413:
        await refused(served, answer, 413, "too-long", "oversized")
        assert served.size() == before + 1, "none of them is on record"


BOMBS = {
    "empty entries": b'{"resourceType":"Bundle","entry":[' + b"{}," * 5_000_000 + b"{}]}",
    "numbers": b'{"resourceType":"Bundle","entry":[' + b"0," * 7_500_000 + b"0]}",
    "members": b"{" + b'"a":1,' * 2_600_000 + b'"a":1}',
    "a million entries that are none": b'{"resourceType":"Bundle","entry":['
    + b"0," * 1_000_000
    + b"0]}",
    "a million members": b"{" + b",".join(b'"a%d":1' % n for n in range(1_000_000)) + b"}",
    "a million keys": b'{"hook":"patient-view","feedback":[],"resourceType":"x","prefetch":{'
    + b",".join(b'"a%d":1' % n for n in range(1_000_000))
    + b"}}",
    "brackets": b"[" * (15 * MIB),
    "pairs": b"[" + b"[]," * 5_000_000 + b"[]]",
    "quotes": b'"' * (15 * MIB),
    "escapes": b'"' + b'\\"' * (7 * MIB),
    "backslashes": b"\\" * (15 * MIB),
    "texts with brackets": b'["]",' * 3_000_000,
    "deep in an answer": b"[" * 500_000 + b"]" * 500_000,
    "not UTF-8 at the end": b'"' + "é".encode() * (7 * MIB) + b"\xff",
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("bomb", BOMBS)
async def test_a_bomb_is_4xx_fast(served: Served, route: str, bomb: str) -> None:
    began = time.perf_counter()
    answer = await served.post(route, BOMBS[bomb])
    assert 400 <= answer.status_code < 500
    issue_of(answer)
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize(("count", "status"), [(messages.MOST_MEMBERS, 200), (1001, 413)])
async def test_1_000_keys_of_a_prefetch_are_passed_over_and_no_more(
    served: Served, count: int, status: int
) -> None:
    prefetch = prefetch_of(myeloma())
    prefetch |= {f"canary{n}": None for n in range(count - len(prefetch))}
    answer = await served.hook(call(prefetch))
    assert answer.status_code == status
    if status == 413:
        await refused(served, answer, 413, "too-long", "oversized")


@pytest.mark.parametrize("words", ["lenalidomide ", "x", "1.5 mg/", "no progression; "])
@pytest.mark.parametrize("member", ["text", "display"])
async def test_a_text_of_ten_million_characters_costs_no_more_than_to_carry_it(
    served: Served, words: str, member: str
) -> None:
    chart = myeloma()
    text = words * (10_000_000 // len(words))
    concepts = [chart[1]["code"], chart[2]["medicationCodeableConcept"]]
    for concept in concepts:
        said = concept if member == "text" else concept["coding"][0]
        said[member] = text[: len(text) // 2]
    body = json.dumps(call(prefetch_of(chart))).encode()
    began = time.perf_counter()
    answer = await served.hook(body)
    assert answer.status_code == 200
    assert len(answer.content) < 50_000
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize("bomb", BOMBS)
async def test_a_bomb_costs_no_more_memory_than_a_few_times_its_length(bomb: str) -> None:
    """Reading and looking through; Python objects for its values would cost thirty times that."""
    body = BOMBS[bomb]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
    tracemalloc.start()
    try:
        with suppress(InvalidRequest):  # or it is for the reader of JSON to refuse
            await intake.read_body(Request(scope, receive), 16 * MIB)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6 * len(body)


async def test_others_are_answered_while_a_large_body_is_looked_through(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        bomb = asyncio.create_task(served.hook(BOMBS["texts with brackets"]))
        longest = 0.0
        while not bomb.done():
            began = time.perf_counter()
            assert (await served.http.get("/healthz")).status_code == 200
            longest = max(longest, time.perf_counter() - began)
            await asyncio.sleep(0.005)
    assert longest < 1


async def test_a_chart_of_the_largest_size_is_within_all_limits(served: Served) -> None:
    """As dense as charts come: compact JSON, coded values, 15 MiB of it."""
    chart = [json.dumps(r, separators=(",", ":")) for r in myeloma()]
    last = chart[-1].replace("{", '{"note":[{"text":"x"}],', 1)
    entries, size = [*chart], sum(map(len, chart))
    while size < 15 * MIB and len(entries) < intake.MOST_RESOURCES:
        more = last.replace('"id":"', f'"id":"n{len(entries)}', 1)
        entries.append(more)
        size += len(more) + 14
    text = ",".join(f'{{"resource":{entry}}}' for entry in entries)
    whole = f'{{"resourceType":"Bundle","type":"collection","entry":[{text}]}}'
    answer = await served.assess(whole)
    assert answer.status_code == 200, answer.text[:300]


# --- what is kept of a call ----------------------------------------------------------------------

OVER = [
    pytest.param(HOOK, GOOD[HOOK], 200, id="a card"),
    pytest.param(FEEDBACK, GOOD[FEEDBACK], 200, id="feedback"),
    pytest.param(ASSESS, GOOD[ASSESS], 200, id="an assessment"),
    pytest.param(HOOK, call(), 412, id="no data"),
    pytest.param(HOOK, [], 400, id="malformed"),
]


@pytest.mark.parametrize(("path", "body", "status"), OVER)
async def test_a_call_that_is_over_is_let_go_of_at_once(
    tmp_path: Path, path: str, body: Any, status: int
) -> None:
    with serving(tmp_path) as served:
        await served.post(path, body)
        gc.collect()
        gc.disable()  # a body is large, and the next full collection may be hours away
        try:
            answer = await served.post(path, body)
            kept = [one for one in gc.get_objects() if isinstance(one, Asked)]
        finally:
            gc.enable()
    assert answer.status_code == status
    assert kept == []
