"""Opens connections to the addresses that the rules permit, whatever a name resolves to."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence

import httpcore

from cds_service.fhir.allowed import AddressRules

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The IP addresses of a host name, for a port."""


class AddressRefused(httpcore.ConnectError):
    """A name stood for an address to which no connection may be opened."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver, as any client would."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Resolves a name once, checks every address of the answer, and connects to just those.

    A name that answers differently a second time (rebinding) gains nothing: there is no second
    time. One address that is not permitted refuses the whole answer.
    """

    def __init__(
        self,
        rules: AddressRules,
        resolve: Resolve = resolve,
        opener: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        self._rules = rules
        self._resolve = resolve
        self._opener = httpcore.AnyIOBackend() if opener is None else opener

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        until = None if timeout is None else time.monotonic() + timeout
        failure: Exception = httpcore.ConnectError("no address")
        addresses = await self._addresses(host, port, timeout)
        for untried, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            left = None if until is None else max(0.0, until - time.monotonic()) / untried
            try:
                return await self._opener.connect_tcp(
                    address, port, left, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def _addresses(self, host: str, port: int, seconds: float | None) -> Sequence[str]:
        try:
            async with asyncio.timeout(seconds):
                addresses = await self._resolve(host.strip("[]"), port)
        except TimeoutError:
            raise httpcore.ConnectTimeout("no answer from the resolver") from None
        except OSError:
            raise httpcore.ConnectError("the name cannot be resolved") from None
        if not all(self._rules.permits(host, address) for address in addresses):
            raise AddressRefused("not a permitted address")
        return list(dict.fromkeys(addresses))

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise AddressRefused("no socket files")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
