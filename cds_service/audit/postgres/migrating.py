"""`audit migrate`: the roles, the tables, the beginning of the log; what is lacking is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from importlib.resources import as_file, files
from typing import Any
from uuid import uuid4

import psycopg
import sqlalchemy
from alembic import command
from alembic.config import Config
from psycopg.sql import SQL, Identifier
from sqlalchemy.pool import NullPool

from cds_service.audit.address import PostgresAddress
from cds_service.audit.chain import first_link, leaf_hash
from cds_service.audit.events import timestamp, utc_now
from cds_service.audit.postgres.connection import connected, failure_of
from cds_service.audit.postgres.revisions import HEAD, is_newer
from cds_service.audit.postgres.roles import (
    DEFAULT,
    Roles,
    become_owner,
    grants,
    join_owner,
    make,
    missing,
)
from cds_service.audit.postgres.statements import SCHEMA
from cds_service.errors import AuditError

_ONE_AT_A_TIME = 7_236_114_907_221
"""Number of the lock that one migration holds until it is done."""


def migrate(
    address: PostgresAddress,
    roles: Roles = DEFAULT,
    *,
    clock: Callable[[], datetime] = utc_now,
    make_id: Callable[[], str] = lambda: str(uuid4()),
) -> list[str]:
    """Bring the database to this software's version, in one transaction; what was done, a line
    each. AuditError where it cannot be; then nothing was done."""
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://",
        creator=lambda: connected(address, 10.0, autocommit=False),
        poolclass=NullPool,
    )
    try:
        with engine.begin() as connection:
            return list(_steps(connection, roles, clock, make_id))
    except psycopg.Error as error:
        raise AuditError(f"the database cannot be migrated: {failure_of(error)}") from None
    except sqlalchemy.exc.DBAPIError as error:
        cause = error.orig
        why = failure_of(cause) if isinstance(cause, psycopg.Error) else type(error).__name__
        raise AuditError(f"the database cannot be migrated: {why}") from None


def _steps(
    connection: sqlalchemy.Connection,
    roles: Roles,
    clock: Callable[[], datetime],
    make_id: Callable[[], str],
) -> Iterator[str]:
    db = connection.connection.driver_connection
    assert isinstance(db, psycopg.Connection)  # noqa: S101 # as the engine makes it
    db.execute("SELECT pg_advisory_xact_lock(%s)", (_ONE_AT_A_TIME,))
    lacking = missing(db, roles)
    if lacking:
        make(db, lacking)
        yield f"made the roles {', '.join(lacking)}"
    join_owner(db, roles)
    if not db.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (SCHEMA,)).fetchone():
        making = SQL("CREATE SCHEMA {} AUTHORIZATION {}")
        db.execute(making.format(Identifier(SCHEMA), Identifier(roles.owner)))
        yield f"made the schema {SCHEMA}"
    become_owner(db, roles)
    before = _revision(db)
    if before is not None and is_newer(before):
        raise AuditError(f"the tables are of a newer version ({before}) than this software")
    if before != HEAD:
        _upgrade(connection)
        yield f"brought the tables from version {before or 'none'} to {HEAD}"
    for grant in grants(roles):
        db.execute(grant)
    begun = _begin_log(db, make_id(), timestamp(clock()))
    if begun:
        yield f"began the log {begun}"


def _revision(db: psycopg.Connection[Any]) -> str | None:
    table = f"{SCHEMA}.alembic_version"
    (there,) = db.execute("SELECT to_regclass(%s)", (table,)).fetchone() or (None,)
    if there is None:
        return None
    query = SQL("SELECT version_num FROM {}.alembic_version").format(Identifier(SCHEMA))
    row = db.execute(query).fetchone()
    return str(row[0]) if row else None


def _upgrade(connection: sqlalchemy.Connection) -> None:
    """Alembic's work, as part of our transaction."""
    with as_file(files("cds_service.audit.postgres.migrations")) as folder:
        config = Config()
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _begin_log(db: psycopg.Connection[Any], log_id: str, created_at: str) -> str | None:
    """Write the log's first link and its head, unless it has them; the id of a log just begun."""
    if db.execute(SQL("SELECT 1 FROM {}.log").format(Identifier(SCHEMA))).fetchone():
        return None
    first = first_link(log_id, created_at)
    insert = SQL("INSERT INTO {}.log VALUES (1, %s, %s)").format(Identifier(SCHEMA))
    db.execute(insert, (log_id, first))
    insert = SQL("INSERT INTO {}.head VALUES (1, 0, %s)").format(Identifier(SCHEMA))
    db.execute(insert, (leaf_hash(first),))
    return log_id
