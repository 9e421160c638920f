"""The roles of a log in PostgreSQL, and what each may do. None of them logs in: a site's own roles
are members of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from typing import Any

from psycopg import Connection
from psycopg.sql import SQL, Composed, Identifier

from cds_service.audit.postgres.statements import SCHEMA
from cds_service.errors import AuditError

_READ = ("log", "head", "events", "terms", "payloads", "patients", "log_keys", "checkpoints")
_ADDED_TO = ("events", "terms", "payloads", "patients", "log_keys", "checkpoints")
_OF_WRITERS = (
    "lock_head()",
    "give_patient_key(bytea, bytea, text)",
    "first_seen(bytea, double precision, double precision)",
    "take_share(bytea, integer, integer, double precision)",
    "forget_callers(double precision)",
)
_OF_ERASERS = (
    "wrap_anew(text, text, bytea, bytea)",
    "erase_patient(bytea, text, text)",
)
_ALL = "{writer}, {reader}, {eraser}, {purger}"
_OF_PURGERS = ("lock_head()", "purge_payloads(bigint, bigint, text[], text[])")
_ADDED_TO_BY_PURGERS = ("events", "terms", "payloads", "log_keys")


@dataclass(frozen=True, slots=True)
class Roles:
    """`owner` has the tables; `writer` is the service's; `reader` changes nothing; `eraser` may
    also destroy patients' keys and wrap keys anew; `purger` adds entries about its own doing and
    removes payloads past their time, no more."""

    owner: str = "refractory_cds_owner"
    writer: str = "refractory_cds_writer"
    reader: str = "refractory_cds_reader"
    eraser: str = "refractory_cds_eraser"
    purger: str = "refractory_cds_purger"


DEFAULT = Roles()


def missing(db: Connection[Any], roles: Roles) -> list[str]:
    """Which of these roles the server does not have."""
    rows = db.execute("SELECT rolname FROM pg_catalog.pg_roles").fetchall()
    there = {name for (name,) in rows}
    return [name for name in astuple(roles) if name not in there]


def make(db: Connection[Any], names: list[str]) -> None:
    """Make these roles; AuditError where that is not this role's to do."""
    (may,) = db.execute(
        "SELECT rolsuper OR rolcreaterole FROM pg_catalog.pg_roles WHERE rolname = current_user"
    ).fetchone() or (False,)
    if not may:
        raise AuditError(
            f"the server lacks the roles {', '.join(names)}, and this role may not make them: have"
            " each made with CREATE ROLE … NOLOGIN"
        )
    for name in names:
        db.execute(SQL("CREATE ROLE {} NOLOGIN").format(Identifier(name)))


def join_owner(db: Connection[Any], roles: Roles) -> None:
    """See that this role is a member of the tables' owner."""
    owner = Identifier(roles.owner)
    (is_member,) = db.execute(
        "SELECT pg_has_role(current_user, %s, 'MEMBER')", (roles.owner,)
    ).fetchone() or (False,)
    if not is_member:
        db.execute(SQL("GRANT {} TO CURRENT_USER").format(owner))


def become_owner(db: Connection[Any], roles: Roles) -> None:
    """Act as the tables' owner until the transaction ends."""
    db.execute(SQL("SET LOCAL ROLE {}").format(Identifier(roles.owner)))


def grants(roles: Roles) -> Iterator[Composed]:
    """What each role may do, and nothing beyond; by the owner. Can be repeated."""
    names = dict(
        owner=Identifier(roles.owner),
        writer=Identifier(roles.writer),
        reader=Identifier(roles.reader),
        eraser=Identifier(roles.eraser),
        purger=Identifier(roles.purger),
        schema=Identifier(SCHEMA),
    )
    for statement in _statements():
        yield SQL(statement).format(**names)


def _statements() -> Iterator[Any]:
    yield "REVOKE ALL ON SCHEMA {schema} FROM PUBLIC"
    yield f"GRANT USAGE ON SCHEMA {{schema}} TO {_ALL}"
    yield f"REVOKE ALL ON ALL TABLES IN SCHEMA {{schema}} FROM PUBLIC, {_ALL}"
    yield f"REVOKE ALL ON ALL FUNCTIONS IN SCHEMA {{schema}} FROM PUBLIC, {_ALL}"
    for table in (*_READ, "alembic_version"):
        yield f"GRANT SELECT ON {{schema}}.{table} TO {_ALL}"
    for table in _ADDED_TO:
        yield f"GRANT INSERT ON {{schema}}.{table} TO {{writer}}, {{eraser}}"
    for table in _ADDED_TO_BY_PURGERS:
        yield f"GRANT INSERT ON {{schema}}.{table} TO {{purger}}"
    for function in _OF_WRITERS:
        yield f"GRANT EXECUTE ON FUNCTION {{schema}}.{function} TO {{writer}}, {{eraser}}"
    for function in _OF_ERASERS:
        yield f"GRANT EXECUTE ON FUNCTION {{schema}}.{function} TO {{eraser}}"
    for function in _OF_PURGERS:
        yield f"GRANT EXECUTE ON FUNCTION {{schema}}.{function} TO {{purger}}"
