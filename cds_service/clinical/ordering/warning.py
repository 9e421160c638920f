"""What is said of draft orders, and whether a clinician has set the same aside before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from cds_service.clinical.advice import (
    Advice,
    EarlierCards,
    Judged,
    Silence,
    standing_override,
)
from cds_service.clinical.assessment import Assessment, CancerAssessment
from cds_service.clinical.record import DraftDrug
from cds_service.clinical.status import Caveat
from cds_service.knowledge.terms import Drug

WarningKind = Literal["rechallenge", "doubtful-switch"]
DOUBTFUL_SWITCH: WarningKind = "doubtful-switch"


@dataclass(frozen=True, slots=True)
class NamedDrug:
    """One drug of the drafts, and why it is named.

    `kind` is what the log and the memory of overrides call it ("rechallenge:lenalidomide", or by
    the class where only that matches). `through`: the drugs of its class to which the line is
    possibly refractory; empty where it is the drug itself. `also_on`: other lines of which the
    same holds. `silence`: why no card names it, if none does.
    """

    drug: Drug
    resources: tuple[str, ...]
    kind: str
    through: tuple[str, ...] = ()
    also_on: tuple[int, ...] = ()
    silence: Silence = Silence()  # noqa: RUF009 - frozen

    @property
    def is_same(self) -> bool:
        """Whether the drug itself was given on the line, and not only one of its class."""
        return not self.through


@dataclass(frozen=True, slots=True)
class OrderWarning:
    """What the drafts call for beside one line of one cancer.

    `caveats` weaken the progression for which a line would be switched, the first in the lead;
    `advice` is the line's own that could settle it, what is held back with its reason. `others`
    are further antineoplastics of the same drafts.
    """

    kind: WarningKind
    cancer: CancerAssessment
    judged: Judged
    named: tuple[NamedDrug, ...]
    caveats: tuple[Caveat, ...] = ()
    advice: tuple[Advice, ...] = ()
    others: tuple[str, ...] = field(default=())

    @property
    def shown(self) -> tuple[NamedDrug, ...]:
        """The drugs that a card names; none: there is no card."""
        return tuple(named for named in self.named if named.silence.word is None)

    @property
    def live_advice(self) -> tuple[Advice, ...]:
        return tuple(advice for advice in self.advice if advice.suppressed is None)


def rechallenge_kind(name: str) -> str:
    """How a re-challenge with a drug, or a class, is called where it is remembered."""
    return f"rechallenge:{name.replace(' ', '-')}"


def by_drug(drafts: Iterable[DraftDrug]) -> dict[Drug, tuple[str, ...]]:
    """The drafts that name each drug, in order of the drugs' names."""
    found: dict[Drug, set[str]] = {}
    for draft in sorted(drafts, key=lambda d: (d.drug.name, d.resource)):
        found.setdefault(draft.drug, set()).add(draft.resource)
    return {drug: tuple(sorted(resources)) for drug, resources in found.items()}


def silence_of(
    kind: str,
    cancer: CancerAssessment,
    judged: Judged,
    assessment: Assessment,
    earlier: EarlierCards,
) -> Silence:
    """Why a card does not say this: the patient has died (S1), is in hospice care (S2), or a
    clinician set the same aside, and nothing is new since (S9)."""
    record = assessment.record
    if record.patient.is_deceased:
        return Silence("deceased")
    if record.is_in_hospice:
        return Silence("hospice")
    override = standing_override(kind, cancer.cancer, judged, assessment.as_of, earlier)
    return Silence() if override is None else Silence("overridden", override.source)
