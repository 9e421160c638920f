"""What a reader is told of an intervention beside its rules: whose it is, what it reads.

`data/interventions.toml` says it; `inputs.py` works out what the rules really read, and
`check_interventions.py` holds the two equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

InputKind = Literal[
    "diagnosis", "treatment", "course", "laboratory", "tumour-biology", "stage", "procedure",
    "safety", "draft-order", "feedback",
    "race", "ethnicity", "language", "sexual-orientation", "gender-identity", "sex",
    "date-of-birth", "social-determinants", "health-status",
]  # fmt: skip
"""What an intervention may read of a chart. The last nine are source attributes (5) to (13)."""

ATTRIBUTES: tuple[tuple[InputKind, str], ...] = (
    ("race", "Use of race"),
    ("ethnicity", "Use of ethnicity"),
    ("language", "Use of language"),
    ("sexual-orientation", "Use of sexual orientation"),
    ("gender-identity", "Use of gender identity"),
    ("sex", "Use of sex"),
    ("date-of-birth", "Use of date of birth"),
    ("social-determinants", "Use of social determinants of health data"),
    ("health-status", "Use of health status assessments data"),
)
"""Source: 45 CFR 170.315(b)(11)(iv)(A)(5) to (13), in their order."""


@dataclass(frozen=True, slots=True)
class Status:
    """How a law or guidance stood on a day; `confirm`: counsel has not looked at it."""

    name: str
    says: str
    on: date
    confirm: bool = True


@dataclass(frozen=True, slots=True)
class Project:
    """What holds for every intervention of this project; no text of it is empty."""

    developer: str
    maintainers: str
    reviewers: str
    conflicts: str
    funding: str
    released: date
    review_due: date
    kind: str
    use: str
    not_for: str
    users: str
    population: str
    validation: str
    limits: tuple[str, ...]
    criteria: tuple[str, ...]
    """How each of the four criteria of section 520(o)(1)(E) is met, in their order."""
    statuses: tuple[Status, ...]


@dataclass(frozen=True, slots=True)
class ReadKind:
    """A kind of input: what it is, what it does, and the facts of facts.csv that are of it.

    `always`: the engine reads it for every disease, whatever the definition says.
    """

    name: str
    used: str = ""
    unused: str = ""
    always: bool = False
    facts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RuleSet:
    """What one definition declares that it reads; `revised`: when its rules last changed."""

    revised: date
    reads: frozenset[InputKind]
    markers: frozenset[str] = frozenset()
    facts: frozenset[str] = frozenset()
    reviewers: str = ""
    population: str = ""


@dataclass(frozen=True, slots=True)
class DeclaredService:
    """One CDS service: when it speaks, and what it reads beside the chart."""

    hook: str
    title: str
    use: str
    speaks_when: str
    reads: frozenset[InputKind]
    revised: date


@dataclass(frozen=True, slots=True)
class Interventions:
    """The whole file."""

    project: Project
    inputs: Mapping[InputKind, ReadKind]
    services: Mapping[str, DeclaredService]
    diseases: Mapping[str, RuleSet]
