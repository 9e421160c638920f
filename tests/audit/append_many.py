"""Append so many decisions to a log, all waiting at once: one of several processes that do.

python append_many.py LOG COUNT NUMBER
"""

from __future__ import annotations

import asyncio
import sys

from audit.samples import an_event, beside
from cds_service.audit import open_decision_log
from cds_service.audit.address import address_of


async def main() -> None:
    address, count, process = address_of(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    log = open_decision_log(
        address,
        key_file=beside(address, ".pseudonym-key"),
        data_key_file=beside(address, ".data-key"),
    )
    events = [an_event(process * 10_000 + number, patient_id="p1") for number in range(count)]
    for start in range(0, count, 8):  # as many at a time as a busy service has open
        await asyncio.gather(*map(log.append, events[start : start + 8]))
    log.close()


if __name__ == "__main__":
    asyncio.run(main())
