"""What may be suggested, and the situation of one line in which it is chosen."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from cds_service.clinical.evidence import Evidence
from cds_service.clinical.lines import Line
from cds_service.clinical.record import Cancer, Record
from cds_service.clinical.status import (
    Answer,
    Case,
    Caveat,
    Composites,
    LineStatus,
    explain_line,
)
from cds_service.knowledge.model import Disease

AdviceKind = Literal[
    "restage", "confirm-progression", "biopsy", "trial-referral", "adherence-review",
    "supportive-care",
]  # fmt: skip
Urgency = Literal["routine", "prompt"]
Suppressed = Literal[
    "recently-done", "already-ordered", "overridden", "unchanged", "next-line-started",
    "patient-declined", "stale", "hospice", "deceased",
]  # fmt: skip

IMAGING = frozenset(
    {"imaging-ct", "imaging-mri", "imaging-pet", "imaging-bone-scan", "imaging-other"}
)


@dataclass(frozen=True, slots=True)
class Advice:
    """One suggestion for one line; `suppressed` says why no card shows it."""

    kind: AdviceKind
    line: int
    urgency: Urgency
    reason: str
    suppressed: Suppressed | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """A clinician set an advice aside; it is silent until `until`, or until new evidence."""

    condition: str
    line: int
    kind: str
    on: date
    until: date


@dataclass(frozen=True, slots=True)
class Returned:
    """A card that was returned before, by the digest of the evidence it stood on."""

    condition: str
    line: int
    kind: str
    on: date
    evidence: str


@dataclass(frozen=True, slots=True)
class EarlierCards:
    """What clinicians did with earlier cards, and what those were."""

    overrides: tuple[Override, ...] = ()
    returned: tuple[Returned, ...] = ()


NO_EARLIER_CARDS = EarlierCards()


@dataclass(frozen=True, slots=True)
class Judged:
    """One line with its evidence and where it stands; `case` is all that was judged."""

    line: Line
    evidence: tuple[Evidence, ...]
    status: LineStatus
    case: Case = field(compare=False, repr=False)

    @property
    def answers(self) -> tuple[Answer, ...]:
        """What every rule said of the line. Worked out anew each time: nothing decides by it."""
        return explain_line(self.case, self.status)

    @property
    def evidence_digest(self) -> str:
        """Changes when, and only when, the evidence of the line does."""
        said = "\n".join(f"{e.resource} {e.on} {e.finding} {e.detail}" for e in self.evidence)
        return hashlib.sha256(said.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Situation:
    """One line of one cancer, with what decides about advice."""

    record: Record
    cancer: Cancer
    disease: Disease
    judged: Judged
    composites: Composites
    progressed_lines: int
    is_latest: bool
    earlier_cards: EarlierCards = field(default=NO_EARLIER_CARDS)

    @property
    def status(self) -> LineStatus:
        return self.judged.status

    def has(self, *caveats: Caveat) -> bool:
        return any(caveat in self.status.caveats for caveat in caveats)

    @property
    def ecog(self) -> int | None:
        """The latest performance status on record."""
        values = [f for f in self.record.facts if f.name == "ecog" and f.value.isdigit() and f.on]
        return int(max(values, key=lambda f: str(f.on)).value) if values else None

    def was_done(self, kinds: Iterable[str], since: date, until: date) -> bool:
        """Whether a procedure or report of one of these kinds falls into those days."""
        return any(
            e.kind in kinds and e.on.last >= since and e.on.first <= until
            for e in self.record.events
        )
