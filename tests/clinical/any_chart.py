"""Every chart of the vignettes and fixtures, and ways to make another chart of one."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from random import Random
from typing import Any, Final

from charts import resources
from fixtures.stories import STORIES
from vignettes.test_vignettes import CASES

Json = dict[str, Any]
Path = tuple[str | int, ...]

_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
_PART_OF_A_DAY: Final = re.compile(r"\d{4}(-\d\d)?")
WRONG: Final[tuple[Any, ...]] = (
    "x", "", 7, -1, 1e308, 10**30, True, None, [], {}, [7], [[]], {"coding": 7}, {"reference": []},
    "2024-02-30", "0001-01-01", "9999-12-31", "2024", "2024-05", "2024-05-05T10:00",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Chart:
    """The resources of one patient, and the day on which they are read."""

    name: str
    as_of: date
    resources: tuple[Json, ...]

    @property
    def patient(self) -> str:
        """The id of the patient."""
        own = (r["id"] for r in self.resources if r["resourceType"] == "Patient")
        return str(next(own))

    def __repr__(self) -> str:
        return f"<{self.name}, {len(self.resources)} resources>"

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """Hypothesis would print every resource otherwise."""
        printer.text(repr(self))

    def of(self, made: list[Json], as_of: date | None = None) -> Chart:
        """The chart with other resources, perhaps on another day."""
        return replace(self, resources=tuple(made), as_of=as_of or self.as_of)

    def copied(self) -> list[Json]:
        return copy.deepcopy(list(self.resources))


CHARTS: Final = (
    *(Chart(c.name, c.as_of, tuple(resources(c.chart, until=c.as_of))) for c in CASES),
    *(Chart(story.slug, story.as_of, tuple(story.resources)) for story in STORIES),
)


# --- days ---------------------------------------------------------------------------------------


def moved(value: Any, days: int) -> Any:
    """A JSON value with every day in it, in texts too, so many days later."""
    if isinstance(value, dict):
        return {key: moved(inner, days) for key, inner in value.items()}
    if isinstance(value, list):
        return [moved(inner, days) for inner in value]
    if isinstance(value, str):
        return _DAY.sub(lambda found: _later(found[0], days), value)
    return value


def _later(day: str, days: int) -> str:
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()


def holds_a_part_of_a_date(value: Any) -> bool:
    """Whether a month or a year stands for a date: those cannot be moved by days."""
    if isinstance(value, dict):
        return any(map(holds_a_part_of_a_date, value.values()))
    if isinstance(value, list):
        return any(map(holds_a_part_of_a_date, value))
    return isinstance(value, str) and _PART_OF_A_DAY.fullmatch(value) is not None


# --- names --------------------------------------------------------------------------------------


def numbered(chart: Chart) -> Chart:
    """The chart with ids that say nothing, no day either; who pointed at what still does."""
    names: dict[str, str] = {}
    for position, resource in enumerate(chart.resources):
        if "id" in resource:
            type_ = resource["resourceType"]
            names.setdefault(f"{type_}/{resource['id']}", f"{type_}/r{position}")
    made = [_renamed(resource, names) for resource in chart.copied()]
    for resource in made:
        if "id" in resource:
            name = f"{resource['resourceType']}/{resource['id']}"
            resource["id"] = names[name].partition("/")[2]
    return chart.of(made)


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            key: names.get(inner, inner)
            if key == "reference" and isinstance(inner, str)
            else _renamed(inner, names)
            for key, inner in value.items()
        }
    return [_renamed(inner, names) for inner in value] if isinstance(value, list) else value


# --- other charts -------------------------------------------------------------------------------


def mixed(chart: Chart, chance: Random) -> Chart:
    """A chart with some resources missing, another chart's added, and some days exchanged."""
    made = [r for r in chart.copied() if r["resourceType"] == "Patient" or chance.random() < 0.95]
    if chance.random() < 0.6:
        made += _from_another(chart, chance)
    days = [(chart.as_of - timedelta(days=chance.randrange(500))).isoformat() for _ in range(5)]
    for resource in made:
        if chance.random() < 0.2 and len(str(resource.get("effectiveDateTime"))) == len(days[0]):
            resource["effectiveDateTime"] = chance.choice(days)
    return chart.of(made)


def _from_another(chart: Chart, chance: Random) -> list[Json]:
    other = chance.choice(CHARTS)
    text = json.dumps([r for r in other.copied() if r["resourceType"] != "Patient"])
    text = text.replace(f'"Patient/{other.patient}"', f'"Patient/{chart.patient}"')
    later = (chart.as_of - other.as_of).days - chance.choice((0, 0, 45, 200))
    added: list[Json] = moved(json.loads(text), later)
    for resource in added:
        resource["id"] = f"{resource['id'][:60]}-too"
    return added


def broken(chart: Chart, chance: Random) -> Chart:
    """A chart with a few nodes of its JSON deleted, replaced or of a wrong type."""
    made = chart.copied()
    for _ in range(chance.randrange(1, 7)):
        resource = chance.choice(made)
        paths = list(_nodes(resource))
        if not paths:
            continue
        *way, last = chance.choice(paths)
        node: Any = resource
        for key in way:
            node = node[key]
        if chance.random() < 0.35:
            del node[last]
        else:
            node[last] = copy.deepcopy(chance.choice(WRONG))
    return chart.of(made)


def _nodes(value: Any, path: Path = ()) -> Iterator[Path]:
    """The path of every JSON node below the root."""
    entries: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        entries = list(value.items())
    elif isinstance(value, list):
        entries = list(enumerate(value))
    for key, inner in entries:
        yield (*path, key)
        yield from _nodes(inner, (*path, key))
