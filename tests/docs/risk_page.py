"""The page of the risks, as docs/risk/risks.toml has them.

    python tests/docs/risk_page.py [--write]

Prints the page, or writes it.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[2] / "docs"
RISKS = DOCS / "risk" / "risks.toml"
PAGE = DOCS / "risk" / "README.md"
ACCEPTED_UP_TO = 8
"""Severity times probability after control; what lies above is not accepted as it is."""
HEAD = """# Risks

In the manner of ISO 14971, and no certified file of it. Made of [risks.toml](risks.toml), which
says what the figures mean; a test fails where a control names no test that exists. What is watched
once the service runs, by whom, and how it is stopped: [the safety case](../safety-case.md).
"""


def read_risks() -> dict[str, Any]:
    return tomllib.loads(RISKS.read_text("utf-8"))


def score(risk: dict[str, Any], when: str) -> int:
    """Severity times probability."""
    return int(risk["severity"]) * int(risk[when])


def risk_page() -> str:
    told = read_risks()
    parts = [
        HEAD,
        f"Estimated on {told['reviewed']}, to be looked at again by {told['review_due']}. The "
        "estimates are the developers'; no clinician has signed them yet.\n",
        "| | hazard | severity | before | after | accepted |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    parts += [
        f"| {r['id']} | {r['hazard']} | {r['severity']} | {score(r, 'before')} | "
        f"{score(r, 'after')} | {'yes' if score(r, 'after') <= ACCEPTED_UP_TO else 'not yet'} |"
        for r in told["risks"]
    ]
    parts.append(
        f"\n“Before” and “after” control are severity times probability; up to {ACCEPTED_UP_TO} is "
        "accepted."
    )
    return "\n".join([*parts, *map(_risk, told["risks"])]) + "\n"


def _risk(risk: dict[str, Any]) -> str:
    rows = [
        f"\n## {risk['id']} {risk['hazard']}\n",
        f"- How: {risk['sequence']}",
        f"- Harm: {risk['harm']} Severity {risk['severity']}, probability {risk['before']}, after "
        f"control {risk['after']}.",
        f"- What stays: {risk['residual']}",
        f"- Would show in the log or the metrics: {risk['signal']}\n",
        "| control | requirement | held by |\n| --- | --- | --- |",
    ]
    rows += [f"| {c['says']} | {c['requirement']} | `{c['test']}` |" for c in risk["controls"]]
    return "\n".join(rows)


if __name__ == "__main__":
    if "--write" in sys.argv:
        PAGE.write_text(risk_page(), "utf-8")
    else:
        sys.stdout.write(risk_page())
