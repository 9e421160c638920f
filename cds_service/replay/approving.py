"""`refractory-cds audit approve-knowledge`: who agreed to other knowledge, and on what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from cds_service.audit.approvals import approval_event
from cds_service.audit.canonical import Json, digest
from cds_service.audit.command_parts import DataKeyFile, Db, Reason, clear_errors, record, who
from cds_service.audit.events import NOT_ID_SHAPED, id_shaped
from cds_service.audit.reading import open_reader
from cds_service.errors import AuditError, KnowledgeError
from cds_service.knowledge.load import load_knowledge

CURRENT = "current"
_SHA256 = "sha256:"


class Compared(msgspec.Struct, rename="camel"):
    """As much of the report of `audit replay --from … --to … --format json` as is needed."""

    log_id: str
    knowledge: dict[str, str]
    decisions: int
    decisions_by_change: dict[str, list[str]]
    not_replayable: dict[str, list[str]]


def approve_knowledge(
    wanted: Annotated[
        str, typer.Argument(metavar="DIGEST|current", help="Which knowledge; `current`: shipped.")
    ],
    db: Db,
    by: Annotated[str, typer.Option(metavar="WHO", help="Who approves: an id, without spaces.")],
    comparison: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="What `audit replay --from --to --knowledge --format json` wrote."
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Without a comparison; needs --reason.")
    ] = False,
    site: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            envvar="REFRACTORY_CDS_SITE_FILE",
            help="The site file over the current knowledge.",
        ),
    ] = None,
    data_key_file: DataKeyFile = None,
    reason: Reason = None,
) -> None:
    """Approve that this knowledge decides, on a comparison of the same log. An entry says so."""
    if (comparison is None) is not force:
        raise typer.BadParameter("an approval takes --comparison, or --force and --reason")
    if force and not (reason and reason.strip()):
        raise typer.BadParameter("--force also needs --reason")
    if not by or id_shaped(by) == NOT_ID_SHAPED:
        raise typer.BadParameter("--by is an id: printable, without spaces")
    with clear_errors(db):
        version, named = _knowledge(wanted, site)
        with open_reader(db) as reader:
            log_id, _ = reader.first_link()
        found = _comparison(comparison, log_id, named) if comparison else None
        event = approval_event(
            who(reason), approver=by, version=version, digest=named, comparison=found
        )
        record(db, event, data_key_file)
    typer.echo(f"approved by {by}: knowledge {version or ''} ({named})")


def _knowledge(wanted: str, site: Path | None) -> tuple[str | None, str]:
    """Version, where it can be told, and digest."""
    if wanted == CURRENT:
        try:
            shipped = load_knowledge(site=site)
        except KnowledgeError as error:
            raise AuditError(f"the knowledge cannot be loaded: {error}") from error
        return shipped.version, shipped.digest
    plain = wanted.removeprefix(_SHA256)
    if len(plain) != 64 or set(plain) - set("0123456789abcdef"):
        raise AuditError("a digest is sha256: and 64 hexadecimal digits; or say current")
    return None, _SHA256 + plain


def _comparison(path: Path, log_id: str, named: str) -> dict[str, Json]:
    """What the entry keeps of a comparison. AuditError for one of another log or knowledge."""
    try:
        content = path.read_bytes()
        report = msgspec.json.decode(content, type=Compared)
    except OSError as error:
        raise AuditError(f"{path}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AuditError(f"{path}: not a report of audit replay, with other knowledge") from error
    if report.log_id != log_id:
        raise AuditError(f"{path}: the comparison is of another log")
    if report.knowledge.get("digest") != named:
        raise AuditError(f"{path}: the comparison is of other knowledge")
    changes: dict[str, Any] = {
        change: len(ids) for change, ids in sorted(report.decisions_by_change.items())
    }
    return {
        "digest": digest(content),
        "decisions": report.decisions,
        "byChange": changes,
        "notReplayable": sum(map(len, report.not_replayable.values())),
    }
