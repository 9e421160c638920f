"""Where a line stood by an earlier day is what `judge` says of the evidence up to then."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random
from typing import get_args

import pytest
from clinical.any_chart import CHARTS
from msgspec.structs import replace

from cds_service import assess
from cds_service.clinical.evidence import Evidence, Finding, Kind
from cds_service.clinical.evidence.evidence import RESPONSES, in_order
from cds_service.clinical.status import Case, decide_status
from cds_service.clinical.status.judge import judge
from cds_service.clinical.status.line_status import Earlier
from cds_service.clinical.status.past import ADVERSE, past_statuses
from cds_service.clinical.status.windows import window_rules
from cds_service.dates import PartialDate

SITES = ("", "", "", "", "left lung", "right lung", "liver", "bone", "brain")
SPANS = (40, 200, 1_500)
COMMON: tuple[Finding, ...] = ("progression", "stable", "partial-response")


def _case(number: int) -> Case | None:
    chart = CHARTS[number % len(CHARTS)]
    cancers = assess(list(chart.resources), chart.as_of).cancers
    lines = [judged for cancer in cancers for judged in cancer.judged]
    if not lines:
        return None
    case = replace(lines[number % len(lines)].case, told=None, steady=None)
    return replace(case, window_rules=window_rules(case))


def _finding(case: Case, number: int, span: int, chance: Random) -> Evidence:
    def rarely(often: float = 0.06) -> bool:
        return chance.random() < often

    first = case.line.start.first + timedelta(days=chance.randrange(span))
    kind = chance.choice(("disease-status", "response-category", *get_args(Kind)))
    finding = chance.choice((*COMMON, *COMMON, *get_args(Finding)))
    is_suspicion = finding == "unconfirmed-progression"
    month = PartialDate.parse(f"{first:%Y-%m}")
    asked = [m.id for m in case.disease.milestones] + [t.id for t in case.disease.targets]
    missed = chance.choice(asked) if asked and finding == "progression" and rarely() else ""
    return Evidence(
        f"Observation/{number}",
        month if rarely(0.1) else PartialDate.on(first),
        kind,
        finding,
        "",
        chance.choice((5, 5, 5, *range(1, 9))),
        is_documented=rarely(),
        is_response=finding in RESPONSES,
        is_formal=rarely(0.5),
        is_mixed=rarely(0.02),
        is_unconfirmed=is_suspicion,
        is_atypical=is_suspicion and rarely(0.7),
        is_new_lesion=finding == "progression" and rarely(),
        is_not_comparable=rarely(),
        is_refractory_in_words=finding == "progression" and rarely(0.02),
        sites=tuple(s for s in {chance.choice(SITES), chance.choice(SITES)} if s),
        rule=missed,
        missed=missed,
        is_marker_based=rarely(),
        is_transformation=rarely(0.02),
        confirmed_on=PartialDate.on(first + timedelta(days=chance.randrange(300)))
        if rarely()
        else None,
        is_off_therapy=rarely(),
        decides=not rarely(),
        suggests=rarely(0.02),
    )


def _beginnings(evidence: tuple[Evidence, ...]) -> list[int]:
    return [n for n, e in enumerate(evidence) if n and e.on != evidence[n - 1].on]


def _judged(case: Case, cuts: list[int]) -> list[Earlier]:
    said = [judge(replace(case, evidence=case.evidence[:cut], told=None)) for cut in cuts]
    return [
        Earlier(status.progressed_on, status.status)
        for status in said
        if status.status in ADVERSE and status.progressed_on is not None
    ]


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("part", range(4))
def test_every_earlier_day_is_judged_by_what_was_told_until_then(span: int, part: int) -> None:
    told = 0
    for number in range(part, 600, 4):
        chance = Random(number * 1_000 + span)  # noqa: S311 - made evidence
        case = _case(chance.randrange(10_000))
        if case is None:
            continue
        made = [_finding(case, n, span, chance) for n in range(chance.randrange(2, 40))]
        case = replace(case, evidence=tuple(sorted(set(made), key=in_order)))
        cuts = _beginnings(case.evidence)
        judged = _judged(case, cuts)
        assert past_statuses(case, cuts) == judged
        if len(cuts) > 3:
            some = sorted(chance.sample(cuts, 3))
            assert past_statuses(case, some) == _judged(case, some)
        told += len(judged)
    assert told > 300


def test_a_response_after_progression_leaves_the_progression_in_the_history() -> None:
    case = next(c for c in map(_case, range(50)) if c is not None)
    start = case.line.start.first
    worse = Evidence("Observation/1", _on(start, 50), "disease-status", "progression", "", 5)
    better = Evidence(
        "Observation/2", _on(start, 90), "disease-status", "partial-response", "", 5,
        is_response=True,
    )  # fmt: skip
    status = decide_status(replace(case, evidence=(worse, better)))
    assert [past.on for past in status.history] == [worse.on.first]


def _on(start: date, days: int) -> PartialDate:
    return PartialDate.on(start + timedelta(days=days))
