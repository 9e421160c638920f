"""What the log already knows about the events of one batch: repeated calls, cards, feedback.

Asked under the log's lock. Of several events it is asked at once, since each question to a server
is a journey there and back; what the batch itself adds is kept beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from cds_service.audit.database import Connection
from cds_service.audit.envelope import Draft, Entry, Index, feedback_key
from cds_service.audit.events import EventType

# All that the log may already know about one event, in one question.
_KNOWN = """
SELECT
    EXISTS (SELECT 1 FROM events WHERE event_id = :event_id),
    (SELECT decision_id FROM terms JOIN events USING (seq)
      WHERE field = 'call' AND value = :call ORDER BY seq LIMIT 1),
    (SELECT envelope FROM terms JOIN events USING (seq)
      WHERE field = 'card' AND value = :card AND event_type = 'decision' ORDER BY seq LIMIT 1)
"""
_SAID_BEFORE = """
SELECT event_id FROM terms JOIN events USING (seq)
 WHERE field = 'said' AND value = ? ORDER BY seq LIMIT 1
"""
# The same of several events: the first of each value, however often it stands there.
_IDS = (
    "WITH asked (value) AS (VALUES {}) SELECT event_id FROM asked JOIN events ON event_id = value"
)
_CALLS = """
WITH asked (value) AS (VALUES {})
SELECT asked.value, (SELECT decision_id FROM terms JOIN events USING (seq)
  WHERE field = 'call' AND terms.value = asked.value ORDER BY seq LIMIT 1) FROM asked
"""
_CARDS = """
WITH asked (value) AS (VALUES {})
SELECT asked.value, (SELECT envelope FROM terms JOIN events USING (seq)
  WHERE field = 'card' AND terms.value = asked.value AND event_type = 'decision'
  ORDER BY seq LIMIT 1) FROM asked
"""
_SAID = """
WITH asked (value) AS (VALUES {})
SELECT asked.value, (SELECT event_id FROM terms JOIN events USING (seq)
  WHERE field = 'said' AND terms.value = asked.value ORDER BY seq LIMIT 1) FROM asked
"""

Known: TypeAlias = tuple[bool, str | None, bytes | None]
"""Whether the event is in the log, the decision of an earlier call like it, and the envelope of the
decision that returned the card it is about."""


class KnownOfOne:
    """Of one event, in one question."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def about(self, draft: Draft) -> Known:
        asked = {"event_id": draft.event_id, "call": draft.call_key, "card": _card_of(draft)}
        is_known, earlier, decision = self._db.execute(_KNOWN, asked).fetchone()
        return bool(is_known), earlier, decision

    def said_before(self, key: str) -> str | None:
        """The entry with the first feedback that said the same (`feedback_key`)."""
        row = self._db.execute(_SAID_BEFORE, (key,)).fetchone()
        return row[0] if row else None

    def take_in(self, entry: Entry, index: Index) -> None:
        """Nothing comes after it."""


@dataclass(slots=True)
class KnownOfMany:
    """Of several events, and of those among them that have their place by now."""

    ids: set[str] = field(default_factory=set)
    calls: dict[str, str | None] = field(default_factory=dict)
    cards: dict[str, bytes] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)

    @classmethod
    def asked(cls, db: Connection, drafts: Sequence[Draft]) -> KnownOfMany:
        feedback = [one for one in drafts if one.event.type is EventType.FEEDBACK]
        known = cls(ids={row[0] for row in _rows(db, _IDS, (one.event_id for one in drafts))})
        for found, query, values in (
            (known.calls, _CALLS, [one.call_key for one in drafts]),
            (known.cards, _CARDS, [_card_of(one) for one in feedback]),
            (known.said, _SAID, [feedback_key(one.members) for one in feedback]),
        ):
            found |= {value: one for value, one in _rows(db, query, values) if one is not None}
        return known

    def about(self, draft: Draft) -> Known:
        card = _card_of(draft)
        return (
            draft.event_id in self.ids,
            self.calls.get(draft.call_key) if draft.call_key else None,
            self.cards.get(card) if card else None,
        )

    def said_before(self, key: str) -> str | None:
        """See `KnownOfOne.said_before`."""
        return self.said.get(key)

    def take_in(self, entry: Entry, index: Index) -> None:
        """An entry that has its place: to those after it, it is in the log."""
        self.ids.add(index.event_id)
        for name, value in index.terms:
            if name == "call":
                self.calls.setdefault(value, index.decision_id)
            elif name == "card" and index.event_type == EventType.DECISION:
                self.cards.setdefault(value, entry.envelope)
            elif name == "said":
                self.said.setdefault(value, index.event_id)


def known_of(db: Connection, drafts: Sequence[Draft]) -> KnownOfOne | KnownOfMany:
    """What the log knows about these events, which are written in this order."""
    return KnownOfMany.asked(db, drafts) if len(drafts) > 1 else KnownOfOne(db)


def _card_of(draft: Draft) -> str | None:
    card = draft.event.members.get("card") if draft.event.type is EventType.FEEDBACK else None
    return card if isinstance(card, str) else None


def _rows(db: Connection, query: str, values: Iterable[str | None]) -> list[Any]:
    """The rows for these values; none where there are no values."""
    asked = sorted({value for value in values if value is not None})
    if not asked:
        return []
    return db.execute(query.format(", ".join(["(?)"] * len(asked))), asked).fetchall()
