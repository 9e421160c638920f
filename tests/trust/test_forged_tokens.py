"""One forged, stale or misdirected token for each rule, and the good ones beside them."""

from __future__ import annotations

import base64
import hmac
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, RSAKey

from cds_service.errors import TrustUnavailable
from cds_service.trust.checking import TokenCheck
from cds_service.trust.tokens import LONGEST_HEADER, LONGEST_TOKEN, NotTrusted, read_token
from trust.signing import (
    CALL_URL,
    EC,
    EC_256,
    GONE,
    NOW,
    RSA,
    STRANGER,
    URL,
    b64,
    bearer,
    claims,
    header,
    jwks,
    public,
    signed,
)

MakeCheck = Callable[..., TokenCheck]
PEM = EC.as_pem(private=False)


async def verdict(check: TokenCheck, token: str, url: str = URL) -> str:
    """ "taken", or the rule that did not hold."""
    return await verdict_of_headers(check, bearer(token), url)


async def verdict_of_headers(
    check: TokenCheck, headers: list[tuple[bytes, bytes]], url: str = URL
) -> str:
    try:
        await check.check(read_token(headers), url)
    except NotTrusted as refused:
        return refused.reason
    return "taken"


GOOD: list[Any] = [
    pytest.param(lambda: signed(), id="plain"),
    pytest.param(lambda: signed(head={"typ": GONE}), id="no typ"),
    pytest.param(lambda: signed(head={"typ": "jwt"}), id="typ in small letters"),
    pytest.param(lambda: signed(head={"alg": "RS384", "kid": "rsa"}, key=RSA), id="RS384"),
    pytest.param(lambda: signed({"aud": [URL]}), id="one audience in a list"),
    pytest.param(lambda: signed({"aud": ["https://other.example", URL]}), id="among audiences"),
    pytest.param(lambda: signed({"sub": "x", "scope": {"deep": [1]}}), id="claims of its own"),
    pytest.param(lambda: signed({"tenant": "north"}), id="a tenant nobody asks for"),
    pytest.param(lambda: signed({"jti": "x"}), id="an id of one character"),
    pytest.param(lambda: signed({"jti": "ü" * 256}), id="an id of 256 characters"),
    pytest.param(lambda: signed({"exp": NOW + 300.0, "iat": NOW + 0.0}), id="times with a point"),
    pytest.param(lambda: signed({"exp": NOW - 59.5, "iat": NOW - 300}), id="expired 59 s ago"),
    pytest.param(lambda: signed({"iat": NOW + 60}), id="from 60 s ahead"),
    pytest.param(lambda: signed({"nbf": NOW + 60}), id="good in 60 s"),
    pytest.param(lambda: signed(head={"jwk": public(STRANGER)}), id="a key inside is not used"),
]


@pytest.mark.parametrize("make", GOOD)
async def test_a_token_that_keeps_the_rules_is_taken(
    make: Callable[[], str], make_check: MakeCheck
) -> None:
    assert await verdict(make_check(), make()) == "taken"


def unsigned(alg: Any) -> str:
    return f"{b64(json.dumps(header({'alg': alg})).encode())}.{b64(json.dumps(claims()).encode())}."


def hmac_by_public_key(secret: bytes) -> str:
    first = b64(json.dumps(header({"alg": "HS256"})).encode())
    signing_input = f"{first}.{b64(json.dumps(claims()).encode())}"
    return f"{signing_input}.{b64(hmac.digest(secret, signing_input.encode(), 'sha256'))}"


def by_stranger(**embedded: Any) -> str:
    return signed(head=embedded, key=STRANGER)


def with_bytes(part: int, change: Callable[[str], str]) -> str:
    parts = signed().split(".")
    parts[part] = change(parts[part])
    return ".".join(parts)


