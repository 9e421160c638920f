"""What the demo's FHIR server writes itself: searchsets, outcomes, its CapabilityStatement."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import orjson

from cds_service.demo.fhir_server_parameters import parameters_of
from cds_service.demo.fhir_server_search import Search
from cds_service.demo.fhir_server_store import Stored
from cds_service.version import __version__

MEDIA_TYPE = "application/fhir+json; charset=utf-8"

_ISSUE_TYPES = {
    400: "invalid",
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    412: "not-supported",
    413: "too-long",
    500: "exception",
}


@dataclass(frozen=True, slots=True)
class PageLink:
    """Where a further page starts; opaque in its link."""

    query: list[tuple[str, str]]
    start: int

    def __str__(self) -> str:
        return base64.urlsafe_b64encode(orjson.dumps([self.query, self.start])).decode()

    @classmethod
    def parse(cls, text: str) -> PageLink:
        """Read what a link holds; ValueError for what no link of ours does."""
        try:
            query, start = orjson.loads(base64.urlsafe_b64decode(text))
            return cls([(str(name), str(value)) for name, value in query], max(0, int(start)))
        except (binascii.Error, TypeError) as error:
            raise ValueError("not a page link") from error


def searchset(
    base: str, search: Search, found: Sequence[Stored], *, start: int, page_size: int
) -> bytes:
    """A page of what a search has found, with the way to the next one."""
    here = f"{base}/{search.type}"
    page = () if search.only_count else found[start : start + page_size]
    query = f"?{urlencode(search.understood, safe=',:/')}" if search.understood else ""
    links = [{"relation": "self", "url": here + query}]
    if page and start + page_size < len(found):
        following = PageLink(list(search.understood), start + page_size)
        links.append({"relation": "next", "url": f"{here}?{urlencode({'_page': str(following)})}"})
    head: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "link": links}
    if search.with_total or search.only_count:
        head["total"] = len(found)
    full_url = b'{"fullUrl":"' + orjson.dumps(base)[1:-1]
    entries = [full_url + stored.tail for stored in page]
    if search.ignored and not search.only_count:
        entries.append(orjson.dumps(_ignored(search.ignored)))
    if not entries:
        return orjson.dumps(head)
    return orjson.dumps(head)[:-1] + b',"entry":[' + b",".join(entries) + b"]}"


def _ignored(names: Sequence[str]) -> dict[str, Any]:
    text = f"not supported, and ignored: {', '.join(names)}"
    return {
        "resource": outcome("not-supported", text, severity="warning"),
        "search": {"mode": "outcome"},
    }


def outcome(code: str, text: str, *, severity: str = "error") -> dict[str, Any]:
    issue = {"severity": severity, "code": code, "diagnostics": text}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def refusal(status: int, text: str) -> dict[str, Any]:
    """The OperationOutcome of an answer that is an error."""
    return outcome(_ISSUE_TYPES.get(status, "processing"), text)


def capability_statement(base: str, types: Sequence[str], started: datetime) -> dict[str, Any]:
    """What the server can do, and no more.

    Source: FHIR R4 capabilitystatement.html.
    """
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": started.isoformat(timespec="seconds"),
        "kind": "instance",
        "software": {"name": "refractory-cds demo FHIR server", "version": __version__},
        "implementation": {"description": "Made-up patients, in memory", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["json", "application/fhir+json"],
        "rest": [
            {
                "mode": "server",
                "security": {"cors": True},
                "resource": [_capability_of(resource_type) for resource_type in types],
                "interaction": [{"code": "transaction"}, {"code": "batch"}],
            }
        ],
    }


def _capability_of(resource_type: str) -> dict[str, Any]:
    interactions = ("read", "search-type", "create", "update")
    return {
        "type": resource_type,
        "interaction": [{"code": code} for code in interactions],
        "versioning": "no-version",
        "readHistory": False,
        "updateCreate": True,
        "conditionalCreate": False,
        "conditionalUpdate": False,
        "searchParam": [
            {"name": name, "type": parameter.kind}
            for name, parameter in parameters_of(resource_type).items()
        ],
    }
