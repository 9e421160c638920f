"""A ward opens its charts while the FHIR server is away: nobody waits for it chart after chart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import charts
import httpx
import pytest

from hooks.calls import KEYS, REQUIRED, TYPE_OF, Resource, call, myeloma, prefetch_of
from hooks.serving import EHR, serving

NEEDED = frozenset(REQUIRED)
OPTIONAL = sorted(key for key in KEYS if key not in NEEDED)


class Wire(httpx.AsyncBaseTransport):
    """One server, as it is at the moment: away, in trouble, or empty."""

    def __init__(self, state: str) -> None:
        self.state = state
        self.asked: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        kind = request.url.path.split("/")[2]
        if kind != "metadata":
            self.asked.append(kind)
        if self.state == "away":
            raise httpx.ConnectError("refused")
        body = b'{"resourceType":"Bundle","type":"searchset"}'
        status = {"in trouble": 500, "no FHIR": 404, "refuses": 403}.get(self.state, 200)
        return httpx.Response(status, stream=httpx.ByteStream(body))


def in_part(chart: list[Resource] | None = None, without: str = "", **members: Any) -> Any:
    """A call of a client that prefetches only what is needed, but for one key perhaps."""
    found = prefetch_of(chart if chart is not None else myeloma())
    given = {key: value for key, value in found.items() if key in NEEDED and key != without}
    return call(given, fhirServer=EHR, **members)


@pytest.mark.parametrize("state", ["away", "in trouble", "no FHIR"])
async def test_what_is_not_needed_is_asked_once_and_then_not_for_half_a_minute(
    tmp_path: Path, state: str
) -> None:
    wire = Wire(state)
    with serving(tmp_path, transport=wire) as served:
        first = await served.hook(in_part())
        assert {TYPE_OF[key] for key in OPTIONAL} == set(wire.asked)
        missing = served.last()["inputsMissing"]
        wire.asked.clear()
        again = await served.hook(in_part())
        another = await served.hook(in_part([charts.patient(), *myeloma()[1:]]))
        assert wire.asked == []
        assert first.status_code == again.status_code == another.status_code == 200
        assert served.last()["inputsMissing"] == missing
        assert [one["key"] for one in missing] == OPTIONAL
        assert {one["code"] for one in missing} == {"search-failed"}
        (card,) = again.json()["cards"]
        assert card["detail"] == first.json()["cards"][0]["detail"]
        assert "Not seen: " in card["detail"]


async def test_what_is_needed_is_asked_for_all_the_same(tmp_path: Path) -> None:
    wire = Wire("away")
    with serving(tmp_path, transport=wire) as served:
        await served.hook(in_part())
        wire.asked.clear()
        answer = await served.hook(in_part(without="observations"))
        assert answer.status_code == 412
        assert "Observation" in wire.asked
        wire.state = "empty"
        assert (await served.hook(in_part(without="observations"))).status_code == 200
        wire.asked.clear()
        await served.hook(in_part())
        assert set(wire.asked) == {TYPE_OF[key] for key in OPTIONAL}  # it has spoken again


async def test_a_server_that_refuses_one_token_is_asked_with_the_next(tmp_path: Path) -> None:
    wire = Wire("refuses")
    with serving(tmp_path, transport=wire) as served:
        await served.hook(in_part())
        wire.asked.clear()
        await served.hook(in_part())
        assert set(wire.asked) == {TYPE_OF[key] for key in OPTIONAL}


async def test_one_server_that_is_away_silences_no_other(tmp_path: Path) -> None:
    wire = Wire("away")
    with serving(tmp_path, transport=wire, settings={"fhir_servers": (EHR, f"{EHR}-2")}) as served:
        await served.hook(in_part())
        wire.asked.clear()
        await served.hook({**in_part(), "fhirServer": f"{EHR}-2"})
        assert wire.asked


async def test_a_medication_that_an_order_points_at_is_not_waited_for_either(
    tmp_path: Path,
) -> None:
    wire = Wire("away")
    pointing: Resource = {
        "resourceType": "MedicationRequest", "id": "m9", "status": "active", "intent": "order",
        "subject": {"reference": "Patient/p1"},
        "medicationReference": {"reference": "Medication/1"},
    }  # fmt: skip
    whole = {**dict.fromkeys(KEYS), **prefetch_of([*myeloma(), pointing])}
    with serving(tmp_path, transport=wire) as served:
        first = await served.hook(call(whole, fhirServer=EHR))
        missing = served.last()["inputsMissing"]
        assert {"key": "medications", "code": "search-failed"} in missing
        wire.asked.clear()
        again = await served.hook(call(whole, fhirServer=EHR))
        assert wire.asked == []
        assert served.last()["inputsMissing"] == missing
        details = [answer.json()["cards"][0]["detail"] for answer in (first, again)]
        assert details[0] == details[1]
        assert "Not seen: medications" in details[0]


async def test_what_a_server_that_is_away_does_not_keep_is_not_missed_from_it(
    tmp_path: Path,
) -> None:
    elsewhere: Resource = {
        "resourceType": "MedicationRequest", "id": "m9", "status": "active", "intent": "order",
        "subject": {"reference": "Patient/p1"},
        "medicationReference": {"reference": "https://other.example/fhir/Medication/1"},
    }  # fmt: skip
    with serving(tmp_path, transport=Wire("away")) as served:
        for _ in range(2):
            await served.hook(in_part([*myeloma(), elsewhere]))
            assert [one["key"] for one in served.last()["inputsMissing"]] == OPTIONAL
