"""Whether every name leads somewhere: diseases of the tables, facts, procedures, doses, sources."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from cds_service.knowledge.check_references import Fault, parts_of
from cds_service.knowledge.model import Disease, FullDose, Knowledge, When
from cds_service.knowledge.terms_words import PROCEDURE_KINDS

CheckFact = Callable[[str, str, Knowledge], Iterator[Fault]]


def check_tables(knowledge: Knowledge) -> Iterator[Fault]:
    """Diseases that a table names are defined, or are covered by a general definition."""
    known = set(knowledge.diseases)
    for disease in knowledge.diseases.values():
        known |= disease.covers
    terms = knowledge.terms
    named: dict[str, set[str]] = {"conditions.csv": set(), "regimens.csv": set()}
    for term in terms.conditions.meanings():
        named["conditions.csv"] |= {term.disease, *term.alternatives}
    for regimen in terms.regimens.values():
        named["regimens.csv"] |= regimen.diseases
    named["markers.csv"] = {name for marker in terms.markers.values() for name in marker.diseases}
    for table, names in named.items():
        for name in sorted(names - known - {""}):
            yield Fault(table, f"{name!r} has no definition, and none covers it")


def check_diseases(knowledge: Knowledge) -> Iterator[Fault]:
    """No two definitions stand for one disease, and no shared rules for none."""
    diseases = knowledge.diseases.values()
    for name, times in Counter(disease.name.lower() for disease in diseases).items():
        if times > 1:
            yield Fault(name, "is the name of two definitions")
    for name, times in Counter(n for disease in diseases for n in disease.covers).items():
        if times > 1:
            yield Fault(name, "is covered by two definitions")
    for disease in diseases:
        for name in sorted(set(disease.transforms_into) - knowledge.diseases.keys()):
            yield Fault(disease.id, f"transforms into {name!r}, which has no definition")
    for name in knowledge.unused_sets:
        yield Fault("shared.toml", f"no disease takes over the set {name!r}")


def check_members(disease: Disease, knowledge: Knowledge, check_fact: CheckFact) -> Iterator[Fault]:
    """Facts that lines are asked for, procedures of targets, drugs with a full dose."""
    for where, when in parts_of(disease, When):
        for name in sorted(when.with_facts | when.with_any_fact):
            yield from check_fact(where, name, knowledge)
    for target in disease.targets:
        for sign in target.missed_by:
            if sign.procedure and sign.procedure not in PROCEDURE_KINDS:
                yield Fault(target.id, f"no kind of procedure {sign.procedure!r}")
    for where, full in parts_of(disease, FullDose):
        if full.drug not in knowledge.terms.drugs:
            yield Fault(where, f"no drug {full.drug!r} in drugs.csv")


def check_sources(knowledge: Knowledge) -> Iterator[Fault]:
    """Early flags have sources too; a source says what it is, and a DOI is one."""
    for disease in knowledge.diseases.values():
        for early in disease.early:
            where = f"{disease.id}: {early.flag}"
            if not early.cites:
                yield Fault(where, "cites no source")
            for key in early.cites:
                if key not in knowledge.citations:
                    yield Fault(where, f"cites {key!r}, which is not in citations.toml")
    for key, citation in knowledge.citations.items():
        if not citation.text.strip():
            yield Fault(f"citations.toml: {key}", "says nothing")
        if citation.doi and not citation.doi.startswith("10."):
            yield Fault(f"citations.toml: {key}", f"{citation.doi!r} is no DOI")
