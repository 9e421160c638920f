"""What the log remembers of one patient's earlier cards, for the next decision about that patient.

It is read from the committed log alone, so all processes remember the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from cds_service.audit.card_names import CardNames
from cds_service.audit.pseudonyms import PatientIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """Whose memory is asked for: feedback since a moment, and the cards that this user was given by
    this service, from one moment until before another. A user without an accountable id was given
    none."""

    patient: PatientIdentity
    service_id: str
    user_id: str | None
    feedback_since: datetime
    cards_since: datetime
    cards_before: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CardThen:
    """What an earlier card was about. `condition` and `evidence` are names made by the log."""

    condition: str
    evidence: str
    line: int
    kinds: tuple[str, ...]
    status: str
    confidence: str
    returned_on: date | None
    latest: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackThen:
    """One piece of feedback on an earlier card, on the day that the service received it."""

    event_id: str
    on: date
    card_id: str
    card: CardThen
    accepted: tuple[str, ...] | None
    """The kinds of the accepted suggestions; None: the card was set aside."""
    reason_system: str | None = None
    reason_code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CardGiven:
    """A card that the user was given, by the decision that returned it."""

    decision_id: str
    hook_instance: str | None
    card: CardThen


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is remembered under one key, and how its names are made from the chart at hand."""

    names: CardNames
    feedback: tuple[FeedbackThen, ...] = ()
    given: tuple[CardGiven, ...] = ()


class Memory(Protocol):
    """Where earlier cards are looked up. One thread uses it at a time, beside any writer."""

    def earlier(self, sought: Sought) -> Sequence[Remembered]:
        """What is remembered of this patient, for each key that knows of any; at most the newest
        of it. Raises LogUnavailable where that cannot be told."""

    def close(self) -> None:
        """Let go of the database."""
