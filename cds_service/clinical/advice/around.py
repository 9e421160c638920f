"""What the chart holds around the lines of one cancer: the same for each, and so gathered once."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Sequence
from datetime import date
from functools import cached_property
from typing import TypeVar

from cds_service.clinical.advice.performance import ecog_of
from cds_service.clinical.record import Cancer, CautionKind, Event, Record, Request
from cds_service.clinical.status.beside import latest_by, running_latest

T = TypeVar("T")


class Around:
    """The record of one cancer, as advice asks for it."""

    def __init__(self, record: Record, cancer: Cancer) -> None:
        self._record = record
        self._cancer = cancer
        self._answers: dict[Hashable, object] = {}

    def once(self, question: Hashable, answer: Callable[[], T]) -> T:
        """The answer to a question that is the same for every line."""
        if question not in self._answers:
            self._answers[question] = answer()
        return self._answers[question]  # type: ignore[return-value]

    @cached_property
    def events(self) -> Sequence[Event]:
        """What was done, but for what the chart says was done for another cancer."""
        return [e for e in self._record.events if not self._is_of_another(e.conditions)]

    @cached_property
    def requests(self) -> Sequence[Request]:
        """What was ordered, but for what was ordered for another cancer."""
        return [
            r
            for r in self._record.requests
            if not self._is_of_another(r.conditions)
            and (not r.diseases or self._cancer.disease in r.diseases)
        ]

    @cached_property
    def _others(self) -> frozenset[str]:
        others = (c.named for c in self._record.cancers if c is not self._cancer)
        return frozenset().union(*others) - self._cancer.named

    def _is_of_another(self, conditions: tuple[str, ...]) -> bool:
        return bool(conditions) and self._others.issuperset(conditions)

    @cached_property
    def ecog(self) -> int | None:
        """The latest performance status on record, on the ECOG scale."""
        known = ecog_of(self._record.facts)
        return None if known is None else known.grade

    @cached_property
    def cautions(self) -> frozenset[CautionKind]:
        return frozenset(caution.kind for caution in self._record.cautions)

    def was_done(self, kinds: frozenset[str], since: date, until: date) -> bool:
        """Whether a procedure or report of one of these kinds falls into those days."""
        steps = self.once(
            kinds,
            lambda: running_latest((e.on.first, e.on.last) for e in self.events if e.kind in kinds),
        )
        last = latest_by(steps, until)
        return last is not None and last >= since

    def is_insufficient(self, event: Event, days: int) -> bool:
        """Whether the sample of a biopsy was called insufficient: by itself, or some days later."""
        named, told = self._insufficient
        if event.resource in named:
            return True
        place = bisect_left(told, event.on.last)
        return place < len(told) and (told[place] - event.on.last).days <= days

    @cached_property
    def _insufficient(self) -> tuple[frozenset[str], Sequence[date]]:
        said = [c for c in self._record.cautions if c.kind == "insufficient-sample"]
        days = sorted(c.on.first for c in said if c.on is not None)
        return frozenset(c.resource for c in said), days
