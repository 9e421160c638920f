"""The keys that payloads are sealed with: one for each patient, one of the log itself.

They stand in the log wrapped, under a key that does not: the current generation in a file of its
own. Whoever has the log alone, or the file alone, can open nothing. To destroy a wrapped key is to
erase all that it sealed.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cds_service.audit.address import Address, beside
from cds_service.audit.key_files import KEY_BYTES, create_key_file, read_keys
from cds_service.errors import AuditError

NAME = "data"
_ID_BYTES = 8
_NONCE_BYTES = 12
_WRAPS = b"refractory-cds data key\x1f"


class KeysNeeded(AuditError):
    """The file that the log's data keys are wrapped with cannot be had, or is not the right one."""


@dataclass(frozen=True)
class DataKey:
    """The key of one patient, or of the log; `key_id` is random and says nothing."""

    key_id: str
    secret: bytes = field(repr=False)

    @classmethod
    def new(cls) -> DataKey:
        return cls(secrets.token_hex(16), secrets.token_bytes(KEY_BYTES))

    @cached_property
    def cipher(self) -> AESGCM:
        """AES-256-GCM under this key."""
        return AESGCM(self.secret)


@dataclass(frozen=True)
class Generation:
    """One key that wraps the others; `key_id` names it without revealing it."""

    secret: bytes = field(repr=False)

    @cached_property
    def key_id(self) -> str:
        made = hashlib.sha256(b"refractory-cds data key generation" + self.secret)
        return made.digest()[:_ID_BYTES].hex()

    def wrap(self, key: DataKey) -> bytes:
        """The key as it is stored: generation, nonce, and AES-256-GCM over it, bound to its id."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        wrapped = self._cipher.encrypt(nonce, key.secret, _WRAPS + key.key_id.encode())
        return bytes.fromhex(self.key_id) + nonce + wrapped

    def unwrap(self, key_id: str, wrapped: bytes) -> DataKey:
        nonce, sealed = wrapped[_ID_BYTES:][:_NONCE_BYTES], wrapped[_ID_BYTES + _NONCE_BYTES :]
        try:
            return DataKey(key_id, self._cipher.decrypt(nonce, sealed, _WRAPS + key_id.encode()))
        except (InvalidTag, ValueError) as error:
            raise AuditError("a data key of the log was altered and cannot be unwrapped") from error

    @cached_property
    def _cipher(self) -> AESGCM:
        return AESGCM(hashlib.sha256(b"refractory-cds wraps data keys" + self.secret).digest())


def generation_of(wrapped: bytes) -> str:
    """The id of the generation that wrapped this key."""
    return wrapped[:_ID_BYTES].hex()


class DataKeys:
    """The generations of one key file, read when they are first needed, and again when the file
    has changed: a new generation needs no restart."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._state: tuple[int, int, int] | None = None
        self._generations: tuple[Generation, ...] = ()

    @property
    def file_exists(self) -> bool:
        return self._path.exists()

    def create(self) -> None:
        """Make the file, unless another process has."""
        create_key_file(self._path, NAME)

    def prepare(self) -> None:
        """Raise KeysNeeded where the file cannot be read."""
        self._read()

    @property
    def current(self) -> Generation:
        """The generation that wraps new keys; KeysNeeded where the file cannot be read."""
        return self._read()[-1]

    def wrap(self, key: DataKey) -> bytes:
        return self.current.wrap(key)

    def unwrap(self, key_id: str, wrapped: bytes) -> DataKey:
        """KeysNeeded where the file lacks the generation, AuditError where the key was altered."""
        wanted = generation_of(wrapped)
        for generation in self._read():
            if generation.key_id == wanted:
                return generation.unwrap(key_id, wrapped)
        raise KeysNeeded(f"the data key file lacks a generation that this log needs ({wanted})")

    def _read(self) -> tuple[Generation, ...]:
        """The generations; after a change of the file that makes it bad, still the earlier ones."""
        try:
            found = os.stat(self._path)
            state = (found.st_ino, found.st_mtime_ns, found.st_ctime_ns)
            if state != self._state:
                self._generations = tuple(map(Generation, read_keys(self._path, NAME)))
                self._state = state
        except OSError as error:
            if not self._generations:
                why = error.strerror
                raise KeysNeeded(f"the data key file cannot be read: {why}") from error
        except AuditError as error:
            if not self._generations:
                raise KeysNeeded(str(error)) from error
        return self._generations


def default_data_key_file(address: Address) -> Path:
    """Where the file lies unless a setting says otherwise. Better: on another disk."""
    return beside(address, ".data-key", "REFRACTORY_CDS_AUDIT_DATA_KEY_FILE")
