"""A decision of which only digests were kept: its inputs are read again where they came from, held
against the digests, and judged again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from cds_service.audit.canonical import content_hashes
from cds_service.audit.identified_contents import Used
from cds_service.audit.of_assessment import cancers_decided
from cds_service.audit.reading import LogReader, StoredEvent
from cds_service.clinical.assessment import assess
from cds_service.errors import FhirError, FhirNotFound, InvalidRequest, UnreadableInput
from cds_service.fhir.bundles import RawResource
from cds_service.fhir.client import FhirClient
from cds_service.knowledge.model import Knowledge
from cds_service.replay.compare import Replayed, software_here
from cds_service.replay.patch import patch
from cds_service.replay.rerun import Again, Prepared
from cds_service.replay.stored import KeptDigests, NotReplayable, kept_digests

State = Literal["inputs-verified", "inputs-changed", "inputs-gone"]
Fate = Literal["same", "changed", "gone"]
_AT_ONCE = 8
_NOT_COMPARED = (
    "compared: cancers, lines and rules; advice and cards also rest on the request and on earlier "
    "cards, which were not kept"
)


@dataclass(frozen=True, slots=True)
class Reread:
    """The resources that are what they were, and of each type how many are, were changed, and are
    gone. No resource is named: whoever may replay need not know the patient."""

    resources: tuple[RawResource, ...]
    fates: Mapping[str, Mapping[Fate, int]]

    @property
    def state(self) -> State:
        """Whether all inputs are at hand as they were; else the worst that befell one."""
        found = {fate for counts in self.fates.values() for fate in counts}
        if "gone" in found:
            return "inputs-gone"
        return "inputs-changed" if "changed" in found else "inputs-verified"

    def as_json(self) -> dict[str, Any]:
        return {"state": self.state, "byType": {k: dict(v) for k, v in self.fates.items()}}

    @property
    def told(self) -> str:
        """The state, and what it rests on, in words."""
        total: Counter[str] = Counter()
        for counts in self.fates.values():
            total.update(counts)
        words = ", ".join(f"{number} {fate}" for fate, number in sorted(total.items()))
        return f"{self.state} ({words})"


def reread(client: FhirClient, used: Sequence[Used]) -> Reread:
    """Read these resources in the versions that were read then. NotReplayable where the server does
    not say whether it has them."""
    found, fault = asyncio.run(_all_of_them(client, used))
    if fault is not None:
        raise NotReplayable(str(fault))
    fates: dict[str, Counter[Fate]] = {}
    for one, (fate, _) in zip(used, found, strict=True):
        fates.setdefault(one.reference.partition("/")[0], Counter())[fate] += 1
    same = tuple(resource for fate, resource in found if fate == "same" and resource is not None)
    return Reread(same, dict(sorted(fates.items())))


_Found = tuple[Fate, RawResource | None]


async def _all_of_them(
    client: FhirClient, used: Sequence[Used]
) -> tuple[list[_Found], FhirError | None]:
    """What became of each; or why the server did not say: then no more is asked."""
    gate, faults = asyncio.Semaphore(_AT_ONCE), list[FhirError]()

    async def one_of_them(one: Used) -> _Found:
        async with gate:
            try:
                if not faults:
                    return await _read(client, one)
            except FhirError as fault:
                faults.append(fault)
        return "gone", None

    async with client:
        found = await asyncio.gather(*map(one_of_them, used))
    return found, faults[0] if faults else None


async def _read(client: FhirClient, used: Used) -> _Found:
    kind, _, name = used.reference.partition("/")
    try:
        resource = await client.read(kind, name, version=used.version_id)
        hashes = content_hashes(resource.raw)
    except (FhirNotFound, InvalidRequest):  # nothing by this name, or it had none that a server has
        return "gone", None
    except ValueError:
        return "changed", None
    # what it says is what counts: servers write `meta` and `text` anew
    is_same = used.whole == hashes.whole or used.statement == hashes.statement
    return ("same", resource) if is_same else ("changed", None)


Fetch = Callable[[Sequence[Used]], Reread]
"""What reads the inputs of a decision again; raises NotReplayable where that cannot be done."""


def replay_reread(
    reader: LogReader, event: StoredEvent, then: Prepared, under: Again | None, fetch: Fetch
) -> Replayed:
    """The cancers of this entry judged again, on inputs that are read again: under the knowledge of
    then, or `under` another. Not replayable unless all inputs are what they were."""
    try:
        kept = kept_digests(reader, event)
        found = fetch(kept.used)
        if found.state != "inputs-verified":
            return _said(kept, "not-replayable", found, why=found.told)
        base = then(kept.knowledge_digest)
        by_software = _differences(kept, found, base.knowledge)
        differences = [{**one, "class": "software"} for one in by_software]
        if under is not None:
            differences = [
                {**one, "class": "software" if one in by_software else "knowledge"}
                for one in _differences(kept, found, under.knowledge)
            ]
    except NotReplayable as why:
        return Replayed(event.event_id, event.seq, "not-replayable", str(why))
    here = (under or base).knowledge
    return _said(
        kept, "different" if differences else "identical", found, differences=differences, here=here
    )


def _differences(kept: KeptDigests, found: Reread, knowledge: Knowledge) -> list[Any]:
    try:
        again = assess(found.resources, kept.as_of, knowledge, kept.patient)
    except UnreadableInput as fault:
        raise NotReplayable(str(fault)) from None
    cancers = orjson.loads(orjson.dumps([one.json for one in cancers_decided(again)]))
    return list(patch({"cancers": kept.cancers}, {"cancers": cancers}))


def _said(
    kept: KeptDigests,
    result: Literal["identical", "different", "not-replayable"],
    found: Reread,
    *,
    why: str = "",
    differences: Iterable[Any] = (),
    here: Knowledge | None = None,
) -> Replayed:
    recorded = kept.envelope["knowledge"]
    named = {"version": here.version, "digest": here.digest} if here else recorded
    return Replayed(
        kept.decision_id,
        kept.seq,
        result,
        why,
        tuple(differences),
        notes=() if why else (found.told, _NOT_COMPARED),
        software={"recorded": kept.envelope.get("software", {}), "here": software_here()},
        knowledge={"recorded": recorded, "here": named},
        inputs=found.as_json(),
    )
