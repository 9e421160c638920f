"""What may be suggested, and the situation of one line in which it is chosen."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Literal

import msgspec

from cds_service.clinical.advice.around import Around
from cds_service.clinical.evidence import Evidence
from cds_service.clinical.lines import Line
from cds_service.clinical.record import Cancer, CautionKind, Event, Record
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
TISSUE = frozenset({"biopsy", "bone-marrow-examination", "molecular-test"})
WHOLE_BODY = frozenset({"imaging-pet", "imaging-bone-scan"})
INSUFFICIENT_DAYS = 30
"""A report that calls a sample insufficient speaks of what was taken so shortly before it."""


class Advice(msgspec.Struct, frozen=True, gc=False):
    """One suggestion for one line; `suppressed` says why no card shows it.

    `rule` is the row of the firing table. `between`: days on which a repeat could settle the
    question. `is_urgent`: the draft order is urgent. `cautions`: what the order has to mind.
    `suppressed_by` is the `source` of the earlier card, or of what was said of it, that keeps this
    one silent; empty where the chart does.
    """

    kind: AdviceKind
    line: int
    urgency: Urgency
    reason: str
    suppressed: Suppressed | None = None
    rule: str = ""
    between: tuple[date, date | None] | None = None
    is_urgent: bool = False
    cautions: tuple[CautionKind, ...] = ()
    suppressed_by: str = ""


@dataclass(frozen=True, slots=True)
class Override:
    """A clinician set an advice aside on day `on`; it is silent until `until`, or until new
    evidence.

    New is a later date than `evidence_on`, the latest evidence of the card (where that is not
    known, than `on`), or a surer or worse status than the card's own, where that is known. `kind`
    is free: cards name their own. `source` is handed back with what it silences.
    """

    condition: str
    line: int
    kind: str
    on: date
    until: date
    status: str = ""
    confidence: str = ""
    evidence_on: date | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Returned:
    """A card that this user was given before, by the digest of the evidence it stood on, and by
    how the line stood, where that is known."""

    condition: str
    line: int
    kind: str
    on: date
    evidence: str
    status: str = ""
    confidence: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A suggestion that a clinician took up on day `on`: its order is under way, unless the chart
    closes it.

    `returned_on` is the day of its card, since when an order may have been drawn up;
    `evidence_on` the latest evidence of the card. Where they are not known, `on` stands for them.
    """

    condition: str
    line: int
    kind: str
    on: date
    returned_on: date | None = None
    evidence_on: date | None = None
    source: str = ""


def _as_it_is(digest: str) -> tuple[str, ...]:
    return (digest,)


@dataclass(frozen=True, slots=True)
class EarlierCards:
    """What clinicians did with earlier cards, and what those were.

    `known_as` gives the names under which the evidence of a returned card may have been written
    down, from its digest: whoever remembers cards need not keep the digest itself.
    """

    overrides: tuple[Override, ...] = ()
    returned: tuple[Returned, ...] = ()
    accepted: tuple[Accepted, ...] = ()
    known_as: Callable[[str], Collection[str]] = _as_it_is


NO_EARLIER_CARDS = EarlierCards()


@dataclass(frozen=True)
class Judged:
    """One line with its evidence and where it stands; `case` is all that was judged."""

    line: Line
    evidence: tuple[Evidence, ...]
    status: LineStatus
    case: Case = field(compare=False, repr=False)

    @cached_property
    def answers(self) -> tuple[Answer, ...]:
        """What every rule said of the line. Worked out when first asked: nothing decides by it."""
        return explain_line(self.case, self.status)

    @property
    def is_missed_response(self) -> bool:
        """Whether a response that was not reached has decided, and no progression."""
        on = self.status.progressed_on
        that_day = [e for e in self.evidence if e.on.first == on]
        if on is None or any(e.missed for e in that_day):
            return on is not None
        return not any(e.is_progression or e.is_unconfirmed or e.suggests for e in that_day)

    @property
    def latest_evidence(self) -> date | None:
        """The last day that any evidence of the line may be of; None without evidence."""
        return max((e.on.last for e in self.evidence), default=None)

    @cached_property
    def evidence_digest(self) -> str:
        """Changes when, and only when, the evidence of the line does."""
        said = "\n".join(f"{e.resource} {e.on} {e.finding} {e.detail}" for e in self.evidence)
        return hashlib.sha256(said.encode()).hexdigest()[:32]


class Situation(msgspec.Struct, frozen=True, gc=False):
    """One line of one cancer, with what decides about advice."""

    record: Record
    cancer: Cancer
    disease: Disease
    judged: Judged
    composites: Composites
    progressed_lines: int
    is_latest: bool
    around: Around
    earlier_cards: EarlierCards = NO_EARLIER_CARDS

    @property
    def status(self) -> LineStatus:
        return self.judged.status

    @property
    def says(self) -> frozenset[str]:
        """The words by which knowledge may speak of this line: pattern, flags, labels, rules."""
        status = self.status
        words = {*status.flags, *status.labels, *status.rules}
        return frozenset(words | ({status.pattern} if status.pattern else set()))

    def has(self, *caveats: Caveat) -> bool:
        return not set(self.judged.status.caveats).isdisjoint(caveats)

    def is_cautioned(self, *kinds: CautionKind) -> bool:
        return not self.around.cautions.isdisjoint(kinds)

    @property
    def ecog(self) -> int | None:
        """The latest performance status on record, on the ECOG scale."""
        return self.around.ecog

    def was_imaged(self, since: date, until: date) -> bool:
        """Whether imaging was done in those days, by a study or by what one was read to say."""
        read = any(
            e.kind == "imaging" and e.on.last >= since and e.on.first <= until
            for e in self.judged.evidence
        )
        return read or self.around.was_done(IMAGING, since, until)

    @property
    def has_histology(self) -> bool:
        """Whether tissue of this cancer was ever looked at, as far as the chart tells."""
        return self.around.once("histology", self._has_histology)

    def _has_histology(self) -> bool:
        if any(f.name in ("er", "pr", "her2") for f in self.record.facts):
            return True
        return any(e.kind in TISSUE or e.kind == "surgery-resection" for e in self.around.events)

    def is_insufficient(self, event: Event) -> bool:
        """Whether the sample of a biopsy was called insufficient, by itself or by a report."""
        return self.around.is_insufficient(event, INSUFFICIENT_DAYS)
