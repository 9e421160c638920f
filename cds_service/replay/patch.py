"""The difference of two JSON documents as a JSON Patch (RFC 6902), in a form that people can read:
members in the order of their names, lists place by place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

Operation = dict[str, Any]


def patch(old: Any, new: Any, at: str = "") -> list[Operation]:
    """What turns `old` into `new`, applied in this order; empty where they are the same, which most
    are: then they are written alike, and nobody has to go through them."""
    if _written(old) == _written(new):
        return []
    return list(_operations(old, new, at))


def _written(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _operations(old: Any, new: Any, at: str) -> Iterator[Operation]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            yield from _of_member(old, new, name, f"{at}/{_escaped(name)}")
    elif isinstance(old, list) and isinstance(new, list):
        for place, (one, other) in enumerate(zip(old, new, strict=False)):
            yield from _operations(one, other, f"{at}/{place}")
        for place in range(len(old) - 1, len(new) - 1, -1):  # the last first
            yield {"op": "remove", "path": f"{at}/{place}"}
        for place in range(len(old), len(new)):
            yield {"op": "add", "path": f"{at}/{place}", "value": new[place]}
    elif not _is_same(old, new):
        yield {"op": "replace", "path": at, "value": new}


def _of_member(old: dict[str, Any], new: dict[str, Any], name: str, at: str) -> Iterator[Operation]:
    if name not in new:
        yield {"op": "remove", "path": at}
    elif name not in old:
        yield {"op": "add", "path": at, "value": new[name]}
    else:
        yield from _operations(old[name], new[name], at)


def _is_same(old: Any, new: Any) -> bool:
    """Whether two JSON values are one: Python takes True for 1, and 1 for 1.0."""
    return type(old) is type(new) and old == new


def _escaped(name: str) -> str:
    """A member's name in a JSON Pointer (RFC 6901 §4)."""
    return name.replace("~", "~0").replace("/", "~1")
