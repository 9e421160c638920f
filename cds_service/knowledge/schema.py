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
    if isinstance(table, list):
        for position, entry in enumerate(table):
            if isinstance(entry, _NESTED):
                yield from _unknown(shape, entry, f"{path}[{position}]")
    elif isinstance(table, Mapping) and (members := _members(shape)) is not None:
        for name, value in table.items():
            if name not in members:
                yield f"{path}.{name}".lstrip(".")
            elif isinstance(value, _NESTED):
                yield from _unknown(members[name], value, f"{path}.{name}".lstrip("."))


_NESTED = (list, Mapping)
"""What may have members; of other values there is nothing to look for."""


@cache
def _members(shape: object) -> Mapping[str, object] | None:
    """The members of the dataclass within a shape and their shapes; None where there is none."""
    inner = _inner(shape)
    if not dataclasses.is_dataclass(inner):
        return None
    return typing.get_type_hints(inner)


def _inner(shape: object) -> object:
    """The dataclass within tuple[X, ...], Mapping[str, X] or X | None; else the shape itself."""
    origin = typing.get_origin(shape)
    if origin is None or origin is typing.Literal:
        return shape
    arguments = [a for a in typing.get_args(shape) if a not in (types.NoneType, Ellipsis)]
    return _inner(arguments[-1]) if arguments else shape
