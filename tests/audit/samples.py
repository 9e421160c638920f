"""Made-up decisions, a clock that obeys, and a log to put them in."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from cds_service.audit import (
    AdviceDecided,
    AsOf,
    Call,
    CancerDecided,
    CardReturned,
    Client,
    Decision,
    Event,
    Feedback,
    Input,
    LineDecided,
    MissingInput,
    Outcome,
    Recorded,
    Unmet,
    User,
    Versions,
    decision_event,
    feedback_event,
)
from cds_service.audit.address import Address, PostgresAddress
from cds_service.audit.anchor import Anchor
from cds_service.audit.data_keys import DataKeys
from cds_service.audit.database_store import DatabaseStore
from cds_service.audit.envelope import Process, Recorder
from cds_service.audit.findings import Finding, Kind, Report
from cds_service.audit.notes import Note, PublicKey
from cds_service.audit.postgres.connection import PostgresConnection, connected
from cds_service.audit.pseudonyms import PseudonymKey
from cds_service.audit.reading import open_reader
from cds_service.audit.signing import Signer, Signing, prepare_signing
from cds_service.audit.sqlite_file import create_log
from cds_service.audit.verify import Brought, verify

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
EHR = Client(iss="https://ehr.example", kid="k1", alg="ES384", jti="j1")
KEY = PseudonymKey(bytes(range(32)))
VERSIONS = Versions(software="0.1.0", knowledge="2026.11.0", knowledge_digest="sha256:" + "ab" * 32)


class Clock:
    """Moves one millisecond each time it is read, unless it is set."""

    def __init__(self, start: datetime = NOON) -> None:
        self.now = start

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


class Ids:
    """UUIDs in order, so that a run can be repeated."""

    def __init__(self, after: int = 0) -> None:
        self._last = after

    def __call__(self) -> str:
        self._last += 1
        return str(UUID(int=self._last, version=4))


def decision_id(number: int) -> str:
    return str(UUID(int=(1 << 64) + number, version=4))


def card_id(number: int) -> str:
    return str(UUID(int=(2 << 64) + number, version=4))


def hook_instance(number: int) -> str:
    return str(UUID(int=(3 << 64) + number, version=4))


def a_decision(number: int = 1, **changes: Any) -> Decision:
    """A myeloma patient's chart, opened once, with one card."""
    card = card_id(number)
    made = Decision(
        decision_id=decision_id(number),
        received_at=NOON,
        call=Call(
            service_id="refractory-status",
            hook="patient-view",
            hook_instance=hook_instance(number),
            request_id=f"request-{number}",
        ),
        outcome=Outcome.CARDS_RETURNED,
        http_status=200,
        response=json.dumps({"cards": [{"uuid": card, "summary": f"Possible {number}"}]}).encode(),
        versions=VERSIONS,
        client=EHR,
        user=User(user_id="Practitioner/dr-a", roles=("oncologist",)),
        patient_id=f"p{number}",
        encounter_id=f"e{number}",
        fhir_server="https://ehr.example/fhir",
        as_of=AsOf(day=date(2026, 11, 21), source="clock", time_zone="UTC"),
        request=json.dumps({"hook": "patient-view", "prefetch": {"n": number}}).encode(),
        inputs=(
            Input(
                reference=f"Observation/o{number}",
                content=b'{"resourceType": "Observation", "value": 1.10}',
                origin="prefetch",
                version_id="3",
                last_updated="2024-05-20T08:00:00Z",
            ),
        ),
        inputs_missing=(MissingInput("medicationRequests", "omitted"),),
        issues={"invalid-resource": 2},
        cancers=(
            CancerDecided(
                "multiple-myeloma",
                (
                    LineDecided(
                        number=1,
                        status="possible-refractory",
                        pattern="secondary",
                        confidence="criteria",
                        rules=("multiple-myeloma.imwg-60-days",),
                        unmet=(Unmet("multiple-myeloma.primary", "cannot-tell"),),
                        caveats=("marker-only",),
                    ),
                ),
            ),
        ),
        advice=(
            AdviceDecided(kind="restage", urgency="prompt", line=1),
            AdviceDecided(kind="biopsy", urgency="routine", suppressed="recently-done"),
        ),
        cards=(CardReturned(card, "warning", ("restage",)),),
        assessment=json.dumps({"patient": f"Patient/p{number}", "cancers": []}).encode(),
        latency_ms={"total": 12.3456, "assess": 4.0},
    )
    return replace(made, **changes)


