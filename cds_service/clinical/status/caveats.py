"""What speaks against reading a progression as failure of the therapy, or qualifies it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import date, timedelta

from cds_service.clinical.evidence import Evidence
from cds_service.clinical.evidence.evidence import HISTOLOGY
from cds_service.clinical.evidence.falls import has_halved
from cds_service.clinical.evidence.series import Series
from cds_service.clinical.record import Exposure
from cds_service.clinical.status.few_sites import LIMITED_DAYS
from cds_service.clinical.status.line_status import Case, Caveat
from cds_service.clinical.status.weighing import OVERRIDE_DAYS, Weighed
from cds_service.clinical.status.windows import Hit, known_by
from cds_service.knowledge.model import Rule
from cds_service.knowledge.terms import Drug, Marker

LOCAL_THERAPY_WITHIN_DAYS = 90
STILL_GIVEN_DAYS = 28
"""Since the last dose: for so long nothing tells whether it was the last (our default)."""


def caveats_of_progression(
    progression: Evidence, hits: Sequence[Hit], case: Case, weighed: Weighed
) -> set[Caveat]:
    """The caveats that bear on one progression and the agents that it falls upon.

    `weighed` holds all evidence of progression of the same episode.
    """
    counted = [hit for hit in hits if hit.is_adequate and not hit.lacks]
    asked = counted or list(hits)
    fired: set[Caveat] = set()
    if hits and not counted:
        fired.add("inadequate-exposure")
    if is_too_early(progression, asked, case):
        fired.add("assessment-too-early")
    if _awaits_scan(progression, asked, case):
        fired |= {"pseudoprogression-possible", "unconfirmed"}
    if _grows_while_markers_fall(progression, asked, case):
        fired.add("pseudoprogression-possible")
    if _was_on_hold(progression, asked, case):
        fired.add("adherence")
    if is_limited(progression, asked, case):
        fired.add("limited-progression")
    if is_unclarified(asked, case):
        fired.add("diagnosis-unclarified")
    if weighed.is_of_markers(case):
        fired.add("marker-only")
    if progression.is_not_comparable:
        fired.add("not-comparable")
    return fired | caveats_of_line(case, progression.on.last)


def caveats_of_line(case: Case, on: date | None = None) -> set[Caveat]:
    """The caveats that bear on a line whatever its evidence says.

    `on` is the day of what decides: tablets that were not supplied after it explain nothing.
    """
    fired = set(steady_caveats(case) if case.steady is None else case.steady)
    if has_adherence_doubt(case, on):
        fired.add("adherence")
    return fired


def steady_caveats(case: Case) -> frozenset[Caveat]:
    """The caveats of a line on whatever day: asked once, for there may be thousands of findings."""
    fired: set[Caveat] = set()
    if case.cancer.is_unverified:
        fired.add("diagnosis-unclarified")
    if is_intolerance(case):
        fired.add("intolerance")
    if _is_symptom_only(case):
        fired.add("symptom-only")
    if _is_stale(case):
        fired.add("stale-evidence")
    if has_unreadable_values(case):
        fired.add("not-comparable")
    return frozenset(fired)


def is_too_early(progression: Evidence, hits: Sequence[Hit], case: Case) -> bool:
    """Before the first day on which an assessment of this therapy can be read.

    A new lesion, which no early assessment explains away, is read at any time.
    """
    if progression.is_new_lesion or progression.kind in ("molecular", "tumour-marker"):
        return False
    if any(_is_soon_after_radiotherapy(h.rule, progression, case) for h in hits):
        return True
    earliest = min((h.rule.earliest_days for h in hits), default=case.disease.earliest_days)
    return bool(progression.on.within_days_after(case.line.start.first, earliest - 1))


def _is_soon_after_radiotherapy(rule: Rule, progression: Evidence, case: Case) -> bool:
    """Whether the tissue may only be inflamed; tissue that was looked at tells."""
    days = rule.unreadable_after_radiotherapy_days
    return (
        bool(days)
        and progression.rank > HISTOLOGY
        and _was_irradiated(progression.on.first, days, case)
    )


def _awaits_scan(progression: Evidence, hits: Sequence[Hit], case: Case) -> bool:
    """Whether a rule asks for a confirming scan that the chart does not have."""
    due = scan_due(progression, hits, case)
    return due is not None and not case.so_far().is_scanned_from(due)


def scan_due(progression: Evidence, hits: Sequence[Hit], case: Case) -> date | None:
    """The day from which a scan confirms a progression, where the rules ask for one."""
    asking = [h.rule for h in hits if _asks_for_scan(h.rule, progression, case)]
    days = max((rule.confirming_scan_days for rule in asking), default=0)
    if not days or len(asking) < len(hits) or progression.is_confirmed:
        return None
    return progression.on.last + min(timedelta(days), date.max - progression.on.last)


def _asks_for_scan(rule: Rule, progression: Evidence, case: Case) -> bool:
    """Whether a rule asks for a confirming scan of a progression at this time.

    After radiotherapy tissue settles it as well as a scan does.
    """
    if not rule.confirming_scan_days:
        return False
    on = progression.on
    within, after = rule.confirming_within_days, rule.confirming_after_radiotherapy_days
    if within and on.within_days_after(case.line.start.first, within):
        return True
    if after and progression.rank > HISTOLOGY and _was_irradiated(on.first, after, case):
        return True
    return not (within or after)


def _was_irradiated(on: date, days: int, case: Case) -> bool:
    """Whether radiotherapy of this cancer ended at most so many days before, or still goes on."""
    until = case.record_beside().irradiated_until(on)
    return until is not None and (on - until).days <= days


def _grows_while_markers_fall(progression: Evidence, hits: Sequence[Hit], case: Case) -> bool:
    """Growth on imaging while a marker that was raised falls or has become normal.

    Source: growing teratoma syndrome in germ-cell tumours.
    """
    names = {name for hit in hits for name in hit.rule.atypical_while_falling}
    if not names or progression.kind in ("tumour-marker", "haematology"):
        return False
    on = progression.on.first
    markers = case.knowledge.terms.markers
    courses = [(name, case.record_beside().course_by(name, on)) for name in sorted(names)]
    told = [
        (has_halved(course) or _is_normal_again(course, markers[name]), _has_risen(course))
        for name, course in courses
        if _is_recent(course, on)
    ]
    return any(fell for fell, _ in told) and not any(rose for _, rose in told)


def _is_recent(course: Series, on: date) -> bool:
    days = course.after_start()
    return bool(days) and (on - days[-1].on).days <= OVERRIDE_DAYS


def _is_normal_again(course: Series, marker: Marker) -> bool:
    limit = marker.typical_uln
    if course.baseline is None or limit is None:
        return False
    return course.baseline.lowest.value > limit >= course.days[-1].lowest.value


def _has_risen(course: Series) -> bool:
    days = course.days
    return len(days) > 1 and days[-1].lowest.value > days[-2].lowest.value


def _was_on_hold(progression: Evidence, hits: Sequence[Hit], case: Case) -> bool:
    """Whether all agents that it would fall upon were on a short break, and go on after it."""
    return bool(hits) and all(_is_in_break(progression.on.first, hit, case) for hit in hits)


def _is_in_break(on: date, hit: Hit, case: Case) -> bool:
    if not hit.rule.hold_days:
        return False
    pause = case.record_beside().covered(hit.use).pause_about(on)
    return pause is not None and pause <= hit.rule.hold_days


def is_limited(progression: Evidence, hits: Sequence[Hit], case: Case) -> bool:
    """Few named sites with the rest stable, or local therapy while the same drug goes on."""
    if not case.disease.may_be_limited:
        return False
    is_few = case.so_far().is_at_few_sites(progression.on.first)
    return is_few or _was_treated_locally(progression, hits, case)


def _was_treated_locally(progression: Evidence, hits: Sequence[Hit], case: Case) -> bool:
    first = progression.on.first
    on = case.record_beside().local_therapy_from(first)
    if on is None or (on - first).days > LOCAL_THERAPY_WITHIN_DAYS:
        return False
    goes_on = on + timedelta(days=LIMITED_DAYS)
    return any(h.use.last.last >= goes_on and h.use.first.first <= first for h in hits)


def is_unclarified(hits: Sequence[Hit], case: Case) -> bool:
    """Whether the diagnosis leaves open which definition applies."""
    if case.cancer.is_unverified or open_alternatives(case):
        return True
    return bool(hits) and is_subtype_open(case)


def open_alternatives(case: Case) -> tuple[str, ...]:
    """Diseases that neither the code nor the drugs of any line up to this one rule out."""
    if not case.cancer.alternatives:
        return ()
    is_told = case.record_beside().once("told by drugs", lambda: _is_told_by_drugs(case))
    return () if is_told else case.cancer.alternatives


def _is_told_by_drugs(case: Case) -> bool:
    lines = [case.line, *(line for line, _ in case.earlier)]
    by_line = ([use.drug for use in line.uses if not use.drug.is_corticosteroid] for line in lines)
    return any(_points_to_own(drugs, case) for drugs in by_line)


def _points_to_own(drugs: Sequence[Drug], case: Case) -> bool:
    """Whether a drug, or the regimen, is used for this disease and for no alternative."""
    if any(map(case.disease.marks.include, drugs)):
        return True
    names = frozenset(drug.name for drug in drugs)
    regimens = [r for r in case.knowledge.terms.regimens.values() if r.components == names]
    if any(set(case.cancer.alternatives) & r.diseases for r in regimens):
        return False
    return any(case.cancer.disease in r.diseases for r in regimens)


def is_subtype_open(case: Case) -> bool:
    """Whether the definition needs a subtype, and no set of facts that settles one is on record."""
    if not case.disease.subtypes:
        return False
    known = known_by(date.max, case)
    return not any(known.issuperset(facts) for facts in case.disease.subtypes)


def missing_facts(case: Case) -> tuple[str, ...]:
    """What would settle the subtype soonest; nothing where it is settled."""
    if not is_subtype_open(case):
        return ()
    known = known_by(date.max, case)
    wanted = min((set(facts) - known for facts in case.disease.subtypes), key=len)
    return tuple(sorted(fact.partition("=")[0] for fact in wanted))


def has_adherence_doubt(case: Case, on: date | None = None) -> bool:
    """Missed doses, access problems, a stop for such a reason, or a gap in tablets before a day."""
    gap = case.disease.supply_gap_days
    is_doubted, since = case.record_beside().once("adherence", lambda: _doubts(case, gap))
    return is_doubted or (since is not None and (on is None or (on - since).days > gap))


def _doubts(case: Case, gap: int) -> tuple[bool, date | None]:
    """Whether adherence is in doubt on any day; and the first day of a gap in tablets."""
    line = case.line
    until = line.next_start or case.record.as_of
    is_doubted = line.stopped_for("adherence") or any(
        doubt.kind == "adherence"
        and (not doubt.drug or doubt.drug in line.agents)
        and doubt.on is not None
        and doubt.on.last >= line.start.first
        and doubt.on.first <= until
        for doubt in case.record.doubts
    )
    gaps = [first for use in line.uses for first, end in use.breaks if (end - first).days >= gap]
    return is_doubted, min(gaps, default=None)


def is_intolerance(case: Case) -> bool:
    """Stopped for toxicity and not resumed, with no progression recorded up to the last dose.

    Or not tolerated by signs that the disease's definition names.
    """
    if any(e.is_intolerance for e in case.evidence):
        return True
    stopped = [e for e in case.line.exposures if e.stop_reason == "toxicity"]
    if not stopped:
        return False
    starts: dict[str, list[date]] = {}
    for use in sorted(case.line.exposures, key=lambda use: use.start):
        starts.setdefault(use.drug, []).append(use.start.first)
    if not any(_is_last(use, starts[use.drug]) for use in stopped):
        return False
    last = case.line.last_day.last
    return not any(e.is_progression and e.on.first <= last for e in case.evidence)


def _is_last(stopped: Exposure, starts: Sequence[date]) -> bool:
    """Whether no other use of the drug begins after the end of this one."""
    end = (stopped.end or stopped.start).last
    own = stopped.start.first > end
    return len(starts) - bisect_right(starts, end) <= own


def _is_symptom_only(case: Case) -> bool:
    until = case.line.next_start or date.max
    worse = any(
        doubt.kind == "symptom"
        and doubt.on is not None
        and case.line.start.first <= doubt.on.last
        and doubt.on.first <= until
        for doubt in case.record.doubts
    )
    return worse and not any(e.is_progression or e.is_unconfirmed for e in case.evidence)


def has_unreadable_values(case: Case) -> bool:
    """Whether values of a marker that decides are in a unit or scale that no rule can read."""
    values = case.all_values()
    if not values.has_unreadable:
        return False
    until = case.line.next_start or case.record.as_of
    markers = {rule.marker for rule in case.disease.marker_rules if not rule.is_unverified}
    markers |= {milestones.marker for milestones in case.disease.milestones}
    return any(
        m.quantity is None
        for marker in markers
        for m in values.within(marker, case.line.start.first, until)
    )


def _is_stale(case: Case) -> bool:
    """Latest evidence older than the disease's restaging interval while therapy goes on."""
    if not (case.line.is_ongoing or _is_given_still(case)) or not case.evidence:
        return False
    markers = {rule.marker for rule in case.disease.marker_rules if not rule.is_unverified}
    said = [e.on.last for e in case.evidence if e.kind != "treatment-change"]
    said += [m.on.last for m in case.record.measurements if m.marker in markers]
    if not said:
        return False
    drugs = [use.drug for use in case.line.uses]
    days = case.disease.restaging_interval_days
    if drugs and all(map(case.disease.slow_restaging.include, drugs)):
        days = case.disease.slow_restaging_days
    return (case.record.as_of - max(said)).days > days


def _is_given_still(case: Case) -> bool:
    """Whether the latest line was dosed or supplied of late, and nothing says why it would end.

    Doses are recorded one by one: nothing but the next one says that they go on.
    """
    line = case.line
    if line.next_start is not None or any(use.stop_reasons for use in line.uses):
        return False
    since = case.record.as_of - timedelta(days=STILL_GIVEN_DAYS)
    return any(
        e.kind in ("administration", "dispense") and (e.end or e.start).last >= since
        for e in line.exposures
    )
