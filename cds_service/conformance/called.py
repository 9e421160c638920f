"""3: the call, in every form that is right and in many that are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cds_service.conformance.calls import NOWHERE, ORDER_HOOKS, Call, Offered
from cds_service.conformance.chart import Resource, draft_order, new_patient, progressed
from cds_service.conformance.deployment import Deployment
from cds_service.conformance.replies import Reply
from cds_service.conformance.requirement import NotChecked, Requirement

INSTANCES = {
    "a UUID of version 1": "c232ab00-9414-11ec-b3c8-9f6bdeced846",
    "a UUID of version 7": "017f22e2-79b0-7cc3-98c4-dc0c0c07398f",
    "a UUID in capitals": "D1577C69-DFBE-44AD-BA6D-3E05E953B2EA",
    "a UUID of no version": "00000000-0000-0000-0000-000000000000",
}
USERS = ("PractitionerRole/1", "Patient/1", "RelatedPerson/1")
NO_IDS = (
    "../Patient", "a/b", "a?b=c", "a b", "%2e%2e", "", "x" * 65, "Patient/1", "a&_id=b", "..",
)  # fmt: skip


def good_call(service: Offered, **more: Any) -> Call:
    """A complete call about a new patient."""
    patient = new_patient()
    return service.call(patient, service.filled(progressed(patient)), **more)


def _other_hook(d: Deployment) -> Iterator[str]:
    for service in d.answering():
        reply = d.hook(service, good_call(service) | {"hook": "encounter-start"}, "another hook")
        if not reply.is_refusal:
            yield str(reply)


def _instances(d: Deployment) -> Iterator[str]:
    for service in d.answering():
        for what, instance in INSTANCES.items():
            yield from _not_good(d, service, good_call(service, hookInstance=instance), what)
        repeated = good_call(service)
        for what in ("a first time", "the same call again"):
            yield from _not_good(d, service, repeated, what)


def _fhir_server(d: Deployment) -> Iterator[str]:
    for service in d.answering():
        for what, base in (("fhirServer", NOWHERE), ("fhirServer with a slash", f"{NOWHERE}/")):
            yield from _not_good(d, service, good_call(service, fhirServer=base), what)


def _contexts(d: Deployment) -> Iterator[str]:
    for service in d.answering():
        users = USERS if service.hook == "patient-view" else USERS[:1]
        for user in users:
            call = good_call(service)
            call["context"]["userId"] = user
            yield from _not_good(d, service, call, f"the user is a {user.split('/')[0]}")
        call = good_call(service)
        call["context"]["encounterId"] = "conformance-encounter"
        yield from _not_good(d, service, call, "with an encounter")
        if service.hook in ORDER_HOOKS:
            yield from _drafts(d, service)


def _drafts(d: Deployment, service: Offered) -> Iterator[str]:
    """Draft orders as clients send them, which is often no valid FHIR."""
    for what, change in DRAFTS.items():
        call = good_call(service)
        context = call["context"]
        context["draftOrders"] = change(draft_order(context["patientId"]))
        yield from _not_good(d, service, call, what)


def _one(order: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": order}]}


DRAFTS: Mapping[str, Callable[[Resource], Resource]] = {
    "drafts in a Bundle without type": lambda order: _without(_one(order), "type"),
    "a draft without intent": lambda order: _one(_without(order, "intent")),
    "a draft without drug": lambda order: _one(_without(order, "medicationCodeableConcept")),
    "a draft with an object for a list": lambda order: _one(order | {"category": {"text": "x"}}),
    "orders of other kinds": lambda order: _one(order | {"resourceType": "NutritionOrder"}),
}


def _without(resource: Resource, member: str) -> Resource:
    return {name: value for name, value in resource.items() if name != member}


def _extension(d: Deployment) -> Iterator[str]:
    for service in d.answering():
        extension = {"invalid.conformance.test": {"configuration": [1]}}
        yield from _not_good(
            d, service, good_call(service, extension=extension), "with an extension"
        )


def _not_good(d: Deployment, service: Offered, call: Call, what: str) -> Iterator[str]:
    reply = d.hook(service, call, what)
    if not reply.is_good:
        yield str(reply)


def malformed(d: Deployment) -> list[Reply]:
    """The answers to calls that are wrong, each with a canary in it."""
    return d.once("malformed", lambda: [r for s in d.answering() for r in _malformed(d, s)])


def _malformed(d: Deployment, service: Offered) -> Iterator[Reply]:
    canary = d.canary
    for what, call in _wrong_calls(service, canary):
        yield d.post(service.path, call, f"{service.id}, {what}", X_Request_Id="conformance")
    if d.signer is None:  # with a token of its own it is the token that is looked for
        yield d.post(
            service.path, {"hook": canary}, f"{service.id}, a token, and no call",
            Authorization=f"Bearer {canary}",
        )  # fmt: skip


def _wrong_calls(service: Offered, canary: str) -> Iterator[tuple[str, Any]]:
    def call(**changes: Any) -> Call:
        made = good_call(service)
        patient = made.get("prefetch", {}).get("patient")
        if isinstance(patient, dict):
            patient["name"] = [{"family": canary}]
        return made | {"fhirServer": NOWHERE, "fhirAuthorization": _token(canary)} | changes

    yield "no body", b""
    yield "no JSON", f'{{"hook": "{canary}'.encode()
    yield "no UTF-8", b'{"hook": "\xff\xfe' + canary.encode() + b'"}'
    yield "a text for the call", f'"{canary}"'.encode()
    yield "a list for the call", [call()]
    yield "null for the call", b"null"
    for member in ("hook", "hookInstance", "context"):
        without = call()
        del without[member]
        yield f"no {member}", without
        yield f"{member} is a number", call(**{member: 1})
        yield f"{member} is null", call(**{member: None})
    yield "hookInstance is no UUID", call(hookInstance=canary)
    for member in ("userId", "patientId"):
        without = call()
        del without["context"][member]
        yield f"no context.{member}", without
        yield f"context.{member} is a list", _within(call(), **{member: [canary]})
    yield "prefetch is a list", call(prefetch=[canary])
    yield "prefetch is a text", call(prefetch=canary)
    yield "fhirAuthorization is a text", call(fhirAuthorization=canary)
    yield "fhirServer is an object", call(fhirServer={"url": canary})
    if service.hook in ORDER_HOOKS:
        yield "draftOrders is a text", _within(call(), draftOrders=canary)


def _within(call: Call, **changes: Any) -> Call:
    call["context"] |= changes
    return call


def _token(canary: str) -> dict[str, Any]:
    return {
        "access_token": canary, "token_type": "Bearer", "expires_in": 300,
        "scope": "patient/Observation.rs", "subject": "conformance",
    }  # fmt: skip


def _refused(d: Deployment) -> Iterator[str]:
    for reply in malformed(d):
        if not reply.is_refusal:
            yield str(reply)


def strange_ids(d: Deployment) -> list[Reply]:
    """The answers to calls about patients whose ids cannot be ids."""

    def make() -> Iterator[Reply]:
        for service in d.answering():
            for patient in NO_IDS:
                call = good_call(service, fhirServer=NOWHERE)
                call["context"]["patientId"] = patient
                shown = "empty" if not patient else patient[:20]
                yield d.hook(service, call, f"patientId {shown}")

    return d.once("strange ids", lambda: list(make()))


def _ids(d: Deployment) -> Iterator[str]:
    for reply in strange_ids(d):
        if not reply.is_refusal:
            yield str(reply)


def unknown_service(d: Deployment) -> Reply:
    """The answer to a call of a service that is not there."""
    body = {"hook": d.canary}
    return d.once(
        "unknown service",
        lambda: d.post("cds-services/conformance-unknown", body, "an unknown service"),
    )


def _addresses(d: Deployment) -> Iterator[str]:
    for service in d.answering():
        for what, base in (
            ("fhirServer is a file", f"file:///{d.canary}"),
            ("fhirServer is no address", d.canary),
            ("fhirServer with a user", f"https://{d.canary}@conformance.invalid/fhir"),
        ):
            reply = d.hook(service, service.call(new_patient(), fhirServer=base), what)
            if not reply.is_refusal:
                yield str(reply)


def need_patient_view(d: Deployment) -> list[Offered]:
    """Services of `patient-view` that answer; raises NotChecked without any."""
    found = [service for service in d.answering() if service.hook == "patient-view"]
    if not found:
        raise NotChecked("no service of the hook patient-view")
    return found


CHECKS = (
    Requirement("3.1", "own", "A call of another hook is refused.", _other_hook),
    Requirement(
        "3.2", "own", "hookInstance: a UUID of any version and case, a repeated one too.",
        _instances,
    ),
    Requirement("3.3", "own", "fhirServer may end in a slash, or not.", _fhir_server),
    Requirement(
        "3.5", "SHALL", "Every user and context that the hook allows is taken.", _contexts
    ),
    Requirement("3.7", "SHALL", "A call may have an `extension`.", _extension),
    Requirement("3.8", "own", "What is no call is refused with 4xx, never 5xx.", _refused),
    Requirement("3.9", "own", "A patientId that can be no FHIR id is refused.", _ids),
    Requirement("6.7", "own", "A fhirServer that is no web address is not gone to.", _addresses),
)  # fmt: skip
