"""From a whole chart to the answer, and the same again from what the decision log kept of it.

Pure but for the knowledge that is given: no clock, no network, no log.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import cast

import orjson

from cds_service.audit import MissingInput, Outcome
from cds_service.audit.of_assessment import Told, inputs_used, outcome_of_cards
from cds_service.audit.snapshot import FORM, Fault, ReadResource, Recalled, Snapshot
from cds_service.batch import issue_of, with_issues
from cds_service.clinical.advice import NO_EARLIER_CARDS, EarlierCards
from cds_service.clinical.assessment import Assessment, assess
from cds_service.clinical.ordering import OrderWarning, order_warnings
from cds_service.clinical.record import Drafts
from cds_service.errors import FhirError
from cds_service.fhir.bundles import Problem
from cds_service.fhir.outcomes import outcome_of
from cds_service.hooks.card_text import not_seen
from cds_service.hooks.cards import CardContent, CardMaker, cards_under, contents_for
from cds_service.hooks.completing import chart_again
from cds_service.hooks.drafting import DraftsRead, drafts_again, names_an_agent
from cds_service.hooks.messages import HookCall, OrderSignContext
from cds_service.hooks.order_cards import order_contents, warnings_decided
from cds_service.hooks.prefetch import Chart, ChartResource, MissingCode
from cds_service.service import Decided

NO_CARDS = orjson.dumps({"cards": []})


@dataclass(frozen=True, slots=True)
class Occasion:
    """One call of a hook: who is asked about on which day, and under which id it is answered."""

    call: HookCall
    as_of: date
    decision_id: str


def nothing_drafted(drafts: DraftsRead, maker: CardMaker) -> Decided | None:
    """The answer where no draft names an agent against a cancer; None where one does."""
    if names_an_agent(drafts.drafts, maker.knowledge):
        return None
    return Decided(
        Outcome.NOTHING_TO_ADVISE,
        200,
        NO_CARDS,
        issues=drafts.drafts.issues,
        snapshot=Snapshot(FORM, maker.public_url, medications=_kept(drafts.medications)),
    )


def data_unavailable(error: FhirError, maker: CardMaker) -> Decided:
    """The answer where data that are needed could not be had."""
    return Decided(
        outcome=Outcome.DATA_UNAVAILABLE,
        http_status=error.http_status,
        response=orjson.dumps(outcome_of(error)),
        error_class=type(error).__name__,
        snapshot=Snapshot(FORM, maker.public_url),
    )


def memory_for(drafts: Drafts | None, earlier: EarlierCards) -> EarlierCards:
    """What counts of earlier cards: each order is an occasion of its own."""
    return earlier if drafts is None else replace(earlier, returned=())


@dataclass(frozen=True, slots=True)
class Prepared:
    """An answer but for its ids, so that it can be given again."""

    contents: Sequence[CardContent]
    decided: Decided

    def under(self, decision_id: str) -> Decided:
        """The answer of one decision."""
        if not self.contents:
            return self.decided
        cards = cards_under(decision_id, self.contents)
        return replace(
            self.decided,
            response=orjson.dumps({"cards": [card.json for card in cards]}),
            cards=tuple(card.returned for card in cards),
        )


def prepare(
    assessment: Assessment,
    chart: Chart,
    drafts: DraftsRead | None,
    earlier: EarlierCards,
    encounter_id: str | None,
    maker: CardMaker,
) -> Prepared:
    """The cards on an assessment, and what the log keeps of how they came about."""
    unseen = not_seen(chart.missing)
    if drafts is None:
        warnings = None
        contents = contents_for(assessment, maker, encounter_id, not_seen=unseen)
    else:
        warnings = order_warnings(assessment, drafts.drafts, maker.knowledge, earlier)
        contents = order_contents(warnings, assessment, maker, encounter_id, not_seen=unseen)
    decided = Decided(
        outcome=_outcome(assessment, len(contents), warnings),
        http_status=200,
        response=NO_CARDS,
        told=Told(
            with_issues(assessment, map(issue_of, chart.not_read)),
            inputs_used(assessment, lambda resource: cast(ChartResource, resource).origin),
        ),
        missing=tuple(MissingInput(key, code) for key, code in chart.missing),
        advice=None if warnings is None else warnings_decided(warnings),
        issues=drafts.drafts.issues if drafts is not None else (),
        snapshot=_snapshot(assessment, chart, drafts, earlier, maker),
    )
    return Prepared(contents, decided)


def decide_again(
    occasion: Occasion, snapshot: Snapshot, missing: Iterable[MissingInput], maker: CardMaker
) -> Decided:
    """The answer to a call as it would be given now, on the data and the memory of then."""
    call, context, drafts = occasion.call, occasion.call.context, None
    maker = replace(maker, public_url=snapshot.public_url)
    if isinstance(context, OrderSignContext):
        medications = _given(snapshot.medications)
        read = drafts_again(call, context, occasion.as_of, maker.knowledge, medications)
        drafts = DraftsRead(read, medications)
        if (without := nothing_drafted(drafts, maker)) is not None:
            return without
    lacked = [(one.key, cast(MissingCode, one.code)) for one in missing]
    faults = [Problem(one.where, one.what, one.code) for one in snapshot.faults]
    try:
        chart = chart_again(call, _given(snapshot.read), lacked, faults)
    except FhirError as error:
        return data_unavailable(error, maker)
    recalled = snapshot.recalled
    earlier = recalled.as_earlier_cards() if recalled else NO_EARLIER_CARDS
    assessment = assess(chart.resources, occasion.as_of, maker.knowledge, call.patient, earlier)
    assessment = with_issues(assessment, map(issue_of, chart.problems))
    prepared = prepare(assessment, chart, drafts, earlier, context.encounter_id, maker)
    return prepared.under(occasion.decision_id)


def _outcome(
    assessment: Assessment, cards: int, warnings: Sequence[OrderWarning] | None
) -> Outcome:
    """How a call ended; of draft orders by what there was to say of them."""
    if cards or warnings is None or not assessment.cancers:
        return outcome_of_cards(assessment, cards)
    return Outcome.ALL_SUPPRESSED if warnings else Outcome.NOTHING_TO_ADVISE


def _snapshot(
    assessment: Assessment,
    chart: Chart,
    drafts: DraftsRead | None,
    earlier: EarlierCards,
    maker: CardMaker,
) -> Snapshot:
    read = chart.problems[chart.problems_of_prefetch :]
    return Snapshot(
        FORM,
        maker.public_url,
        read=_kept(one for one in chart.resources if one.origin != "prefetch"),
        faults=tuple(Fault(one.where, one.what, one.code) for one in read),
        medications=_kept(drafts.medications) if drafts is not None else (),
        recalled=Recalled.of(
            earlier,
            (judged.evidence_digest for cancer in assessment.cancers for judged in cancer.judged),
        ),
    )


def _kept(resources: Iterable[ChartResource]) -> tuple[ReadResource, ...]:
    return tuple(
        ReadResource(bytes(one.raw).decode("utf-8"), one.full_url, one.origin) for one in resources
    )


def _given(resources: Iterable[ReadResource]) -> tuple[ChartResource, ...]:
    return tuple(ChartResource(one.raw.encode(), one.full_url, one.origin) for one in resources)
