"""What the course of a marker says, and what it has to have reached by a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from cds_service.knowledge.agents import NO_AGENTS, Agents, Origin
from cds_service.knowledge.rules import NO_MINIMUM, FullDose, Minimum

FLC = "flc-difference"
LIGHT_CHAINS = ("flc-kappa", "flc-lambda")
PARTS_OF: dict[str, tuple[str, ...]] = {FLC: LIGHT_CHAINS}
"""Markers that no laboratory sends: reckoned of others, measured on the same day."""


@dataclass(frozen=True, slots=True)
class Interference:
    """A value of another marker that makes this one unreadable: above a limit, days around it."""

    marker: str
    above: Decimal
    within_days: int


@dataclass(frozen=True, slots=True)
class MarkerResponse:
    """When the fall of a marker is a response; the sources are those of its rule.

    Every value from the first that lies at least `fall` (a share: 0.5 is half) below the baseline
    to one at least `confirm_days` later has to lie there; `confirm_days` of 0: the next value, on
    whatever day. The baseline itself is at least `min_baseline`, and `min_baseline_uln` times the
    upper limit of normal.
    """

    fall: Decimal
    confirm_days: int = 0
    min_baseline: Decimal = Decimal(0)
    min_baseline_uln: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class MarkerRule:
    """When the course of a marker is progression, and when it is a response.

    A value satisfies the rule where it is at least `multiplier` times the reference (more than
    that, where `is_multiplier_exclusive`) and exceeds it by `min_delta` (by more than that, where
    `is_delta_exclusive`), and is at least `min_value`, or
    `min_uln` times the upper limit of normal. With a nadir of `high_nadir` or more, a rise by
    `high_delta` suffices instead. Values of the first `ignore_first_days` of a line do not count.
    `confirm_days`: the fewest days to the confirming value, `confirm_within_days` the most (0: no
    limit). `is_nadir_confirmed`: the rise is measured from a confirmed lowest value; from one that
    stands alone (no other within `min_delta` of it, while the values before and after it lie
    within `min_delta` of each other) it is never more than a suspicion. `only_without`: markers
    that must not be measurable (threshold by marker). Without a `response` no fall is a response.
    `under` and `not_under` ask for lines with and without such agents. `max_reference`: only from a
    value that was lower than this, and not from one of the first `ignore_first_days`, which may be
    low for a while; `min_reference`: only from one at least so high. `is_transformation`: such a
    rise is another, more aggressive disease. `needs_confirmation` of False: one value suffices.
    `steps`: limits of which the rise has to cross one. `unreadable_with`: values of other markers
    that take its meaning away. `unusable_below`: a patient whose values all lie lower does not
    make the marker. `remission_below`: a lower value is remission, any other none. `span_days`:
    the fewest days from the value that the rise is measured from to the confirming one.
    `each_is_higher`: the confirming value lies above the first. `is_silent_until_confirmed`: a
    suspicion is not worth a word.
    """

    id: str
    says: str
    criterion: str
    marker: str
    origin: Origin
    cites: tuple[str, ...]
    multiplier: Decimal = Decimal(1)
    is_multiplier_exclusive: bool = False
    min_delta: Decimal = Decimal(0)
    is_delta_exclusive: bool = False
    min_value: Decimal = Decimal(0)
    min_uln: Decimal = Decimal(0)
    high_nadir: Decimal | None = None
    high_delta: Decimal = Decimal(0)
    confirm_days: int = 0
    confirm_within_days: int = 0
    ignore_first_days: int = 0
    excluded_after: tuple[str, ...] = ()
    excluded_days: int = 0
    only_without: Mapping[str, Decimal] | None = None
    is_nadir_confirmed: bool = False
    is_sufficient_alone: bool = True
    is_unverified: bool = False
    response: MarkerResponse | None = None
    under: Agents = NO_AGENTS
    not_under: Agents = NO_AGENTS
    max_reference: Decimal | None = None
    min_reference: Decimal | None = None
    is_transformation: bool = False
    needs_confirmation: bool = True
    steps: tuple[Decimal, ...] = ()
    unreadable_with: tuple[Interference, ...] = ()
    unusable_below: Decimal | None = None
    remission_below: Decimal | None = None
    span_days: int = 0
    each_is_higher: bool = False
    is_silent_until_confirmed: bool = False


@dataclass(frozen=True, slots=True)
class Milestone:
    """A value that a marker must have reached by a time on therapy.

    The value counts when it lies `from_day` to `to_day` days after the start (`to_day` None: any
    time after). Above `failure_above` the milestone is missed; with `confirm_from`, only when a
    second value between `confirm_from` and `confirm_to` days later is above it too. At or below
    `optimal_at_most` it is met.
    """

    name: str
    from_day: int
    optimal_at_most: Decimal
    failure_above: Decimal
    to_day: int | None = None
    confirm_from: int = 0
    confirm_to: int = 0


@dataclass(frozen=True, slots=True)
class Milestones:
    """The milestones of one marker for one disease.

    A variant of one of the `resistance_genes`, found on therapy, is failure at any time. A daily
    dose known to be below one of `full_doses` is too little exposure.
    """

    id: str
    says: str
    marker: str
    agents: Agents
    origin: Origin
    cites: tuple[str, ...]
    steps: tuple[Milestone, ...]
    major_response_at_most: Decimal
    early_response_at_most: Decimal
    min_exposure_days: int
    resistance_genes: tuple[str, ...] = ()
    full_doses: tuple[FullDose, ...] = ()


@dataclass(frozen=True, slots=True)
class Sign:
    """One sign that a target is missed: a value of a marker, or a procedure that is still needed.

    `above` and `below` are limits of the value itself. `falls_less_than` is a share of the baseline
    (0.35: less than 35 % lower), `falls_at_most` too (just so much is a sign as well),
    `rises_less_than` an amount over it; without a baseline none of them can be told.
    Only where the baseline lies above `baseline_above`, or is at least `min_baseline`.
    """

    marker: str = ""
    above: Decimal | None = None
    below: Decimal | None = None
    baseline_above: Decimal | None = None
    falls_less_than: Decimal | None = None
    falls_at_most: Decimal | None = None
    rises_less_than: Decimal | None = None
    min_baseline: Decimal = Decimal(0)
    procedure: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """What a drug has to have reached after so many days: missed where all `missed_by` are there.

    Values count from `from_day` after the first dose of one of the `agents`, and of one day
    together. A daily dose known to be below `minimum` is too little exposure. `is_signal_only`:
    suggests, and no more. `is_response_when_reached`: not missing it is what the disease calls
    response. `is_intolerance`: what the signs say is that the drug is not tolerated.
    """

    id: str
    says: str
    agents: Agents
    origin: Origin
    cites: tuple[str, ...]
    from_day: int
    missed_by: tuple[Sign, ...]
    minimum: Minimum = NO_MINIMUM
    is_signal_only: bool = False
    is_response_when_reached: bool = False
    is_intolerance: bool = False
