"""All requirements that are checked, in the order of their numbers."""

from __future__ import annotations

from cds_service.conformance import (
    answered,
    called,
    discovery,
    given_feedback,
    json_form,
    prefetched,
    secured,
    strict_clients,
    suggested,
    templates,
)
from cds_service.conformance.deployment import Deployment
from cds_service.conformance.requirement import SECTIONS, Found, Requirement, find

REQUIREMENTS: tuple[Requirement, ...] = tuple(
    sorted(
        (
            *json_form.CHECKS, *discovery.CHECKS, *called.CHECKS, *templates.CHECKS,
            *prefetched.CHECKS, *answered.CHECKS, *suggested.CHECKS, *given_feedback.CHECKS,
            *secured.CHECKS, *strict_clients.CHECKS,
        ),
        key=lambda requirement: requirement.place,
    )
)  # fmt: skip


def check_all(deployment: Deployment) -> list[Found]:
    """Every requirement, tried; what is timed comes last, when there is something to time."""
    last = [r for r in REQUIREMENTS if r.number == "5.12"]
    order = [r for r in REQUIREMENTS if r not in last] + last
    found = {requirement.number: find(requirement, deployment) for requirement in order}
    return [found[requirement.number] for requirement in REQUIREMENTS]


def claims() -> str:
    """The table of what is claimed, as Markdown."""
    lines: list[str] = []
    for number, title in SECTIONS.items():
        lines += [f"### {number} {title}", "", "| # | level | what holds |", "| --- | --- | --- |"]
        lines += [
            f"| {r.number} | {r.level} | {r.says} |" for r in REQUIREMENTS if r.section == number
        ]
        lines.append("")
    return "\n".join(lines)
