"""Rows A1 to A18 of the firing table: for each what fires it, and what is one step short of it."""

from __future__ import annotations

from typing import Any, Final

import pytest
from clinical.advice.situations import LEADS_TO_TRIAL, caution, fact, situation, stands
from clinical.values import event, on, seen

from cds_service.clinical.advice.firing import FIRING, fired_by
from cds_service.clinical.advice.situation import AdviceKind
from cds_service.clinical.record import Doubt

REFRACTORY: Final = stands("possible-refractory", "criteria")
DOCUMENTED: Final = stands("possible-refractory", "documented")
SIGNAL: Final = stands("possible-refractory", "signal")
RELAPSED: Final = stands("relapsed", "criteria")
PROGRESSING: Final = stands("progressing", "criteria")
QUIET_TOXIC: Final = stands("stable", None, "intolerance")
SYMPTOM: Final = stands("no-evidence", None, "symptom-only")
MARKER: Final = stands("possible-refractory", "criteria", "marker-only")
CONFIRM: Final[tuple[AdviceKind, ...]] = ("confirm-progression",)
FULL: Final[tuple[AdviceKind, ...]] = ("restage", "biopsy", "trial-referral")
LED: Final[tuple[AdviceKind, ...]] = ("biopsy", "trial-referral", "restage")


def row(
    name: str,
    expected_row: str,
    kinds: tuple[AdviceKind, ...],
    status: Any,
    *args: Any,
    **chart: Any,
) -> Any:
    return pytest.param(expected_row, kinds, status, args, chart, id=f"{expected_row}: {name}")


