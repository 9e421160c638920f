"""What the service is measured against, each answering every call with one static card.

`floor`: the least that any Python service does, FastAPI and a parse of the body. `naive`: the
same, and every resource validated by fhir.resources, as a first design would.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response

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
