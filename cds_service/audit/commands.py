"""`refractory-cds audit`: list, show, verify, anchor. Every reading leaves an entry of its own."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cds_service.audit import cli_text
from cds_service.audit.anchor import Anchor, read_anchor
from cds_service.audit.canonical import Json
from cds_service.audit.entries import Reader, access_event, verification_event
from cds_service.audit.envelope import Process, Recorder
from cds_service.audit.events import Event, EventType, id_shaped
from cds_service.audit.findings import Report
from cds_service.audit.listing import Wanted
from cds_service.audit.reading import open_reader
from cds_service.audit.showing import summary, whole_entry
from cds_service.audit.sqlite_store import SqliteStore
from cds_service.audit.verify import verify as verify_log
from cds_service.errors import AuditError

audit_app = typer.Typer(help="Read and verify the decision log.", no_args_is_help=True)


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter("not a date or time such as 2026-11-21T08:30") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


Db = Annotated[
    Path,
    typer.Option("--db", envvar="REFRACTORY_CDS_AUDIT_DB", help="The decision log's file."),
]
Output = Annotated[Format, typer.Option("--format", help="For people or for machines.")]
Reason = Annotated[
    str | None, typer.Option(help="Why you are reading; kept, sealed, with your name.")
]
Time = Annotated[datetime | None, typer.Option(parser=_moment, metavar="TIME")]


@audit_app.command("list")
def list_entries(
    db: Db,
    since: Time = None,
    until: Time = None,
    service: Annotated[str | None, typer.Option(help="Id of the service.")] = None,
    hook: Annotated[str | None, typer.Option(help="Name of the hook.")] = None,
    outcome: Annotated[str | None, typer.Option(help="Such as no-cancer.")] = None,
    disease: Annotated[str | None, typer.Option(help="Such as multiple-myeloma.")] = None,
    status: Annotated[str | None, typer.Option(help="Such as possible-refractory.")] = None,
    advice: Annotated[str | None, typer.Option(help="Such as restage; suppressed too.")] = None,
    override_reason: Annotated[
        str | None,
        typer.Option(help="With `--type feedback`: such as evidence-wrong."),
    ] = None,
    event_type: Annotated[
        str, typer.Option("--type", help="A type of entry, or `all`.")
    ] = EventType.DECISION,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most entries to list.")] = 50,
    before: Annotated[
        int | None, typer.Option(help="Only entries before this seq: the next page.")
    ] = None,
    output: Output = Format.TEXT,
    reason: Reason = None,
) -> None:
    """List entries, the newest first."""
    terms = {
        "service": service,
        "hook": hook,
        "outcome": outcome,
        "disease": disease,
        "status": status,
        "advice": advice,
        "reason": override_reason,
    }
    wanted = Wanted(
        event_type=_event_type(event_type),
        since=since,
        until=until,
        having={field: [value] for field, value in terms.items() if value is not None},
        before=before,
        limit=limit,
    )
    terms_asked = {"overrideReason" if name == "reason" else name: terms[name] for name in terms}
    asked = {**terms_asked, "type": event_type, "since": since, "until": until, "before": before}
    query = {name: id_shaped(str(value)) for name, value in asked.items() if value is not None}
    with _clear_errors(db):
        with open_reader(db) as reader:
            entries = [summary(event) for event in reader.page(wanted)]
        _record(db, access_event(_who(reason), command="list", query=query, rows=len(entries)))
    if output is Format.JSON:
        cli_text.print_json(entries)
    else:
        cli_text.print_list(entries)


@audit_app.command()
def show(
    entry_id: Annotated[str, typer.Argument(metavar="ID", help="A decision's id, or a seq.")],
    db: Db,
    output: Output = Format.TEXT,
    reason: Reason = None,
) -> None:
    """Show one entry: who asked, what was returned, why, on what data, what followed."""
    with _clear_errors(db):
        with open_reader(db) as reader:
            event = reader.find(entry_id)
            shown = whole_entry(reader, event) if event else None
        query: dict[str, Json] = {"id": id_shaped(entry_id)}
        rows = 1 if shown else 0
        _record(db, access_event(_who(reason), command="show", query=query, rows=rows))
        if shown is None:
            raise AuditError("there is no entry with this id")
    if output is Format.JSON:
        cli_text.print_json(shown)
    else:
        cli_text.print_entry(shown)


@audit_app.command()
def verify(
    db: Db,
    anchor: Annotated[
        list[Path] | None, typer.Option(help="A file written by `anchor`; may be repeated.")
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Leave no entry (for a copy of the log).")
    ] = False,
    output: Output = Format.TEXT,
    reason: Reason = None,
) -> None:
    """Work every hash out again. Exits 0 whole and anchored, 3 whole but not anchored,
    1 tampered or lost, 2 unreadable."""
    with _clear_errors(db):
        anchors = [read_anchor(path) for path in anchor or ()]
        with open_reader(db) as reader:
            report = verify_log(reader, anchors)
    if output is Format.JSON:
        cli_text.print_json(report.as_json())
    else:
        cli_text.print_report(report)
    if not read_only:
        _record_verification(db, report, reason)
    raise typer.Exit(report.exit_code)


@audit_app.command("anchor")
def write_anchor(
    db: Db,
    to: Annotated[Path, typer.Argument(metavar="FILE", help="A new file; `-` prints it.")],
    reason: Reason = None,
) -> None:
    """Verify, and write size and root of the log, to be kept out of its operator's reach."""
    with _clear_errors(db):
        with open_reader(db) as reader:
            report = verify_log(reader)
        if not report.is_whole:
            cli_text.print_report(report)
            raise typer.Exit(report.exit_code)
        if not report.size:
            raise AuditError("an empty log has nothing to anchor")
        text = Anchor(report.log_id, report.size, report.root).as_text()
        _write_new(to, text)
        _record_verification(db, report, reason)


def _record_verification(db: Path, report: Report, reason: str | None) -> None:
    result: dict[str, Json] = {
        "exitCode": report.exit_code,
        "size": report.size,
        "root": report.root.hex(),
        "anchored": report.anchored,
        "findings": sorted({finding.kind for finding in report.findings}),
    }
    try:
        _record(db, verification_event(_who(reason), result=result))
    except AuditError as error:  # the result stands, recorded or not
        typer.echo(f"this verification could not be recorded: {error}", err=True)


def _record(db: Path, event: Event) -> None:
    """Append one entry; AuditError where that fails, so that nothing is read unrecorded."""
    store = SqliteStore(db, Recorder(keys=(), process=Process.this()))
    try:
        (receipt,) = store.append([event])
    finally:
        store.close()
    if isinstance(receipt, AuditError):
        raise receipt


def _who(reason: str | None) -> Reader:
    try:
        account = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        account = f"uid:{os.getuid()}"
    return Reader(account=account, role="operator", reason=reason)


def _event_type(name: str) -> EventType | None:
    if name == "all":
        return None
    try:
        return EventType(name)
    except ValueError as error:
        known = ", ".join(EventType)
        raise typer.BadParameter(f"--type is all, or one of {known}") from error


def _write_new(path: Path, text: str) -> None:
    if str(path) == "-":
        sys.stdout.write(text)
        return
    try:
        with path.open("x", encoding="ascii") as file:
            file.write(text)
    except OSError as error:
        raise AuditError(f"the anchor cannot be written: {error.strerror}") from error


@contextmanager
def _clear_errors(db: Path) -> Iterator[None]:
    """One line and exit code 2 for a log that cannot be read."""
    try:
        yield
    except AuditError as error:
        typer.echo(f"refractory-cds audit: {db}: {error}", err=True)
        raise typer.Exit(2) from error
