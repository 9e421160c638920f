"""refractory-cds: lines of cancer therapy, and whether a disease is possibly refractory to them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import cache
from typing import TYPE_CHECKING

from cds_service.version import __version__

if TYPE_CHECKING:
    from cds_service.clinical.advice import EarlierCards
    from cds_service.clinical.assessment import Assessment
    from cds_service.clinical.record import AnyResource
    from cds_service.knowledge.model import Knowledge

__all__ = ["__version__", "assess", "shipped_knowledge"]


def assess(
    resources: Iterable[AnyResource],
    as_of: date | str,
    *,
    patient: str | None = None,
    knowledge: Knowledge | None = None,
    earlier_cards: EarlierCards | None = None,
) -> Assessment:
    """What one patient's FHIR R4 resources say of lines of therapy and refractoriness.

    `resources`: dicts, JSON text or bytes, of one patient; `as_of`: the day to judge on.
    `patient` ("Patient/p1") is needed only where the resources do not tell whose chart it is.
    `knowledge` is the shipped one by default. Nothing is read or written but the arguments.
    """
    # imported here, so that `refractory-cds --help` does not load the engine
    from cds_service.clinical.advice import NO_EARLIER_CARDS
    from cds_service.clinical.assessment import assess as assess_chart
    from cds_service.dates import parse_day

    return assess_chart(
        resources,
        parse_day(as_of) if isinstance(as_of, str) else as_of,
        knowledge or shipped_knowledge(),
        patient,
        earlier_cards or NO_EARLIER_CARDS,
    )


@cache
def shipped_knowledge() -> Knowledge:
    """The clinical knowledge that comes with this version, read once."""
    from cds_service.knowledge.load import load_knowledge

    return load_knowledge()
