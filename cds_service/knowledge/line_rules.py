"""How the lines of therapy of a disease are drawn."""

from __future__ import annotations

from dataclasses import dataclass

from cds_service.knowledge.agents import NO_AGENTS, Agents


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
