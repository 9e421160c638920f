"""Connections that clients share: each list widens only what its own hosts may stand for."""

from __future__ import annotations

import pytest

from cds_service.fhir.allowed import AddressRules
from cds_service.trust.addresses import key_rules, shared_rules
from cds_service.trust.clients import KnownClient

PRIVATE, PUBLIC, METADATA, HERE = "10.1.2.3", "93.184.216.34", "169.254.169.254", "127.0.0.1"


def client(*bases: str) -> KnownClient:
    return KnownClient("https://ehr.example", fhir_rules=AddressRules.listed(bases))


@pytest.mark.parametrize(
    ("host", "address", "permitted"),
    [
        pytest.param("fhir.inside", PRIVATE, True, id="a listed host in a private network"),
        pytest.param("fhir.inside", METADATA, False, id="a listed host is the metadata service"),
        pytest.param("fhir.inside", HERE, False, id="a listed host turns out to be this machine"),
        pytest.param("other.example", PUBLIC, True, id="any public host, as without lists"),
        pytest.param("other.example", PRIVATE, False, id="another host in a private network"),
        pytest.param("sub.fhir.inside", PRIVATE, False, id="below a listed host"),
        pytest.param("fd12::1", "fd12::1", True, id="a listed address of IPv6"),
        pytest.param("fd12::2", "fd12::2", False, id="another one"),
    ],
)
def test_the_list_of_a_client_is_for_its_own_hosts(
    host: str, address: str, permitted: bool
) -> None:
    clients = {"a": client("https://fhir.inside/r4"), "b": client("https://[fd12::1]/fhir")}
    assert shared_rules(AddressRules(), clients).permits(host, address) is permitted


def test_the_general_list_goes_on_to_count() -> None:
    general = AddressRules.listed(["https://hospital.inside/fhir"])
    rules = shared_rules(general, {"a": client("https://fhir.inside/r4")})
    assert rules.permits("hospital.inside", PRIVATE)
    assert str(rules.check("https://hospital.inside/fhir")) == "https://hospital.inside/fhir"
    assert shared_rules(general, {"a": KnownClient("https://ehr.example")}) is general


@pytest.mark.parametrize(
    ("host", "address", "permitted"),
    [
        ("keys.inside", PRIVATE, True),
        ("keys.inside", HERE, False),
        ("keys.inside", METADATA, False),
        ("localhost", HERE, True),
    ],
)
def test_keys_are_read_where_the_file_says_and_never_from_a_metadata_service(
    host: str, address: str, permitted: bool
) -> None:
    known = KnownClient(
        "https://ehr.example",
        jwks_url="https://keys.inside/k",
        jku=frozenset({"http://localhost/k"}),
    )
    assert key_rules({"a": known}).permits(host, address) is permitted
