"""What the `audit` commands share: options, the entry that each leaves, one line for what fails."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cds_service.audit.address import Address, address_of
from cds_service.audit.data_keys import DataKeys, default_data_key_file
from cds_service.audit.database_store import DatabaseStore
from cds_service.audit.entries import Reader
from cds_service.audit.envelope import Process, Recorder
from cds_service.audit.events import Event, EventType
from cds_service.audit.proofs import NotTheSameHistory
from cds_service.audit.signing import Signing
from cds_service.audit.signing_keys import default_signing_key_file
from cds_service.audit.store import Recorded
from cds_service.errors import AuditError, UsageError


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"


def log_at(text: str) -> Address:
    """The decision log's place on the command line."""
    try:
        return address_of(text)
    except UsageError as error:
        raise typer.BadParameter(str(error)) from error


Db = Annotated[
    Any,  # an Address: typer takes no unions
    typer.Option(
        "--db",
        envvar=["REFRACTORY_CDS_AUDIT_URL", "REFRACTORY_CDS_AUDIT_DB"],
        parser=log_at,
        metavar="FILE|URL",
        help="The decision log's file, or postgresql://… without a password.",
    ),
]
Output = Annotated[Format, typer.Option("--format", help="For people or for machines.")]
Reason = Annotated[
    str | None, typer.Option(help="Why you are reading; kept, sealed, with your name.")
]
AnchorFile = Annotated[
    Path | None,
    typer.Option(
        "--anchor-file",
        envvar="REFRACTORY_CDS_AUDIT_ANCHOR_FILE",
        help="The file to which the service adds its checkpoints.",
    ),
]
SigningKeyFile = Annotated[
    Path | None,
    typer.Option(
        "--signing-key-file",
        envvar="REFRACTORY_CDS_AUDIT_SIGNING_KEY_FILE",
        help="The file with the key that signs; beside the log by default.",
    ),
]

DataKeyFile = Annotated[
    Path | None,
    typer.Option(
        "--data-key-file",
        envvar="REFRACTORY_CDS_AUDIT_DATA_KEY_FILE",
        help="The file with the key that payloads hang on; beside the log by default.",
    ),
]


def data_keys_of(db: Address, key_file: Path | None) -> DataKeys:
    return DataKeys(key_file or default_data_key_file(db))


def moment(text: str) -> datetime:
    """A date or time of the command line; UTC where it names no zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter("not a date or time such as 2026-11-21T08:30") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


Time = Annotated[datetime | None, typer.Option(parser=moment, metavar="TIME")]
OfType = Annotated[str | None, typer.Option("--type", help="A type of entry, or `all`.")]


def event_type_named(name: str) -> EventType | None:
    """The type of this name; None for all."""
    if name == "all":
        return None
    try:
        return EventType(name)
    except ValueError as error:
        known = ", ".join(EventType)
        raise typer.BadParameter(f"--type is all, or one of {known}") from error


def signing_of(db: Address, key_file: Path | None, anchor_file: Path | None) -> Signing:
    return Signing(key_file or default_signing_key_file(db), anchor_file)


def record(db: Address, event: Event, data_key_file: Path | None = None) -> Recorded:
    """Append one entry; AuditError where that fails, so that nothing is read unrecorded."""
    keys = data_keys_of(db, data_key_file)
    store = DatabaseStore(db, Recorder(keys=(), data_keys=keys, process=Process.this()))
    try:
        (receipt,) = store.append([event])
    finally:
        store.close()
    if isinstance(receipt, AuditError):
        raise receipt
    return receipt


def who(reason: str | None, role: str = "operator") -> Reader:
    try:
        account = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        account = f"uid:{os.getuid()}"
    return Reader(account=account, role=role, reason=reason)


def write_new(path: Path, text: str) -> None:
    if str(path) == "-":
        sys.stdout.write(text)
        return
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise AuditError(f"{path}: {error.strerror}") from error


@contextmanager
def clear_errors(db: Address) -> Iterator[None]:
    """One line and exit code 2 for a log that cannot be read; 1 where it is not what it was."""
    try:
        yield
    except NotTheSameHistory as error:
        typer.echo(f"refractory-cds audit: {db}: {error}", err=True)
        raise typer.Exit(1) from error
    except AuditError as error:
        typer.echo(f"refractory-cds audit: {db}: {error}", err=True)
        raise typer.Exit(2) from error
