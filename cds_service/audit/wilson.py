"""An interval for a proportion that stays sensible for few cases."""

from __future__ import annotations

from math import sqrt
from typing import Final

_Z_95: Final = 1.959963984540054


def wilson_95(count: int, of: int) -> tuple[float, float] | None:
    """The 95 % score interval of `count` out of `of`; None where there is nothing to count.

    Source: Wilson EB, J Am Stat Assoc 1927;22:209.
    """
    if not of:
        return None
    if not 0 <= count <= of:
        raise ValueError(f"{count} of {of} is no proportion")
    share, square = count / of, _Z_95**2
    middle = share + square / (2 * of)
    spread = _Z_95 * sqrt(share * (1 - share) / of + square / (4 * of**2))
    scale = 1 + square / of
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)
