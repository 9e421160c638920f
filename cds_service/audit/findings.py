"""What `verify` can find, and its report: the verdict, the exit code, the places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from cds_service.audit.canonical import Json
from cds_service.audit.events import present


class Kind(StrEnum):
    """The closed list of findings. The last ones inform; any other means tampering or loss."""

    CONTENT_ALTERED = "content-altered"
    LINK_BROKEN = "link-broken"
    SEQUENCE_GAP = "sequence-gap"
    REORDERED = "reordered"
    INSERTED = "inserted"
    FORKED = "forked"
    TRUNCATED = "truncated"
    ROLLED_BACK = "rolled-back"
    CHECKPOINT_SIGNATURE = "checkpoint-signature"
    CHECKPOINT_INCONSISTENT = "checkpoint-inconsistent"
    CHECKPOINT_MISSING = "checkpoint-missing"
    INDEX_MISMATCH = "index-mismatch"
    PAYLOAD_ALTERED = "payload-altered"
    PAYLOAD_MISSING = "payload-missing"
    SPOOL_UNACCOUNTED = "spool-unaccounted"
    PAYLOAD_SHREDDED = "payload-shredded"
    PAYLOAD_PURGED = "payload-purged"
    CLOCK_REGRESSION = "clock-regression"
    GUARDS_MISSING = "guards-missing"
    ANCHOR_DAMAGED = "anchor-damaged"
    LOSS_ACCEPTED = "loss-accepted"
    UNANCHORED = "unanchored"


INFORMATIVE = frozenset(
    {
        Kind.PAYLOAD_SHREDDED,
        Kind.PAYLOAD_PURGED,
        Kind.CLOCK_REGRESSION,
        Kind.GUARDS_MISSING,
        Kind.ANCHOR_DAMAGED,
        Kind.LOSS_ACCEPTED,
        Kind.UNANCHORED,
    }
)

_MOST_FINDINGS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, from event `first` to event `last` (None: with the log as a whole).

    `last_good` is the newest event before it that stood every test. What happened, happened to
    events recorded between `after` and `before`.
    """

    kind: Kind
    detail: str
    first: int | None = None
    last: int | None = None
    last_good: int | None = None
    after: str | None = None
    before: str | None = None

    @property
    def informs(self) -> bool:
        return self.kind in INFORMATIVE

    def as_json(self) -> dict[str, Json]:
        return present(
            {
                "kind": self.kind,
                "detail": self.detail,
                "firstSeq": self.first,
                "lastSeq": self.last,
                "lastGoodSeq": self.last_good,
                "after": self.after,
                "before": self.before,
                "informative": self.informs,
            }
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """An event that verify has come to: its place and when it says that it was recorded."""

    place: int
    at: str | None


class Findings:
    """The findings of one run, as they come. Neighbours of one kind and reason become one."""

    def __init__(self) -> None:
        self.all: list[Finding] = []
        self.left_out = 0
        self._counts = {True: 0, False: 0}  # apart, so that notes take no finding's place
        self._good: tuple[Standing, ...] = ()  # the newest two events without a finding
        self._now: Standing | None = None
        self._now_is_good = True
        self._next_at: str | None = None

    def come_to(self, event: Standing | None, following: Standing | None) -> None:
        """Say which event the coming findings are about; None after the last."""
        if self._now is not None and self._now_is_good:
            self._good = (*self._good[-1:], self._now)
        self._now, self._now_is_good = event, True
        self._next_at = following.at if following else None

    def add(
        self, kind: Kind, detail: str, *, first: int | None = None, last: int | None = None
    ) -> None:
        """Note a finding; without `first` it is about the event come to, without `last` only
        about `first`."""
        if first is None and self._now is not None:
            first = self._now.place
        last = first if last is None else last
        good = [one for one in self._good if first is not None and one.place < first]
        finding = Finding(
            kind=kind,
            detail=detail,
            first=first,
            last=last,
            last_good=good[-1].place if good else None,
            after=good[-1].at if good else None,
            before=self._next_at,
        )
        if not finding.informs:
            self._now_is_good = False
        self._keep(finding)

    def _keep(self, finding: Finding) -> None:
        for index, earlier in enumerate(self.all[-4:], start=max(0, len(self.all) - 4)):
            if _continues(earlier, finding):
                self.all[index] = replace(earlier, last=finding.last, before=finding.before)
                return
        if self._counts[finding.informs] < _MOST_FINDINGS:
            self._counts[finding.informs] += 1
            self.all.append(finding)
        else:
            self.left_out += 1


def _continues(earlier: Finding, finding: Finding) -> bool:
    if (earlier.kind, earlier.detail) != (finding.kind, finding.detail):
        return False
    if earlier.last is None or finding.first is None:
        return False
    return finding.first in (earlier.last, earlier.last + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a run of `verify` came to. `anchored` is how many events an anchor vouches for; `keys`
    are those that signed the checkpoints, the first one first."""

    log_id: str
    size: int
    root: bytes
    anchored: int
    first_at: str | None
    last_at: str | None
    events_by_type: Mapping[str, int]
    findings: Sequence[Finding]
    left_out: int
    checkpoints: int = 0
    anchors: int = 0
    keys: Sequence[str] = ()
    spools: Sequence[str] = ()
    """Spool segments that were announced and are not drained: of running processes, or to come."""

    @property
    def is_whole(self) -> bool:
        return all(finding.informs for finding in self.findings)

    @property
    def exit_code(self) -> int:
        """0 whole and anchored, 1 tampered or lost, 3 whole but not anchored."""
        if not self.is_whole:
            return 1
        return 0 if self.anchored else 3

    @property
    def verdict(self) -> str:
        """The first line of the report."""
        if not self.is_whole:
            kinds = dict.fromkeys(one.kind for one in self.findings if not one.informs)
            return f"TAMPERED OR LOST: {', '.join(kinds)}"
        if not self.anchored:
            return (
                f"WHOLE, NOT ANCHORED: {self.size} events hold together, but nothing outside the"
                " log vouches for them; a log cut off at its end would look the same"
            )
        newer = self.size - self.anchored
        rest = f"; the newest {newer} have no anchor yet" if newer else ""
        return f"WHOLE AND ANCHORED: an anchor vouches for events 1 to {self.anchored}{rest}"

    def as_json(self) -> dict[str, Json]:
        return {
            "verdict": self.verdict,
            "exitCode": self.exit_code,
            "logId": self.log_id,
            "size": self.size,
            "root": self.root.hex(),
            "anchored": self.anchored,
            "anchors": self.anchors,
            "checkpoints": self.checkpoints,
            "keys": list(self.keys),
            "spools": list(self.spools),
            "eventsByType": dict(sorted(self.events_by_type.items())),
            **present({"firstAt": self.first_at, "lastAt": self.last_at}),
            "findings": [finding.as_json() for finding in self.findings],
            "findingsLeftOut": self.left_out,
        }
