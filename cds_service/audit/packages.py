"""The states of the clinical knowledge that the log has kept, by their digest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cds_service.audit.address import Address
from cds_service.audit.entries import knowledge_activated_event
from cds_service.audit.events import Event, EventType
from cds_service.audit.reading import LogReader, open_reader


@dataclass(frozen=True, slots=True)
class Activated:
    """One entry that says which knowledge decides from there on; `has_package`: all of it is
    sealed beside that entry."""

    seq: int
    version: str
    digest: str
    has_package: bool


def activations(reader: LogReader) -> Iterator[Activated]:
    """Each activation, oldest first."""
    for seq, members in reader.entries_of(EventType.KNOWLEDGE_ACTIVATED):
        said = members.get("knowledge", {})
        kept = "package" in members.get("sealed", {}).get("digests", {})
        yield Activated(seq, said.get("version", ""), said.get("digest", ""), kept)


def stored_package(reader: LogReader, digest: str) -> bytes | None:
    """The package of this digest; None where the log has none. Raises AuditError where it is gone
    or was altered."""
    for one in activations(reader):
        if one.digest == digest and one.has_package:
            event = reader.find(str(one.seq))
            return reader.content(event, "package") if event else None
    return None


def activation(address: Address, version: str, digest: str, package: bytes | None) -> Event | None:
    """The entry to write when a service starts with this knowledge; None where the log at this
    address says so already. The package goes in once."""
    with open_reader(address) as reader:
        known = list(activations(reader))
    is_kept = any(one.digest == digest and one.has_package for one in known)
    is_latest = bool(known) and known[-1].digest == digest
    if is_latest and (is_kept or package is None):
        return None
    return knowledge_activated_event(version, digest, None if is_kept else package)
