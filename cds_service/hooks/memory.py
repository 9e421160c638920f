"""What clinicians did with earlier cards, from the decision log to the words of the assessment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import msgspec

from cds_service.audit import Remembered, Sought, User, patient_of
from cds_service.audit.card_names import CardNames
from cds_service.audit.memory import CardGiven, FeedbackThen
from cds_service.clinical.advice import (
    LONGEST_DAYS,
    NO_EARLIER_CARDS,
    UNCHANGED_DAYS,
    Accepted,
    EarlierCards,
    Override,
    Returned,
    snoozed,
)
from cds_service.clinical.record import RawResource
from cds_service.errors import LogUnavailable
from cds_service.hooks.override_reasons import our_reason
from cds_service.service import Asked, Service


async def earlier_cards(
    asked: Asked, resources: Iterable[RawResource], service: Service
) -> EarlierCards:
    """What the log remembers of this client's earlier cards about this patient.

    Raises LogUnavailable where it cannot be asked. With a spool, which may take the decision all
    the same, it is noted instead, and nothing is remembered: nothing is held back for a reason
    that nobody can see.
    """
    if asked.patient_id is None or asked.as_of is None:
        return NO_EARLIER_CARDS
    today = asked.as_of.day
    sought = Sought(
        patient=patient_of(asked.client, asked.fhir_server, asked.patient_id),
        service_id=asked.call.service_id,
        user_id=_accountable(asked.user),
        feedback_since=_begin(today - timedelta(days=LONGEST_DAYS)),
        cards_since=_begin(today - timedelta(days=UNCHANGED_DAYS)),
        cards_before=_begin(today),
    )
    if service.log.is_spooling:
        asked.state_unavailable = True
        return NO_EARLIER_CARDS
    try:
        remembered = await service.recall(sought, asked.call.service_id)
    except LogUnavailable:
        if not service.log.has_spool:
            raise
        asked.state_unavailable = True
        return NO_EARLIER_CARDS
    if not any(one.feedback or one.given for one in remembered):
        return NO_EARLIER_CARDS
    return _of_chart(remembered, conditions_of(resources), asked.call.hook_instance)


def _accountable(user: User | None) -> str | None:
    return user.user_id if user is not None and user.is_staff else None


def _begin(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


class _Head(msgspec.Struct):
    resourceType: str = ""
    id: str = ""


def conditions_of(resources: Iterable[RawResource]) -> list[str]:
    """The references of all Conditions in a chart, by which the assessment knows them."""
    found = set()
    for resource in resources:
        if b'"Condition"' not in resource.raw and b"\\" not in resource.raw:
            continue
        try:
            head = msgspec.json.decode(resource.raw, type=_Head)
        except msgspec.DecodeError:  # the assessment says so
            continue
        if head.resourceType == "Condition":
            found.add(f"Condition/{head.id}" if head.id else resource.full_url)
    return sorted(found - {""})


@dataclass(frozen=True, slots=True)
class _KnownAs:
    """The names of a state of the evidence, under each key that remembers anything."""

    names: tuple[CardNames, ...]

    def __call__(self, digest: str) -> tuple[str, ...]:
        return tuple(one.evidence(digest) for one in self.names)


def _of_chart(
    remembered: Sequence[Remembered], conditions: Sequence[str], hook_instance: str | None
) -> EarlierCards:
    overrides: list[Override] = []
    accepted: list[Accepted] = []
    returned: list[Returned] = []
    for one in remembered:
        present = {one.names.about(condition): condition for condition in conditions}
        accepted += _accepted(one.feedback, present)
        overrides += _overrides(one.feedback, present)
        returned += _returned(one.given, present, hook_instance)
    names = tuple(one.names for one in remembered)
    return EarlierCards(tuple(overrides), tuple(returned), tuple(accepted), _KnownAs(names))


def _accepted(feedback: Iterable[FeedbackThen], present: Mapping[str, str]) -> Iterator[Accepted]:
    for one in feedback:
        condition = present.get(one.card.condition)
        for kind in one.accepted or () if condition else ():
            yield Accepted(
                str(condition), one.card.line, kind, one.on,
                returned_on=one.card.returned_on, evidence_on=one.card.latest, source=one.event_id,
            )  # fmt: skip


def _overrides(feedback: Sequence[FeedbackThen], present: Mapping[str, str]) -> Iterator[Override]:
    """What was set aside; not what was taken up from the same card, whichever was said first."""
    taken_up = {(one.card_id, kind) for one in feedback for kind in one.accepted or ()}
    for one in feedback:
        condition = present.get(one.card.condition)
        if condition is None or one.accepted is not None:
            continue
        reason = our_reason(one.reason_code, one.reason_system)
        for kind in one.card.kinds:
            if (one.card_id, kind) not in taken_up:
                yield snoozed(
                    condition, one.card.line, kind, one.on, reason,
                    one.card.status, one.card.confidence, one.card.latest, one.event_id,
                )  # fmt: skip


def _returned(
    given: Iterable[CardGiven], present: Mapping[str, str], hook_instance: str | None
) -> Iterator[Returned]:
    """Cards of earlier calls. The same call again is answered as it was, past midnight too."""
    for one in given:
        card = one.card
        condition = present.get(card.condition)
        is_same_call = (one.hook_instance or "").lower() == (hook_instance or "").lower()
        if condition is None or card.returned_on is None or is_same_call:
            continue
        for kind in card.kinds:
            yield Returned(
                condition, card.line, kind, card.returned_on, card.evidence,
                card.status, card.confidence, one.decision_id,
            )  # fmt: skip
