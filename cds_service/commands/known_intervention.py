"""An intervention on a screen: the same in the same order as on its page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import RenderableType

from cds_service.commands.known_sheet import sources_report
from cds_service.definition.intervention import Intervention
from cds_service.report import fields, plain

LABEL = 22


def intervention_report(told: Intervention) -> Iterator[RenderableType]:
    """What it is for, its source attributes, inputs, rules, doubts, limits and the law."""
    head = [("knowledge", told.version), ("digest", told.digest)]
    if not told.returns_cards:
        head.append(("switched off", "no card is returned at this site"))
    yield _rows([*head, *((name.lower(), text) for name, text in told.about.items())])
    yield from _section(
        "Source attributes, 45 CFR 170.315(b)(11)(iv)(A)",
        ((f"{it.number}. {it.name}", it.answer) for it in told.attributes),
    )
    inputs = (
        (it.name, f"{it.used} {', '.join(it.items)}".strip() + ("." if it.items else ""))
        for it in told.inputs
    )
    yield from _section("Inputs", inputs)
    rules = ((it.id, f"{it.says} ({it.origin}: {', '.join(it.cites)})") for it in told.rules)
    yield from _section("Rules", rules)
    if told.rule_sets:
        yield from _section("Rule sets", [("", ", ".join(told.rule_sets))])
    doubts = (
        (name, text + (" Withholds the label." if name in told.withholding else ""))
        for name, text in told.caveats.items()
    )
    yield from _section("Doubts that a card states", doubts)
    yield from _section("Limits", (("", text) for text in told.limits))
    yield from _section("Four criteria of section 520(o)(1)(E)", (("", c) for c in told.criteria))
    yield from _section(
        "How the law stood", ((it.name, f"{it.says} As of {it.on}.") for it in told.statuses)
    )
    if told.switched:
        yield from _section("At this site", (("", text) for text in told.switched))
    yield ""
    yield from sources_report(told.sources)


def _section(title: str, rows: Iterable[tuple[str, str]]) -> Iterator[RenderableType]:
    yield from ("", plain(title, "bold"), _rows(rows))


def _rows(rows: Iterable[tuple[str, str]]) -> RenderableType:
    table = fields(label=LABEL)
    for name, text in rows:
        table.add_row("", plain(name, "dim"), plain(text))
    return table
