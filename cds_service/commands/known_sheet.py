"""A disease definition on a screen or on paper, to be signed off."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table

from cds_service.clinical.wording import ORIGIN
from cds_service.definition import (
    HOW_TO_READ,
    UNVERIFIED,
    DrugGroupNamed,
    Entry,
    Point,
    Section,
    Sheet,
)
from cds_service.knowledge.model import Citation
from cds_service.report import citation_text, fields, plain

LABEL = 20
INDENT = 4
RULED = "_" * 40


def sheet_report(sheet: Sheet) -> Iterator[RenderableType]:
    """The whole definition, its sources, and the block to be signed."""
    yield _head(sheet)
    for section in sheet.sections:
        yield from _section(section)
    if sheet.site_numbers:
        yield from ("", plain("Numbers of this site", "bold"))
        yield from (
            Padding(plain(f"{number.where}: {number}"), (0, 0, 0, 2))
            for number in sheet.site_numbers
        )
    yield from ("", plain("Drug groups named above", "bold"), _groups(sheet.groups), "")
    yield from sources_report(sheet.sources)
    yield from ("", plain("Sign-off", "bold"), _sign_off(sheet))


def _head(sheet: Sheet) -> RenderableType:
    table = fields(label=LABEL)
    table.add_row("", plain("knowledge", "dim"), plain(sheet.version))
    table.add_row("", plain("digest", "dim"), plain(sheet.digest))
    counts = [
        f"{number} {ORIGIN[letter].split(',')[0]}"
        for letter in ORIGIN
        if (number := sheet.counts.by_origin[letter])
    ]
    told = "; ".join(counts) + f"; {sheet.counts.unverified} of them not verified"
    table.add_row("", plain(f"{sheet.counts.all} numbers", "dim"), plain(told))
    table.add_row("", plain("how to read", "dim"), plain(HOW_TO_READ))
    return table


def _section(section: Section) -> Iterator[RenderableType]:
    yield from ("", plain(section.title, "bold"))
    if section.lead:
        yield Padding(plain(section.lead, "dim"), (0, 0, 0, 2))
    if section.points:
        yield _points(section.points, indent=2)
    for number, entry in enumerate(section.entries, 1):
        yield from ("", entry_report(entry, number=f"{number}."))


def entry_report(entry: Entry, *, number: str = "", with_id: bool = True) -> RenderableType:
    """A rule: its sentence, everything that it says in words, whose it is."""
    head = [plain(f"  {number} " if number else "  ").append_text(plain(entry.id, "bold"))]
    says: list[RenderableType] = [Padding(plain(entry.says), (0, 0, 0, INDENT))]
    if entry.is_unverified:
        says.append(Padding(plain(f"NOT VERIFIED. {UNVERIFIED}", "bold"), (0, 0, 0, INDENT)))
    whose = [
        Point("Origin", f"{entry.origin_in_words} ({entry.origin})"),
        Point("Sources", ", ".join(entry.cites)),
    ]
    return Group(*(head if with_id else []), *says, _points([*entry.points, *whose], INDENT))


def _points(points: Iterable[Point], indent: int) -> Table:
    """Points under their labels; a label that is the one above is not said again."""
    table, last = fields(label=LABEL, indent=indent), ""
    for point in points:
        label = "" if point.label == last else point.label
        table.add_row("", plain(label, "dim"), plain(point.text))
        last = point.label
    return table


def _groups(groups: Iterable[DrugGroupNamed]) -> RenderableType:
    table = fields(label=LABEL)
    for group in groups:
        table.add_row("", plain(f"{group.words} ({group.kind})"), plain(", ".join(group.drugs)))
    return table


def sources_report(sources: Mapping[str, Citation]) -> Iterator[RenderableType]:
    """Each source as a reader looks it up, and the place in it."""
    if not sources:
        return
    table = fields(label=max(LABEL, *map(len, sources)))
    for key, citation in sources.items():
        text = citation_text(citation)
        if citation.where:
            text.append_text(plain(f"\n{citation.where}", "dim", is_of_lines=True))
        if not citation.checked:
            text.append_text(plain("\nbibliographic data not confirmed a second time", "dim"))
        table.add_row("", plain(key), text)
    yield plain("Sources", "bold")
    yield table


def _sign_off(sheet: Sheet) -> RenderableType:
    table = fields(label=LABEL)
    rows = {
        "definition": f"{sheet.id}, knowledge {sheet.version}",
        "digest": sheet.digest,
        "judgement": "[ ] agreed   [ ] agreed with the remarks   [ ] not agreed",
        "reviewer": RULED,
        "date": RULED,
        "remarks": "\n".join([RULED] * 3),
    }
    for label, text in rows.items():
        table.add_row("", plain(label, "dim"), plain(text))
    return table
