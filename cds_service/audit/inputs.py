"""The chart data behind a decision, as they are sealed: which resources, in which version."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal

import msgspec

from cds_service.audit.canonical import CONTENT_FORM, Json, content_hashes, digest
from cds_service.audit.events import present
from cds_service.audit.pieces import Pieces

_write = msgspec.json.Encoder(order="deterministic").encode
_TYPE = re.compile(r"[A-Za-z]{1,40}")

# JSON writes a letter as itself or as its \u escape, and puts a backslash before each quote that
# neither begins nor ends a text. So this is every member of that name, and nothing else.
_TEXT = rb'("(?:[^"\\]|\\.)*")?'
_NAME = b"".join(rb"(?:%c|\\u00(?i:%02x))" % (letter, letter) for letter in b"access_token")
_ACCESS_TOKEN = re.compile(rb'((?<!\\)"%s"\s*:\s*)%s' % (_NAME, _TEXT))
# Hardly a client escapes letters. Without that, a plain search finds the name ten times as fast.
_PLAIN_NAME = re.compile(rb'("access_token"(?<!\\"access_token")\s*:\s*)%s' % _TEXT)
_ESCAPED_LETTER = re.compile(rb"\\u00(?i:%s)" % b"|".join(b"%02x" % c for c in b"acesto_kn"))
_ESCAPED_ASCII = re.compile(rb"\\u00([2-7][0-9a-fA-F])")
_MOST_TOKENS = 8
"""A call has one; each is looked for in the whole body."""


Origin = Literal["prefetch", "read", "search"]
"""How a resource came: with the call, or read or searched on the FHIR server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One resource that the decision rests on; `content` is its bytes as they were received.

    `url` is what was asked for where the service read or searched itself.
    """

    reference: str
    content: bytes | memoryview
    origin: Origin
    version_id: str | None = None
    last_updated: str | None = None
    url: str | None = None

    @property
    def resource_type(self) -> str:
        kind = self.reference.partition("/")[0]
        return kind if _TYPE.fullmatch(kind) else "other"

    def as_json(self) -> dict[str, Json]:
        hashes = content_hashes(self.content)
        return present(
            {
                "reference": self.reference,
                "versionId": self.version_id,
                "lastUpdated": self.last_updated,
                "origin": self.origin,
                "url": self.url,
                "whole": hashes.whole,
                "statement": hashes.statement,
            }
        )


class Inputs(tuple[Input, ...]):
    """The resources of one decision, in their order. What is written of them is worked out once,
    however many decisions rest on them."""

    @classmethod
    def of(cls, inputs: Iterable[Input]) -> Inputs:
        return inputs if isinstance(inputs, Inputs) else cls(inputs)

    @cached_property
    def by_type(self) -> Mapping[str, Json]:
        """How many of each type."""
        return dict(Counter(one.resource_type for one in self))

    @cached_property
    def written(self) -> msgspec.Raw:
        """Names, versions and digests, as JSON. Raises ValueError where one is no resource."""
        return msgspec.Raw(_write([one.as_json() for one in self]))


def inputs_document(request: bytes | Pieces | None, inputs: Inputs) -> bytes:
    """What is sealed about the inputs: two digests for each resource that was used, and one of the
    whole request body as it came, which also covers the resources that were not."""
    document: dict[str, Json | msgspec.Raw] = {"form": CONTENT_FORM}
    if request is not None:
        parts = request.parts if isinstance(request, Pieces) else (request,)
        document["request"] = digest(*parts)
    if inputs:
        document["resources"] = inputs.written
    return _write(document)


def without_access_token(body: bytes | Pieces) -> bytes | Pieces | None:
    """The request body with the text of every `access_token` replaced; None where one might stay.

    A token opens the whole chart to whoever reads it; it is used for one call and never kept. It
    might stay where it is no text, where it stands in another place too, where there are very many,
    and, if it is named at all, in what is no JSON.
    """
    if isinstance(body, Pieces) and not body.passage.is_plain:
        body = bytes(body)
    shown = body.around if isinstance(body, Pieces) else body
    if b"access_token" not in shown and b"\0" not in shown and not _has_escapes(shown):
        return body
    try:
        msgspec.json.decode(shown, type=msgspec.Raw)
        named = _ACCESS_TOKEN if _ESCAPED_LETTER.search(shown) else _PLAIN_NAME
        texts = [text for _, text in named.findall(shown)]
        tokens = {msgspec.json.decode(text, type=str).encode() for text in texts} - {b""}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not texts:
        return body
    if len(tokens) > _MOST_TOKENS:
        return None
    remove = partial(named.sub, rb'\1"(removed)"')
    stripped = body.changed(remove) if isinstance(body, Pieces) else remove(body)
    plain = (stripped.around if isinstance(stripped, Pieces) else stripped).replace(rb"\/", b"/")
    plain = _ESCAPED_ASCII.sub(lambda escape: bytes.fromhex(escape[1].decode()), plain)
    return (
        None if any(token in plain or _is_within(stripped, token) for token in tokens) else stripped
    )


def _is_within(body: bytes | Pieces, token: bytes) -> bool:
    return isinstance(body, Pieces) and body.has_in_passage(token)


def _has_escapes(body: bytes) -> bool:
    """Whether a letter might stand there as an escape."""
    return b"\\" in body and b"\\u00" in body


def small_json(document: Mapping[str, Json]) -> bytes:
    """A document of ours, for sealing: the same value always gives the same bytes."""
    return _write(document)
