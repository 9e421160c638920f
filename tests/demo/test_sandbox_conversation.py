"""A page of the CDS Hooks Sandbox with our two servers, from its first request to feedback.

Without a browser; `tests/real/test_sandbox_conversation.py` has one.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from demo.sandbox_client import ORIGIN, Page, drafts, order_context
from fastapi import FastAPI
from hooks.serving import Served, serving

from cds_service.demo.fhir_server import create_fhir_app
from cds_service.demo.stories import read_stories

STORIES = {story.patient_id: story for story in read_stories()}
STATUS = "refractory-status"
LENALIDOMIDE = ("643720", "lenalidomide 25 MG Oral Capsule")
"""As the page offers it: a product, not an ingredient, of RxNorm."""
OTHER = ("308136", "amlodipine 2.5 MG Oral Tablet")


@dataclass
class Tab:
    """A page, and behind it the service and what its FHIR server was asked."""

    page: Page
    served: Served
    wire: Wire


class Wire(httpx.ASGITransport):
    """The FHIR server as the service reaches it."""

    def __init__(self, app: Any) -> None:
        super().__init__(app=app)
        self.asked: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return await super().handle_async_request(request)


@pytest.fixture(scope="module")
def fhir_app() -> FastAPI:
    """The demo's FHIR server over all stories; nothing here writes to it."""
    return create_fhir_app(story.bundle for story in STORIES.values())


@pytest.fixture
async def tab(tmp_path: Path, fhir_app: FastAPI) -> AsyncIterator[Tab]:
    wire = Wire(fhir_app)
    browser = httpx.AsyncClient(
        transport=httpx.ASGITransport(app=fhir_app, raise_app_exceptions=False),
        base_url="https://ehr.example",
    )
    with serving(tmp_path, transport=wire) as served:
        yield Tab(Page(served.http, browser), served, wire)


@pytest.mark.parametrize(
    "slug", ["mm-len", "two-cancers", "lung-pseudo", "dirty-data", "no-cancer", "dlbcl-hospice"]
)
async def test_a_chart_is_opened_and_its_cards_come_with_everything_prefetched(
    tab: Tab, slug: str
) -> None:
    patient = await tab.page.start(slug)
    assert isinstance(patient["name"][0]["given"], list)
    (answer,) = (await tab.page.call("patient-view", slug)).values()
    assert answer.status_code == 200
    assert len(answer.json()["cards"]) == STORIES[slug].expected_cards
    kinds = {request.url.path for request in tab.wire.asked}
    assert kinds <= {"/Medication"}, "what no prefetch can ask for, and nothing else"
    assert tab.served.last()["outcome"] in ("cards-returned", "no-cancer", "all-suppressed")


async def test_the_page_can_change_its_patient_by_the_list_that_the_server_gives(tab: Tab) -> None:
    await tab.page.start("mm-len")
    listed = (await tab.page.read("Patient")).json()
    known = [entry["resource"]["id"] for entry in listed["entry"]]
    assert sorted(known) == sorted(STORIES)
    for slug in known:
        (answer,) = (await tab.page.call("patient-view", slug)).values()
        assert len(answer.json()["cards"]) == STORIES[slug].expected_cards, slug


async def test_conditions_of_every_patient_can_be_offered_as_a_reason_for_an_order(
    tab: Tab,
) -> None:
    for slug in STORIES:
        found = (await tab.page.read(f"Condition?patient={slug}")).json()
        for entry in found.get("entry", []):
            code = entry["resource"]["code"]
            assert code["coding"][0]["code"], slug
            assert code["text"], slug


async def test_discovery_keeps_to_what_the_page_understands(tab: Tab) -> None:
    await tab.page.start("mm-len")
    services = tab.page.services
    assert [service["id"] for service in services if service["hook"] == "patient-view"] == [STATUS]
    assert len({service["id"] for service in services}) == len(services), "one id, one hook"
    for service in services:
        for template in service["prefetch"].values():
            assert set(re.findall(r"\{\{(.+?)\}\}", template)) == {"context.patientId"}
            names = re.findall(r"[?&]([^=]+)=", template)
            assert len(set(names)) == len(names), "it would be joined by a comma, which means or"


async def test_the_token_that_proves_nothing_neither_helps_nor_harms_nor_stays(tab: Tab) -> None:
    await tab.page.start("mm-len")
    (answer,) = (await tab.page.call("patient-view", "mm-len")).values()
    entry = tab.served.last()
    assert answer.status_code == 200
    assert "iss" not in entry["client"]
    sent = re.findall(r"Bearer (\S+)", answer.request.headers["authorization"])
    assert sent
    assert sent[0] not in tab.served.searchable()


async def test_what_the_page_could_not_fetch_is_read_by_the_service_without_its_token(
    tab: Tab,
) -> None:
    await tab.page.start("mm-len")
    (whole,) = (await tab.page.call("patient-view", "mm-len")).values()
    missing = frozenset({"observations", "procedures"})
    (part,) = (await tab.page.call("patient-view", "mm-len", leaving_out=missing)).values()
    asked = [request.url.path for request in tab.wire.asked]
    assert sorted({*asked} - {"/metadata"}) == ["/Observation", "/Procedure"]
    assert not [request for request in tab.wire.asked if "authorization" in request.headers]
    texts = [[card["detail"] for card in answer.json()["cards"]] for answer in (whole, part)]
    assert texts[0] == texts[1]


