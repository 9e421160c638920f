"""The door of one process, put together: what is chosen in, what is to be closed out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path

from cds_service.audit import Event
from cds_service.audit.address import Address
from cds_service.errors import TrustUnavailable
from cds_service.fhir.client import Transport, open_connections
from cds_service.trust.addresses import key_rules
from cds_service.trust.admission import Door
from cds_service.trust.checking import TokenCheck
from cds_service.trust.clients import Clients
from cds_service.trust.key_cache import KeyCache
from cds_service.trust.one_thread import OneThread
from cds_service.trust.rates import Rates
from cds_service.trust.refusals import RefusalRecord
from cds_service.trust.slots import Slots
from cds_service.trust.sqlite_store import SqliteTrustStore
from cds_service.trust.store import TrustStore


@dataclass(frozen=True, slots=True)
class TrustChoices:
    """What the settings say. `clients` None: tokens are neither asked for nor looked at."""

    clients: Clients | None
    store_at: Address
    public_url: str
    calls_a_minute: int | None
    calls_at_once: int


@dataclass(frozen=True, slots=True)
class Trust:
    """The door of one process, and what has to be closed behind it."""

    door: Door
    close: Callable[[], Awaitable[None]]


def store_at(address: Address, *, patience_seconds: float = 2.0) -> TrustStore:
    """What the workers of one machine share in a file, those of several in the log's database."""
    if isinstance(address, Path):
        return SqliteTrustStore(address, patience_seconds=patience_seconds)
    from cds_service.trust.postgres_store import PostgresTrustStore  # loaded where it is used

    return PostgresTrustStore(address, patience_seconds=patience_seconds)


def open_trust(
    choices: TrustChoices,
    *,
    record: Callable[[Event], Awaitable[None]],
    clock: Callable[[], datetime],
    services: frozenset[str],
    transport: Transport | None = None,
) -> Trust:
    """The door as chosen. `record` puts an event into the decision log; `transport` is a test's.

    Raises TrustUnavailable where tokens are to be checked and seen ones cannot be remembered.
    """
    store, thread = store_at(choices.store_at), OneThread()

    def now() -> float:
        return clock().timestamp()

    tokens = None
    own: Transport | None = None
    if choices.clients is not None:
        import_module("cds_service.trust.signatures")  # now rather than at the first call
        store.first_seen("", "", 0.0, now())  # fails now rather than at the first call
        if transport is None:
            own = open_connections(key_rules(choices.clients), most=10)
        keys = KeyCache(transport or own)  # type: ignore[arg-type] # one of them is there
        tokens = TokenCheck(choices.clients, keys, store, thread, now)
    door = Door(
        tokens=tokens,
        rates=Rates(store, thread, now),
        slots=Slots(choices.calls_at_once),
        refusals=RefusalRecord(record, clock),
        public_url=choices.public_url,
        calls_a_minute=choices.calls_a_minute,
        services=services,
    )

    async def close() -> None:
        await door.aclose()
        if own is not None:
            await own.aclose()
        with suppress(TrustUnavailable):
            thread.close(store.close)

    return Trust(door, close)
