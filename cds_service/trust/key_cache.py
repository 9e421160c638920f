"""Keys as they were last read, from each place that the clients file names.

Rotation works both ways: a `kid` that is not known has the place read again, so a new key counts
at once; what was read holds for a limited time only, so a key that was withdrawn stops counting. A
place is read at most twice in a minute, by one reader at a time, and no call waits that need not.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cds_service.fhir.client import Transport
from cds_service.fhir.exact_get import NotGot, get_exactly
from cds_service.operations_log import log_event
from cds_service.trust.clients import KnownClient
from cds_service.trust.jwks import Keys, read_keys

if TYPE_CHECKING:
    from cds_service.trust.signatures import Key

MINUTE = 60.0
MOST_IN_A_MINUTE = 2
"""Readings of a place, whoever asks: one because of its age, and one for a key that is new."""
MOST_BYTES = 256 * 1024
SECONDS_TO_FETCH = 3.0
JSON_TYPES = "application/jwk-set+json, application/json"

Clock = Callable[[], float]
"""Seconds that only go forward."""


class UnknownKey(Exception):
    """No key of the client counts for this token."""


@dataclass(slots=True)
class _Place:
    """One address or file, and what was read there. `read_at` is the last good reading."""

    read: Callable[[], Awaitable[bytes]]
    is_own_file: bool
    keys: Keys = field(default_factory=dict)
    read_at: float | None = None
    tried_at: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_IN_A_MINUTE))
    reading: asyncio.Task[None] | None = None


class KeyCache:
    """The keys of all clients, one place each, shared between clients that name the same."""

    def __init__(self, transport: Transport, monotonic: Clock = time.monotonic) -> None:
        self._transport = transport
        self._now = monotonic
        self._places: dict[str | Path, _Place] = {}

    async def key(self, client: KnownClient, kid: str, algorithm: str, jku: str | None) -> Key:
        """The client's key with this id, for this algorithm; raises UnknownKey.

        A `jku` is followed only where the client's entry holds exactly that text.
        """
        place = self._place_of(client, jku)
        now = self._now()
        key = self._key_in(place, (kid, algorithm), client, now)
        if key is None and self._may_read(place, now, MOST_IN_A_MINUTE):
            await asyncio.shield(self._reading(place))
            key = self._key_in(place, (kid, algorithm), client, self._now())
        elif key is not None and self._is_old(place, client, now) and self._may_read(place, now, 1):
            self._reading(place)  # ahead of time, and nobody waits for it
        if key is None:
            raise UnknownKey
        return key

    async def aclose(self) -> None:
        """Stop what is still being read."""
        for place in self._places.values():
            if place.reading is not None and not place.reading.done():
                place.reading.cancel()

    def _place_of(self, client: KnownClient, jku: str | None) -> _Place:
        where: str | Path | None = jku
        if jku is None:
            where = client.jwks_url or client.jwks_file
        elif jku not in client.key_addresses:
            raise UnknownKey
        if where is None:
            raise UnknownKey
        place = self._places.get(where)
        if place is None:
            place = self._places[where] = self._new_place(where)
        return place

    def _new_place(self, where: str | Path) -> _Place:
        if isinstance(where, Path):
            return _Place(lambda: asyncio.to_thread(where.read_bytes), is_own_file=True)
        return _Place(
            lambda: get_exactly(
                where,
                self._transport,
                most_bytes=MOST_BYTES,
                seconds=SECONDS_TO_FETCH,
                accept=JSON_TYPES,
            ),
            is_own_file=False,
        )

    def _key_in(
        self, place: _Place, name: tuple[str, str], client: KnownClient, now: float
    ) -> Key | None:
        if place.read_at is None or now - place.read_at >= client.keys_seconds:
            return None
        return place.keys.get(name)

    def _is_old(self, place: _Place, client: KnownClient, now: float) -> bool:
        return place.read_at is None or now - place.read_at >= client.keys_seconds / 2

    def _may_read(self, place: _Place, now: float, most: int) -> bool:
        """Whether to read, or to wait for the reading that is under way."""
        is_reading = place.reading is not None and not place.reading.done()
        return is_reading or sum(now - tried < MINUTE for tried in place.tried_at) < most

    def _reading(self, place: _Place) -> asyncio.Task[None]:
        if place.reading is None or place.reading.done():
            place.tried_at.append(self._now())
            place.reading = asyncio.get_running_loop().create_task(self._read(place))
        return place.reading

    async def _read(self, place: _Place) -> None:
        """Read a place once. What was there before stays, until its time is over, if it fails."""
        asked_at = self._now()
        try:
            keys = read_keys(await place.read(), is_own_file=place.is_own_file)
        except NotGot as fault:
            log_event("keys.not-read", cause=str(fault))
        except OSError:
            log_event("keys.not-read", cause="no-file")
        except ValueError:
            log_event("keys.not-read", cause="not-usable")
        else:
            place.keys, place.read_at = keys, asked_at
            log_event("keys.read", count=len(keys))
