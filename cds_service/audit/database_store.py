"""The decision log in a database: one chain, however many processes and hosts write it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from cds_service.audit.address import Address, connect, identity, look_at
from cds_service.audit.cabinet import Cabinet, Chosen, KeysMoved
from cds_service.audit.canonical import Json
from cds_service.audit.card_names import CardNames
from cds_service.audit.data_keys import DataKeys, default_data_key_file
from cds_service.audit.database import REFUSED, Connection, DatabaseError, HeadMoved
from cds_service.audit.envelope import Draft, Recorder, feedback_key
from cds_service.audit.events import NOT_ID_SHAPED, Event, EventType, present
from cds_service.audit.known import KnownOfMany, KnownOfOne, known_of
from cds_service.audit.new_rows import NewRows, Row, insert
from cds_service.audit.store import AlreadyRecorded, Recorded
from cds_service.errors import AuditError, LogUnavailable

_TRIES = 20

_OF_CARD = (
    "disease", "line", "status", "confidence", "advice", "about", "evidence", "latest",
)  # fmt: skip
"""What feedback repeats of the card that it is about."""


class DatabaseStore:
    """Appends to an existing log; opens it at first use, and again after a failure."""

    def __init__(
        self, address: Address, recorder: Recorder, *, patience_seconds: float = 5.0
    ) -> None:
        self._address = address
        self._recorder = recorder
        self._data_keys = recorder.data_keys or DataKeys(default_data_key_file(address))
        self._patience_seconds = patience_seconds
        self._db: Connection | None = None
        self._identity: tuple[tuple[int, int], ...] | None = None
        self._is_committing = False
        self._look = look_at(address)
        self._last = (0, b"")  # size and hash of the chain when this process last saw it
        self._out_of_service: str | None = None
        self._known: KnownOfOne | KnownOfMany = KnownOfMany()  # about the batch at hand
        self._rows_to_write = NewRows()

    def append(self, events: Sequence[Event]) -> list[Recorded | AuditError]:
        """See `Store.append`. The order of the events is the order in the chain."""
        drafts = [self._draft(event) for event in events]
        was_idle = self._db is not None
        for _ in range(_TRIES):
            try:
                return self._write(drafts)
            except (HeadMoved, KeysMoved):
                continue
            except REFUSED as error:
                if was_idle and self._is_just_gone(error):
                    was_idle = False
                    self._disconnect()
                elif not _lost_a_race(error):
                    raise self._unavailable(error) from error
        raise LogUnavailable("the decision log's head keeps moving")

    def close(self) -> None:
        self._out_of_service = self._out_of_service or "it is closed"
        self._disconnect()

    def _draft(self, event: Event) -> Draft | AuditError:
        try:
            return self._recorder.draft(event)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            why = type(error).__name__  # not its text, which may quote the chart
            return AuditError(f"a {event.type} event cannot be written down: {why}")

    def _write(self, drafts: Sequence[Draft | AuditError]) -> list[Recorded | AuditError]:
        self._is_committing = False
        db = self._connection()
        cabinet = Cabinet(db, self._data_keys, self._recorder.keys)
        cabinet.look_up([draft for draft in drafts if isinstance(draft, Draft)])
        sealed = [self._seal(cabinet, draft) for draft in drafts]
        ready = [one for one in sealed if not isinstance(one, AuditError)]
        self._begin(db)
        try:
            head = self._head(db)
            self._look_again(db, head)
            cabinet.look_again([chosen for _, chosen in ready])
            self._known = known_of(db, [draft for draft, _ in ready])
            self._rows_to_write = NewRows()
            receipts: list[Recorded | AuditError] = []
            for one in sealed:
                receipt = one if isinstance(one, AuditError) else self._add(db, cabinet, *one, head)
                if isinstance(receipt, Recorded):
                    head = (receipt.seq, receipt.leaf_hash)
                receipts.append(receipt)
            self._write_rows(db)
            self._is_committing = True
            self._commit(db)
        except BaseException:
            self._roll_back(db)
            raise
        self._still_there()
        self._last = head
        return receipts

    def _seal(
        self, cabinet: Cabinet, draft: Draft | AuditError
    ) -> tuple[Draft, Chosen] | AuditError:
        """The draft with its contents encrypted, before the lock is taken."""
        if isinstance(draft, AuditError):
            return draft
        try:
            chosen = cabinet.choose(draft)
        except AuditError as error:
            return LogUnavailable(str(error))
        return self._recorder.seal(draft, chosen.key), chosen

    def _add(
        self,
        db: Connection,
        cabinet: Cabinet,
        draft: Draft,
        chosen: Chosen,
        head: tuple[int, bytes],
    ) -> Recorded | AuditError:
        links = self._links(draft, chosen)
        if isinstance(links, AuditError):
            return links
        cabinet.confirm(chosen)
        entry = self._recorder.place(draft, head[0] + 1, head[1], links)
        self._known.take_in(entry, self._rows_to_write.add(draft, entry))
        if isinstance(self._known, KnownOfOne):
            self._write_rows(db)
        return Recorded(entry.seq, draft.event_id, entry.leaf_hash)

    def _links(self, draft: Draft, chosen: Chosen) -> dict[str, Json] | AuditError:
        """What joins an event to what is already there: patient, repeated call, card."""
        event = draft.event
        is_known, earlier, decision = self._known.about(draft)
        if is_known:
            return AlreadyRecorded(f"{draft.event_id} is already in the decision log")
        links: dict[str, Json] = {}
        if event.patient and chosen.patient:
            key, salt = chosen.patient.pseudonym_key, chosen.patient.salt
            links["patientPseudonym"] = key.pseudonym(event.patient, salt)
            links["pseudonymKeyId"] = key.key_id
            if event.subjects:
                links["cards"] = _with_subjects(event, key.card_names(event.patient, salt))
        if earlier is not None:
            links["duplicateOf"] = earlier
        if event.type is EventType.FEEDBACK:
            links |= _decision_of_card(event, decision)
        if "onCard" in links:
            said = self._known.said_before(feedback_key(event.members))
            links |= {"duplicateOf": said} if said else {}
        return links

    def _write_rows(self, db: Connection) -> None:
        """Write what was added. Of several entries at once, since a server is far away; a single
        one before anything else is done with it."""
        rows, self._rows_to_write = self._rows_to_write, NewRows()
        if rows.events:
            with db.together():
                rows.insert_beside(db)
                for event in rows.events:
                    self._insert(db, event)

    def _insert(self, db: Connection, event: Row) -> None:
        """One by one: each is held against the head, which the one before it has moved."""
        insert(db, "events", [event])

    def _begin(self, db: Connection) -> None:
        db.begin_writing()

    def _commit(self, db: Connection) -> None:
        db.execute("COMMIT")

    def _head(self, db: Connection) -> tuple[int, bytes]:
        """Size and hash of the chain; LogUnavailable where it is not the one last written to."""
        size, leaf = db.execute("SELECT size, leaf_hash FROM head").fetchone() or (-1, b"")
        last_size, last_leaf = self._last
        if size < last_size or (size == last_size > 0 and leaf != last_leaf):
            raise LogUnavailable("the decision log is not the one that was last written to")
        return size, leaf

    def _look_again(self, db: Connection, head: tuple[int, bytes]) -> None:
        try:
            self._look.again(db, head, self._last)
        except LogUnavailable as error:  # nothing that is written now could be relied on
            self._out_of_service = f"{error}; put the whole log back, and restart the service"
            raise LogUnavailable(f"the decision log takes no entries: {error}") from error

    def _connection(self) -> Connection:
        if self._out_of_service:
            raise LogUnavailable(f"the decision log takes no entries: {self._out_of_service}")
        if self._db is None:
            try:
                db = connect(self._address, patience_seconds=self._patience_seconds)
            except AuditError as error:
                raise LogUnavailable(str(error)) from error
            self._db, self._identity = db, identity(self._address)
        return self._db

    def _still_there(self) -> None:
        """Raise LogUnavailable where what was written no longer bears the log's name."""
        if self._identity is None or identity(self._address) != self._identity:
            self._disconnect()
            raise LogUnavailable("the decision log's file was removed or replaced")

    def _roll_back(self, db: Connection) -> None:
        if db.in_transaction:
            db.execute("ROLLBACK")

    def _is_just_gone(self, error: Exception) -> bool:
        """Whether a connection that was idle is lost, and nothing can have been stored by it."""
        return isinstance(error, DatabaseError) and error.is_gone and not self._is_committing

    def _unavailable(self, error: Exception) -> LogUnavailable:
        """Why nothing could be stored. The file is opened anew next time, but not after a failed
        write or flush: what the disk then holds is unknown, and only a restart reads it again."""
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_IOERR:
            self._out_of_service = f"{error}; the service has to be restarted"
        self._disconnect()
        return LogUnavailable(f"the decision log cannot be written: {error}")

    def _disconnect(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None


def _with_subjects(event: Event, names: CardNames) -> list[Json]:
    """The cards of a decision, each with what it was about, in names of the log's own."""
    cards: Any = event.members.get("cards", ())
    told = event.subjects
    return [
        card | (names.of_card(card["uuid"], told[card["uuid"]]) if card["uuid"] in told else {})
        for card in cards
    ]


def _decision_of_card(event: Event, decision: bytes | None) -> dict[str, Json]:
    """The decision that returned this card, its patient, and what the card was about; or why the
    feedback on it counts for nothing.

    Suggestions that the card did not have are named. (Earlier entries do not say which it had, nor
    what their cards were about: feedback on these has no effect.)
    """
    if decision is None:
        return {"orphan": "unknown-card"}
    found = msgspec.json.decode(decision)
    if not _is_of_client(found, event):
        return {"orphan": "other-client"}
    links: dict[str, Json] = {"decisionId": found["decisionId"]}
    for member in ("patientPseudonym", "pseudonymKeyId"):
        if member in found:
            links[member] = found[member]
    card: Any = next((one for one in found["cards"] if one["uuid"] == event.members["card"]), {})
    accepted: Any = event.members.get("acceptedSuggestions", ())
    unknown = [one for one in accepted if one not in card.get("suggestions", accepted)]
    if "about" in card:
        kinds = dict(zip(card.get("suggestions", ()), card.get("suggested", ()), strict=False))
        taken_up = sorted({kinds[one] for one in accepted if one in kinds})
        on_card = {name: card[name] for name in _OF_CARD if name in card}
        links["onCard"] = present({**on_card, "accepted": taken_up, "asOf": found.get("asOf")})
    return links | ({"unknownSuggestions": unknown} if unknown else {})


def _is_of_client(decision: Any, feedback: Event) -> bool:
    """Whether the same client, and the same tenant of it, was given the card. A name that is not
    id-shaped stands in no envelope, so it cannot be told from another such."""
    given: Any = decision.get("client", {})
    asked: Any = feedback.members.get("client", {})
    names = [(given.get(name), asked.get(name)) for name in ("iss", "tenant")]
    return all(one == other and one != NOT_ID_SHAPED for one, other in names)


def _lost_a_race(error: Exception) -> bool:
    """Whether another writer took the place in the chain. The lock prevents it; should the lock
    fail, the unique columns and the triggers do, and the place is sought anew."""
    if isinstance(error, DatabaseError):
        return error.is_race
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, sqlite3.IntegrityError) or code == sqlite3.SQLITE_BUSY_SNAPSHOT
