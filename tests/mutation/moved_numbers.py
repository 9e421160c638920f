"""Whether every number of every rule is pinned: each is moved a little, and a test has to fail.

    python tests/mutation/moved_numbers.py [DISEASE …] [--jobs 2]

A number that can be moved without a row (`tests/boundaries`) or a story noticing is printed: it
wants a row that restates it. What no chart can tell apart is left out (`equivalent.py`). Days and
cycles are moved by one, decimals by a tenth of their last place, a limit that counts its last day
is made one that does not, and the other way round.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from boundaries.probes import LONG, START, Probe, diseases_with_rows, probes_of
from charts import resources
from mutation.equivalent import makes_no_difference
from vignettes.expectation import differences
from vignettes.test_vignettes import CASES, Case

from cds_service import assess, shipped_knowledge
from cds_service.clinical.assessment_json import to_json
from cds_service.knowledge.model import Disease, Knowledge, Pattern, Rule

PARTS = ("rules", "marker_rules", "milestones", "targets", "composites", "early")


@dataclass(frozen=True)
class Moved:
    """One number, by the rule that has it and the way to it, and the disease with it moved."""

    rule: str
    member: str
    shipped: object
    moved: object
    disease: Disease

    def __str__(self) -> str:
        return f"{self.rule}: {self.member} {self.shipped} → {self.moved}"


def moved_numbers(disease: Disease) -> Iterator[Moved]:
    """Every number of the disease's rules, moved to each of its neighbours."""
    for part in PARTS:
        told = getattr(disease, part)
        for place, rule in enumerate(told):
            name = getattr(rule, "id", f"{disease.id}: {getattr(rule, 'flag', part)}")
            if isinstance(rule, Rule) and rule.is_unverified:
                continue  # it decides nothing at all
            for member, shipped, other, changed in _changes(rule, ""):
                if makes_no_difference(rule, member, changed, disease):
                    continue
                instead = (*told[:place], changed, *told[place + 1 :])
                yield Moved(name, member, shipped, other, _with(disease, part, instead))


def _with(disease: Disease, part: str, told: tuple[Any, ...]) -> Disease:
    changes: dict[str, Any] = {part: told}
    return dataclasses.replace(disease, **changes)


def _changes(value: Any, path: str) -> Iterator[tuple[str, object, object, Any]]:
    """Each number below a value: the way to it, what it is, its neighbour, the value with that."""
    for field in dataclasses.fields(value):
        if field.name == "is_inclusive" and not _has_limit(value):
            continue
        own, way = getattr(value, field.name), f"{path}.{field.name}".lstrip(".")
        if own == 0 and _asks_for_none(value, field.name):
            yield way, own, 1, dataclasses.replace(value, **{field.name: 1})
        for member, shipped, other, changed in _inside(own, way):
            yield member, shipped, other, dataclasses.replace(value, **{field.name: changed})


def _has_limit(value: Any) -> bool:
    """Whether there are days of which the last can count or not."""
    days = value.primary_days if isinstance(value, Pattern) else value.days
    return bool(days) and getattr(value, "criterion", "") != "no-response"


def _asks_for_none(value: Any, member: str) -> bool:
    """Whether 0 is a limit: none at all; of other numbers 0 is that nothing is asked."""
    if member == "after_days":
        return getattr(value, member) is not None
    return member == "days" and isinstance(value, Rule) and value.criterion != "no-response"


def _inside(own: Any, way: str) -> Iterator[tuple[str, object, object, Any]]:
    if way.endswith("is_inclusive"):
        yield way, own, not own, not own
    elif isinstance(own, bool) or own is None:
        return
    elif isinstance(own, int | Decimal):
        yield from ((way, own, other, other) for other in _neighbours(own))
    elif dataclasses.is_dataclass(own):
        yield from _changes(own, way)
    elif isinstance(own, tuple):
        yield from _in_order(own, way)
    elif isinstance(own, Mapping):
        yield from _by_name(own, way)


