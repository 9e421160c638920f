"""The deployment that is tried: how it is called, and what the calls have brought so far."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from cds_service.conformance import chart
from cds_service.conformance.calls import HOOKS, Call, Offered
from cds_service.conformance.replies import Reply, is_text, objects, read_json
from cds_service.conformance.requirement import NotChecked
from cds_service.conformance.tokens import Signer
from cds_service.errors import UsageError
from cds_service.fhir.links import BaseUrl

MOST_BYTES = 8 * 1024 * 1024
"""Of one answer; more is not read."""
SILENT_CALLS = 3
"""So many calls without an answer end it: the rest would only wait as long."""
WAITS = 3
"""So often a request is repeated where the deployment asks to come more slowly."""
LONGEST_WAIT = 15.0
SANDBOX = "https://sandbox.cds-hooks.org"

T = TypeVar("T")


class Deployment:
    """One deployment over HTTP; redirects are not followed, and every answer is bounded."""

    def __init__(
        self,
        base: str,
        *,
        seconds: float = 10.0,
        signer: Signer | None = None,
        origin: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        try:
            url = BaseUrl.parse(base)
        except ValueError as fault:
            raise UsageError(f"{base}: {fault}") from None
        self.base = str(url).removesuffix("/cds-services")
        self.host = url.host
        self.signer = signer
        self.origin = origin
        self.canary = f"canary{uuid4().hex}"
        self.sent_tokens: set[str] = set()
        self.replies: list[Reply] = []
        self._seconds = seconds
        self._silent = 0
        self._made: dict[str, Any] = {}
        self._runner = asyncio.Runner()
        try:
            self._http = httpx.AsyncClient(transport=transport, timeout=seconds)
        except (OSError, ssl.SSLError):
            raise UsageError("SSL_CERT_FILE: no certificates can be read from it") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._http.aclose())
        self._runner.close()

    # ---- calls

    def get(self, path: str, what: str, **headers: str) -> Reply:
        return self.ask("GET", path, what, None, headers)

    def post(self, path: str, body: Any, what: str, **headers: str) -> Reply:
        """POST of JSON, or of bytes as they are."""
        return self.ask("POST", path, what, body, headers)

    def ask(
        self,
        method: str,
        path: str,
        what: str,
        body: Any,
        headers: dict[str, str] | None = None,
        *,
        token: str | None = "",
    ) -> Reply:
        """One request, with a token of its own where there is a key; `token` None sends none.

        Where it is asked to come more slowly (429), it waits and comes again. Raises NotChecked
        where the deployment has stopped answering.
        """
        if self._silent >= SILENT_CALLS:
            raise NotChecked("it has stopped answering")
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        reply = self._once(method, path, what, content, headers or {}, token)
        for _ in range(WAITS):
            if reply.status != HTTPStatus.TOO_MANY_REQUESTS:
                break
            time.sleep(_wait(reply))
            reply = self._once(method, path, what, content, headers or {}, token)
        self._silent = 0 if reply.status else self._silent + 1
        self.replies.append(reply)
        return reply

    def _once(
        self,
        method: str,
        path: str,
        what: str,
        content: bytes | None,
        headers: dict[str, str],
        token: str | None,
    ) -> Reply:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        address = f"{self.base}/{path}"
        if token == "" and self.signer is not None:
            token = self.signer.token(address)
        if token:
            self.sent_tokens.add(token)
            sent["Authorization"] = f"Bearer {token}"
        if content is not None:
            sent.setdefault("Content-Type", "application/json")
        return self._runner.run(self._bounded(method, address, what, content, sent))

    async def _bounded(
        self, method: str, address: str, what: str, content: bytes | None, headers: dict[str, str]
    ) -> Reply:
        began = time.perf_counter()
        try:
            async with (
                asyncio.timeout(self._seconds),
                self._http.stream(method, address, content=content, headers=headers) as answer,
            ):
                got = bytearray()
                async for part in answer.aiter_bytes():
                    got += part
                    if len(got) > MOST_BYTES:
                        trouble = f"more than {MOST_BYTES // 1024**2} MiB"
                        return Reply(what, answer.status_code, answer.headers, trouble=trouble)
                spent = (time.perf_counter() - began) * 1000
                value, trouble, liberties = read_json(bytes(got))
                return Reply(
                    what, answer.status_code, answer.headers, bytes(got),
                    value, trouble, liberties, spent,
                )  # fmt: skip
        except TimeoutError:
            return Reply(what, trouble=f"not within {self._seconds:g} s")
        except httpx.TimeoutException:
            return Reply(what, trouble=f"not within {self._seconds:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError, ValueError) as fault:
            return Reply(what, trouble=_short(fault))

    # ---- what the calls have brought

    def once(self, name: str, make: Callable[[], T]) -> T:
        """Made at the first time it is asked for, and kept."""
        if name not in self._made:
            self._made[name] = make()
        made: T = self._made[name]
        return made

    @property
    def discovery(self) -> Reply:
        """Discovery, where it is asked for."""
        return self.once("discovery", lambda: self.get("cds-services", "discovery"))

    @property
    def described(self) -> Reply:
        """Discovery, after the one redirect to a final slash that some frameworks make."""
        moved = self.discovery.headers.get("location", "")
        if 300 <= self.discovery.status < 400 and urlsplit(moved).path.endswith("/cds-services/"):
            return self.once("moved", lambda: self.get("cds-services/", "discovery"))
        return self.discovery

    @property
    def services(self) -> list[dict[str, Any]]:
        """The services of discovery as they stand there; raises NotChecked without any."""
        listed = self.described.json
        found = objects(listed.get("services")) if isinstance(listed, dict) else []
        if not found:
            raise NotChecked("discovery lists no service")
        return found

    @property
    def offered(self) -> list[Offered]:
        """The services that can be called here; raises NotChecked without any."""
        found = {
            (one["id"], one["hook"]): Offered(
                one["id"], one["hook"], _templates(one.get("prefetch"))
            )
            for one in self.services
            if is_text(one.get("id")) and one.get("hook") in HOOKS
        }
        if not found:
            raise NotChecked(f"no service of the hooks {', '.join(HOOKS)}")
        return list(found.values())

    def hook(self, service: Offered, call: Call, what: str, **headers: str) -> Reply:
        return self.post(service.path, call, f"{service.id}, {what}", **headers)

    def complete(self, service: Offered) -> Reply:
        """A call with everything that the templates ask for, about a chart worth a card."""
        return self._about(service, "complete prefetch", chart.progressed)

    def quiet(self, service: Offered) -> Reply:
        """The same about a chart without a cancer."""
        return self._about(service, "a chart without cancer", chart.quiet)

    def hostile(self, service: Offered) -> Reply:
        """The same with markup in every text of the chart."""
        return self._about(
            service,
            "markup in the chart",
            lambda patient: chart.progressed(patient, chart.HOSTILE),
        )

    def _about(
        self, service: Offered, what: str, resources: Callable[[str], list[chart.Resource]]
    ) -> Reply:
        def make() -> Reply:
            patient = chart.new_patient()
            call = service.call(patient, service.filled(resources(patient)))
            return self.hook(service, call, what)

        return self.once(f"{service.path} {service.hook} {what}", make)

    def answers(self) -> list[Reply]:
        """All answers that are JSON objects, of every service; raises NotChecked without any."""
        made = [
            make(service)
            for service in self.offered
            for make in (self.complete, self.hostile, self.quiet)
        ]
        found = [reply for reply in made if reply.is_good and isinstance(reply.json, dict)]
        if not found:
            raise NotChecked("no call was answered with 200 and JSON")
        return found

    def cards(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every card that came, and where; raises NotChecked without any."""
        found = [
            (f"{reply.what}, cards[{position}]", card)
            for reply in self.answers()
            for position, card in enumerate(objects(reply.json.get("cards")))
        ]
        if not found:
            raise NotChecked("no card came back on the invented charts")
        return iter(found)

    def answering(self) -> list[Offered]:
        """The services that answer a complete call; raises NotChecked without any."""
        found = [service for service in self.offered if self.complete(service).is_good]
        if not found:
            raise NotChecked("no complete call is answered")
        return found


def _templates(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {key: template for key, template in value.items() if isinstance(template, str)}


def _wait(reply: Reply) -> float:
    """Seconds to wait for, as the answer says, within reason."""
    said = reply.headers.get("retry-after", "")
    return min(float(said) if said.isdecimal() else 1.0, LONGEST_WAIT)


def _short(fault: Exception) -> str:
    """Why there was no answer, without any address."""
    cause = fault.__cause__ or fault.__context__ or fault
    said = " ".join(str(fault).split()) or type(cause).__name__
    return said if len(said) <= 120 else f"{said[:119]}…"
