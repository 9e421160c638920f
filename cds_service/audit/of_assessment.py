"""An Assessment in the words of the decision log: codes of what was decided, and what it read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import msgspec

from cds_service.audit.decided import AdviceDecided, CancerDecided, LineDecided, Outcome, Unmet
from cds_service.audit.inputs import Input, Inputs, Origin
from cds_service.clinical.advice import Judged
from cds_service.clinical.assessment import Assessment, CancerAssessment
from cds_service.clinical.assessment_json import to_bytes
from cds_service.clinical.record import RawResource

SWITCHED_OFF = "switched-off"
"""Why advice was held back that a site wants no cards of: the site file says so, not the chart."""


@dataclass(frozen=True)
class Told:
    """An Assessment and what it rests on, as the log has them: each part is worked out once,
    however many calls it answers."""

    assessment: Assessment
    inputs: Inputs = Inputs()  # noqa: RUF009 # a tuple

    @cached_property
    def cancers(self) -> tuple[CancerDecided, ...]:
        return cancers_decided(self.assessment)

    @cached_property
    def advice(self) -> tuple[AdviceDecided, ...]:
        return advice_decided(self.assessment)

    @cached_property
    def issues(self) -> Mapping[str, int]:
        """How many faults of each kind the chart had."""
        return dict(Counter(issue.code for issue in self.assessment.issues))

    @cached_property
    def written(self) -> bytes:
        """The Assessment as JSON."""
        return to_bytes(self.assessment)


def cancers_decided(assessment: Assessment) -> tuple[CancerDecided, ...]:
    """Each cancer with its lines: the rules that decided, and those that were asked in vain."""
    return tuple(
        CancerDecided(cancer.disease.id, [_line(judged) for judged in cancer.judged])
        for cancer in assessment.cancers
    )


def _line(judged: Judged) -> LineDecided:
    status = judged.status
    met = set(status.rules)
    unmet = {
        (answer.rule, answer.condition or None)
        for answer in judged.answers
        if not answer.holds and answer.rule not in met
    }
    return LineDecided(
        number=judged.line.number,
        status=status.status,
        pattern=status.pattern,
        confidence=status.confidence,
        rules=status.rules,
        unmet=[Unmet(rule, condition) for rule, condition in sorted(unmet, key=str)],
        caveats=status.caveats,
    )


def advice_decided(assessment: Assessment) -> tuple[AdviceDecided, ...]:
    """All advice, suppressed ones too: suppressing is a decision."""
    return tuple(
        AdviceDecided(
            kind=advice.kind,
            urgency=advice.urgency,
            disease=cancer.disease.id,
            line=advice.line,
            suppressed=advice.suppressed
            or (None if cancer.disease.returns_cards else SWITCHED_OFF),
            suppressed_by=advice.suppressed_by or None,
        )
        for cancer in assessment.cancers
        for advice in cancer.advice
    )


def state_used(advice: Iterable[AdviceDecided]) -> tuple[str, ...]:
    """The earlier entries of the log that changed this decision."""
    return tuple(sorted({one.suppressed_by for one in advice if one.suppressed_by}))


def outcome_of_cards(assessment: Assessment, cards: int) -> Outcome:
    """How a hook call ended: with cards, or why without."""
    if cards:
        return Outcome.CARDS_RETURNED
    if not assessment.cancers:
        return Outcome.NO_CANCER
    if any(_advice(assessment.cancers)):
        return Outcome.ALL_SUPPRESSED
    return Outcome.NOTHING_TO_ADVISE


def _advice(cancers: Iterable[CancerAssessment]) -> Iterable[object]:
    return (advice for cancer in cancers for advice in cancer.advice)


class _Meta(msgspec.Struct, frozen=True):
    versionId: str | None = None
    lastUpdated: str | None = None


class _Versioned(msgspec.Struct):
    """Which version of a resource was read."""

    meta: _Meta = _Meta()


def inputs_used(assessment: Assessment, origin_of: Callable[[RawResource], Origin]) -> Inputs:
    """The resources that the assessment rests on, with their versions."""
    found = []
    for reference, given in assessment.record.sources:
        resource = cast(RawResource, given)  # what `assess_chart` was given
        meta = _meta(bytes(resource.raw))
        found.append(
            Input(
                reference=reference,
                content=bytes(resource.raw),
                origin=origin_of(resource),
                version_id=meta.versionId,
                last_updated=meta.lastUpdated,
            )
        )
    return Inputs(found)


def _meta(resource: bytes) -> _Meta:
    try:
        return msgspec.json.decode(resource, type=_Versioned).meta
    except msgspec.DecodeError:  # of another form than FHIR's: no version is known
        return _Meta()
