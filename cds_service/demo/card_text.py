"""A card as a reader of a terminal sees it: summary, detail, buttons, links, source."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.markdown import Markdown
from rich.padding import Padding
from rich.panel import Panel

from cds_service.demo.ehr import Card
from cds_service.report import harmless, plain

COLOURS = {"info": "cyan", "warning": "yellow", "critical": "red"}


def card_panel(card: Card) -> RenderableType:
    """One card in a frame of the colour of its indicator."""
    indicator = str(card["indicator"])
    colour = COLOURS.get(indicator, "white")
    parts: list[RenderableType] = [plain(card["summary"], f"bold {colour}")]
    if detail := card.get("detail"):
        parts += ["", Markdown(harmless(str(detail)), hyperlinks=False)]
    if suggestions := card.get("suggestions"):
        parts += ["", _buttons([str(one["label"]) for one in suggestions])]
    for link in card.get("links", ()):
        parts.append(plain(f"{link['label']}: {link['url']}", "dim"))
    parts.append(plain(f"Source: {card['source']['label']}", "dim"))
    return Panel(
        Group(*parts),
        title=plain(f" {indicator} "),
        title_align="left",
        border_style=colour,
        box=box.ROUNDED,
        padding=(0, 1),
    )


def _buttons(labels: Sequence[str]) -> RenderableType:
    """Suggestions as the buttons that an EHR makes of them."""
    buttons = [plain(f"[ {label} ]", "reverse") for label in labels]
    return Padding(Columns(buttons, padding=(0, 2)), (0, 0, 1, 0))
