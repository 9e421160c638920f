"""What was decided and returned, in codes only: the members of a decision that answer "why"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Literal

from cds_service.audit.canonical import Json
from cds_service.audit.card_names import CardSubject
from cds_service.audit.events import present


class Outcome(StrEnum):
    """How a decision ended. "Returned" says that a card left this service, not that it was seen."""

    CARDS_RETURNED = "cards-returned"
    NO_CANCER = "no-cancer"
    NOTHING_TO_ADVISE = "nothing-to-advise"
    ALL_SUPPRESSED = "all-suppressed"
    ASSESSED = "assessed"
    DATA_UNAVAILABLE = "data-unavailable"
    INVALID_REQUEST = "invalid-request"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class MissingInput:
    """One of our prefetch keys that brought no data, and why. Absence of data is an input too."""

    key: str
    code: Literal[
        "omitted",
        "null",
        "operation-outcome",
        "search-failed",
        "search-empty",
        "paging-cut",
        "malformed",
        "other-patient",
        "denied",
        "granted-in-part",
        "not-offered",
    ]

    def as_json(self) -> dict[str, Json]:
        return {"key": self.key, "code": self.code}


@dataclass(frozen=True, slots=True)
class Unmet:
    """A rule that was asked and did not hold; `condition` is what failed, or `cannot-tell`."""

    rule: str
    condition: str | None = None

    def as_json(self) -> dict[str, Json]:
        return present({"rule": self.rule, "condition": self.condition})


@dataclass(frozen=True, slots=True, kw_only=True)
class LineDecided:
    """Where one line of therapy was said to stand: rules that decided, and rules that did not."""

    number: int
    status: str
    pattern: str | None = None
    confidence: str | None = None
    rules: Sequence[str] = ()
    unmet: Sequence[Unmet] = ()
    caveats: Sequence[str] = ()

    def as_json(self) -> dict[str, Json]:
        return present(
            {
                "number": self.number,
                "status": self.status,
                "pattern": self.pattern,
                "confidence": self.confidence,
                "rules": list(self.rules),
                "rulesNotMet": [one.as_json() for one in self.unmet],
                "caveats": list(self.caveats),
            }
        )


@dataclass(frozen=True)
class CancerDecided:
    """One cancer of the chart, by the id of its disease."""

    disease: str
    lines: Sequence[LineDecided] = ()

    @cached_property
    def json(self) -> dict[str, Json]:
        """As it stands in an envelope; nobody changes it."""
        return present({"disease": self.disease, "lines": [line.as_json() for line in self.lines]})


@dataclass(frozen=True, kw_only=True)
class AdviceDecided:
    """One piece of advice, returned or suppressed: suppressing is a decision too.

    `suppressed_by` is an event of this log. Where a resource of the chart suppressed it, its id
    stands in the sealed assessment.
    """

    kind: str
    urgency: str
    disease: str | None = None
    line: int | None = None
    suppressed: str | None = None
    suppressed_by: str | None = None

    @cached_property
    def json(self) -> dict[str, Json]:
        """As it stands in an envelope; nobody changes it."""
        return present(
            {
                "kind": self.kind,
                "urgency": self.urgency,
                "disease": self.disease,
                "line": self.line,
                "suppressed": self.suppressed,
                "suppressedBy": self.suppressed_by,
            }
        )


@dataclass(frozen=True, slots=True)
class CardReturned:
    """One card of the answer; feedback comes back under its uuid and those of its suggestions.

    `suggested` has the kind of advice of each suggestion, in their order. A card that says what it
    is about (`subject`, and the line with how it stood) can be remembered; any other is not.
    """

    uuid: str
    indicator: str
    advice: Sequence[str] = ()
    suggestions: Sequence[str] = ()
    suggested: Sequence[str] = ()
    disease: str | None = None
    line: int | None = None
    status: str | None = None
    confidence: str | None = None
    subject: CardSubject | None = None

    def as_json(self) -> dict[str, Json]:
        return present(
            {
                "uuid": self.uuid,
                "indicator": self.indicator,
                "advice": list(self.advice),
                "suggestions": list(self.suggestions),
                "suggested": list(self.suggested),
                "disease": self.disease,
                "line": self.line,
                "status": self.status,
                "confidence": self.confidence,
            }
        )
