"""Removing what is stored: in the transaction of the entry about it, and past no legal hold."""

from __future__ import annotations

from abc import ABC, abstractmethod

from cds_service.audit.address import Address
from cds_service.audit.cabinet import Cabinet, Chosen
from cds_service.audit.database import Connection
from cds_service.audit.database_store import DatabaseStore
from cds_service.audit.envelope import Draft, Recorder
from cds_service.audit.events import EventType
from cds_service.audit.store import Recorded
from cds_service.errors import AuditError

_ABOUT_HOLDS = "SELECT count(*) FROM events WHERE event_type = :type"


class RemovingStore(DatabaseStore, ABC):
    """A store that removes something with an entry: both or neither.

    `holds_seen`: how many entries about legal holds there were when it was decided what goes.
    """

    def __init__(self, address: Address, recorder: Recorder, holds_seen: int) -> None:
        super().__init__(address, recorder)
        self._holds_seen = holds_seen

    @abstractmethod
    def remove_from(self, db: Connection) -> None:
        """Remove it, under the lock. Raises AuditError where it is not what it was."""

    def flush(self) -> bool:
        """See that no file keeps what was removed; False where readers prevent it."""
        return self._connection().forget()

    def _add(
        self,
        db: Connection,
        cabinet: Cabinet,
        draft: Draft,
        chosen: Chosen,
        head: tuple[int, bytes],
    ) -> Recorded | AuditError:
        about_holds = db.execute(_ABOUT_HOLDS, {"type": EventType.LEGAL_HOLD.value}).fetchone()
        if about_holds[0] != self._holds_seen:
            raise AuditError("a legal hold was placed or released meanwhile: try again")
        receipt = super()._add(db, cabinet, draft, chosen, head)
        if isinstance(receipt, Recorded):
            self.remove_from(db)
        return receipt
