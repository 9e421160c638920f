"""A chart that was opened a moment ago: what it says, and what was answered.

docs/decisions/0041-charts-opened-again.md says what is kept, and for how long.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, cast

from cds_service.clinical.advice import EarlierCards
from cds_service.clinical.assessment import Studied
from cds_service.clinical.record import RawResource
from cds_service.fhir.bundles import Problem
from cds_service.hooks.deciding import Prepared
from cds_service.hooks.prefetch import MissingCode

_WORKED_OUT_BYTES = 128 * 1024
"""What a study and an answer take beside the resources that they rest on; 60 to 120 KiB."""

RestsOn: TypeAlias = tuple[
    EarlierCards, tuple[tuple[str, MissingCode], ...], tuple[Problem, ...], str | None
]
"""What an answer depends on beside the chart and the day: what was done with earlier cards, what
of the chart was not to be had, what of it could not be read, and the encounter."""


@dataclass(slots=True)
class Opened:
    """One chart on one day, with the last answer that was given to it."""

    studied: Studied
    _answered: tuple[RestsOn, Prepared] | None = None

    @property
    def held(self) -> int:
        """About how many bytes it keeps in memory."""
        sources = [cast(RawResource, given) for _, given in self.studied.record.sources]
        return _WORKED_OUT_BYTES + sum([len(one.raw) for one in sources])

    def answer_to(self, rests_on: RestsOn) -> Prepared | None:
        """The last answer, where it rests on the same; None where there is none such."""
        if self._answered is None or self._answered[0] != rests_on:
            return None
        return self._answered[1]

    def keep(self, rests_on: RestsOn, prepared: Prepared) -> None:
        self._answered = rests_on, prepared
