"""Whether the advice of a disease names kinds of study, regions and words that exist."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.knowledge.check_references import Fault
from cds_service.knowledge.model import Disease
from cds_service.knowledge.terms_words import PROCEDURE_KINDS

MARKER = "marker"
REGIONS = frozenset(
    {"chest", "abdomen", "pelvis", "brain", "neck", "spine", "breast", "limb", "whole-body"}
)
"""Parts of the body that the record reads of a study's name."""
PATTERNS = frozenset({"primary", "secondary"})
FLAGS = frozenset({"early-relapse", "pod24", "transformation-possible"})


def check_advice(disease: Disease) -> Iterator[Fault]:
    """Faults of `[advice]` beyond its form: a word that never holds would silently do nothing."""
    advice = disease.advice
    for kind in sorted(advice.restage_by - PROCEDURE_KINDS - {MARKER}):
        yield Fault(disease.id, f"no kind of procedure {kind!r} in restage_by")
    for region in sorted(advice.restage_regions - REGIONS):
        yield Fault(disease.id, f"no region {region!r} in restage_regions")
    labels = {rule.label for rule in disease.rules if rule.label}
    known = PATTERNS | FLAGS | labels | {told.id for told in disease.told}
    for word in sorted((advice.urgent_when | advice.warns_when) - known):
        yield Fault(disease.id, f"{word!r} is no pattern, flag, label or rule of this disease")
    if advice.warns_when and not advice.may_warn:
        yield Fault(disease.id, "warns_when without may_warn: no card of it ever warns")
