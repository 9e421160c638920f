"""What arrives on the wire of CDS Hooks, read strictly where we rely on it, and only there.

Unknown members are ignored at every level. A fault is an `InvalidRequest` that says what and
where; it never repeats a value.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Literal, TypeVar

import msgspec

from cds_service.errors import InvalidRequest

UUID_FORM = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
FHIR_ID = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9\-.]{1,64}")
USER_FORM = re.compile(
    r"(Practitioner|PractitionerRole|Patient|RelatedPerson)/[A-Za-z0-9\-.]{1,64}"
)
MOMENT_FORM = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:[0-9]{2})?"
)
_PATH = re.compile(r"`?\$\.?(?P<path>[^`]*)`?$")


class Message(msgspec.Struct, rename="camel"):
    """The base of messages: Python names, camelCase on the wire."""


class Authorization(msgspec.Struct):
    """`fhirAuthorization`: a token for this call alone."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - the scheme's name
    subject: str | None = None
    scope: str | None = None


class PatientViewContext(Message):
    """The context of `patient-view`."""

    user_id: str
    patient_id: str
    encounter_id: str | None = None


class HookCall(Message):
    """A call of the hook `patient-view`; each value of `prefetch` stays as it came."""

    hook: str
    hook_instance: str
    context: PatientViewContext
    fhir_server: str | None = None
    fhir_authorization: Authorization | None = None
    prefetch: dict[str, msgspec.Raw] | None = None

    @property
    def patient(self) -> str:
        return f"Patient/{self.context.patient_id}"


class Coding(Message):
    code: str | None = None
    system: str | None = None


class OverrideReason(Message):
    reason: Coding | None = None
    user_comment: str | None = None


class AcceptedSuggestion(Message):
    id: str


class FeedbackEntry(Message):
    """What was done with one card."""

    card: str
    outcome: Literal["accepted", "overridden"]
    outcome_timestamp: str
    accepted_suggestions: list[AcceptedSuggestion] = []
    override_reason: OverrideReason | None = None


class FeedbackCall(Message):
    """Feedback on cards, of several calls perhaps, each entry as it came."""

    feedback: list[msgspec.Raw]


M = TypeVar("M")


def read_message(body: bytes | msgspec.Raw, shape: type[M], within: str = "") -> M:
    """A message of this shape; raises InvalidRequest with the path of what is wrong."""
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as fault:
        raise _invalid(str(fault), within) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidRequest("the body is not valid JSON", where=within) from None


def read_call(body: bytes, hook: str) -> HookCall:
    """A call of `hook`; raises InvalidRequest for another hook, or ids that cannot be ids."""
    call = read_message(body, HookCall)
    if call.hook != hook:
        raise InvalidRequest(f"this service answers the hook {hook}", where="hook")
    _check(UUID_FORM, call.hook_instance, "hookInstance", "a UUID")
    _check(FHIR_ID, call.context.patient_id, "context.patientId", "a FHIR id without a type")
    _check(USER_FORM, call.context.user_id, "context.userId", "a reference such as Practitioner/1")
    if call.context.encounter_id is not None:
        _check(FHIR_ID, call.context.encounter_id, "context.encounterId", "a FHIR id")
    if call.fhir_authorization is not None and call.fhir_server is None:
        raise InvalidRequest("fhirAuthorization needs a fhirServer", where="fhirServer")
    return call


def read_feedback(body: bytes) -> list[tuple[FeedbackEntry, bytes]]:
    """The entries of a feedback call, each with its own JSON; raises InvalidRequest."""
    entries = read_message(body, FeedbackCall).feedback
    if not entries:
        raise InvalidRequest("at least one entry is needed", where="feedback")
    read = []
    for position, raw in enumerate(entries):
        where = f"feedback[{position}]"
        entry = read_message(raw, FeedbackEntry, where)
        _check(UUID_FORM, entry.card, f"{where}.card", "a card's uuid")
        _check_moment(entry.outcome_timestamp, f"{where}.outcomeTimestamp")
        if entry.outcome == "accepted" and not entry.accepted_suggestions:
            raise InvalidRequest("at least one is needed", where=f"{where}.acceptedSuggestions")
        read.append((entry, bytes(raw)))
    return read


def _check(form: re.Pattern[str], text: str, where: str, what: str) -> None:
    if form.fullmatch(text) is None:
        raise InvalidRequest(f"must be {what}", where=where)


def _check_moment(text: str, where: str) -> None:
    _check(MOMENT_FORM, text, where, "a date and time")
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest("there is no such date and time", where=where) from None


def _invalid(fault: str, within: str) -> InvalidRequest:
    """msgspec's words with our path; they name types and members, and quote no value but those of
    enumerations, which are cut off.
    """
    said, _, at = fault.partition(" - at ")
    found = _PATH.search(at)
    path = found["path"] if found else ""
    if said.startswith("Invalid enum value"):
        said = "not one of the values allowed here"
    where = ".".join(part for part in (within, path) if part)
    return InvalidRequest(said.replace("`", "'"), where=where)
