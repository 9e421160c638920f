"""Keys that come from an address: rotation both ways, and servers that fail."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import respx

from cds_service.trust import key_cache
from cds_service.trust.checking import TokenCheck
from cds_service.trust.clients import KnownClient
from cds_service.trust.key_cache import MOST_BYTES, KeyCache, UnknownKey
from trust.signing import EC, GONE, RSA, STRANGER, jwks, public, signed
from trust.test_forged_tokens import verdict

KEYS_AT = "https://ehr.example/jwks.json"
MakeCheck = Callable[..., TokenCheck]
BY_URL = {"jwks_file": GONE, "jwks_url": KEYS_AT}
NEW = public(STRANGER, kid="new")


def by_new_key() -> str:
    return signed(head={"kid": "new"}, key=STRANGER)


async def test_keys_are_read_once_for_many_calls(make_check: MakeCheck, wire: Any) -> None:
    wire.answer = lambda _: httpx.Response(200, content=jwks(EC, RSA))
    check = make_check(BY_URL)
    assert wire.asked == []
    said = await asyncio.gather(*(verdict(check, signed()) for _ in range(20)))
    assert said == ["taken"] * 20
    assert wire.asked == [KEYS_AT]


async def test_a_new_key_is_taken_at_once_also_right_after_a_reading(
    make_check: MakeCheck, wire: Any
) -> None:
    wire.answer = lambda _: httpx.Response(200, content=jwks(EC))
    check = make_check(BY_URL)
    assert await verdict(check, signed()) == "taken"
    wire.answer = lambda _: httpx.Response(200, content=jwks(EC, NEW))
    assert await verdict(check, by_new_key()) == "taken"
    assert len(wire.asked) == 2


async def test_nobody_can_have_keys_read_more_than_twice_in_a_minute(
    make_check: MakeCheck, wire: Any, clock: Any
) -> None:
    wire.answer = lambda _: httpx.Response(200, content=jwks(EC))
    check = make_check(BY_URL)
    assert await verdict(check, signed()) == "taken"
    clock.now += 10
    for _ in range(5):
        assert await verdict(check, by_new_key()) == "unknown-key"
    assert len(wire.asked) == 2
    wire.answer = lambda _: httpx.Response(200, content=jwks(EC, NEW))
    clock.now += 49.9
    assert await verdict(check, by_new_key()) == "unknown-key"
    clock.now += 0.1
    assert await verdict(check, by_new_key()) == "taken"
    assert len(wire.asked) == 3


async def test_a_key_that_was_withdrawn_is_refused_after_its_time(
    make_check: MakeCheck, wire: Any, clock: Any
) -> None:
    wire.answer = lambda _: httpx.Response(200, content=jwks(EC))
    check = make_check(BY_URL | {"keys_seconds": 120})
    assert await verdict(check, signed()) == "taken"
    wire.answer = lambda _: httpx.Response(200, content=jwks(RSA))
    clock.now += 120
    assert await verdict(check, signed({"iat": clock.now, "exp": clock.now + 9})) == "unknown-key"


async def test_keys_are_read_again_ahead_of_time_and_no_call_waits(
    make_check: MakeCheck, wire: Any, clock: Any
) -> None:
    wire.answer = lambda _: httpx.Response(200, content=jwks(EC))
    check = make_check(BY_URL | {"keys_seconds": 120})
    assert await verdict(check, signed()) == "taken"
    gate = asyncio.Event()

    async def slowly() -> httpx.Response:
        await gate.wait()
        return httpx.Response(200, content=jwks(RSA))

    wire.answer = lambda _: slowly()
    clock.now += 60
    assert await verdict(check, signed()) == "taken"
    assert await verdict(check, signed()) == "taken"
    gate.set()
    while len(wire.asked) < 2 or not any(
        place.reading.done() for place in check.keys._places.values() if place.reading
    ):
        await asyncio.sleep(0)
    assert len(wire.asked) == 2
    assert await verdict(check, signed()) == "unknown-key"


async def test_a_server_that_is_slow_holds_up_only_those_who_need_it(
    make_check: MakeCheck, wire: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_cache, "SECONDS_TO_FETCH", 0.2)
    wire.answer = lambda _: httpx.Response(200, content=jwks(EC))
    check = make_check(BY_URL)
    assert await verdict(check, signed()) == "taken"
    clock.now += 60

    async def never() -> httpx.Response:
        await asyncio.sleep(60)
        return httpx.Response(200)

    wire.answer = lambda _: never()
    waiting = [asyncio.create_task(verdict(check, by_new_key())) for _ in range(3)]
    await asyncio.sleep(0.01)
    assert await asyncio.wait_for(verdict(check, signed()), 0.15) == "taken"
    assert await asyncio.gather(*waiting) == ["unknown-key"] * 3
    assert len(wire.asked) == 2


async def test_whoever_stops_waiting_does_not_stop_the_others(
    make_check: MakeCheck, wire: Any
) -> None:
    gate = asyncio.Event()

    async def slowly() -> httpx.Response:
        await gate.wait()
        return httpx.Response(200, content=jwks(EC))

    wire.answer = lambda _: slowly()
    check = make_check(BY_URL)
    first, second = (asyncio.create_task(verdict(check, signed())) for _ in range(2))
    await asyncio.sleep(0.01)
    first.cancel()
    gate.set()
    assert await second == "taken"


@pytest.fixture
def web() -> Iterator[respx.MockRouter]:
    with respx.mock(assert_all_called=False) as router:
        yield router


USELESS: list[Any] = [
    pytest.param(httpx.Response(500), id="500"),
    pytest.param(httpx.Response(404, content=jwks(EC)), id="404"),
    pytest.param(httpx.Response(204), id="nothing"),
    pytest.param(httpx.Response(200, html="<h1>Log in</h1>"), id="HTML"),
    pytest.param(
        httpx.Response(302, headers={"Location": "https://elsewhere.example/k"}), id="a redirect"
    ),
    pytest.param(
        httpx.Response(307, headers={"Location": f"{KEYS_AT}?again"}), id="a redirect to itself"
    ),
    pytest.param(httpx.Response(200, content=jwks(EC) + b" " * MOST_BYTES), id="huge"),
    pytest.param(
        httpx.Response(
            200,
            content=gzip.compress(b" " * (MOST_BYTES + 1) + jwks(EC)),
            headers={"Content-Encoding": "gzip"},
        ),
        id="huge when unzipped",
    ),
    pytest.param(
        httpx.Response(200, content=b"x", headers={"Content-Encoding": "br"}), id="compressed oddly"
    ),
    pytest.param(httpx.Response(200, content=jwks(EC)[:-9]), id="cut off"),
    pytest.param(httpx.Response(200, content=jwks(EC.as_dict(private=True))), id="private keys"),
    pytest.param(
        httpx.Response(200, content=jwks(EC, {"kty": "oct", "k": "c2VjcmV0", "kid": "x"})),
        id="a secret among them",
    ),
    pytest.param(httpx.ConnectError("refused"), id="no connection"),
    pytest.param(httpx.ReadTimeout("slow"), id="no answer"),
    pytest.param(httpx.RemoteProtocolError("broken"), id="a broken answer"),
]


@pytest.mark.parametrize("answer", USELESS)
async def test_without_usable_keys_nobody_is_believed(
    answer: Any, make_check: MakeCheck, clock: Any, wire: Any, web: respx.MockRouter
) -> None:
    keys = web.get(KEYS_AT).mock(side_effect=[answer, answer, answer])
    elsewhere = web.get("https://elsewhere.example/k").respond(200, content=jwks(EC))
    wire.answer = web.async_handler
    client = next(iter(make_check(BY_URL).clients.values()))
    cache = KeyCache(wire, clock)
    for _ in range(3):
        with pytest.raises(UnknownKey):
            await cache.key(client, "ec", "ES384", None)
    assert keys.call_count == 2
    assert not elsewhere.called
    keys.mock(return_value=httpx.Response(200, content=jwks(EC)))
    clock.now += 60
    assert await cache.key(client, "ec", "ES384", None)


async def test_keys_that_are_there_outlive_a_failure_of_their_server_for_their_time(
    make_check: MakeCheck, wire: Any, clock: Any
) -> None:
    wire.answer = lambda _: httpx.Response(200, content=jwks(EC))
    check = make_check(BY_URL | {"keys_seconds": 240})
    assert await verdict(check, signed()) == "taken"
    wire.answer = lambda _: httpx.Response(500)
    clock.now += 239
    assert await verdict(check, signed({"iat": clock.now, "exp": clock.now + 9})) == "taken"
    clock.now += 1
    assert await verdict(check, signed({"iat": clock.now, "exp": clock.now + 9})) == "unknown-key"


async def test_a_weak_or_strange_key_of_a_client_leaves_its_good_ones(
    make_check: MakeCheck, wire: Any
) -> None:
    strange = [{"kty": "OKP", "crv": "Ed25519", "kid": "x", "x": "AA"}, public(RSA, n="AQAB")]
    wire.answer = lambda _: httpx.Response(200, content=jwks(*strange, EC))
    assert await verdict(make_check(BY_URL), signed()) == "taken"


async def test_what_is_asked_of_the_server_tells_nothing(make_check: MakeCheck, wire: Any) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=jwks(EC))

    wire.answer = answer
    token = signed()
    assert await verdict(make_check(BY_URL), token) == "taken"
    assert "authorization" not in seen[0].headers
    assert token not in str(seen[0].headers.raw)


LISTED = "https://keys.example/a/jwks.json"
NOT_LISTED = [
    "https://keys.example/a/jwks.json/",
    "https://keys.example/a/jwks.json?x",
    "https://keys.example/a/jwks.json#x",
    "https://keys.example/a/jwks.jsonx",
    "https://keys.example/a/../a/jwks.json",
    "https://keys.example:443/a/jwks.json",
    "https://KEYS.example/a/jwks.json",
    "http://keys.example/a/jwks.json",
    "https://keys.example@evil.example/a/jwks.json",
    "https://user@keys.example/a/jwks.json",
    "https://evil.example/https://keys.example/a/jwks.json",
    "https://evilkeys.example/a/jwks.json",
    "https://keys.example.evil.example/a/jwks.json",
    "https://keys.example/a/jwks.json\x00",
    " https://keys.example/a/jwks.json",
    "http://169.254.169.254/latest/meta-data",
    "file:///etc/passwd",
    "",
]


@pytest.mark.parametrize("jku", NOT_LISTED)
async def test_a_jku_that_is_not_exactly_on_the_list_is_not_fetched(
    jku: str, make_check: MakeCheck, wire: Any
) -> None:
    wire.answer = lambda _: httpx.Response(200, content=jwks(EC))
    check = make_check({"jku": [LISTED]})
    assert await verdict(check, signed(head={"jku": jku})) == "unknown-key"
    assert wire.asked == []


async def test_a_listed_jku_is_fetched_and_its_keys_count_there_alone(
    make_check: MakeCheck, wire: Any
) -> None:
    wire.answer = lambda _: httpx.Response(200, content=jwks(NEW))
    check = make_check({"jku": [LISTED]})
    by_jku = {"kid": "new", "jku": LISTED}
    assert await verdict(check, signed(head=by_jku, key=STRANGER)) == "taken"
    assert wire.asked == [LISTED]
    assert await verdict(check, by_new_key()) == "unknown-key"
    assert await verdict(check, signed()) == "taken"
    assert await verdict(check, signed(head={"jku": LISTED})) == "unknown-key"


async def test_a_client_known_by_jku_alone_has_to_name_it(make_check: MakeCheck, wire: Any) -> None:
    wire.answer = lambda _: httpx.Response(200, content=jwks(EC))
    check = make_check({"jwks_file": GONE, "jku": [LISTED]})
    assert await verdict(check, signed()) == "unknown-key"
    assert wire.asked == []
    assert await verdict(check, signed(head={"jku": LISTED})) == "taken"


async def test_a_jku_of_another_client_is_not_this_ones(make_check: MakeCheck, wire: Any) -> None:
    wire.answer = lambda _: httpx.Response(200, content=jwks(EC))
    check = make_check({}, {"iss": "https://other.example", "jku": [LISTED]})
    assert await verdict(check, signed(head={"jku": LISTED})) == "unknown-key"


async def test_a_forged_token_is_refused_before_any_key_is_read(
    make_check: MakeCheck, wire: Any
) -> None:
    check = make_check(BY_URL)
    for changes in ({"aud": "x"}, {"exp": 5, "iat": 4}, {"iss": "x"}):
        assert await verdict(check, signed(changes)) != "taken"
    assert wire.asked == []


async def test_a_key_file_is_read_again_as_an_address_is(
    make_check: MakeCheck, clock: Any, tmp_path: Any
) -> None:
    check = make_check({"keys_seconds": 120})
    assert await verdict(check, signed()) == "taken"
    (tmp_path / "keys.json").write_bytes(jwks(NEW))
    clock.now += 60
    assert await verdict(check, by_new_key()) == "taken"
    assert await verdict(check, signed()) == "unknown-key"
    client: KnownClient = next(iter(check.clients.values()))
    (tmp_path / "keys.json").write_text("broken")
    clock.now += 60
    assert await check.keys.key(client, "new", "ES384", None)
    clock.now += 60
    with pytest.raises(UnknownKey):
        await check.keys.key(client, "new", "ES384", None)
