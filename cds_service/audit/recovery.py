"""A loss that was noticed and is written down, so that the log can go on: `recovery` entries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cds_service.audit.anchor import Anchor
from cds_service.audit.entries import Reader
from cds_service.audit.events import Event, EventType
from cds_service.audit.reading import LogReader
from cds_service.audit.tree import Tree


@dataclass(frozen=True, slots=True)
class Loss:
    """The entries that an anchor knows of and the log has not, or not any more as they were."""

    first: int
    last: int
    checkpoint: str


def find_loss(reader: LogReader, anchors: Iterable[Anchor | None]) -> Loss | None:
    """What is lost by these anchors (by size): all after the last one that the log agrees with.

    A fork is a loss too: of the entries that stood there before.
    """
    log_id, _ = reader.first_link()
    size, _ = reader.head() or (0, b"")
    tree, leaves = Tree(), reader.leaves()
    agreed, largest = 0, None
    for anchor in anchors:
        if anchor is None or anchor.checkpoint.log_id != log_id:
            continue
        while tree.size < min(anchor.checkpoint.size, size):
            tree.add(next(leaves))
        if (tree.size, tree.root()) == (anchor.checkpoint.size, anchor.checkpoint.root):
            agreed = tree.size
        else:
            largest = anchor
    if largest is None or largest.checkpoint.size <= agreed:
        return None
    is_cut = largest.checkpoint.size > size
    return Loss((size if is_cut else agreed) + 1, largest.checkpoint.size, str(largest))


def recovery_event(reader: Reader, loss: Loss) -> Event:
    """The entry that names what was lost, with the checkpoint that knew of it."""
    return Event(
        type=EventType.RECOVERY,
        members={
            "reader": reader.as_json(),
            "lostFrom": loss.first,
            "lostTo": loss.last,
            "checkpoint": loss.checkpoint,
        },
        sealed=reader.sealed(),
    )
