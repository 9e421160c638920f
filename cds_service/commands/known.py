"""Whatever of the knowledge has an id or a name, and all that goes by one name."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import chain
from typing import Any, Literal

import msgspec

from cds_service.definition.intervention import (
    Intervention,
    intervention_ids,
    intervention_of,
)
from cds_service.knowledge.model import Citation, Composite, Disease, Knowledge, Told
from cds_service.knowledge.terms import Drug, Marker, Regimen, SupportiveDrug, Terminology

Kind = Literal[
    "disease", "rule", "composite", "drug", "drug-group", "supportive-drug", "regimen", "marker",
    "citation", "intervention",
]  # fmt: skip
LEVELS = {"drug_class": "class", "class_group": "class group", "superclass": "modality"}
"""Attributes of a drug by which drugs are grouped, the finest first, and what to call them."""


@dataclass(frozen=True, slots=True)
class DrugGroup:
    """The drugs of a class, of a group of classes or of a modality."""

    level: str
    drugs: tuple[str, ...]


Value = (
    Disease | Told | Drug | DrugGroup | SupportiveDrug | Regimen | Marker | Citation | Intervention
)


@dataclass(frozen=True, slots=True)
class Known:
    """One thing with its id, and the disease that it belongs to, if any."""

    kind: Kind
    id: str
    value: Value
    disease: str = ""


def find_known(name: str, knowledge: Knowledge) -> tuple[Known, ...]:
    """Everything that has this id or name; capitals do not matter."""
    wanted = name.strip().lower()
    found = (k for k in everything(knowledge) if k.id.lower() == wanted)
    every = chain(found, _by_other_name(wanted, knowledge))
    return tuple({(k.kind, k.id, k.disease): k for k in every}.values())


def names_like(name: str, knowledge: Knowledge) -> list[str]:
    """Ids that somebody may have meant."""
    ids = {known.id.lower(): known.id for known in everything(knowledge)}
    return [ids[match] for match in get_close_matches(name.strip().lower(), ids, n=3, cutoff=0.7)]


def everything(knowledge: Knowledge) -> Iterator[Known]:
    """All that has an id of its own, diseases first."""
    diseases, terms = knowledge.diseases, knowledge.terms
    yield from (Known("disease", name, disease) for name, disease in diseases.items())
    yield from (known for disease in diseases.values() for known in _told(disease))
    yield from (Known("rule", rule.id, rule) for rule in knowledge.shared_rules)
    yield from (Known("drug", name, drug) for name, drug in terms.drugs.items())
    yield from (Known("drug-group", name, group) for name, group in _groups(terms))
    yield from (Known("supportive-drug", name, drug) for name, drug in terms.supportive.items())
    yield from (Known("regimen", name, regimen) for name, regimen in terms.regimens.items())
    yield from (Known("marker", name, marker) for name, marker in terms.markers.items())
    yield from (Known("citation", key, source) for key, source in knowledge.citations.items())
    for name in intervention_ids(knowledge):
        told = intervention_of(name, knowledge)
        yield Known("intervention", told.page, told, name if told.kind == "rule-set" else "")


def _told(disease: Disease) -> Iterator[Known]:
    for told in disease.told:
        kind: Kind = "composite" if isinstance(told, Composite) else "rule"
        yield Known(kind, told.id, told, disease.id)


def _groups(terms: Terminology) -> Iterator[tuple[str, DrugGroup]]:
    """Classes, groups and modalities; a name that stands at two levels is the wider one."""
    groups: dict[str, DrugGroup] = {}
    for attribute, level in LEVELS.items():
        names: dict[str, list[str]] = {}
        for drug in terms.drugs.values():
            names.setdefault(getattr(drug, attribute), []).append(drug.name)
        groups |= {name: DrugGroup(level, tuple(sorted(names[name]))) for name in names}
    yield from sorted(groups.items())


def _by_other_name(wanted: str, knowledge: Knowledge) -> Iterator[Known]:
    """Names that diseases, drugs, regimens and markers also go by."""
    terms = knowledge.terms
    for disease in knowledge.diseases.values():
        if wanted in (disease.name.lower(), *disease.names):
            yield Known("disease", disease.id, disease)
    term = terms.drug_names.get(wanted)
    for name in term.drugs if term else ():
        yield Known("drug", name, terms.drugs[name])
    for name in term.supportive if term else ():
        yield Known("supportive-drug", name, terms.supportive[name])
    for regimen in terms.regimens.values():
        if wanted in (alias.lower() for alias in regimen.aliases):
            yield Known("regimen", regimen.name, regimen)
    for marker in terms.markers.values():
        if wanted == marker.name.lower() or terms.marker_names.get(wanted) == marker.id:
            yield Known("marker", marker.id, marker)


def as_json(known: Known, knowledge: Knowledge) -> dict[str, Any]:
    """One thing as JSON: camelCase, members without a value left out, sources in full."""
    if isinstance(known.value, Intervention):
        return known.value.as_json()
    value = as_plain(known.value)
    told = {"type": known.kind, "id": known.id, "disease": known.disease, **value}
    told |= besides(known, knowledge)
    keys = sorted(set(cited_by([known.value])) & set(knowledge.citations))
    told["citations"] = {
        key: msgspec.to_builtins(knowledge.citations[key], order="deterministic") for key in keys
    }
    pruned = _pruned(told)
    assert isinstance(pruned, dict)  # noqa: S101 - it was one
    return pruned


def besides(known: Known, knowledge: Knowledge) -> dict[str, list[str]]:
    """What other tables say of a drug or a marker: other names, codes, regimens."""
    terms = knowledge.terms
    if known.kind == "drug":
        own = (known.id,)
        return {
            "also_called": [n for n, t in terms.drug_names.items() if t.drugs == own != (n,)],
            "regimens": [r.name for r in terms.regimens.values() if known.id in r.components],
        }
    if known.kind == "marker":
        return {
            "loinc": [
                code for (_, code), marker in terms.marker_codes.items() if marker == known.id
            ],
            "also_called": [n for n, marker in terms.marker_names.items() if marker == known.id],
        }
    return {}


def cited_by(values: Iterable[Value]) -> Iterator[str]:
    """Keys of the sources that rules rest on; those of a disease are those of its rules."""
    for value in values:
        if isinstance(value, Disease):
            yield from cited_by(value.told)
        elif isinstance(value, Told):
            yield from value.cites


def as_plain(value: Any) -> Any:
    """Plain JSON values, without members that are what they are by default."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        told = ((field, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {field.name: as_plain(own) for field, own in told if own != field.default}
    if isinstance(value, (tuple, list)):
        return [as_plain(inner) for inner in value]
    return msgspec.to_builtins(value, order="deterministic")


def _pruned(value: Any) -> Any:
    """camelCase members, without those that are empty; keys that are data stay as they are."""
    if isinstance(value, dict):
        told = {_camel(name): _pruned(inner) for name, inner in value.items()}
        return {name: inner for name, inner in told.items() if inner not in (None, "", [], {})}
    return [_pruned(inner) for inner in value] if isinstance(value, list) else value


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
