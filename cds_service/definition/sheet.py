"""One disease in words, in the order of decision: what a clinician reads before signing it off."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from cds_service.clinical.wording import ORIGIN
from cds_service.definition.composites import composite_points
from cds_service.definition.counts import OriginCounts, count_numbers
from cds_service.definition.disease import advice_points, scope_points
from cds_service.definition.goals import milestone_points, target_points
from cds_service.definition.lines import line_points
from cds_service.definition.markers import marker_points
from cds_service.definition.members import Point, by_label
from cds_service.definition.names import GroupKind, drug_group, drugs_in_words
from cds_service.definition.rules import early_points, early_says, rule_points
from cds_service.knowledge.check_references import parts_of
from cds_service.knowledge.model import (
    Agents,
    Citation,
    Composite,
    Continued,
    Disease,
    Early,
    Knowledge,
    MarkerRule,
    Milestones,
    Origin,
    Rule,
    Told,
)
from cds_service.knowledge.site import SiteNumber

ORIGINS: Mapping[Origin, str] = {
    "C": "A group of experts agreed on the number and published it.",
    "G": "A practice guideline gives the number.",
    "T": "A trial used the number, in its eligibility or its endpoints, or a drug's label does.",
    "O": "No publication gives the number. It is a default of this project, and a site may set"
    " another, with its reason.",
}
UNVERIFIED = (
    "The number could not be read at its source. The rule decides nothing alone: a window is passed"
    " over, a marker asks for imaging and no more."
)
HOW_TO_READ = (
    "What follows stands in the order of decision. “The label” is “possibly refractory”. Days are"
    " whole days; by convention six months are 180 of them and twelve months 365."
)
HOW_ORIGINS_COUNT = (
    "Counted is every number of a definition. Those of lines of therapy, of advice and of the"
    " disease itself have no source of their own, and are operational."
)
LEVELS: Mapping[GroupKind, str] = {
    "class": "drug_class",
    "group": "class_group",
    "modality": "superclass",
}
"""Attributes of a drug by which drugs are grouped."""
_LEADS = {
    "lines": "How treatment is cut into lines. These numbers are operational defaults.",
    "rules": "A clinician's own word stands above all. Else each drug of a line is judged by the"
    " first rule below that speaks for it; rules for the same drugs and lines are tried in turn.",
    "evidence": "When a laboratory value says progression or response. It is weighed with what"
    " imaging and clinicians say, and then counted by the rules.",
    "goals": "What a therapy has to have reached by when.",
    "composites": "Labels over all lines of a patient.",
    "early": "Flags of risk; they change no status.",
    "continued": "Drugs that a draft order may name again without a card on re-challenge. They"
    " change no status.",
    "advice": "What a card may suggest, word for word. No drug is recommended.",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A rule or the like; `agents` are the drug groups that it names, `markers` what it reads."""

    id: str
    kind: str
    says: str
    origin: Origin
    cites: tuple[str, ...]
    points: tuple[Point, ...]
    is_unverified: bool = False
    agents: tuple[str, ...] = ()
    markers: tuple[str, ...] = ()

    @property
    def origin_in_words(self) -> str:
        return ORIGIN[self.origin]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the sheet: a lead, then points or entries."""

    id: str
    title: str
    lead: str = ""
    points: tuple[Point, ...] = ()
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class DrugGroupNamed:
    """A class, group or modality that the definition names, with the drugs that it means."""

    name: str
    kind: GroupKind
    drugs: tuple[str, ...]

    @property
    def words(self) -> str:
        return drug_group(self.name)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A definition as it is signed off."""

    id: str
    name: str
    version: str
    digest: str
    counts: OriginCounts
    sections: tuple[Section, ...]
    groups: tuple[DrugGroupNamed, ...]
    sources: Mapping[str, Citation] = field(default_factory=dict)
    site_numbers: tuple[SiteNumber, ...] = ()


def sheet_of(disease: Disease, knowledge: Knowledge) -> Sheet:
    """The whole definition of a disease in words."""
    cited = sorted({key for told in (*disease.told, *disease.early, *knowledge.shared_rules)
                    for key in told.cites})  # fmt: skip
    return Sheet(
        id=disease.id,
        name=disease.name,
        version=knowledge.version,
        digest=knowledge.digest,
        counts=count_numbers(disease),
        sections=tuple(_sections(disease, knowledge)),
        groups=groups_named([disease], knowledge),
        sources={key: knowledge.citations[key] for key in cited if key in knowledge.citations},
        site_numbers=tuple(n for n in knowledge.site_numbers if _is_of(n, disease)),
    )


def _is_of(number: SiteNumber, disease: Disease) -> bool:
    """A site names a disease, a part of it, or one of its rules or composites."""
    ids = {told.id for told in disease.told}
    return number.where in ids or number.where.split(".")[0] == disease.id


