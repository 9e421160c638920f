"""A load client of the standard library: one body, so many times, over so many connections.

    python tests/bench/load.py URL BODY --requests 200 --at-once 8 [--new TEXT]

With `--new` this text in the body is another one of the same length in each request, so that no
two bodies are the same. It speaks to this machine only, and stops at its number of requests or its
seconds, whichever comes first. One JSON object on standard output.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import json
import math
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

MOST_REQUESTS = 100_000
MOST_AT_ONCE = 64
MOST_SECONDS = 300.0
ANSWER_SECONDS = 60.0


@dataclass(slots=True)
class Course:
    """A run so far: what is left to send, until when, and what came of it."""

    left: int
    until: float
    head: bytes
    body: bytes
    new: bytes | None = None
    seconds: list[float] = field(default_factory=list)
    refused: int = 0

    def next(self) -> bytes:
        """The next message."""
        self.left -= 1
        if self.new is None:
            return self.head + self.body
        name = f"{os.getpid() % 100}-{self.left}".zfill(len(self.new)).encode()
        return self.head + self.body.replace(self.new, name[-len(self.new) :])


async def send(
    url: str, body: bytes, requests: int, at_once: int, seconds: float, new: bytes | None = None
) -> Course:
    """Send a body over keep-alive connections; ValueError for an address off this machine."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "http" or not ipaddress.ip_address(host).is_loopback or not parts.port:
        raise ValueError("http://127.0.0.1:PORT/… and nothing else")
    head = (
        f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    course = Course(requests, time.monotonic() + seconds, head.encode(), body, new)
    await asyncio.gather(*(_connection(host, parts.port, course) for _ in range(at_once)))
    return course


async def _connection(host: str, port: int, course: Course) -> None:
    reader, writer = await asyncio.open_connection(host, port, limit=2**22)
    try:
        while course.left > 0 and time.monotonic() < course.until:
            message = course.next()
            began = time.perf_counter()
            writer.write(message)
            await writer.drain()
            status = await asyncio.wait_for(_status(reader), ANSWER_SECONDS)
            course.seconds.append(time.perf_counter() - began)
            course.refused += status != 200
    finally:
        writer.close()


async def _status(reader: asyncio.StreamReader) -> int:
    """Read one answer with a Content-Length to its end."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1])


def percentile(ordered: list[float], share: float) -> float:
    """The nearest rank of a sorted list."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("body", type=Path)
    parser.add_argument("--requests", type=int, default=100)
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--new", help="a text that is another one in each request")
    chosen = parser.parse_args()
    if not (
        1 <= chosen.requests <= MOST_REQUESTS
        and 1 <= chosen.at_once <= MOST_AT_ONCE
        and 0 < chosen.seconds <= MOST_SECONDS
    ):
        parser.error("too many requests, connections or seconds")
    began = time.perf_counter()
    body = chosen.body.read_bytes()
    new = chosen.new.encode() if chosen.new else None
    course = asyncio.run(
        send(chosen.url, body, chosen.requests, chosen.at_once, chosen.seconds, new)
    )
    spent = time.perf_counter() - began
    ordered = sorted(course.seconds)
    result = {
        "requests": len(ordered),
        "refused": course.refused,
        "p50": percentile(ordered, 0.5),
        "p95": percentile(ordered, 0.95),
        "a_second": len(ordered) / spent,
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
