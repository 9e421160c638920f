"""Draft orders as clients send them, and what is said of them beside a chart."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from clinical.values import KNOWLEDGE

from cds_service.clinical.advice import NO_EARLIER_CARDS, EarlierCards
from cds_service.clinical.assessment import Assessment, assess
from cds_service.clinical.ordering import OrderWarning, order_warnings
from cds_service.clinical.record import Drafts, read_drafts

AS_OF = date(2026, 11, 21)
Resource = dict[str, Any]


@dataclass(frozen=True)
class Raw:
    """A resource as it travels."""

    raw: bytes
    full_url: str = ""


def draft(drug: str | None = None, id: str = "request-123", **changes: Any) -> Resource:
    """A MedicationRequest in the making, without an intent, as the CDS Hooks Sandbox sends it.

    A change to None takes the member away.
    """
    made: Resource = {
        "resourceType": "MedicationRequest",
        "id": id,
        "status": "draft",
        "subject": {"reference": "Patient/p1"},
        "authoredOn": "2026-11-21",
        "category": {"coding": [{"code": "outpatient"}]},
    }
    if drug is not None:
        made["medicationCodeableConcept"] = {"text": drug}
    made |= changes
    return {name: value for name, value in made.items() if value is not None}


def read(
    *resources: object,
    selections: Iterable[str] | None = None,
    patient: str = "Patient/p1",
    medications: Iterable[Resource] = (),
) -> Drafts:
    return read_drafts(
        [one if isinstance(one, Raw) else Raw(json.dumps(one).encode()) for one in resources],
        patient, AS_OF, KNOWLEDGE,
        None if selections is None else list(selections),
        [Raw(json.dumps(one).encode()) for one in medications],
    )  # fmt: skip


def names(drafts: Drafts) -> list[str]:
    """The drugs to judge, by name."""
    return sorted({one.drug.name for one in drafts.drugs})


def warned(
    chart: Iterable[Resource],
    *drafts: Resource,
    as_of: date = AS_OF,
    earlier: EarlierCards = NO_EARLIER_CARDS,
) -> tuple[OrderWarning, ...]:
    """What the drafts call for beside this chart."""
    found = assessed(chart, as_of)
    own = read(*drafts, patient=found.patient)
    return order_warnings(found, own, KNOWLEDGE, earlier)


def assessed(chart: Iterable[Resource], as_of: date = AS_OF) -> Assessment:
    return assess([dict(one) for one in chart], as_of, KNOWLEDGE)


def told(warnings: Iterable[OrderWarning]) -> list[tuple[str, int, list[str]]]:
    """Each warning that a card shows: what it is, its line and its drugs."""
    return [
        (one.kind, one.judged.line.number, [named.drug.name for named in one.shown])
        for one in warnings
        if one.shown
    ]
