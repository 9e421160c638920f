"""How long the log keeps what it has sealed, in calendar months."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cds_service.errors import UsageError

LEAST_MONTHS: Final = 6
"""Nothing is purged that is younger. Source: Regulation (EU) 2024/1689, Art. 19 and 26(6)."""
CONTENTS_MONTHS: Final = 12
ENTRIES_MONTHS: Final = 72
"""Source: 45 CFR 164.316(b)(2)(i), six years."""


@dataclass(frozen=True, slots=True)
class Retention:
    """Months for which contents are kept, and whom an entry was about."""

    contents_months: int = CONTENTS_MONTHS
    entries_months: int = ENTRIES_MONTHS

    def __post_init__(self) -> None:
        """Raises UsageError for a period that may not be."""
        if min(self.contents_months, self.entries_months) < LEAST_MONTHS:
            raise UsageError(
                f"the decision log keeps everything for {LEAST_MONTHS} months at least"
            )
        if self.entries_months < self.contents_months:
            raise UsageError("entries are kept at least as long as their contents")


def day_before(now: datetime, months: int) -> datetime:
    """The beginning of the day, in UTC, so many calendar months before this one; where that month
    is too short, of its last day. What was recorded earlier is older than these months."""
    today = now.astimezone(UTC)
    year, month = divmod(today.year * 12 + today.month - 1 - months, 12)
    day = min(today.day, monthrange(year, month + 1)[1])
    return datetime(year, month + 1, day, tzinfo=UTC)
