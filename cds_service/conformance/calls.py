"""Hook calls about invented patients: complete, partial, and with prefetch of any kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from cds_service.conformance.chart import Resource, draft_order

USER = "Practitioner/conformance-test"
HOOKS = ("patient-view", "order-select", "order-sign")
"""The hooks that can be called here."""
ORDER_HOOKS = ("order-select", "order-sign")
NOWHERE = "https://conformance.invalid/fhir"
"""A FHIR server that cannot be: the name is reserved for that (RFC 2606)."""

_TEMPLATE = re.compile(r"(?P<type>[A-Z][A-Za-z]*)(?P<rest>[/?].*)?")

Call = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Offered:
    """One service of discovery, as far as it can be called."""

    id: str
    hook: str
    prefetch: Mapping[str, str]

    @property
    def path(self) -> str:
        return f"cds-services/{self.id}"

    def filled(self, resources: Iterable[Resource]) -> dict[str, Any]:
        """Every template filled from these resources: one, or a Bundle, which may be empty."""
        chart = list(resources)
        filled: dict[str, Any] = {}
        for key, template in self.prefetch.items():
            found = _TEMPLATE.match(template)
            if found is None:
                continue
            fitting = [r for r in chart if r["resourceType"] == found["type"]]
            if (found["rest"] or "").startswith("?"):
                filled[key] = bundle(fitting)
            elif fitting:
                filled[key] = fitting[0]
        return filled

    def call(self, patient: str, prefetch: dict[str, Any] | None = None, **more: Any) -> Call:
        """A call about a patient; without `prefetch` it has none."""
        made: Call = {
            "hook": self.hook,
            "hookInstance": str(uuid4()),
            "context": self.context(patient),
        }
        if prefetch is not None:
            made["prefetch"] = prefetch
        return made | more

    def context(self, patient: str, **more: Any) -> dict[str, Any]:
        made: dict[str, Any] = {"userId": USER, "patientId": patient}
        if self.hook in ORDER_HOOKS:
            made["draftOrders"] = bundle([draft_order(patient)])
        if self.hook == "order-select":
            made["selections"] = ["MedicationRequest/conformance-draft"]
        return made | more


def bundle(resources: Iterable[Resource], **more: Any) -> Resource:
    """A searchset of these resources."""
    entry = [{"resource": resource} for resource in resources]
    made: Resource = {"resourceType": "Bundle", "type": "searchset", "total": len(entry)}
    return made | ({"entry": entry} if entry else {}) | more


def each_bundle(prefetch: Mapping[str, Any], change: Callable[[Resource], Any]) -> dict[str, Any]:
    """The prefetch with another value in place of each Bundle."""
    return {
        key: change(value) if value.get("resourceType") == "Bundle" else value
        for key, value in prefetch.items()
    }