def an_event(number: int = 1, **changes: Any) -> Event:
    return decision_event(a_decision(number, **changes))


def feedback_on(
    card: str,
    outcome: str = "overridden",
    *,
    client: Client = EHR,
    at: str = "2026-11-21T12:30:00Z",
    comment: str = "already planned",
) -> Event:
    given = Feedback(
        card=card,
        outcome="accepted" if outcome == "accepted" else "overridden",
        entry=json.dumps({"card": card, "overrideReason": {"userComment": comment}}).encode(),
        outcome_timestamp=at,
        reason_system="https://example.org/reasons",
        reason_code="already-planned",
    )
    call = Call(service_id="refractory-status")
    return feedback_event(given, call=call, client=client, received_at=NOON)


def a_recorder(clock: Clock | None = None, **changes: Any) -> Recorder:
    made = Recorder(
        keys=(KEY,),
        clock=clock or Clock(),
        make_id=Ids(),
        process=Process(host_id="host", boot_id="boot", pid=1),
    )
    return replace(made, **changes)


def beside(address: Address, suffix: str) -> Path:
    """A file of keys: beside a log in a file, in the folder of the tests' own server."""
    if isinstance(address, Path):
        return address.with_name(address.name + suffix)
    parts = urlsplit(address.url)
    return Path(parse_qs(parts.query)["host"][0]) / (parts.path.removeprefix("/") + suffix)


def data_keys_of(address: Address) -> DataKeys:
    return DataKeys(beside(address, ".data-key"))


def a_store(address: Address, recorder: Recorder | None = None, **options: Any) -> DatabaseStore:
    """A store on a log that is made here, unless it is there already."""
    if isinstance(address, Path):
        create_log(address, log_id="log-1", created_at=NOON)
    return DatabaseStore(address, with_keys(recorder or a_recorder(), address), **options)


def with_keys(recorder: Recorder, address: Address) -> Recorder:
    """The same recorder with the data keys of the log, which a server's log does not tell."""
    return replace(recorder, data_keys=recorder.data_keys or data_keys_of(address))


def record(store: DatabaseStore, *events: Event) -> list[Recorded]:
    """Append these events; none may be refused."""
    receipts = store.append(events)
    assert all(isinstance(receipt, Recorded) for receipt in receipts), receipts
    return [receipt for receipt in receipts if isinstance(receipt, Recorded)]


def a_log_of(path: Address, count: int) -> None:
    """A log of so many decisions at this path, closed."""
    with closing(a_store(path)) as store:
        record(store, *(an_event(number) for number in range(1, count + 1)))


def a_signing(path: Address, **changes: Any) -> Signing:
    return replace(Signing(beside(path, ".signing-key")), **changes)


def sign_log(path: Address, *, clock: Clock | None = None, **changes: Any) -> Note | None:
    """One checkpoint of the log as it stands, with its key, which is made first."""
    signing = a_signing(path, **changes)
    with closing(a_store(path, a_recorder(clock))) as store:
        prepare_signing(path, store, signing)
    with closing(Signer(path, signing)) as signer:
        return signer.make()


def a_signed_log(path: Address, **changes: Any) -> list[Note]:
    """Seven decisions after the entry about the key, signed after entries 3, 5 and 8."""
    notes: list[Note] = []
    clock, numbers = Clock(), iter(range(1, 8))
    with closing(a_store(path, a_recorder(clock))) as store:
        prepare_signing(path, store, a_signing(path, **changes))
        for count in (2, 2, 3):
            record(store, *(an_event(next(numbers)) for _ in range(count)))
            note = sign_log(path, clock=clock, **changes)
            assert note
            notes.append(note)
    return notes


