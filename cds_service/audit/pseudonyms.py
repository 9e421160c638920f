"""Patients without their ids: a keyed pseudonym, and the key file that it hangs on.

A plain or salted hash would not do: patient ids can be counted through. Without the key file the
database gives no id away, whoever tries however many.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from cds_service.audit.card_names import CardNames
from cds_service.audit.files import new_file
from cds_service.errors import AuditError

_SEPARATOR = b"\x1f"
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class PatientIdentity:
    """Who a chart is about: an id is unique on one server of one tenant only.

    Raises ValueError where a part is no text that could be hashed.
    """

    tenant: str
    fhir_server: str
    patient_id: str

    def __post_init__(self) -> None:
        if self.as_bytes().count(_SEPARATOR) != 2:
            raise ValueError("a patient's identity holds a control character")

    def as_bytes(self) -> bytes:
        parts = (self.tenant, self.fhir_server.rstrip("/"), self.patient_id)
        return _SEPARATOR.join(part.encode() for part in parts)


@dataclass(frozen=True, slots=True)
class PseudonymKey:
    """One generation of the secret, 256 bits; `key_id` names it without revealing it."""

    secret: bytes

    @property
    def key_id(self) -> str:
        return hashlib.sha256(b"refractory-cds pseudonym key id" + self.secret).hexdigest()[:16]

    def lookup_id(self, patient: PatientIdentity) -> bytes:
        """Where the patient's salt is kept. Made with a key derived from this one."""
        derived = hmac.digest(self.secret, b"refractory-cds patient lookup", "sha256")
        return hmac.digest(derived, patient.as_bytes(), "sha256")

    def pseudonym(self, patient: PatientIdentity, salt: bytes) -> str:
        """The patient's name in the log; gone for good once the salt is deleted."""
        return hmac.digest(self.secret, patient.as_bytes() + _SEPARATOR + salt, "sha256").hex()

    def card_names(self, patient: PatientIdentity, salt: bytes) -> CardNames:
        """What the patient's cards are about, in the log; gone for good with the salt, too."""
        derived = hmac.digest(self.secret, b"refractory-cds earlier cards", "sha256")
        message = patient.as_bytes() + _SEPARATOR + salt
        return CardNames(hmac.digest(derived, message, "sha256"))


def new_salt() -> bytes:
    return secrets.token_bytes(32)


def load_or_create_keys(path: Path) -> tuple[PseudonymKey, ...]:
    """The keys of this file; if there is none, of a new file with one key."""
    if not path.exists():
        _create(path)
    return load_keys(path)


def load_keys(path: Path) -> tuple[PseudonymKey, ...]:
    """The keys of this file: one a line in hexadecimal, the current one last.

    A line that is taken out is a retired key: its patients can no longer be searched for. Raises
    AuditError where there is no such file, or it is no key file, or others may read it.
    """
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            lines = file.read().split()
    except OSError as error:
        raise AuditError(f"the pseudonym key file cannot be read: {error.strerror}") from error
    if mode & 0o077:
        raise AuditError("the pseudonym key file can be read by others: chmod 600 it")
    try:
        keys = tuple(PseudonymKey(bytes.fromhex(line)) for line in lines)
    except ValueError as error:
        raise AuditError("the pseudonym key file is not lines of hexadecimal digits") from error
    if not keys or any(len(key.secret) < _KEY_BYTES for key in keys):
        raise AuditError("the pseudonym key file has no key of 256 bits or more")
    return keys


def _create(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with new_file(path) as draft:
            draft.write_text(secrets.token_hex(_KEY_BYTES) + "\n", encoding="ascii")
    except OSError as error:
        raise AuditError(f"the pseudonym key file cannot be made: {error.strerror}") from error
