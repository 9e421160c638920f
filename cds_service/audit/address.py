"""Where a decision log lies: a file of SQLite, or a database of a PostgreSQL server."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from cds_service.audit.database import Connection, Look
from cds_service.audit.sqlite_file import file_ids, open_log
from cds_service.audit.sqlite_look import SqliteLook
from cds_service.errors import AuditError, UsageError

SCHEMES = ("postgresql://", "postgres://")


@dataclass(frozen=True, slots=True)
class PostgresAddress:
    """`postgresql://role@host:port/database?…`, as libpq reads it; never with a password."""

    url: str

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            has_password = parts.password is not None
            names = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
        except ValueError:
            raise UsageError("the decision log's address is none") from None
        if has_password or {"password", "sslpassword"} & set(names):
            raise UsageError(
                "a password does not belong in the decision log's address: put it into a password"
                " file (PGPASSFILE, or ?passfile=…)"
            )

    def __str__(self) -> str:
        return self.url

    @property
    def password_file(self) -> Path | None:
        """The password file that the address names."""
        for name, value in parse_qsl(urlsplit(self.url).query):
            if name == "passfile":
                return Path(unquote(value))
        return None


Address = Path | PostgresAddress


def address_of(text: str) -> Address:
    """What an address on the command line or in a setting means; UsageError where it is none."""
    if text.startswith(SCHEMES):
        return PostgresAddress(text)
    if "://" in text:
        raise UsageError("a decision log lies in a file or at postgresql://…, nowhere else")
    return Path(text)


def connect(
    address: Address, *, patience_seconds: float = 5.0, read_only: bool = False
) -> Connection:
    """A connection to an existing log; AuditError where there is none or it is not one of ours.

    Waits up to `patience_seconds` for other writers.
    """
    if isinstance(address, Path):
        return open_log(address, patience_seconds=patience_seconds, read_only=read_only)
    from cds_service.audit.postgres.connection import open_postgres  # loaded where it is used

    return open_postgres(address, patience_seconds=patience_seconds)


def look_at(address: Address) -> Look:
    """How to see whether this log is still the one it was."""
    if isinstance(address, Path):
        return SqliteLook(address)
    from cds_service.audit.postgres.connection import PostgresLook  # loaded where it is used

    return PostgresLook()


def identity(address: Address) -> tuple[tuple[int, int], ...] | None:
    """What bears the log's name now; None where nothing does. A server answers for its own."""
    return file_ids(str(address)) if isinstance(address, Path) else ()


def is_here(address: Address) -> bool:
    """Whether there is a log at this address, as far as that can be told without opening it."""
    return address.is_file() if isinstance(address, Path) else True


def beside(address: Address, suffix: str, setting: str) -> Path:
    """A file beside the log's; AuditError where the log lies in no file."""
    if isinstance(address, Path):
        return address.with_name(address.name + suffix)
    raise AuditError(f"the decision log lies in PostgreSQL: {setting} has to be set")


def file_of(address: Address) -> tuple[int, int] | None:
    """Device and inode of the log's file, None on a server; AuditError where there is none."""
    if not isinstance(address, Path):
        return None
    try:
        found = os.stat(address)
    except OSError as error:
        raise AuditError(f"there is no such decision log: {error.strerror}") from error
    return found.st_dev, found.st_ino
