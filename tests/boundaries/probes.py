"""Rows of numbers → charts on both sides of each of them.

A row restates a rule (`tests/boundaries/<disease>.toml`); nothing here reads the knowledge. Each
number of a row gives two charts, a day or a cycle or a hair apart, with what the rule has to say
of either. Days are counted from START, the first dose; in an entry of a row `+30` is START and 30
days, `pd-10` the day of the progression less 10.

    [[window]]    rule, drug, setting; days, after, minimum, cycles, doses, earliest, scan,
                  after_radiotherapy, unreadable, hold, within, primary, inclusive, stable, brief,
                  response
    [[response]]  rule, drug; cycles, days
    [[marker]]    rule, drug, marker; see `marker_probes`
    [[flag]]      flag, drug; days, since

`with`: drugs beside; `before`: a drug of an earlier line that failed; `extra`: further entries.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from charts import Resource, condition, order, patient, resources, response, secondary

HERE: Final = Path(__file__).parent
START: Final = date(2022, 1, 3)
LONG: Final = 900
"""Days of treatment where its length does not matter."""
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Probe:
    """One chart beside a number, and what has to be said of its latest line.

    `says` is a member of the Assessment's line, or `answer` for what the rule itself says; `value`
    what it has to be, or `holds` whether it is in there.
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
        line = cancers[0]["lines"][-1]
        found = self._found(line)
        is_there = self.value in found if isinstance(found, list) else found == self.value
        if is_there is self.holds:
            return ""
        wanted = f"{'' if self.holds else 'not '}{self.value}"
        return f"{self.name}: {self.says} is {found}, and has to be {wanted}"

    def _found(self, line: Mapping[str, Any]) -> Any:
        if self.says != "answer":
            return line[self.says]
        own = [a for a in line["explanation"] if a["rule"] == self.rule]
        return sorted({a["condition"] or a["answer"] for a in own})


def day(number: int) -> str:
    return (START + timedelta(days=number)).isoformat()


def probes_of(disease: str) -> Iterator[Probe]:
    """Every probe of a disease's file."""
    from boundaries.markers import marker_probes

    told = tomllib.loads((HERE / f"{disease}.toml").read_text(encoding="utf-8"))
    known = {"window": window_probes, "response": response_probes, "marker": marker_probes,
             "flag": flag_probes}  # fmt: skip
    for kind, rows in told.items():
        for row in rows:
            yield from known[kind](disease, row)


def diseases_with_rows() -> list[str]:
    return sorted(path.stem for path in HERE.glob("*.toml"))


# --- charts --------------------------------------------------------------------------------------


def chart_of(
    disease: str,
    row: Row,
    *signs: Resource,
    until: int = LONG,
    cycle: int | None = 84,
    pd: int | None = None,
) -> tuple[Resource, ...]:
    """The cancer, an earlier line if the row has one, the drugs from START on, and the signs."""
    made: list[Resource] = [patient("p1"), condition(disease, onset="2020-06-01", id="c1")]
    if "before" in row:
        made += [
            order(drug, day(-400), day(-300), intent="palliative") for drug in _all(row["before"])
        ]
        made.append(response("PD", day(-20)))
    intent = {"advanced": "palliative", "curative": "curative"}.get(row.get("setting", ""))
    for drug in [row["drug"], *_all(row.get("with", []))]:
        use = order(drug, day(0), day(until), intent=intent)
        repeat = use["dosageInstruction"][0]["timing"]["repeat"]
        if cycle is not None:
            repeat |= {"frequency": 1, "period": cycle, "periodUnit": "d"}
        made.append(use)
    made += resources([_dated(entry, pd) for entry in row.get("extra", [])])
    others = [m for m in made[2:] if m["resourceType"] != "Patient"]
    return (*made[:2], *others, *signs)


def _all(drugs: str | list[str]) -> list[str]:
    return [drugs] if isinstance(drugs, str) else drugs


