"""Why the self-test can be trusted: each fault is found, and by its own requirement alone."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
import pytest

from cds_service.conformance.deployment import Deployment
from cds_service.conformance.requirement import Found
from cds_service.conformance.table import REQUIREMENTS, check_all
from conformance.broken import BROKEN, HOSTILE, Broken
from conformance.good_service import BASE, ORIGIN, Answered, Asked, Break, GoodService, a_client


def tried(
    wrong: Break | None = None, *, signed: bool = False, with_orders: bool = False
) -> list[Found]:
    """Everything that is found of a service that is wrong in this way."""
    client = a_client() if signed else None
    transport = httpx.ASGITransport(app=GoodService(wrong, client, with_orders=with_orders))
    with Deployment(BASE, signer=client, origin=ORIGIN, transport=transport) as deployment:
        return check_all(deployment)


def failed(found: Sequence[Found]) -> dict[str, tuple[str, ...]]:
    return {f.requirement.number: f.seen for f in found if f.verdict == "does not hold"}


def test_of_a_good_service_everything_is_checked_and_holds() -> None:
    found = tried(signed=True, with_orders=True)
    assert {f.requirement.number: f.seen for f in found if f.verdict != "holds"} == {}
    assert len(found) == len(REQUIREMENTS) > 80


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
def test_one_fault_fails_its_own_requirement_and_no_other(broken: Broken) -> None:
    found = tried(broken.wrong, signed=broken.signed, with_orders=broken.with_orders)
    assert set(failed(found)) == {broken.number}


def test_every_requirement_is_failed_by_some_service() -> None:
    never = {"5.12", "9.1"}  # one is noted only; the other has a test of its own
    assert {r.number for r in REQUIREMENTS} - {b.number for b in BROKEN} == never


@pytest.mark.parametrize("wrong", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_answer_is_a_finding_and_no_crash(wrong: Break) -> None:
    assert failed(tried(wrong))


@pytest.mark.parametrize(
    ("base", "verdict"),
    [
        pytest.param("https://cds.test", "holds", id="TLS"),
        pytest.param("http://cds.test", "does not hold", id="plain http"),
        pytest.param("http://127.0.0.1:8000", "not checked", id="on this machine"),
        pytest.param("http://localhost:8000", "not checked", id="by name"),
    ],
)
def test_tls_is_wanted_everywhere_but_on_this_machine(base: str, verdict: str) -> None:
    with Deployment(base, transport=httpx.ASGITransport(app=GoodService())) as deployment:
        (tls,) = (f for f in check_all(deployment) if f.requirement.number == "9.1")
    assert tls.verdict == verdict


def test_without_a_key_tokens_are_not_checked() -> None:
    found = {f.requirement.number: f for f in tried()}
    for number in ("9.2", "9.4", "9.5", "9.6", "9.7", "9.8", "9.9"):
        assert (found[number].verdict, found[number].seen) == (
            "not checked",
            ("no --jwt-key to sign with",),
        )


def test_a_page_that_may_not_call_is_a_fault_only_where_it_is_named() -> None:
    transport = httpx.ASGITransport(app=GoodService())
    for origin, verdict in ((None, "not checked"), ("https://other.test", "does not hold")):
        with Deployment(BASE, origin=origin, transport=transport) as deployment:
            (cors,) = (f for f in check_all(deployment) if f.requirement.number == "9.11")
        assert cors.verdict == verdict


def test_a_service_that_asks_to_come_more_slowly_is_obeyed() -> None:
    asked = 0

    def limited(_: Asked, answer: Answered, __: GoodService) -> Answered:
        nonlocal asked
        asked += 1
        return Answered(429, headers={"retry-after": "0"}) if asked % 5 == 0 else answer

    assert failed(tried(limited)) == {}


def test_a_service_that_falls_silent_is_not_waited_for() -> None:
    calls = 0

    class Silent(httpx.ASGITransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            nonlocal calls
            calls += 1
            if request.method == "POST":
                raise httpx.ConnectError("gone")
            return await super().handle_async_request(request)

    with Deployment(BASE, transport=Silent(app=GoodService())) as deployment:
        found = check_all(deployment)
    assert calls == 4
    assert ("7.1", "does not hold") in {(f.requirement.number, f.verdict) for f in found}
    assert any("stopped answering" in seen for f in found for seen in f.seen)
