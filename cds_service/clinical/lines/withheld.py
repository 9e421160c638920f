"""Orders as far as they were carried out: not beyond a stop, and not where no dose was given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from msgspec.structs import replace

from cds_service.clinical.lines.assign import CONFIRMED_USE, lies_under
from cds_service.clinical.record import Exposure, Withheld
from cds_service.dates import PartialDate


def as_carried_out(exposures: Sequence[Exposure], withheld: Iterable[Withheld]) -> list[Exposure]:
    """The uses, orders cut at the day from which the drug was not to be given any more.

    An order is left out where every dose on record under it is one that was not given.
    """
    told = list(withheld)
    if not told:
        return list(exposures)
    kept = [e for e in exposures if not _was_not_given(e, exposures, told)]
    return [_until_stop(e, told) for e in kept]


def _was_not_given(
    order: Exposure, exposures: Sequence[Exposure], withheld: Sequence[Withheld]
) -> bool:
    if order.kind != "order":
        return False
    missed = [w for w in withheld if w.kind == "not-given" and w.drug == order.drug]
    given = [e for e in exposures if e.drug == order.drug and e.kind in CONFIRMED_USE]
    return any(lies_under(w.on, order) for w in missed) and not any(
        lies_under(e.start, order) for e in given
    )


def _until_stop(use: Exposure, withheld: Sequence[Withheld]) -> Exposure:
    if use.kind not in ("order", "statement"):
        return use
    stops = [
        w.on
        for w in withheld
        if w.kind == "stop"
        and w.drug == use.drug
        and use.start.last < w.on.first
        and (use.end is None or use.end.last >= w.on.first)
    ]
    if not stops:
        return use
    last = PartialDate.on(min(stops).first - timedelta(days=1))
    return replace(use, end=last, is_open_ended=False, is_estimated=False, is_active=False)
