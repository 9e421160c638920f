"""Which data key seals which entry: rows of `patients` and `log_keys`, chosen before the log's lock
is taken and confirmed under it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from cds_service.audit.data_keys import DataKey, DataKeys
from cds_service.audit.database import Connection
from cds_service.audit.envelope import Draft
from cds_service.audit.events import EventType
from cds_service.audit.pseudonyms import PatientIdentity, PseudonymKey, new_salt

# Cast, so that what somebody stored with another type is judged by its bytes.
_WRAPPED = "coalesce(CAST(wrapped_key AS BLOB), x'')"
_PATIENT = f"SELECT salt, data_key_id, {_WRAPPED} FROM patients WHERE lookup_id = ?"  # noqa: S608
_PATIENTS = f"""
SELECT lookup_id, salt, data_key_id, {_WRAPPED} FROM patients WHERE lookup_id IN ({{}})
"""  # noqa: S608
_BY_KEY = f"SELECT {_WRAPPED} FROM patients WHERE data_key_id = ?"  # noqa: S608
_OF_LOG = f"SELECT key_id, {_WRAPPED} FROM log_keys ORDER BY number DESC LIMIT 1"  # noqa: S608
_CARD = """
SELECT envelope FROM terms JOIN events USING (seq)
 WHERE field = 'card' AND value = ? AND event_type = 'decision' ORDER BY seq LIMIT 1
"""
_DECISION = "SELECT envelope FROM events WHERE event_id = ? AND event_type = 'decision'"
_ANY = """
SELECT EXISTS (SELECT 1 FROM log_keys)
    OR EXISTS (SELECT 1 FROM patients WHERE data_key_id IS NOT NULL)
"""

_NAMED = f"""
SELECT {_WRAPPED} FROM patients WHERE data_key_id = :key_id
 UNION ALL SELECT {_WRAPPED} FROM log_keys WHERE key_id = :key_id
"""  # noqa: S608 # our own texts


class KeysMoved(Exception):
    """A key that was chosen is not the one in force any more: the entry is to be sealed anew."""


@dataclass(frozen=True, slots=True)
class PatientRow:
    """A patient's row in the log, as it is or as it is to be."""

    lookup_id: bytes
    pseudonym_key: PseudonymKey
    salt: bytes
    data_key: DataKey | None
    is_new: bool


@dataclass(frozen=True, slots=True)
class Chosen:
    """What an entry is sealed with. No key: its contents are withheld, or it has none."""

    key: DataKey | None = None
    patient: PatientRow | None = None
    is_new_of_log: bool = False


