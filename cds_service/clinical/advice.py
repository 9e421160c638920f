"""The last stage: statuses and record → what may be suggested, and why any of it is held back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal

from cds_service.clinical.evidence import Evidence
from cds_service.clinical.lines import Line
from cds_service.clinical.record import Cancer, Record
from cds_service.clinical.status import Caveat, Composites, Confidence, LineStatus, Status
from cds_service.knowledge.model import Disease

AdviceKind = Literal[
    "restage", "confirm-progression", "biopsy", "trial-referral", "adherence-review",
    "supportive-care",
]  # fmt: skip
Urgency = Literal["routine", "prompt"]
Suppressed = Literal[
    "recently-done", "already-ordered", "overridden", "unchanged", "next-line-started",
    "patient-declined", "stale", "hospice", "deceased",
]  # fmt: skip

ORDER_IS_PENDING_DAYS = 42
REFERRAL_RECENT_DAYS = 180
DECLINED_DAYS = 180
STALE_DAYS = 365
UNCHANGED_DAYS = 7
MARKER_IMAGING_DAYS = 56
SYMPTOM_IMAGING_DAYS = 90
POOR_ECOG = 3
BEDBOUND_ECOG = 4

IMAGING = frozenset(
    {"imaging-ct", "imaging-mri", "imaging-pet", "imaging-bone-scan", "imaging-other"}
)
TISSUE = frozenset({"biopsy", "bone-marrow-examination", "molecular-test"})
ANSWERED_BY: dict[AdviceKind, frozenset[str]] = {
    "restage": IMAGING,
    "biopsy": TISSUE,
    "trial-referral": frozenset({"trial-referral"}),
    "supportive-care": frozenset({"palliative-referral"}),
}
"""Procedures, reports and orders by which an advice is already followed."""


@dataclass(frozen=True, slots=True)
class Advice:
    """One suggestion for one line; `suppressed` says why no card shows it."""

    kind: AdviceKind
    line: int
    urgency: Urgency
    reason: str
    suppressed: Suppressed | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """A clinician set an advice aside; it is silent until `until`, or until new evidence."""

    condition: str
    line: int
    kind: str
    on: date
    until: date


@dataclass(frozen=True, slots=True)
class Returned:
    """A card that was returned before, by the digest of the evidence it stood on."""

    condition: str
    line: int
    kind: str
    on: date
    evidence: str


@dataclass(frozen=True, slots=True)
class EarlierCards:
    """What clinicians did with earlier cards, and what those were."""

    overrides: tuple[Override, ...] = ()
    returned: tuple[Returned, ...] = ()


NO_EARLIER_CARDS = EarlierCards()


@dataclass(frozen=True, slots=True)
class Judged:
    """One line with its evidence and where it stands."""

    line: Line
    evidence: tuple[Evidence, ...]
    status: LineStatus

    @property
    def evidence_digest(self) -> str:
        """Changes when, and only when, the evidence of the line does."""
        said = "\n".join(f"{e.resource} {e.on} {e.finding} {e.detail}" for e in self.evidence)
        return hashlib.sha256(said.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Situation:
    """One line of one cancer, with what decides about advice."""

    record: Record
    cancer: Cancer
    disease: Disease
    judged: Judged
    composites: Composites
    progressed_lines: int
    is_latest: bool
    earlier_cards: EarlierCards = field(default=NO_EARLIER_CARDS)

    @property
    def status(self) -> LineStatus:
        return self.judged.status

    def has(self, *caveats: Caveat) -> bool:
        return any(caveat in self.status.caveats for caveat in caveats)

    @property
    def ecog(self) -> int | None:
        """The latest performance status on record."""
        values = [f for f in self.record.facts if f.name == "ecog" and f.value.isdigit() and f.on]
        return int(max(values, key=lambda f: str(f.on)).value) if values else None


def choose_advice(
    record: Record,
    cancer: Cancer,
    disease: Disease,
    judged: Sequence[Judged],
    composites: Composites,
    earlier_cards: EarlierCards = NO_EARLIER_CARDS,
) -> tuple[Advice, ...]:
    """What may be suggested for each line of a cancer, the leading advice of a line first.

    The first firing rule that fits gives the advice; then each is checked for a reason to keep
    silent, which stays with it.
    """
    chosen: list[Advice] = []
    progressed = sum(j.status.status == "possible-refractory" for j in judged)
    for number, line in enumerate(judged, 1):
        situation = Situation(
            record, cancer, disease, line, composites, progressed,
            number == len(judged), earlier_cards,
        )  # fmt: skip
        urgency = _urgency(line.status)
        chosen += [
            Advice(
                kind, line.line.number, urgency, _reason(kind, situation), _silence(kind, situation)
            )
            for kind in _kinds(situation)
        ]
    return tuple(chosen)


# --- which advice fires -------------------------------------------------------------------------


def _kinds(situation: Situation) -> tuple[AdviceKind, ...]:
    for fires, kinds in FIRING:
        if fires(situation):
            return kinds(situation)
    return ()


Fires = Callable[[Situation], bool]
Kinds = Callable[[Situation], tuple[AdviceKind, ...]]


def _is_adverse(s: Situation) -> bool:
    return s.status.status in ("possible-refractory", "progressing", "relapsed", "indeterminate")


def _is_quiet(s: Situation) -> bool:
    return s.status.status in ("responding", "stable", "no-evidence") and not s.has("symptom-only")


def _is_frail(s: Situation) -> bool:
    ecog = s.ecog
    if ecog is None or s.status.status not in ("possible-refractory", "progressing"):
        return False
    return ecog >= BEDBOUND_ECOG or (ecog >= POOR_ECOG and s.progressed_lines > 1)


def _is_milestone(s: Situation) -> bool:
    ids = {m.id for m in s.disease.milestones}
    return _is_adverse(s) and bool(ids & set(s.status.rules))


def _needs_imaging_of_marker(s: Situation) -> bool:
    on = s.status.progressed_on
    if not s.has("marker-only") or s.status.status != "possible-refractory" or on is None:
        return False
    return not _done(s, IMAGING, on, on + timedelta(days=MARKER_IMAGING_DAYS))


def _always(*kinds: AdviceKind) -> Kinds:
    return lambda _: kinds


def _for_symptom(s: Situation) -> tuple[AdviceKind, ...]:
    recent = s.record.as_of - timedelta(days=SYMPTOM_IMAGING_DAYS)
    if _done(s, IMAGING, recent, s.record.as_of):
        return ("supportive-care",)
    return "supportive-care", "restage"


def _for_documented(s: Situation) -> tuple[AdviceKind, ...]:
    poor = s.ecog is not None and s.ecog >= POOR_ECOG
    return ("biopsy", "trial-referral", "restage", *(("supportive-care",) if poor else ()))


def _is(*statuses: Status) -> Fires:
    return lambda s: s.status.status in statuses


def _all_of(*conditions: Fires) -> Fires:
    return lambda s: all(condition(s) for condition in conditions)


def _with(*caveats: Caveat) -> Fires:
    return lambda s: s.has(*caveats)


def _as_sure_as(confidence: Confidence) -> Fires:
    return lambda s: s.status.confidence == confidence


def _leads_to_trial(s: Situation) -> bool:
    return s.composites.leads_to_trial and s.is_latest


REFRACTORY = _is("possible-refractory")
WITHHELD = _is("progressing", "relapsed", "indeterminate")
OPEN = _is("progressing", "indeterminate")

# Advice by the first condition that fits; each list leads with what comes first.
FIRING: tuple[tuple[Fires, Kinds], ...] = (
    (_is_quiet, _always()),
    (_all_of(_with("diagnosis-unclarified"), _is_adverse), _always("biopsy")),
    (
        _all_of(_with("adherence"), _is_adverse),
        _always("adherence-review", "confirm-progression"),
    ),
    (_is_milestone, _always("adherence-review", "confirm-progression")),
    (
        _all_of(WITHHELD, _with("inadequate-exposure", "assessment-too-early")),
        _always("confirm-progression"),
    ),
    (
        _all_of(OPEN, _with("pseudoprogression-possible", "unconfirmed")),
        _always("confirm-progression"),
    ),
    (_with("symptom-only"), _for_symptom),
    (_is_frail, _always("supportive-care", "restage")),
    (_needs_imaging_of_marker, _always("restage")),
    (
        _all_of(WITHHELD, _with("not-comparable", "mixed-response")),
        _always("confirm-progression", "restage"),
    ),
    (_all_of(_is("progressing"), _with("limited-progression")), _always("restage")),
    (
        _all_of(REFRACTORY, _leads_to_trial),
        _always("trial-referral", "restage", "biopsy", "supportive-care"),
    ),
    (_all_of(REFRACTORY, _as_sure_as("signal")), _always("confirm-progression", "restage")),
    (_all_of(REFRACTORY, _as_sure_as("documented")), _for_documented),
    (REFRACTORY, _always("restage", "biopsy", "trial-referral")),
    (_is("relapsed"), _always("restage", "biopsy", "trial-referral")),
    (_is("progressing"), _always("restage")),
    (_is("indeterminate"), _always("confirm-progression")),
)


def _urgency(status: LineStatus) -> Urgency:
    sure = status.confidence in ("criteria", "documented")
    return "prompt" if status.status == "possible-refractory" and sure else "routine"


# --- why it is not shown ------------------------------------------------------------------------


def _silence(kind: AdviceKind, s: Situation) -> Suppressed | None:
    for reason, holds in SILENCE:
        if holds(kind, s):
            return reason
    return None


def _is_done(kind: AdviceKind, s: Situation) -> bool:
    """Done since the progression; imaging also when it is recent, referrals for half a year."""
    wanted = ANSWERED_BY.get(kind)
    if wanted is None:
        return False
    as_of, since = s.record.as_of, s.status.progressed_on or s.record.as_of
    recent = {
        "restage": s.disease.advice.restage_recent_days,
        "trial-referral": REFERRAL_RECENT_DAYS,
        "supportive-care": REFERRAL_RECENT_DAYS,
    }.get(kind, 0)
    since = min(since, as_of - timedelta(days=recent)) if recent else since
    if _done(s, wanted, since, as_of):
        return True
    return any(
        r.kind in wanted and r.is_completed and r.on is not None and r.on.last >= since
        for r in s.record.requests
    )


def _done(s: Situation, kinds: Iterable[str], since: date, until: date) -> bool:
    return any(
        e.kind in kinds and e.on.last >= since and e.on.first <= until for e in s.record.events
    )


def _is_ordered(kind: AdviceKind, s: Situation) -> bool:
    wanted = ANSWERED_BY.get(kind)
    if wanted is None:
        return False
    is_referral = kind in ("trial-referral", "supportive-care")
    days = REFERRAL_RECENT_DAYS if is_referral else ORDER_IS_PENDING_DAYS
    since = s.record.as_of - timedelta(days=days)
    return any(
        r.kind in wanted and r.is_open and (r.on is None or r.on.last >= since)
        for r in s.record.requests
    )


def _is_declined(kind: AdviceKind, s: Situation) -> bool:
    wanted = ANSWERED_BY.get(kind)
    since = s.record.as_of - timedelta(days=DECLINED_DAYS)
    return wanted is not None and any(
        r.kind in wanted and r.is_declined and (r.on is None or r.on.last >= since)
        for r in s.record.requests
    )


def _is_stale(_: AdviceKind, s: Situation) -> bool:
    said = [e.on.last for e in s.judged.evidence]
    return bool(said) and (s.record.as_of - max(said)).days > STALE_DAYS


def _is_overridden(kind: AdviceKind, s: Situation) -> bool:
    latest = max((e.on.last for e in s.judged.evidence), default=s.record.as_of)
    return any(
        o.condition == s.cancer.condition
        and o.line == s.judged.line.number
        and o.kind == kind
        and s.record.as_of <= o.until
        and latest <= o.on
        for o in s.earlier_cards.overrides
    )


def _is_unchanged(kind: AdviceKind, s: Situation) -> bool:
    since = s.record.as_of - timedelta(days=UNCHANGED_DAYS)
    return any(
        c.condition == s.cancer.condition
        and c.line == s.judged.line.number
        and c.kind == kind
        and since <= c.on < s.record.as_of
        and c.evidence == s.judged.evidence_digest
        for c in s.earlier_cards.returned
    )


SILENCE: tuple[tuple[Suppressed, Callable[[AdviceKind, Situation], bool]], ...] = (
    ("deceased", lambda _, s: s.record.patient.is_deceased),
    ("hospice", lambda _, s: s.record.is_in_hospice),
    ("next-line-started", lambda _, s: not s.is_latest),
    ("recently-done", _is_done),
    ("already-ordered", _is_ordered),
    ("overridden", _is_overridden),
    ("patient-declined", _is_declined),
    ("unchanged", _is_unchanged),
    ("stale", _is_stale),
)


# --- what it rests on ---------------------------------------------------------------------------


def _reason(kind: AdviceKind, s: Situation) -> str:
    """The fact that an advice rests on, without tone or layout."""
    status, line = s.status, s.judged.line
    on = status.progressed_on
    if kind == "adherence-review":
        return "Intake, interactions and access may explain the course and come before its reading."
    if s.has("symptom-only") and on is None:
        return "Only a symptom is recorded as worse; there is no evidence on the disease itself."
    if on is None:
        return f"The evidence on line {line.number} does not settle where the disease stands."
    when = _when(status, line, on, s.judged.evidence)
    return {
        "possible-refractory": f"Possible refractory disease: {when}.",
        "relapsed": f"The disease came back after control: {when}.",
        "progressing": f"Progression that is not called refractory: {when}.",
    }.get(status.status, f"The evidence needs another look: {when}.")


def _when(status: LineStatus, line: Line, on: date, evidence: Sequence[Evidence]) -> str:
    name = line.regimen or " + ".join(line.agents) or "study drug"
    if any(e.missed and e.on.first == on for e in evidence):
        return f"a required response not reached on {on} during line {line.number} ({name})"
    days = status.interval_days
    if days is None or days <= 0 or line.is_ongoing:
        return f"progression on {on} during line {line.number} ({name})"
    return f"progression on {on}, {days} days after the last dose of line {line.number} ({name})"
