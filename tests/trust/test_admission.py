"""The door of the service: what it lets through, how it refuses, and what is on record."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hooks.calls import call, myeloma, prefetch_of
from hooks.serving import EHR, NOON, everything_in, issue_of, serving, settings_for

from cds_service.app import create_app
from cds_service.errors import TrustUnavailable, UsageError
from cds_service.trust import refusals
from trust.at_the_door import ELSEWHERE, HOOK, PUBLIC, WITH_CARD, Clock, ask, known, token_for
from trust.signing import ISS, STRANGER, signed

ORIGIN = "https://sandbox.cds-hooks.org"
BUNDLE = {
    "resourceType": "Bundle",
    "type": "collection",
    "entry": [{"resource": resource} for resource in myeloma()],
}
GUARDED: list[Any] = [
    pytest.param("/cds-services", None, id="discovery"),
    pytest.param(HOOK, WITH_CARD, id="a call"),
    pytest.param(f"{HOOK}/feedback", {"feedback": []}, id="feedback"),
    pytest.param("/api/assess", BUNDLE, id="an assessment"),
    pytest.param("/cds-services/", None, id="a final slash"),
    pytest.param("/cds-services/no-such-service", {}, id="a service that is none"),
    pytest.param(HOOK, None, id="another method"),
]


@pytest.mark.parametrize(("path", "body"), GUARDED)
async def test_whoever_is_not_known_gets_a_bare_401(path: str, body: Any, tmp_path: Path) -> None:
    with known(tmp_path) as served:
        answers = [
            await ask(served, path, body),
            await ask(served, path, body, token=signed(key=STRANGER)),
            await ask(served, path, body, token=token_for(path, aud="https://other.example")),
            await ask(served, path, body, Authorization="Basic dTpw"),
        ]
    assert {answer.status_code for answer in answers} == {401}
    assert {answer.headers["www-authenticate"] for answer in answers} == {"Bearer"}
    assert len({answer.content for answer in answers}) == 1
    assert issue_of(answers[0])["code"] == "login"
    assert {answer.headers["cache-control"] for answer in answers} == {"no-store"}


@pytest.mark.parametrize(("path", "body"), GUARDED[:4])
async def test_a_known_client_is_answered(path: str, body: Any, tmp_path: Path) -> None:
    card = {"card": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea", "outcome": "overridden"}
    if path.endswith("feedback"):
        body = {"feedback": [card | {"outcomeTimestamp": NOON.isoformat()}]}
    with known(tmp_path) as served:
        answer = await ask(served, path, body, token=token_for(path))
        again = await ask(served, f"{path}?x=1", body, token=token_for(path))
    assert (answer.status_code, again.status_code) == (200, 200)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/knowledge/"]
)
async def test_what_holds_nothing_of_a_patient_stays_open(path: str, tmp_path: Path) -> None:
    with known(tmp_path) as served:
        answer = await ask(served, path, None)
    assert answer.status_code == 200
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_browsers_may_ask_and_may_read_refusals(tmp_path: Path) -> None:
    with known(tmp_path) as served:
        preflight = await served.http.options(
            HOOK,
            headers={
                "Origin": ORIGIN,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization,content-type",
            },
        )
        refused = await ask(served, Origin=ORIGIN)
    assert preflight.status_code == 200
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == ORIGIN


async def test_who_called_is_on_record(tmp_path: Path) -> None:
    with known(tmp_path) as served:
        token = token_for(jti="one", tenant="north")
        assert (await ask(served, token=token, address=ELSEWHERE)).status_code == 200
        assert served.last()["client"] == {
            "iss": ISS,
            "aud": PUBLIC + HOOK,
            "jti": "one",
            "kid": "ec",
            "alg": "ES384",
            "tenant": "north",
            "networkOrigin": ELSEWHERE,
        }
        assert token.encode() not in everything_in(served)


async def test_a_refusal_is_on_record_with_its_reason(
    tmp_path: Path, said: Callable[[], str]
) -> None:
    with known(tmp_path) as served:
        token = token_for(jti="one")
        await ask(served, token=token)
        await ask(served, token=token, address=ELSEWHERE)
        entry = served.last()
    assert entry["eventType"] == "auth-failure"
    assert (entry["reason"], entry["httpStatus"]) == ("replayed-token", 401)
    assert entry["serviceId"] == "refractory-status"
    assert entry["client"] == {"iss": ISS, "jti": "one", "networkOrigin": ELSEWHERE}
    assert '"cause": "replayed-token"' in said()


async def test_a_call_for_no_service_is_on_record_without_its_name(tmp_path: Path) -> None:
    with known(tmp_path) as served:
        await ask(served, "/cds-services/CANARY7/feedback", {})
        assert served.last()["serviceId"] == "unknown"
        assert "CANARY7" not in served.searchable()


async def test_nothing_of_a_token_is_heard_but_issuer_tenant_and_id(
    tmp_path: Path, said: Callable[[], str]
) -> None:
    secrets = {"aud": "CANARY-aud", "sub": "CANARY-sub", "more": {"x": "CANARY-more"}}
    tokens = [
        signed({"iss": ISS, "jti": "heard"} | secrets),
        signed({"aud": PUBLIC + HOOK, "sub": "CANARY-sub"}, head={"kid": "CANARY-kid"}),
        signed({"aud": PUBLIC + HOOK, "more": "CANARY-more"}, key=STRANGER),
        signed({"aud": PUBLIC + HOOK}, head={"jku": "https://CANARY.example/k"}),
        signed({"aud": PUBLIC + HOOK}, head={"alg": "CANARY-alg"}, signs_as="ES384"),
        token_for(sub="CANARY-sub", aud=[PUBLIC + HOOK, "https://CANARY.example"]),
    ]
    with known(tmp_path) as served:
        answers = [await ask(served, token=token) for token in tokens]
        assert [answer.status_code for answer in answers] == [401] * 5 + [200]
        metrics = (await served.http.get("/metrics")).text
        stored = everything_in(served).decode("utf-8", "replace")
    file = b"".join(path.read_bytes() for path in tmp_path.glob("*.trust*"))
    answered = "".join(answer.text + str(answer.headers) for answer in answers)
    everything = [said(), metrics, stored, answered, file.decode("latin-1")]
    assert "heard" in stored
    for text in everything:
        assert "CANARY" not in text
        assert not any(part in text for token in tokens for part in token.split(".")[1:])


async def test_a_flood_of_bad_tokens_is_counted_and_told_in_few_entries(
    tmp_path: Path, said: Callable[[], str]
) -> None:
    with known(tmp_path) as served:
        for _ in range(50):
            assert (await ask(served, address=ELSEWHERE)).status_code == 401
        for number in range(100):
            await ask(served, address=f"198.51.100.{number}")
        assert served.size() == refusals.SINGLY
        first = [entry["client"]["networkOrigin"] for entry in served.entries()]
        assert first.count(ELSEWHERE) == refusals.SINGLY_OF_ONE
        metrics = (await served.http.get("/metrics")).text
        assert 'refractory_cds_refusals_total{cause="no-token"}' in metrics
        assert said().count("call.refused") == refusals.SINGLY
        async with served.app.router.lifespan_context(served.app):
            pass  # what has not been told is, when the service stops
        told = [entry for entry in served.entries() if entry.get("repeated")]
    assert len(told) <= refusals.SUMMED + 1
    assert sum(entry["repeated"] for entry in told) == 150 - refusals.SINGLY
    by_address = {entry.get("client", {}).get("networkOrigin"): entry["repeated"] for entry in told}
    assert by_address[ELSEWHERE] == 40


async def test_without_the_memory_of_tokens_the_door_stays_shut(tmp_path: Path) -> None:
    with known(tmp_path) as served:
        assert (await ask(served, token=token_for())).status_code == 200
        with closing(sqlite3.connect(tmp_path / "decisions.db.trust")) as db:
            db.execute("DROP TABLE seen")
        answer = await ask(served, token=token_for())
        assert answer.status_code == 503
        assert issue_of(answer)["code"] == "no-store"
        assert "cards" not in answer.text
        assert served.last()["reason"] == "trust-unavailable"
        assert (await ask(served, token=signed(key=STRANGER))).status_code == 401


def test_without_a_place_for_that_memory_the_service_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "decisions.db.trust").mkdir()
    with pytest.raises(TrustUnavailable), known(tmp_path):
        pass


async def test_off_looks_at_no_token(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        for token in (None, "nonsense", signed(key=STRANGER)):
            assert (await ask(served, token=token)).status_code == 200
        assert "iss" not in served.last()["client"]
        assert not list(tmp_path.glob("*.trust"))
    other = tmp_path / "other"
    other.mkdir()
    with known(other, settings={"jwt": "off"}) as served:
        assert (await ask(served)).status_code == 200


def test_tokens_cannot_be_required_of_nobody(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"REFRACTORY_CDS_JWT: .*REFRACTORY_CDS_CLIENTS_FILE"):
        create_app(settings_for(tmp_path, jwt="required"))


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8000", 200),
        ("127.0.0.1:8000", 200),
        ("[::1]:8000", 200),
        ("cds.test", 401),
        ("another-service.example", 401),
        ("localhost.example", 401),
        ("127.0.0.1.example", 401),
        ("localhost:8000/x@cds.test", 401),
    ],
)
async def test_without_a_public_address_only_this_machine_is_an_audience(
    tmp_path: Path, host: str, status: int
) -> None:
    with known(tmp_path, settings={"public_url": ""}) as served:
        good = signed({"aud": f"http://{host}{HOOK}"})
        assert (await ask(served, token=good, Host=host)).status_code == status
        assert (await ask(served, token=token_for())).status_code == 401


async def test_a_public_address_may_have_a_path_and_a_final_slash(tmp_path: Path) -> None:
    with known(tmp_path, settings={"public_url": "https://cds.example/onc/"}) as served:
        good = signed({"aud": f"https://cds.example/onc{HOOK}"})
        assert (await ask(served, token=good)).status_code == 200


OTHER = "https://other.example"


@pytest.mark.parametrize(
    ("changes", "orphan"),
    [
        pytest.param({"tenant": "north"}, None, id="the same client"),
        pytest.param({"tenant": "south"}, "other-client", id="another tenant"),
        pytest.param({}, "other-client", id="no tenant"),
        pytest.param({"iss": OTHER, "tenant": "north"}, "other-client", id="another issuer"),
    ],
)
async def test_feedback_of_another_client_or_tenant_counts_for_nothing(
    changes: dict[str, Any], orphan: str | None, tmp_path: Path
) -> None:
    path = f"{HOOK}/feedback"
    with known(tmp_path, {}, {"iss": OTHER}) as served:
        answered = await ask(served, token=token_for(tenant="north"))
        card = answered.json()["cards"][0]["uuid"]
        feedback = {"card": card, "outcome": "overridden", "outcomeTimestamp": NOON.isoformat()}
        given = await ask(served, path, {"feedback": [feedback]}, token=token_for(path, **changes))
        assert given.status_code == 200
        assert served.last().get("orphan") == orphan


@pytest.mark.parametrize(
    ("tenant", "is_repeated"), [("north", True), ("south", False), (None, False)]
)
async def test_a_call_is_a_repeat_of_its_own_client_and_tenant_only(
    tenant: str | None, is_repeated: bool, tmp_path: Path
) -> None:
    with known(tmp_path) as served:
        await ask(served, token=token_for(tenant="north"))
        await ask(served, token=token_for(**({"tenant": tenant} if tenant else {})))
        assert ("duplicateOf" in served.last().envelope) is is_repeated


@pytest.mark.parametrize(
    ("listed", "settings", "status"),
    [
        pytest.param([EHR], {}, 200, id="its own"),
        pytest.param([EHR], {"fhir_servers": ("https://x.example",)}, 200, id="its own first"),
        pytest.param(["https://x.example/fhir"], {}, 412, id="not its own"),
        pytest.param(["https://x.example/fhir"], {"fhir_servers": (EHR,)}, 412, id="others' only"),
        pytest.param(None, {"fhir_servers": (EHR,)}, 200, id="no list: as settings say"),
        pytest.param(None, {"fhir_servers": ("https://x.example",)}, 412, id="not in settings"),
    ],
)
async def test_a_client_may_name_the_fhir_servers_of_its_list(
    listed: list[str] | None, settings: dict[str, Any], status: int, tmp_path: Path
) -> None:
    entry = {"fhir_servers": listed} if listed else {}
    with known(tmp_path, entry, settings=settings, chart=myeloma()) as served:
        answer = await ask(served, HOOK, call(fhirServer=EHR), token=token_for())
        assert answer.status_code == status
        assert bool(served.wire.asked) is (status == 200)


async def test_the_clock_of_tokens_is_that_of_the_service(tmp_path: Path) -> None:
    clock = Clock()
    with known(tmp_path, clock=clock) as served:
        token = token_for()
        clock.seconds += 361
        assert (await ask(served, token=token)).status_code == 401
        assert served.last()["reason"] == "expired-token"


async def test_a_complete_prefetch_is_answered_as_before(tmp_path: Path) -> None:
    with known(tmp_path) as served:
        body = call(prefetch_of(myeloma()))
        assert len((await ask(served, HOOK, body, token=token_for())).json()["cards"]) == 1