async def test_a_call_without_any_prefetch_is_answered_too(tab: Tab) -> None:
    await tab.page.start("mm-len")
    every = frozenset(tab.page.services_on("patient-view")[0]["prefetch"])
    (answer,) = (await tab.page.call("patient-view", "mm-len", leaving_out=every)).values()
    assert "prefetch" not in answer.request.content.decode()
    assert len(answer.json()["cards"]) == 1


async def test_a_patient_that_is_not_there_is_412_that_the_page_may_read(tab: Tab) -> None:
    await tab.page.start("mm-len")
    every = frozenset(tab.page.services_on("patient-view")[0]["prefetch"])
    (answer,) = (await tab.page.call("patient-view", "nobody", leaving_out=every)).values()
    assert answer.status_code == 412
    assert answer.json()["resourceType"] == "OperationOutcome"


async def test_clicks_on_a_card_are_on_record_with_the_decision_that_they_are_about(
    tab: Tab,
) -> None:
    await tab.page.start("mm-len")
    (answer,) = (await tab.page.call("patient-view", "mm-len")).values()
    decision = tab.served.last()
    (card,) = answer.json()["cards"]
    before = tab.served.size()
    reason = next(one for one in card["overrideReasons"] if one["code"] == "remind-later")
    for said in (
        await tab.page.accept(STATUS, card),
        await tab.page.accept(STATUS, card),
        await tab.page.dismiss(STATUS, card),
        await tab.page.dismiss(STATUS, card, reason),
    ):
        assert said.status_code == 200
    entries = tab.served.entries(after=before)
    assert {entry["decisionId"] for entry in entries} == {decision["decisionId"]}
    assert [entry["outcome"] for entry in entries] == ["accepted", "accepted"] + ["overridden"] * 2
    assert entries[0]["acceptedSuggestions"] == [card["suggestions"][0]["uuid"]]
    assert entries[2].get("overrideReason") is None
    assert entries[3]["overrideReason"] == {"code": reason["code"], "system": reason["system"]}


async def test_a_page_on_the_internet_may_ask_a_service_on_this_machine(tab: Tab) -> None:
    """Browsers that keep public pages off private addresses ask for leave in the preflight."""
    leave = {"Access-Control-Request-Private-Network": "true"}
    for path, method in (("cds-services", "GET"), (f"cds-services/{STATUS}", "POST")):
        answer = await tab.page.preflight(path, method, "authorization", **leave)
        assert answer.headers["access-control-allow-private-network"] == "true"


async def test_another_page_gets_no_leave(tab: Tab) -> None:
    answer = await tab.served.http.options(
        "/cds-services",
        headers={
            "Origin": "https://elsewhere.example",
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Private-Network": "true",
        },
    )
    assert answer.status_code == 400
    assert "access-control-allow-origin" not in answer.headers


async def test_a_smart_launch_is_refused_in_a_way_that_the_page_may_read(tab: Tab) -> None:
    fhir = create_fhir_app()
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=fhir), base_url="https://ehr.example"
    ) as client:
        answer = await client.post(
            "/_services/smart/Launch", json={"launch_url": "x"}, headers={"Origin": ORIGIN}
        )
    assert answer.status_code == 404
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.json()["resourceType"] == "OperationOutcome"


# --- orders ---------------------------------------------------------------------------------------

STATES = [name for name, _ in drafts("mm-len", LENALIDOMIDE)]


async def ordered(tab: Tab, hook: str, draft: dict[str, Any]) -> list[dict[str, Any]]:
    """The cards of all services on this hook."""
    await tab.page.start("mm-len")
    assert tab.page.services_on(hook)
    context = order_context(draft, selected=hook == "order-select")
    answers = await tab.page.call(hook, "mm-len", **context)
    for answer in answers.values():
        assert answer.status_code == 200, answer.text
        for card in answer.json()["cards"]:
            assert card["uuid"]
    return [card for answer in answers.values() for card in answer.json()["cards"]]


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
@pytest.mark.parametrize("state", STATES)
async def test_a_draft_is_read_however_much_of_it_is_there(tab: Tab, hook: str, state: str) -> None:
    """lenalidomide for somebody whose myeloma is possibly refractory to it, once it is named."""
    draft = dict(drafts("mm-len", LENALIDOMIDE))[state]
    cards = await ordered(tab, hook, draft)
    assert bool(cards) == (state != "blank")
    assert all("lenalidomide" in card["summary"] + card["detail"] for card in cards)


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
async def test_a_draft_that_has_nothing_to_do_with_the_cancer_is_met_with_silence(
    tab: Tab, hook: str
) -> None:
    draft = dict(drafts("mm-len", OTHER))["drug chosen"]
    assert await ordered(tab, hook, draft) == []
