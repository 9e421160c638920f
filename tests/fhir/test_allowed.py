"""The address that a hook call names: hostile ones are refused, as text and as what they mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import httpcore
import pytest
from hooks.calls import REQUIRED, call, myeloma, prefetch_of
from hooks.serving import Served, issue_of, serving

from cds_service.errors import FhirUnavailable
from cds_service.fhir.allowed import AddressRules
from cds_service.fhir.client import open_connections

OPEN = AddressRules()
DEMO = AddressRules(loopback_ok=True)
LISTED = AddressRules.listed(["https://ehr.example/fhir", "http://10.1.2.3:8080/r4/"])

HOSTILE = [
    # other schemes, and none
    "",
    "ehr.example/fhir",
    "//ehr.example/fhir",
    "file:///etc/passwd",
    "ftp://ehr.example/fhir",
    "gopher://ehr.example:70/_",
    "javascript:alert(1)",
    "https:ehr.example",
    "https:///fhir",
    "https://",
    "http://ehr.example/fhir",  # no token and no chart over an open line
    # two readings of one address
    "https://user@ehr.example/fhir",
    "https://user:pw@ehr.example/fhir",
    "https://ehr.example@10.0.0.1/fhir",
    "https://ehr.example\\@10.0.0.1/fhir",
    "https://ehr.example#@10.0.0.1/",
    "https://ehr.example/fhir#x",
    "https://ehr.example/fhir?x=1",
    "https://ehr.example /fhir",
    " https://ehr.example/fhir",
    "https://ehr.example/fhir\n",
    "https://ehr.example\t/fhir",
    "https://ehr.example\r\nHost: evil.example/fhir",
    "https://ehr.example/fhir/../admin",
    "https://ehr.example/./fhir",
    "https://ehr.example/%2e%2e/admin",
    "https://ehr.example//admin",
    "https://%31%30.0.0.1/fhir",
    "https://ehr。example/fhir",
    "https://①⓪.0.0.1/fhir",
    "https://ehr.example./fhir",
    "https://-ehr.example/fhir",
    "https://ehr.example/" + "a" * 3000,
    # ports
    "https://ehr.example:/fhir",
    "https://ehr.example:0/fhir",
    "https://ehr.example:22/fhir",
    "https://ehr.example:6379/fhir",
    "https://ehr.example:65536/fhir",
    "https://ehr.example:0443/fhir",
    "https://ehr.example:443:443/fhir",
    # this machine
    "https://localhost/fhir",
    "https://LOCALHOST/fhir",
    "https://localhost./fhir",
    "https://127.0.0.1/fhir",
    "https://127.8.9.10/fhir",
    "https://127.1/fhir",
    "https://2130706433/fhir",
    "https://0x7f000001/fhir",
    "https://0x7f.0.0.1/fhir",
    "https://0177.0.0.1/fhir",
    "https://017700000001/fhir",
    "https://0/fhir",
    "https://0.0.0.0/fhir",
    "https://[::1]/fhir",
    "https://[::]/fhir",
    "https://[0:0:0:0:0:0:0:1]/fhir",
    "https://[::ffff:127.0.0.1]/fhir",
    "https://[::ffff:7f00:1]/fhir",
    "https://[::127.0.0.1]/fhir",
    "https://[64:ff9b::7f00:1]/fhir",
    "https://[2002:7f00:1::]/fhir",
    # private, link-local, metadata, multicast
    "https://10.0.0.1/fhir",
    "https://172.16.0.1/fhir",
    "https://192.168.1.1/fhir",
    "https://100.64.0.1/fhir",
    "https://169.254.169.254/latest/meta-data",
    "https://[::ffff:169.254.169.254]/latest",
    "https://[64:ff9b::a9fe:a9fe]/latest",
    "https://168.63.129.16/machine",
    "https://100.100.100.200/latest",
    "https://192.0.0.192/opc",
    "https://[fd00:ec2::254]/latest",
    "https://[fc00::1]/fhir",
    "https://[fe80::1]/fhir",
    "https://[fe80::1%25eth0]/fhir",
    "https://[fec0::1]/fhir",
    "https://[2001:db8::1]/fhir",
    "https://[2001:0:7f00:1::]/fhir",
    "https://224.0.0.1/fhir",
    "https://[ff02::1]/fhir",
    "https://255.255.255.255/fhir",
    "https://198.18.0.1/fhir",
    # names that are no public names
    "https://intranet/fhir",
    "https://metadata/computeMetadata",
    "https://ehr.1/fhir",
    "https://10.0.0.1.:443/fhir",
    "https://[ehr.example]/fhir",
]


@pytest.mark.parametrize("address", HOSTILE, ids=lambda address: repr(address)[1:60])
@pytest.mark.parametrize("rules", [OPEN, LISTED], ids=["open", "listed"])
def test_a_hostile_address_is_refused_without_being_quoted(
    rules: AddressRules, address: str
) -> None:
    with pytest.raises(FhirUnavailable) as caught:
        rules.check(address)
    assert str(caught.value).endswith("its address is not one we may read from")


@pytest.mark.parametrize(
    "address", ["https://ehr.example/fhir", "https://8.8.8.8/fhir", "https://[2606:4700::1]/r4"]
)
def test_without_a_list_any_public_server_is_read(address: str) -> None:
    assert str(OPEN.check(address)) == address


def test_an_odd_port_has_to_be_listed() -> None:
    rules = AddressRules(ports=frozenset({8443}))
    assert rules.check("https://ehr.example:8443/fhir").port == 8443
    with pytest.raises(FhirUnavailable):
        rules.check("https://ehr.example:9443/fhir")


@pytest.mark.parametrize(
    ("address", "is_listed"),
    [
        pytest.param("https://ehr.example/fhir", True, id="as listed"),
        pytest.param("https://ehr.example/fhir/", True, id="final slash"),
        pytest.param("https://EHR.example:443/fhir", True, id="another spelling"),
        pytest.param("http://10.1.2.3:8080/r4", True, id="private, because listed"),
        pytest.param("https://ehr.example/FHIR", False, id="another path"),
        pytest.param("https://ehr.example/fhir/tenant", False, id="below it"),
        pytest.param("https://ehr.example", False, id="above it"),
        pytest.param("https://ehr.example:8443/fhir", False, id="another port"),
        pytest.param("http://ehr.example/fhir", False, id="another scheme"),
        pytest.param("https://www.ehr.example/fhir", False, id="another host"),
        pytest.param("http://10.1.2.3:8080/r5", False, id="private, not listed"),
    ],
)
def test_with_a_list_only_the_servers_on_it_are_read(address: str, is_listed: bool) -> None:
    if is_listed:
        LISTED.check(address)
    else:
        with pytest.raises(FhirUnavailable):
            LISTED.check(address)


def test_a_list_with_an_odd_address_is_refused_at_start() -> None:
    with pytest.raises(ValueError, match="not a plain http or https address"):
        AddressRules.listed(["https://user@ehr.example/fhir"])


@pytest.mark.parametrize(
    "address",
    [
        "http://localhost:8001",
        "http://127.0.0.1:8001/fhir/",
        "http://[::1]:8001",
        "https://localhost",
    ],
)
def test_the_demo_reads_from_this_machine(address: str) -> None:
    DEMO.check(address)
    AddressRules.listed(["https://ehr.example/fhir"], loopback_ok=True).check(address)
    with pytest.raises(FhirUnavailable):
        OPEN.check(address)


@pytest.mark.parametrize(
    "address",
    ["http://10.0.0.1/fhir", "http://127.1:8001/fhir", "http://0x7f.1/", "http://169.254.169.254/"],
)
def test_the_demo_reads_from_no_other_private_machine(address: str) -> None:
    with pytest.raises(FhirUnavailable):
        DEMO.check(address)


@pytest.mark.parametrize(
    ("host", "ip", "is_open", "is_demo", "is_listed"),
    [
        pytest.param("ehr.example", "93.184.216.34", True, True, True, id="public"),
        pytest.param("ehr.example", "2606:4700::1", True, True, True, id="public, IPv6"),
        pytest.param("ehr.example", "64:ff9b::5db8:d822", True, True, True, id="public by NAT64"),
        pytest.param("ehr.example", "10.0.0.1", False, False, True, id="private"),
        pytest.param("ehr.example", "::ffff:10.0.0.1", False, False, True, id="private, mapped"),
        pytest.param("ehr.example", "fc00::1", False, False, True, id="private, IPv6"),
        pytest.param("ehr.example", "100.64.0.1", False, False, True, id="a provider's own"),
        pytest.param("ehr.example", "127.0.0.1", False, False, False, id="rebound to loopback"),
        pytest.param("ehr.example", "::1", False, False, False, id="rebound to loopback, IPv6"),
        pytest.param("localhost", "127.0.0.1", False, True, True, id="localhost"),
        pytest.param("[::1]", "::1", False, True, True, id="::1"),
        pytest.param("localhost", "10.0.0.1", False, False, True, id="localhost elsewhere"),
        pytest.param("ehr.example", "169.254.169.254", False, False, False, id="metadata"),
        pytest.param("ehr.example", "64:ff9b::a9fe:a9fe", False, False, False, id="by NAT64"),
        pytest.param("ehr.example", "2002:a9fe:a9fe::", False, False, False, id="by 6to4"),
        pytest.param("ehr.example", "fd00:ec2::254", False, False, False, id="metadata, IPv6"),
        pytest.param("ehr.example", "168.63.129.16", False, False, False, id="Azure's"),
        pytest.param("ehr.example", "fe80::1%eth0", False, False, False, id="link-local"),
        pytest.param("ehr.example", "0.0.0.0", False, False, False, id="unspecified"),  # noqa: S104
        pytest.param("ehr.example", "::", False, False, False, id="unspecified, IPv6"),
        pytest.param("ehr.example", "224.0.0.1", False, False, False, id="multicast"),
        pytest.param("ehr.example", "ff02::1", False, False, False, id="multicast, IPv6"),
        pytest.param("ehr.example", "255.255.255.255", False, False, False, id="broadcast"),
        pytest.param("ehr.example", "ehr.example", False, False, False, id="no address"),
    ],
)
def test_a_connection_is_opened_to_permitted_addresses_only(
    host: str, ip: str, is_open: bool, is_demo: bool, is_listed: bool
) -> None:
    assert [rules.permits(host, ip) for rules in (OPEN, DEMO, LISTED)] == [
        is_open,
        is_demo,
        is_listed,
    ]


# --- through the whole hook -----------------------------------------------------------------------


class Network(httpcore.AsyncMockBackend):
    """A resolver that gives these answers in turn, then the last for ever; opens nothing."""

    def __init__(self, *answers: Sequence[str]) -> None:
        super().__init__([])
        self.answers = list(answers) or [["93.184.216.34"]]
        self.resolved: list[str] = []
        self.opened: list[str] = []

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        self.resolved.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.opened.append(host)
        raise httpcore.ConnectError


def over(network: Network, rules: AddressRules, folder: Path) -> Iterator[Served]:
    """The service with its own connections, over this network."""
    connections = open_connections(rules, resolve=network.resolve, opener=network)
    settings = {"fhir_servers": tuple(sorted(rules.bases)), "fhir_seconds": 0.5}
    with serving(folder, transport=connections, settings=settings) as served:
        yield served


TOKEN = {"access_token": "canary-token"}


@pytest.fixture(scope="module", params=[OPEN, LISTED], ids=["open", "listed"])
def guarded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Served, Network]]:
    network = Network()
    for served in over(network, request.param, tmp_path_factory.mktemp("guarded")):
        yield served, network


@pytest.mark.parametrize("address", HOSTILE, ids=lambda address: repr(address)[1:60])
async def test_a_call_that_names_a_hostile_address_is_412_and_nobody_is_looked_up(
    guarded: tuple[Served, Network], address: str
) -> None:
    served, network = guarded
    answer = await served.hook(call(fhirServer=address, fhirAuthorization=TOKEN))
    assert answer.status_code == 412
    assert issue_of(answer)["diagnostics"].endswith("its address is not one we may read from")
    assert network.resolved == network.opened == []


@pytest.mark.parametrize("address", HOSTILE[::7], ids=lambda address: repr(address)[1:60])
async def test_a_call_that_lacks_only_optional_keys_is_answered_and_nobody_is_looked_up(
    guarded: tuple[Served, Network], address: str
) -> None:
    served, network = guarded
    answer = await served.hook(call(prefetch_of(myeloma(), keys=REQUIRED), fhirServer=address))
    assert len(answer.json()["cards"]) == 1
    assert network.resolved == network.opened == []


INNER = ["127.0.0.1", "::1", "10.0.0.1", "192.168.0.1", "169.254.169.254", "fd00:ec2::254",
         "100.100.100.200", "::", "::ffff:127.0.0.1", "64:ff9b::a9fe:a9fe"]  # fmt: skip


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("at_once", [True, False], ids=["one answer of two", "the second time"])
async def test_a_name_that_turns_to_an_inner_address_gets_no_connection_there(
    tmp_path: Path, inner: str, at_once: bool
) -> None:
    public = "93.184.216.34"
    network = Network([public, inner]) if at_once else Network([public], [inner])
    for served in over(network, OPEN, tmp_path):
        body = call(fhirServer="https://rebinding.example/fhir", fhirAuthorization=TOKEN)
        assert (await served.hook(body)).status_code == 412
    assert network.resolved, "it was looked up"
    assert set(network.opened) <= ({public} if not at_once else set())
