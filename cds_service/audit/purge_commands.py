"""`refractory-cds audit purge`: what is past its time; with `--yes` it goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Final

import typer

from cds_service.audit import cli_text
from cds_service.audit.command_parts import (
    DataKeyFile,
    Db,
    Format,
    Output,
    Reason,
    clear_errors,
    data_keys_of,
    record,
    who,
)
from cds_service.audit.entries import access_event
from cds_service.audit.events import utc_now
from cds_service.audit.purging import Account, Share, due
from cds_service.audit.purging import purge as purge_log
from cds_service.audit.retention import CONTENTS_MONTHS, ENTRIES_MONTHS, Retention
from cds_service.errors import AuditError, UsageError

NOT_AS_RECORDED: Final = 1
"""Exit code where something was passed over that `verify` has to see."""

ContentsMonths = Annotated[
    int,
    typer.Option(
        "--keep-contents-months",
        envvar="REFRACTORY_CDS_AUDIT_KEEP_CONTENTS_MONTHS",
        help="Months for which what charts and cards said is kept; at least 6.",
    ),
]
EntriesMonths = Annotated[
    int,
    typer.Option(
        "--keep-entries-months",
        envvar="REFRACTORY_CDS_AUDIT_KEEP_ENTRIES_MONTHS",
        help="Months for which it is kept whom an entry is about; at least 6. Envelopes stay.",
    ),
]


def purge(
    db: Db,
    yes: Annotated[
        bool, typer.Option("--yes", help="Remove it; without this, only say what would go.")
    ] = False,
    is_on: Annotated[
        bool,
        typer.Option(
            "--on/--off",
            envvar="REFRACTORY_CDS_AUDIT_PURGE",
            help="Whether this log may be purged at all.",
        ),
    ] = False,
    contents_months: ContentsMonths = CONTENTS_MONTHS,
    entries_months: EntriesMonths = ENTRIES_MONTHS,
    output: Output = Format.TEXT,
    data_key_file: DataKeyFile = None,
    reason: Reason = None,
) -> None:
    """Remove what the log has sealed and is past its time; or say what that would be.

    Envelopes stay, so the log verifies as before. What a legal hold covers stays, and what is not
    as it was recorded (then the exit code is 1).
    """
    with clear_errors(db):
        try:
            retention = Retention(contents_months, entries_months)
        except UsageError as error:
            raise typer.BadParameter(str(error)) from error
        if not yes:
            account = due(db, retention, utc_now())
            rows = sum(share.entries for share in account.shares)
            query = {"contentsMonths": contents_months, "entriesMonths": entries_months}
            event = access_event(who(reason), command="purge", query=query, rows=rows)
            record(db, event, data_key_file)
        elif not is_on:
            raise AuditError("purging is off: set REFRACTORY_CDS_AUDIT_PURGE=true, or say --on")
        else:
            keys = data_keys_of(db, data_key_file)
            account = purge_log(db, retention, by=who(reason), data_keys=keys)
    if output is Format.JSON:
        cli_text.print_json({"removed": yes, **account.as_json()})
    else:
        for line in _told(account, is_done=yes):
            typer.echo(line)
    if not account.is_flushed:
        typer.echo(
            "readers keep the write-ahead log in use: what was removed stands in it until the"
            " service has stopped, or the next checkpoint of SQLite",
            err=True,
        )
    if account.not_as_recorded:
        raise typer.Exit(NOT_AS_RECORDED)


def _told(account: Account, *, is_done: bool) -> Iterator[str]:
    for share in account.shares:
        yield _share_told(share, is_done=is_done)
    for hold in account.holds:
        if count := account.held[hold.hold_id]:
            yield (
                f"under legal hold {hold.hold_id} (placed {hold.placed_at[:10]} by"
                f" {hold.placed_by}): {count} payloads stay"
            )
    if account.not_as_recorded:
        count, first = len(account.not_as_recorded), min(account.not_as_recorded)
        yield f"NOT AS RECORDED: {count} entries, the first {first}; they stay: run audit verify"
    if not is_done and any(share.entries for share in account.shares):
        yield "nothing was removed: --yes does it"


def _share_told(share: Share, *, is_done: bool) -> str:
    what = f"{share.part.name} of before {share.before.date()}"
    if not share.entries:
        return f"{what}: nothing {'was due' if is_done else 'is due'}"
    verb = "removed" if is_done else "due"
    oldest, newest = (share.oldest or "")[:10], (share.newest or "")[:10]
    return (
        f"{what}: {share.payloads} payloads of {share.entries} entries {verb}, {share.bytes:,}"
        f" bytes, recorded {oldest} to {newest}"
    )


purge_commands: dict[str, Callable[..., None]] = {"purge": purge}
