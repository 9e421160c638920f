"""Counts about single users: those under ten are hidden, and what they could be worked out from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

LEAST: Final = 10
FEW: Final = "<10"
HIDDEN: Final = "hidden"
Shown = int | str


def shown(
    rows: Mapping[str, Sequence[int]], sums: Sequence[tuple[int, ...]]
) -> dict[str, list[Shown]]:
    """The same rows with each count under ten replaced.

    `sums` names columns that add up: the first is the sum of the others. Where one member of such a
    sum alone is hidden, or one row of a column, it could be worked out from the rest: so another is
    hidden with it, the smallest that is left.
    """
    hidden = {
        (row, column)
        for row, counts in rows.items()
        for column, count in enumerate(counts)
        if count < LEAST
    }
    columns = range(max(map(len, rows.values()), default=0))
    groups = [[(row, column) for column in one] for row in rows for one in sums]
    groups += [[(row, column) for row in rows] for column in columns]
    before = -1
    while len(hidden) != before:
        before = len(hidden)
        for group in groups:
            kept = [cell for cell in group if cell not in hidden]
            if len(group) - len(kept) == 1 and kept:
                hidden.add(min(kept, key=lambda cell: (rows[cell[0]][cell[1]], cell[0], -cell[1])))
    return {
        row: [_cell(count, (row, column) in hidden) for column, count in enumerate(counts)]
        for row, counts in rows.items()
    }


def _cell(count: int, is_hidden: bool) -> Shown:
    if not is_hidden:
        return count
    return FEW if count < LEAST else HIDDEN
