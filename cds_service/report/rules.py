"""The rules that decided, each with its sentence, and where its numbers come from."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from cds_service.clinical.assessment import Assessment
from cds_service.clinical.wording import ORIGIN
from cds_service.knowledge.model import Citation, Knowledge, Told
from cds_service.report.terminal import fields, plain


def rule_text(rule: Told) -> Text:
    """A rule in plain words, with its id, the origin of its numbers and the keys of its sources."""
    text = plain(rule.says)
    sources = ", ".join(rule.cites)
    return text.append_text(plain(f" [{rule.id}; {ORIGIN[rule.origin]}: {sources}]", "dim"))


def citation_text(citation: Citation) -> Text:
    """A source as a reader looks it up."""
    return plain(citation.text + (f". doi:{citation.doi}" if citation.doi else ""))


def sources_report(assessment: Assessment, knowledge: Knowledge) -> RenderableType | None:
    """Every source that a rule of this Assessment rests on, once; None where no rule decided."""
    keys = sorted(set(_cited(assessment, knowledge)) & set(knowledge.citations))
    if not keys:
        return None
    table = fields(label=max(map(len, keys)))
    for key in keys:
        table.add_row("", plain(key), citation_text(knowledge.citations[key]))
    return Group(plain("Sources", "bold"), table)


def _cited(assessment: Assessment, knowledge: Knowledge) -> Iterator[str]:
    for cancer in assessment.cancers:
        decided = [rule for judged in cancer.judged for rule in judged.status.rules]
        for told in knowledge.rules_named((*cancer.composites.ids, *decided), cancer.disease):
            yield from told.cites
