"""The knowledge for people: one disease, rule, drug, regimen, marker or source on a screen."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from functools import singledispatch

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table

from cds_service.clinical.wording import ORIGIN
from cds_service.commands.known import DrugGroup, Known, besides, cited_by
from cds_service.knowledge.model import (
    Agents,
    Citation,
    Disease,
    Knowledge,
    Minimum,
    Order,
    Told,
)
from cds_service.quantities import format_decimal
from cds_service.report import citation_text, fields, plain

HEADED = ("id", "says", "criterion", "origin", "cites", "name")
"""Members that stand at the head of an entry, not among its numbers."""
LABEL = 18


def known_report(known: Known, knowledge: Knowledge) -> RenderableType:
    """One thing in full, with the sources that it rests on."""
    kind = known.kind.replace("-", " ") + (f" of {known.disease}" if known.disease else "")
    title = plain(known.id, "bold").append_text(plain(f"  ({kind})", "dim"))
    parts: list[RenderableType] = [title, *_body(known)]
    parts += [
        _numbers({name.replace("_", " "): names})
        for name, names in besides(known, knowledge).items()
    ]
    sources = _sources(known, knowledge)
    return Group(*parts, *([""] if sources else []), *sources)


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
        told["markerRules"] += told.pop("milestones")
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
    )


def counts_of(disease: Disease) -> dict[str, int]:
    """How much there is for a disease."""
    return {
        "rules": len(disease.rules),
        "markerRules": len(disease.marker_rules),
        "milestones": len(disease.milestones),
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


def _body(known: Known) -> Iterator[RenderableType]:
    value = known.value
    if isinstance(value, Disease):
        yield from _disease(value)
    elif isinstance(value, Citation):
        yield Padding(citation_text(value), (0, 0, 0, 2))
        if value.where:
            yield _numbers({"where": value.where, "confirmed twice": value.checked})
    elif isinstance(value, Told):
        yield _told(value, with_id=False)
    elif isinstance(value, DrugGroup):
        yield _numbers({"level": value.level, "drugs": value.drugs})
    else:
        yield _numbers(_members(value))


def _disease(disease: Disease) -> Iterator[RenderableType]:
    parts = ("rules", "marker_rules", "milestones", "composites", "lines", "advice")
    yield _numbers(_members(disease, without=("id", *parts)))
    for title, entries in (
        ("Rules, the special before the general", disease.rules),
        ("Marker rules", disease.marker_rules),
        ("Milestones", disease.milestones),
        ("Over all lines", disease.composites),
    ):
        if entries:
            yield from ("", plain(title, "bold"))
            yield from (_told(entry) for entry in entries)
    yield from ("", plain("Lines of therapy", "bold"), _numbers(_members(disease.lines)))
    yield from ("", plain("Advice", "bold"), _numbers(_members(disease.advice)))


def _told(told: Told, *, with_id: bool = True) -> RenderableType:
    """A rule: its sentence, whose it is, and the numbers that it gives to its criterion."""
    whose = f"{ORIGIN[told.origin]}: {', '.join(told.cites)}"
    head = [plain(f"  {told.id}")] if with_id else []
    criterion = {"criterion": getattr(told, "criterion", "")}
    table = _numbers({"origin": whose} | criterion | _members(told, without=HEADED), indent=4)
    return Group(*head, Padding(plain(told.says), (0, 0, 0, 4)), table)


def _numbers(members: Mapping[str, object], *, indent: int = 2) -> RenderableType:
    table = fields(label=LABEL, indent=indent)
    for name, value in members.items():
        if said := _said(value):
            table.add_row("", plain(name, "dim"), plain(said))
    return table


def _members(value: object, *, without: tuple[str, ...] = HEADED) -> dict[str, object]:
    """The members of a value that differ from their defaults, by names for people."""
    told: dict[str, object] = {}
    for field in dataclasses.fields(value):  # type: ignore[arg-type]
        own = getattr(value, field.name)
        if field.name in without or own == field.default:
            continue
        told[field.name.removeprefix("is_").replace("_", " ")] = own
    return told


@singledispatch
def _said(value: object) -> str:
    """A member's value in words; empty where it says nothing."""
    if not dataclasses.is_dataclass(value):
        return "" if value is None else str(value)
    told = {name: _said(own) for name, own in _members(value, without=()).items()}
    return "; ".join(f"{name} {said}" for name, said in told.items() if said)


@_said.register
def _(value: bool) -> str:
    return "yes" if value else "no"


@_said.register
def _(value: Decimal) -> str:
    return format_decimal(value)


@_said.register
def _(value: Minimum) -> str:
    return f"{value.days} days" + (f" or {value.cycles} cycles" if value.cycles else "")


@_said.register
def _(value: Order) -> str:
    return value.text + (f" [{value.code[1]}]" if value.code else "")


@_said.register
def _(value: Agents) -> str:
    if value.every:
        return "every drug"
    named = (
        ("", value.drugs),
        ("class ", value.classes),
        ("group ", value.groups),
        ("all that is ", value.superclasses),
    )
    return ", ".join(f"{kind}{name}" for kind, names in named for name in sorted(names))


@_said.register(tuple)
@_said.register(list)
def _(values: Iterable[object]) -> str:
    parts = [_said(value) for value in values]
    is_plain = all(";" not in part and "," not in part for part in parts)
    return (", " if is_plain else "\n").join(parts)


@_said.register(frozenset)
def _(values: frozenset[object]) -> str:
    return ", ".join(sorted(_said(value) for value in values))


@_said.register(Mapping)
def _(values: Mapping[str, object]) -> str:
    return "; ".join(f"{name} {_said(own)}" for name, own in sorted(values.items()))


def _sources(known: Known, knowledge: Knowledge) -> list[RenderableType]:
    keys = [key for key in sorted(set(cited_by([known.value]))) if key in knowledge.citations]
    if not keys:
        return []
    table = fields(label=max(map(len, keys)))
    for key in keys:
        table.add_row("", plain(key), citation_text(knowledge.citations[key]))
    return [plain("Sources", "bold"), table]
