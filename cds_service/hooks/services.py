"""The services on offer: one definition each, from which discovery and the routes are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cds_service.fhir.queries import prefetch_templates
from cds_service.hooks.messages import HookCall, OrderSelectCall, OrderSignCall

CDS_HOOKS = "2.0.1"
_NEEDS = (
    "FHIR R4. Keys that are not prefetched are read from fhirServer; patient, conditions, "
    "medicationRequests and observations are needed"
)
_WARNS = (
    "Silent unless a draft order names an antineoplastic drug. Then it says where a line of "
    "therapy is possibly refractory to that drug or to its class, and where a line would be "
    "switched while its progression is in doubt. Advisory; every card shows its evidence, its "
    "source and what speaks against it."
)


@dataclass(frozen=True, slots=True)
class HookDefinition:
    """One service: what discovery says of it, and the form of its calls.

    `call` tells by its context what is judged: the lines alone, or draft orders beside them.
    """

    id: str
    hook: str
    title: str
    description: str
    usage: str
    about: str
    call: type[HookCall]
    hook_version: str = "1.0"

    def as_json(self) -> dict[str, Any]:
        """Its entry in discovery."""
        return {
            "id": self.id,
            "hook": self.hook,
            "title": self.title,
            "description": self.description,
            "version": CDS_HOOKS,
            "hookVersion": self.hook_version,
            "usageRequirements": self.usage,
            "prefetch": prefetch_templates(),
        }


PATIENT_VIEW = HookDefinition(
    id="refractory-status",
    hook="patient-view",
    title="Possible refractory cancer status",
    description="Works out the lines of cancer therapy from the chart, infers for "
    "each whether the disease is possibly refractory to it, and prompts restaging, "
    "biopsy or a trial referral. Advisory; every card shows its evidence, its source "
    "and what speaks against it.",
    usage=f"{_NEEDS}.",
    about="Advisory cards for the patient whose chart was opened (hook patient-view).",
    call=HookCall,
)
ORDER_SELECT = HookDefinition(
    id="refractory-status-order-select",
    hook="order-select",
    title="Cancer drugs being selected: possible re-challenge",
    description=f"Looks at draft orders as they are selected. {_WARNS}",
    usage=f"{_NEEDS} once a selected draft names an antineoplastic drug.",
    about="Advisory cards for the draft orders that are selected (hook order-select).",
    call=OrderSelectCall,
)
ORDER_SIGN = HookDefinition(
    id="refractory-status-order-sign",
    hook="order-sign",
    title="Cancer drugs about to be signed: possible re-challenge",
    description=f"Looks at draft orders before they are signed. {_WARNS}",
    usage=f"{_NEEDS} once a draft names an antineoplastic drug.",
    about="Advisory cards for the draft orders that are about to be signed (hook order-sign).",
    call=OrderSignCall,
)
SERVICES: tuple[HookDefinition, ...] = (PATIENT_VIEW, ORDER_SELECT, ORDER_SIGN)
"""In the order of discovery: some clients take the first service of a hook."""


def discovery() -> dict[str, Any]:
    """What a client is told of the services."""
    return {"services": [service.as_json() for service in SERVICES]}
