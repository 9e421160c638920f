"""What the evidence of a line comes to by a day, asked thousands of times: found, not searched."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from itertools import accumulate, pairwise
from operator import itemgetter

from cds_service.clinical.evidence import PROGRESSIONS, RESPONSES, Evidence
from cds_service.clinical.status.few_sites import LIMITED_DAYS, are_few
from cds_service.dates import PartialDate

MARKERS = frozenset({"tumour-marker", "haematology"})


def is_favourable(evidence: Evidence) -> bool:
    return evidence.is_response or (evidence.finding == "stable" and not evidence.is_persistence)


class Index:
    """Evidence in its order, and the places at which it says what is asked for: found once."""

    def __init__(self, evidence: Sequence[Evidence]) -> None:
        self.evidence = evidence

    @cached_property
    def days(self) -> Sequence[date]:
        return [e.on.first for e in self.evidence]

    @cached_property
    def is_in_order(self) -> bool:
        return all(day <= later for day, later in pairwise(self.days))

    @cached_property
    def response(self) -> tuple[int, date] | None:
        """Place and first day of the earliest response."""
        told = ((n, e.on.first) for n, e in enumerate(self.evidence) if e.is_response)
        return min(told, default=None, key=itemgetter(1))

    @cached_property
    def control(self) -> tuple[int, PartialDate] | None:
        """The earliest finding that decides and is favourable."""
        told = ((n, e.on) for n, e in enumerate(self.evidence) if e.decides and is_favourable(e))
        return min(told, default=None, key=itemgetter(1))

    @cached_property
    def scans(self) -> Sequence[tuple[int, date]]:
        """Progressions no marker tells of: the latest first day of each and of all before it."""
        told = [
            (n, e.on.first)
            for n, e in enumerate(self.evidence)
            if e.is_progression and e.kind != "tumour-marker"
        ]
        latest = accumulate((day for _, day in told), max)
        return list(zip((place for place, _ in told), latest, strict=True))

    @cached_property
    def best(self) -> Sequence[tuple[int, str | None]]:
        """Where each best response is first told, the better ones first.

        The fall of a marker is no category: it leaves a recorded "stable" as it stands.
        """
        told: dict[str, int] = {}
        of_unknown_degree = response = progression = None
        for place, e in enumerate(self.evidence):
            if e.is_response and response is None:
                response = place
            if not e.decides or (e.sites and not e.is_new_lesion):
                continue
            told.setdefault(e.finding, place)
            if e.is_response and of_unknown_degree is None and e.kind not in MARKERS:
                of_unknown_degree = place
            if progression is None and e.finding in PROGRESSIONS and not e.missed:
                progression = place
        best: list[tuple[int | None, str | None]] = [(told.get(r), r) for r in RESPONSES]
        best += [
            (of_unknown_degree, None),
            (told.get("stable"), "stable"),
            (response, None),
            (progression, "progression"),
        ]
        return [(place, name) for place, name in best if place is not None]


@dataclass(frozen=True, slots=True)
class Told:
    """The first `count` pieces of evidence of an index."""

    index: Index
    count: int
    _few_sites: dict[date, bool] = field(default_factory=dict)

    @property
    def best_response(self) -> str | None:
        """The best category recorded; None where only a response of unknown degree was."""
        return next((best for place, best in self.index.best if place < self.count), None)

    def had_response_before(self, on: PartialDate) -> bool:
        told = self.index.response
        return told is not None and told[0] < self.count and told[1] < on.last

    def had_control_before(self, on: PartialDate) -> bool:
        told = self.index.control
        return told is not None and told[0] < self.count and told[1] < on

    def is_scanned_from(self, day: date) -> bool:
        """Whether a progression that is no marker's is told of that day or a later one."""
        told = bisect_left(self.index.scans, self.count, key=itemgetter(0))
        return told > 0 and self.index.scans[told - 1][1] >= day

    @property
    def next_scan(self) -> date:
        """The first day on which a scan would be later than all of them."""
        told = bisect_left(self.index.scans, self.count, key=itemgetter(0))
        last = self.index.scans[told - 1][1] if told else date.min
        return last + min(timedelta(1), date.max - last)

    def is_at_few_sites(self, on: date) -> bool:
        """Whether what grows about a day does so at few named sites, while the rest is well."""
        if on not in self._few_sites:
            self._few_sites[on] = _are_few(self._near(on))
        return self._few_sites[on]

    def _near(self, on: date) -> Sequence[Evidence]:
        span, days = timedelta(days=LIMITED_DAYS), self.index.days
        if not self.index.is_in_order:
            told = self.index.evidence[: self.count]
            return [e for e in told if abs(e.on.first - on) <= span]
        first = bisect_left(days, on - min(span, on - date.min))
        last = bisect_right(days, on + min(span, date.max - on))
        return self.index.evidence[first : min(last, self.count)]


def _are_few(near: Sequence[Evidence]) -> bool:
    growing = [e for e in near if e.is_progression]
    if not all(e.sites for e in growing):
        return False
    sites = {site for e in growing for site in e.sites}
    if not are_few(sites):
        return False
    return any(
        is_favourable(e) and e.kind not in MARKERS and sites.isdisjoint(e.sites) for e in near
    )
