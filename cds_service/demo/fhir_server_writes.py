"""Create, update and transaction on the demo's FHIR server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.exceptions import HTTPException

from cds_service.demo.fhir_server_answers import refusal
from cds_service.demo.fhir_server_store import FHIR_ID, Store, is_made_up, redirected
from cds_service.fhir.bundles import RawResource
from cds_service.fhir.heads import Head
from cds_service.fhir.references import head_of


class _Request(msgspec.Struct, rename="camel"):
    method: str
    url: str
    if_none_exist: str = ""
    if_match: str = ""


class _Entry(msgspec.Struct, rename="camel"):
    request: _Request
    resource: msgspec.Raw
    full_url: str = ""


class _Transaction(msgspec.Struct, rename="camel"):
    resource_type: str
    type: str
    entry: list[msgspec.Raw] = []


@dataclass(frozen=True, slots=True)
class Write:
    """A resource and the place it is to be kept at."""

    type: str
    id: str
    raw: bytes
    full_url: str = ""


def create(store: Store, resource_type: str, raw: bytes) -> Write:
    """A new place for a resource of this type, whatever id it brings."""
    _checked(store, resource_type, raw)
    return Write(resource_type, store.new_id(), raw)


def update(store: Store, resource_type: str, resource_id: str, raw: bytes) -> Write:
    """The place that the address names, which has to be the resource's own."""
    head = _checked(store, resource_type, raw)
    if head.id != resource_id or not FHIR_ID.fullmatch(resource_id):
        raise HTTPException(400, "the id in the address is not the resource's")
    return Write(resource_type, resource_id, raw)


def _checked(store: Store, resource_type: str, raw: bytes) -> Head:
    head = head_of(RawResource(raw))
    if head is None:
        raise HTTPException(400, "the body is not a FHIR resource in JSON")
    if head.resource_type != resource_type:
        raise HTTPException(400, "the resource is of another type than the address")
    if not store.knows(resource_type):
        raise HTTPException(404, "resources of this type are not kept here")
    return head


def apply_bundle(store: Store, raw: bytes) -> dict[str, Any]:
    """Carry out a transaction (all or nothing) or a batch (each for itself) of writes.

    Raises HTTPException where a transaction cannot be carried out whole.
    """
    try:
        bundle = msgspec.json.decode(raw, type=_Transaction)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise HTTPException(400, "the body is not a Bundle") from None
    if bundle.resource_type != "Bundle" or bundle.type not in ("transaction", "batch"):
        raise HTTPException(400, "the body is not a Bundle of type transaction or batch")
    planned: list[Write | HTTPException] = []
    for index, entry in enumerate(bundle.entry):
        try:
            planned.append(_planned(store, entry))
        except HTTPException as error:
            if bundle.type == "transaction":
                where = f"Bundle.entry[{index}]: {error.detail}"
                raise HTTPException(error.status_code, where) from None
            planned.append(error)
    moved = {
        write.full_url: f"{write.type}/{write.id}"
        for write in planned
        if isinstance(write, Write) and is_made_up(write.full_url)
    }
    answers = [_carried_out(store, write, moved) for write in planned]
    answer = {"resourceType": "Bundle", "type": f"{bundle.type}-response"}
    return answer | ({"entry": answers} if answers else {})


def _planned(store: Store, raw: msgspec.Raw) -> Write:
    try:
        entry = msgspec.json.decode(raw, type=_Entry)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise HTTPException(400, "not an entry with a resource and a request") from None
    request = entry.request
    if request.if_none_exist or request.if_match or "?" in request.url:
        raise HTTPException(412, "conditional requests are not supported")
    resource_type, _, resource_id = request.url.partition("/")
    body = bytes(entry.resource)
    if request.method == "PUT":
        write = update(store, resource_type, resource_id, body)
    elif request.method == "POST" and not resource_id:
        write = create(store, resource_type, body)
    else:
        raise HTTPException(405, "only POST to a type and PUT to an id are supported")
    return Write(write.type, write.id, write.raw, entry.full_url)


def _carried_out(
    store: Store, write: Write | HTTPException, moved: dict[str, str]
) -> dict[str, Any]:
    if isinstance(write, HTTPException):
        failed = refusal(write.status_code, write.detail)
        return {"response": {"status": str(write.status_code), "outcome": failed}}
    is_new = store.write(write.type, write.id, redirected(write.raw, moved))
    status = "201 Created" if is_new else "200 OK"
    return {"response": {"status": status, "location": f"{write.type}/{write.id}"}}
