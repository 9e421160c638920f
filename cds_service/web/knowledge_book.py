"""All that the pages of the knowledge show, gathered once: who cites, reads and names what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from cds_service.definition import Entry, Sheet, entry_of, kind_of_group, sheet_of
from cds_service.definition.names import GroupKind, drug_group, unit_in_words
from cds_service.knowledge.model import Citation, Knowledge
from cds_service.knowledge.terms import Drug, Marker, Regimen

INDEX = "index"
SHARED = "every-disease"
TITLES = {
    INDEX: "Clinical knowledge",
    SHARED: "What holds for every disease",
    "drugs": "Drugs",
    "regimens": "Regimens",
    "markers": "Markers",
    "citations": "Sources",
    "terms": "What the words mean",
    "site-numbers": "Numbers of this site",
}
"""Pages that are no disease, and their titles."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: a page, an anchor on it, and what to call it."""

    page: str
    anchor: str
    text: str


@dataclass(frozen=True, slots=True)
class DrugClass:
    """A class, a group of classes or a modality, with its drugs and whatever names it.

    `parts`: of a group, its classes; of a modality, the groups that it reaches into.
    """

    name: str
    words: str
    level: GroupKind
    drugs: tuple[Drug, ...]
    named_by: tuple[Place, ...]
    parts: tuple[DrugClass, ...] = ()


@dataclass(frozen=True, slots=True)
class MarkerRead:
    """A marker with its codes and names, and whatever reads it."""

    marker: Marker
    unit: str
    other_units: tuple[tuple[str, tuple[str, ...]], ...]
    """Factor → the spellings of units that are multiplied by it."""
    loinc: tuple[str, ...]
    names: tuple[str, ...]
    read_by: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Book:
    """Every page's content."""

    knowledge: Knowledge
    sheets: Mapping[str, Sheet]
    shared: tuple[Entry, ...]
    cited_by: Mapping[str, tuple[Place, ...]]
    modalities: tuple[DrugClass, ...]
    groups: tuple[DrugClass, ...]
    markers: tuple[MarkerRead, ...]
    regimens: tuple[Regimen, ...]
    rules_of: Mapping[str, Mapping[str, Place]]
    """Page → the ids that stand on it."""

    @property
    def pages(self) -> dict[str, str]:
        """Every page, the index first, and its title."""
        return {**TITLES, **{name: sheet.name for name, sheet in self.sheets.items()}}

    @property
    def by_name(self) -> list[tuple[str, Sheet]]:
        """The diseases by their names, the general definitions last."""
        return sorted(
            self.sheets.items(), key=lambda s: (s[0].startswith("other-"), s[1].name.lower())
        )

    @property
    def citations(self) -> list[tuple[str, Citation]]:
        return sorted(self.knowledge.citations.items())


def book_of(knowledge: Knowledge) -> Book:
    """Everything in words, and linked both ways."""
    sheets = {name: sheet_of(disease, knowledge) for name, disease in knowledge.diseases.items()}
    any_disease = knowledge.disease("other-solid")
    shared = tuple(entry_of(rule, any_disease, knowledge) for rule in knowledge.shared_rules)
    placed = list(_placed(sheets, shared))
    named = _index((name, place) for place, entry in placed for name in entry.agents)
    return Book(
        knowledge=knowledge,
        sheets=sheets,
        shared=shared,
        cited_by=_index((key, place) for place, entry in placed for key in entry.cites),
        modalities=_modalities(knowledge, named),
        groups=_groups(knowledge, named),
        markers=_markers(
            knowledge, _index((name, place) for place, entry in placed for name in entry.markers)
        ),
        regimens=tuple(sorted(knowledge.terms.regimens.values(), key=lambda r: r.name.lower())),
        rules_of=_rules_of(placed),
    )


def _placed(sheets: Mapping[str, Sheet], shared: Iterable[Entry]) -> Iterator[tuple[Place, Entry]]:
    """Every entry once, where it stands."""
    own = {entry.id for entry in shared}
    yield from ((Place(SHARED, entry.id, entry.id), entry) for entry in shared)
    for name, sheet in sheets.items():
        for section in sheet.sections:
            for entry in section.entries:
                if entry.id not in own:
                    text = entry.id if entry.id.startswith(f"{name}.") else f"{name}: {entry.id}"
                    yield Place(name, entry.id, text), entry


def _rules_of(placed: Iterable[tuple[Place, Entry]]) -> dict[str, dict[str, Place]]:
    found: dict[str, dict[str, Place]] = {}
    for place, entry in placed:
        found.setdefault(place.page, {})[entry.id] = place
    return found


def _index(pairs: Iterable[tuple[str, Place]]) -> dict[str, tuple[Place, ...]]:
    found: dict[str, dict[Place, None]] = {}
    for name, place in pairs:
        found.setdefault(name, {})[place] = None
    return {name: tuple(places) for name, places in found.items()}


Named = Mapping[str, tuple[Place, ...]]


def _modalities(knowledge: Knowledge, named: Named) -> tuple[DrugClass, ...]:
    """Every modality, with the groups that have drugs of it."""
    return tuple(
        _drug_class(
            name,
            drugs,
            knowledge,
            named,
            (_drug_class(group, of, knowledge, named) for group, of in _by("class_group", drugs)),
        )
        for name, drugs in _by("superclass", knowledge.terms.drugs.values())
    )


def _groups(knowledge: Knowledge, named: Named) -> tuple[DrugClass, ...]:
    """Every group of classes, with its classes; a class of the group's own name is the group."""
    return tuple(
        _drug_class(
            name,
            [drug for drug in drugs if drug.drug_class == name],
            knowledge,
            named,
            (
                _drug_class(part, of, knowledge, named)
                for part, of in _by("drug_class", drugs)
                if part != name
            ),
        )
        for name, drugs in _by("class_group", knowledge.terms.drugs.values())
    )


def _drug_class(
    name: str,
    drugs: Iterable[Drug],
    knowledge: Knowledge,
    named: Named,
    parts: Iterable[DrugClass] = (),
) -> DrugClass:
    return DrugClass(
        name=name,
        words=drug_group(name),
        level=kind_of_group(name, knowledge.terms),
        drugs=tuple(sorted(drugs, key=lambda drug: drug.name)),
        named_by=named.get(name, ()),
        parts=tuple(parts),
    )


def _by(level: str, drugs: Iterable[Drug]) -> list[tuple[str, list[Drug]]]:
    found: dict[str, list[Drug]] = {}
    for drug in drugs:
        found.setdefault(getattr(drug, level), []).append(drug)
    return sorted(found.items(), key=lambda item: drug_group(item[0]).lower())


def _markers(knowledge: Knowledge, read: Mapping[str, tuple[Place, ...]]) -> tuple[MarkerRead, ...]:
    terms = knowledge.terms
    return tuple(
        MarkerRead(
            marker=marker,
            unit=unit_in_words(marker.unit),
            other_units=_by_factor(marker),
            loinc=tuple(
                code for (_, code), name in terms.marker_codes.items() if name == marker.id
            ),
            names=tuple(text for text, name in terms.marker_names.items() if name == marker.id),
            read_by=read.get(marker.id, ()),
        )
        for marker in sorted(terms.markers.values(), key=lambda marker: marker.name.lower())
    )


def _by_factor(marker: Marker) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The units that are converted, under what they are multiplied by."""
    found: dict[str, list[str]] = {}
    for unit, factor in marker.factors.items():
        if unit != marker.unit:
            found.setdefault(f"{factor.normalize():f}", []).append(unit)
    return tuple((factor, tuple(units)) for factor, units in found.items())
