"""A numbered requirement, the check that goes with it, and what the check found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from cds_service.conformance.deployment import Deployment

Level = Literal["SHALL", "SHOULD", "MAY", "own"]
"""The specification's word for how much it wants it; `own` is what we want beyond it."""
Verdict = Literal["holds", "does not hold", "not checked"]

SECTIONS = {
    1: "JSON in general",
    2: "Discovery",
    3: "The call",
    4: "Prefetch templates",
    5: "Prefetched data",
    6: "Reading from the client's FHIR server",
    7: "The answer",
    8: "Feedback",
    9: "Security",
    11: "What strict clients look for besides",
}


class NotChecked(Exception):
    """A check cannot be made here; the text says why, in a few words."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth knowing that is no fault."""

    text: str


Check = Callable[["Deployment"], Iterator["str | Note"]]
"""Yields what is wrong, a few words each; nothing where all is well. Raises NotChecked."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement: its number in our list, its level, a sentence, and how it is tried."""

    number: str
    level: Level
    says: str
    check: Check

    @property
    def section(self) -> int:
        return int(self.number.split(".")[0])

    @property
    def place(self) -> tuple[int, ...]:
        """Where it stands in the order of numbers: 7.9 before 7.10."""
        return tuple(map(int, self.number.split(".")))


@dataclass(frozen=True, slots=True)
class Found:
    """What one check found; `seen` are the faults, the notes, or why it was not made."""

    requirement: Requirement
    verdict: Verdict
    seen: tuple[str, ...] = ()

    def counts(self, *, strict: bool) -> bool:
        """Whether it makes the whole fail: SHOULD and MAY do so only where that is asked for."""
        return self.verdict == "does not hold" and (
            strict or self.requirement.level in ("SHALL", "own")
        )


def find(requirement: Requirement, deployment: Deployment) -> Found:
    """Make one check."""
    faults: list[str] = []
    notes: list[str] = []
    try:
        for said in requirement.check(deployment):
            if isinstance(said, Note):
                notes.append(said.text)
            else:
                faults.append(said)
    except NotChecked as why:
        if not faults:
            return Found(requirement, "not checked", (str(why),))
    if faults:
        return Found(requirement, "does not hold", tuple(dict.fromkeys(faults)))
    return Found(requirement, "holds", tuple(notes))
