"""An EHR of a few lines: reads discovery, fills prefetch, calls the hook when a chart is opened."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from cds_service.demo.http_calls import Caller, CallFailed, answered

HOOK = "patient-view"
USER = "Practitioner/demo"
PATIENT_TOKEN = "{{context.patientId}}"  # noqa: S105 - a prefetch token of CDS Hooks, no secret

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Card = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """The cards of one hook call, and how long they took."""

    cards: tuple[Card, ...]
    milliseconds: float

    @property
    def without_ids(self) -> str:
        """The cards as text, with every id that is new in each answer taken out."""
        return _UUID.sub("(id)", json.dumps(self.cards, sort_keys=True))


class Ehr:
    """One service and one FHIR server, as an EHR sees the two; raises CallFailed."""

    def __init__(self, service: Caller, fhir: Caller) -> None:
        self._service = service
        self._fhir = fhir
        offered = answered(service.get("cds-services"), "discovery")["services"]
        found = next((one for one in offered if one["hook"] == HOOK), None)
        if found is None:
            raise CallFailed(f"discovery: no service for the hook {HOOK}")
        self._path = f"cds-services/{found['id']}"
        self._templates: Mapping[str, str] = found["prefetch"]

    def open_chart(self, patient_id: str, *, with_prefetch: bool) -> Answer:
        """What the service says to an opened chart.

        With prefetch, as most EHRs call; without, so that the service has to read the chart from
        the FHIR server itself.
        """
        call: dict[str, Any] = {
            "hook": HOOK,
            "hookInstance": str(uuid4()),
            "fhirServer": self._fhir.base,
            "context": {"userId": USER, "patientId": patient_id},
        }
        if with_prefetch:
            call["prefetch"] = self._filled(patient_id)
        reply = self._service.post(self._path, json.dumps(call).encode())
        return Answer(tuple(answered(reply, "hook call")["cards"]), reply.milliseconds)

    def _filled(self, patient_id: str) -> dict[str, Any]:
        """Each template of discovery, asked of the FHIR server."""
        return {
            key: answered(self._fhir.get(template.replace(PATIENT_TOKEN, patient_id)), key)
            for key, template in self._templates.items()
        }
