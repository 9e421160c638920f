"""What single steps cost in this process: reading a resource, assessing a chart."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from typing import Any

import orjson
from bench.prostate_chart import prostate_chart
from fhir.resources.R4B import get_fhir_model_class

from cds_service import shipped_knowledge
from cds_service.clinical.assessment import assess
from cds_service.clinical.record import read_record

KINDS = ("Observation", "MedicationRequest", "Condition")


def raw_chart(size: int, today: date) -> list[bytes]:
    """The resources of a chart as their bytes."""
    chart = prostate_chart(size, today)
    return [orjson.dumps(resource) for found in chart.values() for resource in found]


def median_seconds(work: Callable[[], object], rounds: int) -> float:
    """The median time of a call, the collector out of the way."""
    work()
    gc.collect()
    gc.freeze()
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    gc.unfreeze()
    return statistics.median(took)


def reading(today: date, rounds: int) -> Iterator[tuple[str, float, float, float]]:
    """Kind, then µs a resource: parsed by orjson, read by us, validated by fhir.resources.

    Ours is the whole of `read_record`: it decodes, and keeps what speaks of a cancer.
    """
    chart = prostate_chart(1_000, today)
    patient = orjson.dumps(chart["patient"][0])
    for kind in KINDS:
        resources = [r for found in chart.values() for r in found if r["resourceType"] == kind]
        raw = [orjson.dumps(r) for r in resources[:200]]
        ways = (
            partial(_parse, raw),
            partial(read_record, [patient, *raw], today, shipped_knowledge(), None),
            partial(_validate, raw, get_fhir_model_class(kind)),
        )
        parsed, ours, validated = (median_seconds(way, rounds) / len(raw) * 1e6 for way in ways)
        yield kind, parsed, ours, validated


def _parse(raw: list[bytes]) -> list[Any]:
    return [orjson.loads(resource) for resource in raw]


def _validate(raw: list[bytes], model: Any) -> list[Any]:
    return [model.model_validate(orjson.loads(resource)) for resource in raw]


def assessing(sizes: tuple[int, ...], today: date, rounds: int) -> Iterator[tuple[int, float]]:
    """Size of the chart, then seconds of `assess` alone."""
    for size in sizes:
        work = partial(assess, raw_chart(size, today), today, shipped_knowledge())
        yield size, median_seconds(work, rounds)
