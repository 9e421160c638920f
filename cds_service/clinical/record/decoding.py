"""How elements are decoded: whole, or one by one where a fault costs no more than itself."""

from __future__ import annotations

from typing import TypeVar

import msgspec

T = TypeVar("T")
_DECODERS: dict[object, msgspec.json.Decoder[object]] = {}
_OF_SEVERAL: dict[object, msgspec.json.Decoder[object]] = {}


def decode(raw: bytes | msgspec.Raw, into: type[T]) -> T:
    """Read one structure; raises `msgspec.DecodeError` (its subclass `ValidationError` included).

    The messages of msgspec name a path and types, never a value.
    """
    decoder = _DECODERS.get(into)
    if decoder is None:
        decoder = _DECODERS[into] = msgspec.json.Decoder(into)
    try:
        return decoder.decode(raw)  # type: ignore[return-value]
    except (UnicodeDecodeError, RecursionError) as fault:
        raise msgspec.DecodeError("not UTF-8, or nested too deep") from fault


def optional(raw: msgspec.Raw, into: type[T]) -> T | None:
    """An element that only refines a finding; None where it is missing or faulty."""
    if not raw:
        return None
    try:
        return decode(raw, into)
    except msgspec.DecodeError:
        return None


def several(raw: msgspec.Raw, into: type[T]) -> list[T]:
    """A repeating element, entry by entry: a faulty entry is passed over, a lone object is read.

    (Real clients send `category` as an object where FHIR has an array.)
    """
    if not raw:
        return []
    if bytes(raw)[:1] == b"{":
        alone = optional(raw, into)
        return [] if alone is None else [alone]
    decoder = _OF_SEVERAL.get(into)
    if decoder is None:
        decoder = _OF_SEVERAL[into] = msgspec.json.Decoder(list[into])  # type: ignore[valid-type]
    try:
        return decoder.decode(raw)  # type: ignore[return-value]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _one_by_one(raw, into)


def _one_by_one(raw: msgspec.Raw, into: type[T]) -> list[T]:
    entries = optional(raw, list[msgspec.Raw])
    if entries is None:
        return []
    read = (optional(entry, into) for entry in entries)
    return [entry for entry in read if entry is not None]
