"""The file of known clients: what it may say, and where a fault in it stands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey

from cds_service.errors import UsageError
from cds_service.trust.clients import load_clients
from trust.signing import EC, EC_256, GONE, ISS, RSA, Members, all_toml, jwks, public, toml

P521 = ECKey.generate_key("P-521", {"kid": "p521"})


def load(folder: Path, text: str, keys: bytes = jwks(EC, RSA)) -> Any:
    (folder / "keys.json").write_bytes(keys)
    (folder / "clients.toml").write_text(text)
    return load_clients(folder / "clients.toml")


def test_what_is_not_said_has_a_careful_default(tmp_path: Path) -> None:
    client = load(tmp_path, toml())[ISS]
    assert client.algorithms == {"ES384", "RS384"}
    assert client.most_seconds == 300
    assert client.tenants is client.fhir_rules is client.calls_a_minute is None
    assert client.jwks_file == tmp_path / "keys.json"


def test_everything_can_be_said(tmp_path: Path) -> None:
    entry: Members = {
        "jwks_file": GONE,
        "jwks_url": "https://ehr.example/keys",
        "jku": ["https://ehr.example/jku", "http://localhost:9000/jku"],
        "algorithms": ["RS256"],
        "tenants": ["a"],
        "most_seconds": 3600,
        "keys_seconds": 60,
        "fhir_servers": ["https://fhir.example/r4"],
        "calls_a_minute": 1,
    }
    client = load(tmp_path, all_toml([entry, {"iss": "https://other.example"}]))[ISS]
    assert client.key_addresses == {entry["jwks_url"], *entry["jku"]}
    assert str(client.fhir_rules.check("https://fhir.example/r4/")) == entry["fhir_servers"][0]


FAULTS: list[Any] = [
    pytest.param("", "clients: Field required", id="an empty file"),
    pytest.param("clients = []", "clients: Tuple should have at least 1 item", id="no client"),
    pytest.param("clients = 5", "clients: ", id="no list"),
    pytest.param("[[clients]", "at line 1", id="no TOML"),
    pytest.param(toml() + toml(), "clients[1].iss: stands there twice", id="one issuer twice"),
    pytest.param(toml(iss=GONE), "clients[0].iss: Field required", id="no issuer"),
    pytest.param(toml(iss=""), "clients[0].iss: ", id="an empty issuer"),
    pytest.param(toml(iss="a b"), "clients[0].iss: ", id="a space in the issuer"),
    pytest.param(toml(colour="x"), "clients[0].colour: Extra inputs", id="an unknown member"),
    pytest.param(toml(jwks_file=GONE), "clients[0]: no keys", id="no keys"),
    pytest.param(
        toml(jwks_url="https://ehr.example/k"), "clients[0]: jwks_file and jwks_url", id="two keys"
    ),
    pytest.param(
        toml(jwks_file="none.json"), "clients[0].jwks_file: none.json: No such", id="no key file"
    ),
    *(
        pytest.param(
            toml(algorithms=[name]), "clients[0].algorithms[0]: Input should be", id=f"alg {name!r}"
        )
        for name in ("none", "None", "HS256", "HS384", "HS512", "ES512", "PS384", "EdDSA", "es384")
    ),
    pytest.param(toml(algorithms=[]), "clients[0].algorithms: ", id="no algorithm"),
    pytest.param(toml(tenants=[]), "clients[0].tenants: ", id="no tenant in a list"),
    pytest.param(toml(most_seconds=0), "clients[0].most_seconds: ", id="no life"),
    pytest.param(toml(most_seconds=3601), "clients[0].most_seconds: ", id="a life over an hour"),
    pytest.param(toml(most_seconds=True), "clients[0].most_seconds: ", id="a life of true"),
    pytest.param(toml(most_seconds="60"), "clients[0].most_seconds: ", id="a life as text"),
    pytest.param(toml(keys_seconds=59), "clients[0].keys_seconds: ", id="keys for 59 s"),
    pytest.param(toml(calls_a_minute=0), "clients[0].calls_a_minute: ", id="no calls"),
    pytest.param(
        toml(fhir_servers=["https://a.example", "ftp://b.example"]),
        "clients[0].fhir_servers[1]: not a plain",
        id="a FHIR server that is none",
    ),
    pytest.param(toml(fhir_servers=[]), "clients[0].fhir_servers: ", id="no FHIR server in a list"),
    *(
        pytest.param(toml(jku=[address]), "clients[0].jku[0]: ", id=f"jku {address!r}")
        for address in (
            "http://ehr.example/k",
            "http://127.0.0.1.example.org/k",
            "https://user@ehr.example/k",
            "https://ehr.example/k#x",
            "file:///etc/passwd",
            "ehr.example",
        )
    ),
    pytest.param(
        toml(jwks_file=GONE, jwks_url="http://ehr.example/k"),
        "clients[0].jwks_url: keys are read by https only",
        id="keys by plain http",
    ),
]


@pytest.mark.parametrize(("text", "said"), FAULTS)
def test_a_fault_is_told_with_file_and_place(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load(tmp_path, text)
    complaint = str(caught.value)
    assert complaint.startswith(f"{tmp_path / 'clients.toml'}: ")
    assert said in complaint
    assert len(complaint.splitlines()) == 1


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"clients\.toml: No such file"):
        load_clients(tmp_path / "clients.toml")


KEY_FAULTS: list[Any] = [
    pytest.param(b"<html>", "not JSON", id="HTML"),
    pytest.param(b"[]", "not a JSON object", id="a list"),
    pytest.param(b"{}", "not a JWK Set", id="no keys"),
    pytest.param(b'{"keys": [5]}', "not a JWK Set", id="a key that is a number"),
    pytest.param(b'{"keys": [], "keys": []}', "twice", id="keys twice"),
    pytest.param(jwks(), "no key for", id="an empty set"),
    pytest.param(jwks(EC.as_dict(private=True)), "private or symmetric", id="a private EC key"),
    pytest.param(jwks(RSA.as_dict(private=True)), "private or symmetric", id="a private RSA key"),
    pytest.param(
        jwks(EC, public(RSA, p="x")), "keys[1] holds private", id="a part of a private key"
    ),
    pytest.param(
        jwks({"kty": "oct", "kid": "x", "k": "c2VjcmV0"}), "private or symmetric", id="a secret"
    ),
    pytest.param(
        jwks(public(RSA, n=public(RSA)["n"][:170] + "Q")), "an RSA key of 1", id="RSA of 1024 bits"
    ),
    pytest.param(jwks(P521), "neither RSA nor EC", id="P-521"),
    pytest.param(jwks(public(EC, crv="secp256k1")), "neither RSA nor EC", id="another curve"),
    pytest.param(
        jwks(public(EC, crv="P-256")), "not a key that can be read", id="a point off its curve"
    ),
    pytest.param(jwks(public(EC, x=GONE)), "not a key that can be read", id="no x"),
    pytest.param(jwks(public(EC, x=5)), "not a key that can be read", id="x is a number"),
    pytest.param(jwks(public(RSA, e="AQ")), "not a key that can be read", id="an exponent of 1"),
    pytest.param(jwks(EC, public(EC)), "another key has its kid", id="one kid twice"),
    pytest.param(jwks(EC_256), "no key for ES384, RS384", id="a key for another algorithm"),
    pytest.param(jwks(public(EC, kid=GONE)), "no key for", id="no kid"),
    pytest.param(jwks(public(EC, use="enc")), "no key for", id="for encryption"),
    pytest.param(jwks(public(EC, key_ops=["encrypt"])), "no key for", id="key_ops without verify"),
    pytest.param(jwks(public(EC, key_ops="verify")), "no key for", id="key_ops that is no list"),
    pytest.param(jwks(public(RSA, alg="RS256")), "no key for", id="a key for RS256 alone"),
    pytest.param(jwks(public(EC, alg="HS256")), "no key for", id="an EC key for HS256"),
    pytest.param(jwks(*[public(EC, kid=str(n)) for n in range(101)]), "more than 100", id="many"),
]


@pytest.mark.parametrize(("keys", "said"), KEY_FAULTS)
def test_a_fault_among_the_keys_is_told_and_no_key_is(
    keys: bytes, said: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        load(tmp_path, toml(), keys)
    complaint = str(caught.value)
    assert "clients[0].jwks_file: keys.json: " in complaint
    assert said in complaint
    secret = json.dumps(EC.as_dict(private=True)["d"]).strip('"')
    assert secret not in complaint


@pytest.mark.parametrize(
    "jwk",
    [
        pytest.param(public(EC, use="sig"), id="use"),
        pytest.param(public(EC, key_ops=["verify"]), id="key_ops"),
        pytest.param(public(EC, alg="ES384"), id="alg"),
        pytest.param(public(RSA, alg="RS384"), id="RSA with alg"),
        pytest.param(public(EC, x5t="unknown", more={}), id="members of its own"),
    ],
)
def test_a_key_that_says_what_it_is_for_is_taken(jwk: Members, tmp_path: Path) -> None:
    assert load(tmp_path, toml(), jwks(jwk, public(P521, use="enc")))
