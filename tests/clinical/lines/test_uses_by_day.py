"""Uses that are sought by day are those that looking through all of them gives."""

from __future__ import annotations

import random
from datetime import date, timedelta

from cds_service.clinical.lines.assign import _Doses, _Spans, lies_under
from cds_service.clinical.record import Exposure
from cds_service.clinical.record.record import UseKind
from cds_service.dates import PartialDate

DAY = date(2024, 1, 1)
KINDS: tuple[UseKind, ...] = ("administration", "dispense", "order")


def any_date(source: random.Random) -> PartialDate:
    first = DAY + timedelta(source.randint(0, 60))
    return PartialDate(first, first + timedelta(source.choice((0, 0, 0, 29))))


def any_use(source: random.Random, number: int) -> Exposure:
    start = any_date(source)
    length = source.choice((None, 0, 2, 10, 40))
    return Exposure(
        resource=f"MedicationRequest/{number}",
        drug="docetaxel",
        kind=source.choice(KINDS),
        start=start,
        end=None if length is None else PartialDate.on(start.last + timedelta(length)),
        is_open_ended=length is None,
        is_estimated=source.random() < 0.2,
    )


def any_uses(source: random.Random) -> list[Exposure]:
    uses = [any_use(source, n) for n in range(source.randint(0, 9))]
    return sorted(uses, key=lambda use: (use.start, use.resource))


def overlap(one: Exposure, other: Exposure) -> bool:
    ends = [(one.end or other.start).last, (other.end or one.start).last]
    return ends[0] >= other.start.first and ends[1] >= one.start.first


def test_doses_under_an_order() -> None:
    source = random.Random(2)  # noqa: S311
    for _ in range(2_000):
        uses, order = any_uses(source), any_use(source, 99)
        kinds = {"administration", "dispense"}
        under = {n for n, e in enumerate(uses) if e.kind in kinds and lies_under(e.start, order)}
        found = _Doses(uses, kinds).under(order)
        assert (set(found), len(found)) == (under, len(under))


def test_uses_beside_a_statement() -> None:
    source = random.Random(3)  # noqa: S311
    for _ in range(2_000):
        uses, statement = any_uses(source), any_use(source, 99)
        source.shuffle(uses)
        beside = [use for use in uses if overlap(statement, use)]
        ended = [use for use in beside if use.end is not None]
        last = max(ended, key=lambda use: (use.start, use.resource), default=None)
        expected = bool(beside), None if last is None else uses.index(last)
        assert _Spans(uses).beside(statement) == expected
