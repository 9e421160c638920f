"""The decisions of a period under other knowledge: what would have been said otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from cds_service.audit.listing import Wanted
from cds_service.audit.reading import LogReader, StoredEvent
from cds_service.replay.rerun import Again, Answer, Prepared, answered
from cds_service.replay.stored import NotReplayable, StoredDecision, stored_decision

Change = Literal[
    "same", "new-card", "lost-card", "changed-status", "changed-advice", "changed-wording"
]
CHANGES: tuple[Change, ...] = (
    "new-card", "lost-card", "changed-status", "changed-advice", "changed-wording", "same",
)  # fmt: skip
"""The weightiest first: a line whose card is new counts as that, whatever else is new about it."""
EXTENSION = "org.refractory-cds"
Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class LineChange:
    """One line of one cancer in one decision, then and under the knowledge of the replay."""

    decision_id: str
    change: Change
    disease: str
    line: int
    was: str
    now: str
    rules: tuple[str, ...]


@dataclass(slots=True)
class PeriodReport:
    """What came of a period. `knowledge`: version and digest of what was tried, None for that of
    then. `not_replayable`: the decisions by why."""

    decisions: int = 0
    changes: list[LineChange] = field(default_factory=list)
    decisions_by_change: dict[str, list[str]] = field(default_factory=dict)
    not_replayable: dict[str, list[str]] = field(default_factory=dict)
    log_id: str = ""
    knowledge: tuple[str, str] | None = None

    @property
    def is_different(self) -> bool:
        return any(ids for change, ids in self.decisions_by_change.items() if change != "same")

    @property
    def exit_code(self) -> int:
        if self.is_different:
            return 1
        return 3 if self.not_replayable else 0

    def by(self, name: str) -> dict[str, dict[str, int]]:
        """How many lines changed how, by `disease`, `rule` or `status`."""
        table: dict[str, Counter[str]] = {}
        for one in self.changes:
            for key in _keys(one, name):
                table.setdefault(key, Counter())[one.change] += 1
        return {key: dict(table[key]) for key in sorted(table)}

    def as_json(self) -> dict[str, Any]:
        version, digest = self.knowledge or ("", "")
        tried = {"knowledge": {"version": version, "digest": digest}} if self.knowledge else {}
        return {
            "logId": self.log_id,
            **tried,
            "decisions": self.decisions,
            "decisionsByChange": self.decisions_by_change,
            "notReplayable": self.not_replayable,
            "byDisease": self.by("disease"),
            "byRule": self.by("rule"),
            "byStatus": self.by("status"),
            "lines": [
                {
                    "decisionId": one.decision_id,
                    "change": one.change,
                    "disease": one.disease,
                    "line": one.line,
                    "was": one.was,
                    "now": one.now,
                    "rules": list(one.rules),
                }
                for one in self.changes
                if one.change != "same"
            ],
        }


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of one decision: how its lines changed, and it; or `why` it cannot be replayed."""

    event_id: str
    lines: tuple[LineChange, ...] = ()
    found: frozenset[Change] = frozenset()
    why: str | None = None


def replay_period(
    reader: LogReader,
    wanted: Wanted,
    then: Prepared,
    under: Again | None,
    progress: Callable[[int], None] = lambda _: None,
) -> PeriodReport:
    """Every decision of a period under other knowledge, or each under its own. Writes nothing."""
    replayed = (replay_in_period(reader, event, then, under) for event in reader.matching(wanted))
    return report_on(replayed, progress)


def report_on(
    replayed: Iterable[Replayed], progress: Callable[[int], None] = lambda _: None
) -> PeriodReport:
    """What came of all of these, in their order."""
    report = PeriodReport()
    for one in replayed:
        report.decisions += 1
        if one.why is not None:
            report.not_replayable.setdefault(one.why, []).append(one.event_id)
        report.changes += one.lines
        for change in CHANGES if one.why is None else ():
            if change in (one.found - {"same"} or {"same"}):
                report.decisions_by_change.setdefault(change, []).append(one.event_id)
        progress(report.decisions)
    return report


