"""What hostile or very large answers may take up in memory, together."""

from __future__ import annotations

import asyncio
import gzip
import os
import tracemalloc
from collections.abc import AsyncIterator

import httpx
import pytest

from cds_service.errors import FhirUnavailable
from cds_service.fhir.bodies import BodyTooLong, BrokenBody, NoRoom, Room, read_body
from cds_service.fhir.client import FhirClient, FhirLimits, open_connections

BASE = "https://ehr.example/fhir"
BUNDLE = b'{"resourceType":"Bundle"}'


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@pytest.mark.parametrize(("bodies", "fits"), [(2, True), (3, False)])
async def test_bodies_share_the_room_up_to_its_last_byte(bodies: int, fits: bool) -> None:
    room = Room(20)
    for _ in range(bodies - 1):
        await read_body(chunks(b"12345", b"67890"), "", 100, room)
    if fits:
        assert await read_body(chunks(b"12345", b"67890"), "", 100, room) == b"1234567890"
    else:
        with pytest.raises(NoRoom):
            await read_body(chunks(b"1"), "", 100, room)


@pytest.mark.parametrize(
    ("sent", "encoding", "error"),
    [
        pytest.param([b"123", b"456"], "", BodyTooLong, id="longer than it may be"),
        pytest.param([gzip.compress(b"12345")[:-1]], "gzip", BrokenBody, id="cut short"),
        pytest.param([b"\x1f\x8b\x08nonsense"], "gzip", BrokenBody, id="no gzip"),
    ],
)
async def test_a_body_that_fails_gives_its_room_back(
    sent: list[bytes], encoding: str, error: type[Exception]
) -> None:
    room = Room(5)
    with pytest.raises(error):
        await read_body(chunks(*sent), encoding, 5, room)
    room.take(5)


@pytest.mark.parametrize("size", [2**20 - 1, 2**20, 2**20 + 1, 3_000_000])
@pytest.mark.parametrize("step", [1000, 2**30])
async def test_a_zipped_body_of_any_length_is_whole(size: int, step: int) -> None:
    body = os.urandom(size // 2) + b"0" * (size - size // 2)
    sent = gzip.compress(body)
    parts = [sent[at : at + step] for at in range(0, len(sent), step)]
    assert await read_body(chunks(*parts), "gzip", size) == body
    with pytest.raises(BodyTooLong):
        await read_body(chunks(*parts), "gzip", size - 1)


@pytest.mark.parametrize(
    ("sent", "encoding"),
    [
        pytest.param([gzip.compress(b"0" * 64_000_000)], "gzip", id="a bomb"),
        pytest.param([b"0" * 64_000] * 1000, "", id="no end"),
    ],
)
async def test_what_was_read_of_a_refused_body_is_not_kept(
    sent: list[bytes], encoding: str
) -> None:
    """Not even by the error, whose traceback lives until the garbage is collected."""
    tracemalloc.start()
    try:
        with pytest.raises(BodyTooLong) as kept:
            await read_body(chunks(*sent), encoding, 16_000_000)
        now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept.value.__traceback__ is not None
    assert now < 3_000_000
    assert peak < 40_000_000


def test_what_does_not_fit_around_takes_nothing_within() -> None:
    around = Room(10)
    one, other = Room(8, around), Room(8, around)
    one.take(8)
    with pytest.raises(NoRoom):
        other.take(3)
    other.take(2)
    one.clear()
    one.give(8)  # late, as of a read that was cancelled
    other.take(6)
    with pytest.raises(NoRoom):
        around.take(3)


def reading(room: Room | None = None, **limits: int) -> FhirClient:
    wire = httpx.MockTransport(lambda _: httpx.Response(200, stream=httpx.ByteStream(BUNDLE)))
    return FhirClient(BASE, transport=wire, limits=FhirLimits(**limits), room=room)


async def test_all_searches_of_a_call_share_its_bytes() -> None:
    client = reading(bytes=2 * len(BUNDLE))
    await client.search("Observation", [])
    await client.search("Condition", [])
    with pytest.raises(FhirUnavailable, match="room"):
        await client.search("Procedure", [])


async def test_a_call_that_ends_leaves_its_room_to_the_next() -> None:
    room = Room(len(BUNDLE))
    async with reading(room) as first:
        await first.search("Observation", [])
        with pytest.raises(FhirUnavailable, match="room"):
            await reading(room).search("Observation", [])
    assert (await reading(room).search("Observation", [])).complete


async def test_the_statement_of_a_server_outlasts_a_call_and_takes_no_room() -> None:
    room = Room(len(BUNDLE))
    client = reading(room)
    assert await client.read_statement() == BUNDLE
    assert (await client.search("Observation", [])).complete


async def test_a_server_that_hangs_leaves_the_others_their_connections() -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BUNDLE), BUNDLE))
        writer.close()

    servers = [await asyncio.start_server(one, "127.0.0.1", 0) for one in (hang, answer)]
    hanging, right = (f"http://127.0.0.1:{s.sockets[0].getsockname()[1]}/fhir" for s in servers)
    shared = open_connections()
    stuck = FhirClient(hanging, transport=shared, limits=FhirLimits(seconds=30))
    waiting = [asyncio.create_task(stuck.search("Observation", [])) for _ in range(20 * 14)]
    try:
        await asyncio.sleep(0.5)
        async with asyncio.timeout(5):
            found = await FhirClient(right, transport=shared).search("Observation", [])
        assert found.complete
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await shared.aclose()
        for server in servers:
            server.close()
