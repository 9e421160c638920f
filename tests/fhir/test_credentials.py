"""Servers that the service reads with credentials of its own: a signed assertion for a token."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hooks.calls import KEYS, call
from hooks.serving import everything_in, issue_of, serving, settings_for
from hooks.token_server import BASE, BEARER, CONFIGURATION, NOW, TOKEN_URL, TokenServer, said
from joserfc.jwk import ECKey, RSAKey

from cds_service.errors import FhirError, FhirTokenUnusable, FhirUnavailable, UsageError
from cds_service.fhir import at_terminal
from cds_service.fhir.allowed import AddressRules
from cds_service.fhir.assertions import (
    ASSERTION_SECONDS,
    LARGEST_ANSWER,
    SHORT_SECONDS,
    SPARE_SECONDS,
    TokenOfServer,
)
from cds_service.fhir.client import FhirClient
from cds_service.fhir.credentials import read_credentials
from cds_service.starting import config_digest

RSA = RSAKey.generate_key(2048, parameters={"kid": "rsa-1"})
EC = ECKey.generate_key("P-384", parameters={"kid": "ec-1"})
KEYS_OF: dict[str, RSAKey | ECKey] = {"RS384": RSA, "ES384": EC}


def write_key(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def credentials(folder: Path, **changes: Any) -> Path:
    """The file of one server, its key beside it; a change to None takes the member away."""
    alg = changes.get("alg") or "RS384"
    write_key(folder / "key.pem", KEYS_OF.get(alg, RSA).as_pem(private=True))
    server: dict[str, Any] = {
        "base": BASE,
        "client_id": "refractory-cds",
        "key_file": "key.pem",
        "kid": "ec-1" if alg == "ES384" else "rsa-1",
        "alg": alg,
    } | changes
    lines = [f"{name} = {json.dumps(value)}" for name, value in server.items() if value is not None]
    file = folder / "credentials.toml"
    file.write_text("[[servers]]\n" + "\n".join(lines) + "\n")
    return file


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server() -> TokenServer:
    return TokenServer([RSA, EC])


def tokens(
    file: Path, server: TokenServer, clock: Clock | None = None, **rules: Any
) -> TokenOfServer:
    (account,) = read_credentials(file)
    return TokenOfServer(
        account,
        AddressRules(**rules),
        server,
        new_id=lambda: str(uuid4()),
        monotonic=clock or Clock(),
        now=lambda: NOW,
    )


# --- the assertion --------------------------------------------------------------------------------


@pytest.mark.parametrize("alg", ["RS384", "ES384"])
async def test_a_token_is_given_for_an_assertion_that_can_be_verified(
    tmp_path: Path, server: TokenServer, alg: str
) -> None:
    source = tokens(credentials(tmp_path, alg=alg), server)
    assert await source.token("Patient") == "canary-1"
    (header,), (claims,), (form,) = server.headers, server.claims, server.forms
    assert header == {"alg": alg, "kid": "ec-1" if alg == "ES384" else "rsa-1", "typ": "JWT"}
    assert claims.pop("jti")
    assert claims == {
        "iss": "refractory-cds",
        "sub": "refractory-cds",
        "aud": TOKEN_URL,
        "iat": NOW,
        "exp": NOW + ASSERTION_SECONDS,
    }
    assert ASSERTION_SECONDS <= 300
    del form["client_assertion"]
    assert form == {
        "grant_type": "client_credentials",
        "scope": "system/*.rs",
        "client_assertion_type": BEARER,
    }


async def test_each_assertion_has_an_id_of_its_own(tmp_path: Path, server: TokenServer) -> None:
    source = tokens(credentials(tmp_path), server)
    source.refuse(await source.token("Patient"))
    await source.token("Patient")
    assert len({claims["jti"] for claims in server.claims}) == 2


async def test_the_endpoint_is_well_known_or_named(tmp_path: Path, server: TokenServer) -> None:
    await tokens(credentials(tmp_path), server).token("Patient")
    assert server.paths == ["/fhir/.well-known/smart-configuration", "/oauth2/token"]
    server.asked.clear()
    await tokens(credentials(tmp_path, token_url=TOKEN_URL), server).token("Patient")
    assert server.paths == ["/oauth2/token"]


# --- how long a token is kept ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expires_in", "life"),
    [
        pytest.param(300, 300, id="five minutes"),
        pytest.param("300", 300, id="as text"),
        pytest.param(10**9, 3600, id="for ever: an hour"),
        pytest.param(None, SHORT_SECONDS, id="not said: a minute"),
        pytest.param(0, SHORT_SECONDS, id="zero"),
        pytest.param(-5, SHORT_SECONDS, id="negative"),
        pytest.param("soon", SHORT_SECONDS, id="no number"),
        pytest.param({}, SHORT_SECONDS, id="an object"),
    ],
)
async def test_a_token_is_kept_until_shortly_before_its_end(
    tmp_path: Path, server: TokenServer, expires_in: Any, life: float
) -> None:
    clock = Clock()
    server.members = {"expires_in": expires_in}
    source = tokens(credentials(tmp_path), server, clock)
    await source.token("Patient")
    clock.now = life - SPARE_SECONDS - 0.001
    assert await source.token("Patient") == "canary-1"
    clock.now = life - SPARE_SECONDS
    assert await source.token("Patient") == "canary-2"


async def test_many_that_wait_are_given_one_token(tmp_path: Path, server: TokenServer) -> None:
    server.seconds = 0.05
    source = tokens(credentials(tmp_path), server)
    assert set(await asyncio.gather(*(source.token("Patient") for _ in range(50)))) == {"canary-1"}
    assert server.given == 1


async def test_one_who_stops_waiting_takes_the_token_from_nobody(
    tmp_path: Path, server: TokenServer
) -> None:
    server.seconds = 0.1
    source = tokens(credentials(tmp_path), server)
    hasty = asyncio.create_task(source.token("Patient"))
    patient = asyncio.create_task(source.token("Patient"))
    await asyncio.sleep(0.02)
    hasty.cancel()
    assert await patient == "canary-1"
    assert server.given == 1


async def test_a_token_that_the_server_does_not_take_is_fetched_again_once(
    tmp_path: Path, server: TokenServer
) -> None:
    source = tokens(credentials(tmp_path), server)
    client = FhirClient(BASE, source, transport=server)
    await client.read("Patient", "p1")
    server.valid = set()  # revoked
    server.asked.clear()
    searches = (client.search(kind, [("patient", "p1")]) for kind in ("Condition", "Observation"))
    found = await asyncio.gather(*searches, client.read("Patient", "p1"))
    assert len(found) == 3
    assert server.given == 2, "three requests were refused, and one token asked for"


async def test_a_server_that_takes_no_token_at_all_is_asked_twice_and_no_more(
    tmp_path: Path, server: TokenServer
) -> None:
    class Closed(TokenServer):
        def _token(self, body: str) -> httpx.Response:
            answer = super()._token(body)
            self.valid = set()
            return answer

    closed = Closed([RSA])
    client = FhirClient(BASE, tokens(credentials(tmp_path), closed), transport=closed)
    with pytest.raises(FhirError, match="refused Patient with 401"):
        await client.read("Patient", "p1")
    assert closed.given == 2
    assert closed.paths.count("/fhir/Patient/p1") == 2


async def test_a_403_is_no_reason_for_another_token(tmp_path: Path, server: TokenServer) -> None:
    asked: list[str] = []

    class Forbidding(TokenServer):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path.startswith("/fhir/Patient"):
                asked.append(request.url.path)
                return said(b"", 403)
            return await super().handle_async_request(request)

    forbidding = Forbidding([RSA])
    client = FhirClient(BASE, tokens(credentials(tmp_path), forbidding), transport=forbidding)
    with pytest.raises(FhirError, match="403"):
        await client.read("Patient", "p1")
    assert (len(asked), forbidding.given) == (1, 1)


# --- an endpoint that cannot be trusted -----------------------------------------------------------

REFUSED, DOWN = FhirTokenUnusable, FhirUnavailable
BAD_ANSWERS = [
    pytest.param(said(b"", 400), REFUSED, id="400"),
    pytest.param(said(b'{"error":"invalid_client"}', 401), REFUSED, id="401"),
    pytest.param(said(b"", 302, location="https://evil.example/"), REFUSED, id="a redirect"),
    pytest.param(said(b"", 307, location=TOKEN_URL), REFUSED, id="a redirect to itself"),
    pytest.param(said(b"", 429), DOWN, id="429"),
    pytest.param(said(b"", 500), DOWN, id="500"),
    pytest.param(said(b"<html>"), REFUSED, id="a page"),
    pytest.param(said(b"[]"), REFUSED, id="a list"),
    pytest.param(said(b"{}"), REFUSED, id="no token"),
    pytest.param(said(b"\xff"), REFUSED, id="no text"),
    pytest.param(said(b'{"access_token":5,"token_type":"Bearer"}'), REFUSED, id="a number"),
    pytest.param(
        said(b'{"access_token":"x\\r\\nX: y","token_type":"Bearer"}'), REFUSED,
        id="a line break in the token",
    ),
    pytest.param(said(b'{"access_token":"x"}'), REFUSED, id="no type"),
    pytest.param(
        said(b'{"access_token":"x","token_type":"mac"}'), REFUSED, id="another type"
    ),
    pytest.param(
        said(b'{"access_token":"x","token_type":"Bearer"}' + b" " * LARGEST_ANSWER),
        REFUSED, id="too long",
    ),
    pytest.param(
        said(gzip.compress(b" " * 50_000_000), content_encoding="gzip"),
        REFUSED, id="a bomb",
    ),
    pytest.param(httpx.ConnectError("canary-word"), DOWN, id="no connection"),
    pytest.param(httpx.ReadTimeout("canary-word"), DOWN, id="no answer"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "error"), BAD_ANSWERS)
async def test_an_endpoint_that_gives_no_token_is_an_error_without_its_words(
    tmp_path: Path, server: TokenServer, answer: Any, error: type[FhirError]
) -> None:
    server.answer = (
        answer
        if isinstance(answer, Exception)
        else httpx.Response(
            answer.status_code,
            headers=answer.headers,
            stream=httpx.ByteStream(b"".join(answer.stream)),
        )
    )
    source = tokens(credentials(tmp_path, token_url=TOKEN_URL), server)
    with pytest.raises(error) as caught:
        await source.token("Patient")
    for secret in ("canary", "ehr.example", "evil", "invalid_client", "oauth2"):
        assert secret not in repr(caught.value)
    assert caught.value.http_status == 412
    assert {request.url.host for request in server.asked} == {"ehr.example"}
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "said_to_be",
    [
        pytest.param({"token_endpoint": "http://ehr.example/token"}, id="http"),
        pytest.param({"token_endpoint": "http://localhost:1/token"}, id="this machine"),
        pytest.param({"token_endpoint": "https://localhost/token"}, id="this machine by TLS"),
        pytest.param({"token_endpoint": "https://10.0.0.1/token"}, id="a private network"),
        pytest.param({"token_endpoint": "https://169.254.169.254/token"}, id="metadata"),
        pytest.param({"token_endpoint": "https://u@ehr.example/token"}, id="user-info"),
        pytest.param({"token_endpoint": "ftp://ehr.example/token"}, id="another scheme"),
        pytest.param({"token_endpoint": "/oauth2/token"}, id="relative"),
        pytest.param({"token_endpoint": 5}, id="a number"),
        pytest.param({}, id="none"),
        pytest.param([], id="a list"),
    ],
)
async def test_a_well_known_endpoint_that_may_not_be_asked_is_not_asked(
    tmp_path: Path, server: TokenServer, said_to_be: Any
) -> None:
    server.configuration = said_to_be
    with pytest.raises(FhirTokenUnusable):
        await tokens(credentials(tmp_path), server).token("Patient")
    assert [str(request.url) for request in server.asked] == [CONFIGURATION]


async def test_an_endpoint_of_this_machine_may_be_asked_where_loopback_is_allowed(
    tmp_path: Path, server: TokenServer
) -> None:
    server.configuration = {"token_endpoint": "http://127.0.0.1:8002/token"}
    with pytest.raises(FhirTokenUnusable, match="gave no"):
        await tokens(credentials(tmp_path), server, loopback_ok=True).token("Patient")
    assert str(server.asked[-1].url) == "http://127.0.0.1:8002/token"


# --- through the hook -----------------------------------------------------------------------------


@pytest.fixture
def said_in_log(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    with caplog.at_level(logging.DEBUG):
        yield lambda: "\n".join(str(record.__dict__) for record in caplog.records)


async def test_a_call_without_a_token_reads_with_the_services_own_and_it_stays_secret(
    tmp_path: Path, server: TokenServer, said_in_log: Callable[[], str]
) -> None:
    settings = {"fhir_credentials_file": credentials(tmp_path), "fhir_servers": (BASE,)}
    log = tmp_path / "log"
    with serving(log, transport=server, settings=settings) as served:
        for _ in range(2):
            answer = await served.hook(call(fhirServer=BASE))
            assert (answer.status_code, answer.json()) == (200, {"cards": []})
        assert server.given == 1
        with_token = [r for r in server.asked if "canary" in str(r.headers.raw)]
        assert len(with_token) >= 2 * len(KEYS)
        secrets = [b"canary-", RSA.as_pem(private=True)[100:160], b"client_assertion", b"eyJ"]
        for said_there in (everything_in(served), said_in_log().encode(), answer.content):
            for secret in secrets:
                assert secret not in said_there


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"fhirServer": "https://ehr.example/fhir2"}, id="another base"),
        pytest.param({"fhirServer": "https://ehr.example"}, id="the base above"),
        pytest.param(
            {"fhirServer": BASE, "fhirAuthorization": {"access_token": "of-the-call"}},
            id="a token of the call",
        ),
        pytest.param(
            {"fhirServer": BASE, "fhirAuthorization": {"access_token": "x", "expires_in": 0}},
            id="an expired token of the call",
        ),
    ],
)
async def test_the_services_own_token_is_for_that_very_base_and_for_calls_without_one(
    tmp_path: Path, server: TokenServer, changes: dict[str, Any]
) -> None:
    settings = {"fhir_credentials_file": credentials(tmp_path)}
    with serving(tmp_path / "log", transport=server, settings=settings) as served:
        answer = await served.hook(call(**changes))
    assert answer.status_code == 412
    assert server.given == 0
    assert "canary" not in str([r.headers.raw for r in server.asked])


async def test_a_server_that_gives_no_token_is_412(tmp_path: Path, server: TokenServer) -> None:
    server.answer = said(b"", 400)
    settings = {"fhir_credentials_file": credentials(tmp_path, token_url=TOKEN_URL)}
    with serving(tmp_path / "log", transport=server, settings=settings) as served:
        answer = await served.hook(call(fhirServer=BASE))
    assert (answer.status_code, issue_of(answer)["code"]) == (412, "forbidden")


@pytest.mark.parametrize(
    ("base", "is_named"),
    [(BASE, True), (f"{BASE}/", True), (f"{BASE}2", False), ("nowhere", False)],
)
def test_assess_reads_a_named_server_with_the_services_own_token(
    tmp_path: Path, base: str, is_named: bool
) -> None:
    assert at_terminal._own_token(base, None) is None
    assert (at_terminal._own_token(base, credentials(tmp_path)) is not None) is is_named


def test_no_secret_is_in_the_digest_of_the_settings(tmp_path: Path) -> None:
    """The file's name is in it, its keys are not: another key leaves it as it is."""
    file = credentials(tmp_path)
    settings = settings_for(tmp_path, fhir_credentials_file=file)
    before = config_digest(settings)
    write_key(tmp_path / "key.pem", RSAKey.generate_key(2048).as_pem(private=True))
    assert config_digest(settings) == before
    assert "PRIVATE" not in str(settings.model_dump())


