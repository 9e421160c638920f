"""The file with the keys that sign checkpoints: readable by its owner alone, and best by nobody who
administers the database.

A line is a key, named after its log, so that one file can serve a log that is begun anew. Two lines
for one log stand there only while its key is being rotated.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cds_service.audit.address import Address, beside
from cds_service.audit.notes import SigningKey
from cds_service.errors import AuditError


def default_signing_key_file(address: Address) -> Path:
    """Where the signing key lies unless a setting says otherwise. Better: on another disk."""
    return beside(address, ".signing-key", "REFRACTORY_CDS_AUDIT_SIGNING_KEY_FILE")


def load_signing_keys(path: Path, origin: str) -> tuple[SigningKey, ...]:
    """The keys of this log in this file, the newest last.

    Raises AuditError where there is no such file, it is no key file, or others may read it.
    """
    return tuple(key for key in _read(path) if key.name == origin)


def load_or_create_signing_key(path: Path, origin: str) -> SigningKey:
    """The key of this log in this file, made first where there is none."""
    with _changing(path):
        keys = _read(path) if path.exists() else ()
        ours = [key for key in keys if key.name == origin]
        if not ours:
            ours = [SigningKey.new(origin)]
            _write(path, (*keys, *ours))
        return ours[-1]


@contextmanager
def rotation(
    path: Path, old: SigningKey | None, origin: str, is_in_use: Callable[[SigningKey], bool]
) -> Iterator[SigningKey]:
    """A new key beside the old one while the block tells the log of it; then the old one is gone.

    After a crash half-way both keys are there, and the log tells which of them is its key. A key
    that was left so, and that the log does not use, is taken up again.
    """
    with _changing(path):
        keys = _read(path) if path.exists() else ()
        left = [key for key in keys if key.name == origin and not is_in_use(key)]
        new = left[-1] if left else SigningKey.new(origin)
        others = tuple(key for key in keys if key.name != origin)
        _write(path, (*others, *((old,) if old else ()), new))
        yield new
        _write(path, (*others, new))


def _read(path: Path) -> tuple[SigningKey, ...]:
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            lines = file.read().split()
    except OSError as error:
        raise AuditError(f"the signing key file cannot be read: {error.strerror}") from error
    if mode & 0o077:
        raise AuditError("the signing key file can be read by others: chmod 600 it")
    try:
        return tuple(map(SigningKey.parse, lines))
    except ValueError as error:
        raise AuditError("the signing key file holds something else than keys") from error


def _write(path: Path, keys: Sequence[SigningKey]) -> None:
    """The whole file or none of it, also after a crash."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(handle, "w", encoding="ascii") as file:
                file.writelines(key.secret_line() + "\n" for key in keys)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)
        _flush_folder(path)
    except OSError as error:
        raise AuditError(f"the signing key file cannot be written: {error.strerror}") from error


@contextmanager
def _changing(path: Path) -> Iterator[None]:
    """One process at a time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder = os.open(path.parent, os.O_RDONLY)
    except OSError as error:
        raise AuditError(f"the signing key file cannot be made: {error.strerror}") from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _flush_folder(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
