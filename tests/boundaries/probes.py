"""Rows of numbers → charts on both sides of each of them.

A row restates a rule (`tests/boundaries/<disease>.toml`); nothing here reads the knowledge. Each
number of a row gives two charts, a day or a cycle or a hair apart, with what the rule has to say
of either. Days are counted from START, the first dose; in an entry of a row `+30` is START and 30
days, `pd-10` the day of the progression less 10.

    [[window]]     rules that count from the last dose           windows.py, patterns.py
    [[response]]   a response that is asked for by now           responses.py
    [[marker]]     the course of a marker                        markers.py, marker_limits.py
    [[milestone]]  transcripts by their time                     milestones.py
    [[target]]     counts, a spleen, procedures still needed     targets.py
    [[composite]]  labels over several lines                     composites.py
    [[flag]]       flags of early return                         composites.py

In every row: `rule`, `drug`; `with`: drugs beside; `before`: drugs of an earlier line that failed;
`setting`: "curative" or "advanced"; `extra`: further entries; `given`: days on which the drug is
given, where it is not ordered. `always` of a file: entries of all of its charts. `[from.solid]`
takes over the rows of `sets/solid.toml`, with other numbers where it names such, and `drugs` of
single ones, without those of `without`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

from charts import Resource, condition, given, order, patient, resources, response

HERE: Final = Path(__file__).parent
START: Final = date(2022, 1, 3)
LONG: Final = 900
"""Days of treatment where its length does not matter."""
HAIR: Final = 0.0001
"""A ten-thousandth more or less."""
Row = Mapping[str, Any]
Maker = Callable[[str, Row], Iterator["Probe"]]


@dataclass(frozen=True, slots=True)
class Probe:
    """One chart beside a number, and what has to be said of its latest line.

    `says` is a member of the Assessment's line, or `answer`: what the rule itself says; `failed`:
    the rules by which the line is refractory; `evidence`: each day with its finding; `told`: what
    the evidence ends with, in words; `composites` of the cancer. `value`: what it has to be, or
    `holds` whether it is in there.
    """

    name: str
    rule: str
    chart: tuple[Resource, ...]
    says: str
    value: Any
    holds: bool = True

    def fault(self, said: Mapping[str, Any], disease: str) -> str:
        """What is said instead, in words; empty where it is as it has to be."""
        cancers = [c for c in said["cancers"] if c["disease"] == disease]
        if not cancers or not cancers[0]["lines"]:
            return f"{self.name}: no line of {disease}"
        found = self._found(cancers[0], cancers[0]["lines"][-1])
        is_there = self.value in found if isinstance(found, list) else found == self.value
        if is_there is self.holds:
            return ""
        wanted = f"{'' if self.holds else 'not '}{self.value}"
        return f"{self.name}: {self.says} is {found}, and has to be {wanted}"

    def _found(self, cancer: Mapping[str, Any], line: Mapping[str, Any]) -> Any:
        if self.says == "answer":
            own = [a for a in line["explanation"] if a["rule"] == self.rule]
            return sorted({a["condition"] or a["answer"] for a in own})
        if self.says == "failed":
            return line["rules"] if line["status"] == "possible-refractory" else []
        if self.says == "evidence":
            return [f"{e['date']} {e['finding']}" for e in line["evidence"]]
        if self.says == "told":
            return [e["detail"].rpartition(": ")[2] for e in line["evidence"]]
        if self.says == "composites":
            return sorted(a["rule"] for a in cancer["explanation"] if a["answer"] == "held")
        return line[self.says]


def day(number: int) -> str:
    return (START + timedelta(days=number)).isoformat()


@cache
def probes_of(disease: str) -> tuple[Probe, ...]:
    """Every probe of a disease's file."""
    told = _read(f"{disease}.toml")
    always = told.pop("always", [])
    rows = [
        (kind, row)
        for name, instead in told.pop("from", {}).items()
        for kind, row in _taken_over(disease, name, instead)
    ]
    rows += [(kind, row) for kind, own in told.items() for row in own]
    made: list[Probe] = []
    for kind, row in rows:
        made += makers()[kind](disease, {**row, "extra": [*always, *row.get("extra", [])]})
    return tuple(made)


