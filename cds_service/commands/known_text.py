"""The knowledge for people: one disease, rule, drug, regimen, marker or source on a screen."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table

from cds_service.commands.known import DrugGroup, Known, besides, cited_by
from cds_service.commands.known_intervention import intervention_report
from cds_service.commands.known_sheet import entry_report, sheet_report, sources_report
from cds_service.definition import drug_group, entry_of, sheet_of
from cds_service.definition.intervention import Intervention
from cds_service.definition.members import in_words
from cds_service.definition.names import unit_in_words
from cds_service.knowledge.model import Citation, Disease, Knowledge, Told
from cds_service.knowledge.terms import Marker
from cds_service.report import citation_text, fields, plain

LABEL = 18


def known_report(known: Known, knowledge: Knowledge) -> RenderableType:
    """One thing in full, with the sources that it rests on."""
    kind = known.kind.replace("-", " ") + (f" of {known.disease}" if known.disease else "")
    title = plain(known.id, "bold").append_text(plain(f"  ({kind})", "dim"))
    if isinstance(known.value, Intervention):
        return Group(title, *intervention_report(known.value))
    if isinstance(known.value, Disease):
        return Group(title, *sheet_report(sheet_of(known.value, knowledge)))
    parts: list[RenderableType] = [title, *_body(known, knowledge)]
    parts += [
        _table({name.replace("_", " "): names}) for name, names in besides(known, knowledge).items()
    ]
    keys = sorted(set(cited_by([known.value])) & set(knowledge.citations))
    sources = sources_report({key: knowledge.citations[key] for key in keys})
    return Group(*parts, *([""] if keys else []), *sources)


def list_report(knowledge: Knowledge) -> RenderableType:
    """The diseases with the number of their rules, and the size of the terminology."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    heads = ("disease", "name", "rules", "markers", "composites", "sources")
    for _ in heads[2:]:
        table.add_column(justify="right", no_wrap=True)
    table.add_row(*(plain(head, "bold") for head in heads))
    for disease in knowledge.diseases.values():
        told = counts_of(disease)
        told["markerRules"] += told.pop("milestones") + told.pop("targets")
        table.add_row(plain(disease.id), plain(disease.name), *map(plain, told.values()))
    sizes = ", ".join(f"{n} {name}" for name, n in sizes_of(knowledge).items())
    return Group(
        plain(f"knowledge {knowledge.version}", "bold"),
        plain(knowledge.digest, "dim"),
        *(plain(f"at this site: {n.where}: {n}") for n in knowledge.site_numbers),
        "",
        table,
        "",
        plain(f"Terminology: {sizes}."),
        plain("One of them in full: refractory-cds knowledge show ID", "dim"),
        plain("What it is for, reads and cannot do: refractory-cds knowledge show about-ID", "dim"),
        plain("All of it as pages: refractory-cds knowledge pages --to DIR", "dim"),
    )


def counts_of(disease: Disease) -> dict[str, int]:
    """How much there is for a disease."""
    return {
        "rules": len(disease.rules),
        "markerRules": len(disease.marker_rules),
        "milestones": len(disease.milestones),
        "targets": len(disease.targets),
        "composites": len(disease.composites),
        "citations": len(set(cited_by([disease]))),
    }


def sizes_of(knowledge: Knowledge) -> dict[str, int]:
    """How much the terminology knows."""
    terms = knowledge.terms
    return {
        "drugs": len(terms.drugs),
        "regimens": len(terms.regimens),
        "markers": len(terms.markers),
        "citations": len(knowledge.citations),
    }


def _body(known: Known, knowledge: Knowledge) -> Iterator[RenderableType]:
    value = known.value
    if isinstance(value, Citation):
        yield Padding(citation_text(value), (0, 0, 0, 2))
        if value.where:
            yield _table({"where": value.where, "confirmed twice": value.checked})
    elif isinstance(value, Told):
        disease = knowledge.diseases.get(known.disease, knowledge.disease("other-solid"))
        yield entry_report(entry_of(value, disease, knowledge), with_id=False)
    elif isinstance(value, DrugGroup):
        words = drug_group(known.id)
        yield _table({"in words": words, "level": value.level, "drugs": value.drugs})
    elif isinstance(value, Marker):
        yield _table(_members(value) | {"unit": unit_in_words(value.unit)})
    else:
        yield _table(_members(value))


def _table(members: Mapping[str, object]) -> RenderableType:
    table = fields(label=LABEL)
    for name, value in members.items():
        if said := _said(value):
            table.add_row("", plain(name, "dim"), plain(said))
    return table


def _members(value: object) -> dict[str, object]:
    """The members of a value that differ from their defaults, by names for people."""
    told: dict[str, object] = {}
    for field in dataclasses.fields(value):  # type: ignore[arg-type]
        own = getattr(value, field.name)
        if field.name not in ("id", "name") and own != field.default:
            told[field.name.removeprefix("is_").replace("_", " ")] = own
    return told


def _said(value: object) -> str:
    """A member's value in words; empty where it says nothing."""
    if value is None:
        return ""
    if isinstance(value, Iterable) and not isinstance(value, str | Mapping | frozenset):
        return ", ".join(filter(None, map(_said, value)))
    return in_words(value)
