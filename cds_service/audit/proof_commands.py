"""`refractory-cds audit`: checkpoint, keys, rotate, prove, recover."""

from __future__ import annotations

import heapq
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from cds_service.audit import cli_text
from cds_service.audit.address import Address, is_here
from cds_service.audit.anchor import Anchor, newest_anchor, read_anchor, read_anchors
from cds_service.audit.canonical import Json
from cds_service.audit.checkpoint import origin_of
from cds_service.audit.command_parts import (
    AnchorFile,
    DataKeyFile,
    Db,
    Format,
    Output,
    Reason,
    SigningKeyFile,
    clear_errors,
    record,
    signing_of,
    who,
    write_new,
)
from cds_service.audit.entries import access_event
from cds_service.audit.events import id_shaped
from cds_service.audit.key_events import Action, key_event
from cds_service.audit.notes import PublicKey, SigningKey
from cds_service.audit.proofs import consistency_proof, inclusion_proof, latest_checkpoint
from cds_service.audit.reading import LogReader, open_reader
from cds_service.audit.recovery import find_loss, recovery_event
from cds_service.audit.signing import Signer, Signing, key_in_force, ring_in
from cds_service.audit.signing_keys import rotation
from cds_service.errors import AuditError

To = Annotated[Path, typer.Option("--to", metavar="FILE", help="A new file; `-` prints it.")]
STANDARD_OUTPUT = Path("-")


def checkpoint(
    db: Db,
    new: Annotated[bool, typer.Option("--new", help="Make one now, with the key.")] = False,
    signing_key_file: SigningKeyFile = None,
    anchor_file: AnchorFile = None,
    to: To = STANDARD_OUTPUT,
) -> None:
    """Print the latest checkpoint: size and root of the log, signed. It names no patient."""
    with clear_errors(db):
        if new:
            sign_now(db, signing_of(db, signing_key_file, anchor_file))
        with open_reader(db) as reader:
            stored, _ = latest_checkpoint(reader)
        write_new(to, stored.note)


def keys(db: Db, output: Output = Format.TEXT) -> None:
    """Print the public keys of the log, the first one first: to be kept apart from it."""
    with clear_errors(db):
        _, ring = ring_in(db)
    if output is Format.JSON:
        cli_text.print_json(
            [
                {"key": str(one.key), "sinceSeq": one.since, "statement": one.statement}
                for one in ring.keys
            ]
        )
        return
    for one in ring.keys:
        sys.stdout.write(f"{one.key}  since entry {one.since}\n")


def rotate(
    db: Db,
    lost: Annotated[
        bool, typer.Option("--lost", help="The old key is gone and cannot sign for the new one.")
    ] = False,
    signing_key_file: SigningKeyFile = None,
    anchor_file: AnchorFile = None,
    data_key_file: DataKeyFile = None,
    reason: Reason = None,
) -> None:
    """Give the log a new signing key; the old one signs for it, and is deleted."""
    with clear_errors(db):
        signing = signing_of(db, signing_key_file, anchor_file)
        log_id, ring = ring_in(db)
        if ring.newest is None:
            raise AuditError("the log has no key yet; the service makes it when it starts")
        old = None if lost else key_in_force(signing.key_file, log_id, ring)
        known = ring.public

        def is_in_use(key: SigningKey) -> bool:
            return key.public in known

        if old:
            sign_now(db, signing)
        with rotation(signing.key_file, old, origin_of(log_id), is_in_use) as new:
            action: Action = "rotated" if old else "replaced"
            event = key_event(log_id, action, new, old or ring.newest, by=who(reason))
            record(db, event, data_key_file)
        sign_now(db, signing)
    typer.echo(f"{action}: {new.public}")


def prove(
    db: Db,
    entry_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="A decision's id, or a seq.")
    ] = None,
    old: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="OLD",
            help="Prove growth from this checkpoint: a file, `-`, its text, or its size.",
        ),
    ] = None,
    signing_key_file: SigningKeyFile = None,
    anchor_file: AnchorFile = None,
    to: To = STANDARD_OUTPUT,
    data_key_file: DataKeyFile = None,
    reason: Reason = None,
) -> None:
    """Write a proof that an entry is in the log, or that the log only grew since a checkpoint.

    Exits 1 where that is not so. It stands on its own: offline_verify.py checks it.
    """
    if (entry_id is None) is (old is None):
        raise typer.BadParameter("prove takes the ID of an entry, or --from a checkpoint")
    with clear_errors(db):
        _cover(db, signing_of(db, signing_key_file, anchor_file), entry_id)
        with open_reader(db) as reader:
            proof = _proof_of(reader, entry_id) if entry_id else _growth(reader, old or "")
        query: dict[str, Json] = {"id": id_shaped(entry_id)} if entry_id else {"from": "checkpoint"}
        record(db, access_event(who(reason), command="prove", query=query, rows=1), data_key_file)
        write_new(to, json.dumps(proof, indent=2) + "\n")


