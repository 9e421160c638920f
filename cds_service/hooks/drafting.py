"""The draft orders of a call: opened, and completed by the Medications that they point at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import msgspec

from cds_service.clinical.record import Drafts, RawResource, is_worth_asking, read_drafts
from cds_service.hooks.completing import Reach, read_medications
from cds_service.hooks.messages import HookCall, OrderSelectContext, OrderSignContext
from cds_service.hooks.prefetch import ChartResource
from cds_service.knowledge.model import Knowledge


@dataclass(frozen=True, slots=True)
class DraftResource:
    """One resource of `draftOrders` as it came."""

    raw: bytes
    full_url: str = ""


@dataclass(frozen=True, slots=True)
class DraftsRead:
    """What the drafts of a call name, and the Medications that were read to know it."""

    drafts: Drafts
    medications: tuple[ChartResource, ...] = ()


async def drafts_of(
    call: HookCall, context: OrderSignContext, reach: Reach, as_of: date, knowledge: Knowledge
) -> DraftsRead:
    """What the drafts of a call name.

    A Medication is read from the client's FHIR server where a draft to judge names its drug in no
    other way; where it cannot be had, that draft names none.
    """
    drafts = drafts_again(call, context, as_of, knowledge)
    if not drafts.unread:
        return DraftsRead(drafts)
    medications = await read_medications(call, reach, drafts.unread)
    return DraftsRead(
        drafts_again(call, context, as_of, knowledge, medications), tuple(medications)
    )


def drafts_again(
    call: HookCall,
    context: OrderSignContext,
    as_of: date,
    knowledge: Knowledge,
    medications: Sequence[RawResource] = (),
) -> Drafts:
    """What the drafts of a call name, with these Medications and no others."""
    selections = context.selections if isinstance(context, OrderSelectContext) else None
    resources = tuple(_resources(context))
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
