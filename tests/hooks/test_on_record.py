"""Nothing is answered before it is on record, and what cannot be recorded is not answered."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest

from cds_service.audit import DecisionLog, Limits
from cds_service.audit.database import Connection
from cds_service.audit.database_store import DatabaseStore
from cds_service.audit.envelope import Process, Recorder
from cds_service.audit.pseudonyms import load_or_create_keys
from cds_service.audit.sqlite_file import create_log
from cds_service.demo.fhir_server_faults import Fault
from hooks.calls import INSTANCE, SERVICE, call, myeloma, prefetch_of, quiet
from hooks.serving import EHR, NOON, Served, issue_of, serving

WITH_CARD = call(prefetch_of(myeloma()))
WITHOUT_CARD = call(prefetch_of(quiet()))
BUNDLE = {"resourceType": "Bundle", "entry": [{"resource": r} for r in myeloma()]}
FEEDBACK = {
    "feedback": [
        {
            "card": "9c1dbd52-1ac5-4bd1-a8ea-5b0d4bbd5f05",
            "outcome": "overridden",
            "outcomeTimestamp": "2026-11-21T12:00:00Z",
        }
    ]
}


# --- one decision a call ------------------------------------------------------------------------


async def test_every_call_is_one_decision_with_its_outcome_whatever_it_was(
    served: Served,
) -> None:
    calls: list[tuple[Any, int, str]] = [
        (WITH_CARD, 200, "cards-returned"),
        (WITHOUT_CARD, 200, "no-cancer"),
        (call(fhirServer=EHR), 200, "cards-returned"),
        (call(), 412, "data-unavailable"),
        (call(fhirServer="http://10.0.0.1"), 412, "data-unavailable"),
        (call(dict.fromkeys(WITH_CARD["prefetch"])), 200, "no-cancer"),
    ]
    before = served.size()
    for number, (body, status, outcome) in enumerate(calls, start=1):
        answer = await served.hook(body)
        assert answer.status_code == status
        decision = served.last()
        assert (decision["eventType"], decision["outcome"]) == ("decision", outcome)
        assert (decision["httpStatus"], decision["seq"]) == (status, before + number)
    answer = await served.assess(BUNDLE)
    assert (answer.status_code, served.last()["outcome"]) == (200, "assessed")
    assert served.size() == before + len(calls) + 1
    assert served.exit_code_of_verify() == 3


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(WITH_CARD, 200, id="cards"),
        pytest.param(WITHOUT_CARD, 200, id="no card"),
        pytest.param(call(), 412, id="no data"),
    ],
)
async def test_the_bytes_on_record_are_the_bytes_on_the_wire(
    served: Served, body: dict[str, Any], status: int
) -> None:
    answer = await served.hook(body)
    assert answer.status_code == status
    assert served.last().sealed["response"] == answer.content
    assert served.last().sealed["request"] == json.dumps(body).encode()


async def test_the_record_says_who_asked_when_about_what_and_by_which_knowledge(
    served: Served,
) -> None:
    body = call(prefetch_of(myeloma()))
    body["context"]["encounterId"] = "visit-1"
    answer = await served.hook(body, X_Request_Id="req-1")
    decision = served.last()
    ours = answer.json()["cards"][0]["extension"]["org.refractory-cds"]
    assert decision["decisionId"] == ours["decisionId"]
    assert decision["hookInstance"] == INSTANCE
    assert (decision["hook"], decision["serviceId"]) == ("patient-view", SERVICE)
    assert decision["requestId"] == "req-1"
    assert decision["user"] == {"userId": "Practitioner/dr-a"}
    assert decision["asOf"] == NOON.date().isoformat()
    assert decision["asOfSource"] == "clock"
    assert decision["knowledge"]["version"] == ours["knowledgeVersion"]
    assert decision["receivedAt"] == "2026-11-21T12:00:00.000000Z"
    assert {"fetch", "assess", "render", "total"} <= set(decision["latencyMs"])
    assert decision["client"]["networkOrigin"]
    assert json.loads(decision.sealed["identity"]) == {"patientId": "p1", "encounterId": "visit-1"}
    assert decision["inputsByType"] == {
        "Condition": 1,
        "DiagnosticReport": 1,
        "ImagingStudy": 1,
        "MedicationAdministration": 2,
        "MedicationDispense": 1,
        "MedicationStatement": 1,
        "Patient": 1,
        "MedicationRequest": 2,
        "Observation": 2,
        "Procedure": 1,
        "ServiceRequest": 1,
        "Specimen": 1,
    }


TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(
    ("traceparent", "trace"),
    [
        pytest.param(f"00-{TRACE}-b7ad6b7169203331-01", TRACE, id="valid"),
        pytest.param(f"01-{TRACE}-b7ad6b7169203331-01-more", TRACE, id="a later version"),
        pytest.param(f"00-{TRACE}-b7ad6b7169203331-01-more", None, id="more than version 00 has"),
        pytest.param(f"ff-{TRACE}-b7ad6b7169203331-01", None, id="the forbidden version"),
        pytest.param(f"00-{TRACE.upper()}-b7ad6b7169203331-01", None, id="in capitals"),
        pytest.param(f"00-{'0' * 32}-b7ad6b7169203331-01", None, id="a trace of zeros"),
        pytest.param(f"00-{TRACE}-{'0' * 16}-01", None, id="a parent of zeros"),
        pytest.param("canary word", None, id="anything"),
    ],
)
async def test_the_trace_of_a_call_is_on_record(
    served: Served, traceparent: str, trace: str | None
) -> None:
    await served.hook(WITHOUT_CARD, traceparent=traceparent)
    assert served.last().get("traceId") == trace
    await served.post("/api/assess", BUNDLE, traceparent=traceparent)
    assert served.last().get("traceId") == trace
    assert "canary" not in served.searchable()


async def test_the_origin_of_each_input_is_on_record(served: Served) -> None:
    prefetch = prefetch_of(myeloma())
    del prefetch["observations"]
    await served.hook(call(prefetch, fhirServer=EHR))
    inputs = json.loads(served.last().sealed["inputs"])["resources"]
    origins = {one["reference"].split("/")[0]: one["origin"] for one in inputs}
    assert origins["Condition"] == "prefetch"
    assert origins["Observation"] == "search"


async def test_a_repeated_call_is_answered_again_and_tied_to_the_first(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        first = (await served.hook(WITH_CARD)).json()["cards"][0]["extension"]
        assert "duplicateOf" not in served.last().envelope
        again = await served.hook(WITH_CARD)
        assert len(again.json()["cards"]) == 1
        assert served.last()["duplicateOf"] == first["org.refractory-cds"]["decisionId"]


async def test_without_keeping_requests_only_their_digest_is_kept(tmp_path: Path) -> None:
    with serving(tmp_path, settings={"audit_keep_requests": False}) as served:
        await served.hook(WITH_CARD)
        decision = served.last()
        assert "request" not in decision.sealed
        assert json.loads(decision.sealed["inputs"])["request"].startswith("sha256:")


@pytest.mark.parametrize(
    "send",
    [
        pytest.param(lambda s: s.hook(WITH_CARD), id="cards"),
        pytest.param(lambda s: s.hook(WITHOUT_CARD), id="no card"),
        pytest.param(lambda s: s.hook(call()), id="412"),
        pytest.param(lambda s: s.hook(b"{"), id="400"),
        pytest.param(lambda s: s.assess(BUNDLE), id="an assessment"),
        pytest.param(lambda s: s.feedback(FEEDBACK), id="feedback"),
    ],
)
async def test_the_entry_is_on_disk_before_the_first_byte_of_the_answer(
    tmp_path: Path, send: Callable[[Served], Any]
) -> None:
    with serving(tmp_path) as served:
        sizes: list[int] = []

        async def watched(scope: Any, receive: Any, forward: Any) -> None:
            async def sending(message: Any) -> None:
                sizes.append(served.size())
                await forward(message)

            await served.app(scope, receive, sending)

        inside = httpx.ASGITransport(app=watched)
        served.http = httpx.AsyncClient(transport=inside, base_url="http://cds.test")
        before = served.size()
        await send(served)
        assert sizes == [before + 1] * 2


async def test_calls_at_the_same_time_are_each_on_record_once_in_one_chain(
    tmp_path: Path,
) -> None:
    with serving(tmp_path, chart=myeloma()) as served:
        bodies = [WITH_CARD, WITHOUT_CARD, call(), call(fhirServer=EHR)] * 15
        answers = await asyncio.gather(*map(served.hook, bodies))
        assert [answer.status_code for answer in answers] == [200, 200, 412, 200] * 15
        stored = [entry.sealed["response"] for entry in served.entries()]
        assert sorted(stored) == sorted(answer.content for answer in answers)
        assert served.exit_code_of_verify() == 3


# --- a log that cannot take it ------------------------------------------------------------------


class Troubled(DatabaseStore):
    """A real SQLite file under real limits, as long as `trouble` is set."""

    LIMITS: ClassVar = {
        "read-only": "PRAGMA query_only = 1",
        "disk full": "PRAGMA max_page_count = 1",  # SQLite raises it to the present size
    }
    trouble = ""

    def _begin(self, db: Connection) -> None:
        undo = "PRAGMA query_only = 0; PRAGMA max_page_count = 1073741823"
        db.executescript(self.LIMITS.get(self.trouble, undo))  # type: ignore[attr-defined]
        super()._begin(db)


def troubled_store(folder: Path, **options: Any) -> Troubled:
    path = folder / "decisions.db"
    keys = load_or_create_keys(path.with_name("key"))
    create_log(path, log_id="log-1", created_at=NOON)
    recorder = Recorder(keys=keys, clock=lambda: NOON, process=Process.this())
    return Troubled(path, recorder, **options)


async def assert_unavailable(served: Served, said: Callable[[], str]) -> None:
    """No answer that could be taken for one, on any route; and whoever watches can tell."""
    before = served.size() if served.db.exists() else 0
    for send in (
        served.hook(WITH_CARD),
        served.hook(WITHOUT_CARD),
        served.hook(call()),
        served.hook(call(fhirServer=EHR)),
        served.assess(BUNDLE),
        served.feedback(FEEDBACK),
    ):
        answer = await send
        assert answer.status_code == 503
        assert issue_of(answer)["code"] == "no-store"
    ready = await served.http.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (503, "not-ready")
    assert ready.json()["decisionLog"] == "unavailable"
    assert (await served.http.get("/healthz")).status_code == 200
    assert (await served.http.get("/cds-services")).status_code == 200
    assert before == (served.size() if served.db.exists() else 0)
    events = [json.loads(line)["event"] for line in said().splitlines()]
    assert events.count("log.unavailable") >= 6
    assert events[-6:] == ["log.unavailable"] * 6
    metrics = (await served.http.get("/metrics")).text
    assert f'refractory_cds_calls_total{{outcome="log-unavailable",service="{SERVICE}"}}' in metrics


async def assert_available(served: Served) -> None:
    ready = await served.http.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    answer = await served.hook(WITH_CARD)
    assert len(answer.json()["cards"]) == 1
    ours = answer.json()["cards"][0]["extension"]["org.refractory-cds"]
    assert served.last()["decisionId"] == ours["decisionId"]
    assert served.exit_code_of_verify() == 3


@pytest.mark.parametrize("trouble", Troubled.LIMITS)
async def test_a_log_that_cannot_be_written_is_503_until_it_can(
    tmp_path: Path, said: Callable[[], str], trouble: str
) -> None:
    store = troubled_store(tmp_path)
    with serving(tmp_path, chart=myeloma(), log=DecisionLog(store)) as served:
        await assert_available(served)
        store.trouble = trouble
        while (await served.feedback(FEEDBACK)).status_code == 200:
            pass  # what little room is left is used up first
        while (await served.http.get("/readyz")).status_code == 200:
            await served.feedback(FEEDBACK)
        await assert_unavailable(served, said)
        store.trouble = ""
        await assert_available(served)


async def test_readiness_comes_back_by_itself_without_a_call(tmp_path: Path) -> None:
    """A service that is not ready gets no calls: asking for readiness has to be enough."""
    store = troubled_store(tmp_path)
    with serving(tmp_path, log=DecisionLog(store)) as served:
        store.trouble = "read-only"
        assert (await served.hook(WITH_CARD)).status_code == 503
        for _ in range(3):
            assert (await served.http.get("/readyz")).status_code == 503
        store.trouble = ""
        before = served.size()
        for _ in range(3):
            assert (await served.http.get("/readyz")).status_code == 200
        assert served.size() <= before + 1, "asking does not fill the log"
        assert served.exit_code_of_verify() == 3


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


async def test_a_lock_held_by_somebody_else_is_503_until_it_is_released(
    tmp_path: Path, said: Callable[[], str]
) -> None:
    store = troubled_store(tmp_path, patience_seconds=0.02)
    with serving(tmp_path, chart=myeloma(), log=DecisionLog(store)) as served:
        await assert_available(served)
        with locked(served.db):
            await assert_unavailable(served, said)
        await assert_available(served)


async def test_a_closed_log_is_503(tmp_path: Path, said: Callable[[], str]) -> None:
    with serving(tmp_path, chart=myeloma()) as served:
        await assert_available(served)
        served.log.close()
        await assert_unavailable(served, said)


async def test_a_log_whose_file_was_removed_is_503(tmp_path: Path, said: Callable[[], str]) -> None:
    with serving(tmp_path, chart=myeloma()) as served:
        await assert_available(served)
        for file in served.db.parent.glob("decisions.db*"):
            if not file.name.endswith("key"):
                file.unlink()
        await assert_unavailable(served, said)


async def test_a_malformed_call_is_400_whether_or_not_its_refusal_can_be_recorded(
    tmp_path: Path,
) -> None:
    with serving(tmp_path) as served:
        served.log.close()
        answer = await served.hook(b"{")
        assert answer.status_code == 400
        issue_of(answer)


async def test_cards_that_did_not_leave_are_not_counted_as_returned(tmp_path: Path) -> None:
    def counted(metrics: httpx.Response) -> list[str]:
        return [line for line in metrics.text.splitlines() if "cards_total{" in line]

    with serving(tmp_path) as served:
        before = counted(await served.http.get("/metrics"))
        served.log.close()
        await served.hook(WITH_CARD)
        assert counted(await served.http.get("/metrics")) == before


# --- errors of ours -----------------------------------------------------------------------------


class Broken(httpx.AsyncBaseTransport):
    """Connections with a fault that nobody foresaw, and that quotes the chart."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise RuntimeError(f"canary-word in {request.url}")


