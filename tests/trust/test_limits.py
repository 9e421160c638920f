"""How often and how many at once: bursts, other callers beside them, and what they are told."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hooks.calls import call
from hooks.serving import EHR, Served, issue_of, serving

from cds_service.errors import TrustUnavailable
from cds_service.trust.admission import CALLS_A_MINUTE, is_guarded, is_this_machine, place_of
from cds_service.trust.one_thread import OneThread
from cds_service.trust.rates import Rates
from cds_service.trust.slots import Busy, Slots
from cds_service.trust.sqlite_store import SqliteTrustStore
from cds_service.trust.store import Share
from trust.at_the_door import ELSEWHERE, HOOK, WITH_CARD, Clock, ask, known, token_for

FEEDBACK = f"{HOOK}/feedback"
OTHER = "https://other.example"
SIX = {"calls_a_minute": 6}


async def statuses(served: Served, count: int, *arguments: Any, **named: Any) -> Counter[int]:
    answers = [await ask(served, *arguments, **named) for _ in range(count)]
    return Counter(answer.status_code for answer in answers)


async def test_a_caller_has_so_many_calls_a_minute_and_then_again(tmp_path: Path) -> None:
    clock = Clock()
    with serving(tmp_path, settings=SIX, clock=clock) as served:
        assert await statuses(served, 9, "/cds-services", None) == {200: 6, 429: 3}
        clock.seconds += 30.5
        refused = await ask(served, "/cds-services", None)
        assert refused.status_code == 429
        assert "Retry-After" in refused.headers
        assert refused.headers["retry-after"] == "30"
        assert issue_of(refused)["code"] == "throttled"
        assert refused.headers["cache-control"] == "no-store"
        clock.seconds += 30
        assert await statuses(served, 7, "/cds-services", None) == {200: 6, 429: 1}


async def test_one_callers_burst_is_not_anothers(tmp_path: Path) -> None:
    with serving(tmp_path, settings=SIX) as served:
        assert await statuses(served, 9, address=ELSEWHERE) == {200: 6, 429: 3}
        assert await statuses(served, 6, address="192.0.2.8") == {200: 6}


async def test_feedback_is_counted_apart(tmp_path: Path) -> None:
    with serving(tmp_path, settings=SIX) as served:
        assert await statuses(served, 7, FEEDBACK, {}) == {400: 6, 429: 1}
        assert await statuses(served, 7) == {200: 6, 429: 1}


async def test_a_known_client_is_counted_wherever_it_calls_from(tmp_path: Path) -> None:
    entries: list[Any] = [{"calls_a_minute": 4}, {"iss": OTHER}]
    with known(tmp_path, *entries, settings={"calls_a_minute": 5}) as served:
        said: Counter[int] = Counter()
        for number in range(6):
            address = f"192.0.2.{number}"
            said[(await ask(served, token=token_for(), address=address)).status_code] += 1
        assert said == {200: 4, 429: 2}
        for _ in range(6):
            token = token_for(iss=OTHER)
            said[(await ask(served, token=token, address=ELSEWHERE)).status_code] += 1
        assert said == {200: 9, 429: 3}


async def test_tokens_that_do_not_hold_are_counted_by_address(tmp_path: Path) -> None:
    with known(tmp_path, settings=SIX) as served:
        assert await statuses(served, 9, token=".", address=ELSEWHERE) == {401: 6, 429: 3}  # noqa: S106
        assert (await ask(served, token=token_for(), address="192.0.2.8")).status_code == 200


async def test_a_refusal_is_on_record_and_in_the_metrics(tmp_path: Path) -> None:
    with serving(tmp_path, settings={"calls_a_minute": 1}) as served:
        await ask(served)
        await ask(served)
        entry = served.last()
        assert entry["eventType"] == "request-refused"
        assert (entry["reason"], entry["httpStatus"]) == ("rate-limited", 429)
        metrics = (await served.http.get("/metrics")).text
        assert 'refractory_cds_refusals_total{cause="rate-limited"}' in metrics


class NoStore:
    """A store that counts how often it is asked, and lets everybody through, or fails."""

    def __init__(self, *, fails: bool = False) -> None:
        self.asked = 0
        self.fails = fails

    def first_seen(self, iss: str, jti: str, until: float, now: float) -> bool:
        raise NotImplementedError

    def share(self, caller: str, most: int, wanted: int, now: float) -> Share:
        self.asked += 1
        if self.fails:
            raise TrustUnavailable("staged")
        return Share(wanted, 60.0)

    def close(self) -> None: ...


@pytest.fixture
def thread() -> Iterator[OneThread]:
    made = OneThread()
    yield made
    made.close(lambda: None)


async def test_most_calls_ask_no_store(thread: OneThread) -> None:
    store = NoStore()
    rates = Rates(store, thread, lambda: 0.0)
    for _ in range(600):
        assert await rates.take("a", CALLS_A_MINUTE) == 0
    assert store.asked == 10


async def test_without_a_store_a_worker_counts_alone(thread: OneThread) -> None:
    now = [0.0]
    rates = Rates(NoStore(fails=True), thread, lambda: now[0])
    waits = [await rates.take("a", 5) for _ in range(7)]
    assert waits == [0, 0, 0, 0, 0, 60, 60]
    now[0] = 60.0
    assert await rates.take("a", 5) == 0


@pytest.mark.parametrize("most", [1, 7, 100, 250, 1000])
async def test_two_workers_let_no_more_through_than_one(
    most: int, tmp_path: Path, thread: OneThread
) -> None:
    workers = [Rates(SqliteTrustStore(tmp_path / "seen.db"), thread, lambda: 0.0) for _ in range(2)]
    takes = [workers[n % 2].take("a", most) for n in range(most + 50)]
    taken = sum(wait == 0 for wait in await asyncio.gather(*takes))
    assert most - max(1, most // 100) <= taken <= most


@pytest.mark.parametrize(
    ("address", "here", "place"),
    [
        ("127.0.0.1", True, "127.0.0.1"),
        ("127.8.8.8", True, "127.8.8.8"),
        ("::1", True, "::/64"),
        ("10.0.0.1", False, "10.0.0.1"),
        ("2001:db8:1:2:3::4", False, "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", False, "192.0.2.7"),
        ("testclient", False, "unknown"),
        (None, False, "unknown"),
    ],
)
def test_what_an_address_counts_as(address: str | None, here: bool, place: str) -> None:
    assert is_this_machine(address) is here
    assert place_of(address) == place


@pytest.mark.parametrize(
    ("path", "guarded"),
    [
        ("/cds-services", True),
        ("/cds-services/x", True),
        ("/cds-servicesx", False),
        ("/api/assess", True),
        ("/api/assess/x", True),
        ("/docs", False),
        ("/", False),
    ],
)
def test_which_paths_are_guarded(path: str, guarded: bool) -> None:
    assert is_guarded(path) is guarded


# At once


async def test_a_call_waits_for_a_place_and_then_gets_it() -> None:
    slots = Slots(1)
    await slots.take("a")
    waiting = asyncio.create_task(slots.take("a"))
    await asyncio.sleep(0)
    assert not waiting.done()
    slots.give_back("a")
    await waiting
    slots.give_back("a")
    await asyncio.wait_for(slots.take("b"), 0.1)


async def test_whoever_waits_too_long_is_told_and_leaves_no_place_behind() -> None:
    slots = Slots(1, seconds=0.02)
    await slots.take("a")
    for _ in range(3):
        with pytest.raises(Busy):
            await slots.take("b")
    slots.give_back("a")
    await slots.take("c")
    slots.give_back("c")


async def test_a_call_that_is_given_up_while_it_waits_leaves_no_place_behind() -> None:
    slots = Slots(1)
    await slots.take("a")
    waiting = [asyncio.create_task(slots.take("a")) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    slots.give_back("a")  # the turn is the second's
    waiting[1].cancel()  # who goes away in the same moment
    await asyncio.gather(*waiting, return_exceptions=True)
    await asyncio.wait_for(slots.take("a"), 0.1)


async def test_callers_take_turns() -> None:
    slots, order = Slots(1), list[str]()

    async def work(caller: str) -> None:
        async with slots.one(caller):
            order.append(caller)
            await asyncio.sleep(0)

    await slots.take("first")
    tasks = [asyncio.create_task(work(caller)) for caller in "aaaabb"]
    await asyncio.sleep(0)
    slots.give_back("first")
    await asyncio.gather(*tasks)
    assert order == list("ababaa")


async def test_one_caller_cannot_take_every_place() -> None:
    slots = Slots(16, seconds=0.02)
    for _ in range(14):
        await slots.take("a")
    with pytest.raises(Busy):
        await slots.take("a")
    await slots.take("b")
    await slots.take("b")


async def test_no_more_wait_than_can_be_served_soon() -> None:
    slots = Slots(1, seconds=5)
    await slots.take("a")
    waiting = [asyncio.create_task(slots.take("a")) for _ in range(16)]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await asyncio.wait_for(slots.take("a"), 0.1)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


class Stuck:
    """A FHIR server that does not answer."""

    async def handle_async_request(self, _: Any) -> Any:
        await asyncio.sleep(60)

    async def aclose(self) -> None: ...


async def test_a_service_with_too_much_to_do_says_so_and_when_to_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cds_service.trust.opening.Slots", lambda most: Slots(most, seconds=0.05))
    settings = {"calls_at_once": 2, "fhir_seconds": 0.4}
    with serving(tmp_path, settings=settings, transport=Stuck()) as served:  # type: ignore[arg-type]
        slow = [asyncio.create_task(ask(served, HOOK, call(fhirServer=EHR))) for _ in range(2)]
        await asyncio.sleep(0.1)
        answer = await ask(served)
        assert answer.status_code == 503
        assert issue_of(answer)["code"] == "throttled"
        assert answer.headers["retry-after"] == "1"
        assert served.last()["reason"] == "overloaded"
        assert (await served.http.get("/healthz")).status_code == 200
        assert [(await task).status_code for task in slow] == [412, 412]
        assert (await ask(served)).status_code == 200


async def test_a_burst_of_calls_from_this_machine_is_answered_whole(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        answers = await asyncio.gather(*(ask(served, HOOK, WITH_CARD) for _ in range(100)))
    assert {answer.status_code for answer in answers} == {200}
