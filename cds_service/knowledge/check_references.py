"""Whether what a disease file names exists: drugs and their groups, settings, codes of orders."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from cds_service.knowledge.model import Agents, Disease, Order, When
from cds_service.knowledge.terms import LOINC, SNOMED, Terminology
from cds_service.knowledge.terms_codes import is_loinc_code, is_snomed_code

SETTINGS = frozenset(
    {"neoadjuvant", "adjuvant", "definitive", "advanced", "maintenance", "unknown"}
)

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and where: a disease, a rule or a file."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def parts_of(whole: object, shape: type[P], where: str = "") -> Iterator[tuple[str, P]]:
    """Every part of this shape, however deep, with the id of the nearest part that has one."""
    if isinstance(whole, shape):
        yield where, whole
    elif dataclasses.is_dataclass(whole):
        place = _place(where, getattr(whole, "id", ""))
        for field in dataclasses.fields(whole):
            yield from parts_of(getattr(whole, field.name), shape, place)
    elif isinstance(whole, (tuple, frozenset)):
        for part in whole:
            yield from parts_of(part, shape, where)


def _place(where: str, own: str) -> str:
    """The id of a rule says its disease; that of a composite needs it before it."""
    if not own or not where or own.startswith(f"{where}."):
        return own or where
    return f"{where}: {own}"


def check_agents(disease: Disease, terms: Terminology) -> Iterator[Fault]:
    """Every drug, class, group and superclass that the file names is one of drugs.csv."""
    drugs = terms.drugs.values()
    known = {
        "drug": set(terms.drugs),
        "class": {drug.drug_class for drug in drugs},
        "group": {drug.class_group for drug in drugs},
        "superclass": {drug.superclass for drug in drugs},
    }
    for where, agents in parts_of(disease, Agents):
        named = {
            "drug": agents.drugs,
            "class": agents.classes,
            "group": agents.groups,
            "superclass": agents.superclasses,
        }
        for kind, names in named.items():
            for name in sorted(names - known[kind]):
                yield Fault(where, f"no {kind} {name!r} in drugs.csv")


def check_protocols(disease: Disease, terms: Terminology) -> Iterator[Fault]:
    """Every regimen that the rules of its lines name is one of regimens.csv."""
    for name in disease.lines.protocols:
        if name not in terms.regimens:
            yield Fault(disease.id, f"no regimen {name!r} in regimens.csv")


def check_whens(disease: Disease) -> Iterator[Fault]:
    """Every setting that a rule asks for is one that a line can have."""
    for where, when in parts_of(disease, When):
        for name in sorted(when.settings - SETTINGS):
            yield Fault(where, f"no setting {name!r}")


def check_orders(disease: Disease) -> Iterator[Fault]:
    """Codes on draft orders have a right check digit."""
    for where, order in parts_of(disease, Order):
        for coding in (order.code, order.category):
            if coding is None:
                continue
            system, code, _ = coding
            is_wrong = (system == SNOMED and not is_snomed_code(code)) or (
                system == LOINC and not is_loinc_code(code)
            )
            if is_wrong or not code:
                yield Fault(where, f"the order {order.text[:40]!r} has a wrong code {code!r}")
