"""A content with a passage that came before is what it is without any: to the last byte."""

from __future__ import annotations

import json
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.audit import Passage, Pieces, pieces
from cds_service.audit.data_keys import DataKey
from cds_service.audit.inputs import Inputs, inputs_document, without_access_token
from cds_service.audit.seal import Bond, pack, seal, unseal

LONG = b"".join(b'{"resourceType":"Observation","id":"%d"},' % number for number in range(500))
NOISE = random.Random(3).randbytes(5_000)  # noqa: S311 # the same each time


def cut(before: bytes, text: bytes, after: bytes, passage: Passage | None = None) -> Pieces:
    whole = before + text + after
    start = len(before)
    return Pieces.of(whole, start, passage or Passage(whole, start, start + len(text)))


@pytest.fixture(params=["isal", "zlib"], autouse=True)
def compressor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "zlib":
        monkeypatch.setattr(pieces, "_deflating", zlib)


PARTS = [
    pytest.param(b'{"hook": 1, "prefetch": ', LONG, b"}", id="a call"),
    pytest.param(b"", LONG, b"", id="all of it"),
    pytest.param(b"", b"", b"", id="nothing"),
    pytest.param(LONG, b"{}", LONG, id="a short one between long ones"),
    pytest.param(LONG, NOISE, b"", id="one that hardly gets shorter"),
]


@pytest.mark.parametrize(("before", "text", "after"), PARTS)
def test_what_is_sealed_of_pieces_opens_as_the_whole_the_second_time_too(
    before: bytes, text: bytes, after: bytes
) -> None:
    first = cut(before, text, after)
    other = cut(after + b"other", text, before, first.passage)
    key, bond = DataKey.new(), Bond("e1", 1)
    for content in (first, first, other):
        assert unseal(seal("request", pack(content), key, bond), key, bond) == bytes(content)


@given(st.binary(max_size=300), st.binary(max_size=300), st.binary(max_size=300))
def test_so_it_is_for_any_bytes(before: bytes, text: bytes, after: bytes) -> None:
    content = cut(before, text * 9, after)
    for _ in range(2):
        assert zlib.decompress(pieces.compress(content)) == bytes(content)
    assert len(content) == len(bytes(content))
    assert b"".join(content.parts) == bytes(content)


@given(st.binary(min_size=1, max_size=200), st.data())
def test_a_passage_stands_where_every_byte_is_its_own(text: bytes, data: st.DataObject) -> None:
    passage = Passage(b"ab" + text, 2, 2 + len(text))
    assert passage.stands_in(b"xyz" + text + b"z", 3)
    assert not passage.stands_in(b"xyz" + text[:-1], 3)
    place = data.draw(st.integers(0, len(text) - 1))
    changed = bytearray(text)
    changed[place] ^= data.draw(st.integers(1, 255))
    assert not passage.stands_in(bytes(changed), 0)


def test_only_what_gets_much_shorter_is_kept_and_so_much_is_counted() -> None:
    for text, is_kept in ((LONG, True), (NOISE, False)):
        content = cut(b"", text, b"")
        once = content.passage.deflated(content.text)
        assert (content.passage.deflated(content.text) is once) == is_kept
        assert not is_kept or len(once) <= content.passage.held


def call(token: object = None, *, inside: str = "", x: object = None) -> bytes:
    granted = {} if token is None else {"fhirAuthorization": {"access_token": token}}
    prefetch = {"patient": {"resourceType": "Patient", "id": "p1", "text": inside}}
    return json.dumps({"hook": "h", **granted, "prefetch": prefetch, "x": x}).encode()


TOKENS = {
    "no token": call(),
    "a token": call("CANARY.abc"),
    "a token in the prefetch too": call("CANARY.abc", inside="CANARY.abc"),
    "a token beside it too": call("CANARY.abc", x="CANARY.abc"),
    "a token that is no text": call(["CANARY"]),
    "a token of a resource": call(inside="").replace(b'"text"', b'"access_token"'),
    "an escape in the prefetch": call("A/b", inside="x").replace(b': "x"', rb': "A\/b"'),
    "a letter in the prefetch as an escape": call("Ab", inside="x").replace(
        b': "x"', rb': "\u0041b"'
    ),
    "its name as an escape": call("CANARY").replace(b'"access', rb'"\u0061ccess'),
    "its name as an escape in the prefetch": call("C").replace(b'"text"', rb'"\u0061ccess_token"'),
    "a backslash in the prefetch": call("CANARY.abc", inside='said "no"\n'),
    "a NUL in the prefetch": call("CANARY.abc", inside="x").replace(b': "x"', b': "\0"'),
    "an empty token": call(""),
    "letters beyond ASCII": call("CANARY.abc", inside="Müller"),
}


@pytest.mark.parametrize("body", TOKENS.values(), ids=TOKENS)
def test_a_token_is_removed_from_pieces_as_from_the_whole(body: bytes) -> None:
    start, end = body.index(b'{"patient"'), body.index(b', "x"')
    found = without_access_token(cut(body[:start], body[start:end], body[end:]))
    expected = without_access_token(body)
    assert (None if found is None else bytes(found)) == expected


def test_the_digest_of_a_request_is_of_all_of_it() -> None:
    content = cut(b'{"a": ', LONG, b"}")
    none = Inputs()
    assert inputs_document(content, none) == inputs_document(bytes(content), none)