def _sections(disease: Disease, knowledge: Knowledge) -> Iterator[Section]:
    def entries(told: Iterable[Told | Early]) -> tuple[Entry, ...]:
        return tuple(entry_of(each, disease, knowledge) for each in told)

    yield Section("scope", "What it is for", points=by_label(scope_points(disease)))
    yield Section(
        "lines", "Lines of therapy", _LEADS["lines"], by_label(line_points(disease.lines))
    )
    if disease.marker_rules:
        yield Section("markers", "Markers", _LEADS["evidence"], (), entries(disease.marker_rules))
    if disease.milestones or disease.targets:
        goals: tuple[Told, ...] = (*disease.milestones, *disease.targets)
        yield Section("goals", "Milestones and targets", _LEADS["goals"], (), entries(goals))
    rules = (*knowledge.shared_rules, *disease.rules)
    yield Section("rules", "Rules", _LEADS["rules"], (), entries(rules))
    if disease.early:
        yield Section("early", "Flags of risk", _LEADS["early"], (), entries(disease.early))
    if disease.composites:
        composites = entries(disease.composites)
        yield Section("composites", "Over all lines", _LEADS["composites"], (), composites)
    if disease.continued:
        kept = entries(disease.continued)
        yield Section("continued", "Beyond progression", _LEADS["continued"], (), kept)
    yield Section("advice", "Advice", _LEADS["advice"], by_label(advice_points(disease.advice)))


def entry_of(told: Told | Early, disease: Disease, knowledge: Knowledge) -> Entry:
    """A rule, marker rule, milestones, target, composite or early flag in words."""
    terms = knowledge.terms
    if isinstance(told, Early):
        return _entry(told, "flag", f"{disease.id}.{told.flag}", early_says(told),
                      early_points(told, disease))  # fmt: skip
    if isinstance(told, Rule):
        return _entry(told, "rule", told.id, told.says, rule_points(told, disease, terms))
    if isinstance(told, MarkerRule):
        return _entry(told, "marker rule", told.id, told.says, marker_points(told, terms))
    if isinstance(told, Composite):
        return _entry(told, "composite", told.id, told.says, composite_points(told))
    if isinstance(told, Continued):
        return _entry(told, "continued", told.id, told.says, _continued_points(told))
    if isinstance(told, Milestones):
        return _entry(told, "milestones", told.id, told.says, milestone_points(told, terms))
    return _entry(told, "target", told.id, told.says, target_points(told, terms))


def _continued_points(told: Continued) -> Iterator[Point]:
    yield Point("Speaks for", f"Draft orders of {drugs_in_words(told.agents)}.")
    if told.siblings_only:
        yield Point("Speaks for", "Not for the same drug again, only after another of its class.")


def _entry(told: Told | Early, kind: str, name: str, says: str, points: Iterable[Point]) -> Entry:
    return Entry(
        id=name,
        kind=kind,
        says=says,
        origin=told.origin,
        cites=told.cites,
        points=by_label(points),
        is_unverified=getattr(told, "is_unverified", False),
        agents=tuple(sorted({name for _, name in _groups_in([told])})),
        markers=tuple(sorted(_markers_in(told))),
    )


def _groups_in(wholes: Iterable[object]) -> set[tuple[GroupKind, str]]:
    """The classes, groups and modalities that some values name."""
    found: set[tuple[GroupKind, str]] = set()
    for whole in wholes:
        for _, agents in parts_of(whole, Agents):
            found |= {("class", name) for name in agents.classes}
            found |= {("group", name) for name in agents.groups}
            found |= {("modality", name) for name in agents.superclasses}
    return found


def _markers_in(told: Told | Early) -> set[str]:
    """Every marker that something reads."""
    if isinstance(told, MarkerRule):
        others = (other.marker for other in told.unreadable_with)
        return {told.marker, *(told.only_without or {}), *others}
    if isinstance(told, Milestones):
        return {told.marker}
    if isinstance(told, Rule):
        asked = {told.requires.marker} if told.requires is not None else set()
        return asked | set(told.atypical_while_falling)
    signs = getattr(told, "missed_by", ())
    return {sign.marker for sign in signs if sign.marker}


def groups_named(wholes: Iterable[object], knowledge: Knowledge) -> tuple[DrugGroupNamed, ...]:
    """The drug groups that some values name, with the drugs of each, by their words."""
    drugs = knowledge.terms.drugs.values()
    found = [
        DrugGroupNamed(
            name,
            kind,
            tuple(sorted(drug.name for drug in drugs if getattr(drug, LEVELS[kind]) == name)),
        )
        for kind, name in _groups_in(wholes)
    ]
    return tuple(sorted(found, key=lambda group: (group.words.lower(), group.kind)))
