"""Numbers that a site wants otherwise: operational ones alone, each with its reason.

["ovarian.parp-inhibitor"]
days    = 42
because = "scans every twelve weeks here"

["prostate.lines"]
gap_days = 150
because  = "…"

["every-disease"]
returns_cards = false
because       = "…"
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from cds_service.errors import KnowledgeError

Table = dict[str, Any]

TOLD = ("rules", "marker_rules", "milestones", "targets", "composites")
PARTS = ("lines", "advice")
REASON = "because"
SWITCH = "returns_cards"
"""The one member that is no number: whether cards on a disease are returned."""
EVERY = "every-disease"
"""Stands for all diseases, and has the switch alone."""
ORIGINAL_ONLY = "only an operational default (origin O) is for a site to change"


@dataclass(frozen=True, slots=True)
class SiteNumber:
    """One number that differs from the shipped one: where, which member, and why."""

    where: str
    member: str
    shipped: str
    here: str
    because: str

    def __str__(self) -> str:
        return f"{self.member} {self.here} instead of {self.shipped} ({self.because})"


def read_site_file(path: Path) -> Table:
    """The tables of a site file; raises KnowledgeError with its name."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise KnowledgeError(f"{path.name} is missing") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as fault:
        raise KnowledgeError(f"{path.name}: {fault}") from None


def apply_site_numbers(diseases: Mapping[str, Table], site: Table) -> tuple[SiteNumber, ...]:
    """Change the tables of the diseases as the site file says; what was changed, in its order.

    A rule whose number is changed says so in its own sentence. Raises KnowledgeError for an id that
    nothing has, a number that is not the site's to change, a value that is no number, or no reason.
    """
    changed: list[SiteNumber] = []
    for where, wanted in _of_each(site, diseases):
        target = _target(where, diseases)
        because = wanted.pop(REASON, "") if isinstance(wanted, dict) else ""
        if not isinstance(because, str) or not because.strip():
            raise KnowledgeError(f"site: {where}: says no reason ({REASON} = …)")
        if SWITCH in wanted:
            if where not in diseases:
                raise KnowledgeError(f"site: {where}: {SWITCH} is said of a disease")
            changed += _switched(target, wanted.pop(SWITCH), where, because.strip())
        numbers = list(_changed(target, wanted, where, "", because.strip()))
        if "says" in target and numbers:
            target["says"] += f" At this site: {'; '.join(map(str, numbers))}."
        changed += numbers
    return tuple(changed)


def _of_each(site: Table, diseases: Mapping[str, Table]) -> Iterator[tuple[str, Table]]:
    """The tables of the file; a switch of every disease becomes one of each that has none."""
    every = site.get(EVERY, {})
    if not isinstance(every, dict) or every.keys() - {SWITCH, REASON}:
        raise KnowledgeError(f"site: {EVERY}: only {SWITCH} is to be said of all")
    own = {where for where, wanted in site.items() if isinstance(wanted, dict) and SWITCH in wanted}
    others = [name for name in diseases if name not in own] if SWITCH in every else []
    yield from ((where, wanted) for where, wanted in site.items() if where != EVERY)
    yield from ((name, dict(every)) for name in others)


def _switched(target: Table, value: object, where: str, because: str) -> Iterator[SiteNumber]:
    """Cards on a disease, on or off; nothing where that is how they are shipped."""
    if not isinstance(value, bool):
        raise KnowledgeError(f"site: {where}: {SWITCH} is true or false")
    shipped = bool(target.get(SWITCH, True))
    target[SWITCH] = value
    if value != shipped:
        yield SiteNumber(where, SWITCH, str(shipped).lower(), str(value).lower(), because)


def _target(where: str, diseases: Mapping[str, Table]) -> Table:
    """The table that an id names: a disease, its lines or advice, or an operational rule."""
    if where in diseases:
        return diseases[where]
    owner, _, part = where.rpartition(".")
    if owner in diseases and part in PARTS:
        return cast(Table, diseases[owner].setdefault(part, {}))
    for disease in diseases.values():
        for told in (told for kind in TOLD for told in disease.get(kind, [])):
            if told.get("id") == where:
                if told.get("origin") != "O":
                    raise KnowledgeError(f"site: {where}: {ORIGINAL_ONLY}")
                return cast(Table, told)
    raise KnowledgeError(f"site: {where}: nothing has this id")


def _changed(
    target: Table, wanted: Table, where: str, path: str, because: str
) -> Iterator[SiteNumber]:
    for name, value in wanted.items():
        member = f"{path}.{name}".lstrip(".")
        if isinstance(value, dict):
            inner = target.setdefault(name, {})
            if not isinstance(inner, dict):
                raise KnowledgeError(f"site: {where}: {member} has no members")
            yield from _changed(inner, value, where, member, because)
            continue
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise KnowledgeError(f"site: {where}: {member} is no number")
        if not _is_decimal(str(value)):
            raise KnowledgeError(f"site: {where}: {member} is no number of 0 or more")
        shipped = target.get(name, "the default")
        target[name] = value
        yield SiteNumber(where, member, str(shipped), str(value), because)


def _is_decimal(text: str) -> bool:
    return text.replace(".", "", 1).isdecimal()