# --- the file -------------------------------------------------------------------------------------


def test_a_key_may_be_a_jwk(tmp_path: Path) -> None:
    file = credentials(tmp_path, key_file="key.json", alg="ES384")
    write_key(tmp_path / "key.json", json.dumps(EC.as_dict(private=True)).encode())
    (account,) = read_credentials(file)
    assert (account.alg, account.kid, str(account.base)) == ("ES384", "ec-1", BASE)
    assert "d" in account.key.as_dict(private=True)
    assert "key" not in repr(account).replace("key_file", "")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o666, 0o620])
@pytest.mark.skipif(os.name == "nt", reason="no such rights there")
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = credentials(tmp_path)
    (tmp_path / "key.pem").chmod(mode)
    with pytest.raises(UsageError, match="others than its owner"):
        read_credentials(file)


@pytest.mark.parametrize(
    ("content", "alg"),
    [
        pytest.param(b"", "RS384", id="empty"),
        pytest.param(b"canary-word", "RS384", id="no key"),
        pytest.param(b'{"kty":"canary-word"}', "RS384", id="no JWK"),
        pytest.param(b"{", "ES384", id="no JSON"),
        pytest.param(RSA.as_pem(private=False), "RS384", id="a public key"),
        pytest.param(json.dumps(RSA.as_dict(private=False)).encode(), "RS384", id="a public JWK"),
        pytest.param(EC.as_pem(private=True), "RS384", id="a curve for RSA"),
        pytest.param(RSA.as_pem(private=True), "ES384", id="RSA for a curve"),
        pytest.param(
            ECKey.generate_key("P-256").as_pem(private=True), "ES384", id="another curve"
        ),
    ],
)  # fmt: skip
def test_a_key_that_cannot_sign_is_refused_without_being_quoted(
    tmp_path: Path, content: bytes, alg: str
) -> None:
    file = credentials(tmp_path, alg=alg)
    write_key(tmp_path / "key.pem", content)
    with pytest.raises(UsageError) as caught:
        read_credentials(file)
    assert "key.pem" in str(caught.value)
    assert "canary-word" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"base": "ftp://x"}, "an address is not a plain"),
        ({"base": None}, r"servers\.0\.base"),
        ({"client_id": ""}, r"servers\.0\.client_id"),
        ({"kid": None}, r"servers\.0\.kid"),
        ({"alg": "HS256"}, r"servers\.0\.alg"),
        ({"alg": "none"}, r"servers\.0\.alg"),
        ({"scope": "a\nb"}, r"servers\.0\.scope"),
        ({"token_url": "https://u@x.example/"}, "an address is not a plain"),
        ({"key_file": "nowhere.pem"}, "nowhere.pem: No such file"),
        ({"client_secret": "canary-word"}, r"servers\.0\.client_secret"),
    ],
    ids=str,
)
def test_a_file_that_is_not_as_it_should_be_is_refused_with_the_place(
    tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        read_credentials(credentials(tmp_path, **changes))
    assert "canary-word" not in str(caught.value)


def test_no_file_and_no_toml_are_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_credentials(tmp_path / "nowhere.toml")
    (tmp_path / "x.toml").write_text("[[")
    with pytest.raises(UsageError, match="not a TOML file"):
        read_credentials(tmp_path / "x.toml")


@pytest.mark.parametrize("named", [True, False], ids=["token_url", "no token_url"])
def test_servers_that_share_a_key_name_their_endpoints(tmp_path: Path, named: bool) -> None:
    """Else one could name the endpoint of the other, and be sent the token for it."""
    file = credentials(tmp_path, token_url=TOKEN_URL if named else None)
    one = file.read_text()
    file.write_text(one + one.replace(BASE, "https://other.example/fhir"))
    if named:
        assert len(read_credentials(file)) == 2
    else:
        with pytest.raises(UsageError, match="need a token_url each"):
            read_credentials(file)


def test_a_server_may_stand_once(tmp_path: Path) -> None:
    file = credentials(tmp_path, token_url=TOKEN_URL)
    file.write_text(file.read_text() * 2)
    with pytest.raises(UsageError, match="stands twice"):
        read_credentials(file)
