"""Signed checkpoints and anchors held against a log while `verify` goes through it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cds_service.audit.anchor import Anchor
from cds_service.audit.checkpoint import Checkpoint, read_note
from cds_service.audit.events import EventType
from cds_service.audit.findings import Findings, Kind
from cds_service.audit.key_events import KeyRing
from cds_service.audit.notes import Note
from cds_service.audit.reading import LogReader, StoredCheckpoint
from cds_service.audit.tree import Tree


@dataclass(frozen=True, slots=True)
class _Signed:
    """A row of the table of checkpoints that says what it should, still to be compared."""

    row: StoredCheckpoint
    checkpoint: Checkpoint
    note: Note


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a `recovery` entry says: these entries were lost, and the log goes on without them."""

    seq: int
    first: int
    last: int

    @classmethod
    def of(cls, seq: int, members: Mapping[str, Any]) -> Recovery | None:
        """None where the entry does not name entries that could have followed those before it."""
        first, last = members.get("lostFrom"), members.get("lostTo")
        if not (isinstance(first, int) and isinstance(last, int) and first <= min(seq, last)):
            return None
        return cls(seq, first, last)


class Vouching:
    """Checkpoints and anchors that wait for the tree to grow to their size.

    `vouched_for` is the largest size that an anchor confirms. `accepted` are the numbers of
    recovery entries whose loss the auditor knows of. Rows of `reader` come after the checkpoint
    `after`.
    """

    def __init__(
        self,
        ring: KeyRing,
        log_id: str,
        reader: LogReader,
        anchors: Iterable[Anchor | None],
        findings: Findings,
        accepted: frozenset[int] = frozenset(),
        after: StoredCheckpoint | None = None,
    ) -> None:
        self.vouched_for = 0
        self.checkpoints = 0
        self.anchors = 0
        self._ring, self._log_id, self._findings, self._accepted = ring, log_id, findings, accepted
        self._rows, self._anchors = reader.checkpoints(), iter(anchors)
        self._last_number = after.number if after else 0
        self._last_size = after.size if after else 0
        self._noted: set[str] = set()
        told = (Recovery.of(*entry) for entry in reader.entries_of(EventType.RECOVERY))
        self._recoveries = [recovery for recovery in told if recovery]
        self._row = self._next_row()
        self._anchor = self._next_anchor(0)
        self._settle()

    def compare(self, tree: Tree) -> None:
        """Compare what is of just this size; cheap where nothing is."""
        if tree.size < self._next_size:
            return
        sizes = self._compare_rows(tree)
        while self._anchor and self._anchor.checkpoint.size <= tree.size:
            self._compare_anchor(self._anchor, tree, is_stored=sizes)
            self._anchor = self._next_anchor(tree.size)
        self._settle()

    def finish(self, last: int) -> None:
        """Note what knows of more than there is; `last` is the number of the last entry."""
        while self._row:
            size = self._row.checkpoint.size
            if not self._is_signed(self._row.note, size):
                self._note(Kind.CHECKPOINT_SIGNATURE, _NOT_SIGNED, size)
            elif size > last:
                detail = f"a checkpoint knows of {size - last} more events"
                self._findings.add(Kind.TRUNCATED, detail, first=last + 1, last=size)
            self._row = self._next_row()
        while self._anchor:
            size = self._anchor.checkpoint.size
            if size > last and not self._is_written_off(size):
                detail = f"an anchor knows of {size - last} more events"
                self._findings.add(Kind.TRUNCATED, detail, first=last + 1, last=size)
            self._anchor = self._next_anchor(last)

    def _compare_rows(self, tree: Tree) -> bool:
        """Whether there was a checkpoint of this size."""
        found = False
        while self._row and self._row.checkpoint.size <= tree.size:
            found = True
            self._compare_row(self._row, tree)
            self._row = self._next_row()
        return found

    def _compare_row(self, signed: _Signed, tree: Tree) -> None:
        if not self._is_signed(signed.note, tree.size):
            self._note(Kind.CHECKPOINT_SIGNATURE, _NOT_SIGNED, tree.size)
        elif signed.checkpoint.root != tree.root():
            detail = "a checkpoint was signed over another history than the one there is"
            self._note_once(Kind.CHECKPOINT_INCONSISTENT, detail, tree.size)
        elif signed.row.frontier != tree.frontier:
            self._note(Kind.CHECKPOINT_INCONSISTENT, _NOT_ITS_NOTE, tree.size)

    def _compare_anchor(self, anchor: Anchor, tree: Tree, *, is_stored: bool) -> None:
        size, root = anchor.checkpoint.size, anchor.checkpoint.root
        if anchor.note.signatures and not self._is_signed(anchor.note, size):
            detail = "an anchor is not signed by the key that the log had then"
            self._note(Kind.CHECKPOINT_SIGNATURE, detail, size)
        elif root == tree.root():
            self.vouched_for = size
            if anchor.note.signatures and not is_stored:
                detail = "an anchor is a checkpoint that is gone from the log"
                self._note(Kind.CHECKPOINT_MISSING, detail, size)
        elif not self._is_written_off(size):
            detail = "an anchor knows another history up to here"
            self._note_once(Kind.CHECKPOINT_INCONSISTENT, detail, size)

    def _is_written_off(self, size: int) -> bool:
        """Whether a recovery entry says that this part of the log was lost; then that is noted."""
        for recovery in self._recoveries:
            if recovery.first <= size <= recovery.last:
                accepted = recovery.seq in self._accepted
                kind = Kind.LOSS_ACCEPTED if accepted else Kind.ROLLED_BACK
                detail = f"these entries were lost: recovery entry {recovery.seq} says so"
                if detail not in self._noted:
                    self._noted.add(detail)
                    self._findings.add(kind, detail, first=recovery.first, last=recovery.last)
                return True
        return False

    def _is_signed(self, note: Note, size: int) -> bool:
        key = self._ring.at(size)
        return key is not None and key.has_signed(note)

    def _next_row(self) -> _Signed | None:
        """The next row that says what it should; the others are noted."""
        for row in self._rows:
            self.checkpoints += 1
            missing = row.number - self._last_number - 1
            if missing > 0:
                last = self._last_number + missing
                detail = f"checkpoints number {last - missing + 1} to {last} are gone"
                self._note(Kind.CHECKPOINT_MISSING, detail, row.size)
            self._last_number = max(row.number, self._last_number)
            try:
                checkpoint, note = read_note(row.note)
            except ValueError:
                self._note(Kind.CHECKPOINT_SIGNATURE, "a checkpoint is no signed note", row.size)
                continue
            if (checkpoint.size, checkpoint.log_id) != (row.size, self._log_id):
                self._note(Kind.CHECKPOINT_INCONSISTENT, _NOT_ITS_NOTE, row.size)
            elif missing < 0 or row.size <= self._last_size:
                self._note(Kind.CHECKPOINT_INCONSISTENT, "checkpoints changed places", row.size)
            else:
                self._last_size = row.size
                return _Signed(row, checkpoint, note)
        return None

    def _next_anchor(self, reached: int) -> Anchor | None:
        """The next anchor of this log that the tree has not grown past."""
        for anchor in self._anchors:
            if anchor is None:
                detail = "a part of an anchor file cannot be read: it vouches for less than it did"
                self._note_once(Kind.ANCHOR_DAMAGED, detail, None)
                continue
            self.anchors += 1
            if anchor.checkpoint.log_id != self._log_id:
                self._note_once(Kind.CHECKPOINT_INCONSISTENT, "an anchor is of another log", None)
            elif anchor.checkpoint.size < reached:
                detail = "anchors stand too far out of order to be compared"
                self._note_once(Kind.ANCHOR_DAMAGED, detail, None)
            else:
                return anchor
        return None

    def _settle(self) -> None:
        waiting = [one.checkpoint.size for one in (self._row, self._anchor) if one]
        self._next_size: float = min(waiting, default=float("inf"))

    def _note(self, kind: Kind, detail: str, size: int | None) -> None:
        self._findings.add(kind, detail, first=size)

    def _note_once(self, kind: Kind, detail: str, size: int | None) -> None:
        """What follows from an earlier finding of the same kind is not noted again."""
        if detail not in self._noted:
            self._noted.add(detail)
            self._note(kind, detail, size)


_NOT_SIGNED = "a checkpoint is not signed by the key that the log had then"
_NOT_ITS_NOTE = "a checkpoint's row is not what its note says"
