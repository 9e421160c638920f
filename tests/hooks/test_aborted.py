"""A client that goes away before its answer leaves: on record, and its cards do not count."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cds_service.commands.listening import listen_on
from cds_service.demo.fhir_server_faults import Fault
from cds_service.demo.stage import running
from hooks.calls import SERVICE, call, myeloma, prefetch_of
from hooks.serving import EHR, Entry, Served, serving

READ_BY_US = call(fhirServer=EHR)
PREFETCHED = call(prefetch_of(myeloma()))
BUNDLE = {"resourceType": "Bundle", "entry": [{"resource": r} for r in myeloma()]}
HOOK, API = f"/cds-services/{SERVICE}", "/api/assess"
AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER: the connection is reset (RST) where it would be closed (FIN)."""


@contextmanager
def listening(folder: Path, faults: list[Fault]) -> Iterator[tuple[Served, int]]:
    """The service on a socket, and its port."""
    with serving(folder, chart=myeloma(), faults=faults) as served:
        sock = listen_on("127.0.0.1", 0)
        with running(served.app, sock):
            yield served, sock.getsockname()[1]


def send(port: int, path: str, body: dict[str, Any]) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port))
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: cds\r\nContent-Length: {len(content)}\r\n\r\n"
    sock.sendall(head.encode() + content)
    return sock


def about_a_decision(served: Served, *, entries: int) -> list[Entry]:
    """The decision and what followed it, once there are so many entries; patience for 10 s."""
    found: list[Entry] = []
    until = time.monotonic() + 10
    while len(found) < entries and time.monotonic() < until:
        time.sleep(0.02)
        found = [e for e in served.entries() if e["eventType"] in ("decision", "delivery")]
    return found


@pytest.mark.parametrize(
    ("path", "body", "seconds"),
    [
        pytest.param(HOOK, READ_BY_US, 0.0, id="at once"),
        pytest.param(HOOK, READ_BY_US, 0.2, id="while the FHIR server is slow"),
        pytest.param(HOOK, PREFETCHED, 0.0, id="at once, with a prefetch"),
        pytest.param(API, BUNDLE, 0.0, id="at once, from the API"),
    ],
)
def test_a_client_that_went_away_is_on_record_and_got_no_card(
    tmp_path: Path, path: str, body: dict[str, Any], seconds: float
) -> None:
    with listening(tmp_path, [Fault("slow", seconds=0.5)]) as (served, port):
        sock = send(port, path, body)
        time.sleep(seconds)
        sock.close()
        found = about_a_decision(served, entries=2)
    is_aborted(found)


def test_a_client_that_cut_its_connection_is_on_record_too(tmp_path: Path) -> None:
    """After its call has been read: what a reset overtakes never reaches the service."""
    with listening(tmp_path, [Fault("slow", seconds=1.5)]) as (served, port):
        sock = send(port, HOOK, READ_BY_US)
        until = time.monotonic() + 10
        while not served.wire.asked and time.monotonic() < until:
            time.sleep(0.005)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        sock.close()
        found = about_a_decision(served, entries=2)
    is_aborted(found)


def is_aborted(found: list[Entry]) -> None:
    decision, delivery = found
    assert decision["outcome"] in ("cards-returned", "assessed")
    assert delivery["eventType"] == "delivery"
    assert (delivery["state"], delivery["cause"]) == ("aborted", "client-gone")
    assert delivery["decisionId"] == decision["decisionId"]


def test_a_client_that_waits_gets_its_answer_and_no_second_entry(tmp_path: Path) -> None:
    with listening(tmp_path, [Fault("slow", seconds=0.05)]) as (served, port):
        for body in (READ_BY_US, PREFETCHED):
            with send(port, HOOK, body) as sock:
                assert sock.recv(1000).startswith(b"HTTP/1.1 200")
        assert len(about_a_decision(served, entries=2)) == 2
        kinds = [entry["eventType"] for entry in served.entries()]
    assert "delivery" not in kinds


def test_a_body_that_was_interrupted_is_on_record_as_that_and_not_as_malformed(
    tmp_path: Path,
) -> None:
    with listening(tmp_path, []) as (served, port):
        sock = socket.create_connection(("127.0.0.1", port))
        sock.sendall(f"POST {HOOK} HTTP/1.1\r\nHost: cds\r\nContent-Length: 999\r\n\r\n{{".encode())
        time.sleep(0.1)
        sock.close()
        until = time.monotonic() + 10
        reasons: list[str] = []
        while not reasons and time.monotonic() < until:
            time.sleep(0.02)
            reasons = [e["reason"] for e in served.entries() if "reason" in e.envelope]
    assert reasons == ["interrupted"]


async def test_cards_of_an_aborted_call_are_counted_as_aborted(served: Served) -> None:
    async def counted() -> tuple[list[str], bool]:
        lines = (await served.http.get("/metrics")).text.splitlines()
        cards = [line for line in lines if "cards_total{" in line]
        return cards, any('outcome="aborted"' in line for line in lines)

    before, _ = await counted()
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": json.dumps(PREFETCHED).encode()},
        {"type": "http.disconnect"},
    ]

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def sent(_: Any) -> None: ...

    scope = {"type": "http", "method": "POST", "path": HOOK, "headers": [], "query_string": b""}
    await served.app(scope, receive, sent)
    assert await counted() == (before, True)