async def test_a_call_that_an_error_of_ours_ended_is_on_record_as_failed(tmp_path: Path) -> None:
    with serving(tmp_path, transport=Broken()) as served:
        answer = await served.hook(call(fhirServer=EHR), X_Request_Id="req-9")
        assert answer.status_code == 500
        assert issue_of(answer)["code"] == "exception"
        assert "canary" not in answer.text
        decision = served.last()
        assert (decision["eventType"], decision["outcome"]) == ("decision", "failed")
        assert (decision["httpStatus"], decision["errorClass"]) == (500, "RuntimeError")
        assert (decision["requestId"], decision["hookInstance"]) == ("req-9", INSTANCE)
        assert decision.sealed["response"] == answer.content
        assert "canary" not in json.dumps(decision.envelope)
        assert served.exit_code_of_verify() == 3


async def test_an_id_that_is_on_record_already_is_an_error_of_ours_and_no_card(
    tmp_path: Path,
) -> None:
    with serving(tmp_path, new_id=lambda: INSTANCE) as served:
        assert (await served.hook(WITH_CARD)).status_code == 200
        again = await served.hook(WITH_CARD)
        assert again.status_code == 500
        issue_of(again)
        assert len(served.entries()) == 1


async def test_a_clock_that_is_set_back_costs_nothing(tmp_path: Path) -> None:
    times = [NOON]
    with serving(tmp_path, clock=lambda: times[-1]) as served:
        for hour in (12, 9, 15):
            times.append(NOON.replace(hour=hour))
            assert (await served.hook(WITH_CARD)).status_code == 200
        assert served.exit_code_of_verify() == 3


async def test_an_overloaded_log_says_so_and_drops_nothing(tmp_path: Path) -> None:
    log = DecisionLog(troubled_store(tmp_path), limits=Limits(waiting_events=2))
    with serving(tmp_path, log=log) as served:
        answers = await asyncio.gather(*(served.hook(WITH_CARD) for _ in range(30)))
        statuses = [answer.status_code for answer in answers]
        assert set(statuses) <= {200, 503}
        assert statuses.count(200) >= 1
        stored = {
            entry.sealed["response"]
            for entry in served.entries()
            if entry["eventType"] == "decision"
        }
        assert stored == {answer.content for answer in answers if answer.status_code == 200}


async def test_slow_servers_of_others_hold_nobody_up(tmp_path: Path) -> None:
    faults = [Fault("slow", seconds=0.5)]
    with serving(tmp_path, chart=myeloma(), faults=faults) as served:
        slow = [asyncio.ensure_future(served.hook(call(fhirServer=EHR))) for _ in range(5)]
        await asyncio.sleep(0.05)
        answer = await served.hook(WITH_CARD)
        assert answer.status_code == 200
        assert not any(task.done() for task in slow)
        assert {one.status_code for one in await asyncio.gather(*slow)} == {200}
