"""The one table of a benchmark: each figure is a ratio, with its bound and with what it was."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

COMMITTED = Path(__file__).with_name("committed.json")
NOISE = 0.25
"""So much worse than its bound a ratio may come out on a busy machine."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `ratio` is to what `to` says, smaller being better; it should not exceed `bound`.

    `naive` is the same as a multiple of the naive design, where it was measured; `said` are the
    absolute figures, which belong to the machine.
    """

    name: str
    ratio: float
    to: str
    bound: float | None = None
    naive: float | None = None
    said: str = ""

    @property
    def is_over(self) -> bool:
        return self.bound is not None and self.ratio > self.bound * (1 + NOISE)


def committed() -> Mapping[str, float]:
    """The ratios of the last result that was committed, by the row's name."""
    found: dict[str, float] = json.loads(COMMITTED.read_text("utf-8")) if COMMITTED.exists() else {}
    return found


def commit(rows: Iterable[Row]) -> None:
    """Keep these ratios as the result to compare with; those of rows not measured stay."""
    found = {**committed(), **{row.name: round(row.ratio, 3) for row in rows}}
    COMMITTED.write_text(json.dumps(dict(sorted(found.items())), indent=1) + "\n", "utf-8")


def table(rows: Iterable[Row]) -> Iterable[str]:
    """The lines of the table, in Markdown."""
    last = committed()
    yield "| what | ratio | to | bound | last | × naive | |"
    yield "| --- | ---: | --- | ---: | ---: | ---: | --- |"
    for row in rows:
        bound = "–" if row.bound is None else f"{row.bound:g}"
        naive = "–" if row.naive is None else f"{row.naive:.2f}"
        before = f"{last[row.name]:.2f}" if row.name in last else "–"
        over = " **over**" if row.is_over else ""
        yield (
            f"| {row.name} | **{row.ratio:.2f}**{over} | {row.to} | {bound} | {before} | {naive} |"
            f" {row.said} |"
        )


def say(line: str = "") -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
