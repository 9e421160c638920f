"""Results that another result stands for: corrected ones, earlier reports of one sample."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import msgspec

from cds_service.clinical.record.codes import Topic
from cds_service.clinical.record.elements import (
    Identifier,
    Observation,
    Reference,
    optional,
    several,
)

CORRECTED = frozenset({"amended", "corrected"})


class ReadObservation(msgspec.Struct, frozen=True, gc=False):
    """An observation that is about something that is read."""

    reference: str
    topic: Topic
    raw: Observation


def superseded(read: Sequence[ReadObservation]) -> set[int]:
    """Positions of the results that another one stands for.

    A corrected result stands for those of the same topic with one of its identifiers; of several
    results of one sample on one day the one that was issued last stands for the others.
    """
    newest: dict[Hashable, tuple[str, str, int]] = {}
    corrected = {
        key for found in read if found.raw.status in CORRECTED for key in _identifiers(found)
    }
    keys = {
        position: own
        for position, found in enumerate(read)
        if (own := [*(corrected and corrected & _identifiers(found)), *_sample(found)])
    }
    for position, own in keys.items():
        found = read[position]
        is_corrected = "1" if found.raw.status in CORRECTED else "0"
        age = (is_corrected + (found.raw.issued or ""), found.reference, position)
        for key in own:
            newest[key] = max(newest.get(key, age), age)
    return {
        position for position, own in keys.items() if any(newest[key][2] != position for key in own)
    }


def _identifiers(found: ReadObservation) -> set[Hashable]:
    return {
        (found.topic, identifier.system, identifier.value)
        for identifier in several(found.raw.identifier, Identifier)
        if identifier.value
    }


def _sample(found: ReadObservation) -> Iterable[Hashable]:
    """The sample of a marker's value on its day; only where it says when it was issued."""
    if not found.raw.specimen or found.topic[0] != "marker" or not found.raw.issued:
        return ()
    specimen = optional(found.raw.specimen, Reference)
    day = (found.raw.effectiveDateTime or "")[:10]
    if specimen is None or not specimen.reference or not day:
        return ()
    return ((found.topic, specimen.reference, day),)
