"""One answer of a deployment: status, headers, JSON, or why there is none of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

DEEPEST = 100
"""Levels of JSON beyond which an answer is taken for an attack."""
_COMMA = re.compile(r",(?=\s*[}\]])")


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; `status` is 0 where nothing did, and `trouble` says why.

    `json` is None where the body is none; `trouble` says that, too. `liberties` are what a strict
    reader would not have taken.
    """

    what: str
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    json: Any = None
    trouble: str = ""
    liberties: tuple[str, ...] = ()
    milliseconds: float = 0.0

    @property
    def is_good(self) -> bool:
        return self.status == 200

    @property
    def is_refusal(self) -> bool:
        return 400 <= self.status < 500

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def __str__(self) -> str:
        said = f"{self.what}: {self.status or 'no answer'}"
        return f"{said} ({self.trouble})" if self.trouble else said


def read_json(content: bytes) -> tuple[Any, str, tuple[str, ...]]:
    """The JSON of a body, why there is none, and the liberties it took.

    A comma too many is overlooked, so that one fault does not hide the others.
    """
    if not content.strip():
        return None, "no body", ()
    liberties: list[str] = []
    try:
        text = content.decode("utf-8")
        try:
            value = _loads(text, liberties)
        except json.JSONDecodeError:
            value = _loads(_COMMA.sub("", text), liberties)
            liberties.append("a comma before a closing bracket")
    except RecursionError:
        return None, "nested too deep", ()
    except ValueError:
        return None, "not JSON", ()
    if depth_of(value) > DEEPEST:
        return None, "nested too deep", ()
    return value, "", tuple(dict.fromkeys(liberties))


def _loads(text: str, liberties: list[str]) -> Any:
    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) != len(pairs):
            liberties.append("a member stands twice")
        return dict(pairs)

    def constant(_: str) -> float:
        liberties.append("a number that JSON does not have")
        return 0.0

    return json.loads(text, object_pairs_hook=members, parse_constant=constant)


def depth_of(value: Any) -> int:
    """How deep lists and objects stand in one another."""
    depth, level = 0, [value]
    while level := [v for v in level if isinstance(v, dict | list)]:
        depth += 1
        level = [m for v in level for m in (v.values() if isinstance(v, dict) else v)]
    return depth


def walk(value: Any, path: str, *, not_into: frozenset[str]) -> Iterator[tuple[str, str, Any]]:
    """Every member of a JSON value: its path, its name and itself; not what is in `not_into`."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield f"{path}.{name}", name, member
            if name not in not_into:
                yield from walk(member, f"{path}.{name}", not_into=not_into)
    elif isinstance(value, list):
        for position, member in enumerate(value):
            yield f"{path}[{position}]", "", member
            yield from walk(member, f"{path}[{position}]", not_into=not_into)


def is_text(value: Any) -> bool:
    """Whether it is a text with something in it."""
    return isinstance(value, str) and bool(value.strip())


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; none where it is no list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
