"""What a card was about, in words that mean nothing without the patient's salt and the key file.

Condition and evidence become keyed digests, which the service makes anew from the chart at hand and
compares. Their key is derived from the pseudonym key and the salt: ids and findings cannot be tried
out against them, and once the salt is deleted, nobody can make them again.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from datetime import date

from cds_service.audit.canonical import Json

_DIGITS = 32
_DAY_BYTES = 4


@dataclass(frozen=True, slots=True)
class CardSubject:
    """What a card is about, as the chart says it. It goes into no envelope as it is.

    `evidence` is the digest of the evidence of its line, `latest` the last day that this is of.
    """

    condition: str
    evidence: str
    latest: date | None = None


@dataclass(frozen=True, slots=True)
class CardNames:
    """How the log writes down what the cards of one patient are about."""

    secret: bytes = field(repr=False)

    def about(self, condition: str) -> str:
        """The name of a condition, from its reference."""
        return self._digest(b"condition", condition)

    def evidence(self, digest: str) -> str:
        """The name of a state of the evidence, from its digest."""
        return self._digest(b"evidence", digest)

    def hidden(self, day: date | None, card: str) -> str:
        """A day behind a mask of its own for each card; empty for none."""
        if day is None:
            return ""
        return (day.toordinal() ^ self._mask(card)).to_bytes(_DAY_BYTES, "big").hex()

    def day(self, hidden: str, card: str) -> date | None:
        """The day behind the mask; None where there is none."""
        try:
            masked = int.from_bytes(bytes.fromhex(hidden), "big")
            return date.fromordinal(masked ^ self._mask(card)) if hidden else None
        except (ValueError, OverflowError):
            return None

    def of_card(self, card: str, subject: CardSubject) -> dict[str, Json]:
        """The members by which an envelope says what this card was about."""
        members: dict[str, Json] = {
            "about": self.about(subject.condition),
            "evidence": self.evidence(subject.evidence),
        }
        if subject.latest is not None:
            members["latest"] = self.hidden(subject.latest, card)
        return members

    def _mask(self, card: str) -> int:
        made = hmac.digest(self.secret, b"day\x1f" + card.encode(), "sha256")
        return int.from_bytes(made[:_DAY_BYTES], "big")

    def _digest(self, what: bytes, text: str) -> str:
        return hmac.digest(self.secret, what + b"\x1f" + text.encode(), "sha256").hex()[:_DIGITS]
