"""The service without a socket, with a FHIR server behind it: calls in, answers and entries out."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from fhir.resources.R4B.operationoutcome import OperationOutcome

from cds_service.app import create_app
from cds_service.audit import DecisionLog, open_decision_log
from cds_service.audit.listing import Wanted
from cds_service.audit.reading import LogReader, StoredEvent, open_reader
from cds_service.audit.verify import verify
from cds_service.demo.fhir_server import create_fhir_app
from cds_service.demo.fhir_server_faults import Fault
from cds_service.knowledge.load import load_knowledge
from cds_service.knowledge.model import Knowledge
from cds_service.settings import Settings
from hooks.calls import SERVICE

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
EHR = "https://ehr.example/fhir"
JSON = {"Content-Type": "application/json"}
Body = bytes | str | dict[str, Any] | list[Any]


@cache
def knowledge() -> Knowledge:
    """The shipped knowledge, read once for all tests of a process."""
    return load_knowledge()


def settings_for(folder: Path, **changes: Any) -> Settings:
    """Settings that nothing outside the test can change."""
    return Settings(_env_file=None, **{"audit_db": folder / "decisions.db", **changes})  # type: ignore[call-arg]


class Wire(httpx.AsyncBaseTransport):
    """All FHIR servers there are, what they were asked of patients, and what of themselves.

    One of them is real; every other host is somebody who should never have been asked.
    """

    def __init__(self, server: Any, host: str = "ehr.example") -> None:
        self._inner = httpx.ASGITransport(app=server)
        self._host = host
        self.asked: list[httpx.Request] = []
        self.statements: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        is_of_server = request.url.path.endswith("/metadata")
        (self.statements if is_of_server else self.asked).append(request)
        if request.url.host != self._host:
            return httpx.Response(200, json={"resourceType": "Bundle", "type": "searchset"})
        return await self._inner.handle_async_request(request)

    @property
    def kinds(self) -> list[str]:
        """The resource types that were asked for, in alphabetical order."""
        return sorted(request.url.path.split("/")[2] for request in self.asked)

    def hosts_that_saw(self, token: str) -> set[str]:
        return {
            request.url.host
            for request in self.asked + self.statements
            if token in str(request.headers.raw) + str(request.url)
        }


@dataclass(frozen=True)
class Entry:
    """One entry of the decision log: its envelope, and what was sealed with it."""

    envelope: dict[str, Any]
    sealed: dict[str, bytes]

    def __getitem__(self, member: str) -> Any:
        return self.envelope[member]

    def get(self, member: str, default: Any = None) -> Any:
        return self.envelope.get(member, default)


@dataclass
class Served:
    """One running service."""

    http: httpx.AsyncClient
    wire: Wire
    db: Path
    log: DecisionLog
    app: Any

    async def hook(self, body: Body, **headers: str) -> httpx.Response:
        return await self.post(f"/cds-services/{SERVICE}", body, None, **headers)

    async def feedback(self, body: Body, service: str = SERVICE) -> httpx.Response:
        return await self.post(f"/cds-services/{service}/feedback", body)

    async def assess(self, body: Body, **query: str) -> httpx.Response:
        return await self.post("/api/assess", body, query=query)

    async def post(
        self, path: str, body: Body, query: dict[str, str] | None = None, **headers: str
    ) -> httpx.Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post(
            path, content=as_bytes(body), params=query, headers={**JSON, **sent}
        )

    def size(self) -> int:
        """How many entries the log has."""
        with open_reader(self.db) as reader:
            head = reader.head()
        return head[0] if head else 0

    def entries(self, after: int = 0) -> list[Entry]:
        """What is in the log beyond so many entries, oldest first."""
        with open_reader(self.db) as reader:
            return [_entry(reader, event) for event in reader.events() if event.seq > after]

    def last(self) -> Entry:
        """The newest entry."""
        with open_reader(self.db) as reader:
            (newest,) = reader.page(Wanted(event_type=None, limit=1))
            return _entry(reader, newest)

    def exit_code_of_verify(self) -> int:
        with open_reader(self.db) as reader:
            return verify(reader).exit_code

    def searchable(self) -> str:
        """Everything in the log that is not sealed, as text: envelopes, columns, terms."""
        with closing(sqlite3.connect(self.db)) as db:
            tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master")]
            rows = [
                row
                for table in ("log", "head", "events", "terms", "patients")
                if table in tables
                for row in db.execute(f"SELECT * FROM {table}")  # noqa: S608 # names from above
            ]
        return "\n".join(
            cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell)
            for row in rows
            for cell in row
        )


@contextmanager
def serving(
    folder: Path,
    *,
    chart: Iterable[dict[str, Any]] = (),
    faults: Sequence[Fault] = (),
    token: str | None = None,
    clock: Callable[[], datetime] = lambda: NOON,
    log: DecisionLog | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    settings: dict[str, Any] | None = None,
    **parts: Any,
) -> Iterator[Served]:
    """The service with its log in this folder, beside a FHIR server that holds this chart."""
    chosen = settings_for(folder, **(settings or {}))
    log = log or open_decision_log(chosen.audit_db, clock=clock)
    bundle = {"resourceType": "Bundle", "type": "collection"}
    entries = [{"resource": resource} for resource in chart]
    server = create_fhir_app(
        [json.dumps({**bundle, "entry": entries}).encode()] if entries else [],
        prefix="/fhir",
        faults=faults,
        token=token,
    )
    wire = Wire(server)
    app = create_app(
        chosen,
        clock=clock,
        knowledge=parts.pop("knowledge", None) or knowledge(),
        log=log,
        transport=transport or wire,
        **parts,
    )
    inside = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    http = httpx.AsyncClient(transport=inside, base_url="http://cds.test")
    try:
        yield Served(http, wire, chosen.audit_db, log, app)
    finally:
        log.close()


def everything_in(served: Served) -> bytes:
    """All that the log holds, opened: what is sealed is encrypted, so the file tells nothing."""
    sealed = [content for entry in served.entries() for content in entry.sealed.values()]
    return b"\n".join([served.searchable().encode(), *sealed])


def _entry(reader: LogReader, event: StoredEvent) -> Entry:
    envelope = event.read()
    names = envelope.get("sealed", {}).get("digests", {})
    return Entry(envelope, {name: reader.content(event, name) or b"" for name in names})


def as_bytes(body: Body) -> bytes:
    if isinstance(body, bytes):
        return body
    return (body if isinstance(body, str) else json.dumps(body)).encode()


def issue_of(answer: httpx.Response) -> dict[str, Any]:
    """The issue of an error: the answer is an OperationOutcome, valid as FHIR R4B."""
    assert answer.headers["content-type"].startswith("application/")
    outcome = OperationOutcome.model_validate_json(answer.content)
    assert len(outcome.issue) == 1
    said = answer.json()
    assert set(said) == {"resourceType", "issue"}
    issue: dict[str, Any] = said["issue"][0]
    assert issue["severity"] == "error"
    assert issue["diagnostics"].strip()
    assert "cards" not in answer.text
    return issue
