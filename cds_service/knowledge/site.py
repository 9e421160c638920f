"""Numbers that a site wants otherwise: operational ones alone, each with its reason.

["ovarian.parp-inhibitor"]
days    = 42
because = "scans every twelve weeks here"

["prostate.lines"]
gap_days = 150
because  = "…"
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
    for where, wanted in site.items():
        target = _target(where, diseases)
        because = wanted.pop(REASON, "") if isinstance(wanted, dict) else ""
        if not isinstance(because, str) or not because.strip():
            raise KnowledgeError(f"site: {where}: says no reason ({REASON} = …)")
        numbers = list(_changed(target, wanted, where, "", because.strip()))
        if "says" in target and numbers:
            target["says"] += f" At this site: {'; '.join(map(str, numbers))}."
        changed += numbers
    return tuple(changed)


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
