"""Draft orders beside an assessment → what deserves a word before they are signed.

treats.py       which cancer a draft is for
rechallenge.py  a drug, or one of its class, to which a line is possibly refractory
switching.py    another drug while the progression on the latest line is in doubt
warning.py      what is said of it, and what a clinician has set aside before

A draft changes nothing of the assessment: it is read after it, and beside it.
"""

from __future__ import annotations

from cds_service.clinical.advice import NO_EARLIER_CARDS, EarlierCards
from cds_service.clinical.assessment import Assessment
from cds_service.clinical.ordering.rechallenge import rechallenges
from cds_service.clinical.ordering.switching import doubtful_switch
from cds_service.clinical.ordering.warning import NamedDrug, OrderWarning
from cds_service.clinical.record import Drafts
from cds_service.knowledge.model import Knowledge

__all__ = ["NamedDrug", "OrderWarning", "order_warnings"]


def order_warnings(
    assessment: Assessment,
    drafts: Drafts,
    knowledge: Knowledge,
    earlier_cards: EarlierCards = NO_EARLIER_CARDS,
) -> tuple[OrderWarning, ...]:
    """What the drafts call for, cancer by cancer, the latest line first; what is held back too.

    Pure, and the same whatever the order of the drafts.
    """
    found: list[OrderWarning] = []
    for cancer in assessment.cancers:
        found += rechallenges(cancer, assessment, drafts, knowledge, earlier_cards)
        switch = doubtful_switch(cancer, assessment, drafts, knowledge, earlier_cards)
        if switch is not None:
            found.append(switch)
    return tuple(found)
