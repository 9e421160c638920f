"""A call without prefetch beside plain httpx that fetches the same pages, from the same server.

    python tests/bench/fetch.py [--calls N]

The demo's FHIR server on one core; the service, and httpx after it, on the other. Both ask for all
types at once and follow the pages. `asked` counts what reached the server.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import urlopen

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx
import orjson
from bench.prostate_chart import PATIENT, hook_call
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


def rows(calls: int) -> list[str]:
    """One row a size: milliseconds, the ratio, and what was asked of the server."""
    today = datetime.now(UTC).date()
    said = []
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {SERVER_CORE})
    for size in SIZES:
        call = hook_call(size, today)
        times = max(3, calls * 50 // max(size, 50))
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "chart.json").write_bytes(chart_of(call))
            with fhir_and_service(folder, folder / "chart.json") as (fhir, service):
                body = folder / "call.json"
                body.write_bytes(without_prefetch(call, fhir.url))
                load(service, body, 2, 1, 60)
                ours, plain = [], []
                for _ in range(3):
                    before = asked(fhir)
                    ours.append(load(service, body, times, 1, 60)["p50"])
                    trips = (asked(fhir) - before) / times
                    seconds, pages = asyncio.run(plainly(fhir.url, times))
                    plain.append(seconds)
        mine, theirs = statistics.median(ours), statistics.median(plain)
        said.append(
            f"| {size:,} | {mine * 1000:.1f} | {theirs * 1000:.1f} | **{mine / theirs:.2f}** |"
            f" {trips:.1f} | {pages} |"
        )
    return said


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=30, help="of the smallest chart")
    say("| resources | service, p50 ms | httpx, p50 ms | ratio | asked a call | pages |")
    say("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for row in rows(parser.parse_args().calls):
        say(row)


if __name__ == "__main__":
    main()
