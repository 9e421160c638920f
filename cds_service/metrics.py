"""Prometheus metrics: counts and durations by service and outcome, and nothing of a patient."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
REGISTRY = CollectorRegistry()

CALLS = Counter(
    "refractory_cds_calls", "Calls answered, by service and outcome.",
    ("service", "outcome"), registry=REGISTRY,
)  # fmt: skip
CARDS = Counter(
    "refractory_cds_cards", "Cards returned, by advice that leads and indicator.",
    ("advice", "indicator"), registry=REGISTRY,
)  # fmt: skip
REFUSALS = Counter(
    "refractory_cds_refusals", "Calls turned away before they were read, by cause.",
    ("cause",), registry=REGISTRY,
)  # fmt: skip
FEEDBACK = Counter(
    "refractory_cds_feedback", "Feedback entries taken, by outcome.",
    ("outcome",), registry=REGISTRY,
)  # fmt: skip
STAGES = Histogram(
    "refractory_cds_stage_seconds", "Time of a decision, by stage.",
    ("stage",), buckets=SECONDS, registry=REGISTRY,
)  # fmt: skip
ISSUES = Counter(
    "refractory_cds_issues", "Faults found in charts, by code.", ("code",), registry=REGISTRY
)
WAITING = Gauge(
    "refractory_cds_log_waiting", "Entries that wait for the decision log.",
    registry=REGISTRY, multiprocess_mode="livesum",
)  # fmt: skip
SPOOL_EVENTS = Gauge(
    "refractory_cds_spool_events", "Entries that are spooled and not in the decision log yet.",
    registry=REGISTRY, multiprocess_mode="livesum",
)  # fmt: skip
SPOOL_BYTES = Gauge(
    "refractory_cds_spool_bytes", "Bytes that are spooled and not in the decision log yet.",
    registry=REGISTRY, multiprocess_mode="livesum",
)  # fmt: skip
SPOOL_AGE = Gauge(
    "refractory_cds_spool_age_seconds", "Time since the oldest spooled entry.",
    registry=REGISTRY, multiprocess_mode="livemax",
)  # fmt: skip
SPOOL_FAULTS = Gauge(
    "refractory_cds_spool_faults", "Spool files that were damaged, or held what was refused.",
    registry=REGISTRY, multiprocess_mode="livemax",
)  # fmt: skip
TAMPERED = Gauge(
    "refractory_cds_log_tampered", "1: the decision log was not whole when it was last verified.",
    registry=REGISTRY, multiprocess_mode="livemax",
)  # fmt: skip
VERIFIED_AGE = Gauge(
    "refractory_cds_log_verified_age_seconds", "Time since the decision log was last verified.",
    registry=REGISTRY, multiprocess_mode="livemax",
)  # fmt: skip
PURGED_AGE = Gauge(
    "refractory_cds_log_purged_age_seconds",
    "Time since a purge of the decision log ended, as of its last verification; +Inf: none has.",
    registry=REGISTRY, multiprocess_mode="livemax",
)  # fmt: skip


@cache
def _of_stage(name: str) -> Histogram:
    return STAGES.labels(name)


@dataclass(slots=True)
class Stopwatch:
    """Milliseconds by stage, from the monotonic clock."""

    milliseconds: dict[str, float] = field(default_factory=dict)
    _began: float = field(default_factory=time.perf_counter)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - began
            self.milliseconds[name] = spent * 1000
            _of_stage(name).observe(spent)

    def total(self) -> float:
        """Milliseconds since the call came in."""
        return (time.perf_counter() - self._began) * 1000


def exposition() -> bytes:
    """All metrics in the text format; of all workers where there are several."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
    return generate_latest(REGISTRY)
