"""One patient for a reader: every cancer with its lines, what is missing, what was left out."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from cds_service.clinical.assessment import Assessment, CancerAssessment
from cds_service.clinical.record import Issue
from cds_service.clinical.wording import (
    CLOSING,
    COMPOSITES,
    STATUS,
    SUPPRESSED,
    fact_in_words,
    status_in_words,
)
from cds_service.knowledge.model import Knowledge
from cds_service.report.line import line_report
from cds_service.report.rules import rule_text, sources_report
from cds_service.report.terminal import fields, plain

DIGEST = len("sha256:") + 12
"""Characters of the knowledge's digest that tell it apart."""


def patient_report(
    assessment: Assessment, knowledge: Knowledge, *, explain: bool = False
) -> RenderableType:
    """The whole Assessment as text, and the reminder of what it is.

    With `explain`, every rule that speaks for a line with its answer.
    """
    parts: list[RenderableType] = [_heading(assessment), _versions(assessment)]
    for cancer in assessment.cancers:
        parts += ["", *_cancer(cancer, knowledge, explain)]
    if not assessment.cancers:
        parts += ["", plain("No active cancer on record: nothing to say.")]
    if assessment.issues:
        parts += ["", _issues(assessment.issues)]
    sources = sources_report(assessment, knowledge)
    if sources is not None:
        parts += ["", sources]
    if assessment.cancers:
        parts += ["", plain(CLOSING, "dim")]
    return Group(*parts)


def why_no_card(assessment: Assessment) -> str:
    """In one line, why nothing is suggested; meaningful only where no advice is shown."""
    if not assessment.cancers:
        return "no active cancer on record"
    return "; ".join(_why_quiet(cancer) for cancer in assessment.cancers)


def _heading(assessment: Assessment) -> RenderableType:
    table = Table.grid(expand=True)
    table.add_column(overflow="fold", ratio=1)
    table.add_column(justify="right", no_wrap=True)
    table.add_row(plain(assessment.patient, "bold"), plain(f"as of {assessment.as_of}", "bold"))
    return table


def _versions(assessment: Assessment) -> Text:
    digest = assessment.knowledge_digest[:DIGEST]
    return plain(f"knowledge {assessment.knowledge_version}, {digest}", "dim")


def _cancer(
    cancer: CancerAssessment, knowledge: Knowledge, explain: bool
) -> Iterator[RenderableType]:
    name = _name(cancer)
    title = f"{name[0].upper()}{name[1:]}, {cancer.notation}"
    yield Rule(plain(title, "bold"), align="left", style="dim")
    lines = "LoT: lines of therapy (curative + palliative)"
    yield plain(f"{cancer.cancer.condition}. {lines}.", "dim")
    for composite in cancer.disease.composites:
        if composite.id in cancer.composites.ids:
            said = COMPOSITES.get(composite.id, f"possibly {composite.id}")
            yield plain(f"{said[0].upper()}{said[1:]}.", "bold")
            definition = fields(label=len("definition"))
            definition.add_row("", plain("definition", "bold"), rule_text(composite))
            yield definition
    if explain and (others := [a for a in cancer.answers if not a.holds]):
        yield plain("Over all lines, and not there:", "dim")
        yield from (plain(f"  {a.rule}: {a.why}", "dim") for a in others)
    if cancer.refractory_classes:
        yield _classes(cancer)
    if len(cancer.judged) > 1:
        yield _present(cancer)
    if cancer.unknown_facts:
        unknown = ", ".join(map(fact_in_words, cancer.unknown_facts))
        yield plain(f"Not on record, and of use for what comes next: {unknown}.")
    if not cancer.judged:
        yield plain("No line of therapy on record.")
    for judged in cancer.judged:
        yield ""
        own = [advice for advice in cancer.advice if advice.line == judged.line.number]
        yield line_report(judged, cancer.disease, own, knowledge, explain=explain)


def _classes(cancer: CancerAssessment) -> RenderableType:
    """The classes over all lines: since when, on which line, by which rule, by which drugs."""
    table = fields(label=len("since"))
    for one in cancer.refractory_classes:
        text = plain(f"{one.since}  {one.drug_class}, line {one.line}: {', '.join(one.drugs)}")
        if one.responded_on:
            text.append_text(plain(f"; response again on line {one.responded_on}"))
        table.add_row("", plain("since", "bold"), text.append_text(_by(one.rules)))
    return Group(plain("Possibly refractory by class, over all lines:"), table)


def _by(rules: tuple[str, ...]) -> Text:
    return plain(f" [{', '.join(rules)}]" if rules else "", "dim")


def _name(cancer: CancerAssessment) -> str:
    own = cancer.cancer.disease
    if own and own != cancer.disease.id:
        return f"{own.replace('-', ' ')} ({cancer.disease.name}, general definition)"
    return cancer.disease.name


def _present(cancer: CancerAssessment) -> Text:
    """Where the latest line stands, before the lines in order of time."""
    latest = cancer.judged[-1]
    status = latest.status
    said = status_in_words(status.status, status.pattern, status.confidence)
    to = f", to {', '.join(status.refractory_to)}" if status.refractory_to else ""
    return plain(f"Latest line ({latest.line.number}): {said}{to}.")


def _issues(issues: tuple[Issue, ...]) -> RenderableType:
    table = fields(label=len("information"))
    for issue in issues:
        text = plain(issue.resource)
        text.append_text(plain(f": {issue.detail} [{issue.code}]"))
        table.add_row("", plain(issue.severity), text)
    return Group(plain(f"Left out or doubted in this chart: {len(issues)}", "bold"), table)


def _why_quiet(cancer: CancerAssessment) -> str:
    reasons = dict.fromkeys(SUPPRESSED[a.suppressed] for a in cancer.advice if a.suppressed)
    if cancer.judged and reasons:
        return f"{cancer.disease.name}: all advice is held back ({', '.join(reasons)})"
    if not cancer.judged:
        return f"{cancer.disease.name}: no line of therapy on record"
    latest = cancer.judged[-1]
    return f"{cancer.disease.name}: line {latest.line.number} {STATUS[latest.status.status]}"
