"""One decision against the record: identical, or what differs and whose difference it is."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from cds_service.audit.installed import installed_software
from cds_service.audit.reading import LogReader, StoredEvent
from cds_service.replay.patch import Operation, patch
from cds_service.replay.rerun import Again, Answer, Prepared, answered
from cds_service.replay.stored import NotReplayable, StoredDecision, stored_decision
from cds_service.version import __version__

Class = Literal["knowledge", "software", "inputs", "state"]
Result = Literal["identical", "different", "not-replayable"]
EXIT_CODES: Mapping[Result, int] = {"identical": 0, "different": 1, "not-replayable": 3}


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of one replay. Each operation of `differences` has its `class`.

    `notes` say what else is not as it was: another software, bytes that differ where the JSON does
    not.
    """

    decision_id: str
    seq: int
    result: Result
    why: str = ""
    differences: tuple[Operation, ...] = ()
    notes: tuple[str, ...] = ()
    software: Mapping[str, Any] = field(default_factory=dict)
    knowledge: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """What became of inputs that were read again."""

    @property
    def classes(self) -> list[str]:
        return sorted({one["class"] for one in self.differences})

    def as_json(self) -> dict[str, Any]:
        said = {
            "decisionId": self.decision_id,
            "seq": self.seq,
            "result": self.result,
            "why": self.why,
            "classes": self.classes,
            "software": dict(self.software),
            "knowledge": dict(self.knowledge),
            "inputs": dict(self.inputs),
            "notes": list(self.notes),
            "differences": list(self.differences),
        }
        return {name: value for name, value in said.items() if value not in ("", [], {})}


def software_here() -> dict[str, str]:
    """What works it out now, in the members of an envelope."""
    installed = installed_software()
    said = {
        "version": __version__,
        "commit": installed.commit,
        "lockDigest": installed.lock_digest,
        "python": platform.python_version(),
    }
    return {name: value for name, value in said.items() if value}


def replay_one(
    reader: LogReader, event: StoredEvent, then: Prepared, under: Again | None = None
) -> Replayed:
    """The decision of this entry worked out again: under the knowledge of then, or `under` another.

    With another, what differs under the knowledge of then already is not put down to it.
    """
    try:
        stored = stored_decision(reader, event)
        if under is None:
            return _compared(reader, stored, then(stored.knowledge_digest), None)
        return _compared(reader, stored, _base(stored, then), under)
    except NotReplayable as why:
        return Replayed(event.event_id, event.seq, "not-replayable", str(why))


def _base(stored: StoredDecision, then: Prepared) -> Again | None:
    try:
        return then(stored.knowledge_digest)
    except NotReplayable:
        return None


def _compared(
    reader: LogReader, stored: StoredDecision, base: Again | None, under: Again | None
) -> Replayed:
    recorded, notes = answered(stored), []
    differences: tuple[Operation, ...] = ()
    if base is not None:
        again = base.answer(stored)
        found = patch(recorded.as_json, again.as_json)
        if not found and again.response != recorded.response:
            notes.append("the response says the same in other bytes")
            found = [{"op": "replace", "path": "/response", "value": "(other bytes)"}]
        whose = _class_of(reader, stored, again)
        differences = tuple({**one, "class": whose} for one in found)
    if under is not None:
        differences = _of_knowledge(recorded, under.answer(stored), differences)
    here = software_here()
    if any(stored.envelope.get("software", {}).get(name) != here[name] for name in here):
        notes.append("worked out by another software than then")
    return Replayed(
        stored.decision_id,
        stored.seq,
        "different" if differences else "identical",
        differences=differences,
        notes=tuple(notes),
        software={"recorded": stored.envelope.get("software", {}), "here": here},
        knowledge={
            "recorded": stored.envelope["knowledge"],
            "here": _named(under) if under else stored.envelope["knowledge"],
        },
    )


def _of_knowledge(
    recorded: Answer, other: Answer, own: Iterable[Operation]
) -> tuple[Operation, ...]:
    """What differs under other knowledge; what did so under that of then keeps its class."""
    known = {(one["op"], one["path"], str(one.get("value"))): one["class"] for one in own}
    return tuple(
        {**one, "class": known.get((one["op"], one["path"], str(one.get("value"))), "knowledge")}
        for one in patch(recorded.as_json, other.as_json)
    )


def _named(again: Again) -> dict[str, str]:
    return {"version": again.knowledge.version, "digest": again.knowledge.digest}


def _class_of(reader: LogReader, stored: StoredDecision, again: Answer) -> Class:
    """Whose a difference under the same knowledge is: the first that is not as it was."""
    if again.inputs != dict(stored.inputs):
        return "inputs"
    if not _is_memory_whole(reader, stored):
        return "state"
    return "software"


def _is_memory_whole(reader: LogReader, stored: StoredDecision) -> bool:
    """Whether the memory names earlier entries of this log, and all that changed the decision."""
    recalled = stored.snapshot.recalled
    sources = recalled.sources if recalled else frozenset()
    if not sources >= set(stored.envelope.get("state", ())):
        return False
    found = [reader.find(one) for one in sources]
    return all(one is not None and one.seq < stored.seq for one in found)
