"""A chart that is opened again is not read again, and an answer is never one for other data."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import charts
import httpx
import pytest

from cds_service import service as service_module
from cds_service.hooks import prefetch as prefetch_module
from cds_service.hooks import routes as routes_module
from hooks.calls import KEYS, Resource, call, myeloma, prefetch_of
from hooks.serving import EHR, Served, Wire, serving
from hooks.test_memory import Calendar

OFF = {"recent_charts_mib": 0}
INSTANCES = [f"d1577c69-dfbe-44ad-ba6d-{number:012d}" for number in range(100)]


class Counted:
    """How often a piece of the work was done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        for module, name in (
            (service_module, "study"),
            (prefetch_module, "unpack"),
            (prefetch_module, "lacking"),
            (routes_module, "prepare"),
        ):
            self._count(monkeypatch, module, name)

    def _count(self, monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> None:
        work: Callable[..., Any] = getattr(module, name)

        def counted(*given: Any, **named: Any) -> Any:
            self.done.append(name)
            return work(*given, **named)

        monkeypatch.setattr(module, name, counted)

    def since(self) -> set[str]:
        done, self.done = set(self.done), []
        return done


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


async def opens(served: Served, body: dict[str, Any], user: str = "dr-a") -> tuple[int, str]:
    """The answer without what is of its own in each: the ids of the decision and of its cards."""
    opens.calls += 1  # type: ignore[attr-defined]
    body = {**body, "hookInstance": INSTANCES[opens.calls % 100]}  # type: ignore[attr-defined]
    body["context"] = {**body["context"], "userId": f"Practitioner/{user}"}
    answer = await served.hook(body)
    own = answer.json()
    for card in own.get("cards", ()):
        card.pop("uuid")
        card["extension"]["org.refractory-cds"].pop("decisionId")
        for suggestion in card.get("suggestions", ()):
            suggestion.pop("uuid")
    return answer.status_code, json.dumps(own)


opens.calls = 0  # type: ignore[attr-defined]


ALL = {"unpack", "study", "prepare"}


async def test_the_same_chart_is_not_taken_apart_nor_studied_nor_written_up_again(
    tmp_path: Path, work: Counted
) -> None:
    with serving(tmp_path) as served:
        first = await opens(served, call(prefetch_of(myeloma())))
        assert work.since() == ALL
        again = await opens(served, call(prefetch_of(myeloma())), "dr-b")
        assert work.since() == set()
        assert again == first
        assert "lenalidomide" in first[1]


async def test_what_a_chart_points_at_is_looked_for_once(tmp_path: Path, work: Counted) -> None:
    """Every client names its server; that costs nothing where all is at hand."""
    whole = {**dict.fromkeys(KEYS), **prefetch_of(myeloma())}
    with serving(tmp_path) as served:
        await opens(served, call(whole, fhirServer=EHR))
        assert work.since() == {*ALL, "lacking"}
        await opens(served, call(whole, fhirServer=EHR), "dr-b")
        assert work.since() == set()
        assert served.wire.asked == []


async def test_where_nothing_is_kept_it_is_read_again(tmp_path: Path, work: Counted) -> None:
    with serving(tmp_path, settings=OFF) as served:
        first = await opens(served, call(prefetch_of(myeloma())))
        work.since()
        assert await opens(served, call(prefetch_of(myeloma()))) == first
        assert work.since() == ALL


async def test_each_decision_has_ids_of_its_own_however_often_the_answer_is_given(
    tmp_path: Path,
) -> None:
    with serving(tmp_path) as served:
        body = call(prefetch_of(myeloma()))
        ids = []
        for _ in range(3):
            cards = (await served.hook(body)).json()["cards"]
            assert cards
            for card in cards:
                ids += [card["uuid"], *(one["uuid"] for one in card["suggestions"])]
                assert card["extension"]["org.refractory-cds"]["decisionId"]
        assert "" not in ids
        assert len(set(ids)) == len(ids)


async def test_another_encounter_is_another_answer_from_the_same_study(
    tmp_path: Path, work: Counted
) -> None:
    with serving(tmp_path) as served:
        body = call(prefetch_of(myeloma()))
        _, without = await opens(served, body)
        assert "Encounter/" not in without
        work.since()
        body["context"]["encounterId"] = "e-7"
        _, within = await opens(served, body)
        assert "Encounter/e-7" in within
        assert work.since() == {"prepare"}


async def test_what_a_server_did_not_give_this_time_is_said_though_the_chart_is_the_same(
    tmp_path: Path, work: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    chart = [one for one in myeloma() if one["resourceType"] != "Specimen"]
    with serving(tmp_path, chart=chart) as served:
        _, said = await opens(served, call(fhirServer=EHR))
        assert "Not seen" not in said
        work.since()
        whole = Wire.handle_async_request

        async def without_specimens(wire: Wire, request: httpx.Request) -> httpx.Response:
            if "/Specimen" in request.url.path:
                return httpx.Response(500)
            return await whole(wire, request)

        monkeypatch.setattr(Wire, "handle_async_request", without_specimens)
        _, said = await opens(served, call(fhirServer=EHR))
        assert "Not seen: tissue samples" in said
        assert "study" not in work.since()


async def test_another_day_is_another_study(tmp_path: Path, work: Counted) -> None:
    calendar = Calendar()
    with serving(tmp_path, clock=calendar) as served:
        await opens(served, call(prefetch_of(myeloma())))
        work.since()
        calendar.go_to(1)
        await opens(served, call(prefetch_of(myeloma())))
        assert work.since() == {"study", "prepare"}


async def test_a_chart_read_from_the_server_is_asked_for_again_and_not_studied_again(
    tmp_path: Path, work: Counted
) -> None:
    with serving(tmp_path, chart=myeloma()) as served:
        first = await opens(served, call(fhirServer=EHR))
        asked = len(served.wire.asked)
        work.since()
        assert await opens(served, call(fhirServer=EHR)) == first
        assert len(served.wire.asked) == 2 * asked
        assert work.since() == set()


async def test_what_was_said_of_a_card_counts_at_once(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        body = call(prefetch_of(myeloma()))
        answer = await served.hook(body)
        said = [
            {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": "2026-11-21T12:00Z"}
            for card in answer.json()["cards"]
        ]
        assert said
        assert (await served.feedback({"feedback": said})).status_code == 200
        assert await opens(served, body) == (200, '{"cards": []}')


def without(chart: list[Resource], index: int) -> list[Resource]:
    return chart[:index] + chart[index + 1 :]


def of_another_day(chart: list[Resource], index: int) -> list[Resource]:
    text = json.dumps(chart[index]).replace("2026-1", "2025-1").replace("2026-0", "2025-0")
    return [*chart[:index], json.loads(text), *chart[index + 1 :]]


def of_another_patient(chart: list[Resource], index: int) -> list[Resource]:
    text = json.dumps(chart[index]).replace("Patient/p1", "Patient/p2")
    return [*chart[:index], json.loads(text), *chart[index + 1 :]]


@pytest.mark.parametrize("change", [without, of_another_day, of_another_patient])
async def test_a_chart_that_changed_in_one_resource_is_answered_as_by_a_new_service(
    tmp_path: Path, change: Callable[[list[Resource], int], list[Resource]]
) -> None:
    chart = myeloma()
    with serving(tmp_path / "a") as served, serving(tmp_path / "b", settings=OFF) as fresh:
        for index in range(len(chart)):
            await opens(served, call(prefetch_of(chart)), f"dr-{index}")
            changed = call(prefetch_of(change(copy.deepcopy(chart), index)))
            ours = await opens(served, changed, f"dr-{index}-b")
            assert ours == await opens(fresh, changed, f"dr-{index}-b")


async def test_the_same_bytes_of_another_patient_are_another_chart(tmp_path: Path) -> None:
    prefetch = prefetch_of(myeloma())
    with serving(tmp_path) as served:
        assert "lenalidomide" in (await opens(served, call(prefetch)))[1]
        other = call(prefetch, context={"userId": "Practitioner/dr-a", "patientId": "p2"})
        assert (await served.hook(other)).status_code == 412


async def test_the_same_bytes_under_another_key_are_another_chart(tmp_path: Path) -> None:
    prefetch = prefetch_of([charts.patient()], keys=("patient", "conditions"))
    empty = {"resourceType": "Bundle", "type": "searchset", "entry": []}
    with serving(tmp_path) as served, serving(tmp_path / "fresh", settings=OFF) as fresh:
        for keys in (
            ("medicationRequests",),
            ("observations",),
            ("medicationRequests", "observations"),
        ):
            body = call({**prefetch, **dict.fromkeys(keys, empty)})
            assert (await served.hook(body)).status_code == (await fresh.hook(body)).status_code


async def test_beside_a_known_prefetch_the_rest_is_looked_through(tmp_path: Path) -> None:
    prefetch = prefetch_of(myeloma())
    with serving(tmp_path) as served:
        await opens(served, call(prefetch))
        deep: Any = 1
        for _ in range(70):
            deep = [deep]
        assert (await served.hook(call(prefetch, extension={"deep": deep}))).status_code == 400
