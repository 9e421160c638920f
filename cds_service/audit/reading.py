"""The reading side of the log: pages of entries, one entry and what followed it, raw rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from cds_service.audit.address import Address, connect
from cds_service.audit.cabinet import key_named
from cds_service.audit.data_keys import DataKeys, KeysNeeded, default_data_key_file
from cds_service.audit.database import UNREADABLE, Connection
from cds_service.audit.events import EventType
from cds_service.audit.gone import Erased, Purge, Purged
from cds_service.audit.gone_rows import purge_of
from cds_service.audit.listing import FEW, Wanted, conditions
from cds_service.audit.pseudonyms import PatientIdentity, PseudonymKey
from cds_service.audit.seal import PLAIN, Bond, Payload, PayloadErased, PayloadPurged, unseal
from cds_service.errors import AuditError

# Cast, so that a value somebody stored with another type is still read, and judged by its bytes.
EVENT_COLUMNS = (
    "coalesce(CAST(e.seq AS INTEGER), 0) AS seq, CAST(e.prev_hash AS BLOB),"
    " CAST(e.leaf_hash AS BLOB), e.event_id, e.event_type, e.decision_id, e.recorded_at,"
    " coalesce(CAST(e.envelope AS BLOB), x'')"
)
CHECKPOINT_COLUMNS = (
    "coalesce(CAST(number AS INTEGER), 0), coalesce(CAST(size AS INTEGER), 0),"
    " coalesce(CAST(note AS TEXT), ''), coalesce(CAST(frontier AS BLOB), x'')"
)
TERMS_APART = "\x1f"
"""Stands between the search terms of one entry; no term of ours has it in it."""
TERM_COLUMNS = (
    "seq, count(*),"
    " count(*) FILTER (WHERE field = CAST(field AS TEXT) AND value = CAST(value AS TEXT)),"
    f" group_concat(field, '{TERMS_APART}'), group_concat(value, '{TERMS_APART}')"
)
StoredTerms: TypeAlias = tuple[int, int, int, str, str]
"""The number of an entry, how many search terms it has and how many of these are text, then their
fields and their values in one order. One row an entry is read three times as fast as one a term."""
_BEYOND = (1 << 63) - 1
PAYLOAD_COLUMNS = (
    "name, scheme, key_id, coalesce(CAST(nonce AS BLOB), x''), coalesce(CAST(stored AS BLOB), x'')"
)


class StoredEvent(msgspec.Struct, frozen=True, gc=False):
    """One row as it stands in the database; `envelope` is what was hashed."""

    seq: int
    prev_hash: bytes
    leaf_hash: bytes
    event_id: str
    event_type: str
    decision_id: str | None
    recorded_at: str
    envelope: bytes

    @property
    def known_by(self) -> tuple[int, str, str]:
        """Number, type and time: what a purge goes by."""
        return self.seq, self.event_type, self.recorded_at

    def read(self) -> dict[str, Any]:
        """The members of the envelope; AuditError where the bytes are none."""
        try:
            members = msgspec.json.decode(self.envelope)
        except (msgspec.DecodeError, UnicodeDecodeError, TypeError) as error:
            raise AuditError(f"event {self.seq} cannot be read") from error
        if not isinstance(members, dict):
            raise AuditError(f"event {self.seq} cannot be read")
        return members


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """One row of the table of checkpoints as it stands in the database."""

    number: int
    size: int
    note: str
    frontier: bytes


class LogReader:
    """One consistent view of a log, as it was when it was opened, however long it is read.

    `data_keys` open its payloads; they are looked for when the first one is opened.
    """

    begins_after = 0
    """The entry before the first that `events` has."""

    def __init__(
        self,
        db: Connection,
        path: Path | None = None,
        data_keys: DataKeys | None = None,
    ) -> None:
        self._db = db
        self._path = path
        self._data_keys = data_keys
        db.begin_reading()

    @property
    def path(self) -> Path | None:
        """The file that it reads, where another reader may read it too."""
        return self._path

    def first_link(self) -> tuple[str, bytes]:
        """The log's id, and the bytes that its chain begins with."""
        row = self._db.execute("SELECT log_id, CAST(first_link AS BLOB) FROM log").fetchone()
        if row is None:
            raise AuditError("the decision log has lost its beginning")
        log_id, first = row
        return log_id, first

    def head(self) -> tuple[int, bytes] | None:
        """Size and newest hash as the head row says; None where there is no such row."""
        row = self._db.execute(
            "SELECT CAST(size AS INTEGER), CAST(leaf_hash AS BLOB) FROM head"
        ).fetchone()
        return (row[0], row[1]) if row else None

    def events(self) -> Iterator[StoredEvent]:
        """Every entry in its stored order."""
        rows = self._db.stream(f"SELECT {EVENT_COLUMNS} FROM events e ORDER BY e.seq")  # noqa: S608
        return (StoredEvent(*row) for row in rows)

    def terms(self) -> Iterator[StoredTerms]:
        """The search terms of each entry that has any, in the order of the entries."""
        return self._db.stream(f"SELECT {TERM_COLUMNS} FROM terms GROUP BY seq ORDER BY seq")  # noqa: S608

    def payloads(self) -> Iterator[tuple[Any, ...]]:
        """The members of every payload after its entry, in the order of the entries."""
        return self._db.stream(f"SELECT seq, {PAYLOAD_COLUMNS} FROM payloads ORDER BY seq")  # noqa: S608

    def checkpoints(self) -> Iterator[StoredCheckpoint]:
        """Every checkpoint by its number; none in a log of before there were any."""
        if not self.has_checkpoints:
            return iter(())
        rows = self._db.stream(f"SELECT {CHECKPOINT_COLUMNS} FROM checkpoints ORDER BY number")  # noqa: S608
        return (StoredCheckpoint(*row) for row in rows)

    def latest_checkpoint(self) -> StoredCheckpoint | None:
        """The checkpoint with the highest number."""
        if not self.has_checkpoints:
            return None
        row = self._db.execute(
            f"SELECT {CHECKPOINT_COLUMNS} FROM checkpoints ORDER BY number DESC LIMIT 1"  # noqa: S608
        ).fetchone()
        return StoredCheckpoint(*row) if row else None

    def checkpoint_of(self, size: int) -> StoredCheckpoint | None:
        """The checkpoint over the first `size` entries."""
        row = self._db.execute(
            f"SELECT {CHECKPOINT_COLUMNS} FROM checkpoints WHERE size = ?",  # noqa: S608
            (size,),
        ).fetchone()
        return StoredCheckpoint(*row) if row else None

    @property
    def has_checkpoints(self) -> bool:
        """Whether the log is of a version that has checkpoints at all."""
        return self.version > 1

    @property
    def has_data_keys(self) -> bool:
        """Whether the log is of a version that encrypts payloads."""
        return self.version > 2

    @property
    def version(self) -> int:
        """The version of the tables."""
        return self._db.schema_version()

    def erased(self) -> Erased:
        """Whom the log's redactions have erased."""
        return Erased.by(members for _, members in self.entries_of(EventType.REDACTION))

    def purged(self) -> Purged:
        """What all of the log's purges have removed."""
        return Purged(self.entries_of(EventType.PURGE))

    def purge_of(self, event: StoredEvent, name: str) -> Purge | None:
        """The purge that removed this payload of an entry; None where none did."""
        return purge_of(self._db, *event.known_by, name)

    def has_key(self, key_id: str) -> bool:
        """Whether the data key with this id is in the log, however it is wrapped."""
        return key_named(self._db, key_id) is not None

    def leaves(self) -> Iterator[bytes]:
        """The leaf hash of each entry, as its column has it."""
        rows = self._db.stream("SELECT CAST(leaf_hash AS BLOB) FROM events ORDER BY seq")
        return (leaf for (leaf,) in rows)

    def entries_of(self, event_type: EventType) -> Iterator[tuple[int, dict[str, Any]]]:
        return entries_of(self._db, event_type)

    def page(self, wanted: Wanted) -> list[StoredEvent]:
        """One page of entries, the newest first."""
        return list(self.newest(wanted))

    def newest(self, wanted: Wanted) -> Iterator[StoredEvent]:
        """The same one by one, so that a reader may stop before the end."""
        where, values = self._where(wanted)
        query = (
            f"SELECT {EVENT_COLUMNS} FROM events e WHERE {where} ORDER BY e.seq DESC LIMIT :limit"  # noqa: S608
        )
        return (StoredEvent(*row) for row in self._db.execute(query, values))

    def matching(self, wanted: Wanted) -> Iterator[StoredEvent]:
        """All entries of a list, the oldest first, however many there are."""
        where, values = self._where(wanted)
        query = f"SELECT {EVENT_COLUMNS} FROM events e WHERE {where} ORDER BY e.seq"  # noqa: S608
        return (StoredEvent(*row) for row in self._db.stream(query, values))

    def count(self, wanted: Wanted) -> int:
        """How many entries a list has, however many are asked for."""
        where, values = self._where(wanted)
        query = f"SELECT count(*) FROM events e WHERE {where}"  # noqa: S608
        (found,) = self._db.execute(query, values).fetchone()
        return int(found)

    def _where(self, wanted: Wanted) -> tuple[str, dict[str, object]]:
        clauses: list[str] = []
        values: dict[str, object] = {"limit": wanted.limit}
        for condition in conditions(wanted):
            values |= condition.values
            rare = self._db.execute(condition.count, condition.values).fetchone()[0] < FEW
            clauses.append(condition.as_list if rare else condition.of_event)
        return " AND ".join(clauses) or "1 = 1", values

    def find(self, name: str) -> StoredEvent | None:
        """The entry with this decision id or other event id, or with this `seq`."""
        is_number = name.isdecimal()
        column = "seq" if is_number else "event_id"
        value: int | str = min(int(name), _BEYOND) if is_number else name.lower()
        row = self._db.execute(
            f"SELECT {EVENT_COLUMNS} FROM events e WHERE e.{column} = ?",  # noqa: S608
            (value,),
        ).fetchone()
        return StoredEvent(*row) if row else None

    def about(self, decision: StoredEvent) -> list[StoredEvent]:
        """What followed a decision, oldest first: deliveries, and all feedback on its cards, the
        orphaned too."""
        cards = [card["uuid"] for card in decision.read().get("cards", ())]
        places = ", ".join("?" * len(cards)) or "NULL"  # PostgreSQL takes no empty list
        rows = self._db.execute(
            f"SELECT {EVENT_COLUMNS} FROM events e"  # noqa: S608
            " WHERE e.decision_id = ? AND e.decision_id <> e.event_id"
            f" UNION SELECT {EVENT_COLUMNS} FROM terms t JOIN events e ON e.seq = t.seq"
            f" WHERE t.field = 'card' AND t.value IN ({places}) AND e.event_type = 'feedback'"
            " ORDER BY 1",
            (decision.decision_id, *cards),
        )
        return [StoredEvent(*row) for row in rows]

    def following(self, decisions: Sequence[str]) -> list[StoredEvent]:
        """What names one of these decisions, oldest first: feedback that counts, deliveries. A few
        hundred at a time."""
        if not decisions:
            return []
        places = ", ".join("?" * len(decisions))
        rows = self._db.execute(
            f"SELECT {EVENT_COLUMNS} FROM events e"  # noqa: S608
            f" WHERE e.decision_id IN ({places}) AND e.decision_id <> e.event_id ORDER BY e.seq",
            tuple(decisions),
        )
        return [StoredEvent(*row) for row in rows]

    def content(self, event: StoredEvent, name: str) -> bytes | None:
        """The bytes that were sealed under this name; None where the entry has none.

        Raises AuditError where they are missing or are not the ones that were recorded,
        PayloadErased where they were erased, PayloadPurged where they were purged by age,
        KeysNeeded where the keys cannot be had here.
        """
        members = event.read()
        expected = members.get("sealed", {}).get("digests", {}).get(name)
        if expected is None:
            return None
        row = self._db.execute(
            f"SELECT {PAYLOAD_COLUMNS} FROM payloads WHERE seq = ? AND name = ?",  # noqa: S608
            (event.seq, name),
        ).fetchone()
        if row is None and members.get("patientPseudonym") in self.erased().pseudonyms:
            raise PayloadErased(f"the {name} of event {event.seq} was erased")
        if row is None and (purge := self.purge_of(event, name)) is not None:
            raise PayloadPurged(name, event.seq, purge)
        if row is None or (payload := Payload(*row)).digest != expected:
            raise AuditError(f"the {name} of event {event.seq} is missing or was altered")
        if payload.scheme == PLAIN or payload.key_id is None:
            return unseal(payload, None, Bond(event.event_id, 0))
        wrapped = key_named(self._db, payload.key_id)
        if wrapped is None:
            raise PayloadErased(f"the {name} of event {event.seq} was erased: its key is gone")
        if self._data_keys is None:
            raise KeysNeeded("the payloads of this log are encrypted, and no key file was named")
        key = self._data_keys.unwrap(payload.key_id, wrapped)
        bond = Bond(str(members.get("eventId")), members.get("schemaVersion", 0))
        return unseal(payload, key, bond)

    def pseudonyms(self, patient: PatientIdentity, keys: Sequence[PseudonymKey]) -> list[str]:
        """Every name this patient has in the log, under any of these keys."""
        names: list[str] = []
        for key in keys:
            rows = self._db.execute(
                "SELECT salt FROM patients WHERE lookup_id = ?", (key.lookup_id(patient),)
            )
            names += [key.pseudonym(patient, salt) for (salt,) in rows]
        return names

    def complaints(self) -> list[str]:
        """What the database itself finds wrong with its file."""
        return self._db.complaints()

    @contextmanager
    def complaints_meanwhile(self) -> Iterator[Callable[[], list[str]]]:
        """The same complaints, looked for beside what is done in the block: a second processor
        halves the time of `verify`."""
        if self._path is None:
            yield self.complaints
            return
        path = self._path
        with ThreadPoolExecutor(1) as beside:
            found = beside.submit(_complaints_of, path)
            yield found.result

    def odd_ones(self) -> list[str]:
        """The tables of one row whose row is not number 1, or is not alone."""
        return [
            table
            for table in ("log", "head")
            if self._db.execute(f"SELECT count(*), max(one) FROM {table}").fetchone()  # noqa: S608
            not in ((1, 1), (0, None))
        ]

    def definitions(self) -> frozenset[tuple[str, str]]:
        """Name and text of every table, index and trigger."""
        return self._db.definitions()

    def has_its_guards(self) -> bool:
        """Whether every table, index and trigger is as it was made."""
        return self._db.definitions_as_made() <= self._db.definitions()


def entries_of(db: Connection, event_type: EventType) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and members of each entry of a type, in order. What cannot be read is for `verify`."""
    rows = db.execute(
        f"SELECT {EVENT_COLUMNS} FROM events e WHERE e.event_type = ? ORDER BY e.seq",  # noqa: S608
        (event_type.value,),
    )
    for event in (StoredEvent(*row) for row in rows):
        with suppress(AuditError):
            yield event.seq, event.read()


def _complaints_of(path: Path) -> list[str]:
    with open_reader(path) as reader:
        return reader.complaints()


@contextmanager
def open_reader(address: Address, data_key_file: Path | None = None) -> Iterator[LogReader]:
    """A reader of the log at this address; AuditError where it cannot be read, also half-way.

    Payloads are opened with the keys of `data_key_file`, by default the file beside the log.
    """
    path = address if isinstance(address, Path) else None
    key_file = data_key_file or (default_data_key_file(path) if path else None)
    db = connect(address, read_only=True)
    try:
        yield LogReader(db, path, DataKeys(key_file) if key_file else None)
    except UNREADABLE as error:
        raise AuditError(f"the decision log cannot be read: {error}") from error
    finally:
        db.close()
