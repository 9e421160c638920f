"""What the service is measured against, each answering every call with one static card.

`floor`: the least that any Python service does, FastAPI and a parse of the body. `naive`: the
same, and every resource validated by fhir.resources, as a first design would.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response

from cds_service.demo.fhir_server import create_fhir_app

PATH = "/cds-services/bench"
CARD = {
    "summary": "Static card",
    "indicator": "info",
    "source": {"label": "bench"},
}


def floor() -> FastAPI:
    """Read the body, parse it, answer."""
    app = FastAPI()

    @app.post(PATH)
    async def answer(request: Request) -> Response:
        orjson.loads(await request.body())
        return _static()

    return app


def floor_tuned() -> FastAPI:
    """The floor with the garbage collector out of the way, as the service has it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
    return floor()


def naive() -> FastAPI:
    """Read the body, make a validated model of each resource, answer."""
    from fhir.resources.R4B import get_fhir_model_class

    app = FastAPI()

    @app.post(PATH)
    async def answer(request: Request) -> Response:
        for resource in resources(orjson.loads(await request.body())["prefetch"]):
            get_fhir_model_class(resource["resourceType"]).model_validate(resource)
        return _static()

    return app


def resources(prefetch: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every resource of a prefetch."""
    for found in prefetch.values():
        if found["resourceType"] == "Bundle":
            yield from (entry["resource"] for entry in found["entry"])
        else:
            yield found


def _static() -> Response:
    return Response(orjson.dumps({"cards": [CARD]}), media_type="application/json")


def fhir_server() -> FastAPI:
    """The demo's FHIR server over the Bundle in BENCH_CHART; it counts what it is asked."""
    app = create_fhir_app([Path(os.environ["BENCH_CHART"]).read_bytes()], prefix="/fhir")
    asked = 0

    @app.middleware("http")
    async def count(request: Request, go_on: Any) -> Any:
        nonlocal asked
        if request.url.path == "/asked":
            return Response(str(asked))
        asked += 1
        return await go_on(request)

    return app
