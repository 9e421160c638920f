"""What the decision log costs: appending alone and in group commits, remembering earlier cards,
hashing inputs, verifying.

    python tests/bench/audit.py [--folder DIR] [--events N]
    python tests/bench/audit.py --verify 1000000          # only that: 6 GB, ten minutes to build
    python tests/bench/audit.py --url postgresql://…      # appends, verify: a migrated database

The ratios are what counts; the times belong to the machine and its disk. The folder decides which
disk is measured: a file system in memory flushes nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.rows import Row, say

from cds_service.audit import (
    AdviceDecided,
    Call,
    CancerDecided,
    CardReturned,
    CardSubject,
    Client,
    Decision,
    Event,
    Feedback,
    Input,
    LineDecided,
    Outcome,
    Signing,
    Sought,
    Unmet,
    User,
    Versions,
    decision_event,
    feedback_event,
    open_decision_log,
    patient_of,
)
from cds_service.audit.address import Address, address_of
from cds_service.audit.canonical import content_hashes, digest
from cds_service.audit.database import Connection
from cds_service.audit.database_store import DatabaseStore
from cds_service.audit.envelope import Process, Recorder
from cds_service.audit.events import utc_now
from cds_service.audit.pseudonyms import PseudonymKey
from cds_service.audit.reading import open_reader
from cds_service.audit.signing import Signer, prepare_signing
from cds_service.audit.signing_keys import default_signing_key_file
from cds_service.audit.sqlite_file import create_log
from cds_service.audit.verify import verify

VERSIONS = Versions(software="0", knowledge="0", knowledge_digest=digest(b""))
UNMET = [Unmet(f"multiple-myeloma.rule-{number}", "no") for number in range(6)]
OBSERVATION = json.dumps(
    {
        "resourceType": "Observation",
        "id": "observation-1",
        "meta": {"versionId": "3", "lastUpdated": "2024-05-20T08:00:00Z"},
        "text": {"status": "generated", "div": "<div>" + "text " * 60 + "</div>"},
        "code": {"coding": [{"system": "http://loinc.org", "code": "2857-1"}], "text": "PSA"},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2024-05-20T08:00:00Z",
        "valueQuantity": {"value": 12.10, "unit": "ng/mL", "code": "ng/mL"},
        "referenceRange": [{"high": {"value": 4.0, "unit": "ng/mL"}, "text": "0 to 4"}],
        "note": [{"text": "x" * 300}],
    }
).encode()


def a_card() -> CardReturned:
    return CardReturned(
        uuid=str(uuid4()),
        indicator="warning",
        advice=["restage"],
        suggestions=[str(uuid4())],
        suggested=["restage"],
        disease="multiple-myeloma",
        line=3,
        status="possible-refractory",
        confidence="criteria",
        subject=CardSubject("Condition/c1", "ab" * 16, date(2026, 11, 2)),
    )


def a_decision(inputs: Sequence[Input], request: bytes) -> Event:
    """Three lines of one cancer, two pieces of advice, one card: about 2.5 kB of envelope."""
    lines = [
        LineDecided(
            number=number,
            status="possible-refractory",
            rules=["multiple-myeloma.imwg-60-days"],
            unmet=UNMET,
        )
        for number in (1, 2, 3)
    ]
    return decision_event(
        Decision(
            decision_id=str(uuid4()),
            received_at=utc_now(),
            call=Call(
                service_id="refractory-status", hook="patient-view", hook_instance=str(uuid4())
            ),
            client=Client(iss="https://ehr.example"),
            user=User(user_id="Practitioner/1"),
            patient_id="p1",
            outcome=Outcome.CARDS_RETURNED,
            http_status=200,
            response=b'{"cards":[]}' * 100,
            assessment=b'{"cancers":[]}' * 200,
            versions=VERSIONS,
            request=request or None,
            inputs=inputs,
            cancers=[CancerDecided("multiple-myeloma", lines)],
            advice=[
                AdviceDecided(kind="restage", urgency="prompt"),
                AdviceDecided(kind="biopsy", urgency="routine", suppressed="recently-done"),
            ],
            cards=[a_card()],
        )
    )


async def append(
    path: Address, count: int, at_once: int, resources: int = 0
) -> tuple[float, list[float]]:
    """Events a second, and the milliseconds that each append took, sorted."""
    log = open_decision_log(
        path,
        key_file=beside(path, ".pseudonym-key"),
        data_key_file=beside(path, ".data-key"),
        signing=Signing(beside(path, ".signing-key")),
    )
    entry = b'{"resource":' + OBSERVATION + b"},"
    inputs = [
        Input(reference=f"Observation/{number}", content=OBSERVATION, origin="prefetch")
        for number in range(resources // 10)  # about what an engine uses of a prefetch
    ]
    took: list[float] = []
    left = count

    async def one_after_another() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            event = a_decision(inputs, entry * resources)
            start = time.perf_counter()
            await log.append(event)
            took.append((time.perf_counter() - start) * 1000)

    start = time.perf_counter()
    await asyncio.gather(*(one_after_another() for _ in range(at_once)))
    a_second = len(took) / (time.perf_counter() - start)
    log.close()
    return a_second, sorted(took)


async def append_bodies(path: Path, size: int, count: int) -> list[float]:
    """The milliseconds that each append took, sorted, where the request kept has so many bytes of
    text that hardly compresses."""
    log = open_decision_log(path)
    took: list[float] = []
    for _ in range(count):
        text = base64.b64encode(os.urandom(size * 3 // 4)).decode()
        event = a_decision([], json.dumps({"text": text}).encode())
        start = time.perf_counter()
        await log.append(event)
        took.append((time.perf_counter() - start) * 1000)
    log.close()
    return sorted(took)


async def remembering(path: Path) -> None:
    """Of a patient whose every card was answered; the log at this path is about that patient."""
    with open_reader(path) as reader:
        cards = [card["uuid"] for e in reader.events() for card in e.read().get("cards", ())]
    log = open_decision_log(path)
    call, client = Call(service_id="refractory-status"), Client(iss="https://ehr.example")
    for card in cards[:500]:
        given = Feedback(card=card, outcome="overridden", entry=b"{}", reason_code="other")
        await log.append(feedback_event(given, call=call, client=client, received_at=utc_now()))
    for patient in ("p1", "nobody"):
        sought = Sought(
            patient=patient_of(client, None, patient),
            service_id=call.service_id,
            user_id="Practitioner/1",
            feedback_since=utc_now() - timedelta(days=365),
            cards_since=utc_now() - timedelta(days=7),
            cards_before=utc_now(),
        )
        took = []
        for _ in range(200):
            start = time.perf_counter()
            known = await log.earlier(sought)
            took.append((time.perf_counter() - start) * 1000)
        read = sum(len(one.feedback) + len(one.given) for one in known)
        say(f"  {patient:6}   p50 {statistics.median(took):6.3f} ms   {read} entries read")
    log.close()


def beside(path: Address, suffix: str) -> Path:
    """A file of keys: beside the log's file, or in the folder for temporary files."""
    if isinstance(path, Path):
        return path.with_name(path.name + suffix)
    name = sha256(path.url.encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"refractory-cds-bench-{name}{suffix}"


def on_server(address: Address, events: int) -> None:
    """The same appends one after the other into one log, and the whole of it verified."""
    appending({at_once: address for at_once in (1, 8, 32, 64)}, events)
    start = time.perf_counter()
    with open_reader(address) as reader:
        report = verify(reader)
    took = time.perf_counter() - start
    say(f"\nverify: {report.size} entries, {microseconds(report.size, took)} an event")
    say(f"  exit code {report.exit_code}")


def appending(places: Mapping[int, Address], events: int) -> None:
    say("waiting at once   events/s   × single   p50 ms   p99 ms")
    single = 0.0
    for at_once, place in places.items():
        a_second, took = asyncio.run(append(place, events, at_once))
        single = single or a_second
        p99 = took[int(len(took) * 0.99) - 1]
        say(
            f"{at_once:15}   {a_second:8.0f}   {a_second / single:8.2f}"
            f"   {statistics.median(took):6.2f}   {p99:6.2f}"
        )


def microseconds(work: int, seconds: float) -> str:
    return f"{seconds / work * 1e6:.1f} µs"


def hashing() -> None:
    count = 5_000
    start = time.perf_counter()
    for _ in range(count):
        digest(OBSERVATION)
    raw = time.perf_counter() - start
    start = time.perf_counter()
    for _ in range(count):
        content_hashes(OBSERVATION)
    both = time.perf_counter() - start
    say(f"\na resource of {len(OBSERVATION)} bytes, hashed")
    say(f"  as received             {microseconds(count, raw)}")
    say(f"  both content hashes     {microseconds(count, both)}   {both / raw:.1f} × as received")


class Unflushed(DatabaseStore):
    """Fills a log without waiting for the disk: only what is done with it then is measured."""

    def _connection(self) -> Connection:
        is_new = self._db is None
        db = super()._connection()
        if is_new and isinstance(self._address, Path):
            db.execute("PRAGMA synchronous = OFF")
        return db


def verifying(path: Path, count: int, *, quiet: bool = False) -> None:
    """A log of so many entries, a checkpoint for each thousand; verified from the file."""
    create_log(path, log_id="bench", created_at=utc_now())
    signing = Signing(default_signing_key_file(path))
    store = Unflushed(path, Recorder(keys=(PseudonymKey(bytes(32)),), process=Process.this()))
    prepare_signing(path, store, signing)
    signer = Signer(path, signing)
    for start in range(0, count, 1_000):
        store.append([a_decision([], b"") for _ in range(min(1_000, count - start))])
        signer.make()
    signer.close()
    store.close()
    if quiet:
        return
    start_wall, start_main = time.perf_counter(), time.thread_time()
    with open_reader(path) as reader:
        report = verify(reader)
    took, main_thread = time.perf_counter() - start_wall, time.thread_time() - start_main
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    say(f"verify: {report.size} entries, {report.checkpoints} checkpoints, {took:.1f} s")
    say(f"  {microseconds(report.size, took)} an entry, {memory} MiB at most")
    say(f"  {microseconds(report.size, main_thread)} of processor in the walk itself")


def rows(folder: Path, *, quick: bool) -> list[Row]:
    """Appends and verifying beside what is asked of them: 500 a second, a million in a minute."""
    a_second, _ = asyncio.run(append(folder / "log.db", 1_000 if quick else 3_000, 64))
    count = 25_000 if quick else 100_000
    verifying(folder / "long.db", count, quiet=True)
    took = verifying_again(folder / "long.db")
    return [
        Row("log, appends, 64 waiting", 500 / a_second, "500 a second", 1.0,
            said=f"{a_second:.0f}/s"),
        Row("log, verify", took / count * 1e6 / 60, "a million in a minute", 1.0,
            said=microseconds(count, took) + " an entry"),
    ]  # fmt: skip


def verifying_again(path: Path) -> float:
    """Seconds that verifying this log takes."""
    start = time.perf_counter()
    with open_reader(path) as reader:
        verify(reader)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--events", type=int, default=2_000)
    parser.add_argument("--verify", type=int, metavar="N", help="only verify a log of N entries")
    parser.add_argument("--url", type=address_of, help="a log in PostgreSQL, instead of files")
    chosen = parser.parse_args()
    if chosen.url:
        on_server(chosen.url, chosen.events)
        return
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        if chosen.verify:
            verifying(Path(folder) / "log.db", chosen.verify)
            return
        places = {at_once: Path(folder) / f"log-{at_once}.db" for at_once in (1, 8, 32, 64)}
        appending(places, chosen.events)
        say("\nrequest kept, one at a time")
        for resources in (0, 50, 1_000, 10_000):
            path = Path(folder) / f"request-{resources}.db"
            _, took = asyncio.run(append(path, 30, 1, resources))
            size = f"{path.stat().st_size / 30 / 1024:5.0f} KiB on disk"
            say(f"  {resources:6} resources   p50 {statistics.median(took):6.2f} ms   {size}")
        say("\nrequest kept of random text, one at a time: sealing at its dearest")
        for length in (1_000, 80_000, 1_000_000):
            took = asyncio.run(append_bodies(Path(folder) / f"body-{length}.db", length, 100))
            p50 = statistics.median(took)
            say(f"  {length:7} bytes   p50 {p50:6.2f} ms   p90 {took[89]:6.2f} ms")
        say(f"\nremembered of a patient with {chosen.events} earlier decisions")
        asyncio.run(remembering(Path(folder) / "log-64.db"))
        start = time.perf_counter()
        with open_reader(Path(folder) / "log-64.db") as reader:
            report = verify(reader)
        say(f"\nverify: {microseconds(report.size, time.perf_counter() - start)} an event")
    hashing()


if __name__ == "__main__":
    main()