def replay_in_period(
    reader: LogReader, event: StoredEvent, then: Prepared, under: Again | None
) -> Replayed:
    """One decision under other knowledge, or under its own."""
    try:
        stored = stored_decision(reader, event)
        again = (under or then(stored.knowledge_digest)).answer(stored)
    except NotReplayable as why:
        return Replayed(event.event_id, why=str(why))
    recorded = answered(stored)
    lines = tuple(_changes(stored, recorded, again))
    found: frozenset[Change] = frozenset(one.change for one in lines)
    if not found - {"same"} and _said(recorded, stored.knowledge_version) != _said(
        again, _version_of(again)
    ):
        found = frozenset({"changed-wording"})
    return Replayed(event.event_id, lines, found)


def _changes(stored: StoredDecision, then: Answer, now: Answer) -> Iterator[LineChange]:
    """One change a line that either of the two knows of."""
    lines_then, lines_now = _lines(then), _lines(now)
    cards_then = _cards(then, stored.knowledge_version)
    cards_now = _cards(now, _version_of(now))
    for place in sorted(lines_then.keys() | lines_now.keys()):
        was, new = lines_then.get(place, {}), lines_now.get(place, {})
        yield LineChange(
            stored.decision_id,
            _change(was, new, cards_then.get(place), cards_now.get(place)),
            str(new.get("disease") or was.get("disease")),
            place[1],
            str(was.get("status", "not-a-line")),
            str(new.get("status", "not-a-line")),
            tuple(sorted({*was.get("rules", ()), *new.get("rules", ())})),
        )


def _change(
    was: Mapping[str, Any],
    new: Mapping[str, Any],
    card_then: list[Any] | None,
    card_now: list[Any] | None,
) -> Change:
    if card_now is not None and card_then is None:
        return "new-card"
    if card_then is not None and card_now is None:
        return "lost-card"
    if was.get("status") != new.get("status"):
        return "changed-status"
    if was.get("advice") != new.get("advice"):
        return "changed-advice"
    return "same" if card_then == card_now else "changed-wording"


def _lines(answer: Answer) -> dict[Place, dict[str, Any]]:
    """Disease, status, rules and live advice of each line, by its cancer and number."""
    cancers = (answer.assessment or {}).get("cancers", ())
    return {
        (cancer["condition"], line["number"]): {
            "disease": cancer["disease"],
            "status": line["status"],
            "rules": line["rules"],
            "advice": [
                advice["kind"]
                for advice in cancer["advice"]
                if advice["line"] == line["number"] and advice["suppressed"] is None
            ],
        }
        for cancer in cancers
        for line in cancer["lines"]
    }


def _cards(answer: Answer, version: str) -> dict[Place, list[Any]]:
    """The cards of each line, without what names the knowledge and the place among the cards."""
    found: dict[Place, list[Any]] = {}
    for card in orjson.loads(_said(answer, version)).get("cards", ()):
        about = card["extension"][EXTENSION]
        found.setdefault((about["condition"], about["line"]), []).append(_without_ids(card))
    return found


def _without_ids(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_ids(one) for name, one in value.items() if name != "uuid"}
    return [*map(_without_ids, value)] if isinstance(value, list) else value


def _said(answer: Answer, version: str) -> bytes:
    """The response, whichever version of the knowledge it names."""
    response = answer.response
    if (answer.assessment or {}).get("knowledge"):
        digest = answer.assessment["knowledge"]["digest"]
        for named in (digest, digest.removeprefix("sha256:")):  # the latter in addresses
            response = response.replace(named.encode(), b"(digest)")
    return response.replace(version.encode(), b"(version)") if version else response


def _version_of(answer: Answer) -> str:
    return str((answer.assessment or {}).get("knowledge", {}).get("version", ""))


def _keys(one: LineChange, name: str) -> Iterable[str]:
    if name == "disease":
        return (one.disease,)
    if name == "rule":
        return one.rules or ("(no rule)",)
    return (one.was if one.was == one.now else f"{one.was} -> {one.now}",)
