"""What operators ask for: is it alive, is it ready, how is it doing."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from cds_service.audit.spool import SpoolState
from cds_service.metrics import (
    PURGED_AGE,
    SPOOL_AGE,
    SPOOL_BYTES,
    SPOOL_EVENTS,
    SPOOL_FAULTS,
    TAMPERED,
    VERIFIED_AGE,
    WAITING,
    exposition,
)
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
        """Ready: the knowledge is loaded and the decision log, or its spool, can take an entry.

        `degraded`: it is the spool that does, or a file of it has to be looked at, or the log was
        not found whole when the service verified it last (`verification`).
        """
        ready = await service.can_record()
        body: dict[str, Any] = {
            "status": "ready" if ready else "not-ready",
            "knowledge": {
                "version": service.knowledge.version,
                "digest": service.knowledge.digest,
                "diseases": len(service.knowledge.diseases),
            },
            "decisionLog": "unavailable",
        }
        spool, verified = service.log.spool, service.log_state.verified
        is_doubtful = verified is not None and not verified.is_whole
        if ready:
            is_degraded = is_doubtful or _is_degraded(spool)
            body["decisionLog"] = "degraded" if is_degraded else "writable"
        if verified is not None:
            body["verification"] = verified.as_json()
        if spool is not None and _is_degraded(spool):
            body["spool"] = {
                "events": spool.events,
                "bytes": spool.bytes,
                "ageSeconds": round(spool.age_seconds, 1),
                "faults": spool.faults,
            }
        return Response(orjson.dumps(body), 200 if ready else 503, media_type=JSON)

    @routes.get("/metrics", openapi_extra=METRICS, response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Prometheus metrics, without patient data."""
        WAITING.set(service.log.waiting)
        if (spool := service.log.spool) is not None:
            SPOOL_EVENTS.set(spool.events)
            SPOOL_BYTES.set(spool.bytes)
            SPOOL_AGE.set(spool.age_seconds)
            SPOOL_FAULTS.set(spool.faults)
        if (verified := service.log_state.verified) is not None:
            TAMPERED.set(not verified.is_whole)
            VERIFIED_AGE.set(abs((service.clock() - verified.at).total_seconds()))
            PURGED_AGE.set(_age(service, verified.purged_at))
        return Response(exposition(), media_type=CONTENT_TYPE_LATEST)

    return routes


def _age(service: Service, moment: datetime | None) -> float:
    return float("inf") if moment is None else abs((service.clock() - moment).total_seconds())


def _is_degraded(spool: SpoolState | None) -> bool:
    return spool is not None and (spool.is_spooling or spool.faults > 0)
