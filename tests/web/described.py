"""What a value breaks of the shape that the OpenAPI page gives it (JSON Schema, as far as used)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

KINDS: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "boolean": (bool,),
    "integer": (int,), "number": (int, float), "null": (type(None),),
}  # fmt: skip
KNOWN = {
    "type", "properties", "required", "additionalProperties", "items", "minItems", "enum",
    "anyOf", "pattern", "minLength", "maxLength", "minimum", "format",
}  # fmt: skip


def faults(value: Any, shape: dict[str, Any], path: str = "") -> list[str]:
    """Everything that does not fit; nothing where all does."""
    assert set(shape) <= KNOWN, set(shape) - KNOWN
    return list(_faults(value, shape, path))


def _faults(value: Any, shape: dict[str, Any], path: str) -> Iterator[str]:
    assert set(shape) <= KNOWN, set(shape) - KNOWN
    if "anyOf" in shape and all(list(_faults(value, one, path)) for one in shape["anyOf"]):
        yield f"{path}: none of the shapes"
    if "enum" in shape and value not in shape["enum"]:
        yield f"{path}: {value!r} is none of the words"
    kinds = KINDS.get(shape.get("type", ""))
    if kinds and (not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)):
        yield f"{path}: no {shape['type']}"
    elif isinstance(value, str):
        yield from _text(value, shape, path)
    elif isinstance(value, list):
        if len(value) < shape.get("minItems", 0):
            yield f"{path}: too few"
        for position, one in enumerate(value):
            yield from _faults(one, shape.get("items", {}), f"{path}[{position}]")
    elif isinstance(value, dict):
        yield from _members(value, shape, path)
    elif isinstance(value, int | float) and value < shape.get("minimum", value):
        yield f"{path}: too small"


def _text(value: str, shape: dict[str, Any], path: str) -> Iterator[str]:
    if not shape.get("minLength", 0) <= len(value) <= shape.get("maxLength", len(value)):
        yield f"{path}: {len(value)} characters"
    if not re.search(shape.get("pattern", ""), value):
        yield f"{path}: of another form"


def _members(value: dict[str, Any], shape: dict[str, Any], path: str) -> Iterator[str]:
    known = shape.get("properties", {})
    missing = [name for name in shape.get("required", ()) if name not in value]
    yield from (f"{path}.{name} is missing" for name in missing)
    for name, member in value.items():
        other = shape.get("additionalProperties", {})
        inside = known.get(name, other if isinstance(other, dict) else None)
        if inside is None:
            yield f"{path}.{name} is not described"
        else:
            yield from _faults(member, inside, f"{path}.{name}")
