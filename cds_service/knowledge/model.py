"""What the literature says of a disease: definitions, numbers and their sources, frozen.

The files stand in `data/diseases/*.toml`; `schema.py` checks their form, `load.py` reads them.
Nothing here decides: the criteria that the rules name are functions of `clinical`.

This is the door to it; its parts: agents.py (whom a rule speaks for), rules.py, marker_rules.py,
line_rules.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cds_service.knowledge.agents import (
    EVERY_AGENT,
    NO_AGENTS,
    Agents,
    Category,
    Family,
    Origin,
    When,
)
from cds_service.knowledge.interventions import Interventions
from cds_service.knowledge.line_rules import (
    Addition,
    Induction,
    LineRules,
    Maintenance,
    Mobilisation,
)
from cds_service.knowledge.marker_rules import (
    FLC,
    LIGHT_CHAINS,
    PARTS_OF,
    Interference,
    MarkerResponse,
    MarkerRule,
    Milestone,
    Milestones,
    Sign,
    Target,
)
from cds_service.knowledge.rules import (
    Composite,
    Continued,
    Early,
    FullDose,
    Minimum,
    Need,
    Pattern,
    Requirement,
    Rule,
)
from cds_service.knowledge.site import SiteNumber
from cds_service.knowledge.terms import Terminology

__all__ = [
    "EVERY_AGENT",
    "FLC",
    "LIGHT_CHAINS",
    "NO_AGENTS",
    "PARTS_OF",
    "Addition",
    "AdviceTexts",
    "Agents",
    "Category",
    "Citation",
    "Composite",
    "Continued",
    "Disease",
    "Early",
    "Family",
    "FullDose",
    "Induction",
    "Interference",
    "Knowledge",
    "LineRules",
    "Maintenance",
    "MarkerResponse",
    "MarkerRule",
    "Milestone",
    "Milestones",
    "Minimum",
    "Mobilisation",
    "Need",
    "Order",
    "Origin",
    "Pattern",
    "Requirement",
    "Rule",
    "Sign",
    "Target",
    "Told",
    "When",
]


@dataclass(frozen=True, slots=True)
class Citation:
    """A source that can be looked up; `checked` where its data were confirmed a second time."""

    text: str
    doi: str = ""
    where: str = ""
    checked: bool = False


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


Told = Rule | MarkerRule | Milestones | Target | Composite | Continued
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
    `continued`: drugs that go on beyond progression by design.
    `returns_cards` of False: a site has switched its cards off; it is assessed all the same.
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
    continued: tuple[Continued, ...] = ()
    returns_cards: bool = True

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
            *self.continued,
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
    interventions: Interventions | None = None
    """Whose they are and what they read; None in knowledge kept from before that was told."""

    @property
    def switched_off(self) -> list[str]:
        """The diseases on which this site returns no cards."""
        return [name for name, disease in self.diseases.items() if not disease.returns_cards]

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
