"""A real browser as the client: what CORS lets a page of an EHR do, and what of other pages not."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from fixtures.stories import STORIES
from real.fetch import NotRun, browser
from real.hapi_server import free_port

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

PAGE = """<!doctype html><title>an EHR</title><pre id="said">nothing</pre><script>
const token = {Authorization: "Bearer x.y.z"};
const ask = async () => {
  const found = await (await fetch(SERVICE, {headers: token})).json();
  const id = found.services[0].id;
  const headers = {...token, "Content-Type": "application/json"};
  const answer = await fetch(`${SERVICE}/${id}`, {method: "POST", headers, body: CALL});
  const cards = (await answer.json()).cards;
  const feedback = JSON.stringify({feedback: [{card: cards[0].uuid, outcome: "overridden",
    outcomeTimestamp: new Date().toISOString()}]});
  const said = await fetch(`${SERVICE}/${id}/feedback`, {method: "POST", headers, body: feedback});
  return {id, status: answer.status, cards: cards.length, feedback: said.status};
};
ask().catch(error => ({error: error.message})).then(found => {
  document.getElementById("said").textContent = JSON.stringify(found);
});
</script>"""


def call(slug: str) -> str:
    """A `patient-view` call with the whole chart of a story as prefetch."""
    (story,) = (s for s in STORIES if s.slug == slug)

    def bundle(kind: str) -> dict[str, object]:
        found = [r for r in story.resources if r["resourceType"] == kind]
        return {"resourceType": "Bundle", "type": "searchset", "entry": [
            {"resource": resource} for resource in found]}  # fmt: skip

    kinds = ("Condition", "MedicationRequest", "Observation", "MedicationAdministration",
             "Procedure", "ServiceRequest", "DiagnosticReport")  # fmt: skip
    prefetch = {f"{kind[0].lower()}{kind[1:]}s": bundle(kind) for kind in kinds}
    prefetch["patient"] = next(r for r in story.resources if r["resourceType"] == "Patient")
    context = {"userId": "Practitioner/x", "patientId": slug}
    instance = "a7f3c1f0-8a4b-4a46-9c51-5b4f3f1d2e10"
    return json.dumps(
        {"hook": "patient-view", "hookInstance": instance, "context": context, "prefetch": prefetch}
    )


class Page(BaseHTTPRequestHandler):
    """Gives one page for every address."""

    def __init__(self, html: bytes, *rest: object) -> None:
        self._html = html
        super().__init__(*rest)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(self._html)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def page(port: int, service: str) -> Iterator[str]:
    """An origin with the page of an EHR that calls this service."""
    body = json.dumps(call("mm-len")).replace("</", "<\\/")
    told = f"const SERVICE = {json.dumps(service)}, CALL = {body};"
    html = PAGE.replace("<script>", f"<script>{told}")
    server = ThreadingHTTPServer(("127.0.0.1", port), partial(Page, html.encode()))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """The service's discovery address, and the port of the one origin that it admits."""
    folder = tmp_path_factory.mktemp("service")
    port, origin = free_port(), free_port()
    settings = {
        "REFRACTORY_CDS_AUDIT_DB": str(folder / "decisions.db"),
        "REFRACTORY_CDS_CORS_ORIGINS": json.dumps([f"http://127.0.0.1:{origin}"]),
    }
    with (folder / "log.txt").open("wb") as log:
        command = [sys.executable, "-m", "cds_service", "serve", "--port", str(port)]
        server = subprocess.Popen(  # noqa: S603
            command, env=os.environ | settings, stderr=log
        )
    try:
        wait_for(port, server)
        yield f"http://127.0.0.1:{port}/cds-services", origin
    finally:
        server.terminate()
        server.wait(timeout=30)


def wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail("the service did not start")


def look(address: str, profile: Path) -> dict[str, object]:
    """What the page says once it has asked."""
    try:
        program = browser()
    except NotRun as why:
        pytest.skip(f"Chromium: {why}")
    quiet = ["--disable-gpu", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", "--disable-quic"]  # fmt: skip
    command = [program, "--headless", "--no-sandbox", *quiet, f"--user-data-dir={profile}",
               "--virtual-time-budget=20000", "--dump-dom", address]  # fmt: skip
    done = subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, timeout=90, check=False
    )
    said = re.search(r'<pre id="said">(.*?)</pre>', done.stdout, re.DOTALL)
    assert said is not None, done.stderr[-2000:]
    found: dict[str, object] = json.loads(unescape(said[1]))
    return found


def test_a_page_of_an_admitted_origin_gets_cards_and_gives_feedback(
    service: tuple[str, int], tmp_path: Path
) -> None:
    discovery, origin = service
    with page(origin, discovery) as address:
        said = look(address, tmp_path)
    assert said == {"id": "refractory-status", "status": 200, "cards": 1, "feedback": 200}


def test_a_page_of_another_origin_gets_nothing(service: tuple[str, int], tmp_path: Path) -> None:
    discovery, _ = service
    with page(free_port(), discovery) as address:
        assert look(address, tmp_path) == {"error": "Failed to fetch"}
