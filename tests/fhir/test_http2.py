"""All that a call reads goes over one connection, where the server speaks HTTP/2."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived

from cds_service.fhir.allowed import AddressRules
from cds_service.fhir.client import FhirClient, open_connections
from cds_service.fhir.queries import KEYS, QUERIES, fetch_missing

EMPTY = b'{"resourceType":"Bundle","type":"searchset"}'
PATIENT = b'{"resourceType":"Patient","id":"p1"}'


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of this machine for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    pem, secret = folder / "cert.pem", folder / "key.pem"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return pem, secret


@dataclass
class Server:
    """A FHIR server of one empty chart on this machine, and what it noticed."""

    port: int = 0
    connections: list[str | None] = field(default_factory=list)
    requests: list[dict[bytes, bytes]] = field(default_factory=list)
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        spoken = writer.get_extra_info("ssl_object").selected_alpn_protocol()
        self.connections.append(spoken)
        if spoken == "h2":
            await self._http2(reader, writer)
        else:
            await self._http1(reader, writer)

    async def _http2(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        h2 = H2Connection(H2Configuration(client_side=False))
        h2.initiate_connection()
        writer.write(h2.data_to_send())
        while data := await reader.read(65536):
            for event in h2.receive_data(data):
                if isinstance(event, RequestReceived):
                    headers = dict(event.headers)
                    self.requests.append(headers)
                    h2.send_headers(event.stream_id, [(":status", "200")])
                    body = PATIENT if b"/Patient/" in headers[b":path"] else EMPTY
                    h2.send_data(event.stream_id, body, end_stream=True)
            writer.write(h2.data_to_send())
        writer.close()

    async def _http1(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            self.requests.append({b":path": head.split(b" ")[1]})
            body = PATIENT if b"/Patient/" in head else EMPTY
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


@pytest.fixture
async def server(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    pem, secret = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, secret)
    context.set_alpn_protocols(request.param)
    made = Server()
    made.tls.load_verify_locations(pem)
    listening = await asyncio.start_server(made.connected, "127.0.0.1", 0, ssl=context)
    made.port = listening.sockets[0].getsockname()[1]
    yield made
    listening.close()


async def read_chart_twice(server: Server) -> None:
    connections = open_connections(AddressRules(loopback_ok=True), tls=server.tls)
    for _ in range(2):
        client = FhirClient(
            f"https://127.0.0.1:{server.port}/fhir", "canary-token", transport=connections
        )
        fetched = await fetch_missing(client, "p1", KEYS)
        assert fetched.errors == {}
    await connections.aclose()
    await asyncio.sleep(0.05)


@pytest.mark.parametrize("server", [["h2", "http/1.1"]], ids=["h2"], indirect=True)
async def test_two_charts_are_read_over_one_connection(server: Server) -> None:
    await read_chart_twice(server)
    assert server.connections == ["h2"]
    assert len(server.requests) == 2 * len(QUERIES)
    for headers in server.requests:
        assert headers[b"authorization"] == b"Bearer canary-token"
        assert headers[b"accept"] == b"application/fhir+json"
        assert b"connection" not in headers, "RFC 9113 §8.2.2 forbids it"


@pytest.mark.parametrize("server", [["http/1.1"]], ids=["http/1.1"], indirect=True)
async def test_a_server_without_http2_is_read_over_connections_that_are_kept(
    server: Server,
) -> None:
    await read_chart_twice(server)
    assert set(server.connections) == {"http/1.1"}
    assert len(server.connections) <= len(QUERIES), "the second chart opens none"
    assert len(server.requests) == 2 * len(QUERIES)
