"""Checkpoints: how many entries the log had under which root, as its key signed it."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from cds_service.audit.notes import Note, SigningKey, sign
from cds_service.audit.tree import HASH_BYTES

ORIGIN = "refractory-cds/"
_LARGEST = 2**63 - 1


def origin_of(log_id: str) -> str:
    """The first line of each checkpoint of this log, and the name of its keys."""
    return ORIGIN + log_id


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The log of this id had this many entries under this Merkle root."""

    log_id: str
    size: int
    root: bytes

    def as_text(self) -> str:
        """Three lines: origin, size, root in base64. It names no patient and can be printed.

        Source: C2SP tlog-checkpoint, the body of a checkpoint.
        """
        root = base64.b64encode(self.root).decode()
        return f"{origin_of(self.log_id)}\n{self.size}\n{root}\n"

    def signed_by(self, key: SigningKey) -> Note:
        return sign(self.as_text(), key)

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read what `as_text` wrote, spelt as it writes it; ValueError where it is anything else.

        Further lines, which the specification allows and we do not write, are left aside.
        """
        lines = text.split("\n")
        if len(lines) < 4 or not lines[0].startswith(ORIGIN):
            raise ValueError("a checkpoint is origin, size and root, a line each")
        try:
            root = base64.b64decode(lines[2], validate=True)
        except (binascii.Error, ValueError):
            root = b""
        size = lines[1]
        if not (size.isascii() and size.isdecimal() and len(root) == HASH_BYTES):
            raise ValueError("a checkpoint is origin, size and root, a line each")
        made = cls(lines[0].removeprefix(ORIGIN), int(size[:20]), root)
        if not text.startswith(made.as_text()) or made.size > _LARGEST:
            raise ValueError("a checkpoint's size or root is not spelt as it should be")
        return made


def read_note(whole: str) -> tuple[Checkpoint, Note]:
    """The checkpoint in a note, signed or not; ValueError where there is none."""
    note = Note.parse(whole)
    return Checkpoint.parse(note.text), note
