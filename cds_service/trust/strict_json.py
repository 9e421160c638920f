"""JSON as a signed text has to be: one meaning, whoever reads it."""

from __future__ import annotations

import json
from typing import Any, NoReturn


def read_object(raw: bytes) -> dict[str, Any]:
    """The object in these bytes.

    ValueError for what is no object, no UTF-8, nested beyond reading, has a member twice, or
    holds NaN or Infinity: of two readers of such a text each may see something else.
    """
    try:
        read = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_without_repeats, parse_constant=_no_number
        )
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(read, dict):
        raise ValueError("not a JSON object")
    return read


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members


def _no_number(_: str) -> NoReturn:
    raise ValueError("not a number of JSON")
