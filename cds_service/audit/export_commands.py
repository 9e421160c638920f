"""`refractory-cds audit export`: what leaves the log is written down first."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Annotated

import typer

from cds_service.audit import cli_text
from cds_service.audit.canonical import Json
from cds_service.audit.command_parts import (
    DataKeyFile,
    Db,
    OfType,
    Reason,
    SigningKeyFile,
    Time,
    clear_errors,
    event_type_named,
    record,
    signing_of,
    who,
)
from cds_service.audit.entries import export_event, reidentification_event
from cds_service.audit.events import EventType, utc_now
from cds_service.audit.export import Exported, ExportFormat, export
from cds_service.audit.fhir_export import Recipient
from cds_service.audit.filter_options import Asked, plain_query, with_filters
from cds_service.audit.listing import Wanted
from cds_service.audit.proof_commands import new_checkpoint
from cds_service.audit.reading import open_reader
from cds_service.audit.reidentifying import PRIVACY_OFFICER, Asking, demand_right, second_of_two
from cds_service.audit.reidentifying_commands import TwoPersons
from cds_service.errors import AuditError

STANDARD_OUTPUT = Path("-")


@with_filters
def export_entries(
    asked: Asked,
    db: Db,
    form: Annotated[
        ExportFormat,
        typer.Option("--format", help="Entries as hashed, a table of cards, or their feedback."),
    ],
    to: Annotated[
        Path, typer.Option("--to", metavar="FILE", help="A new file; `-` prints it.")
    ] = STANDARD_OUTPUT,
    since: Time = None,
    until: Time = None,
    event_type: OfType = None,
    identifiable: Annotated[
        bool,
        typer.Option(
            "--identifiable",
            help="Name the patients; of FHIR only, with --role, --reason and --recipient-key.",
        ),
    ] = False,
    role: Annotated[
        str | None, typer.Option(help=f"In which role; {PRIVACY_OFFICER} names patients.")
    ] = None,
    recipient_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Public key (JWK or PEM) of whom it is encrypted for."),
    ] = None,
    two_persons: TwoPersons = False,
    signing_key_file: SigningKeyFile = None,
    data_key_file: DataKeyFile = None,
    reason: Reason = None,
) -> None:
    """Write entries for others, pseudonymous: NDJSON that can be verified, CSV, Parquet, FHIR.

    Of NDJSON and FHIR every entry, of tables every decision, unless a filter says otherwise.
    """
    if identifiable:
        _demand(form, role, reason, recipient_key)
    is_table = form in (ExportFormat.CSV, ExportFormat.PARQUET, ExportFormat.FEEDBACK)
    by = who(reason, role or "operator")
    kind = event_type_named(event_type or (EventType.DECISION if is_table else "all"))
    query = asked.query | plain_query(type=event_type, since=since, until=until)
    of_export: dict[str, Json] = {"export": form, **query}
    with clear_errors(db):
        recipient = Recipient.of_file(recipient_key) if identifiable and recipient_key else None
        if not is_table and not query:  # so that as much as can be is signed for
            with suppress(AuditError):
                new_checkpoint(db, signing_of(db, signing_key_file, None))
        if str(to) != "-" and to.exists():
            raise AuditError(f"{to}: File exists")
        with _draft_for(to) as draft:
            with open_reader(db, data_key_file) as reader:
                having = asked.having(db, reader)
                asked_in = None
                if recipient:
                    asking = Asking(
                        by=by,
                        record=lambda event: record(db, event, data_key_file),
                        now=utc_now(),
                        needs_two=two_persons,
                    )
                    demand_right(by)
                    asked_in = second_of_two(reader, asking, query=of_export)
                wanted = Wanted(event_type=kind, since=since, until=until, having=having)
                with cli_text.progress_bar(reader.count(wanted), "exporting") as progress:
                    exported = export(
                        reader, wanted, asked.filter, form, draft, query, progress, recipient
                    )
            if recipient:
                naming = reidentification_event(
                    by,
                    state="answered",
                    query=of_export,
                    rows=exported.rows,
                    asked_in=asked_in,
                )
                record(db, naming, data_key_file)
            event = export_event(
                by,
                form=form,
                query=query,
                rows=exported.rows,
                digest=exported.digest,
                recipient=recipient.thumbprint if recipient else None,
            )
            record(db, event, data_key_file)
            _release(draft, to)
    _say(exported, to)


def _demand(
    form: ExportFormat, role: str | None, reason: str | None, recipient_key: Path | None
) -> None:
    """Raise for an export that would name patients without all that it needs."""
    lacking = {
        "--format fhir": form is ExportFormat.FHIR,
        f"--role {PRIVACY_OFFICER}": role == PRIVACY_OFFICER,
        "--reason": bool(reason and reason.strip()),
        "--recipient-key": recipient_key is not None,
    }
    missing = [option for option, is_there in lacking.items() if not is_there]
    if missing:
        raise typer.BadParameter(f"--identifiable also needs {', '.join(missing)}")


def _draft_for(to: Path) -> IO[bytes]:
    """Where it is written until it is on record; only its owner can read it."""
    folder = None if str(to) == "-" else to.resolve().parent
    try:
        return NamedTemporaryFile("w+b", dir=folder, prefix=".export-")
    except OSError as error:
        raise AuditError(f"{to}: {error.strerror}") from error


def _release(draft: IO[bytes], to: Path) -> None:
    draft.flush()
    if str(to) == "-":
        draft.seek(0)
        shutil.copyfileobj(draft, sys.stdout.buffer)
        sys.stdout.flush()
        return
    os.fsync(draft.fileno())
    try:
        os.link(draft.name, to)  # refuses where there is such a file
    except OSError as error:
        raise AuditError(f"{to}: {error.strerror}") from error


def _say(exported: Exported, to: Path) -> None:
    if str(to) != "-":
        typer.echo(f"{exported.rows} exported to {to}, {exported.digest}", err=True)
