"""`refractory-cds audit`: hold, holds, release."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final

import typer

from cds_service.audit import cli_text
from cds_service.audit.command_parts import (
    DataKeyFile,
    Db,
    Format,
    Output,
    clear_errors,
    moment,
    record,
    who,
)
from cds_service.audit.entries import access_event
from cds_service.audit.holds import Hold, Scope, hold_event, holds_in_force
from cds_service.audit.holds import release as release_event
from cds_service.audit.reading import open_reader
from cds_service.audit.review_commands import decision_named
from cds_service.errors import AuditError

COUNSEL: Final = "legal"
Why = Annotated[str, typer.Option("--reason", metavar="TEXT", help="The case; kept, sealed.")]


def hold(
    db: Db,
    reason: Why,
    entry_id: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="A decision's id or seq: its patient is held."),
    ] = None,
    user: Annotated[str | None, typer.Option(help="Decisions for this user.")] = None,
    rule: Annotated[str | None, typer.Option(help="Decisions that this rule made.")] = None,
    disease: Annotated[str | None, typer.Option(help="Decisions on this disease.")] = None,
    since: Annotated[
        datetime | None,
        typer.Option("--from", parser=moment, metavar="TIME", help="Decisions since then."),
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--to", parser=moment, metavar="TIME", help="Before then.")
    ] = None,
    data_key_file: DataKeyFile = None,
) -> None:
    """Place a legal hold: until it is released, the patients of these decisions are not erased, and
    what is about them is not purged.

    Without any condition it covers everybody.
    """
    if not reason.strip():
        raise typer.BadParameter("a hold needs its reason")
    if entry_id is not None and any((user, rule, disease, since, until)):
        raise typer.BadParameter("a hold names the patient of a decision, or conditions")
    with clear_errors(db):
        pseudonym = None
        if entry_id is not None:
            with open_reader(db) as reader:
                pseudonym = decision_named(reader, entry_id).read().get("patientPseudonym")
            if pseudonym is None:
                raise AuditError("this decision is about nobody")
        scope = Scope(
            pseudonym=pseudonym, user=user, rule=rule, disease=disease, since=since, until=until
        )
        placed = record(db, hold_event(who(reason, COUNSEL), "placed", scope=scope), data_key_file)
    typer.echo(f"hold {placed.event_id} is in force")


def holds(db: Db, output: Output = Format.TEXT, data_key_file: DataKeyFile = None) -> None:
    """List the legal holds that are in force."""
    with clear_errors(db):
        with open_reader(db) as reader:
            found = holds_in_force(reader)
        access = access_event(who(None), command="holds", query={}, rows=len(found))
        record(db, access, data_key_file)
    if output is Format.JSON:
        cli_text.print_json([_as_json(one) for one in found])
        return
    for one in found:
        said = ", ".join(f"{name} {value}" for name, value in _scope_of(one).items())
        asked = f"; release asked for by {one.asked_by}" if one.asked_by else ""
        typer.echo(f"{one.hold_id}  {one.placed_at}  by {one.placed_by}: {said}{asked}")
    if not found:
        typer.echo("no hold is in force")


def release(
    db: Db,
    hold_id: Annotated[str, typer.Argument(metavar="HOLD", help="The id of the hold.")],
    reason: Why,
    data_key_file: DataKeyFile = None,
) -> None:
    """Release a legal hold: one account asks, another one does the same, and it is released."""
    if not reason.strip():
        raise typer.BadParameter("a release needs its reason")
    with clear_errors(db):
        with open_reader(db) as reader:
            event = release_event(reader, hold_id.lower(), who(reason, COUNSEL))
        record(db, event, data_key_file)
    if event.members["state"] == "released":
        typer.echo("released")
    else:
        typer.echo("on record that you ask; another account has to do the same")


def _scope_of(one: Hold) -> dict[str, str]:
    said = {name: str(value) for name, value in one.scope.as_json().items()}
    if one.scope.pseudonym:
        said["patient"] = one.scope.pseudonym
    return said or {"everybody": ""}


def _as_json(one: Hold) -> dict[str, object]:
    return {
        "hold": one.hold_id,
        "seq": one.seq,
        "placedAt": one.placed_at,
        "placedBy": one.placed_by,
        "scope": _scope_of(one),
        "releaseAskedBy": one.asked_by,
    }


hold_commands: dict[str, Callable[..., None]] = {"hold": hold, "holds": holds, "release": release}
