"""A log whose decisions differ in everything that can be asked for, each in its own beat."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from audit.samples import (
    Clock,
    a_recorder,
    a_store,
    an_event,
    card_id,
    decision_id,
    feedback_on,
    record,
)
from cds_service.audit import (
    AdviceDecided,
    Call,
    CancerDecided,
    CardReturned,
    CardSubject,
    Client,
    Event,
    LineDecided,
    MissingInput,
    Outcome,
    Unmet,
    User,
    Versions,
    delivery_event,
)
from cds_service.audit.entries import Reader, review_event

COUNT = 72
DISEASES = ("multiple-myeloma", "dlbcl", "colorectal")
STATUSES = ("possible-refractory", "responding", "stable")
RULES = ("multiple-myeloma.imwg-60-days", "dlbcl.progression-90-days", "colorectal.cea")
CAVEATS = ("marker-only", "adherence")
ADVICE = ("restage", "biopsy", "trial-referral")
SUPPRESSED = ("recently-done", "overridden", None)
CLIENTS = (
    Client(iss="https://a.example"), Client(iss="https://b.example/ehr", tenant="t1"), Client(),
)  # fmt: skip
USERS = ("Practitioner/a", "Practitioner/b")
SITES = ("north", "south", None)
MISSING = (("conditions", "omitted"), ("observations", "denied"))
MODES: tuple[Any, ...] = ("live", "silent")
KNOWLEDGE = ("2026.11.0", "2026.12.0")
SOFTWARE = ("0.1.0", "0.2.0")
REASONS = ("already-planned",)
STATES = ("accepted", "overridden", "none")


def varied(number: int) -> Event:
    """One decision of the log; the numbers are coprime so that all combinations come up."""
    lines = [
        LineDecided(
            number=place,
            status=STATUSES[(number + place) % 3],
            pattern=("primary", "secondary", None)[number % 3],
            confidence=("criteria", "signal", None)[(number + place) % 3],
            rules=[RULES[(number + place) % 3]][: number % 2],
            unmet=[Unmet(RULES[(number + place + 1) % 3], "cannot-tell")],
            caveats=[CAVEATS[number % 2]][: number % 3],
        )
        for place in (1, 2)
    ]
    card = CardReturned(
        card_id(number), "info", ("restage",), disease=DISEASES[0], line=1, status="stable",
        subject=CardSubject("Condition/c1", "ab" * 16),
    )  # fmt: skip
    key, code = MISSING[number % 2]
    missing: Any = MissingInput(key, code)  # type: ignore[arg-type]
    return an_event(
        number,
        call=Call(
            service_id=("refractory-status", "order-check")[number % 2],
            hook=("patient-view", "order-sign", None)[number % 3],
        ),
        outcome=(Outcome.CARDS_RETURNED, Outcome.NO_CANCER, Outcome.FAILED)[number % 3],
        client=CLIENTS[number % 3],
        user=User(
            user_id=USERS[number % 2], facility=SITES[number % 3], location=SITES[-number % 3]
        ),
        mode=MODES[number % 5 == 0],
        error_class=("Overloaded", None)[number % 2],
        inputs_missing=[missing][: number % 4],
        cancers=[
            CancerDecided(disease, lines[: (number + place) % 3])
            for place, disease in enumerate(DISEASES[: number % 4])
        ],
        advice=[
            AdviceDecided(
                kind=ADVICE[(number + place) % 3],
                urgency="routine",
                suppressed=SUPPRESSED[(number // 3 + place) % 3],
            )
            for place in range(number % 3)
        ],
        cards=(card,) if number % 2 else (),
        versions=Versions(
            software=SOFTWARE[number % 2],
            knowledge=KNOWLEDGE[number // 2 % 2],
            knowledge_digest="sha256:" + "ab" * 32,
        ),
        latency_ms={"total": float(number)} if number % 7 else {},
    )


def varied_log(path: Path) -> Path:
    """The log: decisions, and between them feedback of the three kinds and an aborted answer."""
    with closing(a_store(path, a_recorder(Clock()))) as store:
        for number in range(1, COUNT + 1):
            record(store, varied(number))
            client = CLIENTS[number % 3]
            if number % 4 == 1:
                record(store, feedback_on(card_id(number), client=client))
            if number % 8 == 1:  # changed its mind, later
                later = "2026-11-21T13:00:00Z"
                record(store, feedback_on(card_id(number), "accepted", client=client, at=later))
            if number % 12 == 3:  # another's card
                record(store, feedback_on(card_id(number), client=Client(iss="https://x.example")))
            if number % 5 == 2:
                by = Reader(account="reviewer", role="reviewer")
                decision = {"decisionId": decision_id(number)}
                record(store, review_event(by, decision, verdict="wrong"))
                if number % 2:
                    record(store, review_event(by, decision, verdict="right"))
            if number % 18 == 7:
                record(store, delivery_event(decision_id(number)))
    return path
