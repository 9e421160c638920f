"""Signed notes: a few lines of text and, below them, who signed them.

Source: C2SP signed-note (https://c2sp.org/signed-note). Only Ed25519 is signed with and checked;
signatures of other kinds, and by keys that are not known, are carried along and count for nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

_ED25519 = b"\x01"
_SIGNED = "\N{EM DASH} "
_SECRET = "PRIVATE+KEY+"  # noqa: S105 - how a key file's line begins
_KEY_BYTES, _SIGNATURE_BYTES, _ID_BYTES = 32, 64, 4


@dataclass(frozen=True, slots=True)
class Signature:
    """One line below a note: whose name it has, the id of the key, the signature itself."""

    name: str
    key_id: bytes
    value: bytes

    def __str__(self) -> str:
        return f"{_SIGNED}{self.name} {base64.b64encode(self.key_id + self.value).decode()}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """`text` is what was signed, each line with its end."""

    text: str
    signatures: tuple[Signature, ...] = ()

    def __str__(self) -> str:
        below = "\n" + "".join(map(str, self.signatures)) if self.signatures else ""
        return self.text + below

    @classmethod
    def parse(cls, whole: str) -> Note:
        """Read a note; without signatures it is its text alone. ValueError where it is none."""
        if not whole.endswith("\n") or any(ord(c) < 0x20 and c != "\n" for c in whole):
            raise ValueError("a note is lines of text")
        text, gap, below = whole.rpartition(f"\n\n{_SIGNED}")
        if not gap:
            if whole.startswith(("\n", _SIGNED)):
                raise ValueError("a note begins with its text")
            return cls(whole)
        signatures = tuple(map(_signature, (_SIGNED + below).splitlines()))
        return cls(text + "\n", signatures)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that signatures are checked with; `name` is that of the log."""

    name: str
    value: bytes

    def __post_init__(self) -> None:
        if len(self.value) != _KEY_BYTES or not _is_key_name(self.name):
            raise ValueError("not an Ed25519 key with a name")

    @property
    def key_id(self) -> bytes:
        stated = f"{self.name}\n".encode() + _ED25519 + self.value
        return hashlib.sha256(stated).digest()[:_ID_BYTES]

    def __str__(self) -> str:
        """One line: name, id, key. Source: C2SP signed-note, verifier keys (vkey)."""
        value = base64.b64encode(_ED25519 + self.value).decode()
        return f"{self.name}+{self.key_id.hex()}+{value}"

    @classmethod
    def parse(cls, line: str) -> PublicKey:
        """Read such a line; ValueError where it is none."""
        name, value = _key_parts(line)
        key = cls(name, value)
        if line != str(key):
            raise ValueError("the id of a key is not that of the key")
        return key

    def has_signed(self, note: Note) -> bool:
        """Whether the note bears a signature of this key, and none of it that is wrong."""
        ours = [
            one for one in note.signatures if (one.name, one.key_id) == (self.name, self.key_id)
        ]
        return bool(ours) and all(self._made(one.value, note.text) for one in ours)

    def _made(self, signature: bytes, text: str) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.value).verify(signature, text.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs; `seed` is the secret, 256 bits."""

    name: str
    seed: bytes

    @classmethod
    def new(cls, name: str) -> SigningKey:
        return cls(name, Ed25519PrivateKey.generate().private_bytes_raw())

    @property
    def public(self) -> PublicKey:
        secret = Ed25519PrivateKey.from_private_bytes(self.seed)
        return PublicKey(self.name, secret.public_key().public_bytes_raw())

    def sign(self, text: str) -> Signature:
        value = Ed25519PrivateKey.from_private_bytes(self.seed).sign(text.encode())
        return Signature(self.name, self.public.key_id, value)

    def secret_line(self) -> str:
        """The line of a key file: as Go's note package writes signer keys."""
        value = base64.b64encode(_ED25519 + self.seed).decode()
        return f"{_SECRET}{self.name}+{self.public.key_id.hex()}+{value}"

    @classmethod
    def parse(cls, line: str) -> SigningKey:
        """Read such a line; ValueError, which does not quote it, where it is none."""
        if not line.startswith(_SECRET):
            raise ValueError("not a signing key")
        key = cls(*_key_parts(line.removeprefix(_SECRET)))
        if key.secret_line() != line:
            raise ValueError("the id of a signing key is not that of the key")
        return key


def sign(text: str, *keys: SigningKey) -> Note:
    return Note(text, tuple(key.sign(text) for key in keys))


def signer_of(note: Note, keys: Sequence[PublicKey]) -> PublicKey | None:
    """The first of these keys that has signed the note."""
    return next((key for key in keys if key.has_signed(note)), None)


def _signature(line: str) -> Signature:
    name, gap, value = line.removeprefix(_SIGNED).partition(" ")
    decoded = _decoded(value)
    if not (line.startswith(_SIGNED) and gap and _is_key_name(name) and len(decoded) > _ID_BYTES):
        raise ValueError("a line below a note is no signature")
    return Signature(name, decoded[:_ID_BYTES], decoded[_ID_BYTES:])


def _key_parts(line: str) -> tuple[str, bytes]:
    name, key_id, value = (*line.split("+", 2), "", "")[:3]
    decoded = _decoded(value)
    if len(key_id) != 2 * _ID_BYTES or decoded[:1] != _ED25519 or len(decoded) != 1 + _KEY_BYTES:
        raise ValueError("not an Ed25519 key")
    return name, decoded[1:]


def _decoded(value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not base64") from None


def _is_key_name(name: str) -> bool:
    return bool(name) and not any(c.isspace() or c == "+" for c in name)
