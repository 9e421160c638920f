"""Another worker: asks a store that others use too, and prints what it was told.

python seen_by_another.py FILE|URL seen COUNT
python seen_by_another.py FILE|URL share MOST COUNT
"""

from __future__ import annotations

import sys
import time

from cds_service.audit.address import address_of
from cds_service.trust.opening import store_at


def main() -> None:
    store = store_at(address_of(sys.argv[1]), patience_seconds=30.0)
    now = time.time()
    if sys.argv[2] == "seen":
        told = sum(
            store.first_seen("iss", f"token-{number}", now + 60, now)
            for number in range(int(sys.argv[3]))
        )
    else:
        most, count = int(sys.argv[3]), int(sys.argv[4])
        told = sum(store.share("caller", most, 3, now).calls for _ in range(count))
    store.close()
    sys.stdout.write(str(told))


if __name__ == "__main__":
    main()
