"""What the token of a call is good for, as far as the call says: whose, how long, which types."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from cds_service.errors import FhirTokenUnusable
from cds_service.hooks.messages import Authorization, HookCall

Extent = Literal["all", "part", "none"]

_V1 = re.compile(r"(?:patient|user|system)/(?P<type>[A-Za-z]+|\*)\.(?P<may>read|write|\*)")
_V2 = re.compile(
    r"(?:patient|user|system)/(?P<type>[A-Za-z]+|\*)"
    r"\.(?P<may>(?=[cruds])c?r?u?d?s?)(?P<query>\?\S*)?"
)
_NOT_OF_DATA = re.compile(r"openid|profile|fhirUser|launch(/\S+)?|offline_access|online_access")
_NUMBER = re.compile(r"\s*[+-]?[0-9]{1,12}(\.[0-9]{1,9})?\s*")


@dataclass(frozen=True, slots=True)
class Grant:
    """The token of a call, and the types that its scopes let us read.

    `extents` is empty where the scopes say nothing that can be understood: then anything may be
    tried, and the server decides.
    """

    token: str = field(repr=False)
    extents: dict[str, Extent] = field(default_factory=dict)

    def extent_of(self, resource_type: str) -> Extent:
        """How much of a type the scopes cover."""
        if not self.extents:
            return "all"
        of_all, of_type = self.extents.get("*", "none"), self.extents.get(resource_type, "none")
        return _wider(of_all, of_type)


def grant_of(call: HookCall) -> Grant | None:
    """The token to read with; None where the call brings none.

    Raises FhirTokenUnusable for one that is not for this call: of another patient, of another
    scheme than Bearer, or expired.
    """
    given = call.fhir_authorization
    if given is None:
        return None
    if given.token_type.strip().lower() != "bearer":
        raise FhirTokenUnusable("the token of fhirAuthorization is no Bearer token")
    if has_expired(given):
        raise FhirTokenUnusable("the token of fhirAuthorization has expired")
    if given.patient is not None and given.patient != call.context.patient_id:
        raise FhirTokenUnusable("the token of fhirAuthorization is for another patient")
    return Grant(given.access_token, extents_of(given.scope or ""))


def has_expired(given: Authorization) -> bool:
    """Whether `expires_in`, a number or one written as text, is zero or below.

    What is no number says nothing.
    """
    try:
        found = msgspec.json.decode(given.expires_in, type=int | float | str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    if isinstance(found, str):
        return _NUMBER.fullmatch(found) is not None and float(found) <= 0
    return found <= 0


def extents_of(scope: str) -> dict[str, Extent]:
    """How much of each type ("*": of all) may be read, by SMART scopes of version 1 or 2.

    `.read`, `.rs`, `.r` and `.s` let us try; a scope with a query (`?category=…`) covers a part.
    Empty where a scope cannot be understood, or none speaks of data.

    Source: SMART App Launch 1.0 and 2.2, scopes and launch context.
    """
    extents: dict[str, Extent] = {}
    for one in scope.split():
        read = _V1.fullmatch(one) or _V2.fullmatch(one)
        if read is None:
            if _NOT_OF_DATA.fullmatch(one):
                continue
            return {}
        parts = read.groupdict()
        may = parts["may"]
        reads = may in ("read", "*") if _V1.fullmatch(one) else bool({"r", "s"} & set(may))
        extent: Extent = "none" if not reads else "part" if parts.get("query") else "all"
        extents[parts["type"]] = _wider(extents.get(parts["type"], "none"), extent)
    return extents


def _wider(one: Extent, other: Extent) -> Extent:
    order: tuple[Extent, ...] = ("none", "part", "all")
    return max(one, other, key=order.index)
