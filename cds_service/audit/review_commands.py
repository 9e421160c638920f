"""`refractory-cds audit review`: what a reviewer thinks of a decision, as an entry of its own."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from cds_service.audit.command_parts import DataKeyFile, Db, clear_errors, record, who
from cds_service.audit.entries import Verdict, review_event
from cds_service.audit.events import EventType
from cds_service.audit.reading import LogReader, StoredEvent, open_reader
from cds_service.errors import AuditError

REVIEWER: Final = "reviewer"
LONGEST_COMMENT: Final = 10_000
_REASON = re.compile(r"(?=.{1,40}$)[a-z]+(-[a-z]+)*")


def review(
    entry_id: Annotated[str, typer.Argument(metavar="ID", help="A decision's id, or its seq.")],
    verdict: Annotated[Verdict, typer.Option(help="What you think of the decision.")],
    db: Db,
    reason: Annotated[
        str | None,
        typer.Option(metavar="CODE", help="Such as wrong-line: small letters and hyphens."),
    ] = None,
    comment_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A comment, kept sealed with the patient's key; `-`: from stdin."
        ),
    ] = None,
    data_key_file: DataKeyFile = None,
) -> None:
    """Say whether a decision was right. It stays as it is; a changed mind is another entry."""
    if reason is not None and not _REASON.fullmatch(reason):
        raise typer.BadParameter("--reason is a code: at most 40 small letters and hyphens")
    with clear_errors(db):
        comment = _comment(comment_file) if comment_file else None
        with open_reader(db) as reader:
            decision = decision_named(reader, entry_id)
            members = decision.read()
            if comment and not _can_be_sealed(reader, members.get("sealed", {}).get("keyId")):
                raise AuditError(
                    "the patient was erased: no comment can be kept, only a verdict and its code"
                )
        event = review_event(
            who(None, REVIEWER), members, verdict=verdict, reason=reason, comment=comment
        )
        record(db, event, data_key_file)
    typer.echo(f"entry {decision.seq}: {verdict}, on record")


def decision_named(reader: LogReader, name: str) -> StoredEvent:
    """The decision with this id or number; AuditError where there is none."""
    event = reader.find(name)
    if event is None:
        raise AuditError("there is no entry with this id")
    if event.event_type != EventType.DECISION:
        raise AuditError(f"entry {event.seq} is no decision but {event.event_type}")
    return event


def _can_be_sealed(reader: LogReader, key_id: str | None) -> bool:
    return key_id is None or reader.has_key(key_id)


def _comment(source: Path) -> str:
    try:
        text = sys.stdin.read() if str(source) == "-" else source.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AuditError(f"{source}: the comment cannot be read") from error
    if not text.strip():
        raise AuditError(f"{source}: there is no comment in it")
    if len(text) > LONGEST_COMMENT:
        raise AuditError(f"{source}: a comment has at most {LONGEST_COMMENT} characters")
    return text.strip()
