"""Files of secrets: one key a line in hexadecimal, the current one last, for their owner alone."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from cds_service.audit.files import new_file
from cds_service.errors import AuditError

KEY_BYTES = 32


def read_keys(path: Path, name: str) -> tuple[bytes, ...]:
    """The keys of this file, each of 256 bits or more; `name` is what errors call them.

    Raises AuditError where there is no such file, or it is no key file, or others may read it.
    """
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            lines = file.read().split()
    except OSError as error:
        raise AuditError(f"the {name} key file cannot be read: {error.strerror}") from error
    if mode & 0o077:
        raise AuditError(f"the {name} key file can be read by others: chmod 600 it")
    try:
        keys = tuple(bytes.fromhex(line) for line in lines)
    except ValueError as error:
        raise AuditError(f"the {name} key file is not lines of hexadecimal digits") from error
    if not keys or any(len(key) < KEY_BYTES for key in keys):
        raise AuditError(f"the {name} key file has no key of 256 bits or more")
    return keys


def create_key_file(path: Path, name: str) -> None:
    """A new file with one new key; of several processes, one makes it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with new_file(path) as draft:
            draft.write_text(secrets.token_hex(KEY_BYTES) + "\n", encoding="ascii")
    except OSError as error:
        raise AuditError(f"the {name} key file cannot be made: {error.strerror}") from error
