"""What operators ask for: is it alive, is it ready, how is it doing."""

from __future__ import annotations

import orjson
from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from cds_service.metrics import WAITING, exposition
from cds_service.service import Service


def operations_routes(service: Service) -> APIRouter:
    """Liveness, readiness, metrics."""
    routes = APIRouter(tags=["Operations"])

    @routes.get("/healthz")
    async def healthz() -> Response:
        """Alive: the process answers. Says nothing of what it depends on."""
        return Response(b'{"status":"ok"}', media_type="application/json")

    @routes.get("/readyz")
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
        return Response(orjson.dumps(body), 200 if ready else 503, media_type="application/json")

    @routes.get("/metrics")
    async def metrics() -> Response:
        """Prometheus metrics, without patient data."""
        WAITING.set(service.log.waiting)
        return Response(exposition(), media_type=CONTENT_TYPE_LATEST)

    return routes
