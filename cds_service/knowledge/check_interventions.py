"""Whether each intervention says whose it is and what it reads, and reads nothing else."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator
from typing import get_args

from cds_service.knowledge.check_references import Fault
from cds_service.knowledge.inputs import read_by
from cds_service.knowledge.interventions import (
    ATTRIBUTES,
    InputKind,
    Interventions,
    RuleSet,
)
from cds_service.knowledge.model import Disease, Knowledge
from cds_service.knowledge.terms_words import FACTS

FILE = "interventions.toml"
CRITERIA_IN_LAW = 4


def check_interventions(
    knowledge: Knowledge, diseases: Iterable[Disease], services: Collection[str] = ()
) -> Iterator[Fault]:
    """`diseases`: those whose rules are sound, so that a wrong name is one fault and not two.
    `services`: the CDS services that there are; without any, they are not asked for.
    """
    told = knowledge.interventions
    if told is None:
        yield Fault(FILE, "is missing")
        return
    yield from _project(told)
    yield from _kinds(told, knowledge)
    for name in sorted(knowledge.diseases.keys() - told.diseases.keys()):
        yield Fault(name, f"declares no inputs in {FILE}")
    for name in sorted(told.diseases.keys() - knowledge.diseases.keys()):
        yield Fault(FILE, f"there is no disease {name!r}")
    for disease in diseases:
        if declared := told.diseases.get(disease.id):
            yield from _inputs(disease, declared, told)
    for name in sorted(set(services) ^ told.services.keys() if services else ()):
        yield Fault(FILE, f"service {name!r} stands here or in the code alone")


def _project(told: Interventions) -> Iterator[Fault]:
    """No answer is empty, and the review is due after the release."""
    project = told.project
    for where, part in (("project", project), *_named("services", told.services)):
        for field in dataclasses.fields(part):  # type: ignore[arg-type]
            value = getattr(part, field.name)
            texts = value if isinstance(value, tuple) else (value,)
            if not texts or any(isinstance(t, str) and not t.strip() for t in texts):
                yield Fault(FILE, f"{where}.{field.name} is empty")
    if len(project.criteria) != CRITERIA_IN_LAW:
        yield Fault(FILE, f"project.criteria has {len(project.criteria)} of {CRITERIA_IN_LAW}")
    if project.review_due <= project.released:
        yield Fault(FILE, "project.review_due does not come after project.released")


def _named(part: str, values: object) -> Iterator[tuple[str, object]]:
    assert isinstance(values, dict)  # noqa: S101 - the loader makes it so
    yield from ((f"{part}.{name}", value) for name, value in values.items())


def _kinds(told: Interventions, knowledge: Knowledge) -> Iterator[Fault]:
    """Every kind has its words, for when it is used and when not; every fact has one kind."""
    for kind in get_args(InputKind):
        if kind not in told.inputs:
            yield Fault(FILE, f"inputs.{kind} is missing")
    attributes = {kind for kind, _ in ATTRIBUTES}
    for kind, words in told.inputs.items():
        if not words.name.strip():
            yield Fault(FILE, f"inputs.{kind} has no name")
        if kind in attributes and not words.always and not words.unused.strip():
            yield Fault(FILE, f"inputs.{kind} does not say what holds where it is not used")
        if words.always and not words.used.strip():
            yield Fault(FILE, f"inputs.{kind} does not say what it is used for")
    facts = (FACTS | knowledge.derived_facts.keys()) - {""}
    listed = [fact for words in told.inputs.values() for fact in sorted(words.facts)]
    for fact in sorted(facts - set(listed)):
        yield Fault(FILE, f"fact {fact!r} is of no kind of input")
    for fact in sorted({fact for fact in listed if listed.count(fact) > 1}):
        yield Fault(FILE, f"fact {fact!r} is of two kinds of input")


def _inputs(disease: Disease, declared: RuleSet, told: Interventions) -> Iterator[Fault]:
    """What the rules read is declared, and what is declared is read."""
    read = read_by(disease)
    for member in read.unknown:
        yield Fault(disease.id, f"{member}: knowledge/inputs.py does not say what it reads")
    kinds: set[str] = set(read.kinds)
    for kind, words in told.inputs.items():
        if words.facts & read.facts and not words.always:
            kinds.add(kind)
        if kind in kinds and not words.used.strip():
            yield Fault(FILE, f"inputs.{kind} does not say what {disease.id} uses it for")
    for what, own, said in (
        ("", kinds, declared.reads),
        ("marker ", read.markers, declared.markers),
        ("fact ", read.facts, declared.facts),
    ):
        for name in sorted(own - said):
            yield Fault(disease.id, f"reads {what}{name!r}, which {FILE} does not declare")
        for name in sorted(set(said) - own):
            yield Fault(disease.id, f"declares {what}{name!r}, which no rule of it reads")
