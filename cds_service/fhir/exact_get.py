"""One GET of an address that a setting names, such as a client's keys: short, without detours."""

from __future__ import annotations

import asyncio

import httpcore
import httpx

from cds_service.fhir.bodies import BodyTooLong, BrokenBody, read_body
from cds_service.fhir.client import Transport

OK = 200


class NotGot(Exception):
    """Nothing usable came from the address; the message is a code, without the address."""


async def get_exactly(
    url: str, transport: Transport, *, most_bytes: int, seconds: float, accept: str
) -> bytes:
    """The body at exactly this address: no redirect, no proxy, no second try, no token.

    Raises NotGot where the answer is not 200, longer than `most_bytes`, or not there in `seconds`.
    """
    http = httpx.AsyncClient(  # left unclosed: closing it would close the connections it shares
        transport=transport,
        headers={"Accept": accept, "Accept-Encoding": "gzip", "User-Agent": "refractory-cds"},
        timeout=httpx.Timeout(seconds),
        follow_redirects=False,
        trust_env=False,
    )
    try:
        async with asyncio.timeout(seconds):
            response = await http.send(http.build_request("GET", url), stream=True)
            try:
                if response.status_code != OK:
                    raise NotGot(f"status-{response.status_code}")
                encoding = response.headers.get("content-encoding", "").lower()
                return await read_body(response.aiter_raw(), encoding, most_bytes)
            finally:
                await response.aclose()
    except (TimeoutError, httpx.TimeoutException, httpcore.TimeoutException):
        raise NotGot("too-slow") from None
    except (httpx.HTTPError, httpx.InvalidURL, httpcore.NetworkError, httpcore.ProtocolError):
        raise NotGot("no-connection") from None
    except BodyTooLong:
        raise NotGot("too-long") from None
    except BrokenBody:
        raise NotGot("broken-compression") from None
