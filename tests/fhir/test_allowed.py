"""The address that a hook call names: hostile ones are refused, as text and as what they mean."""

import pytest

from cds_service.errors import FhirUnavailable
from cds_service.fhir.allowed import AddressRules

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