def verified(
    path: Address,
    *anchors: Anchor | None,
    keys: Sequence[PublicKey] | None = None,
    accepted: Sequence[int] = (),
) -> Report:
    with open_reader(path) as reader:
        return verify(reader, Brought(anchors, keys, frozenset(accepted)))


def envelopes(path: Address) -> list[dict[str, Any]]:
    with open_reader(path) as reader:
        return [event.read() for event in reader.events()]


def kinds(report: Report) -> set[Kind]:
    return {finding.kind for finding in report.findings if not finding.informs}


def faults(report: Report) -> list[Finding]:
    return [finding for finding in report.findings if not finding.informs]


def places(report: Report, kind: Kind) -> list[tuple[int | None, int | None]]:
    return [(one.first, one.last) for one in report.findings if one.kind is kind]


def anchor_of(path: Address) -> Anchor:
    report = verified(path)
    return Anchor.unsigned(report.log_id, report.size, report.root)


@contextmanager
def administrator(path: Address) -> Iterator[Any]:
    """The log in the hands of somebody who may do anything: all triggers are gone."""
    if not isinstance(path, Path):
        with server_administrator(path) as db:
            yield db
        return
    with closing(sqlite3.connect(path)) as db:
        names = [
            row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type='trigger'")
        ]
        for name in names:
            db.execute(f"DROP TRIGGER {name}")
        yield db
        db.commit()


class ServerAdministrator:
    """A superuser, who is told things in the words of a file's owner."""

    def __init__(self, db: PostgresConnection) -> None:
        self._db = db

    def execute(self, statement: str, values: Any = ()) -> Any:
        if statement.startswith("PRAGMA"):  # of SQLite's own: not needed here
            return None
        statement = re.sub(r"\bTABLE (\w+)", r"TABLE refractory_cds.\1", statement)
        statement = re.sub(r"\breplace\((first_link)", r"refractory_cds.of_bytes(\1", statement)
        return self._db.execute(statement, values)


LET_GO = """
DO $$ DECLARE one record; BEGIN
 FOR one IN SELECT conname, conrelid::regclass AS what FROM pg_constraint
             WHERE connamespace = 'refractory_cds'::regnamespace AND contype = 'c' LOOP
  EXECUTE format('ALTER TABLE {what} DROP CONSTRAINT {name}', one.what, one.conname);
 END LOOP;
 FOR one IN SELECT oid::regclass AS what FROM pg_class
             WHERE relnamespace = 'refractory_cds'::regnamespace AND relkind = 'r' LOOP
  EXECUTE format('ALTER TABLE {what} DISABLE TRIGGER ALL', one.what);
 END LOOP;
END $$;
CREATE OR REPLACE FUNCTION refractory_cds.of_bytes(bytea, text, text) RETURNS bytea LANGUAGE sql
AS $$ SELECT convert_to(replace(convert_from($1, 'UTF8'), $2, $3), 'UTF8') $$
""".replace("{what}", "%s").replace("{name}", "%I")
HAND_BACK = "GRANT SELECT ON ALL TABLES IN SCHEMA refractory_cds TO refractory_cds_writer"


@contextmanager
def server_administrator(address: PostgresAddress) -> Iterator[ServerAdministrator]:
    """No trigger and no check is left in the way."""
    role = f"//{urlsplit(address.url).username}@"
    whole = PostgresAddress(address.url.replace(role, "//postgres@"))
    with (
        closing(connected(whole, 5.0)) as raw,
        closing(PostgresConnection(raw, patience_seconds=5.0)) as db,
    ):
        raw.execute(LET_GO)
        yield ServerAdministrator(db)
        raw.execute(HAND_BACK)
