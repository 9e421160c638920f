"""One decision as the log kept it, with all that is needed to work it out again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import msgspec

from cds_service.audit import MissingInput
from cds_service.audit.chain import leaf_hash
from cds_service.audit.events import EventType
from cds_service.audit.identified_contents import Used, used_in
from cds_service.audit.reading import LogReader, StoredEvent
from cds_service.audit.seal import PayloadPurged
from cds_service.audit.snapshot import Snapshot, read_snapshot
from cds_service.errors import AuditError

UNAVAILABLE = "data-unavailable"
FAILED = "failed"
DERIVED = "PrefetchIncomplete"
"""The only failure to have data that follows from the request alone."""


class NotReplayable(Exception):
    """A decision that cannot be worked out again; its text says why."""


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """What was asked, on what, and what was answered. `inputs`: the digest of each resource that
    was used, by its reference."""

    decision_id: str
    seq: int
    service_id: str
    as_of: date
    envelope: Mapping[str, Any]
    request: bytes
    snapshot: Snapshot
    response: bytes
    assessment: bytes | None
    inputs: Mapping[str, str]

    @property
    def knowledge_digest(self) -> str:
        return str(self.envelope["knowledge"]["digest"])

    @property
    def knowledge_version(self) -> str:
        return str(self.envelope["knowledge"]["version"])

    @property
    def missing(self) -> list[MissingInput]:
        return [MissingInput(**one) for one in self.envelope.get("inputsMissing", ())]


@dataclass(frozen=True, slots=True)
class KeptDigests:
    """A decision of which only digests of the inputs were kept."""

    decision_id: str
    seq: int
    as_of: date
    envelope: Mapping[str, Any]
    used: tuple[Used, ...]

    @property
    def knowledge_digest(self) -> str:
        return str(self.envelope["knowledge"]["digest"])

    @property
    def cancers(self) -> list[Any]:
        return list(self.envelope.get("cancers", ()))

    @property
    def patient(self) -> str | None:
        """Whose chart it was, where that is among the inputs."""
        named = [one.reference for one in self.used if one.reference.startswith("Patient/")]
        return named[0] if len(named) == 1 else None


@contextmanager
def _why_not() -> Iterator[None]:
    """NotReplayable for whatever keeps an entry from being read."""
    try:
        yield
    except PayloadPurged as gone:
        raise NotReplayable(f"what it rests on was {gone.purge.told}") from None
    except AuditError as fault:
        raise NotReplayable(str(fault)) from None
    except (KeyError, TypeError, ValueError) as fault:
        raise NotReplayable(f"the entry lacks what it should say: {fault}") from None


def kept_digests(reader: LogReader, event: StoredEvent) -> KeptDigests:
    """The decision of this entry; raises NotReplayable where it has no inputs that could be read
    again, or has them itself."""
    with _why_not():
        envelope = _decision(event)
        _refuse_without_inputs(envelope)
        if envelope["snapshot"] != "hashes":
            raise NotReplayable("its inputs are in the log: replay it without --fhir-base")
        used = used_in(reader, event)
        if not used:
            raise NotReplayable("nothing to replay: it rests on no resource")
        return KeptDigests(
            event.event_id, event.seq, date.fromisoformat(envelope["asOf"]), envelope, used
        )


def stored_decision(reader: LogReader, event: StoredEvent) -> StoredDecision:
    """The decision of this entry; raises NotReplayable where it cannot be worked out again."""
    with _why_not():
        envelope = _decision(event)
        _refuse(envelope)
        request = _content(reader, event, "request")
        return StoredDecision(
            decision_id=event.event_id,
            seq=event.seq,
            service_id=envelope["serviceId"],
            as_of=date.fromisoformat(envelope["asOf"]),
            envelope=envelope,
            request=request,
            snapshot=read_snapshot(_content(reader, event, "snapshot")),
            response=_content(reader, event, "response"),
            assessment=reader.content(event, "assessment"),
            inputs=_inputs(reader.content(event, "inputs")),
        )


def _decision(event: StoredEvent) -> Mapping[str, Any]:
    """The envelope; raises NotReplayable where it is no decision, or was altered."""
    if event.event_type != EventType.DECISION:
        raise NotReplayable(f"entry {event.seq} is no decision but {event.event_type}")
    if leaf_hash(event.envelope) != event.leaf_hash:
        raise NotReplayable("the entry is not what was recorded: run verify")
    return event.read()


def _refuse_without_inputs(envelope: Mapping[str, Any]) -> None:
    """Raise NotReplayable for what rests on no inputs that were written down."""
    outcome, error = envelope.get("outcome"), envelope.get("errorClass")
    if outcome == FAILED:
        raise NotReplayable(f"nothing to replay: an error ended the call ({error})")
    if outcome == UNAVAILABLE and error != DERIVED:
        raise NotReplayable(
            f"nothing to replay: the FHIR server did not give what was needed ({error}), and that "
            "was the answer"
        )
    if envelope.get("snapshot") is None:
        raise NotReplayable("recorded by a version that did not keep what a replay needs")


def _refuse(envelope: Mapping[str, Any]) -> None:
    """Raise NotReplayable for what has no inputs in the log."""
    _refuse_without_inputs(envelope)
    if envelope["snapshot"] == "hashes":
        raise NotReplayable(
            "only digests were kept of its inputs (REFRACTORY_CDS_AUDIT_KEEP_REQUESTS was false): "
            "name the FHIR server that has them (--fhir-base)"
        )
    if "request" in envelope.get("sealed", {}).get("withheld", ()):
        raise NotReplayable("its request was not kept: an access token might have stayed in it")


def _content(reader: LogReader, event: StoredEvent, name: str) -> bytes:
    content = reader.content(event, name)
    if content is None:
        raise NotReplayable(f"its {name} is not on record")
    return content


def _inputs(document: bytes | None) -> dict[str, str]:
    read = msgspec.json.decode(document) if document else {}
    return {one["reference"]: one["whole"] for one in read.get("resources", ())}
