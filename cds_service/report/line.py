"""One line of therapy for a reader: what was given, where it stands, on what evidence, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cds_service.clinical.advice import Advice, Judged
from cds_service.clinical.evidence import Evidence
from cds_service.clinical.lines import Line
from cds_service.clinical.status import LineStatus
from cds_service.clinical.wording import (
    ADVICE,
    CAVEATS,
    CONFIDENCE_MEANS,
    FLAGS,
    PATTERN,
    STATUS,
    SUPPRESSED,
    fact_in_words,
    status_in_words,
)
from cds_service.knowledge.model import Disease, Knowledge
from cds_service.report.rules import rule_text
from cds_service.report.terminal import bullets, fields, plain

COLOURS = {
    "possible-refractory": "red",
    "relapsed": "red",
    "progressing": "yellow",
    "indeterminate": "yellow",
    "responding": "green",
    "stable": "green",
}


def line_report(
    judged: Judged,
    disease: Disease,
    advice: Iterable[Advice],
    knowledge: Knowledge,
    *,
    explain: bool = False,
) -> RenderableType:
    """Everything that is said of one line; sections without content are left out.

    With `explain` every rule is there with its answer, in place of those that an agent was denied.
    """
    line, status, told = judged.line, judged.status, tuple(advice)
    sections: tuple[tuple[str, Iterable[RenderableType]], ...] = (
        ("to", _refractory_to(line, status)),
        ("evidence", [_evidence(judged)] if judged.evidence else []),
        ("rules", _rules(status, disease, knowledge)),
        *(_explained(judged) if explain else _denied(status)),
        ("missing", _missing(status)),
        ("caveats", (plain(f"{CAVEATS[caveat]} [{caveat}]") for caveat in status.caveats)),
        ("notes", (plain(f"{FLAGS.get(flag, flag)} [{flag}]") for flag in status.flags)),
        ("history", _history(status)),
        ("advice", _advice(told, disease)),
        ("because", _reasons(told)),
    )
    table = fields()
    for label, entries in sections:
        if said := list(entries):
            table.add_row("", plain(label, "bold"), said[0] if len(said) == 1 else bullets(said))
    return Group(_title(line), _course(line, status), _standing(status), table)


def _title(line: Line) -> Text:
    agents = ", ".join(line.agents)
    given = f"{line.regimen} ({agents})" if line.regimen and agents else agents or line.name
    return plain(f"Line {line.number}: {given}", "bold")


def _course(line: Line, status: LineStatus) -> RenderableType:
    until = ", ongoing" if line.is_ongoing else f" to {line.end}" if line.end else ", end unknown"
    parts = [f"From {line.start}{until}", _setting(line)]
    if status.best_response:
        parts.append(f"best response: {_words(status.best_response)}")
    return Padding(plain("; ".join(parts)), (0, 0, 0, 2))


def _setting(line: Line) -> str:
    if line.intent is None:
        return "intent not on record"
    setting = f"{line.setting} setting, " if line.setting else ""
    return f"{setting}{line.intent} intent"


def _standing(status: LineStatus) -> RenderableType:
    said = status_in_words(status.status, status.pattern, status.confidence)
    style = f"bold {COLOURS.get(status.status, '')}".strip()
    text = plain("").append_text(plain(said[0].upper() + said[1:], style))
    for label in status.labels:
        text.append_text(plain(f"; possibly {label}"))
    why = [PATTERN[status.pattern]] if status.pattern else []
    why += [CONFIDENCE_MEANS[status.confidence]] if status.confidence else []
    if why:
        text.append_text(plain(f": {'; '.join(why)}."))
    return Padding(text, (0, 0, 0, 2))


def _refractory_to(line: Line, status: LineStatus) -> Iterator[Text]:
    uses = {use.drug.name: use for use in line.uses}
    for name in status.refractory_to:
        use = uses.get(name)
        if use is None:
            yield plain(name)
            continue
        last = "still given" if use.is_ongoing else f"last dose {use.last}"
        yield plain(f"{name} ({use.drug.drug_class}), {last}")


def _evidence(judged: Judged) -> Table:
    """Each finding with its day; the progression that decided stands out."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=10, no_wrap=True)
    table.add_column(overflow="fold", ratio=1)
    for found in judged.evidence:
        is_turn = found.is_progression and found.on.first == judged.status.progressed_on
        table.add_row(plain(found.on), _finding(found, "bold" if is_turn else ""))
    return table


