"""For any value of the model, the same with one member otherwise: each once, however deep."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from typing import Any

from cds_service.knowledge.model import Agents

OTHER_AGENTS = Agents(drugs=frozenset({"mitotane"}))
KNOWN_TEXTS = {
    "marker": ("psa", "testosterone"),
    "procedure": ("biopsy", "imaging-ct"),
    "statuses": ("progressing", "stable", "relapsed"),
}
"""Members of which not every text is one."""


def otherwise(value: Any, without: Collection[str] = ()) -> Iterator[tuple[str, Any]]:
    """The way to each member of a dataclass, and the value with that member changed."""
    hints = typing.get_type_hints(type(value))
    for field in dataclasses.fields(value):
        if field.name in without:
            continue
        own = getattr(value, field.name)
        for way, other in _others(own, hints[field.name], field.name):
            yield f"{field.name}{way}", dataclasses.replace(value, **{field.name: other})


def _others(own: Any, hint: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(own, Agents):
        yield "", OTHER_AGENTS if own != OTHER_AGENTS else Agents()
    elif dataclasses.is_dataclass(own):
        yield from ((f".{way}", other) for way, other in otherwise(own))
    elif isinstance(own, tuple) and own and dataclasses.is_dataclass(own[0]):
        for place, entry in enumerate(own):
            for way, other in otherwise(entry):
                yield f"[{place}].{way}", (*own[:place], other, *own[place + 1 :])
    else:
        yield "", _other(own, hint, name)


def _other(own: Any, hint: Any, name: str) -> Any:
    """Another value of the same type."""
    if isinstance(own, bool):
        return not own
    if isinstance(own, int | Decimal):
        return own + 7
    if isinstance(own, str):
        choices = [c for c in typing.get_args(hint) if c != own]
        known = [text for text in KNOWN_TEXTS.get(name, (f"{own}x",)) if text != own]
        return choices[0] if choices else known[0]
    if isinstance(own, frozenset):
        return own | {next(text for text in KNOWN_TEXTS.get(name, ("x",)) if text not in own)}
    made = example(hint, name)
    if isinstance(own, Mapping):
        return {**own, **made}
    return (*own, *made) if isinstance(own, tuple) else made


def _text(name: str) -> str:
    return KNOWN_TEXTS.get(name, ("x",))[0]


def example(hint: Any, name: str = "") -> Any:
    """A value of a type that says something."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return example(next(a for a in arguments if a is not types.NoneType), name)
    if origin is typing.Literal:
        return arguments[-1]
    if origin is tuple:
        inner = arguments if Ellipsis not in arguments else arguments[:1]
        return tuple(example(each, name) for each in inner)
    if origin is frozenset:
        return frozenset({_text(name)})
    if origin is not None and issubclass(origin, Mapping):
        return {"psa": example(arguments[1], name)}
    if hint is Agents:
        return OTHER_AGENTS
    if dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        needed = [f for f in dataclasses.fields(hint) if f.default is dataclasses.MISSING]
        return hint(**{f.name: example(hints[f.name], f.name) for f in needed})  # type: ignore[operator]
    if hint is bool:
        return True
    return {int: 9, Decimal: Decimal(3), str: _text(name)}[hint]
