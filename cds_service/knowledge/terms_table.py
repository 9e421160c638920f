"""One terminology table from its CSV file: every row checked, every fault named to its cell."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path

from cds_service.errors import KnowledgeError

CONFIDENCES = frozenset({"verified", "rule", "text", "memory"})
"""`verified`: seen with its meaning in the source; `rule`: seen there, its disease given by a rule
over its name and reviewed; `text`: a wording, no code; `memory`: clinical knowledge, unseen."""

PROVENANCE = ("source", "confidence")
_BESIDE_A_COMMA = (", ", " ,", " \n", "\n ", " \r", "\t", "\u00a0")
_CITATION = re.compile(r"[^\W\d].* (19|20)\d\d")


class Row:
    """One row of a table; its readers return the cell's value or refuse it."""

    __slots__ = ("columns", "file", "line", "values")

    def __init__(
        self, file: str, line: int, columns: Mapping[str, int], values: Sequence[str]
    ) -> None:
        self.file = file
        self.line = line
        self.columns = columns
        self.values = values

    def refuse(self, column: str, why: str) -> KnowledgeError:
        """The error to raise for a cell of this row."""
        return KnowledgeError(f"{self.file}, line {self.line}, column {column}: {why}")

    def maybe(self, column: str) -> str:
        return self.values[self.columns[column]]

    def text(self, column: str) -> str:
        value = self.values[self.columns[column]]
        if not value:
            raise self.refuse(column, "is empty")
        return value

    def many(self, column: str) -> tuple[str, ...]:
        """The values between semicolons, in the order of the cell."""
        value = self.values[self.columns[column]]
        if not value:
            return ()
        parts = tuple(value.split(";")) if ";" in value else (value,)
        if len(parts) > 1 and (len(set(parts)) < len(parts) or "" in parts):
            raise self.refuse(column, f"repeats a value or has an empty one: {value!r}")
        return parts

    def one_of(self, column: str, allowed: Collection[str]) -> str:
        value = self.values[self.columns[column]]
        if value not in allowed:
            raise self.refuse(column, f"{value!r} is none of {', '.join(sorted(allowed))}")
        return value

    def known(self, column: str, names: Collection[str]) -> frozenset[str]:
        """The cell's values, each of which has to be one of `names`."""
        values = self.many(column)
        for value in values:
            if value not in names:
                raise self.refuse(column, f"{value!r} is not in its table")
        return frozenset(values)

    def whole(self, column: str) -> int | None:
        value = self.values[self.columns[column]]
        if not value:
            return None
        if not value.isascii() or not value.isdigit():
            raise self.refuse(column, f"{value!r} is not a whole number")
        return int(value)

    def decimal(self, column: str) -> Decimal | None:
        value = self.values[self.columns[column]]
        return self.as_decimal(column, value) if value else None

    def as_decimal(self, column: str, value: str) -> Decimal:
        try:
            number = Decimal(value)
        except InvalidOperation:
            raise self.refuse(column, f"{value!r} is not a number") from None
        if not number.is_finite() or number < 0:
            raise self.refuse(column, f"{value!r} is no measure")
        return number


def read_table(
    folder: Path, name: str, columns: tuple[str, ...], sources: Collection[str]
) -> Iterator[Row]:
    """The rows of `name`, whose columns are `columns`, then `source` and `confidence`.

    A column more, less or elsewhere is refused, and so is a row of another width, a cell with
    blanks around it, and a source that is neither in `sources` nor a paper ("Sehn 2014").
    """
    checked: set[tuple[str, str]] = set()
    for row in _rows(folder, name, (*columns, *PROVENANCE)):
        provenance = (row.values[-2], row.values[-1])
        if provenance not in checked:
            _check_source(row, sources)
            row.one_of("confidence", CONFIDENCES)
            checked.add(provenance)
        yield row


def _check_source(row: Row, sources: Collection[str]) -> None:
    row.text("source")
    for source in row.many("source"):
        if source not in sources and _CITATION.fullmatch(source) is None:
            raise row.refuse("source", f"{source!r} is neither in sources.csv nor a paper and year")


def read_sources(folder: Path) -> frozenset[str]:
    """The ids of the sources that rows may name; each has its citation and its licence."""
    columns = ("source", "citation", "licence")
    ids: set[str] = set()
    for row in _rows(folder, "sources.csv", columns):
        for column in columns:
            row.text(column)
        if row.text("source") in ids:
            raise row.refuse("source", f"{row.text('source')!r} stands twice")
        ids.add(row.text("source"))
    return frozenset(ids)


def _rows(folder: Path, name: str, columns: tuple[str, ...]) -> Iterator[Row]:
    header = list(columns)
    width = len(header)
    places = {column: place for place, column in enumerate(columns)}
    try:
        text = (folder / name).read_bytes().decode()
    except (OSError, UnicodeDecodeError) as fault:
        raise KnowledgeError(f"{name} cannot be read: {fault}") from fault
    has_blanks = any(mark in text for mark in _BESIDE_A_COMMA)  # spares most files the look
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        found = next(lines, [])
        if found != header:
            raise KnowledgeError(
                f"{name}, line 1: the columns are {', '.join(found)}, "
                f"and should be {', '.join(header)}"
            )
        for values in lines:
            row = Row(name, lines.line_num, places, values)
            if len(values) != width:
                raise row.refuse(
                    header[min(len(values), width - 1)],
                    f"the row has {len(values)} cells and should have {width}",
                )
            if has_blanks and values != [*map(str.strip, values)]:
                padded = next(c for c, v in zip(header, values, strict=True) if v != v.strip())
                raise row.refuse(padded, "blanks around the value")
            yield row
    except csv.Error as fault:
        raise KnowledgeError(f"{name}, line {lines.line_num}: {fault}") from fault
