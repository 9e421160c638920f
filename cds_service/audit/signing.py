"""Checkpoints of a log: counting on from the last one, signing, storing, anchoring."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cds_service.audit.address import Address, connect
from cds_service.audit.anchor import append_anchor, newest_anchor
from cds_service.audit.chain import leaf_hash
from cds_service.audit.checkpoint import Checkpoint, origin_of, read_note
from cds_service.audit.database import UNREADABLE, Connection
from cds_service.audit.events import EventType
from cds_service.audit.key_events import KeyRing, key_event, ring_of
from cds_service.audit.notes import Note, SigningKey
from cds_service.audit.reading import StoredCheckpoint, entries_of, open_reader
from cds_service.audit.signing_keys import load_or_create_signing_key, load_signing_keys
from cds_service.audit.store import Store
from cds_service.audit.tree import Tree
from cds_service.audit.vouching import Recovery
from cds_service.errors import AuditError

_PAGE = 500
_PAUSE_SECONDS = 0.002


@dataclass(frozen=True, slots=True)
class Signing:
    """How a log is signed: with the keys of which file, how often, and where notes go besides."""

    key_file: Path
    anchor_file: Path | None = None
    seconds: float = 60.0
    events: int = 1_000


class Signer:
    """Makes checkpoints of one log. For one thread; many processes may have one each.

    It has a connection of its own. Entries are read and hashed without a lock; the log's write
    lock is held for the one row of the checkpoint.
    """

    def __init__(self, address: Address, signing: Signing) -> None:
        self._address = address
        self._signing = signing
        self._db: Connection | None = None
        self._tree = Tree()
        self._last_leaf: bytes | None = None

    def behind(self) -> tuple[int, int]:
        """The number of the latest checkpoint (0: none), and how many entries came after it."""
        with self._connection() as db:
            number, size = _latest(db)
            return number, _head(db) - size

    def make(self) -> Note | None:
        """Sign the log as it stands, store the note and add it to the anchor file.

        None where there is nothing new, or another process was first. Raises AuditError where the
        log does not hold together, the key cannot be had, or the note cannot be kept.
        """
        with self._connection() as db:
            size = _head(db)
            if size <= _latest(db)[1]:
                return None
            self._count_up_to(db, size)
            log_id, ring = _ring(db)
            key = key_in_force(self._signing.key_file, log_id, ring)
            note = Checkpoint(log_id, size, self._tree.root()).signed_by(key)
            if not self._store(db, key, note):
                return None
        self._anchor(note)
        return note

    def check_anchor(self) -> None:
        """Raise AuditError where the anchor file knows more than the log, or another history: an
        older copy was put in its place, or worse. An anchor that is behind is brought up."""
        if self._signing.anchor_file is None:
            return
        with self._connection() as db:
            log_id, _ = _ring(db)
            known = newest_anchor(self._signing.anchor_file, log_id)
            latest = _latest_note(db)
            if known and not _is_written_off(db, known.checkpoint.size):
                self._compare(db, known.checkpoint)
        if latest and (known is None or known.checkpoint.size < latest[0]):
            self._anchor(Note.parse(latest[1]))

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _compare(self, db: Connection, known: Checkpoint) -> None:
        missing = known.size - _head(db)
        what_then = "put the whole log back, or write the loss down: audit recover"
        if missing > 0:
            knows = f"its anchor knows of {missing} more entries"
            raise AuditError(f"the decision log lacks entries: {knows}; {what_then}")
        tree = Tree()
        earlier = _resumable(db, known.size)
        if earlier:
            tree = Tree.resume(earlier.size, earlier.frontier)
        for _, leaf in _sound_entries(db, tree.size, known.size, None):
            tree.add(leaf)
        if tree.root() != known.root:
            knows = "its anchor knows another history"
            raise AuditError(f"the decision log is not the one it was: {knows}; {what_then}")

    def _count_up_to(self, db: Connection, size: int) -> None:
        if self._tree.size == 0:
            earlier = _resumable(db, size)
            if earlier:
                self._tree = Tree.resume(earlier.size, earlier.frontier)
        if size < self._tree.size:
            raise AuditError("the log has fewer entries than were signed for")
        for number, leaf in _sound_entries(db, self._tree.size, size, self._last_leaf):
            self._tree.add(leaf)
            self._last_leaf = leaf
            if not number % _PAGE:
                time.sleep(_PAUSE_SECONDS)  # others want the processor, too

    def _store(self, db: Connection, key: SigningKey, note: Note) -> bool:
        """Whether this is the next checkpoint; not, where another process has made it."""
        db.begin_writing()
        try:
            number, latest = _latest(db)
            is_next = self._tree.size > latest
            if is_next and _ring(db)[1].at(self._tree.size) != key.public:
                raise AuditError("the signing key was just replaced")
            if is_next:
                row = (number + 1, self._tree.size, str(note), self._tree.frontier)
                db.execute("INSERT INTO checkpoints VALUES (?, ?, ?, ?)", row)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        return is_next

    def _anchor(self, note: Note) -> None:
        if self._signing.anchor_file is None:
            return
        try:
            append_anchor(self._signing.anchor_file, note)
        except OSError as error:
            raise AuditError(f"the anchor cannot be written: {error.strerror}") from error

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        """The database; after an error it is opened anew, and counting begins again."""
        if self._db is None:
            self._db = connect(self._address)
        try:
            yield self._db
        except (AuditError, *UNREADABLE) as error:
            self.close()
            self._tree, self._last_leaf = Tree(), None
            if isinstance(error, AuditError):
                raise
            raise AuditError(f"no checkpoint can be made: {error}") from error


def prepare_signing(address: Address, store: Store, signing: Signing) -> None:
    """Give a log its signing key, unless it has one. AuditError where its key cannot be had."""
    log_id, ring = ring_in(address)
    if ring.newest is None:
        key = load_or_create_signing_key(signing.key_file, origin_of(log_id))
        store.append([key_event(log_id, "created", key)])  # refused where another process was first
        log_id, ring = ring_in(address)
    key_in_force(signing.key_file, log_id, ring)


def ring_in(address: Address) -> tuple[str, KeyRing]:
    """The id of the log at this address, and its keys."""
    with open_reader(address) as reader:
        log_id, _ = reader.first_link()
        return log_id, ring_of(log_id, reader.entries_of(EventType.KEY_EVENT))


def key_in_force(key_file: Path, log_id: str, ring: KeyRing) -> SigningKey:
    """The key that signs for this log now; AuditError where the file has another, or none."""
    keys = load_signing_keys(key_file, origin_of(log_id))
    for key in keys:
        if key.public == ring.newest:
            return key
    raise AuditError("the signing key file does not hold the key of this log")


def _ring(db: Connection) -> tuple[str, KeyRing]:
    (log_id,) = db.execute("SELECT log_id FROM log").fetchone()
    return log_id, ring_of(log_id, entries_of(db, EventType.KEY_EVENT))


def _head(db: Connection) -> int:
    row = db.execute("SELECT size FROM head").fetchone()
    if row is None:
        raise AuditError("the log has lost its head")
    return int(row[0])


def _latest(db: Connection) -> tuple[int, int]:
    query = "SELECT number, size FROM checkpoints ORDER BY number DESC LIMIT 1"
    number, size = db.execute(query).fetchone() or (0, 0)
    return number, size


def _latest_note(db: Connection) -> tuple[int, str] | None:
    row = db.execute("SELECT size, note FROM checkpoints ORDER BY number DESC LIMIT 1").fetchone()
    return (row[0], row[1]) if row else None


def _resumable(db: Connection, size: int) -> StoredCheckpoint | None:
    """The largest checkpoint up to this size, if the log's key has signed for its frontier.

    The signature covers the root, and no other frontier adds up to that.
    """
    row = db.execute(
        "SELECT number, size, note, frontier FROM checkpoints WHERE size <= ?"
        " ORDER BY size DESC LIMIT 1",
        (size,),
    ).fetchone()
    if row is None:
        return None
    found = StoredCheckpoint(*row)
    try:
        checkpoint, note = read_note(found.note)
        root = Tree.resume(found.size, found.frontier).root()
    except (ValueError, TypeError):
        return None
    log_id, ring = _ring(db)
    key = ring.at(found.size)
    is_ours = checkpoint == Checkpoint(log_id, found.size, root)
    return found if is_ours and key is not None and key.has_signed(note) else None


def _sound_entries(
    db: Connection, after: int, size: int, last_leaf: bytes | None
) -> Iterator[tuple[int, bytes]]:
    """Number and leaf hash of each entry from there to here, worked out from its bytes; AuditError
    where one is missing or does not follow the one before. `last_leaf` None: not known."""
    rows = db.execute(
        "SELECT seq, prev_hash, envelope FROM events WHERE seq > ? AND seq <= ? ORDER BY seq",
        (after, size),
    )
    for seq, follows, envelope in rows:
        after += 1
        if seq != after or last_leaf not in (None, follows):
            raise AuditError(f"nothing is signed: entry {after} is not in its place (audit verify)")
        last_leaf = leaf_hash(envelope)
        yield seq, last_leaf
    if after != size:
        raise AuditError(f"nothing is signed: entry {after + 1} is missing (audit verify)")


def _is_written_off(db: Connection, size: int) -> bool:
    """Whether a recovery entry says that the part of the log up to this size was lost."""
    found = (Recovery.of(*entry) for entry in entries_of(db, EventType.RECOVERY))
    return any(one.first <= size <= one.last for one in found if one)