def _dated(value: Any, pd: int | None) -> Any:
    """The entry with its days worked out."""
    if isinstance(value, str) and (found := re.fullmatch(r"(pd)?([+-]\d+)", value)):
        return day((pd or 0 if found[1] else 0) + int(found[2]))
    if isinstance(value, Mapping):
        return {key: _dated(inner, pd) for key, inner in value.items()}
    return [_dated(inner, pd) for inner in value] if isinstance(value, list) else value


# --- rules that count from the last dose --------------------------------------------------------


def window_probes(disease: str, row: Row) -> Iterator[Probe]:
    """Both sides of every number of a window rule."""
    rule = row["rule"]

    def probe(name: str, pd: int, says: str, value: Any, holds: bool = True, **how: Any) -> Probe:
        extra = how.pop("signs", ())
        made = chart_of(disease, row, *extra, _progression(row, pd), pd=pd, **how)
        return Probe(f"{rule}: {name}", rule, made, says, value, holds)

    last = row.get("days", 0) - (not row.get("inclusive", True))
    sides = [(last, True), (last + 1, False)] if "days" in row else []
    sides += [(row["after"], False), (row["after"] + 1, True)] if "after" in row else []
    for days, answer in sides:
        yield probe(f"{days} days after", 400 + days, "answer", "held", holds=answer, until=400)
    yield from _exposure_probes(row, probe)
    yield from _scan_probes(row, probe)
    yield from _unreadable_probes(row, probe)
    yield from _pattern_probes(row, probe)


def _exposure_probes(row: Row, probe: Any) -> Iterator[Probe]:
    """Days and cycles of exposure, and the earliest day of an assessment."""
    if "minimum" in row:
        for days, short in ((row["minimum"], False), (row["minimum"] - 1, True)):
            yield probe(f"{days} days of it", days, "answer", "too-little-exposure", holds=short)
    if "cycles" in row:
        for days, short in ((7 * row["cycles"], False), (7 * row["cycles"] - 1, True)):
            yield probe(
                f"{days} days in cycles of 7", days, "answer", "too-little-exposure",
                holds=short, cycle=7,
            )  # fmt: skip
    if "earliest" in row:
        for days, early in ((row["earliest"], False), (row["earliest"] - 1, True)):
            yield probe(
                f"assessed on day {days}", days, "caveats", "assessment-too-early", holds=early
            )


def _unreadable_probes(row: Row, probe: Any) -> Iterator[Probe]:
    """Imaging soon after radiotherapy; and progression in a break of the drug, which goes on."""
    if "unreadable" in row:
        for days, early in ((row["unreadable"], True), (row["unreadable"] + 1, False)):
            yield probe(
                f"{days} days after radiotherapy", row["radiotherapy_until"] + days, "caveats",
                "assessment-too-early", holds=early,
            )  # fmt: skip
    if "hold" in row:
        for days, held in ((row["hold"], True), (row["hold"] + 1, False)):
            again = order(row["drug"], day(400 + days + 1), day(LONG))
            yield probe(
                f"in a break of {days} days", 410, "caveats", "adherence", holds=held, until=400,
                signs=[again],
            )  # fmt: skip


def _progression(row: Row, pd: int) -> Resource:
    if "metastasis" in row:
        return secondary(row["metastasis"], onset=day(pd), of="c1")
    return response(row.get("sign", "PD"), day(pd), id="pd")


def _scan_probes(row: Row, probe: Any) -> Iterator[Probe]:
    """The confirming scan, and the time in which it is asked for."""
    at = row.get("scanned", 100)
    if "scan" in row:
        for later, missing in ((row["scan"], False), (row["scan"] - 1, True)):
            yield probe(
                f"a second scan {later} days later", at, "caveats", "unconfirmed", holds=missing,
                signs=[response("PD", day(at + later), id="again")],
            )  # fmt: skip
    if "within" in row:
        for days, asked in ((row["within"], True), (row["within"] + 1, False)):
            yield probe(
                f"on day {days}", days, "caveats", "pseudoprogression-possible", holds=asked
            )
    if "after_radiotherapy" in row:
        end = row["radiotherapy_until"]
        for days, asked in (
            (row["after_radiotherapy"], True),
            (row["after_radiotherapy"] + 1, False),
        ):
            yield probe(
                f"{days} days after radiotherapy", end + days, "caveats",
                "pseudoprogression-possible", holds=asked,
            )  # fmt: skip