def _taken_over(disease: str, name: str, instead: Row) -> Iterator[tuple[str, Row]]:
    """The rows of a set as those of a disease: its name before theirs, its numbers for theirs."""
    for kind, rows in _read(f"sets/{name}.toml").items():
        for row in rows:
            if row["rule"] not in instead.get("without", []):
                other = {"drug": instead.get("drugs", {}).get(row["rule"], row["drug"])}
                yield kind, {**row, **other, **instead, "rule": f"{disease}.{row['rule']}"}


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((HERE / name).read_text(encoding="utf-8"))


@cache
def makers() -> Mapping[str, Maker]:
    """What makes probes of a row, by the name of its kind."""
    from boundaries.composites import composite_probes, flag_probes
    from boundaries.markers import marker_probes
    from boundaries.milestones import milestone_probes
    from boundaries.responses import response_probes
    from boundaries.targets import target_probes
    from boundaries.windows import window_probes

    return {
        "window": window_probes,
        "response": response_probes,
        "marker": marker_probes,
        "milestone": milestone_probes,
        "target": target_probes,
        "composite": composite_probes,
        "flag": flag_probes,
    }


def diseases_with_rows() -> list[str]:
    return sorted(path.stem for path in HERE.glob("*.toml"))


# --- charts --------------------------------------------------------------------------------------


def chart_of(
    disease: str,
    row: Row,
    *signs: Resource,
    until: int = LONG,
    cycle: int | None = 84,
    doses: list[int] | None = None,
    pd: int | None = None,
) -> tuple[Resource, ...]:
    """The cancer, an earlier line if the row has one, the drugs from START on, and the signs.

    The drugs are ordered up to the day `until` in cycles of so many days; or given on the days of
    `doses`, where there are such.
    """
    made: list[Resource] = [patient("p1"), condition(disease, onset="2020-06-01", id="c1")]
    if "before" in row:
        made += [
            order(drug, day(-400), day(-300), intent="palliative")
            for drug in several(row["before"])
        ]
        made.append(response("PD", day(-20)))
    days = doses if doses is not None else row.get("given")
    for drug in drugs_of(row):
        if days is not None:
            made += given(drug, [day(number) for number in days])
        else:
            made.append(_ordered(drug, row, until, cycle))
    entries = [dated(entry, pd) for entry in row.get("extra", [])]
    made += [m for m in resources(entries) if m["resourceType"] != "Patient"]
    return (*made, *signs)


def _ordered(drug: str, row: Row, until: int, cycle: int | None) -> Resource:
    intent = {"advanced": "palliative", "curative": "curative"}.get(row.get("setting", ""))
    how = {"mg_a_day": row["mg"]} if drug == row["drug"] and "mg" in row else {}
    use = order(drug, day(0), day(until), intent=intent, stopped_for=row.get("stopped_for"), **how)
    if cycle is not None and not how:
        repeat = use["dosageInstruction"][0]["timing"]["repeat"]
        repeat |= {"frequency": 1, "period": cycle, "periodUnit": "d"}
    return use


def drugs_of(row: Row) -> list[str]:
    return [row["drug"], *several(row.get("with", []))]


def several(drugs: str | list[str]) -> list[str]:
    return [drugs] if isinstance(drugs, str) else drugs


def dated(value: Any, pd: int | None = None) -> Any:
    """The entry with its days worked out."""
    if isinstance(value, str) and (found := re.fullmatch(r"(pd)?([+-]\d+)", value)):
        return day((pd or 0 if found[1] else 0) + int(found[2]))
    if isinstance(value, Mapping):
        return {key: dated(inner, pd) for key, inner in value.items()}
    return [dated(inner, pd) for inner in value] if isinstance(value, list) else value
