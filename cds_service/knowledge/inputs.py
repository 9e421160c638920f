"""What the rules of a definition read of a chart, worked out from the rules themselves.

Every member of the model is in the table below, so that a new one cannot read a new kind of data
before somebody has said which.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from cds_service.knowledge.interventions import InputKind
from cds_service.knowledge.marker_rules import PARTS_OF
from cds_service.knowledge.model import Disease

_TABLE: Mapping[InputKind | None, str] = {
    None: """
        Disease: id name family names response_systems lines rules advice marks marker_rules
            milestones targets composites covers early transforms_into continued
            restaging_interval_days slow_restaging_days is_marker_disease earliest_days
            returns_cards
        Rule: id says criterion origin cites label when is_inclusive minimum pattern
            is_signal_only is_unverified warns_before requires
        Composite: id says criterion origin cites needs rules pattern is_inclusive leads_to_trial
            is_label
        Continued: id says origin cites siblings_only
        Early: flag origin cites when is_inclusive statuses
        MarkerRule: id says criterion origin cites is_unverified response unreadable_with
        Milestones: id says origin cites steps
        Milestone: name
        Target: id says origin cites missed_by minimum is_signal_only is_response_when_reached
            is_intolerance
        Need: counts_intolerance
        LineRules: maintenance additions mobilisation induction
        Addition: late_flag
        FullDose: must_be_known
        AdviceTexts: restage restage_also confirm biopsy molecular trial adherence is_urgent
            may_warn biopsy_adds urgent_when warns_when
        Order: text code category""",
    "treatment": """
        Disease: agents slow_restaging
        Rule: agents spares after_days days hold_days after_hold_days planned_stop
            counts_cycles_only
        When: settings position having lacking only is_single_agent
        Minimum: days cycles doses courses full_doses
        FullDose: drug mg_per_day share
        Agents: drugs classes groups superclasses every
        Composite: agents after_days days lines
        Continued: agents
        Early: days since
        Need: agents drugs
        MarkerRule: under not_under
        Milestones: agents min_exposure_days full_doses
        Target: agents from_day
        LineRules: window_days gap_days long_gap_agents long_gap_days gap_exempt
            counts_corticosteroids new_line_for_toxicity resumes_after_break backbone never_agents
            supportive_agents retreatment protocols protocol_days steroid_lead_in_days
            lenient_swaps conditioning cellular bridging_days lymphodepletion curative_gap_days
        Maintenance: agents after days is_single may_overlap
        Addition: agents to days
        Mobilisation: agents days
        Induction: agents partners pause_days days""",
    "course": """
        Disease: may_be_limited reads_sites
        Rule: earliest_days confirming_scan_days confirming_within_days needs unless_response
        Pattern: by stable_days brief_stable_days response_days primary_days is_inclusive
            is_first_line_only
        Maintenance: after_response""",
    "procedure": """
        Rule: confirming_after_radiotherapy_days unreadable_after_radiotherapy_days needs_histology
        When: is_after_transplant
        MarkerRule: excluded_after excluded_days
        Sign: procedure
        LineRules: transplant_days surgery_means_curative
        Mobilisation: collection_days
        AdviceTexts: restage_recent_days restage_by restage_regions""",
    "laboratory": """
        Rule: atypical_while_falling
        Requirement: marker below within_days
        MarkerRule: marker multiplier is_multiplier_exclusive min_delta is_delta_exclusive
            min_value min_uln high_nadir high_delta confirm_days confirm_within_days
            ignore_first_days only_without is_nadir_confirmed is_sufficient_alone max_reference
            min_reference is_transformation needs_confirmation steps unusable_below
            remission_below span_days each_is_higher is_silent_until_confirmed
        MarkerResponse: fall confirm_days min_baseline min_baseline_uln
        Interference: marker above within_days
        Milestones: marker major_response_at_most early_response_at_most
        Milestone: from_day optimal_at_most failure_above to_day confirm_from confirm_to
        Sign: marker above below baseline_above falls_less_than falls_at_most rises_less_than
            min_baseline""",
    "tumour-biology": """
        Disease: subtypes guides_treatment
        When: with_facts with_any_fact
        Need: only_if_fact
        Milestones: resistance_genes""",
    "social-determinants": "Disease: supply_gap_days",
    "date-of-birth": "Disease: is_adult_only",
}
_FACTS = frozenset({"subtypes", "guides_treatment", "with_facts", "with_any_fact", "only_if_fact"})
"""Members that name facts, each "name" or "name=value"; what kind they are of, facts say."""
_MARKERS = frozenset({"marker", "atypical_while_falling", "only_without"})


def _kinds() -> dict[str, InputKind | None]:
    """ "Rule.days" → its kind of input."""
    found: dict[str, InputKind | None] = {}
    for kind, table in _TABLE.items():
        owner = ""
        for word in table.split():
            if word.endswith(":"):
                owner = word[:-1]
            else:
                found[f"{owner}.{word}"] = kind
    return found


KINDS = _kinds()


@dataclass(frozen=True, slots=True)
class Read:
    """What a definition reads; `unknown`: members of which nobody has said what they read."""

    kinds: frozenset[InputKind]
    markers: frozenset[str]
    facts: frozenset[str]
    unknown: tuple[str, ...] = ()


def read_by(disease: Disease) -> Read:
    """What the rules of this definition read, each member of them asked."""
    kinds: set[InputKind] = set()
    markers: set[str] = set()
    facts: set[str] = set()
    unknown: dict[str, None] = {}
    for owner, name, value in _members(disease):
        member = f"{owner}.{name}"
        if member not in KINDS:
            unknown[member] = None
        if name in _FACTS:
            facts |= {fact.partition("=")[0] for fact in _texts(value)}
        if name in _MARKERS:
            markers |= set(_texts(value))
        if name == "resistance_genes":
            facts |= {f"variant-{gene.lower()}" for gene in _texts(value)}
        kind = KINDS.get(member)
        if kind is not None and (value or name == "is_adult_only"):
            kinds.add(kind)
    if not disease.is_adult_only:
        kinds.discard("date-of-birth")
    markers |= {part for name in markers for part in PARTS_OF.get(name, ())}
    return Read(
        frozenset(kinds - {"tumour-biology"}), frozenset(markers), frozenset(facts), tuple(unknown)
    )


def _members(part: object) -> Iterator[tuple[str, str, object]]:
    """Every member of a definition and its parts that is not what it is by default."""
    if dataclasses.is_dataclass(part) and not isinstance(part, type):
        owner = type(part).__name__
        for field in dataclasses.fields(part):
            value = getattr(part, field.name)
            if value != field.default or f"{owner}.{field.name}" == "Disease.is_adult_only":
                yield owner, field.name, value
                yield from _members(value)
    elif isinstance(part, (tuple, frozenset)):
        for inner in part:
            yield from _members(inner)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        if value:
            yield value
    elif isinstance(value, Mapping):
        yield from value
    elif isinstance(value, Iterable):
        for inner in value:
            yield from _texts(inner)
