"""`serve` is stopped, or killed, while it is called: what it answered is on record, and once."""

from __future__ import annotations

import json
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from hooks.calls import SERVICE, call, myeloma, prefetch_of

from cds_service.audit.reading import open_reader
from cds_service.audit.verify import verify
from cli.test_serve import SECONDS, serving, wait_for

BODY = json.dumps(call(prefetch_of(myeloma()))).encode()


class Load:
    """Callers who call as fast as they can, until nobody answers."""

    def __init__(self, port: int, callers: int = 8) -> None:
        self.answered: list[str] = []
        self.refused = 0
        self._url = f"http://127.0.0.1:{port}/cds-services/{SERVICE}"
        self._threads = [threading.Thread(target=self._call) for _ in range(callers)]
        for thread in self._threads:
            thread.start()

    def _call(self) -> None:
        with httpx.Client(timeout=SECONDS) as http:
            while True:
                try:
                    answer = http.post(
                        self._url, content=BODY, headers={"Content-Type": "application/json"}
                    )
                except httpx.HTTPError:
                    return
                if answer.status_code == 200:
                    (card,) = answer.json()["cards"]
                    ours = card["extension"]["org.refractory-cds"]
                    self.answered.append(ours["decisionId"])
                else:
                    assert answer.status_code == 503
                    assert "cards" not in answer.text
                    self.refused += 1

    def until(self, count: int) -> None:
        end = time.monotonic() + SECONDS
        while len(self.answered) < count:
            assert time.monotonic() < end, "too few answers"
            time.sleep(0.01)

    def is_over(self) -> list[str]:
        for thread in self._threads:
            thread.join(SECONDS)
        return self.answered


@contextmanager
def locked(log: Path) -> Iterator[None]:
    """Another process holds the log's lock."""
    with closing(sqlite3.connect(log, isolation_level=None, timeout=SECONDS)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def entries(log: Path) -> list[dict[str, Any]]:
    with open_reader(log) as reader:
        assert verify(reader).exit_code in (0, 3)
        return [event.read() for event in reader.events()]


def assert_all_there(log: Path, answered: list[str]) -> list[str]:
    """Each answer is one decision; gives the types of all entries."""
    found = entries(log)
    decisions = [one["decisionId"] for one in found if one["eventType"] == "decision"]
    assert len(decisions) == len(set(decisions))
    assert set(answered) <= set(decisions)
    return [one["eventType"] for one in found]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_at_sigterm_under_load_no_answer_is_lost_and_the_stop_is_on_record(
    tmp_path: Path, workers: str
) -> None:
    log = tmp_path / "log.db"
    with serving(log, "--workers", workers) as (service, written):
        port = wait_for(written, "service.listening")["port"]
        wait_for(written, "service.started", times=int(workers))
        load = Load(port)
        load.until(20)
        service.send_signal(signal.SIGTERM)
        answered = load.is_over()
        assert service.wait(SECONDS) == 0
    types = assert_all_there(log, answered)
    assert types.count("service-stopped") == int(workers)
    assert list((tmp_path / "log.db.spool").glob("*.spool")) == []


@pytest.mark.parametrize("end", ["terminate", "kill"])
def test_what_was_spooled_when_it_ended_is_on_record_after_the_next_start(
    tmp_path: Path, end: str
) -> None:
    log = tmp_path / "log.db"
    with serving(log, AUDIT_SECONDS="0.3") as (service, written):
        port = wait_for(written, "service.listening")["port"]
        wait_for(written, "service.started")
        with locked(log):
            load = Load(port)
            load.until(20)
            stop: Callable[[], None] = getattr(service, end)
            stop()
            answered = load.is_over()
            service.wait(SECONDS)
            assert "decision" not in [one["eventType"] for one in entries(log)]
    with serving(log) as (service, written):
        wait_for(written, "service.started")
        types = assert_all_there(log, answered)
        assert types.count("spool-drained") == 1
        assert types.count("service-stopped") == (end == "terminate")
        service.terminate()
        assert service.wait(SECONDS) == 0
    assert list((tmp_path / "log.db.spool").glob("*.spool")) == []
