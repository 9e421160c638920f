"""What an answer's status means, and which failures are worth one more try."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

from cds_service.errors import FhirForbidden, FhirNotFhir, FhirNotFound, FhirUnavailable
from cds_service.fhir.paging import Ask

WAIT_BEFORE_RETRY = 0.1
"""Seconds, where the server names none."""

_MAY_PASS = frozenset({429, 502, 503, 504})


class TryAgain(FhirUnavailable):
    """A failure that may pass: the same request may go well after so many seconds."""

    def __init__(self, resource_type: str, why: str, seconds: float = WAIT_BEFORE_RETRY) -> None:
        self.seconds = seconds
        super().__init__(resource_type, why)


class GetRefused(FhirNotFhir):
    """A search by GET, where the server may take the same by POST."""


def refuse_failure(ask: Ask, status: int, retry_after: str | None) -> None:
    """Raise what a status other than 200 means for what was asked."""
    kind = ask.resource_type
    if status == 200:
        return
    if status in (401, 403):
        raise FhirForbidden(kind, status)
    if status in (404, 410) and ask.is_read:
        raise FhirNotFound(kind, status)
    if status in _MAY_PASS:
        raise TryAgain(kind, f"status {status}", _seconds(retry_after))
    if status >= 500:
        raise FhirUnavailable(kind, f"status {status}")
    if status == 405 and ask.form is None and not ask.is_read:
        raise GetRefused(kind, f"status {status}")
    if 300 <= status < 400:
        raise FhirNotFhir(kind, f"status {status}, and redirects are not followed")
    raise FhirNotFhir(kind, f"status {status}")


def wait_before_retry(until: float) -> Callable[[Exception], bool | float]:
    """Seconds to wait before one more try, as stamina asks for it.

    False where there is no sense in it, or no time before `until` on the event loop's clock.
    """

    def wait(error: Exception) -> bool | float:
        if not isinstance(error, TryAgain):
            return False
        left = until - asyncio.get_running_loop().time()
        return error.seconds if error.seconds < left else False

    return wait


def _seconds(retry_after: str | None) -> float:
    """What Retry-After asks for, in seconds or as a date; what is neither is longer than we wait.

    Source: RFC 9110 §10.2.3.
    """
    if retry_after is None:
        return WAIT_BEFORE_RETRY
    if re.fullmatch(r"[0-9]{1,6}", retry_after):
        return float(retry_after)
    try:
        left = parsedate_to_datetime(retry_after).timestamp() - time.time()
    except (ValueError, OverflowError):
        return float("inf")
    return max(WAIT_BEFORE_RETRY, left)
