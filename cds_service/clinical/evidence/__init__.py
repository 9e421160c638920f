"""The third stage: `Record` and one line → its dated evidence, in order."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import date, timedelta
from functools import cached_property

from msgspec.structs import replace

from cds_service.clinical.evidence import lesions, uptake
from cds_service.clinical.evidence.evidence import (
    PROGRESSIONS,
    RESPONSES,
    Evidence,
    Finding,
    Kind,
    in_order,
)
from cds_service.clinical.evidence.markers import from_markers, is_unreadable, unreadable_spans
from cds_service.clinical.evidence.molecular import from_milestones, from_variants
from cds_service.clinical.evidence.statements import from_statement, from_stops
from cds_service.clinical.evidence.targets import from_target
from cds_service.clinical.evidence.values import Values
from cds_service.clinical.lines import Line
from cds_service.clinical.record import Cancer, Fact, Issue, Lesion, Record, Statement
from cds_service.dates import PartialDate
from cds_service.knowledge.model import Disease, Knowledge

__all__ = [
    "PROGRESSIONS",
    "RESPONSES",
    "Evidence",
    "Finding",
    "Kind",
    "OfCancer",
    "Values",
    "gather_evidence",
    "is_about",
    "is_unreadable",
    "unlinked_evidence",
    "unreadable_spans",
]


class OfCancer:
    """What is measured of one cancer, put in order once for all of its lines.

    `values` are those of the whole chart.
    """

    def __init__(self, record: Record, cancer: Cancer, values: Values | None = None) -> None:
        self._record = record
        self._cancer = cancer
        self._all = values

    @cached_property
    def values(self) -> Values:
        """The values of markers, but for what is said to be of another cancer."""
        own, measured = self._cancer.named, self._record.measurements
        if self._all is not None and not any(m.focus for m in measured):
            return self._all
        return Values([m for m in measured if not m.focus or not own.isdisjoint(m.focus)])

    @cached_property
    def lesions(self) -> Sequence[Lesion]:
        return [
            each
            for each in self._record.lesions
            if _is_of(each.focus, each.on, self._cancer, self._record)
        ]

    @cached_property
    def scores(self) -> Sequence[Fact]:
        """Scores of uptake."""
        return [
            fact
            for fact in self._record.facts
            if fact.name == uptake.FACT and _is_of(fact.focus, fact.on, self._cancer, self._record)
        ]


def gather_evidence(
    record: Record, cancer: Cancer, line: Line, knowledge: Knowledge, own: OfCancer | None = None
) -> tuple[Evidence, ...]:
    """All evidence dated in the line or after it, up to the first day of the next one.

    A finding of the day on which a line starts is the reason for it and speaks of the one before.
    """
    own = own or OfCancer(record, cancer)
    disease = knowledge.disease(cancer.disease)
    until = line.next_start or record.as_of
    found = [
        _as_read_in(disease, evidence)
        for statement in _within(record.statements, line, until)
        if _falls_into(statement.on, line, until) and is_about(statement, cancer, record)
        if (evidence := from_statement(statement)) is not None
    ]
    said = tuple(found)
    found += _from_images(own, disease, line, said, until)
    found += from_stops(line)
    values = own.values
    found += from_markers(
        disease.marker_rules, knowledge.terms.markers, line, values, record.events, until, said
    )
    for milestones in disease.milestones:
        found += from_milestones(milestones, line, values, until)
        found += from_variants(milestones, line, record.facts, values, until)
    for target in disease.targets:
        found += from_target(target, line, values, record.events, until)
    return tuple(sorted(set(found), key=in_order))


def _as_read_in(disease: Disease, evidence: Evidence) -> Evidence:
    """A finding as this disease reads places: they limit a metastasis where growth can be limited.

    Where places lag behind the disease, what is said of them only supports.
    """
    if evidence.is_new_lesion and not disease.may_be_limited:
        return replace(evidence, sites=())
    return (
        evidence if disease.reads_sites or evidence.is_whole else replace(evidence, decides=False)
    )


def _from_images(
    own: OfCancer, disease: Disease, line: Line, said: Sequence[Evidence], until: date
) -> list[Evidence]:
    """What measured lesions and scores of uptake say, by the response systems of the disease."""
    found: list[Evidence] = []
    if lesions.SYSTEM in disease.response_systems:
        found += lesions.from_lesions(own.lesions, said, line, until)
    if any(system.startswith(uptake.SYSTEM) for system in disease.response_systems):
        found += uptake.from_deauville(own.scores, said, line, until)
    return found


def is_about(statement: Statement, cancer: Cancer, record: Record) -> bool:
    """Whether a statement speaks of this cancer: by its focus, else as there was no other then."""
    if statement.disease and not statement.focus:
        return statement.disease == cancer.disease
    return _is_of(statement.focus, statement.on, cancer, record)


def _is_of(focus: Sequence[str], on: PartialDate | None, cancer: Cancer, record: Record) -> bool:
    if focus:
        return not cancer.named.isdisjoint(focus)
    if len(record.cancers) == 1 and record.cancers[0] is cancer:
        return True
    active = [c for c in record.cancers if not (c.is_history or c.is_in_remission)]
    if len(active) > 1 and on is not None:
        active = [c for c in active if c.may_be_there_on(on)]
    if len(active) == 1:
        return active[0] is cancer
    return len(record.cancers) == 1


def unlinked_evidence(record: Record) -> list[Issue]:
    """Statements that name no cancer in a chart that has several: never used, always reported."""
    return [
        Issue(
            "warning",
            "unlinked-evidence",
            statement.resource,
            "does not say which of several cancers it speaks of; not used",
        )
        for statement in record.statements
        if record.cancers and not any(is_about(statement, c, record) for c in record.cancers)
    ]


def _falls_into(on: PartialDate, line: Line, until: date) -> bool:
    return on.last > line.start.first and on.first <= until


def _within(statements: Sequence[Statement], line: Line, until: date) -> Sequence[Statement]:
    """Those of the statements, which lie in order, that may fall into a line."""
    since = line.start.first - min(LONGEST_DATE, line.start.first - date.min)
    first = bisect_left(statements, since, key=_first_day)
    return statements[first : bisect_right(statements, until, key=_first_day)]


def _first_day(statement: Statement) -> date:
    return statement.on.first


LONGEST_DATE = timedelta(days=366)
"""A date that is known to the year alone; no date is any longer."""