class Cabinet:
    """The keys that entries of one batch need. Entries about one new patient get one key."""

    def __init__(
        self, db: Connection, keys: DataKeys, pseudonym_keys: tuple[PseudonymKey, ...]
    ) -> None:
        self._db = db
        self._keys = keys
        self._pseudonym_keys = pseudonym_keys
        self._patients: dict[bytes, PatientRow] = {}
        self._found: dict[bytes, Any] = {}
        self._of_log: tuple[DataKey, bool] | None = None

    def look_up(self, drafts: Sequence[Draft]) -> None:
        """Ask for the patients of several entries at once, rather than one by one by `choose`."""
        patients = {one.event.patient for one in drafts if one.event.patient}
        if len(patients) > 1:
            self._ask([self._pseudonym_keys[-1].lookup_id(patient) for patient in patients])

    def look_again(self, chosen: Sequence[Chosen]) -> None:
        """The same before `confirm`. Under the lock."""
        self._ask(sorted({one.patient.lookup_id for one in chosen if one.patient}))

    def _ask(self, lookup_ids: Sequence[bytes]) -> None:
        self._found = {}
        if len(lookup_ids) > 1:
            rows = self._db.execute(_PATIENTS.format(", ".join("?" * len(lookup_ids))), lookup_ids)
            self._found = dict.fromkeys(lookup_ids) | {row[0]: row[1:] for row in rows}

    def _row_of(self, lookup_id: bytes) -> Any:
        """Salt, id of the data key, wrapped key; None where the log has no such patient."""
        if lookup_id in self._found:
            return self._found[lookup_id]
        return self._db.execute(_PATIENT, (lookup_id,)).fetchone()

    def choose(self, draft: Draft) -> Chosen:
        """What to seal this entry with; AuditError where the keys for it cannot be had."""
        event = draft.event
        if event.patient:
            patient = self._patient(event.patient, has_contents=bool(draft.packed))
            return Chosen(patient.data_key, patient)
        if not draft.packed:
            return Chosen()
        if event.type is EventType.FEEDBACK:
            found = self._of_decision(_CARD, str(event.members.get("card")))
            if found:
                return Chosen(found[0])
        if event.type is EventType.REVIEW:
            found = self._of_decision(_DECISION, str(event.members.get("decisionId")))
            if found:
                return Chosen(found[0])
        key, is_new = self.of_log()
        return Chosen(key, is_new_of_log=is_new)

    def confirm(self, chosen: Chosen) -> None:
        """Write down what is new; KeysMoved where another process was first. Under the lock."""
        patient = chosen.patient
        if patient is not None:
            self._confirm_patient(patient)
        elif chosen.is_new_of_log and chosen.key:
            row = self._db.execute(_OF_LOG).fetchone()
            if row is None:
                wrapped = self._keys.wrap(chosen.key)
                insert = "INSERT INTO log_keys (key_id, wrapped_key) VALUES (?, ?)"
                self._db.execute(insert, (chosen.key.key_id, wrapped))
            elif row[0] != chosen.key.key_id:
                raise KeysMoved

    def of_log(self) -> tuple[DataKey, bool]:
        """The log's own key, and whether it is a new one that is not in the log yet."""
        if self._of_log is None:
            row = self._db.execute(_OF_LOG).fetchone()
            self._of_log = (self._keys.unwrap(*row), False) if row else (self._new_key(), True)
        return self._of_log

    def _patient(self, patient: PatientIdentity, *, has_contents: bool) -> PatientRow:
        key = self._pseudonym_keys[-1]
        lookup_id = key.lookup_id(patient)
        row = self._patients.get(lookup_id)
        if row is None:
            found = self._row_of(lookup_id)
            salt, key_id, wrapped = found or (new_salt(), None, b"")
            if key_id is not None:
                data_key: DataKey | None = self._keys.unwrap(key_id, wrapped)
            else:
                data_key = self._new_key() if has_contents else None
            is_new = key_id is None
            row = PatientRow(lookup_id, key, salt, data_key, is_new)
            self._patients[lookup_id] = row
        return row

    def _confirm_patient(self, patient: PatientRow) -> None:
        found = self._row_of(patient.lookup_id)
        key = patient.data_key
        key_id = key.key_id if key else None
        if found and found[:2] == (patient.salt, key_id):
            return
        if not patient.is_new or (found and (found[0] != patient.salt or found[1])):
            raise KeysMoved
        wrapped = self._keys.wrap(key) if key else None
        self._found[patient.lookup_id] = (patient.salt, key_id, wrapped)
        if found is None:
            row = (patient.lookup_id, patient.pseudonym_key.key_id, patient.salt, wrapped, key_id)
            self._db.execute("INSERT INTO patients VALUES (?, ?, ?, ?, ?)", row)
        elif key:
            self._db.give_patient_key(patient.lookup_id, self._keys.wrap(key), key.key_id)

    def _of_decision(self, query: str, name: str) -> tuple[DataKey | None] | None:
        """The key of the patient whom this card or decision was about; no key where that was
        destroyed, and nothing where it cannot be told."""
        row = self._db.execute(query, (name,)).fetchone()
        key_id = msgspec.json.decode(row[0]).get("sealed", {}).get("keyId") if row else None
        if key_id is None:
            return None
        found = self._db.execute(_BY_KEY, (key_id,)).fetchone()
        if found:
            return (self._keys.unwrap(key_id, found[0]),)
        of_log = self._db.execute("SELECT 1 FROM log_keys WHERE key_id = ?", (key_id,)).fetchone()
        return None if of_log else (None,)

    def _new_key(self) -> DataKey:
        """A key that nothing is sealed with yet. The file with the key that wraps it is made only
        as long as there is nothing that another one wraps."""
        if not self._keys.file_exists and not self._db.execute(_ANY).fetchone()[0]:
            self._keys.create()
        self._keys.prepare()
        return DataKey.new()


def key_named(db: Connection, key_id: str) -> bytes | None:
    """The wrapped key with this id; None where there is none (any more)."""
    try:
        row = db.execute(_NAMED, {"key_id": key_id}).fetchone()
    except sqlite3.OperationalError as error:
        if "no such" in str(error):  # column or table: a log of before there were keys
            return None
        raise
    return row[0] if row else None
