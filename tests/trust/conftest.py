"""Checkers of tokens with one known client, as quick as they are in the service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hooks.conftest import said

from cds_service.trust.checking import TokenCheck
from cds_service.trust.clients import load_clients
from cds_service.trust.key_cache import KeyCache
from cds_service.trust.one_thread import OneThread
from cds_service.trust.sqlite_store import SqliteTrustStore
from trust.signing import EC, EC_256, NOW, RSA, all_toml, jwks

__all__ = ["said"]


class Wire(httpx.AsyncBaseTransport):
    """What stands at every address, and which were asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: Callable[[httpx.Request], Any] = lambda _: httpx.Response(404)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url))
        answer = self.answer(request)
        if not isinstance(answer, httpx.Response):
            answer = await answer
        raw = b"".join([part async for part in answer.stream])
        body = httpx.ByteStream(raw)  # still to come, as from a wire
        return httpx.Response(answer.status_code, headers=answer.headers, stream=body)


class Hands:
    """A clock of the wall and one that only goes forward, both held."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def make_check(tmp_path: Path, wire: Wire, clock: Hands) -> Iterator[Callable[..., TokenCheck]]:
    """A maker of checkers: entries of the clients file in, one with keys in a file by default."""
    threads: list[tuple[OneThread, SqliteTrustStore]] = []

    def make(*entries: dict[str, Any], keys: bytes = jwks(EC, EC_256, RSA)) -> TokenCheck:
        (tmp_path / "keys.json").write_bytes(keys)
        file = tmp_path / "clients.toml"
        file.write_text(all_toml(entries or [{}]))
        store, thread = SqliteTrustStore(tmp_path / "seen.db"), OneThread()
        threads.append((thread, store))
        return TokenCheck(load_clients(file), KeyCache(wire, clock), store, thread, clock)

    yield make
    for thread, store in threads:
        thread.close(store.close)
