"""Resources in memory as their bytes, with what searches find them by."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

import msgspec
import orjson

from cds_service.demo.fhir_server_parameters import PARAMETERS, parameters_of
from cds_service.demo.fhir_server_values import (
    Interval,
    intervals,
    reference_texts,
    string_texts,
    token_texts,
    values_at,
)
from cds_service.fhir.bundles import RawResource
from cds_service.fhir.references import head_of

FHIR_ID = re.compile(r"[A-Za-z0-9.\-]{1,64}", re.ASCII)
_MADE_UP = re.compile(rb'"(urn:(?:uuid|oid):[A-Za-z0-9.\-]+)"')
_NONE: Mapping[str, Stored] = MappingProxyType({})

Clock = Callable[[], datetime]
NewId = Callable[[], str]


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """One resource; `tail` is its entry of a searchset from behind the base address on."""

    type: str
    id: str
    raw: bytes
    tail: bytes
    texts: Mapping[str, frozenset[str]]
    dates: Mapping[str, tuple[Interval, ...]]
    strings: Mapping[str, tuple[str, ...]]


class Store:
    """All resources by type and id, and by each code and reference that a search may name."""

    def __init__(self, clock: Clock, new_id: NewId) -> None:
        self._clock = clock
        self._new_id = new_id
        self._types: dict[str, dict[str, Stored]] = {}
        self._postings: dict[tuple[str, str, str], dict[str, Stored]] = {}

    def knows(self, resource_type: str) -> bool:
        return resource_type in PARAMETERS or resource_type in self._types

    def types(self) -> list[str]:
        return sorted(PARAMETERS.keys() | self._types.keys())

    def get(self, resource_type: str, resource_id: str) -> Stored | None:
        return self._types.get(resource_type, _NONE).get(resource_id)

    def all_of(self, resource_type: str) -> Mapping[str, Stored]:
        return self._types.get(resource_type, _NONE)

    def found_by(self, resource_type: str, parameter: str, text: str) -> Mapping[str, Stored]:
        """The resources, by id, that a token or reference finds."""
        return self._postings.get((resource_type, parameter, text), _NONE)

    def load(self, resources: Iterable[RawResource]) -> None:
        """Take resources as they are, bytes untouched where they have an id.

        References to addresses inside a Bundle ("urn:uuid:…") become references by id.
        """
        placed = [(resource, *self._place(resource)) for resource in resources]
        moved = {r.full_url: f"{kind}/{rid}" for r, kind, rid in placed if is_made_up(r.full_url)}
        for resource, kind, rid in placed:
            raw = resource.raw if _has_id(resource) else with_fields(resource.raw, id=rid)
            self.put(kind, rid, redirected(raw, moved))

    def _place(self, resource: RawResource) -> tuple[str, str]:
        head = head_of(resource)
        if head is None:
            raise ValueError("not a resource")
        return head.resource_type, head.id or self._new_id()

    def write(self, resource_type: str, resource_id: str, raw: bytes) -> bool:
        """Keep what a client has sent, with its time of update; whether it is new."""
        now = self._clock().astimezone(UTC).isoformat(timespec="milliseconds")
        fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        meta = msgspec.json.decode(fields.get("meta", b"{}"), type=dict[str, msgspec.Raw])
        meta["lastUpdated"] = msgspec.Raw(orjson.dumps(now.replace("+00:00", "Z")))
        return self.put(resource_type, resource_id, with_fields(raw, id=resource_id, meta=meta))

    def put(self, resource_type: str, resource_id: str, raw: bytes) -> bool:
        before = self.get(resource_type, resource_id)
        if before is not None:
            for key in _keys(before):
                self._postings[key].pop(resource_id, None)
        stored = _indexed(resource_type, resource_id, raw)
        self._types.setdefault(resource_type, {})[resource_id] = stored
        for key in _keys(stored):
            self._postings.setdefault(key, {})[resource_id] = stored
        return before is None

    def new_id(self) -> str:
        return self._new_id()


def random_id() -> str:
    return str(uuid.uuid4())


def is_made_up(address: str) -> bool:
    """Whether an address has a meaning inside its Bundle only."""
    return address.startswith(("urn:uuid:", "urn:oid:"))


def redirected(raw: bytes, moved: Mapping[str, str]) -> bytes:
    """The resource with references to these addresses replaced."""
    if not moved:
        return raw
    return _MADE_UP.sub(
        lambda match: orjson.dumps(moved.get(match[1].decode(), match[1].decode())), raw
    )


def with_fields(raw: bytes, **changed: object) -> bytes:
    """The resource with these elements replaced, and all others to the byte as they were.

    A decimal keeps its digits, which a detour through floats would cost.
    """
    fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    for name, value in changed.items():
        fields[name] = msgspec.Raw(msgspec.json.encode(value))
    return msgspec.json.encode(fields)


def _has_id(resource: RawResource) -> bool:
    head = head_of(resource)
    return head is not None and bool(head.id)


def _keys(stored: Stored) -> Iterator[tuple[str, str, str]]:
    for parameter, texts in stored.texts.items():
        for text in texts:
            yield stored.type, parameter, text


def _indexed(resource_type: str, resource_id: str, raw: bytes) -> Stored:
    resource = orjson.loads(raw)
    texts: dict[str, frozenset[str]] = {}
    dates: dict[str, tuple[Interval, ...]] = {}
    strings: dict[str, tuple[str, ...]] = {}
    for name, parameter in parameters_of(resource_type).items():
        values = [value for path in parameter.elements for value in values_at(resource, path)]
        if parameter.kind == "token":
            texts[name] = frozenset(text for v in values for text in token_texts(v))
        elif parameter.kind == "reference":
            target = parameter.target
            texts[name] = frozenset(text for v in values for text in reference_texts(v, target))
        elif parameter.kind == "date":
            dates[name] = tuple(found for value in values for found in intervals(value))
        else:
            strings[name] = tuple(text for value in values for text in string_texts(value))
    address = orjson.dumps(f"/{resource_type}/{resource_id}")[1:-1]
    tail = address + b'","resource":' + raw + b',"search":{"mode":"match"}}'
    return Stored(resource_type, resource_id, raw, tail, texts, dates, strings)
