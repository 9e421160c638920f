"""What operators ask for: is it alive, is it ready, how is it doing."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from cds_service.metrics import WAITING, exposition
from cds_service.openapi import JSON, answers, content
from cds_service.service import Service
from cds_service.web import shapes

HEALTH: dict[str, Any] = {"responses": answers({"status": "ok"}, shape=shapes.HEALTH)}
_READY = {
    "status": "ready",
    "knowledge": {"version": "2026.11.0", "digest": "sha256:" + 64 * "0", "diseases": 10},
    "decisionLog": "writable",
}
_NOT_READY = _READY | {"status": "not-ready", "decisionLog": "unavailable"}
READINESS: dict[str, Any] = {
    "responses": answers(_READY, shape=shapes.READY)
    | {"503": {"description": "Not ready.", "content": content(_NOT_READY, shapes.READY)}}
}
METRICS: dict[str, Any] = {
    "responses": {
        "200": {
            "description": "The answer.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        }
    }
}


def operations_routes(service: Service) -> APIRouter:
    """Liveness, readiness, metrics."""
    routes = APIRouter(tags=["Operations"])

    @routes.get("/healthz", openapi_extra=HEALTH)
    async def healthz() -> Response:
        """Alive: the process answers. Says nothing of what it depends on."""
        return Response(b'{"status":"ok"}', media_type=JSON)

    @routes.get("/readyz", openapi_extra=READINESS)
    async def readyz() -> Response:
        """Ready: the knowledge is loaded and the decision log can take an entry."""
        ready = await service.can_record()
        body = {
            "status": "ready" if ready else "not-ready",
            "knowledge": {
                "version": service.knowledge.version,
                "digest": service.knowledge.digest,
                "diseases": len(service.knowledge.diseases),
            },
            "decisionLog": "writable" if ready else "unavailable",
        }
        return Response(orjson.dumps(body), 200 if ready else 503, media_type=JSON)

    @routes.get("/metrics", openapi_extra=METRICS, response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Prometheus metrics, without patient data."""
        WAITING.set(service.log.waiting)
        return Response(exposition(), media_type=CONTENT_TYPE_LATEST)

    return routes