def _in_order(own: tuple[Any, ...], way: str) -> Iterator[tuple[str, object, object, Any]]:
    for place, entry in enumerate(own):
        for member, shipped, other, changed in _inside(entry, f"{way}[{place}]"):
            yield member, shipped, other, (*own[:place], changed, *own[place + 1 :])


def _by_name(own: Mapping[str, Any], way: str) -> Iterator[tuple[str, object, object, Any]]:
    for name, entry in own.items():
        for member, shipped, other, changed in _inside(entry, f"{way}.{name}"):
            yield member, shipped, other, {**own, name: changed}


def _neighbours(number: int | Decimal) -> list[int | Decimal]:
    if not number:
        return []  # not asked
    if isinstance(number, int):
        return [other for other in (number - 1, number + 1) if other > 0]
    step = Decimal(1).scaleb(int(number.as_tuple().exponent) - 1)
    return [number - step, number + step]


@cache
def stories(disease: str) -> tuple[tuple[Case, list[Any], str], ...]:
    """The stories that a disease is in: the chart of each, and all that is said, to search."""
    found = []
    for case in CASES:
        chart = resources(case.chart, until=case.as_of)
        said = to_json(assess(chart, as_of=case.as_of), explain=True)
        if any(cancer["disease"] == disease for cancer in said["cancers"]):
            found.append((case, chart, str(said)))
    return tuple(found)


def is_noticed(moved: Moved, knowledge: Knowledge) -> bool:
    """Whether a story fails with the number moved; those that speak of the rule are told first."""
    diseases = {**knowledge.diseases, moved.disease.id: moved.disease}
    changed = dataclasses.replace(knowledge, diseases=diseases)
    if any(_fails(probe, moved.disease.id, changed) for probe in probes(moved)):
        return True
    told = sorted(stories(moved.disease.id), key=lambda story: moved.rule not in story[2])
    return any(
        differences(case.expect, to_json(assess(chart, as_of=case.as_of, knowledge=changed)))
        for case, chart, _ in told
    )


def probes(moved: Moved) -> list[Probe]:
    """The boundaries of the rule, from its disease's rows."""
    flag = moved.rule.rpartition(": ")[2]
    return [p for p in rows(moved.disease.id) if p.rule in (moved.rule, flag)]


@cache
def rows(disease: str) -> tuple[Probe, ...]:
    return probes_of(disease) if disease in diseases_with_rows() else ()


def _fails(probe: Probe, disease: str, knowledge: Knowledge) -> bool:
    as_of = START + timedelta(days=2 * LONG)
    said = to_json(assess(probe.chart, as_of=as_of, knowledge=knowledge), explain=True)
    return bool(probe.fault(said, disease))


def survivors(disease: str) -> tuple[str, int, list[str]]:
    """The disease, how many numbers were moved, and those that no story noticed."""
    knowledge = shipped_knowledge()
    moved = list(moved_numbers(knowledge.diseases[disease]))
    return disease, len(moved), [str(m) for m in moved if not is_noticed(m, knowledge)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("diseases", nargs="*", metavar="DISEASE")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    names = asked.diseases or sorted(shipped_knowledge().diseases)
    tried = kept = 0
    with ProcessPoolExecutor(asked.jobs) as workers:
        for disease, number, unnoticed in workers.map(survivors, names):
            sys.stdout.write(f"{disease}: {number} moved, {len(unnoticed)} unnoticed" + "\n")
            for one in unnoticed:
                sys.stdout.write(f"    {one}" + "\n")
            tried, kept = tried + number, kept + len(unnoticed)
    share = (tried - kept) / tried if tried else 1
    sys.stdout.write(f"{tried} numbers moved, {tried - kept} noticed ({share:.1%})\n")
    return 1 if kept else 0


if __name__ == "__main__":
    sys.exit(main())
