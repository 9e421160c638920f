"""Labels over several lines, and flags of early return, on both sides of their numbers.

[[composite]]  interval  after, days, inclusive: days since the last dose of `drug`
               lines     one drug a line, each of which failed: with the last of them the label is
                         there, without it not; or, with `needs`, without any one of those named
[[flag]]       flag; days, inclusive; since: "start", "last-dose" or "remission"
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from charts import Resource, condition, order, patient, resources, response

from boundaries.probes import Probe, Row, chart_of, dated, day, several

LINE = 200
"""Days from the start of one line to that of the next."""


def composite_probes(disease: str, row: Row) -> Iterator[Probe]:
    rule = row["rule"]
    for days, holds in _days(row):
        signs = [response("CR", day(200), id="had"), response("PD", day(400 + days), id="pd")]
        chart = chart_of(disease, row, *signs, until=400)
        yield Probe(f"{rule}: {days} days after", rule, chart, "composites", rule, holds)
    lines = [several(drugs) for drugs in row.get("lines", [])]
    if lines:
        yield Probe(f"{rule}: all of them", rule, _failed(disease, row, lines), "composites", rule)
    for name in row.get("needs", []):
        fewer = [[drug for drug in drugs if drug != name] for drugs in lines]
        chart = _failed(disease, row, [drugs for drugs in fewer if drugs])
        yield Probe(f"{rule}: without {name}", rule, chart, "composites", rule, holds=False)


def _days(row: Row) -> list[tuple[int, bool]]:
    last = row.get("days", 0) - (not row.get("inclusive", True))
    sides = [(last, True), (last + 1, False)] if "days" in row else []
    return sides + ([(row["after"], False), (row["after"] + 1, True)] if "after" in row else [])


def _failed(disease: str, row: Row, lines: Sequence[list[str]]) -> tuple[Resource, ...]:
    """One line after the other, each with progression on its last day."""
    made: list[Resource] = [patient("p1"), condition(disease, onset="2020-06-01", id="c1")]
    for number, drugs in enumerate(lines):
        first, last = LINE * number, LINE * number + 150
        made += [order(drug, day(first), day(last), intent="palliative") for drug in drugs]
        made.append(response("PD", day(last), id=f"pd-{number}"))
    entries = [dated(entry) for entry in row.get("extra", [])]
    return (*made, *(m for m in resources(entries) if m["resourceType"] != "Patient"))


def flag_probes(disease: str, row: Row) -> Iterator[Probe]:
    """The flag on its last day, and not on the next."""
    flag, since = row["flag"], row["since"]
    last = row["days"] - (not row.get("inclusive", True))
    until = row.get("until", 120)
    from_day = {"start": 0, "last-dose": until, "remission": 60}[since]
    had = [response(row.get("had", "CR"), day(60), id="had")]
    for days, holds in ((last, True), (last + 1, False)):
        pd = response("PD", day(from_day + days), id="pd")
        chart = chart_of(disease, row, *had, pd, until=until, cycle=row.get("cycle", 84))
        yield Probe(f"{flag}: {days} days since {since}", flag, chart, "flags", flag, holds)
