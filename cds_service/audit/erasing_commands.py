"""`refractory-cds audit`: erase, rewrap."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from cds_service.audit.command_parts import (
    DataKeyFile,
    Db,
    Reason,
    clear_errors,
    data_keys_of,
    who,
)
from cds_service.audit.decision import patient_of
from cds_service.audit.erasing import erase as erase_patient
from cds_service.audit.events import Client
from cds_service.audit.log import default_key_file
from cds_service.audit.pseudonyms import load_keys
from cds_service.audit.rewrapping import rewrap as rewrap_keys
from cds_service.errors import AuditError

KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key-file",
        envvar="REFRACTORY_CDS_AUDIT_KEY_FILE",
        help="The file with the pseudonym keys; beside the log by default.",
    ),
]


def erase(
    db: Db,
    patient: Annotated[
        str,
        typer.Option(
            "--patient",
            metavar="ID",
            help="The patient's id; `-` reads it from the standard input.",
        ),
    ],
    ground: Annotated[
        str, typer.Option("--ground", metavar="TEXT", help="Legal ground and case; kept, sealed.")
    ],
    fhir_server: Annotated[
        str | None, typer.Option(metavar="URL", help="`fhirServer` as the calls named it.")
    ] = None,
    client: Annotated[
        str | None, typer.Option(metavar="ISS", help="`iss` of the client that called.")
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="Tenant of that client.")] = None,
    policy: Annotated[
        str, typer.Option(metavar="CODE", help="Code of the policy; stands in the entry.")
    ] = "erasure-request",
    key_file: KeyFile = None,
    data_key_file: DataKeyFile = None,
) -> None:
    """Erase a patient for good: destroy the keys to all payloads, and the way to the pseudonym.

    Envelopes stay, and tell nobody's name. Backups of the log and of its keys are not reached.
    """
    with clear_errors(db):
        try:
            named = sys.stdin.readline().strip() if patient == "-" else patient
            whom = patient_of(Client(iss=client, tenant=tenant), fhir_server, named)
        except ValueError as error:
            raise AuditError(str(error)) from error
        if not ground.strip():
            raise AuditError("an erasure needs its ground")
        done = erase_patient(
            db,
            whom,
            load_keys(key_file or default_key_file(db)),
            data_keys_of(db, data_key_file),
            by=who(None),
            policy=policy,
            ground=ground,
        )
    typer.echo(f"erased: {done.rows} pseudonym(s); the envelopes stay, and name nobody")
    if done.payloads_deleted:
        typer.echo(f"{done.payloads_deleted} payloads that no key of the patient sealed: deleted")
    if not done.is_flushed:
        typer.echo(
            "readers keep the write-ahead log in use: what was destroyed stands in it until the"
            " service has stopped, or the next checkpoint of SQLite",
            err=True,
        )


def rewrap(db: Db, data_key_file: DataKeyFile = None, reason: Reason = None) -> None:
    """Wrap all data keys under the newest key of the data key file; payloads are not touched."""
    with clear_errors(db):
        keys = data_keys_of(db, data_key_file)
        found = rewrap_keys(db, keys, who(reason))
        current = keys.current.key_id
    typer.echo(f"under generation {current}: {found.total()} keys wrapped anew")
    for generation, count in sorted(found.items()):
        typer.echo(f"{count} were under {generation}, which nothing needs any more")


erasing_commands: dict[str, Callable[..., None]] = {"erase": erase, "rewrap": rewrap}
