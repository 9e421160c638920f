"""One dated piece of evidence of how a line went."""

from __future__ import annotations

from typing import Literal

import msgspec

from cds_service.dates import PartialDate

Kind = Literal[
    "disease-status",
    "response-category",
    "tumour-marker",
    "haematology",
    "molecular",
    "condition",
    "treatment-change",
    "imaging",
    "procedure",
]
Finding = Literal[
    "complete-response",
    "very-good-partial-response",
    "partial-response",
    "minimal-response",
    "stable",
    "progression",
    "unconfirmed-progression",
    "not-evaluable",
    "rising",
    "falling",
    "stopped-for-progression",
    "stopped-for-toxicity",
    "relapse",
    "remission",
]

RESPONSES: tuple[Finding, ...] = (
    "complete-response",
    "very-good-partial-response",
    "partial-response",
    "minimal-response",
)
"""Response categories, best first."""
PROGRESSIONS = frozenset({"progression", "relapse"})
BEST_FIRST: tuple[Finding, ...] = (
    "not-evaluable",
    *RESPONSES,
    "remission",
    "falling",
    "stable",
    "stopped-for-toxicity",
    "rising",
    "stopped-for-progression",
    "unconfirmed-progression",
    "relapse",
    "progression",
)

_PLACE = {finding: place for place, finding in enumerate(BEST_FIRST)}

# Precedence, 1 speaks loudest. Source: histology, milestone laboratory results, formal imaging
# categories, clinician's status with imaging, clinician's status, validated marker rules, other
# marker rules, a change of treatment with its reason.
HISTOLOGY, MILESTONE, FORMAL, IMAGED, JUDGED, VALIDATED_MARKER, MARKER, CHANGE = range(1, 9)


class Evidence(msgspec.Struct, frozen=True, gc=False):
    """What one resource (or one series of results) says of a line.

    `rank` is the precedence, 1 loudest. `is_documented`: a clinician wrote refractory, resistant or
    relapsed; `is_refractory_in_words` leaves out relapsed. `is_confirmed`: says itself that it
    confirms an earlier finding (iCPD). `is_response`: speaks of response, of whatever degree.
    `sites` limit a statement to named sites. `rule` is the marker rule or milestone that read it;
    `missed` names a milestone that was not reached, `was_reached` says that it had been and was
    lost. `is_transformation`: the disease has become another, more aggressive one. `confirmed_on`:
    the day of the value that confirmed a rise. `is_signal_only`: counts, but no more than suggests.
    `is_marker_based`: a statement that, by its author's own account, rests on a tumour marker
    alone. `is_marker_remission` and `is_persistence`: a marker says remission, or that there is
    none yet, which is neither control nor stability. `is_intolerance`: a drug is not tolerated.
    `is_off_therapy`: a deep response was lost after the drugs had been stopped as planned, so that
    it falls upon none of them, however soon. `decides` is False for what only supports;
    `suggests` (without deciding): a full rise, confirmed, by a rule that never decides.
    """

    resource: str
    on: PartialDate
    kind: Kind
    finding: Finding
    detail: str
    rank: int
    is_documented: bool = False
    is_response: bool = False
    is_formal: bool = False
    is_mixed: bool = False
    is_unconfirmed: bool = False
    is_confirmed: bool = False
    is_atypical: bool = False
    is_new_lesion: bool = False
    is_not_comparable: bool = False
    is_refractory_in_words: bool = False
    sites: tuple[str, ...] = ()
    rule: str = ""
    missed: str = ""
    was_reached: bool = False
    is_signal_only: bool = False
    is_marker_based: bool = False
    is_transformation: bool = False
    is_marker_remission: bool = False
    is_persistence: bool = False
    is_intolerance: bool = False
    confirmed_on: PartialDate | None = None
    is_off_therapy: bool = False
    decides: bool = True
    suggests: bool = False

    @property
    def is_progression(self) -> bool:
        return self.finding in PROGRESSIONS

    @property
    def is_stable(self) -> bool:
        return self.finding == "stable" and not self.is_persistence

    @property
    def is_whole(self) -> bool:
        """Said of the whole disease, not of named sites; a new lesion is growth of the whole."""
        return not self.sites or self.is_new_lesion


def in_order(evidence: Evidence) -> tuple[object, ...]:
    """Order of dates; on one day the quieter first, so that the louder is the later word.

    Of equally loud ones the worse is the later: no name of a resource decides between them.
    """
    is_adverse = evidence.is_progression or evidence.is_unconfirmed
    worse = is_adverse, _PLACE[evidence.finding], evidence.is_not_comparable
    on = evidence.on
    named = evidence.resource, evidence.detail, evidence.rule
    return on.first, on.last, -evidence.rank, worse, *named
