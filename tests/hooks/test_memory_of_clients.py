"""Whatever one client says of cards, another client's answers stay as they are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.app import open_log
from cds_service.audit import Call, Client, Feedback, Outcome, User, Versions, feedback_event
from cds_service.audit.of_assessment import Told
from cds_service.hooks.cards import CardMaker
from cds_service.hooks.memory import earlier_cards
from cds_service.hooks.messages import read_call
from cds_service.hooks.orders import build_templates
from cds_service.hooks.override_reasons import OURS
from cds_service.hooks.prefetch import ChartResource
from cds_service.hooks.routes import note_call
from cds_service.hooks.services import PATIENT_VIEW
from cds_service.service import Asked, Decided, Service, assess_chart, record_decision
from hooks.calls import call, cards_for, myeloma, prefetch_of
from hooks.serving import NOON, knowledge, settings_for

A, B = Client(iss="https://a.example"), Client(iss="https://b.example")
TENANTS = (
    Client(iss="https://a.example", tenant="north"),
    Client(iss="https://a.example", tenant="south"),
    Client(iss="https://b.example", tenant="north"),
    Client(),
)
CHART = [ChartResource(orjson.dumps(one), "", "prefetch") for one in myeloma()]
MAKER = CardMaker(knowledge(), build_templates(knowledge()))
Card = dict[str, Any]


class Office:
    """The service as a client whose token was checked meets it."""

    def __init__(self, folder: Path) -> None:
        ids = iter(f"00000000-0000-4000-8000-{number:012d}" for number in range(1, 10_000))
        chosen = settings_for(folder)
        self.service = Service(
            knowledge=knowledge(),
            log=open_log(chosen, lambda: NOON, lambda: next(ids)),
            versions=Versions(software="0", knowledge="0", knowledge_digest="sha256:0"),
            clock=lambda: NOON,
            new_id=lambda: next(ids),
            max_body_bytes=1_000_000,
        )

    async def opens(self, client: Client, patient: str = "p1") -> list[Card]:
        """The cards that a user of this client is given."""
        service = self.service
        context = {"userId": "Practitioner/dr-a", "patientId": patient}
        asked_call = read_call(
            orjson.dumps(call(prefetch_of(myeloma()), context=context)), PATIENT_VIEW.hook
        )
        asked = Asked(
            call=Call(service_id=PATIENT_VIEW.id),
            client=client,
            received_at=NOON,
            decision_id=service.new_id(),
            user=User(),
        )
        as_of = note_call(asked_call, asked, service)
        earlier = await earlier_cards(asked, CHART, service)
        assessment = await assess_chart(CHART, as_of, service, "Patient/p1", (), earlier)
        cards = cards_for(assessment, asked.decision_id, MAKER)
        body = orjson.dumps({"cards": [card.json for card in cards]})
        kept = tuple(card.returned for card in cards)
        decided = Decided(Outcome.CARDS_RETURNED, 200, body, Told(assessment), cards=kept)
        await record_decision(asked, decided, service)
        return [card.json for card in cards]

    async def says(self, client: Client, card: Card, what: str) -> None:
        """Overridden with a reason, or a suggestion accepted by its number."""
        number = int(what) if what.isdigit() else None
        of_card = [one["uuid"] for one in card["suggestions"]]
        suggestions = [of_card[number % len(of_card)]] if number is not None else []
        given_back = Feedback(
            card=card["uuid"],
            outcome="accepted" if suggestions else "overridden",
            entry=b"{}",
            accepted_suggestions=suggestions,
            reason_system=None if suggestions else OURS,
            reason_code=None if suggestions else what,
        )
        event = feedback_event(
            given_back, call=Call(service_id=PATIENT_VIEW.id), client=client, received_at=NOON
        )
        await self.service.record(event, PATIENT_VIEW.id)


def shown(cards: Sequence[Card]) -> list[str]:
    return [kind for card in cards for kind in card["extension"]["org.refractory-cds"]["advice"]]


ALL = ["restage", "biopsy", "trial-referral"]


@pytest.mark.parametrize("other", [B, *TENANTS], ids=str)
async def test_an_override_of_one_client_silences_no_other(tmp_path: Path, other: Client) -> None:
    """The same patient id on a server of the same address, opened by the same user."""
    office = Office(tmp_path)
    (card,) = await office.opens(A)
    (theirs,) = await office.opens(other)
    await office.says(A, card, "not-applicable")
    await office.says(A, theirs, "not-applicable")
    assert shown(await office.opens(A)) == []
    assert shown(await office.opens(other)) == ALL
    office.service.log.close()


SAYINGS = st.lists(
    st.tuples(
        st.sampled_from([A, *TENANTS]),
        st.sampled_from(["already-done", "not-applicable", "other", "made-up", "0", "1", "2"]),
        st.booleans(),
    ),
    max_size=6,
)


@settings(max_examples=15, deadline=None)
@given(SAYINGS)
def test_no_feedback_of_others_ever_changes_an_answer(
    sayings: list[tuple[Client, str, bool]],
) -> None:
    """On cards of their own, and on this client's."""

    async def story(folder: Path) -> None:
        office = Office(folder)
        (mine,) = await office.opens(B)
        for client, what, is_on_mine in sayings:
            own = await office.opens(client)
            card = mine if is_on_mine else next(iter(own), mine)
            await office.says(client, card, what)
            assert shown(await office.opens(B)) == ALL
        await office.says(B, mine, "other")
        assert shown(await office.opens(B)) == []
        office.service.log.close()

    with TemporaryDirectory() as folder:
        asyncio.run(story(Path(folder)))
