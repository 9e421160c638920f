"""What a card, and any text that cards are made of, must not say, and what no card may leave out.

Each rule serves one of the four criteria of section 520(o)(1)(E) of the FD&C Act for decision
support that is no device (docs/regulation.md). `knowledge check` lints the texts; the tests lint
the cards of every story.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cds_service.clinical import wording
from cds_service.hooks.override_reasons import REASONS
from cds_service.hooks.services import SERVICES
from cds_service.knowledge.model import Knowledge

LintRule = Literal[
    "directive", "not-hedged", "few-options", "no-way-out", "no-reasons", "probability",
    "indicator", "order", "no-source", "no-date", "long-summary", "long-detail", "shown",
    "not-said", "no-closing",
]  # fmt: skip
SUMMARY_LONGEST = 139
DETAIL_LONGEST = 6_000
"""Of characters; a card is read in a minute, or not at all."""
FEWEST_OPTIONS = 2
EVIDENCE, RULE, DOUBTS, OPTIONS, CHANGES = (
    "What was seen",
    "Rule used",
    "Not certain because",
    "Options to consider",
    "What would change this",
)
BLOCKS = (EVIDENCE, RULE, DOUBTS, OPTIONS, CHANGES)
"""Evidence before the conclusion (which ends the rule used), doubts before advice."""
QUOTED = "on record: "
"""From here on a line names what the chart has, in its words."""
NO_CHANGE = "No change, with a reason"

_VERBS = (
    "stop|start|switch|discontinue|initiate|begin|prescribe|administer|increase|decrease|reduce|"
    "replace|withhold|treat|escalate|cease|change|refer|perform|obtain|choose"
)
DIRECTIVE = re.compile(
    r"\bmust\b|\bshould\b|\bshall\b|\bimmediately\b"
    r"|\burgently\b|\bstat\b|\bcontraindicated\b|\brecommend(?:s|ed)?\b|\badvised to\b"
    r"|\bfailure of therapy\b|\bpatient failed\b"
    rf"|(?:^|[.;:*\n-] ?)(?:{_VERBS}) (?:to )?[a-z]",
    re.IGNORECASE,
)
"""What tells a clinician what to do: modal words anywhere, command verbs where a clause begins."""
PROBABILITY = re.compile(
    r"\bprobab\w*|\blikel(?:y|ihood)\b|\bodds\b|\bchances? of\b|\brisk score\b|\bhazard ratio\b"
    r"|\b(?:confidence|certainty|risk) (?:of )?\d",
    re.IGNORECASE,
)
SHOWN = re.compile(
    r"\b(?:shown|displayed|viewed|seen) (?:to|by|here)\b"
    r"|\b(?:cards?|advice|alerts?|warnings?|evidence)\b[^.;]{0,20}\b(?:shown|displayed|viewed)\b",
    re.IGNORECASE,
)
"""A card was returned; whether anybody saw it is not known here."""
HEDGED = re.compile(
    r"possibl[ey](?: [\w-]+){0,2} (?:[\w-]+-)?refractory|not called refractory", re.IGNORECASE
)
_DAY = re.compile(r"\b\d{4}(-\d{2}){0,2}: ")
"""How a finding begins: with its day, or as much of it as is known."""
_SOURCE_PAGE = re.compile(r"https?://\S+/knowledge/[0-9a-f]{64}/about-[a-z0-9-]+")
_TITLE = re.compile(r"^\*\*(.+)\*\*$", re.MULTILINE)
_OFFER = re.compile(r"Consider |No change, with a reason|Where .* could be ")


@dataclass(frozen=True, slots=True)
class Broken:
    """One rule that a text breaks, and where."""

    rule: LintRule
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.rule}: {self.what}"


@dataclass(frozen=True, slots=True)
class ToBeSaid:
    """What holds of the chart behind a card, and so has to stand on it.

    `texts`: sentences on what was missing, old, conflicting or left out. `is_linked`: whether the
    service knows its own address.
    """

    texts: tuple[str, ...] = ()
    is_linked: bool = False


def lint_card(card: Mapping[str, Any], said: ToBeSaid | None = None) -> list[Broken]:
    """Every rule that this card breaks; nothing where all is well."""
    return list(_card(card, said or ToBeSaid()))


def lint_texts(knowledge: Knowledge) -> list[Broken]:
    """Every rule that the texts break of which cards are made: our own, and the knowledge's."""
    return [broken for where, text in card_texts(knowledge) for broken in _wording(where, text)]


def card_texts(knowledge: Knowledge) -> Iterator[tuple[str, str]]:
    """Every template of a card, with its place; what a chart says is no template."""
    for name in ("STATUS", "CONFIDENCE", "CAVEATS", "CAVEAT_IN_SHORT", "ADVICE", "BUTTON",
                 "CAUTIONS", "FLAGS", "COMPOSITES", "ORIGIN"):  # fmt: skip
        table: Mapping[str, str] = getattr(wording, name)
        yield from ((f"wording {name}.{key}", text) for key, text in table.items())
    for name in ("CLOSING", "LOCAL_TREATMENT", "MADE_FOR_ADULTS"):
        yield f"wording {name}", getattr(wording, name)
    yield from ((f"override reason {code}", text) for code, text in REASONS.items())
    yield from ((f"service {one.id}", f"{one.title}. {one.description}") for one in SERVICES)
    yield from ((rule.id, rule.says) for rule in knowledge.shared_rules)
    for disease in knowledge.diseases.values():
        yield from ((told.id, told.says) for told in disease.told)
        advice = disease.advice
        for member in ("restage_also", "confirm", "molecular", "adherence"):
            yield f"{disease.id}.advice.{member}", getattr(advice, member)
        for member in ("restage", "biopsy"):
            yield f"{disease.id}.advice.{member}", getattr(advice, member).text


