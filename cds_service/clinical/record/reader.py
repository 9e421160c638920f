"""What the readers of all resource families share: references, dates, and the issues they find."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from cds_service.clinical.record.elements import CodeableConcept, Period, Quantity
from cds_service.clinical.record.record import Issue, Severity
from cds_service.dates import PartialDate
from cds_service.knowledge.model import Knowledge

T = TypeVar("T")
EARLIEST, LATEST = date(1850, 1, 1), date(9000, 1, 1)
"""Days outside are what software writes for "none" (0001-01-01): no patient's course has them."""
MOST_PLACES = 15
"""Digits before or after the decimal point; a number that needs more is no measured value."""

_UNSAID = object()


@dataclass(slots=True)
class Reader:
    """One chart while it is read."""

    knowledge: Knowledge
    as_of: date
    aliases: Mapping[str, str] = field(default_factory=dict)
    birth_date: PartialDate | None = None
    systems: frozenset[str] = frozenset()
    """Response systems of the diseases in this chart: they tell what "MR" means."""
    markers: frozenset[str] = frozenset()
    """Markers that the definitions of these diseases read; no other one is looked at."""
    tumours: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Single tumours, which observations have as their focus → their Condition, and their place."""
    issues: list[Issue] = field(default_factory=list)
    _said: dict[tuple[object, CodeableConcept], object] = field(default_factory=dict)
    _locals: dict[str, str] = field(default_factory=dict)
    _dates: dict[str, PartialDate | None] = field(default_factory=dict)

    def note(self, severity: Severity, code: str, resource: str, detail: str) -> None:
        self.issues.append(Issue(severity, code, resource, detail))

    def once(self, concept: CodeableConcept, say: Callable[[CodeableConcept, Reader], T]) -> T:
        """What `say` reads in a concept, read once a chart: charts repeat the same concepts."""
        key = say, concept
        known = self._said.get(key, _UNSAID)
        if known is _UNSAID:
            known = self._said[key] = say(concept, self)
        return known  # type: ignore[return-value]

    def local(self, reference: str | None) -> str:
        """A reference as `Type/id`, whether it was relative, absolute, versioned or a URN."""
        if not reference:
            return ""
        known = self._locals.get(reference)
        if known is None:
            known = self._locals[reference] = local_reference(reference, self.aliases)
        return known

    def day(self, text: str | None, resource: str, element: str) -> PartialDate | None:
        """A date of the chart up to `as_of`; None, with an issue, where it cannot be meant.

        A month or year that is not over yet ends with `as_of`.
        """
        if not text:
            return None
        day = self._date(text)
        if day is None:
            self.note("warning", "invalid-date", resource, f"{element} is no FHIR date; left out")
            return None
        if day.first > self.as_of:
            self.note("information", "future-date", resource, f"{element} lies after the day asked")
            return None
        if self.birth_date is not None and day.last < self.birth_date.first:
            self.note("warning", "impossible-date", resource, f"{element} precedes the birth date")
            return None
        if not EARLIEST <= day.first <= LATEST:
            self.note("warning", "impossible-date", resource, f"{element} is no day of a life")
            return None
        return day if day.last <= self.as_of else PartialDate(day.first, self.as_of)

    def period(
        self, at: str | None, period: Period | None, resource: str, element: str
    ) -> tuple[PartialDate, PartialDate] | None:
        """First and last day of a dateTime or Period; the first alone where the end is open."""
        if at:
            day = self.day(at, resource, f"{element}DateTime")
            return None if day is None else (day, day)
        if period is None:
            return None
        start = self.day(period.start, resource, f"{element}Period.start")
        end = self.end_of(period.end, resource, f"{element}Period.end")
        if start is None or (end is not None and end.last < start.first):
            return None if start is None else (start, start)
        return start, end or start

    def end_of(self, text: str | None, resource: str, element: str) -> PartialDate | None:
        """The end of a period: may lie in the future, where it says how long an order runs."""
        if not text:
            return None
        day = self._date(text)
        if day is None:
            self.note("warning", "invalid-date", resource, f"{element} is no FHIR date; left out")
        return day

    def _date(self, text: str) -> PartialDate | None:
        """A date as it is written: the same one stands in many resources."""
        if text not in self._dates:
            try:
                self._dates[text] = PartialDate.parse(text)
            except ValueError:
                self._dates[text] = None
        return self._dates[text]

    def number(self, quantity: Quantity, resource: str) -> Decimal | None:
        """The value of a quantity with its digits; None, with an issue, where it is no number."""
        raw = bytes(quantity.value)
        if raw in (b"", b"null"):
            return None
        try:
            value = Decimal(raw.decode("ascii"))
        except (InvalidOperation, UnicodeDecodeError):
            value = Decimal("NaN")
        if not is_plausible(value):
            self.note("warning", "invalid-value", resource, "the value is no number; left out")
            return None
        return value


def is_plausible(value: Decimal) -> bool:
    """Whether a number can be that of a measurement: finite, and of a size that is ever written."""
    return value.is_finite() and abs(value.adjusted()) <= MOST_PLACES


def local_reference(reference: str, aliases: Mapping[str, str]) -> str:
    """`Type/id` of a reference as charts write them; the text itself where it has another form."""
    if reference in aliases:
        return aliases[reference]
    if reference.startswith("#"):
        return reference
    bare = reference.split("/_history/", 1)[0]
    if bare in aliases:
        return aliases[bare]
    if bare.startswith(("urn:uuid:", "urn:oid:")):
        return aliases.get(bare.rsplit(":", 1)[1], bare)
    parts = bare.rsplit("/", 2)
    return "/".join(parts[-2:]) if len(parts) >= 2 else bare
