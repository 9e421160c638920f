"""Anchors: size and root of the log at one moment, kept where the log's operator cannot alter them.

Only an anchor can show that the end of the log was cut off: a shorter chain is perfectly linked.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cds_service.audit.chain import Tree
from cds_service.audit.findings import Findings, Kind
from cds_service.errors import AuditError

_ORIGIN = "refractory-cds/"


@dataclass(frozen=True, slots=True)
class Anchor:
    """The log of this id had this many events under this Merkle root."""

    log_id: str
    size: int
    root: bytes

    def as_text(self) -> str:
        """Three lines: origin, size, root in base64. It names no patient and can be printed.

        Source: C2SP tlog-checkpoint, the body of a checkpoint (the signature is not there yet).
        """
        return f"{_ORIGIN}{self.log_id}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def read_anchor(path: Path) -> Anchor:
    """The anchor in this file; AuditError where it is none, or covers nothing (size 0)."""
    try:
        origin, size, root = path.read_text(encoding="ascii").splitlines()[:3]
        anchor = Anchor(
            origin.removeprefix(_ORIGIN), int(size), base64.b64decode(root, validate=True)
        )
    except OSError as error:
        raise AuditError(f"the anchor file cannot be read: {error.strerror}") from error
    except (ValueError, binascii.Error) as error:
        raise AuditError("the anchor file is not origin, size and root, a line each") from error
    if not origin.startswith(_ORIGIN) or len(anchor.root) != 32 or anchor.size < 1:
        raise AuditError("the anchor file does not anchor any event of a decision log")
    return anchor


class Anchors:
    """Anchors held against a log while it is gone through; `vouched_for` is the largest size that
    one of them confirms."""

    def __init__(self, log_id: str, anchors: Sequence[Anchor], findings: Findings) -> None:
        self.vouched_for = 0
        self._findings = findings
        self._waiting = sorted(
            (one for one in anchors if one.log_id == log_id), key=lambda one: one.size
        )
        if len(self._waiting) < len(anchors):
            findings.add(Kind.CHECKPOINT_INCONSISTENT, "an anchor is of another log")

    def compare(self, tree: Tree) -> None:
        """Compare the anchors of just this size."""
        while self._waiting and self._waiting[0].size == tree.size:
            if self._waiting.pop(0).root == tree.root():
                self.vouched_for = tree.size
            else:
                detail = "an anchor knows another history up to here"
                self._findings.add(Kind.CHECKPOINT_INCONSISTENT, detail)

    def finish(self, size: int) -> None:
        """Note the anchors that know of more than there is."""
        for anchor in self._waiting:
            detail = f"an anchor knows of {anchor.size - size} more events"
            self._findings.add(Kind.TRUNCATED, detail, first=size + 1, last=anchor.size)
