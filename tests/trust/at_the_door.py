"""The whole service with one known client, asked over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from hooks.calls import call, myeloma, prefetch_of
from hooks.serving import JSON, NOON, Body, Served, as_bytes, serving

from trust.signing import EC, RSA, all_toml, jwks, signed

PUBLIC = "https://cds.example"
HOOK = "/cds-services/refractory-status"
WITH_CARD = call(prefetch_of(myeloma()))
ELSEWHERE = "192.0.2.7"


class Clock:
    """The service's clock, moved by hand."""

    def __init__(self) -> None:
        self.seconds = NOON.timestamp()

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)


@contextmanager
def known(
    folder: Path, *entries: dict[str, Any], settings: dict[str, Any] | None = None, **parts: Any
) -> Iterator[Served]:
    """The service that knows these clients, by keys in a file unless they say otherwise."""
    (folder / "keys.json").write_bytes(jwks(EC, RSA))
    (folder / "clients.toml").write_text(all_toml(entries or [{}]))
    chosen = {"clients_file": folder / "clients.toml", "public_url": PUBLIC} | (settings or {})
    with serving(folder, settings=chosen, **parts) as served:
        yield served


async def ask(
    served: Served,
    path: str = HOOK,
    body: Body | None = WITH_CARD,
    *,
    token: str | None = None,
    address: str = "127.0.0.1",
    **headers: str,
) -> httpx.Response:
    """One call from this address; GET without a body."""
    inside = httpx.ASGITransport(
        app=served.app, raise_app_exceptions=False, client=(address, 40_000)
    )
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    async with httpx.AsyncClient(transport=inside, base_url="http://cds.test") as http:
        if body is None:
            return await http.get(path, headers=sent)
        return await http.post(path, content=as_bytes(body), headers={**JSON, **sent})


def token_for(path: str = HOOK, **changes: Any) -> str:
    """A good token for one endpoint."""
    return signed({"aud": PUBLIC + path} | changes)
