"""The thread beside the log's writer that makes checkpoints in time; no entry ever waits for it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from cds_service.audit.address import Address
from cds_service.audit.signing import Signer, Signing, prepare_signing
from cds_service.audit.store import Store
from cds_service.errors import AuditError
from cds_service.operations_log import log_event

_LOOK_EVERY_SECONDS = 1.0
_PATIENCE_SECONDS = 5.0


class Rhythm:
    """When a checkpoint is due: so long after the last one that was seen, or so many entries."""

    def __init__(self, signing: Signing, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._signing = signing
        self._monotonic = monotonic
        self._number = -1
        self._since = float("-inf")

    def is_due(self, number: int, new_entries: int) -> bool:
        """Whether now, where the latest checkpoint has this number. Another process's counts."""
        now = self._monotonic()
        if number != self._number:
            is_first_look = self._number == -1
            self._number, self._since = number, float("-inf") if is_first_look else now
        is_late = now - self._since >= self._signing.seconds
        return new_entries > 0 and (is_late or new_entries >= self._signing.events)


class Keeper:
    """Makes checkpoints while a log is written, and a last one when it is closed."""

    def __init__(self, signer: Signer, rhythm: Rhythm) -> None:
        self._signer = signer
        self._rhythm = rhythm
        self._closing = threading.Event()
        self._failed = False
        self._thread = threading.Thread(target=self._keep, name="checkpoints", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Make the last checkpoint. Where that hangs (an anchor far away), not for ever."""
        self._closing.set()
        self._thread.join(_PATIENCE_SECONDS)

    def _keep(self) -> None:
        while not self._closing.wait(_LOOK_EVERY_SECONDS):
            self._try(only_if_due=True)
        self._try(only_if_due=False)
        self._signer.close()

    def _try(self, *, only_if_due: bool) -> None:
        """A checkpoint that cannot be made is said once in the operations log, and tried again."""
        try:
            if not only_if_due or self._rhythm.is_due(*self._signer.behind()):
                self._signer.make()
                self._failed = False
        except AuditError as error:
            if not self._failed:
                log_event("checkpoint.failed", level=logging.ERROR, error=str(error))
            self._failed = True


def start_keeper(address: Address, store: Store, signing: Signing) -> Keeper:
    """Give the log its key, hold it against its anchor, and make checkpoints from now on.

    Raises AuditError where the key cannot be had, or the anchor knows more than the log does.
    """
    signer = Signer(address, signing)
    try:
        signer.check_anchor()
        prepare_signing(address, store, signing)
    except AuditError:
        signer.close()
        store.close()
        raise
    return Keeper(signer, Rhythm(signing))
