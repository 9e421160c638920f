"""What operators ask for: health, readiness, metrics; and nothing of a patient in any of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hooks.calls import SERVICE, call, myeloma, prefetch_of, quiet
from hooks.serving import Served, knowledge, serving
from prometheus_client.parser import text_string_to_metric_families

Counts = dict[tuple[str, ...], float]
ROUTES = ("/healthz", "/readyz", "/metrics")
LABELS = {
    "refractory_cds_calls": {"service", "outcome"},
    "refractory_cds_cards": {"advice", "indicator"},
    "refractory_cds_refusals": {"cause"},
    "refractory_cds_feedback": {"outcome"},
    "refractory_cds_stage_seconds": {"stage", "le"},
    "refractory_cds_issues": {"code"},
    "refractory_cds_log_waiting": set[str](),
    "refractory_cds_spool_events": set[str](),
    "refractory_cds_spool_bytes": set[str](),
    "refractory_cds_spool_age_seconds": set[str](),
    "refractory_cds_spool_faults": set[str](),
    "refractory_cds_log_tampered": set[str](),
    "refractory_cds_log_verified_age_seconds": set[str](),
    "refractory_cds_log_purged_age_seconds": set[str](),
}
WITH_CARD = call(prefetch_of(myeloma()))


async def counted(served: Served) -> Counts:
    """Every sample by its name and the values of its labels."""
    text = (await served.http.get("/metrics")).text
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def grown(before: Counts, after: Counts) -> Counts:
    """The counters that went up, and by how much."""
    return {
        name: after[name] - before.get(name, 0)
        for name in after
        if name[0].endswith("_total") and after[name] != before.get(name, 0)
    }


# --- health and readiness -----------------------------------------------------------------------


async def test_health_says_that_the_process_answers_and_no_more(served: Served) -> None:
    answer = await served.http.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert answer.headers["content-type"] == "application/json"


async def test_readiness_says_what_was_loaded_and_that_the_log_can_be_written(
    served: Served,
) -> None:
    answer = await served.http.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "knowledge": {
            "version": knowledge().version,
            "digest": knowledge().digest,
            "diseases": len(knowledge().diseases),
        },
        "decisionLog": "writable",
    }


async def test_without_its_log_the_service_is_alive_and_not_ready(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        served.log.close()
        alive, ready = [await served.http.get(path) for path in ("/healthz", "/readyz")]
        assert alive.status_code == 200
        assert (ready.status_code, ready.json()["status"]) == (503, "not-ready")
        assert ready.json()["decisionLog"] == "unavailable"
        assert ready.json()["knowledge"]["version"] == knowledge().version


@pytest.mark.parametrize("path", ROUTES)
async def test_asking_leaves_no_entry_in_the_decision_log(served: Served, path: str) -> None:
    before = served.size()
    for _ in range(3):
        assert (await served.http.get(path)).status_code == 200
    assert served.size() == before


# --- metrics ------------------------------------------------------------------------------------


async def test_the_metrics_are_these_with_these_labels(served: Served) -> None:
    await served.hook(WITH_CARD)
    answer = await served.http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = [*text_string_to_metric_families(answer.text)]
    told = {f.name for f in families if not f.name.endswith("_created")}
    assert told == set(LABELS)
    for family in families:
        allowed = LABELS[family.name.removesuffix("_created")]
        assert all(set(sample.labels) <= allowed for sample in family.samples)
        assert family.documentation.endswith(".")


@pytest.mark.parametrize(
    ("send", "counts"),
    [
        pytest.param(
            lambda s: s.hook(WITH_CARD),
            {
                ("refractory_cds_calls_total", "cards-returned", SERVICE): 1,
                ("refractory_cds_cards_total", "restage", "info"): 1,
            },
            id="a card",
        ),
        pytest.param(
            lambda s: s.hook(call(prefetch_of(quiet()))),
            {("refractory_cds_calls_total", "no-cancer", SERVICE): 1},
            id="nothing to say",
        ),
        pytest.param(
            lambda s: s.hook(call()),
            {("refractory_cds_calls_total", "data-unavailable", SERVICE): 1},
            id="no data",
        ),
        pytest.param(
            lambda s: s.hook(b"{"),
            {("refractory_cds_calls_total", "refused", SERVICE): 1},
            id="a malformed call",
        ),
        pytest.param(
            lambda s: s.assess(
                {"resourceType": "Bundle", "entry": [{"resource": myeloma()[0]}, 5]}
            ),
            {
                ("refractory_cds_calls_total", "assessed", "assess"): 1,
                ("refractory_cds_issues_total", "invalid-resource"): 1,
            },
            id="an assessment with an issue",
        ),
        pytest.param(
            lambda s: s.post("/cds-services/canary/feedback", {}),
            {("refractory_cds_calls_total", "refused", "unknown"): 1},
            id="a service that does not exist",
        ),
        pytest.param(lambda s: s.http.get("/canary"), {}, id="an address that does not exist"),
        pytest.param(lambda s: s.http.get("/healthz"), {}, id="an operator"),
    ],
)
async def test_each_call_is_counted_once_by_service_and_outcome(
    served: Served, send: Callable[[Served], Any], counts: Counts
) -> None:
    before = await counted(served)
    await send(served)
    assert grown(before, await counted(served)) == counts


async def test_the_time_of_each_stage_is_measured(served: Served) -> None:
    def stages(counts: Counts) -> dict[str, float]:
        return {name[1]: n for name, n in counts.items() if name[0].endswith("seconds_count")}

    before = stages(await counted(served))
    await served.hook(WITH_CARD)
    after = stages(await counted(served))
    told = {stage: after[stage] - before.get(stage, 0) for stage in after}
    told.pop("drafts", None)  # of the ordering services, which others may have asked
    assert told == {"fetch": 1, "recall": 1, "assess": 1, "render": 1, "record": 1}


# --- nothing of a patient -----------------------------------------------------------------------


def of_a_patient() -> bytes:
    return json.dumps(WITH_CARD).replace("p1", "canary").encode()


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
async def test_patient_data_sent_to_an_operator_s_route_are_neither_read_nor_repeated(
    served: Served, said: Callable[[], str], path: str, method: str
) -> None:
    before = served.size()
    answer = await served.http.request(
        method, f"{path}?patient=canary", content=of_a_patient(), headers={"X-Request-Id": "canary"}
    )
    assert answer.status_code == (200 if method == "GET" else 405)
    assert "canary" not in answer.text + str(answer.headers) + said()
    assert served.size() == before


async def test_no_id_of_a_patient_is_in_a_metric_or_the_operations_log(
    served: Served, said: Callable[[], str]
) -> None:
    for send in (
        served.hook(of_a_patient()),
        served.assess(of_a_patient()),
        served.hook(b"canary"),
    ):
        await send
    metrics: httpx.Response = await served.http.get("/metrics")
    assert "canary" not in metrics.text + said()
    assert not re.search(r"Patient|Observation|2026-\d\d-\d\d", metrics.text)
