"""Tokens seen and calls counted, in the database of the decision log: hosts share them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from cds_service.audit.address import PostgresAddress
from cds_service.audit.database import DatabaseError
from cds_service.audit.postgres.connection import PostgresConnection, open_postgres
from cds_service.audit.postgres.statements import SCHEMA
from cds_service.errors import AuditError
from cds_service.trust.store import Share, TrustUnavailable, digest_of

_FIRST_SEEN = f"SELECT {SCHEMA}.first_seen(?, ?, ?)"
_SHARE = f"SELECT granted, until FROM {SCHEMA}.take_share(?, ?, ?, ?)"  # noqa: S608 # our own names
_FORGET = f"SELECT {SCHEMA}.forget_callers(?)"
_FORGET_EVERY = 10.0


class PostgresTrustStore:
    """Opened at first use, and anew after a failure. Each verb is one statement, one function.

    Commits are not waited for: a crash of the server may lose the last moments, and with them, for
    the rest of their short lives, which tokens were seen. Tokens and callers are digests there.
    """

    def __init__(self, address: PostgresAddress, *, patience_seconds: float = 2.0) -> None:
        self._address = address
        self._patience = patience_seconds
        self._db: PostgresConnection | None = None
        self._forget_at = 0.0

    def first_seen(self, iss: str, jti: str, until: float, now: float) -> bool:
        """See `TrustStore.first_seen`."""
        (is_first,) = self._ask(_FIRST_SEEN, (digest_of(iss, jti), until, now), now)
        return bool(is_first)

    def share(self, caller: str, most: int, wanted: int, now: float) -> Share:
        """See `TrustStore.share`."""
        who = hashlib.sha256(caller.encode("utf-8", "surrogatepass")).digest()
        granted, until = self._ask(_SHARE, (who, most, wanted, now), now)
        return Share(granted, until)

    def close(self) -> None:
        """Let go of the connection."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def _ask(self, question: str, values: Sequence[object], now: float) -> Any:
        was_open = self._db is not None
        try:
            return self._answer(question, values, now)
        except (DatabaseError, AuditError) as fault:
            self.close()
            if not (was_open and isinstance(fault, DatabaseError) and fault.is_gone):
                raise TrustUnavailable(type(fault).__name__) from None
        try:  # the idle connection was lost: the server, or a pooler, was started again
            return self._answer(question, values, now)
        except (DatabaseError, AuditError) as fault:
            self.close()
            raise TrustUnavailable(type(fault).__name__) from None

    def _answer(self, question: str, values: Sequence[object], now: float) -> Any:
        if self._db is None:
            self._db = open_postgres(self._address, patience_seconds=self._patience)
        if now >= self._forget_at:
            self._forget_at = now + _FORGET_EVERY
            self._db.execute(_FORGET, (now,))
        return self._db.execute(question, values).fetchone()
