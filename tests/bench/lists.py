"""What asking the decision log costs: pages of a list, figures, an export, over many entries.

    python tests/bench/lists.py [--folder DIR] [--events N] [--keep FILE]

Each question is asked of a log whose decisions differ in disease, rule, status, user and client;
every tenth has feedback. `--keep` leaves the log there, or takes the one that is there.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

from cds_service.audit import (
    AdviceDecided,
    Call,
    CancerDecided,
    CardReturned,
    Client,
    Decision,
    Event,
    Feedback,
    LineDecided,
    Outcome,
    Unmet,
    User,
    Versions,
    decision_event,
    feedback_event,
)
from cds_service.audit.canonical import digest
from cds_service.audit.database_store import DatabaseStore
from cds_service.audit.envelope import Process, Recorder
from cds_service.audit.events import utc_now
from cds_service.audit.feedback_figures import By, feedback_figures
from cds_service.audit.fhir_export import pseudonymous_lines
from cds_service.audit.filters import Filter
from cds_service.audit.listing import Wanted
from cds_service.audit.pseudonyms import PseudonymKey
from cds_service.audit.reading import LogReader, open_reader
from cds_service.audit.searching import matching, page
from cds_service.audit.sqlite_file import create_log

DISEASES = ("multiple-myeloma", "dlbcl", "colorectal", "breast", "nsclc")
RARE = "dlbcl.rare-rule"
CALL = Call(service_id="refractory-status", hook="patient-view")


def a_decision(number: int) -> tuple[Event, str, Client]:
    disease = DISEASES[number % 5]
    card = CardReturned(
        str(uuid4()), "warning", ["restage"], disease=disease, line=3, status="stable"
    )
    client = Client(iss=f"https://ehr-{number % 3}.example")
    lines = [
        LineDecided(
            number=place,
            status=("possible-refractory", "stable")[number % 2],
            confidence="criteria",
            rules=[RARE] if number % 5_000 == 1 and place == 1 else [f"{disease}.rule-{place}"],
            unmet=[Unmet(f"{disease}.rule-{other}", "no") for other in range(4, 10)],
        )
        for place in (1, 2, 3)
    ]
    made = Decision(
        decision_id=str(uuid4()),
        received_at=utc_now(),
        call=CALL,
        client=client,
        user=User(user_id=f"Practitioner/{number % 200}"),
        patient_id=f"p{number % 5_000}",
        outcome=Outcome.CARDS_RETURNED,
        http_status=200,
        response=b"{}",
        versions=Versions(software="0", knowledge="0", knowledge_digest=digest(b"")),
        cancers=[CancerDecided(disease, lines)],
        advice=[AdviceDecided(kind="restage", urgency="prompt", disease=disease, line=3)],
        cards=[card],
        latency_ms={"total": float(number % 100)},
    )
    return decision_event(made), card.uuid, client


def fill(path: Path, count: int) -> None:
    create_log(path, log_id="bench", created_at=utc_now())
    store = DatabaseStore(path, Recorder(keys=(PseudonymKey(bytes(32)),), process=Process.this()))
    numbers = iter(range(count))
    while batch := list(islice(numbers, 500)):
        made = [a_decision(number) for number in batch]
        store.append([event for event, _, _ in made])
        store.append(
            [
                feedback_event(
                    Feedback(card=card, outcome="overridden", entry=b"{}", reason_code="other"),
                    call=CALL,
                    client=client,
                    received_at=utc_now(),
                )
                for _, card, client in made[::10]
            ]
        )
    store.close()


PAGES = {
    "the newest": Filter(),
    "a disease": Filter(disease="breast"),
    "a disease and status on one line": Filter(disease="breast", status="stable"),
    "a rule that is often met": Filter(rule="breast.rule-1"),
    "a rule that is met once in 5,000": Filter(rule=RARE),
    "a rule that is never met": Filter(rule="none.at-all"),
    "one user": Filter(user="Practitioner/7"),
    "one user who is nobody": Filter(user="Practitioner/x"),
    "slower than 98 ms": Filter(slower_than=98),
    "overridden": Filter(feedback="overridden"),
    "without feedback": Filter(feedback="none"),
    "accepted, which none was": Filter(feedback="accepted"),
}


def measured(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    found = work()
    return (time.perf_counter() - start) * 1000, found


def ask(reader: LogReader) -> None:
    for name, asked in PAGES.items():
        wanted = Wanted(having=asked.terms)
        took, first = measured(lambda w=wanted, a=asked: page(reader, w, a))  # type: ignore[misc]
        rest = f"{len(first.events)} found, {first.looked_at} looked at"
        say(f"  {name:34} {took:8.1f} ms   {rest}")
    say("all of it")
    whole = Wanted()
    took, found = measured(lambda: sum(1 for _ in matching(reader, whole, Filter(rule=RARE))))
    say(f"  every decision under a rule        {took:8.1f} ms   {found} found")
    took, figures = measured(lambda: feedback_figures(reader, whole, Filter(), By.RULE))
    say(f"  figures by rule                    {took:8.1f} ms   {figures.whole.returned} cards")
    events = list(islice(reader.matching(whole), 2_000))
    took, _ = measured(lambda: sum(map(len, pseudonymous_lines(reader, events))))
    say(f"  2,000 AuditEvents                  {took:8.1f} ms")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--keep", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        path = chosen.keep or Path(folder) / "log.db"
        if not path.exists():
            fill(path, chosen.events)
        with open_reader(path) as reader:
            say(f"a page of 50, of {chosen.events} decisions")
            ask(reader)


if __name__ == "__main__":
    main()