def _card(card: Mapping[str, Any], said: ToBeSaid) -> Iterator[Broken]:
    yield from _summary(str(card["summary"]))
    if card["indicator"] not in ("info", "warning"):
        yield Broken("indicator", "indicator", f"{card['indicator']}: nothing here is that urgent")
    yield from _detail(str(card.get("detail", "")), said)
    yield from _source(card, said)
    reasons = card.get("overrideReasons", ())
    if not reasons or not all(reason.get("display") for reason in reasons):
        yield Broken("no-reasons", "overrideReasons", "no reason for changing nothing")
    for place, text in _other_texts(card):
        yield from _wording(place, text)


def _summary(summary: str) -> Iterator[Broken]:
    if len(summary) > SUMMARY_LONGEST:
        yield Broken("long-summary", "summary", f"{len(summary)} characters")
    if "refractory" in HEDGED.sub("", summary).lower():
        yield Broken("not-hedged", "summary", "refractory without possible")
    yield from _wording("summary", summary)


def _detail(detail: str, said: ToBeSaid) -> Iterator[Broken]:
    if len(detail) > DETAIL_LONGEST:
        yield Broken("long-detail", "detail", f"{len(detail)} characters")
    parts = _TITLE.split(detail)
    titles, bodies = tuple(parts[3::2]), parts[4::2]
    if titles != BLOCKS:
        yield Broken("order", "detail", f"blocks: {', '.join(titles) or 'none'}")
        return
    blocks = {
        title: [line.removeprefix("- ") for line in body.strip().splitlines() if line[:2] == "- "]
        for title, body in zip(titles, bodies, strict=True)
    }
    yield from _blocks(blocks)
    yield from _options(blocks[OPTIONS])
    for text in said.texts:
        if text not in detail:
            yield Broken("not-said", DOUBTS, text)
    if wording.CLOSING not in bodies[-1]:
        yield Broken("no-closing", "detail", "whose judgement takes precedence is not said")


def _blocks(blocks: Mapping[str, list[str]]) -> Iterator[Broken]:
    for title, lines in blocks.items():
        if not lines:
            yield Broken("order", title, "nothing stands in it")
        for line in lines if title != EVIDENCE else ():  # which quotes the chart
            yield from _wording(title, line.partition(QUOTED)[0])
    evidence = " ".join(blocks[EVIDENCE])
    if not _DAY.search(evidence) and "No dated finding" not in evidence:
        yield Broken("no-date", EVIDENCE, "no finding has a day")
    if "possibly refractory" in evidence.lower():
        yield Broken("order", EVIDENCE, "the conclusion stands among the evidence")


def _options(options: Iterable[str]) -> Iterator[Broken]:
    offered = list(options)
    if len(offered) < FEWEST_OPTIONS:
        yield Broken("few-options", OPTIONS, f"{len(offered)}")
    if not any(line.startswith(NO_CHANGE) for line in offered):
        yield Broken("no-way-out", OPTIONS, "to change nothing is no option")
    for line in offered:
        if not _OFFER.match(line):
            yield Broken("directive", OPTIONS, f"not offered: {line[:60]}")


def _source(card: Mapping[str, Any], said: ToBeSaid) -> Iterator[Broken]:
    source = card.get("source", {})
    ours = card.get("extension", {}).get("org.refractory-cds", {})
    version = str(ours.get("knowledgeVersion", ""))
    if not version or version not in str(source.get("label", "")):
        yield Broken("no-source", "source.label", "does not name the version of the knowledge")
    url = source.get("url")
    if (said.is_linked or url) and not _SOURCE_PAGE.fullmatch(str(url)):
        yield Broken("no-source", "source.url", "does not lead to what the card rests on")


def _other_texts(card: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for reason in card.get("overrideReasons", ()):
        yield "overrideReasons", str(reason.get("display", ""))
    for suggestion in card.get("suggestions", ()):
        yield "suggestion", str(suggestion["label"])
        for action in suggestion.get("actions", ()):
            yield "action", str(action["description"])
            code = action.get("resource", {}).get("code", {})
            yield "order", str(code.get("text", ""))


def _wording(where: str, text: str) -> Iterator[Broken]:
    rules: tuple[tuple[LintRule, re.Pattern[str]], ...] = (
        ("directive", DIRECTIVE),
        ("probability", PROBABILITY),
        ("shown", SHOWN),
    )
    for rule, form in rules:
        if found := form.search(text):
            around = text[max(0, found.start() - 30) : found.end() + 30].replace("\n", " ")
            yield Broken(rule, where, around)
