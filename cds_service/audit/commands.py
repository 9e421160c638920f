"""`refractory-cds audit`: list, show, verify, anchor; export and the commands about proofs stand in
files of their own. Every reading leaves an entry of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cds_service.audit import cli_text
from cds_service.audit.address import Address
from cds_service.audit.canonical import Json
from cds_service.audit.checkpoint import Checkpoint
from cds_service.audit.command_parts import (
    AnchorFile,
    DataKeyFile,
    Db,
    Format,
    Output,
    Reason,
    SigningKeyFile,
    Time,
    clear_errors,
    event_type_named,
    record,
    signing_of,
    who,
    write_new,
)
from cds_service.audit.entries import access_event, verification_event
from cds_service.audit.entry_text import print_entry
from cds_service.audit.erasing_commands import erasing_commands
from cds_service.audit.events import EventType, id_shaped
from cds_service.audit.export_commands import export_entries
from cds_service.audit.feedback_commands import feedback
from cds_service.audit.filter_options import Asked, plain_query, with_filters
from cds_service.audit.findings import Report
from cds_service.audit.hold_commands import hold_commands
from cds_service.audit.listing import Wanted
from cds_service.audit.migrate_command import migrate
from cds_service.audit.proof_commands import anchors_in, keys_in, new_checkpoint, proof_commands
from cds_service.audit.purge_commands import purge_commands
from cds_service.audit.reading import open_reader
from cds_service.audit.reidentifying_commands import reidentify_patient
from cds_service.audit.review_commands import review
from cds_service.audit.searching import MOST_LOOKED_AT, page
from cds_service.audit.showing import summary, whole_entry
from cds_service.audit.verify import Brought
from cds_service.audit.verify import verify as verify_log
from cds_service.errors import AuditError

audit_app = typer.Typer(
    help="Read, verify and prove the decision log; erase a patient.", no_args_is_help=True
)
audit_app.command("export")(export_entries)
audit_app.command("migrate")(migrate)
audit_app.command("feedback")(feedback)
audit_app.command("review")(review)
audit_app.command("reidentify")(reidentify_patient)
for _name, _command in (proof_commands | erasing_commands | hold_commands | purge_commands).items():
    audit_app.command(_name)(_command)


@audit_app.command("list")
@with_filters
def list_entries(
    asked: Asked,
    db: Db,
    since: Time = None,
    until: Time = None,
    event_type: Annotated[
        str, typer.Option("--type", help="A type of entry, or `all`.")
    ] = EventType.DECISION,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most entries to list.")] = 50,
    before: Annotated[
        int | None, typer.Option(metavar="SEQ", help="Only entries before this one: the next page.")
    ] = None,
    after: Annotated[
        int | None, typer.Option(metavar="SEQ", help="Only entries after this one.")
    ] = None,
    look_at: Annotated[
        int, typer.Option(min=0, help="Look through so many entries a page; 0: through all.")
    ] = MOST_LOOKED_AT,
    output: Output = Format.TEXT,
    data_key_file: DataKeyFile = None,
    reason: Reason = None,
) -> None:
    """List entries, the newest first. All filters that are given hold."""
    query = asked.query | plain_query(
        type=event_type, since=since, until=until, before=before, after=after
    )
    with clear_errors(db):
        with open_reader(db) as reader:
            wanted = Wanted(
                event_type=event_type_named(event_type),
                since=since,
                until=until,
                having=asked.having(db, reader),
                before=before,
                after=after,
                limit=limit,
            )
            found = page(reader, wanted, asked.filter, look_at)
            entries = [summary(event, reader) for event in found.events]
        event = access_event(who(reason), command="list", query=query, rows=len(entries))
        record(db, event, data_key_file)
    if output is Format.JSON:
        cli_text.print_json(entries)
    else:
        cli_text.print_list(entries)
    if found.go_on_before is not None:
        stopped = len(entries) < limit
        looked = f"looked at {found.looked_at} entries; " if stopped else ""
        typer.echo(f"{looked}next page: --before {found.go_on_before}", err=True)


@audit_app.command()
def show(
    entry_id: Annotated[str, typer.Argument(metavar="ID", help="A decision's id, or a seq.")],
    db: Db,
    output: Output = Format.TEXT,
    data_key_file: DataKeyFile = None,
    reason: Reason = None,
) -> None:
    """Show one entry: who asked, what was returned, why, on what data, what followed."""
    with clear_errors(db):
        with open_reader(db, data_key_file) as reader:
            event = reader.find(entry_id)
            shown = whole_entry(reader, event) if event else None
        query: dict[str, Json] = {"id": id_shaped(entry_id)}
        rows = 1 if shown else 0
        reading = access_event(who(reason), command="show", query=query, rows=rows)
        record(db, reading, data_key_file)
        if shown is None:
            raise AuditError("there is no entry with this id")
    if output is Format.JSON:
        cli_text.print_json(shown)
    else:
        print_entry(shown)


@audit_app.command()
def verify(
    db: Db,
    anchor: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE", help="File of anchors, `-`, or the text of one; may be repeated."
        ),
    ] = None,
    anchor_file: AnchorFile = None,
    key: Annotated[
        list[str] | None,
        typer.Option(
            "--keys", metavar="FILE", help="The keys that the log may have, as `keys` printed them."
        ),
    ] = None,
    accept: Annotated[
        list[int] | None,
        typer.Option("--accept-recovery", help="Number of a recovery entry whose loss is known."),
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Leave no entry (for a copy of the log).")
    ] = False,
    output: Output = Format.TEXT,
    data_key_file: DataKeyFile = None,
    reason: Reason = None,
) -> None:
    """Work every hash out again. Exits 0 whole and anchored, 3 whole but not anchored,
    1 tampered or lost, 2 unreadable."""
    with clear_errors(db):
        brought = Brought(
            anchors=anchors_in(anchor or (), anchor_file),
            keys=keys_in(key) if key else None,
            accepted=frozenset(accept or ()),
        )
        report = _verified(db, brought)
    if output is Format.JSON:
        cli_text.print_json(report.as_json())
    else:
        cli_text.print_report(report)
    if not read_only:
        _record_verification(db, report, reason, data_key_file)
    raise typer.Exit(report.exit_code)


@audit_app.command("anchor")
def write_anchor(
    db: Db,
    to: Annotated[Path, typer.Argument(metavar="FILE", help="A new file; `-` prints it.")],
    signing_key_file: SigningKeyFile = None,
    data_key_file: DataKeyFile = None,
    reason: Reason = None,
) -> None:
    """Verify, and write size and root of the log, to be kept out of its operator's reach.

    It is a checkpoint, signed where the log has a key and that can be read.
    """
    with clear_errors(db):
        signed = new_checkpoint(db, signing_of(db, signing_key_file, None))
        report = _verified(db, Brought())
        if not report.is_whole:
            cli_text.print_report(report)
            raise typer.Exit(report.exit_code)
        if not report.size:
            raise AuditError("an empty log has nothing to anchor")
        text = signed or Checkpoint(report.log_id, report.size, report.root).as_text()
        write_new(to, text)
        _record_verification(db, report, reason, data_key_file)


def _verified(db: Address, brought: Brought) -> Report:
    with open_reader(db) as reader:
        size, _ = reader.head() or (0, b"")
        with cli_text.progress_bar(size) as progress:
            return verify_log(reader, brought, progress)


def _record_verification(
    db: Address, report: Report, reason: str | None, data_key_file: Path | None
) -> None:
    result: dict[str, Json] = {
        "exitCode": report.exit_code,
        "size": report.size,
        "root": report.root.hex(),
        "anchored": report.anchored,
        "findings": sorted({finding.kind for finding in report.findings}),
    }
    try:
        record(db, verification_event(who(reason), result=result), data_key_file)
    except AuditError as error:  # the result stands, recorded or not
        typer.echo(f"this verification could not be recorded: {error}", err=True)
