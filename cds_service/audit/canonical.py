"""The two canonical forms: RFC 8785 for what is chained, and a rule of our own for FHIR content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec
import orjson

Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"

ENVELOPE_FORM = "rfc8785"
"""How envelopes are written before they are hashed; named in the first link of every log."""

_LARGEST_INTEGER = 2**53 - 1
_SMALLEST_FRACTION, _LARGEST_FRACTION = 1e-3, 1e15

CONTENT_FORM = "fhir-json-1"
"""The name and version of the rule of `content_hashes`."""

# Numbers with a fraction or an exponent keep the very characters they were written with.
_read_as_written = msgspec.json.Decoder(float_hook=msgspec.Raw).decode
_write_sorted = msgspec.json.Encoder(order="deterministic").encode


def canonical_json(value: Json) -> bytes:
    """The one way to write this value by RFC 8785; raises ValueError for what we do not write.

    orjson writes it, seventy times as fast as the reference library, and the same bytes as long as
    the value keeps to what both agree on: names in ASCII, integers up to 2^53, fractions that need
    no exponent.
    """
    refuse_ambiguous(value)
    return write_unambiguous(value)


def write_unambiguous(value: Json) -> bytes:
    """The same for a value whose members have passed `refuse_ambiguous` already."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        raise ValueError("text that is not Unicode, or a value that is not JSON") from error


def refuse_ambiguous(value: Json) -> None:
    """Raise ValueError where the value holds what could be written in more than one way."""
    if isinstance(value, dict):
        if not all(map(str.isascii, value)):
            raise ValueError("a member's name is not ASCII")
        inside: Iterable[Json] = value.values()
    elif isinstance(value, list):
        inside = value
    else:
        _refuse_ambiguous_number(value)
        return
    for one in inside:
        if type(one) is not str:  # most are, and say one thing only
            refuse_ambiguous(one)


def _refuse_ambiguous_number(value: Json) -> None:
    if isinstance(value, float):
        if value.is_integer() or not _SMALLEST_FRACTION <= abs(value) < _LARGEST_FRACTION:
            raise ValueError("a number without a plain decimal form")
    elif isinstance(value, int) and abs(value) > _LARGEST_INTEGER:
        raise ValueError("an integer beyond 2^53")


def digest(*parts: bytes | memoryview) -> str:
    """SHA-256 over the parts, one after another, as `sha256:` and 64 hexadecimal digits."""
    state = hashlib.sha256()
    for part in parts:
        state.update(part)
    return "sha256:" + state.hexdigest()


@dataclass(frozen=True, slots=True)
class ContentHashes:
    """Two digests of one resource: of all of it, and of what it says (without `meta`, `text`)."""

    whole: str
    statement: str


MOST_KNOWN = 8192
_known: dict[bytes, ContentHashes] = {}


def content_hashes(resource: bytes | memoryview) -> ContentHashes:
    """Digests that stay the same when only the order of keys or the white space changes.

    Form `fhir-json-1`: no white space; object members in the order of their names' code points;
    text in UTF-8, escaped only where JSON must; a number with a fraction or an exponent in the
    characters it came with, so that 1.10 and 1.1 differ, as they do in FHIR. Raises ValueError
    where the bytes are no JSON object.

    A chart is opened again and again: the digests of the last few thousand resources are kept,
    under the digest of their very bytes, and nothing else of them.

    Source: FHIR R4 datatypes, decimal ("implementations SHALL preserve the precision").
    """
    as_written = hashlib.sha256(resource).digest()
    known = _known.get(as_written)
    if known is None:
        known = _content_hashes(resource)
        if len(_known) >= MOST_KNOWN:
            _known.clear()
        _known[as_written] = known
    return known


def _content_hashes(resource: bytes | memoryview) -> ContentHashes:
    try:
        read = _read_as_written(resource)
    except msgspec.ValidationError:  # an integer of more digits than Python reads
        read = _read_any_integer(resource)
    if not isinstance(read, dict):
        raise ValueError("a resource is a JSON object")
    whole = digest(_write_sorted(read))
    read.pop("meta", None)
    read.pop("text", None)
    return ContentHashes(whole, digest(_write_sorted(read)))


def _read_any_integer(resource: bytes | memoryview) -> Any:
    """The same reading, several times as slow, for integers of any length."""
    msgspec.json.decode(resource, type=msgspec.Raw)  # the standard library takes more than JSON
    return json.loads(bytes(resource), parse_int=_integer, parse_float=msgspec.Raw)


def _integer(digits: str) -> int | msgspec.Raw:
    try:
        return int(digits)
    except ValueError:
        return msgspec.Raw(digits)
