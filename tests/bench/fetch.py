"""A call without prefetch beside plain httpx that fetches the same pages, from the same server.

    python tests/bench/fetch.py

The demo's FHIR server on one core; the service, and httpx after it, on the other. Both ask for all
types at once and follow the pages. `asked` counts what reached the server.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.request import urlopen

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx
import orjson
from bench.prostate_chart import PATIENT, hook_call
from bench.rows import Row, say, table
from bench.servers import SERVER_CORE, Server, fhir_and_service, load

from cds_service.fhir.queries import QUERIES

SIZES = (50, 1_000, 10_000)


def chart_of(call: bytes) -> bytes:
    """The prefetch of a call as one collection."""
    found = orjson.loads(call)["prefetch"]
    entries = [
        entry
        for one in found.values()
        for entry in (
            one.get("entry", []) if one["resourceType"] == "Bundle" else [{"resource": one}]
        )
    ]
    return orjson.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries})


def without_prefetch(call: bytes, base: str) -> bytes:
    """The same call of a client that prefetches nothing."""
    asked = orjson.loads(call)
    del asked["prefetch"]
    return orjson.dumps({**asked, "fhirServer": base})


async def _pages(client: httpx.AsyncClient, url: str | None) -> int:
    count = 0
    while url is not None:
        answer = await client.get(url)
        count += 1
        links = answer.json().get("link", [])
        url = next((link["url"] for link in links if link["relation"] == "next"), None)
    return count


async def plainly(base: str, calls: int) -> tuple[float, int]:
    """Fetch every page of the chart with httpx and no more: the median time, and the pages."""
    templates = [query.template.replace("{{context.patientId}}", PATIENT) for query in QUERIES]
    spent, pages = [], 0
    async with httpx.AsyncClient() as client:
        for _ in range(calls + 1):
            began = time.perf_counter()
            fetching = (_pages(client, f"{base}/{template}") for template in templates)
            pages = sum(await asyncio.gather(*fetching))
            spent.append(time.perf_counter() - began)
    return statistics.median(spent[1:]), pages


def asked(fhir: Server) -> int:
    with urlopen(f"{fhir.base}/asked", timeout=10) as answer:  # noqa: S310 - our own
        return int(answer.read())


def rows(today: date, *, quick: bool) -> list[Row]:
    """The time of a call to that of the pages alone, and the round trips to the pages."""
    calls = 20 if quick else 40
    affinity = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if len(affinity) > 1:
        os.sched_setaffinity(0, {SERVER_CORE})
    try:
        return [row for size in SIZES for row in _of_size(size, today, calls)]
    finally:
        if affinity:
            os.sched_setaffinity(0, affinity)


def _of_size(size: int, today: date, calls: int) -> list[Row]:
    call = hook_call(size, today)
    times = max(3, calls * 50 // size)
    ours, plain = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "chart.json").write_bytes(chart_of(call))
        with fhir_and_service(folder, folder / "chart.json") as (fhir, service):
            body = folder / "call.json"
            body.write_bytes(without_prefetch(call, fhir.url))
            load(service, body, 2, 1, 60)
            for _ in range(3):
                before = asked(fhir)
                ours.append(load(service, body, times, 1, 60)["p50"])
                trips = (asked(fhir) - before) / times
                seconds, pages = asyncio.run(plainly(fhir.url, times))
                plain.append(seconds)
    mine, theirs = statistics.median(ours), statistics.median(plain)
    said = f"{mine * 1000:.1f} ms, {theirs * 1000:.1f} ms plainly"
    return [
        Row(f"fetch, {size:,}", mine / theirs, "httpx, the same pages", 1.5, said=said),
        Row(f"fetch, {size:,}, round trips", trips / (pages + 1), "pages + 1", 1.0,
            said=f"{trips:.1f} for {pages} pages"),
    ]  # fmt: skip


if __name__ == "__main__":
    for line in table(rows(datetime.now(UTC).date(), quick=True)):
        say(line)
