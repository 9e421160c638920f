"""Patients without their ids: a keyed pseudonym, and the key file that it hangs on.

A plain or salted hash would not do: patient ids can be counted through. Without the key file the
database gives no id away, whoever tries however many.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from pathlib import Path

from cds_service.audit.card_names import CardNames
from cds_service.audit.key_files import create_key_file, read_keys

_SEPARATOR = b"\x1f"
_NAME = "pseudonym"


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
        create_key_file(path, _NAME)
    return load_keys(path)


def load_keys(path: Path) -> tuple[PseudonymKey, ...]:
    """The keys of this file: one a line in hexadecimal, the current one last.

    A line that is taken out is a retired key: its patients can no longer be searched for. Raises
    AuditError where there is no such file, or it is no key file, or others may read it.
    """
    return tuple(PseudonymKey(secret) for secret in read_keys(path, _NAME))
