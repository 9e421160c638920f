"""A purge while others write, and one that is killed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from audit.samples import (
    Ids,
    a_recorder,
    a_store,
    an_event,
    envelopes,
    kinds,
    record,
    verified,
)
from audit.test_purging import THEN, purged, put, removals, rows
from cds_service.audit import due
from cds_service.audit.address import Address
from cds_service.errors import AuditError

OLD = 30
BY_ONES = """
import sys
from pathlib import Path
from cds_service.audit import due
from cds_service.audit.data_keys import DataKeys
from cds_service.audit.entries import Reader
from cds_service.audit.purging import purge
from cds_service.audit.retention import Retention

due._ENTRIES_A_BATCH = 1
path = Path(sys.argv[1])
keys = DataKeys(path.with_name(path.name + ".data-key"))
print("begun", flush=True)
purge(path, Retention(6, 1200), by=Reader(account="a", role="operator"), data_keys=keys)
"""


def test_others_go_on_writing_meanwhile(where: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due, "_ENTRIES_A_BATCH", 3)
    put(where, THEN - timedelta(days=1), *(an_event(number) for number in range(1, OLD + 1)))
    failures: list[AuditError] = []

    def write() -> None:
        try:
            with closing(a_store(where, a_recorder(make_id=Ids(after=500)))) as store:
                for number in range(100, 140):
                    record(store, an_event(number))
        except AuditError as error:
            failures.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    purged(where)
    writer.join()
    assert failures == []
    left = {row[0] for row in rows(where) if row[1] == "request"}
    young = {one["seq"] for one in envelopes(where) if one["eventType"] == "decision"}
    assert left == young - set(range(1, OLD + 1))
    report = verified(where)
    assert (report.exit_code, kinds(report), len(removals(where))) == (3, set(), OLD // 3)


@pytest.mark.parametrize("seed", range(2))
def test_a_purge_that_is_killed_is_gone_on_with(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "log.db"
    put(path, THEN - timedelta(days=1), *(an_event(number) for number in range(1, OLD + 1)))
    chance = random.Random(seed)  # noqa: S311 # an order that can be repeated
    for _ in range(2):
        with subprocess.Popen(  # noqa: S603 # our own text
            [sys.executable, "-c", BY_ONES, str(path)], stdout=subprocess.PIPE
        ) as child:
            assert child.stdout
            child.stdout.readline()
            time.sleep(chance.random() * 0.15)
            child.send_signal(signal.SIGKILL)
        report = verified(path)
        assert (report.exit_code, kinds(report)) == (3, set())
        gone = [run for one in removals(path) for run in one["purged"]["runs"]]
        left = {row[0] for row in rows(path) if row[1] == "request"}
        assert left == set(range(1, OLD + 1)) - {seq for seq, _ in gone}
    purged(path)
    assert {row[1] for row in rows(path)} == {"identity"}
    assert kinds(verified(path)) == set()
