"""Where the time of whole decisions goes, as a page to be opened in a browser.

    python tests/bench/profile.py [--to FILE] [--resources N] [--calls N]

The service in this process, without a socket; every chart is of another patient. A profile makes
calls of small functions dearer than they are: look for shares, not for milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx
from bench.prostate_chart import PATIENT, hook_call
from bench.rows import say
from pyinstrument import Profiler

from cds_service.app import create_app
from cds_service.settings import Settings

URL = "http://cds/cds-services/refractory-status"
TYPE = {"Content-Type": "application/json"}


async def call_often(folder: Path, body: bytes, calls: int) -> Profiler:
    """So many calls, the first ones unobserved."""
    settings = Settings(_env_file=None, audit_db=folder / "log.db", jwt="off")  # type: ignore[call-arg]
    app = create_app(settings)
    profiler = Profiler(async_mode="disabled")  # all threads of work, as they come
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app)) as http,
    ):
        for number in range(calls + 5):
            if number == 5:
                profiler.start()
            name = f"{number:0{len(PATIENT)}}".encode()
            answer = await http.post(
                URL, content=body.replace(PATIENT.encode(), name), headers=TYPE
            )
            answer.raise_for_status()
        profiler.stop()
    return profiler


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--to", type=Path, default=Path("var/profile.html"))
    parser.add_argument("--resources", type=int, default=1_000)
    parser.add_argument("--calls", type=int, default=100)
    chosen = parser.parse_args()
    body = hook_call(chosen.resources, datetime.now(UTC).date())
    with tempfile.TemporaryDirectory() as folder:
        profiler = asyncio.run(call_often(Path(folder), body, chosen.calls))
    chosen.to.parent.mkdir(parents=True, exist_ok=True)
    chosen.to.write_text(profiler.output_html(), "utf-8")
    say(f"open {chosen.to.resolve().as_uri()}")


if __name__ == "__main__":
    main()
