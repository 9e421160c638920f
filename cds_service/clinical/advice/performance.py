"""Performance status on one scale, whichever of two was recorded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from cds_service.clinical.record import Fact

KARNOFSKY_FROM = ((100, 0), (80, 1), (60, 2), (40, 3), (10, 4), (0, 5))
"""Lowest Karnofsky value of each ECOG grade.

Source: Ma 2010, Eur J Cancer 46:3175-3183, doi:10.1016/j.ejca.2010.06.126 (100 is ECOG 0, 80-90
ECOG 1, 60-70 ECOG 2, 40-50 ECOG 3, 10-30 ECOG 4); 0 is death on both scales.
"""


@dataclass(frozen=True, slots=True)
class Performance:
    """A grade 0 to 5 of ECOG; `karnofsky` is the value that it was converted from."""

    grade: int
    on: date
    resource: str
    karnofsky: int | None = None

    def __str__(self) -> str:
        said = f"ECOG {self.grade}"
        return said if self.karnofsky is None else f"{said} (from Karnofsky {self.karnofsky})"


def ecog_of(facts: Iterable[Fact]) -> Performance | None:
    """The latest performance status; of two of one day the one on the ECOG scale, then the worse.

    None where none is recorded, or none has a date.
    """
    found = [known for fact in facts if (known := _read(fact)) is not None]
    return max(found, key=lambda p: (p.on, p.karnofsky is None, p.grade, p.resource), default=None)


def _read(fact: Fact) -> Performance | None:
    if fact.on is None or not fact.value.isdigit():
        return None
    value = int(fact.value)
    if fact.name == "ecog" and value <= 5:
        return Performance(value, fact.on.last, fact.resource)
    if fact.name == "karnofsky" and value <= 100:
        grade = next(grade for lowest, grade in KARNOFSKY_FROM if value >= lowest)
        return Performance(grade, fact.on.last, fact.resource, value)
    return None
