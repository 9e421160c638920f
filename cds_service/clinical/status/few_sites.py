"""When progression is limited: few sites in few organs, with the rest stable soon before or after.

Source: the shared default for limited progression (our operational numbers).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

LIMITED_SITES, LIMITED_ORGANS, LIMITED_DAYS = 3, 2, 28
_SIDE = re.compile(r"\b(left|right|bilateral|structure of|entire|both)\b")


def are_few(sites: Iterable[str]) -> bool:
    """Whether named sites are at most three, in at most two organs: left and right are one."""
    named = set(sites)
    organs = {" ".join(_SIDE.sub("", site).split()) for site in named}
    return len(named) <= LIMITED_SITES and len(organs) <= LIMITED_ORGANS
