"""What was found, for people and for machines; no token and no canary is ever shown."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence

from rich.table import Table

from cds_service.conformance.deployment import Deployment
from cds_service.conformance.requirement import SECTIONS, Found
from cds_service.report import Page, harmless, plain

LONGEST = 160
MOST = 4
"""So many faults of one requirement are shown to people; the rest is counted."""
STYLES = {"holds": "green", "does not hold": "bold red", "not checked": "dim"}
_TOKEN = re.compile(r"[\w-]{10,}\.[\w-]{10,}\.[\w-]*|canary[0-9a-f]{32}")


def as_text(page: Page, deployment: Deployment, found: Sequence[Found], *, strict: bool) -> None:
    """Grouped by section, the verdict first, and the counts at the end."""
    page.print(plain(f"Conformance of {deployment.base}", "bold"))
    section = 0
    for one in found:
        if one.requirement.section != section:
            section = one.requirement.section
            page.print(plain(""), plain(f"{section} {SECTIONS[section]}", "bold"))
        page.print(_row(one, strict=strict))
    page.print(plain(""), plain(summary(found, strict=strict), "bold"))


def _row(one: Found, *, strict: bool) -> Table:
    requirement = one.requirement
    row = Table.grid(padding=(0, 1, 0, 0), expand=True)
    row.add_column(width=5)
    row.add_column(width=6)
    row.add_column(overflow="fold", ratio=1)
    said = f"{_verdict(one, strict=strict)}: {requirement.says}"
    row.add_row(requirement.number, requirement.level, plain(said, STYLES[one.verdict]))
    for seen in _shown(one.seen):
        row.add_row("", "", plain(f"- {safe(seen)}"))
    return row


def _verdict(one: Found, *, strict: bool) -> str:
    is_warning = one.verdict == "does not hold" and not one.counts(strict=strict)
    return "does not hold (warning)" if is_warning else one.verdict


def _shown(seen: Sequence[str]) -> list[str]:
    more = len(seen) - MOST
    return [*seen[:MOST], *([f"and {more} more"] if more > 0 else [])]


def summary(found: Sequence[Found], *, strict: bool) -> str:
    """One line of counts."""
    counted = Counter(one.verdict for one in found)
    failed = [one for one in found if one.verdict == "does not hold"]
    warnings = sum(not one.counts(strict=strict) for one in failed)
    return (
        f"{counted['holds']} hold, {len(failed) - warnings} do not hold, "
        f"{warnings} warnings, {counted['not checked']} not checked"
    )


def as_json(deployment: Deployment, found: Sequence[Found], *, strict: bool) -> str:
    """One object: the deployment, every requirement with its verdict, and the counts."""
    counted = Counter(one.verdict for one in found)
    said = {
        "base": deployment.base,
        "conforms": not any(one.counts(strict=strict) for one in found),
        "counts": {
            "holds": counted["holds"],
            "doesNotHold": counted["does not hold"],
            "notChecked": counted["not checked"],
        },
        "requirements": [
            {
                "number": one.requirement.number,
                "level": one.requirement.level,
                "requirement": one.requirement.says,
                "verdict": one.verdict,
                "counts": one.counts(strict=strict),
                "seen": [safe(seen) for seen in one.seen],
            }
            for one in found
        ],
    }
    return json.dumps(said, ensure_ascii=False, indent=2)


def safe(text: str) -> str:
    """A text of the other side: without tokens, without effect on a terminal, and not long."""
    said = harmless(_TOKEN.sub("…", text)).replace("\n", " ")
    return said if len(said) <= LONGEST else f"{said[: LONGEST - 1]}…"
