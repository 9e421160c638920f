"""The draft orders of a call: opened, and completed by the Medications that they point at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

import msgspec

from cds_service.clinical.record import Drafts, is_worth_asking, read_drafts
from cds_service.hooks.messages import HookCall, OrderSelectContext, OrderSignContext
from cds_service.hooks.prefetch import Reach, read_medications
from cds_service.knowledge.model import Knowledge


@dataclass(frozen=True, slots=True)
class DraftResource:
    """One resource of `draftOrders` as it came."""

    raw: bytes
    full_url: str = ""


async def drafts_of(
    call: HookCall, context: OrderSignContext, reach: Reach, as_of: date, knowledge: Knowledge
) -> Drafts:
    """What the drafts of a call name.

    A Medication is read from the client's FHIR server where a draft to judge names its drug in no
    other way; where it cannot be had, that draft names none.
    """
    selections = context.selections if isinstance(context, OrderSelectContext) else None
    resources = tuple(_resources(context))
    drafts = read_drafts(resources, call.patient, as_of, knowledge, selections)
    if not drafts.unread:
        return drafts
    medications = await read_medications(call, reach, drafts.unread)
    return read_drafts(resources, call.patient, as_of, knowledge, selections, medications)


def names_an_agent(drafts: Drafts, knowledge: Knowledge) -> bool:
    """Whether any draft to judge names a drug that may be an agent against a cancer."""
    return any(is_worth_asking(draft, knowledge) for draft in drafts.drugs)


def _resources(context: OrderSignContext) -> Iterator[DraftResource]:
    """The resources of the entries; an entry that holds none is passed over."""
    for raw in context.draft_orders.entry or ():
        entry = _object(raw)
        resource = entry.get("resource")
        if resource is not None and _object(resource):
            yield DraftResource(bytes(resource), _text(entry.get("fullUrl")))
        elif "resourceType" in entry:  # in place of its entry
            yield DraftResource(bytes(raw))


def _object(raw: msgspec.Raw) -> Mapping[str, msgspec.Raw]:
    try:
        return msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def _text(raw: msgspec.Raw | None) -> str:
    try:
        return "" if raw is None else msgspec.json.decode(raw, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
