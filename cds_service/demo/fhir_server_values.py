"""What a resource offers to a search: the values of its elements, in the form they are compared."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from cds_service.dates import PartialDate
from cds_service.fhir.references import local_name

Interval = tuple[datetime, datetime]
"""A time as FHIR sees it: from its first instant to the first one after it."""

_EVER = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


def values_at(resource: Mapping[str, Any], path: str) -> Iterator[Any]:
    """The values of an element by its dotted path, each item of a list for itself."""
    found: list[Any] = [resource]
    for name in path.split("."):
        found = [
            item
            for value in found
            if isinstance(value, dict) and name in value
            for item in (value[name] if isinstance(value[name], list) else [value[name]])
        ]
    yield from found


def token_texts(value: Any) -> Iterator[str]:
    """The searches that find a code: "code", "system|code", "|code" without a system, "system|".

    Reads CodeableConcept, Coding, Identifier, code and boolean by their shape.
    """
    if isinstance(value, bool):
        yield "true" if value else "false"
    elif isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for coding in value.get("coding") or ():
            yield from token_texts(coding)
        code = value.get("code") or value.get("value")
        if isinstance(code, str):
            system = value.get("system") or ""
            yield from (code, f"{system}|{code}", f"{system}|")


def reference_texts(value: Any, target: str) -> Iterator[str]:
    """The searches that find a reference: "Type/id" and the bare id."""
    reference = value.get("reference") if isinstance(value, dict) else None
    name = local_name(reference, {}) if isinstance(reference, str) else ""
    if name and (not target or name.startswith(f"{target}/")):
        yield from (name, name.partition("/")[2])


def string_texts(value: Any) -> Iterator[str]:
    """The parts of a name or another text, folded."""
    if isinstance(value, str):
        yield folded(value)
    elif isinstance(value, dict):
        for part in ("text", "family", "given", "prefix", "suffix"):
            for text in values_at(value, part):
                yield from string_texts(text)


def folded(text: str) -> str:
    """A text without accents, in one case: how FHIR compares strings."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(letter for letter in plain if not unicodedata.combining(letter))


def intervals(value: Any) -> Iterator[Interval]:
    """The interval of a date, dateTime, instant or Period; none where it cannot be read."""
    try:
        if isinstance(value, str):
            yield interval(value)
        elif isinstance(value, dict) and ("start" in value or "end" in value):
            start = interval(value["start"]) if "start" in value else _EVER
            end = interval(value["end"]) if "end" in value else _EVER
            yield start[0], end[1]
    except ValueError:
        return


def interval(text: str) -> Interval:
    """Read a FHIR date, dateTime or instant; without a zone it is taken as UTC.

    Raises ValueError for anything else.
    """
    days = PartialDate.parse(text)
    try:
        if "T" not in text:
            return _midnight(days.first), _midnight(days.last + timedelta(days=1))
        start = datetime.fromisoformat(text)
        start = start.replace(tzinfo=UTC) if start.tzinfo is None else start.astimezone(UTC)
        return start, start + _precision(text.partition("T")[2])
    except OverflowError:
        raise ValueError("not a date of this calendar") from None


def _precision(clock: str) -> timedelta:
    if "." in clock:
        return timedelta(milliseconds=1)
    return timedelta(seconds=1) if clock[:8].count(":") == 2 else timedelta(minutes=1)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
