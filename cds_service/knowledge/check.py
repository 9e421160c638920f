"""Whether the knowledge holds together beyond its form: ids, references, criteria, sources, units.

What the loader refuses (form, tables, duplicate names) never comes as far as this.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from cds_service.knowledge.check_advice import check_advice
from cds_service.knowledge.check_interventions import check_interventions
from cds_service.knowledge.check_names import (
    check_diseases,
    check_members,
    check_sources,
    check_tables,
)
from cds_service.knowledge.check_numbers import check_numbers
from cds_service.knowledge.check_references import (
    Fault,
    check_agents,
    check_orders,
    check_protocols,
    check_whens,
    parts_of,
)
from cds_service.knowledge.check_units import check_units
from cds_service.knowledge.check_warnings import check_warnings
from cds_service.knowledge.model import (
    Composite,
    Disease,
    Interference,
    Knowledge,
    MarkerRule,
    Requirement,
    Rule,
    Told,
)
from cds_service.knowledge.terms_words import FACT_VALUES, FACTS, PROCEDURE_KINDS, SUBTYPES

__all__ = ["Checked", "Criteria", "Fault", "check_knowledge"]

USES = ("response", "supportive", "validity")
"""Everything that a marker can be for."""
NEEDS_LIMIT = frozenset({"gcig-ca-125"})
"""Marker criteria that read a value against the upper limit of normal."""


@dataclass(frozen=True, slots=True)
class Criteria:
    """The names of the functions that rules may name, by the kind of rule; and of the services."""

    rules: Collection[str]
    markers: Collection[str]
    composites: Collection[str]
    services: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """The faults that make knowledge unusable, and what merely deserves a look."""

    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...]


def check_knowledge(knowledge: Knowledge, criteria: Criteria) -> Checked:
    """Everything that can be said without a clinician of whether the files agree."""
    faults = [*_ids(knowledge), *check_units(knowledge.terms)]
    faults += [*check_diseases(knowledge), *check_tables(knowledge), *check_sources(knowledge)]
    sound = []
    for disease in knowledge.diseases.values():
        found = list(_disease(disease, knowledge, criteria))
        faults += found
        sound += [] if found else [disease]
    faults += check_interventions(knowledge, sound, criteria.services)
    for name, parts in knowledge.derived_facts.items():
        faults += [f for part in parts for f in _fact(f"derived fact {name!r}", part, knowledge)]
    for rule in knowledge.shared_rules:
        faults += _sources(rule, knowledge)
        faults += _criterion(rule, criteria.rules)
    return Checked(tuple(dict.fromkeys(faults)), tuple(check_warnings(knowledge)))


def _ids(knowledge: Knowledge) -> Iterator[Fault]:
    """Ids are unique, and those of rules begin with their disease, so that a reader knows whose."""
    owners: dict[str, tuple[Told, ...]] = {"shared": knowledge.shared_rules}
    for disease in knowledge.diseases.values():
        owners[disease.id] = tuple(t for t in disease.told if not isinstance(t, Composite))
        for name in _twice(composite.id for composite in disease.composites):
            yield Fault(f"{disease.id}: {name}", "this composite stands twice")
    for owner, rules in owners.items():
        for rule in rules:
            if not rule.id.startswith(f"{owner}."):
                yield Fault(rule.id, f"does not begin with {owner!r}")
    for name in _twice(rule.id for rules in owners.values() for rule in rules):
        yield Fault(name, "this id stands twice")


def _twice(names: Iterable[str]) -> list[str]:
    return [name for name, times in Counter(names).items() if times > 1]


def _disease(disease: Disease, knowledge: Knowledge, criteria: Criteria) -> Iterator[Fault]:
    for told in disease.told:
        yield from _sources(told, knowledge)
    for rule in disease.rules:
        yield from _criterion(rule, criteria.rules)
    for marker_rule in disease.marker_rules:
        yield from _criterion(marker_rule, criteria.markers)
        yield from _marker_rule(marker_rule, knowledge)
    for milestones in disease.milestones:
        yield from _marker(milestones.id, milestones.marker, knowledge, ("response",))
    for composite in disease.composites:
        yield from _criterion(composite, criteria.composites)
        yield from _composite(composite, disease, knowledge)
    for where, asked in parts_of(disease, Requirement):
        yield from _marker(where, asked.marker, knowledge, ("response", "validity"))
    for where, name in _also_read(disease):
        yield from _marker(where, name, knowledge, USES)
    yield from check_numbers(disease)
    yield from check_members(disease, knowledge, _fact)
    for name in (*disease.guides_treatment, *(n for names in disease.subtypes for n in names)):
        yield from _fact(disease.id, name, knowledge)
    yield from check_agents(disease, knowledge.terms)
    yield from check_protocols(disease, knowledge.terms)
    yield from check_whens(disease)
    yield from check_orders(disease)
    yield from check_advice(disease)


def _also_read(disease: Disease) -> Iterator[tuple[str, str]]:
    """Markers that are read beside another, or as a sign, and where."""
    yield from ((where, other.marker) for where, other in parts_of(disease, Interference))
    for target in disease.targets:
        yield from ((target.id, sign.marker) for sign in target.missed_by if sign.marker)
    for rule in disease.rules:
        yield from ((rule.id, name) for name in rule.atypical_while_falling)


def _sources(told: Told, knowledge: Knowledge) -> Iterator[Fault]:
    if not told.says.strip():
        yield Fault(told.id, "says nothing")
    if not told.cites:
        yield Fault(told.id, "cites no source")
    for key in told.cites:
        if key not in knowledge.citations:
            yield Fault(told.id, f"cites {key!r}, which is not in citations.toml")


def _criterion(told: Rule | MarkerRule | Composite, known: Collection[str]) -> Iterator[Fault]:
    if told.criterion not in known:
        yield Fault(told.id, f"no criterion {told.criterion!r}; known: {', '.join(sorted(known))}")


def _marker_rule(rule: MarkerRule, knowledge: Knowledge) -> Iterator[Fault]:
    yield from _marker(rule.id, rule.marker, knowledge, ("response", "supportive"))
    for name in rule.only_without or {}:
        yield from _marker(rule.id, name, knowledge, ("response", "supportive"))
    for kind in rule.excluded_after:
        if kind not in PROCEDURE_KINDS:
            yield Fault(rule.id, f"no kind of procedure {kind!r}")
    response = rule.response
    if response is not None and not 0 < response.fall < 1:
        yield Fault(
            rule.id, f"a response is a fall by a share between 0 and 1, not {response.fall}"
        )
    marker = knowledge.terms.markers.get(rule.marker)
    if marker is None:
        return
    if marker.use == "supportive" and rule.is_sufficient_alone and not rule.is_unverified:
        yield Fault(rule.id, f"marker {marker.id!r} may support only, and here it decides alone")
    asks_limit = rule.min_uln or (response is not None and response.min_baseline_uln)
    if marker.typical_uln is None and (asks_limit or rule.criterion in NEEDS_LIMIT):
        yield Fault(rule.id, f"reads {marker.id!r} against a limit of normal that it does not have")


def _marker(where: str, name: str, knowledge: Knowledge, uses: Collection[str]) -> Iterator[Fault]:
    marker = knowledge.terms.markers.get(name)
    if marker is None:
        yield Fault(where, f"no marker {name!r} in markers.csv")
        return
    if marker.use not in uses:
        yield Fault(where, f"marker {name!r} is for {marker.use}, not for a rule of this kind")


def _composite(composite: Composite, disease: Disease, knowledge: Knowledge) -> Iterator[Fault]:
    where = f"{disease.id}: {composite.id}"
    rules = {rule.id for rule in disease.rules}
    for rule in composite.rules:
        if rule not in rules:
            yield Fault(where, f"no rule {rule!r} in this disease")
    if composite.criterion == "refractory-to-all" and not composite.needs:
        yield Fault(where, "needs nothing, so that it always holds")
    if composite.criterion == "pattern-of-rule" and not (composite.rules and composite.pattern):
        yield Fault(where, "names no rules, or no pattern")
    for need in composite.needs:
        if need.only_if_fact:
            yield from _fact(where, need.only_if_fact, knowledge)


def _fact(where: str, told: str, knowledge: Knowledge) -> Iterator[Fault]:
    """A fact, or a fact and its value ("her2=negative"), as the tables name them."""
    name, _, value = told.partition("=")
    if name not in FACTS | SUBTYPES - {""} and name not in knowledge.derived_facts:
        yield Fault(where, f"no fact {name!r} in facts.csv")
    if value and value not in FACT_VALUES:
        yield Fault(where, f"{told!r} never holds: {value!r} is no value of a fact")
