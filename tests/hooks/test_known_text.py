"""A prefetch is known again by its text, and nothing else is ever taken for it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.audit import Passage
from cds_service.hooks import routes as routes_module
from cds_service.hooks.known_text import keep, known_in, pieces_of
from cds_service.hooks.messages import outline_around, outline_of
from cds_service.recent import Recent
from hooks.calls import call, myeloma, prefetch_of
from hooks.serving import serving

PATIENT = {"resourceType": "Patient", "id": "p1", "text": {"div": "x" * 1_100}}
PREFETCH = {"patient": PATIENT, "conditions": None}
CONTEXT = {"userId": "Practitioner/1", "patientId": "p1"}
PLAIN = {"hook": "patient-view", "context": CONTEXT, "prefetch": PREFETCH}


def known_after(*bodies: bytes) -> Recent[Passage]:
    known: Recent[Passage] = Recent(1024 * 1024)
    for body in bodies:
        outline = outline_of(body)
        assert outline is not None
        pieces = asyncio.run(pieces_of(body, outline))
        assert pieces is not None
        keep(pieces, known)
    return known


SPELLINGS = {
    "as json.dumps writes": json.dumps(PLAIN),
    "without spaces": json.dumps(PLAIN, separators=(",", ":")),
    "with line breaks": json.dumps(PLAIN, indent=2),
    "the prefetch first": json.dumps({"prefetch": PREFETCH, **PLAIN}),
    "white space at its end": json.dumps(PLAIN).replace("null}", "null \n }"),
    "members after it that end alike": json.dumps({**PLAIN, "x": {"conditions": None}}),
    "members before it that end alike": json.dumps({"x": {"conditions": None}, **PLAIN}),
    "null after it": json.dumps({**PLAIN, "fhirServer": None, "a": None, "b": None}),
    "an end that stands elsewhere": json.dumps({**PLAIN, "b": {"id": 1, **PREFETCH}}),
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_a_prefetch_is_found_in_the_body_however_that_is_spelt(spelling: str) -> None:
    body = spelling.encode()
    outline = outline_of(body)
    assert outline is not None
    pieces = asyncio.run(pieces_of(body, outline))
    assert pieces is not None
    assert msgspec.json.decode(pieces.text) == json.loads(body)["prefetch"]
    assert bytes(pieces) == body
    known = known_after(body)
    other = body.replace(b"Practitioner/1", b"Practitioner/another")
    found = asyncio.run(known_in(other, known))
    assert found is not None
    expected = outline_of(other)
    assert expected is not None
    assert found[1].rest == expected.rest
    assert bytes(found[0]) == other


TEXT = json.dumps(PREFETCH)
IN_A_TEXT = '{"hook": "x\\"prefetch\\": ' + TEXT[0]
IMPOSTORS = {
    "within a text": json.dumps({"hook": "h", "x": '"prefetch": ' + TEXT}),
    "within an object": json.dumps({"hook": "h", "x": {"prefetch": PREFETCH}}),
    "within the context": json.dumps({"hook": "h", "context": {"prefetch": PREFETCH}}),
    "within a list": json.dumps({"hook": "h", "x": [{"prefetch": PREFETCH}]}),
    "within another prefetch": json.dumps({"prefetch": {"prefetch": PREFETCH}}),
    "twice": f'{{"hook": "h", "prefetch": {TEXT}, "prefetch": {TEXT}}}',
    "the second of two": f'{{"prefetch": 1, "x": "\\"prefetch\\":", "prefetch": {TEXT}}}',
    "with something behind it": f'{{"hook": "h", "prefetch": {TEXT} 1}}',
    "cut off": f'{{"hook": "h", "prefetch": {TEXT}',
    "no object": f'["prefetch", {TEXT}]',
}


@pytest.mark.parametrize("spelling", IMPOSTORS.values(), ids=IMPOSTORS)
def test_what_stands_elsewhere_or_twice_is_not_taken_for_the_prefetch(spelling: str) -> None:
    known = known_after(json.dumps(PLAIN).encode())
    assert asyncio.run(known_in(spelling.encode(), known)) is None


def test_a_text_that_opens_before_it_and_ends_in_it_is_no_call_with_a_prefetch() -> None:
    """Its first quote would end the text: what stands there is read in another way."""
    body = ('{"hook": "x\\"prefetch\\": ' + TEXT + '"}').encode()
    assert asyncio.run(known_in(body, known_after(json.dumps(PLAIN).encode()))) is None


@given(st.data())
def test_a_changed_byte_anywhere_is_read_as_by_who_knows_nothing(data: st.DataObject) -> None:
    body = bytearray(json.dumps(PLAIN).encode())
    known = known_after(bytes(body))
    place = data.draw(st.integers(0, len(body) - 1))
    body[place] = data.draw(st.sampled_from(b'"{}[]:,\\ ax0\n'))
    changed = bytes(body)
    found = asyncio.run(known_in(changed, known))
    if found is None:
        return
    pieces, outline = found
    expected = outline_of(changed)
    assert expected is not None
    assert outline.rest == expected.rest
    assert expected.prefetch is not None
    assert msgspec.json.decode(pieces.text) == PREFETCH
    assert {key: json.loads(bytes(raw)) for key, raw in expected.prefetch.items()} == PREFETCH


def test_nobody_can_pretend_that_a_prefetch_stands_there() -> None:
    assert outline_around(b'{"prefetch": "x", "a": ', b"}") is None
    assert outline_around(b'{"a": 1, "prefetch": ', b"}") is not None


async def test_a_chart_that_is_known_is_not_read_through_again_and_kept_as_it_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def counted(body: bytes) -> Any:
        read.append(len(body))
        return outline_of(body)

    monkeypatch.setattr(routes_module, "outline_of", counted)
    body = call(prefetch_of(myeloma()))
    instances = [f"d1577c69-dfbe-44ad-ba6d-{number:012d}" for number in range(3)]
    with serving(tmp_path) as served:
        for instance in instances:
            await served.hook({**body, "hookInstance": instance})
            kept = json.loads(served.last().sealed["request"])
            assert kept == {**body, "hookInstance": instance}
    assert len(read) == 1
