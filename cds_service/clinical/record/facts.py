"""Observations → facts about tumour or patient: receptors, variants, stage, grade, status."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from cds_service.clinical.record.elements import CodeableConcept, Component, Observation, several
from cds_service.clinical.record.reader import Reader
from cds_service.clinical.record.record import Fact
from cds_service.clinical.record.values import (
    conditions_in_focus,
    effective,
    value_concepts,
)
from cds_service.knowledge.terms import LOINC

VARIANT = "variant"
GENE_STUDIED = "48018-6"
"""LOINC: the gene that a genomic variant was found in."""
CHANGES = frozenset({"48005-3", "48004-6", "81290-9", "47999-8", "48006-1", "48019-4"})
"""LOINC components that say what changed: protein, coding DNA, genomic DNA, region, type."""
PARTS = re.compile(r"[/,;()]")
GENE = re.compile(r"\b[A-Z][A-Z0-9]{1,6}\b")
EXON = re.compile(r"\bexon\s*(\d{1,2})\b", re.IGNORECASE)
PROTEIN = re.compile(r"\b([A-Za-z]{1,3})(\d{2,4})([A-Za-z]{1,3})\b")
AMINO_ACIDS = {
    "ala": "a", "arg": "r", "asn": "n", "asp": "d", "cys": "c", "gln": "q", "glu": "e", "gly": "g",
    "his": "h", "ile": "i", "leu": "l", "lys": "k", "met": "m", "phe": "f", "pro": "p", "ser": "s",
    "thr": "t", "trp": "w", "tyr": "y", "val": "v",
}  # fmt: skip
"""IUPAC three-letter codes → one letter, in lower case."""
TNM = {
    "t-category": re.compile(r"(?:^|(?<=\s))[cpyrau]{0,3}T(is(?![a-z])|a(?![a-z])|[0-4])", re.I),
    "n-category": re.compile(r"(?:^|(?<=\s))[cpyrau]{0,3}N([0-3])", re.I),
}
"""How TNM is written: prefixes of how it was found, then the category, then its subdivision."""
GRADED = frozenset({"deauville"})
"""Facts whose value may stand in the interpretation alone (mCODE, Deauville scale)."""


def read_facts(raw: Observation, reference: str, name: str, reader: Reader) -> Iterator[Fact]:
    """What one observation says: its value in our words; of a variant also the named change."""
    if name == VARIANT:
        name = f"{VARIANT}-{gene_of(raw)}"
    value = _value(raw, reference, name, reader)
    if not value:
        return
    on = effective(raw, reference, reader)
    focus = conditions_in_focus(raw, reader)
    yield Fact(reference, name, value, on, focus)
    if name.startswith(VARIANT):
        for change in sorted(named_changes(raw, name.removeprefix(f"{VARIANT}-"), reader)):
            yield Fact(reference, change, value, on, focus)


def gene_of(raw: Observation) -> str:
    """The gene of a genomic variant, in lower case: its component, else the last of its words."""
    for component in several(raw.component, Component):
        codes = component.code.codes() if component.code else []
        if any(code == GENE_STUDIED for _, code in codes) and component.valueCodeableConcept:
            return next(iter(component.valueCodeableConcept.texts()), "").strip().lower()
    said = [gene for text in (raw.code.texts() if raw.code else []) for gene in GENE.findall(text)]
    return said[-1].lower() if said else ""


def named_changes(raw: Observation, gene: str, reader: Reader) -> set[str]:
    """Facts of their own that a change of this gene is ("pdgfra d842v", "kit exon 9")."""
    known = reader.knowledge.value_sets["variants"]
    said: set[str] = set()
    for text in _changes(raw):
        said |= {f"{gene} exon {int(number)}" for number in EXON.findall(text)}
        said |= {
            f"{gene} {_letter(before)}{place}{_letter(after)}"
            for before, place, after in PROTEIN.findall(text)
        }
        said.add(f"{gene} {' '.join(text.lower().split())}")
    return {known[change] for change in said if change in known}


def _letter(amino_acid: str) -> str:
    return AMINO_ACIDS.get(amino_acid.lower(), amino_acid.lower())


def _changes(raw: Observation) -> Iterator[str]:
    """What the components say of the change, then the words of the observation itself."""
    for component in several(raw.component, Component):
        codes = component.code.codes() if component.code else []
        if any(system == LOINC and code in CHANGES for system, code in codes):
            concept = component.valueCodeableConcept
            yield from concept.texts() if concept else ()
            yield from (code for _, code in concept.codes()) if concept else ()
            yield from [component.valueString] if component.valueString else ()
    yield from raw.code.texts() if raw.code else ()
    yield from [raw.valueString] if raw.valueString else ()


def _value(raw: Observation, reference: str, name: str, reader: Reader) -> str:
    concepts = value_concepts(raw)
    if name in GRADED:
        concepts += several(raw.interpretation, CodeableConcept)
    value = next((found for c in concepts if (found := _meaning(c, name, reader))), "")
    if value:
        return value
    if raw.valueInteger is not None:
        return str(raw.valueInteger)
    if raw.valueQuantity is not None:
        number = reader.number(raw.valueQuantity, reference)
        return "" if number is None else f"{number.normalize():f}"
    if raw.valueBoolean is not None:
        return "yes" if raw.valueBoolean else "no"
    return ""


def _meaning(concept: CodeableConcept, name: str, reader: Reader) -> str:
    """What a value means for this fact, by code, by its words, or as TNM is written."""
    terms = reader.knowledge.terms
    for code in concept.codes():
        if (found := terms.fact_values.get(code)) is not None:
            return found
    for text in concept.texts():
        if (found := _in_words(text, terms.fact_words)) is not None:
            return found
    written = TNM.get(name)
    if written is not None:
        for text in [*(code for _, code in concept.codes()), *concept.texts()]:
            if (match := written.search(text)) is not None:
                return f"{name[0]}{match[1].lower()}"
    return ""


def _in_words(text: str, known: Mapping[str, str]) -> str | None:
    """What words mean, or each of the parts between strokes and commas, where all mean the same."""
    whole = known.get(text.strip().lower())
    if whole is not None:
        return whole
    said = {known.get(part.strip().lower()) for part in PARTS.split(text) if part.strip()}
    return said.pop() if len(said) == 1 else None


def read_performance(raw: Observation, reference: str, reader: Reader) -> Iterator[Fact]:
    """The ECOG performance status; a value that is no grade of it becomes an issue."""
    facts = tuple(read_facts(raw, reference, "ecog", reader))
    if not facts and (raw.valueCodeableConcept is not None or raw.valueString):
        reader.note(
            "warning",
            "unknown-value",
            reference,
            "the value of this performance status is not known; left out",
        )
    yield from facts
