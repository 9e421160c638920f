"""Where text for people goes, and how text out of a chart gets there without doing anything."""

from __future__ import annotations

import io
import re
import sys
import unicodedata
from collections.abc import Iterable
from typing import TextIO

from rich.console import Console, RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text

WIDEST = 120
"""Columns beyond which a line is no longer pleasant to read."""
NARROWEST = 60
LABEL = 9
"""Columns of the labels on the left."""

_TRAILING = re.compile(r" +$", re.MULTILINE)


class Page:
    """Standard output for people: in colour on a terminal only, and not with NO_COLOR.

    As wide as the terminal, within reason; 80 columns where there is none.
    """

    def __init__(self, file: TextIO | None = None, *, width: int | None = None) -> None:
        self._file = sys.stdout if file is None else file
        if isinstance(self._file, io.TextIOWrapper):
            self._file.reconfigure(errors="replace")  # an old terminal shows "?", and goes on
        self._console = Console(file=self._file, highlight=False, markup=False, emoji=False)
        self.width = width or max(NARROWEST, min(self._console.width, WIDEST))

    @property
    def is_terminal(self) -> bool:
        return self._console.is_terminal

    def print(self, *parts: RenderableType) -> None:
        """One part after the other, at once on the screen; BrokenPipeError where nobody reads."""
        with self._console.capture() as captured:
            for part in parts:
                self._console.print(part, width=self.width)
        self._file.write(_TRAILING.sub("", captured.get()))
        self._file.flush()

    def print_whole(self, line: str) -> None:
        """One line as it is, however long: an address or a command to be copied."""
        self._file.write(harmless(line) + "\n")
        self._file.flush()


def plain(value: object, style: str | Style = "", *, is_of_lines: bool = False) -> Text:
    """A value as text that only shows itself, on one line unless it is ours and has several.

    Control characters, changes of writing direction and rich's own markup do nothing.
    """
    said = harmless(str(value))
    return Text(said if is_of_lines else said.replace("\n", " "), style=style)


def harmless(text: str) -> str:
    """The text with a mark in the place of every character that could move a terminal."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    if character == "\n":
        return character
    unseen = unicodedata.category(character) in ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")
    return "\N{REPLACEMENT CHARACTER}" if unseen else character


def fields(*, label: int = LABEL, indent: int = 2) -> Table:
    """An empty table of labels and their texts, the labels `indent` columns from the left."""
    table = Table.grid(padding=(0, 1, 0, 0), expand=True)
    table.add_column(width=indent - 1)
    table.add_column(width=label, overflow="fold")
    table.add_column(overflow="fold", ratio=1)
    return table


def bullets(entries: Iterable[RenderableType]) -> Table:
    """Entries that may take several lines each, so that a reader sees where each begins."""
    table = Table.grid(padding=(0, 1, 0, 0), expand=True)
    table.add_column(width=1)
    table.add_column(overflow="fold", ratio=1)
    for entry in entries:
        table.add_row("-", entry)
    return table
