"""FHIR dates with their precision, and the day windows over them."""

from __future__ import annotations

import calendar
import re
from datetime import date, timedelta

import msgspec

_FHIR_DATE = re.compile(
    r"(?P<year>\d{4})(-(?P<month>\d{2})(-(?P<day>\d{2})(T[\d:.]+(Z|[+-]\d{2}:?\d{2})?)?)?)?"
)
_TIME = re.compile(r"(T[\d:.]+(Z|[+-]\d{2}:?\d{2})?)?")
"""What may follow the day."""


class PartialDate(msgspec.Struct, frozen=True, order=True, gc=False):
    """A day, or the month or year that is all the chart knows, as the interval of its days.

    Ordered by first, then last day.

    Source: FHIR R4 datatypes, date and dateTime.
    """

    first: date
    last: date

    @classmethod
    def on(cls, day: date) -> PartialDate:
        return cls(day, day)

    @classmethod
    def parse(cls, text: str) -> PartialDate:
        """Read a FHIR date, dateTime or instant; the time of day and its zone are dropped.

        A dateTime without a zone is read too: charts hold them, and only the day is used.
        Raises ValueError for anything else, an impossible day ("2024-02-30") included.
        """
        has_day = len(text) >= 10 and text[4] == text[7] == "-"
        if has_day and (len(text) == 10 or _TIME.fullmatch(text, 10)):
            try:
                day = date.fromisoformat(text[:10])
            except ValueError:
                pass  # said below, or digits of another script
            else:
                return cls(day, day)
        match = _FHIR_DATE.fullmatch(text)
        if match is None:
            raise ValueError("not a FHIR date")
        year, month, in_month = match["year"], match["month"], match["day"]
        if in_month is not None:
            return cls.on(date(int(year), int(month), int(in_month)))
        if month is not None:
            first = date(int(year), int(month), 1)
            return cls(first, first.replace(day=calendar.monthrange(first.year, first.month)[1]))
        return cls(date(int(year), 1, 1), date(int(year), 12, 31))

    @property
    def is_exact(self) -> bool:
        return self.first == self.last

    def __str__(self) -> str:
        if self.is_exact:
            return self.first.isoformat()
        if (self.first.month, self.last.month) == (1, 12):
            return f"{self.first.year:04d}"
        return f"{self.first.year:04d}-{self.first.month:02d}"

    def plus(self, days: int) -> PartialDate:
        shift = timedelta(days=days)
        return PartialDate(self.first + shift, self.last + shift)

    def days_after(self, start: date) -> tuple[int, int]:
        """Fewest and most whole days from `start` to this date; negative before it."""
        return (self.first - start).days, (self.last - start).days

    def within_days_after(self, start: date, days: int, *, inclusive: bool = True) -> bool | None:
        """Whether this date is at most `days` whole days after `start` (`inclusive`), or fewer.

        Before `start` counts as within. None where the precision of the chart cannot tell:
        "2024-07" is day 30 to 60 after "2024-06-01", so a window of 45 days has no answer.
        Callers carry the None on.
        """
        fewest, most = self.days_after(start)
        limit = days if inclusive else days - 1
        if most <= limit:
            return True
        return None if fewest <= limit else False


def parse_day(text: str) -> date:
    """Read a full day as the command line and the query string write it (YYYY-MM-DD)."""
    parsed = PartialDate.parse(text)
    if not parsed.is_exact or len(text) != len("YYYY-MM-DD"):
        raise ValueError("not a day of the form YYYY-MM-DD")
    return parsed.first
