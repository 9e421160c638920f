"""What was done with a card comes back, once or often, alone or with others: all of it is kept."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from cds_service.audit.reading import open_reader
from cds_service.audit.said_last import current_feedback
from hooks.calls import SERVICE, call, myeloma, prefetch_of
from hooks.serving import Served, issue_of, serving

WHEN = "2026-11-21T12:00:00.123Z"
NOBODYS = "9c1dbd52-1ac5-4bd1-a8ea-5b0d4bbd5f05"
OURS = "https://refractory-cds.org/fhir/CodeSystem/override-reasons"


def entry(card: str, outcome: str = "overridden", **members: Any) -> dict[str, Any]:
    made = {"card": card, "outcome": outcome, "outcomeTimestamp": WHEN} | members
    return {name: value for name, value in made.items() if value is not None}


def accepted(card: str, suggestion: str, **members: Any) -> dict[str, Any]:
    return entry(card, "accepted", acceptedSuggestions=[{"id": suggestion}], **members)


_patients = itertools.count(1)


async def a_card(served: Served) -> dict[str, Any]:
    """A card about somebody of whose cards nobody has said anything yet."""
    patient = f"p{next(_patients)}"
    chart = json.loads(
        json.dumps(myeloma()).replace('"p1"', f'"{patient}"').replace("/p1", f"/{patient}")
    )
    context = {"userId": "Practitioner/dr-a", "patientId": patient}
    answer = await served.hook(call(prefetch_of(chart), context=context))
    card: dict[str, Any] = answer.json()["cards"][0]
    return card


def decision_of(card: dict[str, Any]) -> str:
    name: str = card["extension"]["org.refractory-cds"]["decisionId"]
    return name


def assert_taken(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.content) == (200, b"{}")


async def test_an_override_with_its_reason_is_tied_to_the_decision(served: Served) -> None:
    card = await a_card(served)
    reason = card["overrideReasons"][0]
    chosen = {"code": reason["code"], "system": reason["system"]}
    comment = "canary: the patient told me so"
    answer = await served.feedback(
        {
            "feedback": [
                entry(card["uuid"], overrideReason={"reason": chosen, "userComment": comment})
            ]
        }
    )
    assert_taken(answer)
    stored = served.last()
    assert stored["eventType"] == "feedback"
    assert stored["decisionId"] == decision_of(card)
    assert (stored["card"], stored["outcome"]) == (card["uuid"], "overridden")
    assert stored["overrideReason"] == chosen
    assert (stored["outcomeTimestamp"], stored["serviceId"]) == (WHEN, SERVICE)
    assert "canary" not in json.dumps(stored.envelope) + served.searchable()
    assert json.loads(stored.sealed["feedback"])["overrideReason"]["userComment"] == comment


async def test_an_acceptance_names_its_suggestions(served: Served) -> None:
    card = await a_card(served)
    names = [suggestion["uuid"] for suggestion in card["suggestions"]]
    body = {
        "feedback": [
            entry(card["uuid"], "accepted", acceptedSuggestions=[{"id": name} for name in names])
        ]
    }
    assert_taken(await served.feedback(body))
    stored = served.last()
    assert (stored["outcome"], stored["acceptedSuggestions"]) == ("accepted", names)
    assert "overrideReason" not in stored.envelope


@pytest.mark.parametrize(
    "reason",
    [
        pytest.param(None, id="none, as from a plain Dismiss"),
        pytest.param({}, id="an empty object"),
        pytest.param({"reason": None, "userComment": None}, id="nulls"),
        pytest.param({"userComment": "canary"}, id="a comment alone"),
        pytest.param({"reason": {"code": "already-done"}}, id="a code without a system"),
        pytest.param(
            {"reason": {"code": "x", "system": "https://ehr.example", "display": "canary"}},
            id="a reason of the client's own",
        ),
        pytest.param({"reason": {"code": "remind-later", "system": OURS}}, id="one of ours"),
    ],
)
async def test_a_reason_may_have_any_part_or_none(
    served: Served, reason: dict[str, Any] | None
) -> None:
    card = await a_card(served)
    body = {"feedback": [entry(card["uuid"], overrideReason=reason)]}
    assert_taken(await served.feedback(body))
    assert served.last()["decisionId"] == decision_of(card)
    assert "canary" not in json.dumps(served.last().envelope)


async def test_a_batch_over_several_calls_is_one_entry_each_in_its_order(served: Served) -> None:
    cards = [await a_card(served) for _ in range(3)]
    before = served.size()
    entries = [entry(card["uuid"]) for card in cards] + [entry(NOBODYS)]
    assert_taken(await served.feedback({"feedback": entries}))
    stored = served.entries(after=before)
    assert [one["card"] for one in stored] == [one["card"] for one in entries]
    assert [one.get("decisionId") for one in stored] == [*map(decision_of, cards), None]
    assert stored[-1]["orphan"] == "unknown-card"


async def test_the_same_entry_again_is_kept_again_and_changes_nothing(served: Served) -> None:
    card = await a_card(served)
    body = {"feedback": [accepted(card["uuid"], card["suggestions"][0]["uuid"])]}
    before = served.size()
    for _ in range(3):
        assert_taken(await served.feedback(body))
    assert served.size() == before + 3
    assert current_of(served, card)["outcome"] == "accepted"


async def test_the_latest_by_the_clients_clock_holds_whatever_order_it_comes_in(
    served: Served,
) -> None:
    card = await a_card(served)
    late, early = "2026-11-21T13:00:00Z", "2026-11-21T11:00:00Z"
    for body in (
        accepted(card["uuid"], card["suggestions"][0]["uuid"], outcomeTimestamp=late),
        entry(card["uuid"], outcomeTimestamp=early),
    ):
        assert_taken(await served.feedback({"feedback": [body]}))
    assert current_of(served, card)["outcome"] == "accepted"


def current_of(served: Served, card: dict[str, Any]) -> dict[str, Any]:
    with open_reader(served.db) as reader:
        decision = reader.find(decision_of(card))
        assert decision is not None
        current = current_feedback(reader.about(decision))
    return current[card["uuid"]]


async def test_feedback_on_a_card_nobody_returned_is_kept_as_an_orphan(served: Served) -> None:
    assert_taken(await served.feedback({"feedback": [entry(NOBODYS)]}))
    stored = served.last()
    assert (stored["card"], stored["orphan"]) == (NOBODYS, "unknown-card")
    assert "decisionId" not in stored.envelope


async def test_a_card_is_known_in_whatever_case_its_uuid_comes(served: Served) -> None:
    card = await a_card(served)
    assert_taken(await served.feedback({"feedback": [entry(card["uuid"].upper())]}))
    assert served.last()["decisionId"] == decision_of(card)


async def test_an_integer_of_any_length_is_kept_as_it_came(served: Served) -> None:
    card = await a_card(served)
    body = json.dumps({"feedback": [entry(card["uuid"], x=12345)]}).replace("12345", "9" * 5000)
    assert_taken(await served.feedback(body))
    assert b"9" * 5000 in served.last().sealed["feedback"]
    assert served.exit_code_of_verify() == 3


async def test_unknown_members_are_ignored_at_every_level(served: Served) -> None:
    card = await a_card(served)
    suggestion = {"id": card["suggestions"][0]["uuid"], "x": [1]}
    body = {
        "feedback": [entry(card["uuid"], "accepted", acceptedSuggestions=[suggestion], x={"y": 1})],
        "x": None,
    }
    assert_taken(await served.feedback(body))


@pytest.mark.parametrize(
    "moment",
    [
        "2026-11-21T12:00:00Z",
        "2026-11-21T12:00:00.991Z",
        "2026-11-21T12:00:00.123456789Z",
        "2026-11-21T12:00:00+05:30",
        "2026-11-21T12:00Z",
        "2026-11-21T12:00:00",
        "2026-11-21t12:00:00z",
    ],
)
async def test_a_time_may_have_any_precision_and_zone(served: Served, moment: str) -> None:
    assert_taken(await served.feedback({"feedback": [entry(NOBODYS, outcomeTimestamp=moment)]}))
    assert served.last()["outcomeTimestamp"] == moment


async def test_a_suggestion_that_the_card_did_not_have_is_marked(served: Served) -> None:
    card = await a_card(served)
    own = card["suggestions"][0]["uuid"]
    decision = served.last()
    assert decision["cards"][0]["suggestions"] == [one["uuid"] for one in card["suggestions"]]

    def saying(ids: list[str]) -> dict[str, Any]:
        chosen = [{"id": one} for one in ids]
        return entry(card["uuid"], "accepted", acceptedSuggestions=chosen)

    for ids, unknown in (([own], None), ([own.upper()], None), ([own, NOBODYS], [NOBODYS])):
        assert_taken(await served.feedback({"feedback": [saying(ids)]}))
        assert served.last().get("unknownSuggestions") == unknown
        assert served.last()["decisionId"] == decision["decisionId"]


# --- what is no feedback ------------------------------------------------------------------------

FAULTY: list[Any] = [
    pytest.param({"card": None}, "feedback[1]", id="no card"),
    pytest.param({"card": 5}, "feedback[1].card", id="a card that is a number"),
    pytest.param({"card": "x"}, "feedback[1].card", id="a card that is no uuid"),
    pytest.param({"card": NOBODYS + "\n"}, "feedback[1].card", id="a line break after the uuid"),
    pytest.param({"outcome": None}, "feedback[1]", id="no outcome"),
    pytest.param({"outcome": "ignored"}, "feedback[1].outcome", id="an outcome of no kind"),
    pytest.param({"outcome": "Accepted"}, "feedback[1].outcome", id="an outcome in capitals"),
    pytest.param({"outcomeTimestamp": None}, "feedback[1]", id="no time"),
    pytest.param({"outcomeTimestamp": 5}, "feedback[1].outcomeTimestamp", id="a number for a time"),
    pytest.param({"outcomeTimestamp": ""}, "feedback[1].outcomeTimestamp", id="an empty time"),
    pytest.param(
        {"outcomeTimestamp": "yesterday"}, "feedback[1].outcomeTimestamp", id="a word for a time"
    ),
    pytest.param({"outcomeTimestamp": "2026-11-21"}, "feedback[1].outcomeTimestamp", id="a day"),
    pytest.param(
        {"outcomeTimestamp": "2026-13-45T99:00:00Z"},
        "feedback[1].outcomeTimestamp",
        id="a time that does not exist",
    ),
    pytest.param(
        {"outcome": "accepted"}, "feedback[1].acceptedSuggestions", id="accepted, and nothing named"
    ),
    pytest.param(
        {"outcome": "accepted", "acceptedSuggestions": []},
        "feedback[1].acceptedSuggestions",
        id="accepted, and an empty list",
    ),
    pytest.param(
        {"outcome": "accepted", "acceptedSuggestions": [{"uuid": NOBODYS}]},
        "feedback[1].acceptedSuggestions[0]",
        id="uuid in place of id",
    ),
    pytest.param(
        {"outcome": "accepted", "acceptedSuggestions": [NOBODYS]},
        "feedback[1].acceptedSuggestions[0]",
        id="a text in place of a suggestion",
    ),
    pytest.param({"acceptedSuggestions": {}}, "feedback[1].acceptedSuggestions", id="an object"),
    pytest.param({"overrideReason": "canary"}, "feedback[1].overrideReason", id="a text as reason"),
    pytest.param(
        {"overrideReason": {"reason": "canary"}},
        "feedback[1].overrideReason.reason",
        id="a text as coding",
    ),
    pytest.param(
        {"overrideReason": {"userComment": 5}},
        "feedback[1].overrideReason.userComment",
        id="a number as comment",
    ),
]


@pytest.mark.parametrize(("changes", "where"), FAULTY)
async def test_a_faulty_entry_is_400_with_its_path_and_nothing_of_its_batch_is_recorded(
    served: Served, changes: dict[str, Any], where: str
) -> None:
    card = await a_card(served)
    before = served.size()
    faulty = {
        name: value for name, value in (entry(NOBODYS) | changes).items() if value is not None
    }
    body = {"feedback": [entry(card["uuid"]), faulty, entry(card["uuid"])]}
    answer = await served.feedback(body)
    assert answer.status_code == 400
    assert issue_of(answer)["expression"] == [where]
    assert "canary" not in answer.text
    assert [one["eventType"] for one in served.entries(after=before)] == ["request-refused"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"canary", id="no JSON"),
        pytest.param([], id="an array"),
        pytest.param({}, id="no feedback"),
        pytest.param({"feedback": None}, id="null"),
        pytest.param({"feedback": {}}, id="an object"),
        pytest.param({"feedback": []}, id="an empty list"),
        pytest.param({"feedback": [None]}, id="a list of null"),
        pytest.param({"feedback": ["canary"]}, id="a list of texts"),
        pytest.param(entry(NOBODYS), id="an entry without its list"),
        pytest.param(b'{"feedback": [' + b"[" * 10_000 + b"]" * 10_000 + b"]}", id="10,000 arrays"),
        pytest.param(b'{"feedback": [{"card": "\xff"}]}', id="bytes that are not UTF-8"),
    ],
)
async def test_what_is_no_feedback_is_400_and_on_record_as_refused(
    served: Served, body: Any
) -> None:
    before = served.size()
    answer = await served.feedback(body)
    assert answer.status_code == 400
    issue_of(answer)
    assert "canary" not in answer.text
    assert [one["reason"] for one in served.entries(after=before)] == ["malformed"]


@pytest.mark.parametrize(
    "service", ["other", "refractory-status2", "..", "%2e%2e", "a" * 3000, "canary%20word", "%00"]
)
async def test_feedback_to_a_service_that_does_not_exist_is_not_found_and_on_record(
    served: Served, service: str
) -> None:
    before = served.size()
    answer = await served.feedback({"feedback": [entry(NOBODYS)]}, service=service)
    assert answer.status_code == 404
    issue_of(answer)
    assert "canary" not in answer.text
    for stored in served.entries(after=before):
        assert (stored["reason"], stored["serviceId"]) == ("unknown-service", "unknown")


async def test_a_large_batch_is_taken_in_good_time(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        body = {"feedback": [entry(NOBODYS) for _ in range(300)]}
        assert_taken(await served.feedback(body))
        assert served.size() == 300
        assert served.exit_code_of_verify() == 3
