"""A document that is plainly one resource is known by one look, and by nothing else than before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cds_service.errors import UnreadableInput
from cds_service.fhir.bundles import RawResource, unpack
from cds_service.fhir.files import Reading
from cds_service.fhir.heads import plain_head
from cds_service.fhir.references import head_of

PLAIN = (
    pytest.param(b'{"resourceType":"Patient","id":"p1"}', id="a patient"),
    pytest.param(b'{"id":"p1","resourceType":"Patient"}', id="its type last"),
    pytest.param(
        b'{"resourceType":"Observation","id":"o","subject":{"reference":"Patient/p1"}}', id="owned"
    ),
    pytest.param(
        b'{"resourceType":"ResearchSubject","individual":{"reference":"Patient/p1"}}', id="no id"
    ),
    pytest.param(b'{"resourceType":"Patient","link":[{"type":"refer"}]}', id="a link"),
    pytest.param(b'{"resourceType":"Patient","resourceType":"Condition"}', id="type twice"),
)
OTHER = (
    pytest.param(b'{"resourceType":"Bundle","entry":[]}', id="a Bundle"),
    pytest.param(b'{"resourceType":"Patient","resourceType":"Bundle"}', id="a Bundle at last"),
    pytest.param(b'{"resourceType":"OperationOutcome","issue":[]}', id="an outcome"),
    pytest.param(
        b'{"resourceType":"Patient","resourceType":"OperationOutcome","issue":[]}', id="at last one"
    ),
    pytest.param(b'{"resourceType":"Patient","id":5}', id="id a number"),
    pytest.param(b'{"resourceType":"Observation","subject":"Patient/p1"}', id="subject a text"),
    pytest.param(b'{"resourceType":"Patient","type":{"text":"x"}}', id="type of a Bundle"),
    pytest.param(b'{"resourceType":"Observation","entry":"x"}', id="entry of a Bundle"),
    pytest.param(b'{"resourceType":"Patient","id":"\xff"}', id="not UTF-8"),
    pytest.param(b'{"resourceType":"Patient","type":"\\q"}', id="a broken escape"),
    pytest.param(b'{"resourceType":"Patient"', id="cut short"),
    pytest.param(b'{"resourceType":"Patient"} x', id="more behind it"),
    pytest.param(b'{"resourceType":"Patient","a":' + b"[" * 9000 + b"]" * 9000 + b"}", id="deep"),
    pytest.param(b'{"resourceType":5}', id="its type a number"),
    pytest.param(b"[]", id="a list"),
)


@pytest.mark.parametrize("document", PLAIN)
def test_a_plain_resource_is_what_a_closer_look_finds(document: bytes) -> None:
    head = plain_head(document)
    found = unpack(document)
    assert found.resources == (RawResource(document),)
    assert list(found.shortfalls()) == []
    assert head is not None
    closer = head_of(RawResource(document))
    assert closer is not None
    assert (head.name, head.owner, head.resource_type) == (
        closer.name,
        closer.owner,
        closer.resource_type,
    )


@pytest.mark.parametrize("document", OTHER)
def test_anything_else_gets_a_closer_look(document: bytes) -> None:
    assert plain_head(document) is None


@pytest.mark.parametrize("document", [*PLAIN, *OTHER])
def test_a_line_gives_what_the_document_gives(document: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(json.dumps({"resourceType": "Patient"}).encode() + b"\n" + document)
    reading = Reading(str(path))
    _, *found = reading.resources(None, 10**6)
    try:
        unpacked = unpack(document)
        expected, said = unpacked.resources, [one.what for one in unpacked.shortfalls()]
    except UnreadableInput as fault:
        expected, said = (), [str(fault)]
    assert [(one.raw, one.full_url) for one in found] == [
        (one.raw, one.full_url) for one in expected
    ]
    assert [one.what for one in reading.noted] == said
    plain = [RawResource(one.raw, one.full_url) for one in found]
    for one, other in zip(map(head_of, found), map(head_of, plain), strict=True):
        assert (one and (one.name, one.owner)) == (other and (other.name, other.owner))
