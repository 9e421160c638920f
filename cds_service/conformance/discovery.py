"""2: what discovery says of each service."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from cds_service.conformance.deployment import Deployment
from cds_service.conformance.replies import is_text
from cds_service.conformance.requirement import NotChecked, Requirement

SEMANTIC = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)(\.(0|[1-9]\d*))?(-[0-9A-Za-z.-]+)?")
SEGMENT = re.compile(r"[A-Za-z0-9\-._~]+")
HOOK_VERSIONS = {"patient-view": "1.0", "order-select": "1.0", "order-sign": "1.0"}


def _answers(d: Deployment) -> Iterator[str]:
    if not d.discovery.is_good:
        yield str(d.discovery)
        if where := d.discovery.headers.get("location"):
            yield f"it redirects to a {'final slash' if where.endswith('/') else 'new address'}"


def _lists(d: Deployment) -> Iterator[str]:
    said = d.described.json
    if not isinstance(said, dict) or not isinstance(said.get("services"), list):
        yield "no object with a list of services"
    elif not all(isinstance(one, dict) for one in said["services"]):
        yield "a service that is no object"


def _required(d: Deployment) -> Iterator[str]:
    for position, one in enumerate(d.services):
        for member in ("hook", "id", "description"):
            if not is_text(one.get(member)):
                yield f"services[{position}] has no {member}"
        if is_text(one.get("id")) and not SEGMENT.fullmatch(one["id"]):
            yield f"services[{position}].id is no segment of a URL"


def _title(d: Deployment) -> Iterator[str]:
    for where, one in _each(d):
        if not is_text(one.get("title")):
            yield f"{where} has no title"


def _optional(d: Deployment) -> Iterator[str]:
    for where, one in _each(d):
        prefetch = one.get("prefetch")
        if "prefetch" in one and not (
            isinstance(prefetch, dict) and all(map(is_text, prefetch.values()))
        ):
            yield f"{where}: prefetch is not an object of texts"
        if "usageRequirements" in one and not is_text(one["usageRequirements"]):
            yield f"{where}: usageRequirements is no text"


def _version(d: Deployment) -> Iterator[str]:
    for where, one in _each(d):
        version = one.get("version")
        if not (isinstance(version, str) and SEMANTIC.fullmatch(version)):
            yield f"{where}: version is {version or 'missing'}"


def _hook_version(d: Deployment) -> Iterator[str]:
    named = [(where, one) for where, one in _each(d) if "hookVersion" in one]
    if not named:
        raise NotChecked("no service names one")
    for where, one in named:
        version, published = one["hookVersion"], HOOK_VERSIONS.get(str(one.get("hook")))
        if published and version != published:
            yield f"{where}: {one['hook']} is published as {published}, not {version}"


def _once(d: Deployment) -> Iterator[str]:
    counted = Counter(str(one.get("id")) for one in d.services)
    yield from (f"{name} stands {times} times" for name, times in counted.items() if times > 1)


def _each(d: Deployment) -> Iterator[tuple[str, dict[str, Any]]]:
    for position, one in enumerate(d.services):
        yield str(one["id"] if is_text(one.get("id")) else f"services[{position}]"), one


CHECKS = (
    Requirement(
        "2.1", "SHALL", "`GET …/cds-services` answers with 200 itself, without a redirect.",
        _answers,
    ),
    Requirement("2.2", "SHALL", "The answer has `services`, a list of objects.", _lists),
    Requirement("2.3", "SHALL", "Each service has `hook`, `id` and `description`.", _required),
    Requirement("2.4", "SHOULD", "Each service has a `title`.", _title),
    Requirement(
        "2.5", "SHALL", "`prefetch` and `usageRequirements`, where given, have their form.",
        _optional,
    ),
    Requirement("2.6", "SHOULD", "`version` is a semantic version of CDS Hooks.", _version),
    Requirement(
        "2.7", "SHALL", "`hookVersion`, where given, is one that was published.", _hook_version
    ),
    Requirement("2.8", "MAY", "Each `id` stands once: some clients keep the last only.", _once),
)  # fmt: skip
