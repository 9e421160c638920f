"""What the literature says of a disease: definitions, numbers and their sources, frozen.

The files stand in `data/diseases/*.toml`; `schema.py` checks their form, `load.py` reads them.
Nothing here decides: the criteria that the rules name are functions of `clinical`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from cds_service.knowledge.site import SiteNumber
from cds_service.knowledge.terms import Drug, Terminology

Origin = Literal["C", "G", "T", "O"]
"""C consensus criterion, G guideline, T trial or label, O our own operational default."""

Family = Literal["solid", "haematological"]

Category = Literal[
    "complete-response", "very-good-partial-response", "partial-response", "minimal-response",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Citation:
    """A source that can be looked up; `checked` where its data were confirmed a second time."""

    text: str
    doi: str = ""
    where: str = ""
    checked: bool = False


@dataclass(frozen=True, slots=True)
class Agents:
    """Which drugs a rule speaks for: any that one of its members names."""

    drugs: frozenset[str] = frozenset()
    classes: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    superclasses: frozenset[str] = frozenset()
    every: bool = False

    def include(self, drug: Drug) -> bool:
        return (
            self.every
            or drug.name in self.drugs
            or drug.drug_class in self.classes
            or drug.class_group in self.groups
            or drug.superclass in self.superclasses
        )

    @property
    def is_empty(self) -> bool:
        return self == NO_AGENTS

    @property
    def words(self) -> str:
        """Its names, as the files write them."""
        named = self.drugs | self.classes | self.groups | self.superclasses
        return "any drug" if self.every else " or ".join(sorted(named))


NO_AGENTS = Agents()
EVERY_AGENT = Agents(every=True)


@dataclass(frozen=True, slots=True)
class When:
    """Which lines a rule speaks for; an empty member asks nothing.

    `settings` with "unknown" includes lines whose setting the chart does not tell. `having` asks
    for at least one such agent in the line, `lacking` for none, `only` for no other. Steroids are
    not looked at. `with_facts`: facts of the tumour, each of which has to be on record;
    `with_any_fact`: one of which has to be.
    """

    settings: frozenset[str] = frozenset()
    position: Literal["", "first", "later"] = ""
    having: Agents = NO_AGENTS
    lacking: Agents = NO_AGENTS
    only: Agents = NO_AGENTS
    is_single_agent: bool = False
    is_after_transplant: bool = False
    with_facts: frozenset[str] = frozenset()
    with_any_fact: frozenset[str] = frozenset()


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
class Interference:
    """A value of another marker that makes this one unreadable: above a limit, days around it."""

    marker: str
    above: Decimal
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
    when: When = When()
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


FLC = "flc-difference"
LIGHT_CHAINS = ("flc-kappa", "flc-lambda")
PARTS_OF: dict[str, tuple[str, ...]] = {FLC: LIGHT_CHAINS}
"""Markers that no laboratory sends: reckoned of others, measured on the same day."""


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
    minimum: Minimum = Minimum()
    is_signal_only: bool = False
    is_response_when_reached: bool = False
    is_intolerance: bool = False


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
class Maintenance:
    """Drugs that, begun within `days` of the last dose of the induction, belong to its line.

    `is_single`: one new drug alone; several at once are a new regimen. `after_response`: not where
    the chart has assessments of the line and none of them is a response. `may_overlap`: also begun
    while the induction still runs.
    """

    agents: Agents
    after: Agents
    days: int
    is_single: bool = False
    after_response: bool = False
    may_overlap: bool = False


@dataclass(frozen=True, slots=True)
class Addition:
    """Drugs that, added to a running line within `days` of its start, belong to it."""

    agents: Agents
    to: Agents
    days: int
    late_flag: str = ""


@dataclass(frozen=True, slots=True)
class Mobilisation:
    """Drugs that, given alone for a few days, bring stem cells into the blood.

    At most `days` before the transplant, or `collection_days` before the collection of the cells.
    """

    agents: Agents = NO_AGENTS
    days: int = 0
    collection_days: int = 0


@dataclass(frozen=True, slots=True)
class Induction:
    """A block of `agents` together with `partners`: the same again is a second course.

    Blocks are more than `pause_days` apart; a block that begins more than `days` after the first
    is consolidation.
    """

    agents: Agents = NO_AGENTS
    partners: Agents = NO_AGENTS
    pause_days: int = 0
    days: int = 0


@dataclass(frozen=True, slots=True)
class LineRules:
    """How lines of therapy are drawn for a disease; days are whole days.

    `supportive_agents`: of the drugs that only support elsewhere, those that treat this disease.
    `retreatment`: given for a fixed time; again after the gap limit is a re-challenge.
    `protocols`: regimens whose drugs begin in turn, each at most `protocol_days` after the last
    dose before it. `steroid_lead_in_days`: a corticosteroid begun alone so soon before the other
    agents is not the start of the line.
    """

    window_days: int = 28
    gap_days: int = 120
    long_gap_agents: Agents = NO_AGENTS
    long_gap_days: int = 0
    gap_exempt: Agents = NO_AGENTS
    counts_corticosteroids: bool = False
    new_line_for_toxicity: bool = False
    resumes_after_break: bool = False
    backbone: Agents = NO_AGENTS
    never_agents: Agents = NO_AGENTS
    supportive_agents: Agents = NO_AGENTS
    retreatment: Agents = NO_AGENTS
    protocols: tuple[str, ...] = ()
    protocol_days: int = 0
    steroid_lead_in_days: int = 0
    maintenance: tuple[Maintenance, ...] = ()
    additions: tuple[Addition, ...] = ()
    lenient_swaps: Agents = NO_AGENTS
    transplant_days: int = 0
    conditioning: Agents = NO_AGENTS
    mobilisation: Mobilisation = Mobilisation()
    induction: Induction = Induction()
    cellular: Agents = NO_AGENTS
    bridging_days: int = 60
    lymphodepletion: Agents = NO_AGENTS
    curative_gap_days: int = 120
    surgery_means_curative: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """What a suggestion asks for, as the draft order codes it; text alone where no code is sure."""

    text: str
    code: tuple[str, str, str] | None = None
    category: tuple[str, str, str] | None = None


@dataclass(frozen=True, slots=True)
class AdviceTexts:
    """What may be suggested for a disease.

    `restage_by`: kinds of procedure that answer a restaging, "marker" for a value of one of the
    disease's own markers; without any, imaging does. `restage_regions`: parts of the body of which
    one has to be covered; without any, each will do. `biopsy_adds`: whether the definition lists a
    question that tissue or sequencing answers. `urgent_when`, `warns_when`: patterns, flags, labels
    or ids of rules of a line with which orders are urgent, and cards may warn; `is_urgent`: always.
    """

    restage: Order
    restage_also: str
    confirm: str
    biopsy: Order
    molecular: str
    trial: str
    adherence: str = ""
    is_urgent: bool = False
    may_warn: bool = False
    restage_recent_days: int = 42
    biopsy_adds: bool = True
    restage_by: frozenset[str] = frozenset()
    restage_regions: frozenset[str] = frozenset()
    urgent_when: frozenset[str] = frozenset()
    warns_when: frozenset[str] = frozenset()


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
    when: When = When()
    is_inclusive: bool = True
    statuses: frozenset[str] = frozenset({"relapsed"})


Told = Rule | MarkerRule | Milestones | Target | Composite
"""What has an id, a sentence for people, an origin and sources."""


@dataclass(frozen=True, slots=True)
class Disease:
    """One disease definition.

    `agents` are used for it, `marks` for it and for none of the diseases that its codes may leave
    open. `subtypes`: sets of facts, each of which settles a subtype; without one of them the
    definition cannot be applied. Under
    `slow_restaging` agents alone, evidence is stale after `slow_restaging_days`. `may_be_limited`
    of False: a few growing sites are the disease, for which no local therapy is meant to make up.
    `supply_gap_days`: tablets not supplied for longer put adherence in doubt.
    `reads_sites` of False: what is said of named organs lags behind the disease, and only supports.
    `is_marker_disease`: a tumour marker is the measure of this solid tumour, and needs no imaging.
    `is_adult_only`: no label of it is given to a patient under 18 years.
    `transforms_into`: diseases of which a new one, beside this one, is its transformation.
    """

    id: str
    name: str
    family: Family
    names: tuple[str, ...]
    response_systems: tuple[str, ...]
    lines: LineRules
    rules: tuple[Rule, ...]
    advice: AdviceTexts
    agents: Agents
    restaging_interval_days: int
    marks: Agents = NO_AGENTS
    marker_rules: tuple[MarkerRule, ...] = ()
    milestones: tuple[Milestones, ...] = ()
    targets: tuple[Target, ...] = ()
    composites: tuple[Composite, ...] = ()
    covers: frozenset[str] = frozenset()
    subtypes: tuple[tuple[str, ...], ...] = ()
    slow_restaging: Agents = NO_AGENTS
    slow_restaging_days: int = 0
    early: tuple[Early, ...] = ()
    may_be_limited: bool = True
    reads_sites: bool = True
    is_marker_disease: bool = False
    earliest_days: int = 0
    supply_gap_days: int = 30
    guides_treatment: tuple[str, ...] = ()
    is_adult_only: bool = True
    transforms_into: tuple[str, ...] = ()

    @property
    def markers(self) -> frozenset[str]:
        """Markers that a rule of this disease reads."""
        read = {rule.marker for rule in self.marker_rules} | {m.marker for m in self.milestones}
        read |= {name for rule in self.marker_rules for name in rule.only_without or ()}
        read |= {rule.requires.marker for rule in self.rules if rule.requires is not None}
        read |= {other.marker for rule in self.marker_rules for other in rule.unreadable_with}
        read |= {sign.marker for target in self.targets for sign in target.missed_by if sign.marker}
        return frozenset(part for name in read for part in (name, *PARTS_OF.get(name, ())))

    @property
    def told(self) -> tuple[Told, ...]:
        """Everything of the disease that has an id, a sentence and sources."""
        return (
            *self.rules, *self.marker_rules, *self.milestones, *self.targets, *self.composites,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Knowledge:
    """All of it, with the version and the digest that every decision names."""

    version: str
    digest: str
    terms: Terminology
    diseases: Mapping[str, Disease]
    shared_rules: tuple[Rule, ...]
    citations: Mapping[str, Citation]
    disease_names: Mapping[str, str]
    """Lower-case names of diseases, for diagnoses in words → disease id."""
    value_sets: Mapping[str, Mapping[str, str]]
    """Small sets of codes that the record reads (evidence types, treatment intents, routes)."""
    derived_facts: Mapping[str, tuple[str, ...]]
    """A fact that stands for others ("hr"), and those ("er", "pr")."""
    words: Mapping[str, tuple[str, ...]]
    """Lower-case words by what they say (symptom, worsening)."""
    site_numbers: tuple[SiteNumber, ...] = ()
    """What a site wants otherwise than shipped."""
    unused_sets: tuple[str, ...] = ()
    """Sets of shared rules that no disease takes over."""

    def disease(self, disease_id: str) -> Disease:
        """The definition that applies: its own, or the general one of its family."""
        own = self.diseases.get(disease_id)
        if own is not None:
            return own
        heme = self.diseases["other-heme"]
        return heme if disease_id in heme.covers else self.diseases["other-solid"]

    def rules_named(self, ids: Iterable[str], disease: Disease) -> list[Told]:
        """The rules with these ids, in this order: the disease's own, and those of all diseases."""
        known = {told.id: told for told in (*disease.told, *self.shared_rules)}
        return [known[name] for name in ids if name in known]
