"""What a name resolves to is checked when the connection is opened: rebinding gains nothing."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Sequence

import httpcore
import pytest

from cds_service.errors import FhirUnavailable
from cds_service.fhir.allowed import AddressRules
from cds_service.fhir.client import FhirClient, FhirLimits, open_connections
from cds_service.fhir.connections import AddressRefused, CheckedBackend, resolve

OPEN = AddressRules()
DEMO = AddressRules(loopback_ok=True)
PUBLIC = "93.184.216.34"


class Resolver:
    """Answers a name with one list of addresses after the other."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked += 1
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


class Opener(httpcore.AsyncMockBackend):
    """Opens nothing, and keeps the addresses it was asked to open."""

    def __init__(self, *fails: str) -> None:
        super().__init__([])
        self.fails = fails
        self.opened: list[str] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.opened.append(host)
        if host in self.fails:
            raise httpcore.ConnectTimeout
        return httpcore.AsyncMockStream([])


async def test_a_name_is_resolved_once_and_that_very_address_opened() -> None:
    resolver, opener = Resolver([PUBLIC], ["127.0.0.1"]), Opener()
    await CheckedBackend(OPEN, resolver, opener).connect_tcp("ehr.example", 443, 1.0)
    assert (resolver.asked, opener.opened) == (1, [PUBLIC])


async def test_a_name_that_is_rebound_to_this_machine_is_refused() -> None:
    resolver, opener = Resolver([PUBLIC], ["127.0.0.1"]), Opener()
    backend = CheckedBackend(OPEN, resolver, opener)
    await backend.connect_tcp("ehr.example", 443, 1.0)
    with pytest.raises(AddressRefused):
        await backend.connect_tcp("ehr.example", 443, 1.0)
    assert opener.opened == [PUBLIC]


@pytest.mark.parametrize(
    "answer",
    [
        [PUBLIC, "127.0.0.1"],
        ["10.0.0.1"],
        ["169.254.169.254"],
        ["::ffff:127.0.0.1"],
        ["2606:4700::1", "fe80::1%2"],
        ["not an address"],
    ],
)
async def test_one_address_that_is_not_permitted_refuses_them_all(answer: Sequence[str]) -> None:
    opener = Opener()
    with pytest.raises(AddressRefused):
        await CheckedBackend(OPEN, Resolver(answer), opener).connect_tcp("ehr.example", 443)
    assert opener.opened == []


async def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    opener = Opener("2606:4700::1")
    resolver = Resolver(["2606:4700::1", PUBLIC, PUBLIC])
    await CheckedBackend(OPEN, resolver, opener).connect_tcp("ehr.example", 443, 1.0)
    assert opener.opened == ["2606:4700::1", PUBLIC]


async def test_no_address_at_all_is_no_connection() -> None:
    with pytest.raises(httpcore.ConnectError):
        await CheckedBackend(OPEN, Resolver([]), Opener()).connect_tcp("ehr.example", 443, 1.0)
    with pytest.raises(httpcore.ConnectTimeout):
        await CheckedBackend(OPEN, Resolver([PUBLIC]), Opener(PUBLIC)).connect_tcp("a.b", 443)


async def test_a_resolver_that_hangs_or_fails_is_no_connection() -> None:
    async def hang(host: str, port: int) -> Sequence[str]:
        await asyncio.sleep(60)
        return []

    async def fail(host: str, port: int) -> Sequence[str]:
        raise OSError(-2, "Name or service not known: canary")

    with pytest.raises(httpcore.ConnectTimeout):
        await CheckedBackend(OPEN, hang, Opener()).connect_tcp("ehr.example", 443, 0.05)
    with pytest.raises(httpcore.ConnectError) as caught:
        await CheckedBackend(OPEN, fail, Opener()).connect_tcp("ehr.example", 443, 0.05)
    assert "canary" not in str(caught.value)


async def test_socket_files_are_refused() -> None:
    with pytest.raises(AddressRefused):
        await CheckedBackend(DEMO).connect_unix_socket("/var/run/docker.sock")


async def test_the_systems_resolver_reads_a_literal_address() -> None:
    assert set(await resolve("127.0.0.1", 80)) == {"127.0.0.1"}


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A FHIR server of one patient on this machine, as an attacker would like to reach it."""
    body = json.dumps({"resourceType": "Patient", "id": "p1"}).encode()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def test_a_client_reads_through_checked_connections(port: int) -> None:
    connections = open_connections(DEMO, resolve=Resolver(["127.0.0.1"]))
    client = FhirClient(DEMO.check(f"http://localhost:{port}"), transport=connections)
    assert json.loads((await client.read("Patient", "p1")).raw)["id"] == "p1"
    await connections.aclose()


@pytest.mark.parametrize("rules", [OPEN, DEMO, AddressRules.listed(["https://ehr.example"])])
async def test_a_client_is_not_led_to_this_machine_by_a_name(
    rules: AddressRules, port: int
) -> None:
    resolver = Resolver(["127.0.0.1"])
    connections = open_connections(rules, resolve=resolver)
    base = f"http://ehr.example:{port}"
    client = FhirClient(base, "token", transport=connections, limits=FhirLimits(seconds=2))
    with pytest.raises(FhirUnavailable, match="not one we may read from"):
        await client.read("Patient", "p1")
    assert resolver.asked == 1
    await connections.aclose()
