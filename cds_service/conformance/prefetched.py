"""5: prefetched data: whole, in part, null, broken, of somebody else, and not at all."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

from cds_service.conformance.calls import NOWHERE, Offered, bundle, each_bundle
from cds_service.conformance.chart import (
    Resource,
    new_patient,
    of_somebody_else,
    progressed,
)
from cds_service.conformance.deployment import Deployment
from cds_service.conformance.replies import Reply
from cds_service.conformance.requirement import NotChecked, Note, Requirement

SLOW_MS = 500.0
OUTCOME: Resource = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "error", "code": "exception", "diagnostics": "the search failed"}],
}
NEXT = {"link": [{"relation": "next", "url": f"{NOWHERE}?page=2"}]}


def _needing(d: Deployment) -> list[Offered]:
    """Services with prefetch templates; raises NotChecked without any."""
    found = [service for service in d.answering() if service.prefetch]
    if not found:
        raise NotChecked("no service has prefetch templates")
    return found


def _call(d: Deployment, service: Offered, what: str, change: Any, **more: Any) -> Reply:
    """A call whose prefetch has been changed."""
    patient = new_patient()
    prefetch = change(service.filled(progressed(patient)))
    return d.hook(service, service.call(patient, prefetch, **more), what)


def _any_subset(d: Deployment) -> Iterator[str]:
    for service in _needing(d):
        for left_out in service.prefetch:
            yield from _taken(
                _call(d, service, f"without {left_out}", lambda p, k=left_out: _without(p, k))
            )


def _null(d: Deployment) -> Iterator[str]:
    for service in _needing(d):
        for key in service.prefetch:
            yield from _taken(_call(d, service, f"{key} is null", lambda p, k=key: p | {k: None}))
        yield from _taken(
            _call(d, service, "all searches null", lambda p: each_bundle(p, lambda _: None))
        )


def _outcomes(d: Deployment) -> Iterator[str]:
    for service in _needing(d):
        reply = _call(
            d, service, "an OperationOutcome for every key", lambda p: dict.fromkeys(p, OUTCOME)
        )
        yield from _not_412(reply)


def _outcome_entries(d: Deployment) -> Iterator[str]:
    for service in _searching(d):
        what = "an OperationOutcome in each Bundle"
        yield from _not_412(
            _call(d, service, what, lambda p: each_bundle(p, lambda _: bundle([OUTCOME])))
        )


def _paged(d: Deployment) -> Iterator[str]:
    for service in _searching(d):
        what = "first pages only, and no server to read on from"
        yield from _not_412(_call(d, service, what, lambda p: each_bundle(p, lambda b: b | NEXT)))


def _searching(d: Deployment) -> list[Offered]:
    """Services that prefetch Bundles; raises NotChecked without any."""
    found = [s for s in _needing(d) if any("?" in template for template in s.prefetch.values())]
    if not found:
        raise NotChecked("no service prefetches a search")
    return found


def lacking(d: Deployment) -> list[Reply]:
    """The answers to calls that bring nothing, and from which nothing can be read."""

    def make() -> Iterator[Reply]:
        for service in _needing(d):
            for what, prefetch, more in (
                ("no prefetch, no fhirServer", None, {}),
                ("an empty prefetch, no fhirServer", {}, {}),
                ("no prefetch, a fhirServer that is not there", None, {"fhirServer": NOWHERE}),
            ):
                yield d.hook(service, service.call(new_patient(), prefetch, **more), what)

    return d.once("lacking", lambda: list(make()))


def _exactly_412(d: Deployment) -> Iterator[str]:
    for reply in lacking(d):
        yield from _not_412(reply)


def _forms(d: Deployment) -> Iterator[str]:
    forms: dict[str, Any] = {
        "Bundles without entry": lambda b: {k: v for k, v in bundle([]).items() if k != "total"},
        "Bundles with an empty entry": lambda b: bundle([], entry=[]),
        "an entry without resource in each Bundle": lambda b: (
            b | {"entry": [*b.get("entry", []), {"fullUrl": "urn:x"}]}
        ),
        "a resource of another type in each Bundle": lambda b: (
            b | {"entry": [*b.get("entry", []), {"resource": {"resourceType": "Basic", "id": "x"}}]}
        ),
    }
    for service in _searching(d):
        for what, change in forms.items():
            reply = _call(d, service, what, lambda p, c=change: each_bundle(p, c))
            if not reply.is_good:
                yield str(reply)


def _foreign(d: Deployment) -> Iterator[str]:
    fitting = [s for s in _searching(d) if _has_cards(d.complete(s))]
    if not fitting:
        raise NotChecked("no card came back on the patient's own chart")
    for service in fitting:
        patient = new_patient()
        prefetch = service.filled(of_somebody_else(patient))
        reply = d.hook(service, service.call(patient, prefetch), "the chart of another patient")
        if _has_cards(reply):
            yield f"{reply.what}: cards all the same"
        else:
            yield from _taken(reply)


def _has_cards(reply: Reply) -> bool:
    return isinstance(reply.json, dict) and bool(reply.json.get("cards"))


def _quick(d: Deployment) -> Iterator[str | Note]:
    times = [r.milliseconds for r in d.replies if r.is_good and r.milliseconds]
    if not times:
        raise NotChecked("no call was answered")
    middle = statistics.median(times)
    said = f"median {middle:.0f} ms, longest {max(times):.0f} ms, of {len(times)} answers"
    yield Note(said if middle <= SLOW_MS else f"slow: {said}")


def _without(prefetch: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in prefetch.items() if name != key}


def _taken(reply: Reply) -> Iterator[str]:
    """A call in the right form is answered, or 412 says that something was needed."""
    if reply.status not in (200, 412):
        yield str(reply)


def _not_412(reply: Reply) -> Iterator[str]:
    if reply.status != 412:
        empty = isinstance(reply.json, dict) and reply.json.get("cards") == []
        yield f"{reply}, with an empty list of cards" if empty else str(reply)


CHECKS = (
    Requirement(
        "5.2", "SHALL", "Any prefetch key may be missing: an answer, or 412.", _any_subset
    ),
    Requirement("5.3", "SHALL", "Any prefetch value may be null: an answer, or 412.", _null),
    Requirement(
        "5.4", "SHALL", "OperationOutcomes in place of the data are no data: 412.", _outcomes
    ),
    Requirement(
        "5.5", "SHOULD", "An OperationOutcome among the entries of a search is noticed.",
        _outcome_entries,
    ),
    Requirement("5.6", "own", "A first page alone is not taken for the whole.", _paged),
    Requirement(
        "5.8", "SHALL", "Data that are needed and not to be had: 412 and nothing else.",
        _exactly_412,
    ),
    Requirement("5.9", "own", "Bundles of every legal form are read.", _forms),
    Requirement("5.10", "own", "Data of another patient are not used.", _foreign),
    Requirement("5.12", "SHOULD", "It answers in about half a second (noted, not judged).", _quick),
)  # fmt: skip