def _finding(found: Evidence, style: str) -> Text:
    """The finding in words, what the source said unless it is the same, and where it stands."""
    said = _words(found.finding)
    text = plain("").append_text(plain(said, style))
    if found.detail.strip().lower() != said:
        text.append_text(plain(f": {found.detail}"))
    return text.append_text(plain(f" [{_words(found.kind)}, {found.resource}]", "dim"))


def _rules(status: LineStatus, disease: Disease, knowledge: Knowledge) -> Iterator[Text]:
    return map(rule_text, knowledge.rules_named(status.rules, disease))


def _denied(status: LineStatus) -> tuple[tuple[str, Iterable[RenderableType]], ...]:
    return (
        ("not met", _answers(status, holds=False)),
        ("unclear", _answers(status, holds=None)),
    )


def _explained(judged: Judged) -> tuple[tuple[str, Iterable[RenderableType]], ...]:
    """Every rule that speaks for the line, by its answer."""
    answers = judged.answers
    return tuple(
        (
            label,
            [
                plain(a.why).append_text(plain(f" [{a.rule}]", "dim"))
                for a in answers
                if a.holds is holds
            ],
        )
        for label, holds in (("held", True), ("not met", False), ("unclear", None))
    )


def _answers(status: LineStatus, *, holds: bool | None) -> Iterator[Text]:
    """What was asked of an agent, and denied, or could not be told from the chart."""
    told = [answer for answer in status.answers if answer.condition != "no-progression"]
    for why in dict.fromkeys(answer.why for answer in told if answer.holds is holds):
        yield plain(why, "dim" if holds is False else "")


def _missing(status: LineStatus) -> Iterator[Text]:
    if status.missing:
        names = ", ".join(map(fact_in_words, status.missing))
        yield plain(f"Not on record, and needed by the definition: {names}.")


def _history(status: LineStatus) -> Iterator[Text]:
    for past in status.history:
        yield plain(f"{past.on}  {STATUS[past.status]}; later evidence replaced it")


def _advice(advice: Sequence[Advice], disease: Disease) -> Iterator[Text]:
    """What a card would offer; then, dimmed, what it leaves out, and why."""
    for one in advice:
        if one.suppressed is not None:
            continue
        text = plain("").append_text(plain(ADVICE[one.kind], "bold"))
        what = _what(one, disease)
        yield text.append_text(plain(f": {what}." if what else "."))
    held = [one for one in advice if one.suppressed is not None]
    for why in dict.fromkeys(SUPPRESSED[one.suppressed] for one in held if one.suppressed):
        kinds = [_words(o.kind) for o in held if o.suppressed and SUPPRESSED[o.suppressed] == why]
        yield plain(f"Held back ({why}): {', '.join(kinds)}", "dim")


def _reasons(advice: Sequence[Advice]) -> Iterator[Text]:
    """How soon, and the fact that the advice rests on, each once."""
    shown = [one for one in advice if one.suppressed is None]
    for urgency, reason in dict.fromkeys((one.urgency, one.reason) for one in shown):
        yield plain(f"{reason} [{urgency}]")


def _what(advice: Advice, disease: Disease) -> str:
    """What exactly could be done, in the words of the disease's own file."""
    texts = disease.advice
    return {
        "restage": texts.restage.text,
        "biopsy": texts.biopsy.text,
        "confirm-progression": texts.confirm,
    }.get(advice.kind, "")


def _words(identifier: str) -> str:
    return identifier.replace("-", " ")
