"""To which classes of drugs a cancer is possibly refractory over all lines: since when, by what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date

from cds_service.clinical.lines import Line
from cds_service.clinical.status.line_status import LineStatus


@dataclass(frozen=True, slots=True)
class ClassRefractory:
    """One class, by the first line that was possibly refractory to a drug of it.

    `drugs` are those of the class on every line that was. `rules` decided on that first line.
    `responded_on`: the latest later line on which a drug of the class brought a response.
    """

    drug_class: str
    since: date
    line: int
    rules: tuple[str, ...]
    drugs: tuple[str, ...]
    responded_on: int | None = None


def refractory_classes(judged: Iterable[tuple[Line, LineStatus]]) -> tuple[ClassRefractory, ...]:
    """The classes in order of the day since when, then by name.

    A label that a later response on its own line took back is not among them: that line is no
    longer called refractory.
    """
    found: dict[str, ClassRefractory] = {}
    for line, status in judged:
        for use in line.uses:
            drug = use.drug
            known = found.get(drug.drug_class)
            if drug.name in status.refractory_to and status.progressed_on is not None:
                fresh = ClassRefractory(
                    drug.drug_class, status.progressed_on, line.number, status.rules, (drug.name,)
                )
                found[drug.drug_class] = fresh if known is None else _again(known, drug.name)
            elif known is not None and known.line < line.number and status.status == "responding":
                found[drug.drug_class] = replace(known, responded_on=line.number)
    return tuple(sorted(found.values(), key=lambda c: (c.since, c.drug_class)))


def _again(known: ClassRefractory, drug: str) -> ClassRefractory:
    """The class once more: another drug of it, or the same again; a response between is over."""
    drugs = tuple(sorted({*known.drugs, drug}))
    return replace(known, drugs=drugs, responded_on=None)
