"""Warnings about draft orders → cards, and what the decision log keeps of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from cds_service.audit import AdviceDecided
from cds_service.audit.of_assessment import SWITCHED_OFF
from cds_service.clinical.assessment import Assessment
from cds_service.clinical.ordering import OrderWarning
from cds_service.hooks.cards import (
    MOST_SUGGESTIONS,
    NO_ID_YET,
    SUMMARY_LONGEST,
    CardContent,
    CardMaker,
    extension_of,
    indicator_of,
    links_of,
    source_of,
    suggestion_of,
)
from cds_service.hooks.markdown import plain
from cds_service.hooks.order_text import order_detail, summaries
from cds_service.hooks.override_reasons import OVERRIDE_REASONS


def order_contents(
    warnings: Sequence[OrderWarning],
    assessment: Assessment,
    maker: CardMaker,
    encounter_id: str | None = None,
    *,
    not_seen: str = "",
) -> list[CardContent]:
    """A card for each warning that has a drug to show."""
    return [
        _card(
            warning,
            assessment,
            order_detail(warning, assessment, maker.knowledge, not_seen),
            maker,
            encounter_id,
        )
        for warning in warnings
        if warning.shown and warning.cancer.disease.returns_cards
    ]


def _card(
    warning: OrderWarning,
    assessment: Assessment,
    detail: str,
    maker: CardMaker,
    encounter_id: str | None,
) -> CardContent:
    cancer, judged = warning.cancer, warning.judged
    advice = warning.live_advice[:MOST_SUGGESTIONS]
    kinds = tuple(one.kind for one in advice)
    card: dict[str, Any] = {
        "uuid": NO_ID_YET,
        "summary": _summary(warning),
        "indicator": _indicator(warning),
        "detail": detail,
        "source": source_of(assessment, cancer.disease.id, judged.status.status, maker),
        "overrideReasons": OVERRIDE_REASONS,
        "extension": extension_of(assessment, cancer, judged, kinds),
    }
    if advice:
        card["suggestions"] = [
            suggestion_of(one, assessment, cancer, judged, maker, encounter_id) for one in advice
        ]
        card["selectionBehavior"] = "any"
    links = links_of(cancer, judged, maker.knowledge)
    if links:
        card["links"] = links
    own = dict.fromkeys(one.kind for one in warning.shown)
    return CardContent(card, (*own, *kinds), kinds, cancer, judged)


def _summary(warning: OrderWarning) -> str:
    fits = (text for text in summaries(warning) if len(text) <= SUMMARY_LONGEST)
    return next(fits, plain("Draft orders beside a line of cancer therapy.", SUMMARY_LONGEST))


def _indicator(warning: OrderWarning) -> str:
    """As on a card about the line, where the drug itself is drafted again; else info."""
    if any(one.is_same for one in warning.shown):
        return indicator_of(warning.cancer, warning.judged)
    return "info"


def warnings_decided(warnings: Sequence[OrderWarning]) -> tuple[AdviceDecided, ...]:
    """Each warning as the log has it, held back or not, with the advice beside it."""
    return tuple(dict.fromkeys(_decided(warnings)))


def _decided(warnings: Sequence[OrderWarning]) -> Iterator[AdviceDecided]:
    for warning in warnings:
        disease, line = warning.cancer.disease.id, warning.judged.line.number
        off = None if warning.cancer.disease.returns_cards else SWITCHED_OFF
        for one in warning.named:
            yield AdviceDecided(
                kind=one.kind, urgency="routine", disease=disease, line=line,
                suppressed=one.silence.word or off, suppressed_by=one.silence.source or None,
            )  # fmt: skip
        for advice in warning.advice if warning.shown else ():
            yield AdviceDecided(
                kind=advice.kind, urgency=advice.urgency, disease=disease, line=line,
                suppressed=advice.suppressed or off,
                suppressed_by=advice.suppressed_by or None,
            )  # fmt: skip
