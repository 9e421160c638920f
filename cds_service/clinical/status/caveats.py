"""What speaks against reading a progression as failure of the therapy, or qualifies it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from cds_service.clinical.evidence import Evidence
from cds_service.clinical.evidence.evidence import HISTOLOGY
from cds_service.clinical.evidence.falls import has_halved
from cds_service.clinical.evidence.series import Series, series_of
from cds_service.clinical.record import Exposure
from cds_service.clinical.status.facts import known_facts
from cds_service.clinical.status.few_sites import LIMITED_DAYS
from cds_service.clinical.status.line_status import Case, Caveat
from cds_service.clinical.status.weighing import OVERRIDE_DAYS, Weighed
from cds_service.clinical.status.windows import Hit, with_known_ends
from cds_service.knowledge.model import Rule
from cds_service.knowledge.terms import Drug, Marker

LOCAL_THERAPY = frozenset({"radiotherapy", "surgery-resection", "ablation", "embolisation"})
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
    return any(
        event.kind == "radiotherapy"
        and (not event.conditions or set(event.conditions) & set(case.cancer.conditions))
        and event.on.first <= on <= event.until.last + timedelta(days=days)
        for event in case.record.events
    )


def _grows_while_markers_fall(progression: Evidence, hits: Sequence[Hit], case: Case) -> bool:
    """Growth on imaging while a marker that was raised falls or has become normal.

    Source: growing teratoma syndrome in germ-cell tumours.
    """
    names = {name for hit in hits for name in hit.rule.atypical_while_falling}
    if not names or progression.kind in ("tumour-marker", "haematology"):
        return False
    on = progression.on.first
    markers = case.knowledge.terms.markers
    courses = [
        series_of(name, case.record.measurements, case.line.start.first, on)
        for name in sorted(names)
    ]
    told = [
        (has_halved(course) or _is_normal_again(course, markers[name]), _has_risen(course))
        for name, course in zip(sorted(names), courses, strict=True)
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
    own = with_known_ends(hit.use, case)
    before = max((e.end.last for e in own if e.start.first <= on and e.end), default=None)
    after = min((e.start.first for e in own if e.start.first > on), default=None)
    runs = any(e.start.first <= on and (e.end is None or e.end.last >= on) for e in own)
    if runs or before is None or after is None:
        return False
    return (after - before).days - 1 <= hit.rule.hold_days


def is_limited(progression: Evidence, hits: Sequence[Hit], case: Case) -> bool:
    """Few named sites with the rest stable, or local therapy while the same drug goes on."""
    if not case.disease.may_be_limited:
        return False
    is_few = case.so_far().is_at_few_sites(progression.on.first)
    return is_few or _was_treated_locally(progression, hits, case)


def _was_treated_locally(progression: Evidence, hits: Sequence[Hit], case: Case) -> bool:
    first = progression.on.first
    for event in case.record.events:
        if event.kind not in LOCAL_THERAPY:
            continue
        if event.conditions and not set(event.conditions) & set(case.cancer.conditions):
            continue
        if not first <= event.on.first <= first + timedelta(days=LOCAL_THERAPY_WITHIN_DAYS):
            continue
        goes_on = event.on.first + timedelta(days=LIMITED_DAYS)
        if any(h.use.last.last >= goes_on and h.use.first.first <= first for h in hits):
            return True
    return False


def is_unclarified(hits: Sequence[Hit], case: Case) -> bool:
    """Whether the diagnosis leaves open which definition applies."""
    if case.cancer.is_unverified or open_alternatives(case):
        return True
    return bool(hits) and is_subtype_open(case)


def open_alternatives(case: Case) -> tuple[str, ...]:
    """Diseases that neither the code nor the drugs of any line up to this one rule out."""
    if not case.cancer.alternatives:
        return ()
    lines = [case.line, *(line for line, _ in case.earlier)]
    by_line = ([use.drug for use in line.uses if not use.drug.is_corticosteroid] for line in lines)
    return () if any(_points_to_own(drugs, case) for drugs in by_line) else case.cancer.alternatives


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
    known = known_facts(case.record, case.cancer, case.knowledge)
    return bool(case.disease.subtypes) and not any(
        known.issuperset(facts) for facts in case.disease.subtypes
    )


def missing_facts(case: Case) -> tuple[str, ...]:
    """What would settle the subtype soonest; nothing where it is settled."""
    if not is_subtype_open(case):
        return ()
    known = known_facts(case.record, case.cancer, case.knowledge)
    wanted = min((set(facts) - known for facts in case.disease.subtypes), key=len)
    return tuple(sorted(fact.partition("=")[0] for fact in wanted))


def has_adherence_doubt(case: Case, on: date | None = None) -> bool:
    """Missed doses, access problems, a stop for such a reason, or a gap in tablets before a day."""
    line = case.line
    if line.stopped_for("adherence"):
        return True
    if any(use.longest_break_days(on) > case.disease.supply_gap_days for use in line.uses):
        return True
    until = line.next_start or case.record.as_of
    return any(
        doubt.kind == "adherence"
        and (not doubt.drug or doubt.drug in line.agents)
        and doubt.on is not None
        and doubt.on.last >= line.start.first
        and doubt.on.first <= until
        for doubt in case.record.doubts
    )


def is_intolerance(case: Case) -> bool:
    """Stopped for toxicity and not resumed, with no progression recorded up to the last dose.

    Or not tolerated by signs that the disease's definition names.
    """
    if any(e.is_intolerance for e in case.evidence):
        return True
    stopped = [e for e in case.line.exposures if e.stop_reason == "toxicity"]
    if not any(_is_last_of_its_drug(e, case) for e in stopped):
        return False
    last = case.line.last_day.last
    return not any(e.is_progression and e.on.first <= last for e in case.evidence)


def _is_last_of_its_drug(stopped: Exposure, case: Case) -> bool:
    end = (stopped.end or stopped.start).last
    return not any(
        e.drug == stopped.drug and e.start.first > end and e is not stopped
        for e in case.line.exposures
    )


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
    until = case.line.next_start or case.record.as_of
    markers = {rule.marker for rule in case.disease.marker_rules if not rule.is_unverified}
    markers |= {milestones.marker for milestones in case.disease.milestones}
    return any(
        m.marker in markers
        and m.quantity is None
        and case.line.start.first < m.on.last
        and m.on.first <= until
        for m in case.record.measurements
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
