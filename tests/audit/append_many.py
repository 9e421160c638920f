"""Append so many decisions to a log, all waiting at once: one of several processes that do.

python append_many.py LOG COUNT NUMBER
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from audit.samples import an_event
from cds_service.audit import open_decision_log


async def main() -> None:
    path, count, process = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    log = open_decision_log(path)
    events = [an_event(process * 10_000 + number, patient_id="p1") for number in range(count)]
    for start in range(0, count, 8):  # as many at a time as a busy service has open
        await asyncio.gather(*map(log.append, events[start : start + 8]))
    log.close()


if __name__ == "__main__":
    asyncio.run(main())
