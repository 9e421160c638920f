"""Where one line of therapy stands, and everything that was asked on the way there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Literal

import msgspec

from cds_service.clinical.evidence import Evidence, Values
from cds_service.clinical.lines import Line
from cds_service.clinical.record import Cancer, Record
from cds_service.clinical.status.beside import Beside
from cds_service.clinical.status.told import Index, Told
from cds_service.knowledge.model import Disease, Knowledge, Rule

Status = Literal[
    "possible-refractory",
    "relapsed",
    "progressing",
    "responding",
    "stable",
    "indeterminate",
    "no-evidence",
]
PatternName = Literal["primary", "secondary"]
Confidence = Literal["documented", "criteria", "signal"]
Caveat = Literal[
    "inadequate-exposure",
    "adherence",
    "diagnosis-unclarified",
    "assessment-too-early",
    "not-comparable",
    "pseudoprogression-possible",
    "symptom-only",
    "limited-progression",
    "mixed-response",
    "intolerance",
    "marker-only",
    "unconfirmed",
    "stale-evidence",
]

WITHHOLDING: frozenset[Caveat] = frozenset(
    {
        "inadequate-exposure",
        "adherence",
        "assessment-too-early",
        "pseudoprogression-possible",
        "diagnosis-unclarified",
        "limited-progression",
        "unconfirmed",
    }
)
"""Caveats that keep a progression from being called refractory, unless it is documented so."""

DOUBTFUL: frozenset[Caveat] = WITHHOLDING - {"adherence", "limited-progression"}
"""Of these, the ones under which the progression itself is no more than a signal."""


Condition = Literal[
    "no-progression",
    "outside-window",
    "cannot-tell",
    "too-little-exposure",
    "value-missing",
    "not-assessed",
    "not-comparable",
    "not-confirmed",
    "not-met",
    "response-reached",
    "unverified",
]
"""Why a rule did not hold, or could not be answered."""


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What a rule said of one line: yes, no, or None where the chart cannot tell; and why.

    `condition` is what failed, as a code; empty where the rule held.
    """

    rule: str
    holds: bool | None
    why: str
    condition: Condition | Literal[""] = ""


class Earlier(msgspec.Struct, frozen=True, gc=False):
    """An earlier status of the same line that a later finding replaced."""

    on: date
    status: Status


class LineStatus(msgspec.Struct, frozen=True, gc=False):
    """Where a line stands on the day asked.

    `progressed_on` is the first day of the progression that decided. `missing` are facts whose
    absence kept a rule from being answered. `awaits_imaging`: a marker has said all that it can.
    """

    status: Status
    pattern: PatternName | None = None
    confidence: Confidence | None = None
    best_response: str | None = None
    refractory_to: tuple[str, ...] = ()
    refractory_classes: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    caveats: tuple[Caveat, ...] = ()
    flags: tuple[str, ...] = ()
    history: tuple[Earlier, ...] = ()
    answers: tuple[Answer, ...] = ()
    progressed_on: date | None = None
    interval_days: int | None = None
    labels: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    awaits_imaging: bool = False


class Case(msgspec.Struct, frozen=True, gc=False):
    """One line with all that bears on it."""

    record: Record
    cancer: Cancer
    disease: Disease
    knowledge: Knowledge
    line: Line
    evidence: tuple[Evidence, ...]
    earlier: tuple[tuple[Line, LineStatus], ...] = ()
    """The lines before it, with where each stands."""
    had_control: bool = False
    """Whether response, stability or curative local therapy was ever recorded before this line."""
    steady: frozenset[Caveat] | None = None
    """The caveats of the line that no day changes, where they are known already."""

    window_rules: Mapping[str, tuple[Rule, ...]] | None = None
    """The window rules by agent, where they are known already."""

    told: Told | None = None
    """What the evidence comes to, where it is gathered already."""

    beside: Beside | None = None
    """What the record holds beside the evidence, where it is gathered already."""

    values: Values | None = None
    """The values of markers in the record, where they are put in order already."""

    def record_beside(self) -> Beside:
        return self.beside or Beside(self.record, self.cancer, self.line, self.values)

    def all_values(self) -> Values:
        return self.values or Values(self.record.measurements)

    def so_far(self) -> Told:
        return self.told or Told(Index(self.evidence), len(self.evidence))
