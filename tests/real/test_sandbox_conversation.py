"""The demo with a page like the CDS Hooks Sandbox's, in a real browser: what CORS lets it do.

What is said in detail of each answer stands in `tests/demo/test_sandbox_conversation.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import ThreadingHTTPServer
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from demo.sandbox_client import drafts, order_context, token
from real.hapi_server import free_port
from real.test_browser import Page, look

from cds_service.audit.reading import open_reader

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parents[2]
PATIENT = "mm-len"
LENALIDOMIDE = ("643720", "lenalidomide 25 MG Oral Capsule")

PAGE = """<!doctype html><title>a chart</title><pre id="said">nothing</pre><script>
const {service, fhir, token, patient, orders} = ASKED;
const old = {Accept: "application/json+fhir"};
const form = {...old, "Content-Type": "application/x-www-form-urlencoded"};
const ours = {Accept: "application/json", Authorization: `Bearer ${token}`};
const read = async (path, headers) => {
  const answer = await fetch(`${fhir}/${path}`, {headers});
  return {status: answer.status, body: await answer.json()};
};
const filled = async template => {
  const [path, search] = template.replaceAll("{{context.patientId}}", patient).split("?");
  const asked = search ? {method: "POST", headers: form, body: search} : {headers: old};
  const answer = await fetch(`${fhir}/${path}${search ? "/_search" : ""}`, asked);
  return answer.ok ? await answer.json() : undefined;
};
const post = async (path, body) => {
  const headers = {...ours, "Content-Type": "application/json"};
  const sent = {method: "POST", headers, body: JSON.stringify(body)};
  const answer = await fetch(`${service}/${path}`, sent);
  return {status: answer.status, body: await answer.json()};
};
const call = async (offered, context) => {
  const prefetch = {};
  for (const [key, template] of Object.entries(offered.prefetch))
    prefetch[key] = await filled(template);
  return post(offered.id, {hookInstance: crypto.randomUUID(), hook: offered.hook, fhirServer: fhir,
    context: {patientId: patient, userId: "Practitioner/COREPRACTITIONER1", ...context}, prefetch});
};
const clicked = (id, card, said) => post(`${id}/feedback`, {feedback: [
  {card: card.uuid, ...said, outcomeTimestamp: new Date().toISOString()}]});
const talk = async () => {
  const metadata = await read("metadata", {Accept: "application/json"});
  const listed = await read("Patient", {Accept: "application/json"});
  const person = await read(`Patient/${patient}`, old);
  const conditions = await read(`Condition?patient=${patient}`, old);
  const nobody = await read("Patient/nobody", old);
  const launch = await fetch(`${fhir}/_services/smart/Launch`, {method: "POST", body: "{}",
    headers: {"Content-Type": "application/json"}});
  const offers = (await (await fetch(service, {headers: ours})).json()).services;
  const status = offers.find(one => one.hook === "patient-view");
  const opened = await call(status, {});
  const card = opened.body.cards[0];
  const {code, system} = card.overrideReasons[0];
  const accepted = {outcome: "accepted", acceptedSuggestions: [{id: card.suggestions[0].uuid}]};
  const dismissed = {outcome: "overridden", overrideReason: {reason: {code, system}}};
  const unread = await post(status.id, {hook: "patient-view"});
  const ordered = {};
  for (const offered of offers.filter(one => one.hook in orders)) {
    const cards = ordered[offered.hook] = {};
    for (const [state, context] of Object.entries(orders[offered.hook]))
      cards[state] = await call(offered, context);
  }
  return {
    fhirVersion: metadata.body.fhirVersion, patients: listed.body.total,
    given: Array.isArray(person.body.name[0].given), conditions: conditions.body.total > 0,
    nobody: nobody.status, launch: launch.status, opened: opened.status,
    cards: opened.body.cards.length, reason: code, unread: unread.status,
    accepted: (await clicked(status.id, card, accepted)).status,
    dismissed: (await clicked(status.id, card, dismissed)).status, ordered,
  };
};
talk().catch(error => ({error: `${error.message} ${error.stack}`})).then(found => {
  document.getElementById("said").textContent = JSON.stringify(found);
});
</script>"""


@dataclass(frozen=True)
class Demo:
    """The running demo by the addresses that it printed, and the port of the admitted origin."""

    service: str
    fhir: str
    log: Path
    origin: int


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("demo")
    port = free_port()
    settings = {
        "TMPDIR": str(folder),
        "REFRACTORY_CDS_CORS_ORIGINS": json.dumps([f"http://localhost:{port}"]),
    }
    with subprocess.Popen(
        [sys.executable, "-m", "cds_service", "demo"],
        stdout=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ | settings,
    ) as running:  # fmt: skip
        assert running.stdout is not None
        lines = iter(running.stdout.readline, "")
        told = list(takewhile(lambda line: not line.startswith("Serving until Ctrl-C"), lines))
        said = {line[:13].strip(): line[14:].strip() for line in told}
        (log,) = folder.glob("refractory-cds-demo-*/decisions.db")
        try:
            yield Demo(said["Discovery"], said["FHIR server"], log, port)
        finally:
            running.terminate()
            running.communicate(timeout=30)


@contextmanager
def page(demo: Demo, asked: dict[str, Any]) -> Iterator[str]:
    """An admitted origin with the page."""
    told = f"const ASKED = {json.dumps(asked)};"
    html = PAGE.replace("<script>", f"<script>{told}").encode()
    server = ThreadingHTTPServer(("127.0.0.1", demo.origin), partial(Page, html))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://localhost:{demo.origin}/"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def said(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the page says after the whole conversation."""
    orders = {
        hook: {
            state: order_context(draft, selected=hook == "order-select")
            for state, draft in drafts(PATIENT, LENALIDOMIDE)
        }
        for hook in ("order-select", "order-sign")
    }
    asked = {
        "service": demo.service, "fhir": demo.fhir, "token": token(demo.service),
        "patient": PATIENT, "orders": orders,
    }  # fmt: skip
    with page(demo, asked) as address:
        found: dict[str, Any] = look(address, tmp_path_factory.mktemp("profile"))
    assert "error" not in found, found
    return found


def test_the_page_reads_the_fhir_server_its_refusals_too(said: dict[str, Any]) -> None:
    assert said["fhirVersion"] == "4.0.1"
    assert said["patients"] == 28
    assert said["given"]
    assert said["conditions"]
    assert (said["nobody"], said["launch"]) == (404, 404)


def test_the_page_gets_its_card_and_its_clicks_are_on_record(
    demo: Demo, said: dict[str, Any]
) -> None:
    assert (said["opened"], said["cards"], said["unread"]) == (200, 1, 400)
    assert (said["accepted"], said["dismissed"]) == (200, 200)
    with open_reader(demo.log) as reader:
        events = [event for event in reader.events() if event.event_type == "feedback"]
        feedback = [event.read() for event in events]
    assert [entry["outcome"] for entry in feedback] == ["accepted", "overridden"]
    assert feedback[1]["overrideReason"]["code"] == said["reason"]


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
def test_the_page_orders_and_is_answered_at_every_state_of_its_form(
    said: dict[str, Any], hook: str
) -> None:
    for state, answer in said["ordered"][hook].items():
        assert answer["status"] == 200, state
        assert bool(answer["body"]["cards"]) == (state != "blank"), state
