"""Whom a rule speaks for: drugs by name, class or group, and lines of a kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cds_service.knowledge.terms import Drug

Origin = Literal["C", "G", "T", "O"]
"""C consensus criterion, G guideline, T trial or label, O our own operational default."""


Family = Literal["solid", "haematological"]


Category = Literal[
    "complete-response", "very-good-partial-response", "partial-response", "minimal-response",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Agents:
    """Which drugs a rule speaks for: any that one of its members names."""

    drugs: frozenset[str] = frozenset()
    classes: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    superclasses: frozenset[str] = frozenset()
    every: bool = False

    def include(self, drug: Drug) -> bool:
        return (
            self.every
            or drug.name in self.drugs
            or drug.drug_class in self.classes
            or drug.class_group in self.groups
            or drug.superclass in self.superclasses
        )

    @property
    def is_empty(self) -> bool:
        return not (self.every or self.drugs or self.classes or self.groups or self.superclasses)

    @property
    def words(self) -> str:
        """Its names, as the files write them."""
        named = self.drugs | self.classes | self.groups | self.superclasses
        return "any drug" if self.every else " or ".join(sorted(named))


NO_AGENTS = Agents()
EVERY_AGENT = Agents(every=True)


@dataclass(frozen=True, slots=True)
class When:
    """Which lines a rule speaks for; an empty member asks nothing.

    `settings` with "unknown" includes lines whose setting the chart does not tell. `having` asks
    for at least one such agent in the line, `lacking` for none, `only` for no other. Steroids are
    not looked at. `with_facts`: facts of the tumour, each of which has to be on record;
    `with_any_fact`: one of which has to be.
    """

    settings: frozenset[str] = frozenset()
    position: Literal["", "first", "later"] = ""
    having: Agents = NO_AGENTS
    lacking: Agents = NO_AGENTS
    only: Agents = NO_AGENTS
    is_single_agent: bool = False
    is_after_transplant: bool = False
    with_facts: frozenset[str] = frozenset()
    with_any_fact: frozenset[str] = frozenset()


ANY_LINE = When()