def loose_end(segment: str) -> str:
    """The same bytes in another spelling: bits that base64 does not use are set."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return segment[:-1] + letters[letters.index(segment[-1]) + 1]


NONE_AND_ALIKE: tuple[Any, ...] = (
    "none", "None", "NONE", "nOnE", "none ", "", "es384", "ES384\x00", 5, None, [],
)  # fmt: skip
NO_MOMENTS: tuple[Any, ...] = (True, None, str(int(NOW) + 9), -1, 10**400, [NOW], {})
NO_IDS: tuple[Any, ...] = ("", 5, None, True, ["x"], "x" * 257)
NO_AUDIENCES: tuple[Any, ...] = (None, 5, {}, {URL: True}, [URL, 5], [[URL]])

FORGED: list[Any] = [
    # algorithm
    *(
        pytest.param(lambda alg=alg: unsigned(alg) + "AA", "unlisted-algorithm", id=f"alg {alg!r}")
        for alg in NONE_AND_ALIKE
    ),
    pytest.param(lambda: unsigned("none"), "bad-token", id="no signature at all"),
    pytest.param(
        lambda: hmac_by_public_key(PEM), "unlisted-algorithm", id="HS256 with the public key"
    ),
    pytest.param(
        lambda: hmac_by_public_key(json.dumps(public(EC)).encode()),
        "unlisted-algorithm",
        id="HS256 with the public JWK",
    ),
    pytest.param(lambda: signed(head={"alg": GONE}), "unlisted-algorithm", id="no algorithm"),
    pytest.param(
        lambda: signed(head={"alg": "ES256", "kid": "ec-256"}, key=EC_256),
        "unlisted-algorithm",
        id="an algorithm this client may not use",
    ),
    pytest.param(
        lambda: signed(head={"alg": "RS512", "kid": "rsa"}, key=RSA),
        "unlisted-algorithm",
        id="RS512",
    ),
    pytest.param(
        lambda: signed(head={"alg": "PS384", "kid": "rsa"}, key=RSA), "unlisted-algorithm", id="PSS"
    ),
    # key
    pytest.param(lambda: signed(head={"kid": "rsa"}), "unknown-key", id="EC with an RSA key's id"),
    pytest.param(
        lambda: signed(head={"alg": "RS384"}, key=RSA), "unknown-key", id="RSA with an EC key's id"
    ),
    pytest.param(
        lambda: signed(head={"kid": "ec-256"}, key=EC_256, signs_as="ES256"),
        "unknown-key",
        id="ES384 with a key on P-256",
    ),
    pytest.param(
        lambda: signed(key=EC_256, signs_as="ES256"), "bad-signature", id="signed on P-256"
    ),
    pytest.param(lambda: signed(head={"kid": "other"}), "unknown-key", id="an unknown key"),
    pytest.param(lambda: signed(head={"kid": GONE}), "bad-token", id="no key named"),
    pytest.param(lambda: signed(head={"kid": ""}), "bad-token", id="an empty key id"),
    pytest.param(lambda: signed(head={"kid": 7}), "bad-token", id="a key id that is no text"),
    pytest.param(lambda: signed(head={"kid": ["ec"]}), "bad-token", id="key ids in a list"),
    pytest.param(lambda: signed(head={"kid": "x" * 257}), "bad-token", id="a very long key id"),
    pytest.param(
        lambda: signed(head={"kid": "../../etc/passwd"}), "unknown-key", id="a path as key id"
    ),
    pytest.param(lambda: by_stranger(), "bad-signature", id="a stranger's signature"),
    pytest.param(
        lambda: by_stranger(jwk=public(STRANGER)), "bad-signature", id="with its key inside (jwk)"
    ),
    pytest.param(
        lambda: by_stranger(x5c=[base64.b64encode(b"certificate").decode()]),
        "bad-signature",
        id="with a certificate inside (x5c)",
    ),
    pytest.param(
        lambda: by_stranger(x5u="https://evil.example/x"), "bad-signature", id="x5u of a stranger"
    ),
    pytest.param(
        lambda: by_stranger(jku="https://evil.example/k"), "unknown-key", id="jku of a stranger"
    ),
    pytest.param(lambda: signed(head={"jku": 5}), "bad-token", id="a jku that is no text"),
    pytest.param(lambda: signed(head={"jku": None}), "bad-token", id="a jku of null"),
    # header
    pytest.param(lambda: signed(head={"typ": "at+jwt"}), "bad-token", id="an access token"),
    pytest.param(lambda: signed(head={"typ": 5}), "bad-token", id="a typ that is no text"),
    pytest.param(
        lambda: signed(head={"crit": ["x"], "x": 1}), "bad-token", id="a critical extension"
    ),
    pytest.param(lambda: signed(head={"crit": []}), "bad-token", id="an empty list of those"),
    pytest.param(lambda: signed(head={"b64": False}), "bad-token", id="an unencoded payload"),
    pytest.param(
        lambda: signed(head={"pad": "x" * LONGEST_HEADER}), "bad-token", id="a header too large"
    ),
    # claims
    *(
        pytest.param(lambda name=name: signed({name: GONE}), "bad-token", id=f"no {name}")
        for name in ("iss", "aud", "exp", "iat", "jti")
    ),
    *(
        pytest.param(
            lambda name=name, value=value: signed({name: value}),
            "bad-token",
            id=f"{name} is {value!r}",
        )
        for name in ("exp", "iat", "nbf")
        for value in NO_MOMENTS
    ),
    *(
        pytest.param(
            lambda value=value: signed({"jti": value}), "bad-token", id=f"jti is {str(value)[:9]!r}"
        )
        for value in NO_IDS
    ),
    *(
        pytest.param(
            lambda value=value: signed({"aud": value}), "bad-token", id=f"aud is {value!r}"
        )
        for value in NO_AUDIENCES
    ),
    pytest.param(lambda: signed({"aud": []}), "wrong-audience", id="no audience in a list"),
    pytest.param(lambda: signed({"aud": ""}), "wrong-audience", id="an empty audience"),
    pytest.param(lambda: signed({"aud": f"{URL}/"}), "wrong-audience", id="a final slash"),
    pytest.param(lambda: signed({"aud": URL.upper()}), "wrong-audience", id="capitals"),
    pytest.param(lambda: signed({"aud": f"{URL}?x=1"}), "wrong-audience", id="a query"),
    pytest.param(lambda: signed({"aud": CALL_URL}), "wrong-audience", id="the hook, not discovery"),
    pytest.param(
        lambda: signed({"aud": "https://cds.example"}), "wrong-audience", id="the host alone"
    ),
    pytest.param(
        lambda: signed({"aud": "http://cds.example/cds-services"}),
        "wrong-audience",
        id="plain http",
    ),
    pytest.param(lambda: signed({"iss": "https://other.example"}), "unlisted-issuer", id="unknown"),
    pytest.param(
        lambda: signed({"iss": "https://ehr.example/"}), "unlisted-issuer", id="iss with a slash"
    ),
    pytest.param(lambda: signed({"iss": 5}), "bad-token", id="an issuer that is no text"),
    pytest.param(
        lambda: signed({"exp": NOW - 60, "iat": NOW - 300}), "expired-token", id="expired 60 s ago"
    ),
    pytest.param(lambda: signed({"iat": NOW + 60.5}), "future-token", id="from 61 s ahead"),
    pytest.param(lambda: signed({"nbf": NOW + 60.5}), "future-token", id="not good yet"),
    pytest.param(lambda: signed({"exp": NOW + 300.5}), "long-lived-token", id="lives 301 s"),
    pytest.param(lambda: signed({"exp": NOW, "iat": NOW}), "long-lived-token", id="no life at all"),
    pytest.param(
        lambda: signed({"iat": NOW + 50, "exp": NOW + 40}), "long-lived-token", id="ends first"
    ),
    pytest.param(lambda: signed({"tenant": 5}), "bad-token", id="a tenant that is no text"),
    pytest.param(lambda: signed({"tenant": "\ud800"}), "bad-token", id="a tenant cut in half"),
    pytest.param(lambda: signed({"jti": "one\udfff"}), "bad-token", id="an id cut in half"),
    pytest.param(lambda: signed(head={"kid": "\ud800"}), "bad-token", id="a key id cut in half"),
    # spelling
    pytest.param(
        lambda: signed(raw_claims=b'{"iss":"https://other.example",' + tail()),
        "bad-token",
        id="a claim twice",
    ),
    pytest.param(
        lambda: signed(raw_header=b'{"alg":"none","alg":"ES384","kid":"ec"}'),
        "bad-token",
        id="a header member twice",
    ),
    pytest.param(
        lambda: signed(raw_claims=b'{"x": {"y": 1, "y": 2},' + tail()), "bad-token", id="deep twice"
    ),
    pytest.param(
        lambda: signed(raw_claims=json.dumps(claims({"exp": float("nan")})).encode()),
        "bad-token",
        id="NaN",
    ),
    pytest.param(
        lambda: signed(raw_claims=b"{" + tail().replace(b'"exp": ', b'"exp": 1e999, "was": ')),
        "bad-token",
        id="infinity",
    ),
    pytest.param(lambda: signed(raw_claims=b"{}"), "bad-token", id="no claims"),
    pytest.param(lambda: signed(raw_claims=b"[]"), "bad-token", id="claims that are no object"),
    pytest.param(lambda: signed(raw_claims=b"\xff{}"), "bad-token", id="claims not in UTF-8"),
    pytest.param(
        lambda: signed(raw_claims=b"\xef\xbb\xbf" + json.dumps(claims()).encode()),
        "bad-token",
        id="a byte order mark",
    ),
    pytest.param(
        lambda: signed(raw_claims=b'{"x":' + b"[" * 2000 + b"]" * 2000 + b"," + tail()),
        "bad-token",
        id="claims as deep as they can be",
    ),
    pytest.param(lambda: signed(raw_header=b"{}"), "unlisted-algorithm", id="an empty header"),
    pytest.param(lambda: signed(raw_header=b"null"), "bad-token", id="a header of null"),
    pytest.param(lambda: signed({"pad": "x" * LONGEST_TOKEN}), "bad-token", id="too large"),
    pytest.param(lambda: with_bytes(2, loose_end_of_ec), "bad-token", id="a loose end in base64"),
    pytest.param(lambda: with_bytes(1, lambda s: s + "="), "bad-token", id="padding"),
    pytest.param(lambda: with_bytes(1, lambda s: s + "+"), "bad-token", id="base64 of the web"),
    pytest.param(lambda: with_bytes(1, lambda s: s[:5] + "\n" + s[5:]), "bad-token", id="a break"),
    pytest.param(lambda: with_bytes(2, lambda s: s[:-4]), "bad-signature", id="cut off"),
    pytest.param(lambda: with_bytes(2, lambda _: "A" * 128), "bad-signature", id="all zeroes"),
    pytest.param(lambda: ".".join(signed().split(".")[:2]), "bad-token", id="two parts"),
    pytest.param(lambda: signed() + ".", "bad-token", id="four parts"),
    pytest.param(lambda: signed() + "." + signed(), "bad-token", id="two tokens"),
    pytest.param(lambda: "", "bad-token", id="nothing after the scheme"),
    pytest.param(lambda: json.dumps({"payload": "x", "signatures": []}), "bad-token", id="as JSON"),
]


def tail() -> bytes:
    """The claims of a good token without their opening brace."""
    return json.dumps(claims()).encode()[1:]


def loose_end_of_ec(segment: str) -> str:
    """A signature of ES384 is 96 bytes, which leaves base64 no bits over: so of one byte less."""
    raw = base64.urlsafe_b64decode(segment)[:-1]
    return loose_end(b64(raw))


@pytest.mark.parametrize(("make", "reason"), FORGED)
async def test_a_token_that_breaks_a_rule_is_refused_for_it(
    make: Callable[[], str], reason: str, make_check: MakeCheck, wire: Any
) -> None:
    assert await verdict(make_check(), make()) == reason
    assert wire.asked == []


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        pytest.param([], "no-token", id="none"),
        pytest.param([(b"authorization", b"")], "bad-token", id="empty"),
        pytest.param([(b"authorization", b"Basic dTpw")], "bad-token", id="Basic"),
        pytest.param([(b"authorization", b"Bearer")], "bad-token", id="the scheme alone"),
        pytest.param([(b"authorization", signed().encode())], "bad-token", id="no scheme"),
        pytest.param(
            [(b"authorization", b"Bearer" + signed().encode())], "bad-token", id="no space"
        ),
        pytest.param(
            [(b"authorization", b"Bearer " + signed().encode() + b", Basic x")],
            "bad-token",
            id="two in one",
        ),
        pytest.param([*bearer(signed()), *bearer(signed())], "bad-token", id="two"),
        pytest.param(
            [*bearer(signed()), (b"authorization", b"Basic x")], "bad-token", id="and another"
        ),
    ],
)
def test_anything_but_one_bearer_token_is_refused(
    headers: list[tuple[bytes, bytes]], reason: str
) -> None:
    with pytest.raises(NotTrusted) as refused:
        read_token(headers)
    assert refused.value.reason == reason


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR", "Bearer  "])
def test_the_scheme_is_read_in_any_case(scheme: str) -> None:
    token = signed()
    assert read_token([(b"Authorization", f"{scheme} {token}".encode())]).compact.decode() == token


@pytest.mark.parametrize(
    ("endpoint", "audience", "expected"),
    [
        pytest.param(CALL_URL, CALL_URL, "taken", id="the call"),
        pytest.param(f"{CALL_URL}/feedback", f"{CALL_URL}/feedback", "taken", id="feedback"),
        pytest.param(f"{CALL_URL}/feedback", CALL_URL, "wrong-audience", id="a call's at feedback"),
        pytest.param(CALL_URL, f"{CALL_URL}/feedback", "wrong-audience", id="feedback's at a call"),
        pytest.param(CALL_URL, URL, "wrong-audience", id="discovery's at a call"),
        pytest.param(CALL_URL, f"{URL}/other", "wrong-audience", id="another service's"),
    ],
)
async def test_a_token_is_for_one_endpoint(
    endpoint: str, audience: str, expected: str, make_check: MakeCheck
) -> None:
    assert await verdict(make_check(), signed({"aud": audience}), endpoint) == expected


@pytest.mark.parametrize(
    ("tenant", "expected"),
    [("north", "taken"), ("south", "unlisted-tenant"), (GONE, "unlisted-tenant")],
)
async def test_where_tenants_are_listed_only_those_are_taken(
    tenant: Any, expected: str, make_check: MakeCheck
) -> None:
    check = make_check({"tenants": ["north", "west"]})
    assert await verdict(check, signed({"tenant": tenant})) == expected


@pytest.mark.parametrize(
    ("life", "expected"), [(60, "taken"), (61, "long-lived-token"), (300, "long-lived-token")]
)
async def test_how_long_a_token_lives_is_set_by_client(
    life: int, expected: str, make_check: MakeCheck
) -> None:
    assert await verdict(make_check({"most_seconds": 60}), signed({"exp": NOW + life})) == expected


@pytest.mark.parametrize(
    ("alg", "key"), [("ES256", EC_256), ("RS256", RSA), ("ES384", EC), ("RS384", RSA)]
)
async def test_algorithms_that_are_configured_are_taken_and_no_others(
    alg: str, key: ECKey | RSAKey, make_check: MakeCheck
) -> None:
    token = signed(head={"alg": alg, "kid": key.kid}, key=key)
    assert await verdict(make_check({"algorithms": [alg]}), token) == "taken"
    others = [other for other in ("ES256", "RS256", "ES384", "RS384") if other != alg]
    assert await verdict(make_check({"algorithms": others}), token) == "unlisted-algorithm"


async def test_a_token_of_one_client_does_not_pass_with_the_key_of_another(
    make_check: MakeCheck, tmp_path: Path
) -> None:
    (tmp_path / "other.json").write_bytes(jwks(STRANGER))
    check = make_check({}, {"iss": "https://other.example", "jwks_file": "other.json"})
    assert await verdict(check, signed({"iss": "https://other.example"})) == "bad-signature"
    assert await verdict(check, signed({"iss": "https://other.example"}, key=STRANGER)) == "taken"


async def test_a_token_is_taken_once(make_check: MakeCheck, clock: Any) -> None:
    check, token = make_check(), signed()
    assert await verdict(check, token) == "taken"
    assert await verdict(check, token) == "replayed-token"
    clock.now += 359.9
    assert await verdict(check, token) == "replayed-token"
    clock.now += 0.2
    assert await verdict(check, token) == "expired-token"


async def test_another_token_with_the_same_id_is_a_replay_but_not_of_another_issuer(
    make_check: MakeCheck,
) -> None:
    check = make_check({}, {"iss": "https://other.example"})
    assert await verdict(check, signed({"jti": "x"})) == "taken"
    assert await verdict(check, signed({"jti": "x"})) == "replayed-token"
    assert await verdict(check, signed({"jti": "x", "iss": "https://other.example"})) == "taken"


async def test_a_refused_token_uses_up_no_id(make_check: MakeCheck) -> None:
    check = make_check()
    for refused in (
        signed({"jti": "x", "aud": "other"}),
        signed({"jti": "x"}, key=STRANGER),
        signed({"jti": "x"}, head={"kid": "other"}),
    ):
        assert await verdict(check, refused) != "taken"
    assert await verdict(check, signed({"jti": "x"})) == "taken"


async def test_without_the_memory_of_tokens_none_is_taken(
    make_check: MakeCheck, tmp_path: Path
) -> None:
    check = make_check()
    assert await verdict(check, signed()) == "taken"
    with closing(sqlite3.connect(tmp_path / "seen.db")) as db:
        db.execute("DROP TABLE seen")
    with pytest.raises(TrustUnavailable):
        await verdict(check, signed())


@pytest.fixture
def check(make_check: MakeCheck) -> TokenCheck:
    return make_check()


BASE = signed({"jti": "of the property"})


@given(data=st.data())
@settings(
    max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
async def test_no_other_bytes_than_those_that_were_signed_are_taken(
    data: st.DataObject, check: TokenCheck
) -> None:
    raw = bytearray(BASE.encode())
    how = data.draw(st.sampled_from(("change", "insert", "delete", "swap")))
    at = data.draw(st.integers(0, len(raw) - 1))
    if how == "change":
        raw[at] = data.draw(st.integers(0, 255))
    elif how == "insert":
        raw.insert(at, data.draw(st.integers(0, 255)))
    elif how == "delete":
        del raw[at]
    else:
        other = data.draw(st.integers(0, len(raw) - 1))
        raw[at], raw[other] = raw[other], raw[at]
    said = await verdict_of_headers(check, [(b"authorization", b"Bearer " + bytes(raw))])
    was_signed = bytes(raw).lstrip(b" ") == BASE.encode()
    assert (said in ("taken", "replayed-token")) is was_signed
