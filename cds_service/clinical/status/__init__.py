"""The fourth stage: a line and its evidence → where it stands; all lines together → composites."""

from __future__ import annotations

from itertools import groupby

from msgspec.structs import replace

from cds_service.clinical.evidence import Evidence
from cds_service.clinical.status.adult_only import (
    is_child_of_adult_definition,
    without_adult_label,
)
from cds_service.clinical.status.beside import Beside
from cds_service.clinical.status.caveats import steady_caveats
from cds_service.clinical.status.class_matrix import ClassRefractory, refractory_classes
from cds_service.clinical.status.composites import (
    Composites,
    History,
    explain_composites,
    find_composites,
)
from cds_service.clinical.status.explanation import explain_line
from cds_service.clinical.status.facts import unknown_facts
from cds_service.clinical.status.interference import has_marker_interference
from cds_service.clinical.status.judge import judge
from cds_service.clinical.status.line_status import (
    Answer,
    Case,
    Caveat,
    Confidence,
    Earlier,
    LineStatus,
    PatternName,
    Status,
)
from cds_service.clinical.status.past import past_statuses
from cds_service.clinical.status.told import Index, Told, is_favourable
from cds_service.clinical.status.weighing import is_adverse
from cds_service.clinical.status.windows import window_rules

__all__ = [
    "Answer",
    "Case",
    "Caveat",
    "ClassRefractory",
    "Composites",
    "Confidence",
    "Earlier",
    "History",
    "LineStatus",
    "PatternName",
    "Status",
    "decide_status",
    "explain_composites",
    "explain_line",
    "find_composites",
    "is_child_of_adult_definition",
    "refractory_classes",
    "unknown_facts",
    "without_adult_label",
]

WITHOUT_PROGRESSION = frozenset({"late-addition", "late-intensification", "late-maintenance"})


def decide_status(case: Case) -> LineStatus:
    """Say where one line of therapy stands, from its own evidence alone.

    Every rule answers yes, no or cannot tell, and every answer is kept. "Cannot tell" is never
    read as "no", nor silence as "stable". A label that a later finding replaced stays in `history`.
    """
    index = Index(case.evidence)
    told = Told(index, len(case.evidence))
    values = case.all_values()
    beside = Beside(case.record, case.cancer, case.line, values)
    case = replace(case, told=told, beside=beside, values=values)
    case = replace(case, window_rules=window_rules(case), steady=steady_caveats(case))
    present = judge(case)
    turns = _turns(case.evidence)
    history = past_statuses(case, turns) if turns else []
    kept = tuple(e for e in history if e.status != present.status or e.on != present.progressed_on)
    return replace(present, history=kept, flags=_flags(present, case))


def _turns(evidence: tuple[Evidence, ...]) -> list[int]:
    """Beginnings of days on which a label that the earlier days may have earned can end.

    Progression is taken back by anything favourable, stable disease as the best response by a
    response.
    """
    turns, was_adverse, was_stable = [], False, False
    for _, same_day in groupby(enumerate(evidence), key=lambda entry: entry[1].on):
        day = list(same_day)
        findings = [found for _, found in day]
        responds = any(found.is_response for found in findings)
        if (was_adverse and any(map(is_favourable, findings))) or (was_stable and responds):
            turns.append(day[0][0])
            was_adverse = was_stable = False
        was_adverse = was_adverse or any(map(is_adverse, findings))
        was_stable = was_stable or any(found.finding == "stable" for found in findings)
    return turns


def _flags(status: LineStatus, case: Case) -> tuple[str, ...]:
    """The line's own flags and those of its status."""
    flags = {*case.line.flags, *status.flags}
    if case.earlier and case.earlier[-1][1].progressed_on is not None:
        # a marker may tell of the progression that the lines were drawn without
        flags -= WITHOUT_PROGRESSION
    if has_marker_interference(case):
        flags.add("marker-interference")
    if status.status == "no-evidence" and case.line.next_start is not None:
        flags.add("post-line-evidence-gap")
    return tuple(sorted(flags))
