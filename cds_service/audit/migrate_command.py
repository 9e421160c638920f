"""`refractory-cds audit migrate`: the tables and roles of a log in PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cds_service.audit.command_parts import Db, clear_errors
from cds_service.errors import AuditError


def migrate(
    db: Db,
    owner: Annotated[str, typer.Option(help="Role that owns the tables.")] = "refractory_cds_owner",
    writer: Annotated[
        str, typer.Option(help="Role that the service's own role is a member of.")
    ] = "refractory_cds_writer",
    reader: Annotated[
        str, typer.Option(help="Role that reads and changes nothing.")
    ] = "refractory_cds_reader",
    eraser: Annotated[
        str, typer.Option(help="Role that also erases patients and wraps keys anew.")
    ] = "refractory_cds_eraser",
    purger: Annotated[
        str, typer.Option(help="Role that removes payloads past their time.")
    ] = "refractory_cds_purger",
) -> None:
    """Make or bring up the log's tables in PostgreSQL, and what each role may do.

    To be run by a role that may make roles and a schema, before the service starts and after each
    update of it. Can be repeated.
    """
    with clear_errors(db):
        if isinstance(db, Path):
            raise AuditError("a log in a file makes its tables itself: nothing to migrate")
        # loaded where they are used
        from cds_service.audit.postgres.migrating import migrate as migrate_log
        from cds_service.audit.postgres.roles import Roles

        done = migrate_log(db, Roles(owner, writer, reader, eraser, purger))
    for line in done or ["nothing to do: tables and roles are those of this version"]:
        typer.echo(line)
