"""`refractory-cds audit replay`: one decision, or a period."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from cds_service.audit import cli_text
from cds_service.audit.address import Address
from cds_service.audit.canonical import Json
from cds_service.audit.command_parts import (
    DataKeyFile,
    Db,
    Format,
    Output,
    Reason,
    clear_errors,
    moment,
    record,
    who,
)
from cds_service.audit.commands import audit_app
from cds_service.audit.entries import access_event
from cds_service.audit.events import id_shaped
from cds_service.audit.listing import Wanted
from cds_service.audit.reading import LogReader, StoredEvent, open_reader
from cds_service.errors import AuditError, FhirError, InvalidRequest, UnreadableInput
from cds_service.replay.approving import approve_knowledge
from cds_service.replay.compare import EXIT_CODES, Replayed, replay_one
from cds_service.replay.crew import Period, processes_for, replay_side_by_side
from cds_service.replay.knowledge import KnownThen, candidate
from cds_service.replay.period import replay_period
from cds_service.replay.rerun import Again, Prepared
from cds_service.replay.text import print_period, print_replayed

__all__ = ["audit_app", "replay"]


audit_app.command("approve-knowledge")(approve_knowledge)


@audit_app.command()
def replay(
    db: Db,
    entry_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="A decision's id, or its seq.")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option("--from", parser=moment, metavar="TIME", help="All since then."),
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--to", parser=moment, metavar="TIME", help="Before then.")
    ] = None,
    knowledge: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION|DIGEST|DIR",
            help="Other knowledge: shipped, kept in the log, or a folder. Default: that of then.",
        ),
    ] = None,
    site: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A site file over that knowledge.")
    ] = None,
    fhir_base: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Where the inputs are of a decision of which only digests were kept.",
        ),
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File with that server's bearer token.")
    ] = None,
    credentials_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            envvar="REFRACTORY_CDS_FHIR_CREDENTIALS_FILE",
            help="The service's own credentials for FHIR servers.",
        ),
    ] = None,
    output: Output = Format.TEXT,
    data_key_file: DataKeyFile = None,
    reason: Reason = None,
) -> None:
    """Work decisions out again from what the log kept, and compare. Exits 0 identical,
    1 different, 3 not replayable."""
    is_period = since is not None or until is not None
    if (entry_id is None) is not is_period:
        raise typer.BadParameter("replay takes the ID of a decision, or --from and --to")
    if fhir_base is not None and is_period:
        raise typer.BadParameter("--fhir-base goes with the ID of one decision")
    if entry_id is not None:
        server = _Server(fhir_base, token_file, credentials_file) if fhir_base else None
        _replay_one(db, data_key_file, entry_id, knowledge, site, server, output, reason)
    wanted = Wanted(since=since, until=until)
    _replay_period(db, data_key_file, wanted, knowledge, site, output, reason)


@dataclass(frozen=True, slots=True)
class _Server:
    """Where inputs are read again, and with which right."""

    base: str
    token_file: Path | None
    credentials_file: Path | None

    def replay(
        self, reader: LogReader, event: StoredEvent, then: Prepared, under: Again | None
    ) -> Replayed:
        from cds_service.fhir.at_terminal import client_at_terminal  # nothing else needs the net
        from cds_service.replay.reread import replay_reread, reread

        try:
            client = client_at_terminal(self.base, self.token_file, self.credentials_file)
        except (UnreadableInput, FhirError, InvalidRequest) as fault:
            raise AuditError(str(fault)) from None
        return replay_reread(reader, event, then, under, partial(reread, client))


def _replay_one(
    db: Address,
    keys: Path | None,
    entry_id: str,
    knowledge: str | None,
    site: Path | None,
    server: _Server | None,
    output: Format,
    reason: str | None,
) -> None:
    with clear_errors(db):
        with open_reader(db, keys) as reader:
            event = reader.find(entry_id)
            under = candidate(reader, knowledge, site) if event else None
            again = replay_one if server is None else server.replay
            replayed = again(reader, event, KnownThen(reader), under) if event else None
        base = server.base if server else None
        query = _asked(id=entry_id, knowledge=knowledge, site=site, fhir_base=base)
        rows = 1 if replayed else 0
        record(db, access_event(who(reason), command="replay", query=query, rows=rows), keys)
        if replayed is None:
            raise AuditError("there is no entry with this id")
    if output is Format.JSON:
        cli_text.print_json(replayed.as_json())
    else:
        print_replayed(replayed)
    raise typer.Exit(EXIT_CODES[replayed.result])


def _replay_period(
    db: Address,
    keys: Path | None,
    wanted: Wanted,
    knowledge: str | None,
    site: Path | None,
    output: Format,
    reason: str | None,
) -> None:
    with clear_errors(db):
        with open_reader(db, keys) as reader:
            under = candidate(reader, knowledge, site)
            total, head = reader.count(wanted), reader.head()
            processes = processes_for(total) if head else 1
            with cli_text.progress_bar(total, "replaying") as progress:
                if head and processes > 1:
                    period = Period(db, keys, wanted, knowledge, site, head[0])
                    report = replay_side_by_side(period, processes, progress)
                else:
                    report = replay_period(reader, wanted, KnownThen(reader), under, progress)
            report.log_id, _ = reader.first_link()
            if under is not None:
                report.knowledge = (under.knowledge.version, under.knowledge.digest)
        query = _asked(since=wanted.since, until=wanted.until, knowledge=knowledge, site=site)
        rows = report.decisions
        record(db, access_event(who(reason), command="replay", query=query, rows=rows), keys)
    if output is Format.JSON:
        cli_text.print_json(report.as_json())
    else:
        print_period(report)
    raise typer.Exit(report.exit_code)


def _asked(**given: object) -> dict[str, Json]:
    return {name: id_shaped(str(value)) for name, value in given.items() if value is not None}