def _pattern_probes(row: Row, probe: Any) -> Iterator[Probe]:
    """Primary and secondary, on both sides of the day that divides them."""
    later = row.get("later", "secondary")
    if "primary" in row:
        last = row["primary"] - (not row.get("primary_inclusive", True))
        sign = [response(row["had"], day(row.get("had_on", 60)), id="had")] if "had" in row else []
        for days, pattern in ((last, "primary"), (last + 1, later)):
            yield probe(f"on day {days}", days, "pattern", pattern, signs=sign)
    stable = [response("SD", day(row.get("stable_on", 45)), id="stable")]
    if "stable" in row:
        for days, holds in ((row["stable"], True), (row["stable"] - 1, False)):
            yield probe(
                f"stable, then day {days}", days, "pattern", "secondary", holds=holds, signs=stable
            )
    if "brief" in row:
        early = [response("SD", day(row.get("brief_on", 20)), id="stable")]
        for days, holds in ((row["brief"], False), (row["brief"] - 1, True)):
            yield probe(
                f"briefly stable, then day {days}", days, "pattern", "primary", holds=holds,
                signs=early,
            )  # fmt: skip
    if "response" in row:
        had = [response("PR", day(45), id="had")]
        for days, holds in ((row["response"], True), (row["response"] - 1, False)):
            yield probe(
                f"a response, then day {days}", days, "pattern", "secondary", holds=holds, signs=had
            )


# --- a response that is asked for by now ----------------------------------------------------------


def response_probes(disease: str, row: Row) -> Iterator[Probe]:
    """A category that is not enough, a cycle or a day before the rule speaks, and then."""
    rule, category = row["rule"], row.get("category", "SD")
    if "cycles" in row:
        cycle = row.get("cycle", 28)
        for number, holds in ((row["cycles"], True), (row["cycles"] - 1, False)):
            if not number:
                continue
            seen = response(category, day(max(cycle * (number - 1) + 1, row.get("not_before", 0))))
            until = max(1, cycle * (number - 1) + 1)
            chart = chart_of(disease, row, seen, cycle=cycle, until=until)
            yield Probe(f"{rule}: {number} cycles", rule, chart, "answer", "held", holds)
    if "days" in row:
        cycle = row.get("cycle_for_days", 7)
        for days, holds in ((row["days"], True), (row["days"] - 1, False)):
            chart = chart_of(disease, row, response(category, day(days)), cycle=cycle)
            yield Probe(f"{rule}: {days} days", rule, chart, "answer", "held", holds)
    for reached, holds in ((row.get("enough"), False), (row.get("too_little"), True)):
        if reached:
            chart = chart_of(disease, row, response(reached, day(500)), cycle=28)
            yield Probe(f"{rule}: {reached}", rule, chart, "answer", "held", holds)


# --- flags of early return ------------------------------------------------------------------------


def flag_probes(disease: str, row: Row) -> Iterator[Probe]:
    """The flag on its last day, and not on the next."""
    flag, since = row["flag"], row["since"]
    last = row["days"] - (not row.get("inclusive", True))
    from_day = {"start": 0, "last-dose": 120, "remission": 60}[since]
    signs = [response("CR", day(60), id="had")]
    for days, holds in ((last, True), (last + 1, False)):
        pd = response("PD", day(from_day + days), id="pd")
        chart = chart_of(disease, row, *signs, pd, until=120)
        yield Probe(f"{flag}: {days} days since {since}", flag, chart, "flags", flag, holds)
