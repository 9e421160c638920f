"""The form of the knowledge files: every member known, every type right, or an error says where."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from functools import cache

import msgspec

from cds_service.errors import KnowledgeError

T = typing.TypeVar("T")


def build(shape: type[T], table: object, where: str) -> T:
    """A frozen value of `shape` from a table of a file.

    Raises KnowledgeError with the path of the member that is unknown, missing or of a wrong type.
    """
    unknown = sorted(_unknown(shape, table, ""))
    if unknown:
        raise KnowledgeError(f"{where}: unknown member {', '.join(unknown)}")
    try:
        return msgspec.convert(table, shape, str_keys=True)
    except msgspec.ValidationError as fault:
        raise KnowledgeError(f"{where}: {fault}") from None


def _unknown(shape: object, table: object, path: str) -> typing.Iterator[str]:
    """Paths of members that no field of the shape stands for."""
    inner = _inner(shape)
    if isinstance(table, list):
        for position, entry in enumerate(table):
            yield from _unknown(shape, entry, f"{path}[{position}]")
    elif isinstance(table, Mapping) and dataclasses.is_dataclass(inner):
        hints = _hints(inner)  # type: ignore[arg-type]
        for name, value in table.items():
            if name not in hints:
                yield f"{path}.{name}".lstrip(".")
            else:
                yield from _unknown(hints[name], value, f"{path}.{name}".lstrip("."))


def _inner(shape: object) -> object:
    """The dataclass within tuple[X, ...], Mapping[str, X] or X | None; else the shape itself."""
    origin = typing.get_origin(shape)
    if origin is None or origin is typing.Literal:
        return shape
    arguments = [a for a in typing.get_args(shape) if a not in (types.NoneType, Ellipsis)]
    return _inner(arguments[-1]) if arguments else shape


@cache
def _hints(shape: typing.Any) -> dict[str, object]:
    return typing.get_type_hints(shape)