def recover(
    db: Db,
    anchor_file: AnchorFile = None,
    anchor: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="File of anchors, `-`, or its text.")
    ] = None,
    data_key_file: DataKeyFile = None,
    reason: Reason = None,
) -> None:
    """Write down that entries which an anchor knows of are lost, so that the log can go on."""
    if not reason:
        raise typer.BadParameter("--reason is needed: what happened, and who decided")
    with clear_errors(db):
        with open_reader(db) as reader:
            loss = find_loss(reader, anchors_in(anchor or (), anchor_file))
        if loss is None:
            raise AuditError("no anchor knows of more than the log has: nothing to write down")
        record(db, recovery_event(who(reason), loss), data_key_file)
    typer.echo(f"recorded: entries {loss.first} to {loss.last} are lost")


def anchors_in(values: Sequence[str], standing: Path | None) -> Iterator[Anchor | None]:
    """All anchors of these files or texts, and of the one that the service writes, by size."""
    found: list[Iterable[Anchor | None]] = []
    for value in values:
        if value == "-":
            found.append([read_anchor(sys.stdin.read())])
        elif "\n" in value:
            found.append([read_anchor(value)])
        else:
            found.append(read_anchors(Path(value)))
    if standing is not None:
        if os.path.exists(standing):
            found.append(read_anchors(standing))
        else:
            typer.echo(f"the anchor file {standing} is not there", err=True)
    return heapq.merge(*found, key=lambda one: one.checkpoint.size if one else 0)


def keys_in(files: Iterable[str]) -> list[PublicKey]:
    """The keys in these files, one a line; what follows a key is a remark."""
    lines: list[str] = []
    for file in files:
        try:
            lines += Path(file).read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise AuditError("the file of keys cannot be read") from error
    try:
        return [
            PublicKey.parse(line.split()[0]) for line in lines if line.strip() and line[0] != "#"
        ]
    except ValueError as error:
        raise AuditError("the file of keys holds something else than keys") from error


def new_checkpoint(db: Address, signing: Signing) -> str | None:
    """A checkpoint of the log as it stands; None where the log has no key, or it is not here."""
    is_ours_to_sign = is_here(db) and os.access(signing.key_file, os.R_OK)
    if not is_ours_to_sign or ring_in(db)[1].newest is None:
        return None
    sign_now(db, signing)
    with open_reader(db) as reader:
        return latest_checkpoint(reader)[0].note


def sign_now(db: Address, signing: Signing) -> None:
    signer = Signer(db, signing)
    try:
        signer.make()
    finally:
        signer.close()


def _cover(db: Address, signing: Signing, entry_id: str | None) -> None:
    """See that a checkpoint covers the entry, and make one where that can be done."""
    with open_reader(db) as reader:
        latest = reader.latest_checkpoint()
        event = reader.find(entry_id) if entry_id else None
    if latest is None or (event and latest.size < event.seq):
        try:
            new_checkpoint(db, signing)
        except AuditError as error:
            raise AuditError(
                f"no checkpoint covers this yet, and none was made: {error}"
            ) from error


def _proof_of(reader: LogReader, entry_id: str) -> dict[str, Json]:
    event = reader.find(entry_id)
    if event is None:
        raise AuditError("there is no entry with this id")
    return inclusion_proof(reader, event)


def _growth(reader: LogReader, old: str) -> dict[str, Json]:
    log_id, _ = reader.first_link()
    if old.isdecimal():
        stored = reader.checkpoint_of(int(old))
        if stored is None:
            raise AuditError("there is no checkpoint of this size")
        anchor: Anchor | None = read_anchor(stored.note)
    elif old == "-" or "\n" in old:
        anchor = read_anchor(sys.stdin.read() if old == "-" else old)
    else:
        anchor = newest_anchor(Path(old), log_id) or read_anchor(_text(old))
    if anchor is None:
        raise AuditError("there is no checkpoint of this log in it")
    return consistency_proof(reader, anchor.checkpoint, str(anchor))


def _text(file: str) -> str:
    try:
        return Path(file).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AuditError("the older checkpoint cannot be read") from error


proof_commands: dict[str, Callable[..., None]] = {
    "checkpoint": checkpoint,
    "keys": keys,
    "rotate": rotate,
    "prove": prove,
    "recover": recover,
}
