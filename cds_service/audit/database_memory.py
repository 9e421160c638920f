"""Earlier cards out of the log: short queries on a connection that only reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import TypeVar

import msgspec

from cds_service.audit.address import Address, connect, file_of
from cds_service.audit.card_names import CardNames
from cds_service.audit.database import UNREADABLE, Connection
from cds_service.audit.envelope import given_to
from cds_service.audit.events import timestamp
from cds_service.audit.memory import CardGiven, CardThen, FeedbackThen, Remembered, Sought
from cds_service.audit.pseudonyms import PseudonymKey
from cds_service.errors import AuditError, LogUnavailable

MOST_FEEDBACK = 64
MOST_DECISIONS = 16
"""The newest of each. What is beyond them is forgotten, and its advice is shown again."""

# Terms lie in the order of their entries, so each list is one stretch of one index: what follows
# the last entry from before its time.
_SINCE = (
    "coalesce((SELECT seq FROM events WHERE recorded_at < :since"
    " ORDER BY recorded_at DESC LIMIT 1), 0)"
)
_UNTIL = (
    "coalesce((SELECT seq FROM events WHERE recorded_at >= :before"
    " ORDER BY recorded_at LIMIT 1), 4611686018427387904)"
)
_FEEDBACK = f"""
SELECT e.envelope FROM terms t JOIN events e ON e.seq = t.seq
 WHERE t.field = 'feedback' AND t.value = :value AND t.seq > {_SINCE}
 ORDER BY t.seq DESC LIMIT {MOST_FEEDBACK}
"""  # noqa: S608 # our own texts
# An answer that did not leave gave nobody a card.
_GIVEN = f"""
SELECT e.envelope FROM terms t JOIN events e ON e.seq = t.seq
 WHERE t.field = 'given' AND t.value = :value AND t.seq > {_SINCE} AND t.seq < {_UNTIL}
   AND e.recorded_at < :before
   AND NOT EXISTS (SELECT 1 FROM events d WHERE d.decision_id = e.event_id
                    AND d.decision_id <> d.event_id AND d.event_type = 'delivery')
 ORDER BY t.seq DESC LIMIT {MOST_DECISIONS}
"""  # noqa: S608 # our own texts


class _Struct(msgspec.Struct, frozen=True, rename="camel"):
    """A part of an envelope, as far as memory reads it."""


class _Card(_Struct, frozen=True):
    uuid: str = ""
    about: str = ""
    evidence: str = ""
    latest: str = ""
    line: int = 0
    advice: tuple[str, ...] = ()
    status: str = ""
    confidence: str = ""
    accepted: tuple[str, ...] = ()
    as_of: date | None = None


Shape = TypeVar("Shape", bound=_Struct)


class _Decision(_Struct, frozen=True):
    decision_id: str
    cards: tuple[_Card, ...]
    as_of: date | None = None
    hook_instance: str | None = None


class _Reason(_Struct, frozen=True):
    system: str | None = None
    code: str | None = None


class _Feedback(_Struct, frozen=True):
    event_id: str
    received_at: datetime
    outcome: str
    card: str
    on_card: _Card
    override_reason: _Reason = _Reason()


class DatabaseMemory:
    """Reads an existing log; opens it at first use, and again after a failure, or when its file is
    another one."""

    def __init__(
        self, address: Address, keys: Sequence[PseudonymKey], *, patience_seconds: float = 5.0
    ) -> None:
        self._address = address
        self._keys = keys
        self._patience_seconds = patience_seconds
        self._db: Connection | None = None
        self._file: tuple[int, int] | None = None

    def earlier(self, sought: Sought) -> list[Remembered]:
        """See `Memory.earlier`."""
        try:
            db = self._connection()
            with db.in_brief():
                return [
                    Remembered(
                        names,
                        tuple(_feedback(db, pseudonym, names, sought)),
                        tuple(_given(db, pseudonym, names, sought)),
                    )
                    for pseudonym, names in self._known_as(db, sought)
                ]
        except (AuditError, *UNREADABLE) as error:
            self.close()
            raise LogUnavailable(f"the decision log cannot be read: {error}") from error

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _known_as(self, db: Connection, sought: Sought) -> Iterator[tuple[str, CardNames]]:
        """The patient's pseudonyms, one for each key under which there is any."""
        for key in self._keys:
            row = db.execute(
                "SELECT salt FROM patients WHERE lookup_id = ?", (key.lookup_id(sought.patient),)
            ).fetchone()
            if row is not None:
                names = key.card_names(sought.patient, row[0])
                yield key.pseudonym(sought.patient, row[0]), names

    def _connection(self) -> Connection:
        file = file_of(self._address)
        if self._db is None or file != self._file:
            self.close()
            self._db = connect(
                self._address, patience_seconds=self._patience_seconds, read_only=True
            )
            self._file = file
        return self._db


def _feedback(
    db: Connection, pseudonym: str, names: CardNames, sought: Sought
) -> Iterator[FeedbackThen]:
    asked = {"value": pseudonym, "since": timestamp(sought.feedback_since)}
    for found in _read(db.execute(_FEEDBACK, asked), _Feedback):
        is_accepted = found.outcome == "accepted"
        yield FeedbackThen(
            event_id=found.event_id,
            on=found.received_at.astimezone(UTC).date(),
            card_id=found.card,
            card=_card(found.on_card, found.card, found.on_card.as_of, names),
            accepted=found.on_card.accepted if is_accepted else None,
            reason_system=found.override_reason.system,
            reason_code=found.override_reason.code,
        )


def _given(db: Connection, pseudonym: str, names: CardNames, sought: Sought) -> Iterator[CardGiven]:
    if sought.user_id is None:
        return
    asked = {
        "value": given_to(pseudonym, sought.service_id, sought.user_id),
        "since": timestamp(sought.cards_since),
        "before": timestamp(sought.cards_before),
    }
    for found in _read(db.execute(_GIVEN, asked), _Decision):
        for card in found.cards:
            if card.about:
                then = _card(card, card.uuid, found.as_of, names)
                yield CardGiven(
                    decision_id=found.decision_id, hook_instance=found.hook_instance, card=then
                )


def _card(card: _Card, card_id: str, returned_on: date | None, names: CardNames) -> CardThen:
    return CardThen(
        condition=card.about,
        evidence=card.evidence,
        line=card.line,
        kinds=card.advice,
        status=card.status,
        confidence=card.confidence,
        returned_on=returned_on,
        latest=names.day(card.latest, card_id),
    )


def _read(rows: Iterable[tuple[bytes]], shape: type[Shape]) -> Iterator[Shape]:
    """The envelopes of this shape. One that is damaged is no memory; `audit verify` finds it."""
    for (envelope,) in rows:
        with suppress(msgspec.DecodeError, UnicodeDecodeError, TypeError):
            yield msgspec.json.decode(envelope, type=shape)