CASES: Final = [
    # A1
    row(
        "provisional, no tissue ever looked at: biopsy", "A1", ("biopsy",),
        stands("progressing", "signal", "diagnosis-unclarified"),
    ),
    row(
        "histology on record: what is missing, no new tissue", "A1", CONFIRM,
        stands("progressing", "signal", "diagnosis-unclarified"),
        events=(event("biopsy", "2023-12-01"),),
    ),
    row(
        "receptors on record are histology", "A1", CONFIRM,
        stands("indeterminate", None, "diagnosis-unclarified"), "breast",
        facts=(fact("her2", "negative"),),
    ),
    row(
        "documented by a clinician: the label stands", "A13", LED,
        stands("possible-refractory", "documented", "diagnosis-unclarified"),
    ),
    # A2
    row(
        "missed doses: no trial", "A2", ("adherence-review", "confirm-progression"),
        stands("progressing", "signal", "adherence"),
    ),
    row(
        "missed doses under a response: silence", "A17", (),
        stands("responding", None, "adherence"),
    ),
    row(
        "a milestone missed", "A2", ("adherence-review", "confirm-progression"),
        stands("possible-refractory", "criteria", rules=("cml.eln-2020-milestones",)), "cml",
    ),
    row(
        "the same disease without a missed milestone", "A12", FULL,
        stands("possible-refractory", "criteria", rules=("cml.progression",)), "cml",
    ),
    # A3
    row(
        "exposure too short", "A3", CONFIRM,
        stands("progressing", "signal", "inadequate-exposure"),
    ),
    row(
        "assessed too early", "A3", CONFIRM,
        stands("progressing", "signal", "assessment-too-early"),
    ),
    row(
        "exposure too short, but documented", "A13", LED,
        stands("possible-refractory", "documented", "inadequate-exposure"),
    ),
    # A4
    row(
        "may be pseudoprogression", "A4", CONFIRM,
        stands("progressing", "signal", "pseudoprogression-possible", "unconfirmed"),
    ),
    row("a confirmation is missing", "A4", CONFIRM, stands("progressing", "signal", "unconfirmed")),
    row("nothing is missing", "A12", FULL, REFRACTORY),
    # A5
    row(
        "a marker alone, no images for 56 days", "A5", ("restage",), MARKER,
        events=(event("imaging-ct", "2024-07-28"),), as_of="2024-09-30",
    ),
    row(
        "images on day 56", "A12", FULL, MARKER,
        events=(event("imaging-ct", "2024-07-27"),), as_of="2024-09-30",
    ),
    row(
        "images before the first rise", "A5", ("restage",), MARKER,
        events=(event("imaging-ct", "2024-05-31"),),
    ),
    row(
        "a report that says what the images showed", "A12", FULL, MARKER,
        evidence=(seen("stable", "2024-06-10", "imaging"),),
    ),
    row(
        "a marker that only ever asks for images", "A5", ("restage",),
        stands("progressing", "signal", "marker-only", "unconfirmed", awaits_imaging=True),
    ),
    # A6
    row(
        "methods that cannot be compared", "A6", ("confirm-progression", "restage"),
        stands("indeterminate", None, "not-comparable"),
    ),
    row(
        "both ways on one day", "A6", ("confirm-progression", "restage"),
        stands("indeterminate", None, "mixed-response"),
    ),
    row(
        "not comparable, yet criteria are met elsewhere", "A12", FULL,
        stands("possible-refractory", "criteria", "not-comparable"),
    ),
    # A7
    row(
        "few sites grow", "A7", ("restage",),
        stands("progressing", "criteria", "limited-progression"),
    ),
    row(
        "few sites grow, documented as refractory", "A13", LED,
        stands("possible-refractory", "documented", "limited-progression"),
    ),
    # A8
    row(
        "a symptom, images 90 days old", "A8", ("supportive-care",), SYMPTOM, evidence=(),
        events=(event("imaging-ct", "2024-04-01"),),
    ),
    row(
        "a symptom, images 91 days old", "A8", ("supportive-care", "restage"), SYMPTOM, evidence=(),
        events=(event("imaging-ct", "2024-03-31"),),
    ),
    row("no symptom", "A10", (), stands("no-evidence"), evidence=()),
    # A9
    row(
        "stopped for toxicity, last seen 91 days ago", "A9", ("restage",), QUIET_TOXIC,
        evidence=(seen("stable", "2024-03-31"),),
    ),
    row(
        "stopped for toxicity, last seen 90 days ago", "A10", (), QUIET_TOXIC,
        evidence=(seen("stable", "2024-04-01"),),
    ),
    row(
        "stopped for toxicity, images since", "A10", (), QUIET_TOXIC,
        evidence=(seen("stable", "2024-01-31"),), events=(event("imaging-ct", "2024-04-01"),),
    ),
    row(
        "last seen 91 days ago, not stopped for toxicity", "A10", (), stands("stable"),
        evidence=(seen("stable", "2024-03-31"),),
    ),
    row(
        "the stop itself looks at nothing", "A9", ("restage",), QUIET_TOXIC,
        evidence=(seen("stable", "2024-03-01"),
                  seen("stopped-for-toxicity", "2024-05-20", "treatment-change")),
    ),
    # A10
    row("stable", "A10", (), stands("stable")),
    row(
        "stable where the definition asks for a response", "A12", FULL,
        stands("possible-refractory", "criteria", rules=("dlbcl.stable-first-line",)), "dlbcl",
    ),
    # A11
    row("a signal only", "A11", ("confirm-progression", "restage"), SIGNAL),
    # A12
    row("criteria met", "A12", FULL, REFRACTORY),
    row(
        "criteria met, no question that tissue answers", "A12", ("restage", "trial-referral"),
        REFRACTORY, advice={"biopsy_adds": False},
    ),
    # A13
    row("documented", "A13", LED, DOCUMENTED),
    row("documented, ECOG 2", "A13", LED, DOCUMENTED, facts=(fact("ecog", "2"),)),
    row(
        "documented, ECOG 3", "A13", (*LED, "supportive-care"), DOCUMENTED,
        facts=(fact("ecog", "3"),),
    ),
    row(
        "documented, Karnofsky 50 is ECOG 3", "A13", (*LED, "supportive-care"), DOCUMENTED,
        facts=(fact("karnofsky", "50"),),
    ),
    row(
        "documented, Karnofsky 60 is ECOG 2", "A13", LED, DOCUMENTED,
        facts=(fact("karnofsky", "60"),),
    ),
    row(
        "documented, a symptom coded", "A13", (*LED, "supportive-care"), DOCUMENTED,
        cautions=(caution("symptom"),),
    ),
    row(
        "documented, a symptom said to be refractory", "A13", (*LED, "supportive-care"), DOCUMENTED,
        doubts=(Doubt("Condition/pain", "symptom", on("2024-06-01")),),
    ),
    # A14
    row("relapsed", "A14", FULL, RELAPSED),
    row("progressing off therapy, never controlled", "A14", ("restage",), PROGRESSING),
    row(
        "a remission lost off therapy is confirmed first", "A4", CONFIRM, RELAPSED, "cml",
        evidence=(seen("relapse", "2024-06-01", "molecular", is_off_therapy=True),),
    ),
    # A15
    row(
        "a composite that leads to a trial", "A15",
        ("trial-referral", "supportive-care", "restage", "biopsy"), REFRACTORY,
        composites=LEADS_TO_TRIAL,
    ),
    row("the same on a signal", "A11", ("confirm-progression", "restage"), SIGNAL,
        composites=LEADS_TO_TRIAL),
    row("the same on an earlier line", "A12", FULL, REFRACTORY,
        composites=LEADS_TO_TRIAL, is_latest=False),
    # A16
    row(
        "may be transformed: tissue leads", "A16", ("biopsy", "restage", "trial-referral"),
        stands("possible-refractory", "criteria", flags=("transformation-possible",)),
    ),
    row(
        "may be transformed, and doses were missed", "A16", ("biopsy", "restage", "trial-referral"),
        stands("progressing", "signal", "adherence", flags=("transformation-possible",)),
    ),
    row(
        "was transformed, responds now", "A17", (),
        stands("responding", flags=("transformation-possible",)),
    ),
    # A17
    row("responding", "A17", (), stands("responding")),
    # A18
    row(
        "ECOG 4: no trial", "A18", ("supportive-care", "restage", "biopsy"), REFRACTORY,
        facts=(fact("ecog", "4"),),
    ),
    row(
        "ECOG 3, two lines lost", "A18", ("supportive-care", "restage", "biopsy"), REFRACTORY,
        facts=(fact("ecog", "3"),), progressed_lines=2,
    ),
    row("ECOG 3, one line lost", "A12", FULL, REFRACTORY, facts=(fact("ecog", "3"),)),
    row("ECOG 2, two lines lost", "A12", FULL, REFRACTORY, facts=(fact("ecog", "2"),),
        progressed_lines=2),
    row(
        "Karnofsky 30 is ECOG 4", "A18", ("supportive-care", "restage", "biopsy"), REFRACTORY,
        facts=(fact("karnofsky", "30"),),
    ),
    row("Karnofsky 40 is ECOG 3", "A12", FULL, REFRACTORY, facts=(fact("karnofsky", "40"),)),
    row(
        "ECOG 4 with a confirmation missing", "A18", ("supportive-care", "confirm-progression"),
        stands("progressing", "signal", "unconfirmed"), facts=(fact("ecog", "4"),),
    ),
    row(
        "ECOG 4, a composite that leads to a trial", "A18",
        ("supportive-care", "restage", "biopsy"), REFRACTORY,
        facts=(fact("ecog", "4"),), composites=LEADS_TO_TRIAL,
    ),
    row("ECOG 4 under a response: silence", "A17", (), stands("responding"),
        facts=(fact("ecog", "4"),)),
    # no row fits better
    row("no rule could be answered", "A4", CONFIRM, stands("indeterminate")),
    # S13
    row("a child", "S13", CONFIRM, stands("indeterminate"), born="2006-06-02"),
    row("a patient of eighteen", "A4", CONFIRM, stands("indeterminate"), born="2006-06-01"),
]  # fmt: skip


@pytest.mark.parametrize(("expected_row", "kinds", "status", "args", "chart"), CASES)
def test_the_advice_of_a_line(
    expected_row: str, kinds: tuple[AdviceKind, ...], status: Any, args: Any, chart: Any
) -> None:
    fired = fired_by(situation(status, *args, **chart))
    assert (fired.row, fired.kinds) == (expected_row, kinds)


def test_the_table_above_has_every_row() -> None:
    shown = {case.values[0] for case in CASES}
    assert shown == {f"A{number}" for number in range(1, 19)} | {"S13"}
    assert shown == {one.id for one in FIRING} | {"A18"}


def test_no_situation_is_without_a_row() -> None:
    assert FIRING[-1].fires(situation(stands("indeterminate")))
