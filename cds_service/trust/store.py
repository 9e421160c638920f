"""What workers have to know of each other: tokens seen, calls counted. Those of one machine share a
file, those of several the database of the decision log, behind the same two verbs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

from cds_service.errors import TrustUnavailable

__all__ = ["MINUTE", "Share", "TrustStore", "TrustUnavailable"]

MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Share:
    """So many calls a worker may let through by itself, until the caller's minute is over."""

    calls: int
    until: float


class TrustStore(Protocol):
    """One thread uses it at a time; many processes share what is behind it.

    Times are seconds since 1970. Every verb raises TrustUnavailable where nothing could be
    learned; the caller then has to assume the worst.
    """

    def first_seen(self, iss: str, jti: str, until: float, now: float) -> bool:
        """Whether this token of this issuer has not been seen before; from now on, it has.

        One step: of two workers that ask at once, one is told yes. Forgotten after `until`.
        """

    def share(self, caller: str, most: int, wanted: int, now: float) -> Share:
        """Up to `wanted` of the `most` calls that this caller has in a minute, taken for good.

        The minute begins with the caller's first call, and the next one with the first after it.
        """

    def close(self) -> None:
        """Let go of it."""


def digest_of(iss: str, jti: str) -> bytes:
    """One name for one token of one issuer; neither can be read back."""
    issuer = hashlib.sha256(iss.encode("utf-8", "surrogatepass")).digest()
    return hashlib.sha256(issuer + jti.encode("utf-8", "surrogatepass")).digest()
