"""Infusions of engineered cells (CAR-T), whether the chart has them as a drug or as a procedure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from cds_service.clinical.record import Event, Exposure
from cds_service.knowledge.model import Agents
from cds_service.knowledge.terms import Drug

CELLS = "car-t-cells"
"""In place of the drug, where only a procedure tells of the infusion: no agent can be named."""
SAME_INFUSION_DAYS = 14
MANUFACTURE_DAYS = 120
"""From the order of the cells to their infusion."""


def with_infusions(
    uses: Sequence[Exposure], events: Sequence[Event], cellular: Agents, drugs: Mapping[str, Drug]
) -> list[Exposure]:
    """The uses with one infusion for each that the chart tells of, on the day it was given.

    Cells that were ordered are given on the day of the procedure. A procedure without them is an
    infusion of the cells that its words name, else of cells that have no name.
    """
    found = list(uses)
    for event in events:
        cells = [
            (n, use)
            for n, use in enumerate(found)
            if use.drug == CELLS or (use.drug in drugs and cellular.include(drugs[use.drug]))
        ]
        if any(use.kind != "order" and _is_same(use, event) for _, use in cells):
            continue
        ordered = [n for n, use in cells if use.kind == "order" and _is_order_of(use, event)]
        if ordered:
            found[ordered[-1]] = _given(found[ordered[-1]], event)
        else:
            named = [name for name in event.drugs if cellular.include(drugs[name])]
            cell = named[0] if len(named) == 1 else CELLS
            found.append(_given(Exposure(event.resource, cell, "order", event.on, event.on), event))
    return sorted(found, key=lambda use: (use.start, use.drug, use.resource))


def _given(cells: Exposure, event: Event) -> Exposure:
    return replace(
        cells,
        kind="administration",
        start=event.on,
        end=event.on,
        is_open_ended=False,
        is_estimated=False,
        is_active=False,
        intent=cells.intent or event.intent,
        conditions=cells.conditions or event.conditions,
    )


def _is_same(use: Exposure, event: Event) -> bool:
    return abs((use.start.first - event.on.first).days) <= SAME_INFUSION_DAYS


def _is_order_of(order: Exposure, event: Event) -> bool:
    days = (event.on.first - order.start.first).days
    return -SAME_INFUSION_DAYS <= days <= MANUFACTURE_DAYS
