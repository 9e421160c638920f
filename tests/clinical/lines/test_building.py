"""What a line keeps of its uses while it is put together is what they say, however they came."""

from __future__ import annotations

import random
from datetime import date, timedelta

from clinical.values import KNOWLEDGE, cancer

from cds_service.clinical.lines.course import Building, Course, steps_of
from cds_service.clinical.record import Exposure
from cds_service.dates import PartialDate

DAY = date(2026, 1, 1)
AS_OF = date(2026, 11, 21)


def on(day: int, until: int | None = None) -> PartialDate:
    return PartialDate(DAY + timedelta(day), DAY + timedelta(day if until is None else until))


def a_use(source: random.Random) -> Exposure:
    start = source.randint(0, 200)
    end = None if source.random() < 0.2 else on(start + source.randint(0, 60))
    return Exposure(
        resource=f"MedicationRequest/{source.random()}",
        kind="order",
        drug=source.choice(("lenalidomide", "bortezomib", "", "daratumumab")),
        start=on(start),
        end=end,
        intent=source.choice(("", "curative", "palliative")),
    )


def test_after_every_use_that_joins_or_goes() -> None:
    source = random.Random(7)  # noqa: S311
    line = Building(DAY)
    for step in range(400):
        if step % 40 == 39:
            line.exposures = [e for e in line.exposures if source.random() < 0.5]
        elif step % 3:
            line.exposures.append(a_use(source))
        else:
            line.exposures += [a_use(source), a_use(source)]
        uses = line.exposures
        assert line.drugs() == {e.drug for e in uses}
        assert line.intents() == {e.intent for e in uses}
        for names in (None, ["lenalidomide"], ["bortezomib", ""], ["nobody"], []):
            ends = [
                AS_OF if e.end is None else e.end.last
                for e in uses
                if names is None or e.drug in names
            ]
            assert line.last_covered(AS_OF, names) == max(ends, default=DAY)


def a_course(signs: tuple[PartialDate, ...]) -> Course:
    """As far as signs of progression go."""
    return Course(
        as_of=DAY,
        exposures=(),
        of_drug={},
        cancer=cancer("prostate"),
        disease=KNOWLEDGE.disease("prostate"),
        knowledge=KNOWLEDGE,
        statements=(),
        signs=signs,
        sign_steps=steps_of(signs),
        transplants=(),
        collections=(),
        surgeries=(),
        radiotherapies=(),
        infusions=(),
        regimens=(),
    )


def test_a_sign_lies_between_two_days_where_any_of_its_days_does() -> None:
    source = random.Random(8)  # noqa: S311
    for _ in range(200):
        days = [source.randint(0, 30) for _ in range(source.randint(0, 6))]
        signs = tuple(on(day, day + source.choice((0, 0, 5, 29))) for day in days)
        course = a_course(signs)
        for after in range(0, 60, 7):
            for until in range(0, 60, 5):
                then, by = DAY + timedelta(after), DAY + timedelta(until)
                expected = any(then < s.last and s.first <= by for s in signs)
                assert course.progressed(then, by) == expected
