"""The drug tables: antineoplastic and supportive drugs, their names, codes and products."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cds_service.knowledge.terms import ATC, RXNORM, Code, Drug, DrugTerm, SupportiveDrug
from cds_service.knowledge.terms_codes import check_code
from cds_service.knowledge.terms_table import Row, read_table
from cds_service.knowledge.terms_words import ROUTES, SUPERCLASSES

LANGUAGES = ("latin", "german", "french", "spanish", "italian", "portuguese")


@dataclass(slots=True)
class Medications:
    """What the medication tables hold so far; each reader adds its own."""

    drugs: dict[str, Drug]
    supportive: dict[str, SupportiveDrug]
    codes: dict[Code, DrugTerm]
    names: dict[str, DrugTerm]
    weak: set[str]

    def term(self, names: Collection[str], *, systemic: bool = True) -> DrugTerm:
        """A drug of both tables, such as a steroid, is named on both sides."""
        return DrugTerm(
            tuple(sorted(name for name in names if name in self.drugs)),
            tuple(sorted(name for name in names if name in self.supportive)),
            systemic,
        )

    def add_codes(self, row: Row, column: str, system: str, term: DrugTerm) -> None:
        for code in row.many(column):
            self.add_code(row, column, system, code, term)

    def add_code(self, row: Row, column: str, system: str, code: str, term: DrugTerm) -> None:
        check_code(row, column, system, code)
        known = self.codes.setdefault((system, code), term)
        if known is not term and known != term:
            raise row.refuse(column, f"{code} already means {known}")

    def add_names(self, row: Row, column: str, term: DrugTerm, *, weak: bool = False) -> None:
        for name in row.many(column):
            lowered = name.lower()
            known = self.names.setdefault(lowered, term)
            if known is not term and known != term:
                raise row.refuse(column, f"{name!r} already means {known}")
            if weak:
                self.weak.add(lowered)


def read_medications(folder: Path, sources: Collection[str]) -> Medications:
    """The drugs of drugs.csv and supportive.csv with every name and code that means them."""
    found = Medications({}, {}, {}, {}, set())
    drug_rows = list(
        read_table(
            folder,
            "drugs.csv",
            ("drug", "class", "class_group", "superclass", "routes", "names", "abbreviations",
             "rxnorm", "atc", "backbone_equivalents", "toxicity_equivalents"),
            sources,
        )
    )  # fmt: skip
    supportive_rows = list(
        read_table(folder, "supportive.csv", ("drug", "category", "names", "rxnorm"), sources)
    )
    names = {row.text("drug") for row in drug_rows}
    treats = _read_diseases(folder, "dual_use.csv", "diseases", sources, names)
    alone_in = _read_diseases(folder, "other_uses.csv", "alone_in", sources, names)
    for row in drug_rows:
        drug = _drug(row, names, treats.get(row.text("drug"), frozenset()))
        if drug.name in alone_in:
            drug = replace(drug, has_other_uses=True, alone_in=alone_in[drug.name])
        if drug.name in found.drugs:
            raise row.refuse("drug", f"{drug.name!r} stands twice")
        found.drugs[drug.name] = drug
    for row in supportive_rows:
        name = row.text("drug")
        if name in found.supportive:
            raise row.refuse("drug", f"{name!r} stands twice")
        found.supportive[name] = SupportiveDrug(name, row.text("category"))
    for row in (*drug_rows, *supportive_rows):
        term = found.term({row.text("drug")})
        found.add_names(row, "drug", term)
        found.add_names(row, "names", term)
        found.add_codes(row, "rxnorm", RXNORM, term)
    for row in drug_rows:
        term = found.term({row.text("drug")})
        found.add_names(row, "abbreviations", term, weak=True)
        found.add_codes(row, "atc", ATC, term)
        _check_symmetry(row, found.drugs)
    _read_other_names(folder, sources, found)
    _read_products(folder, "rxnorm_products.csv", "rxnorm", RXNORM, sources, found)
    _read_products(folder, "atc_codes.csv", "atc", ATC, sources, found)
    return found


def _drug(row: Row, names: Collection[str], treats: frozenset[str]) -> Drug:
    routes = frozenset(row.many("routes"))
    if not routes or not routes <= ROUTES:
        raise row.refuse("routes", f"{', '.join(sorted(routes - ROUTES)) or 'none'} is no route")
    return Drug(
        row.text("drug"),
        row.text("class"),
        row.text("class_group"),
        row.one_of("superclass", SUPERCLASSES),
        routes,
        row.known("backbone_equivalents", names),
        row.known("toxicity_equivalents", names),
        treats,
    )


def _read_diseases(
    folder: Path, table: str, column: str, sources: Collection[str], names: Collection[str]
) -> dict[str, frozenset[str]]:
    """The diseases that a table of drugs with other uses names for each."""
    found = {}
    for row in read_table(folder, table, ("drug", column), sources):
        row.known("drug", names)
        row.text(column)
        found[row.text("drug")] = frozenset(row.many(column))
    return found


def _read_other_names(folder: Path, sources: Collection[str], found: Medications) -> None:
    """Brands of several drugs, and the generic names of other languages."""
    known = found.drugs.keys() | found.supportive.keys()
    for row in read_table(folder, "combinations.csv", ("name", "drugs"), sources):
        found.add_names(row, "name", found.term(row.known("drugs", known)))
    for row in read_table(folder, "drug_spellings.csv", ("drug", *LANGUAGES), sources):
        term = found.term(row.known("drug", known))
        for language in LANGUAGES:
            if row.maybe(language):
                found.add_names(row, language, term)


def _check_symmetry(row: Row, drugs: Mapping[str, Drug]) -> None:
    drug = drugs[row.text("drug")]
    for column, others in (
        ("backbone_equivalents", drug.backbone_equivalents),
        ("toxicity_equivalents", drug.toxicity_equivalents),
    ):
        for other in others:
            if drug.name not in getattr(drugs[other], column):
                raise row.refuse(column, f"{other!r} does not name {drug.name!r} in turn")


def _read_products(
    folder: Path, name: str, column: str, system: str, sources: Collection[str], found: Medications
) -> None:
    """A table of codes beside those of the drugs themselves, in its first column."""
    known = found.drugs.keys() | found.supportive.keys()
    terms: dict[tuple[str, str], DrugTerm] = {}
    for row in read_table(folder, name, (column, "drugs", "systemic"), sources):
        code, named, systemic = row.values[:3]
        term = terms.get((named, systemic))
        if term is None:
            is_systemic = row.one_of("systemic", ("yes", "no")) == "yes"
            row.text("drugs")
            term = found.term(row.known("drugs", known), systemic=is_systemic)
            terms[named, systemic] = term
        found.add_code(row, column, system, code, term)
