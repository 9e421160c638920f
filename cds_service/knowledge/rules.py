"""Rules that count from a dose, rules that ask for a response, and labels over several lines."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from cds_service.knowledge.agents import (
    ANY_LINE,
    EVERY_AGENT,
    NO_AGENTS,
    Agents,
    Category,
    Origin,
    When,
)


@dataclass(frozen=True, slots=True)
class Minimum:
    """Adequate exposure: either of days and cycles suffices where both are given.

    `doses`, where given, have to be reached besides (instillations); `courses` are blocks of doses
    with the pause of the disease's induction between them. A recorded daily dose below `share` (0.8
    is 80 %) of the full one is too little.
    """

    days: int = 0
    cycles: int = 0
    doses: int = 0
    courses: int = 0
    full_doses: tuple[FullDose, ...] = ()


NO_MINIMUM = Minimum()


@dataclass(frozen=True, slots=True)
class FullDose:
    """The daily dose of a drug below which its failure is no failure of the drug.

    A dose that is not recorded is not asked, unless it `must_be_known`.
    """

    drug: str
    mg_per_day: Decimal
    share: Decimal = Decimal("0.8")
    must_be_known: bool = False


@dataclass(frozen=True, slots=True)
class Requirement:
    """A laboratory value that a rule asks for: below a limit, at most so many days old."""

    marker: str
    below: Decimal
    within_days: int


@dataclass(frozen=True, slots=True)
class Pattern:
    """How primary is told from secondary.

    best-response: a response, or stability of `stable_days`, recorded and lost is secondary; no
    response and no stability of `brief_stable_days` is primary; between them neither. A response
    that was lost before `response_days` from the start is neither. `stable_days` of None: stability
    is no response in this disease.
    time-on-therapy: progression at most (or before, by `is_inclusive`) `primary_days` from the
    start is primary, later secondary; for first-line only where `is_first_line_only`.
    on-therapy-time: as before, but only while still on therapy; after it secondary.
    response-or-time: primary up to `primary_days` from the start whatever came before, later by
    best response.
    platinum: primary on or up to 28 days after first-line platinum; secondary in a later line
    after an earlier platinum-sensitive phase; otherwise by best response.
    """

    by: Literal[
        "best-response", "time-on-therapy", "on-therapy-time", "response-or-time", "platinum",
        "primary",
    ] = "best-response"  # fmt: skip
    stable_days: int | None = None
    brief_stable_days: int = 0
    response_days: int = 0
    primary_days: int = 0
    is_inclusive: bool = True
    is_first_line_only: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One sentence of a definition, with the numbers that it gives to a criterion.

    It speaks for the `agents`, and never for those that it `spares`.
    `days` and `after_days` bound the interval from the agent's last dose: more than `after_days`,
    at most (or fewer than, by `is_inclusive`) `days`. A confirming scan is asked for at any time;
    or, where one of these is given, of a progression up to `confirming_within_days` from the start
    of the line, or up to `confirming_after_radiotherapy_days` from the end of radiotherapy. Imaging
    up to `unreadable_after_radiotherapy_days` from that end comes too early. Growth while a marker
    of `atypical_while_falling` falls, or is normal again, may be no progression; nor is it during a
    break of the agent of at most `hold_days` after which it goes on. `after_hold_days` (0: not
    asked) is for longer holds: growth in them, and up to so many days after them, is no failure.

    Criterion no-response: `needs` is the least response that a line has to reach by `minimum`, in
    an assessment at least `earliest_days` from its start and more than `after_days` from the last
    dose, which rests on tissue where `needs_histology`. Where it `warns_before`, a response short
    of it and before its time is a warning, and not stable disease.
    """

    id: str
    says: str
    criterion: str
    origin: Origin
    cites: tuple[str, ...]
    label: str = ""
    agents: Agents = EVERY_AGENT
    spares: Agents = NO_AGENTS
    when: When = ANY_LINE
    after_days: int | None = None
    days: int = 0
    is_inclusive: bool = True
    minimum: Minimum | None = None
    earliest_days: int = 0
    confirming_scan_days: int = 0
    confirming_within_days: int = 0
    confirming_after_radiotherapy_days: int = 0
    unreadable_after_radiotherapy_days: int = 0
    after_hold_days: int = 0
    atypical_while_falling: tuple[str, ...] = ()
    hold_days: int = 0
    needs: Category = "minimal-response"
    needs_histology: bool = False
    warns_before: bool = False
    pattern: Pattern = Pattern()
    requires: Requirement | None = None
    planned_stop: Literal["", "progressing", "indeterminate"] = ""
    unless_response: bool = False
    is_signal_only: bool = False
    counts_cycles_only: bool = False
    is_unverified: bool = False


@dataclass(frozen=True, slots=True)
class Need:
    """One of the classes that a composite asks to be refractory."""

    agents: Agents
    drugs: int = 1
    counts_intolerance: bool = False
    only_if_fact: str = ""


@dataclass(frozen=True, slots=True)
class Composite:
    """A label over several lines, or over the interval since one class.

    Without `is_label` it has no name of its own in the answer, and only leads to a trial.
    `lines`: how many lines must be refractory to one of the `agents`.
    """

    id: str
    says: str
    criterion: str
    origin: Origin
    cites: tuple[str, ...]
    needs: tuple[Need, ...] = ()
    agents: Agents = NO_AGENTS
    rules: tuple[str, ...] = ()
    pattern: str = ""
    after_days: int | None = None
    days: int = 0
    is_inclusive: bool = True
    lines: int = 0
    leads_to_trial: bool = False
    is_label: bool = True


@dataclass(frozen=True, slots=True)
class Continued:
    """Drugs that are meant to go on, or to come again with others, after progression on them.

    A draft order of one of them is no re-challenge; what a line is refractory to is not changed.
    `siblings_only`: after another drug of the class, but not the same one again.
    """

    id: str
    says: str
    origin: Origin
    cites: tuple[str, ...]
    agents: Agents
    siblings_only: bool = False


@dataclass(frozen=True, slots=True)
class Early:
    """A flag for progression that came early, whatever the status: of risk, not of refractoriness.

    Up to `days` (or fewer than, by `is_inclusive`) from the start of the line, from its last dose,
    or from the first complete response in it.
    """

    flag: Literal["pod24", "early-relapse"]
    days: int
    since: Literal["start", "last-dose", "remission"]
    origin: Origin
    cites: tuple[str, ...]
    when: When = ANY_LINE
    is_inclusive: bool = True
    statuses: frozenset[str] = frozenset({"relapsed"})
