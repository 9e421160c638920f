"""What arrives on the wire of CDS Hooks, read strictly where we rely on it, and only there.

Unknown members are ignored at every level. A fault is an `InvalidRequest` that says what and
where; it never repeats a value.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from secrets import token_hex
from typing import Any, Literal, TypeVar

import msgspec

from cds_service.errors import InvalidRequest
from cds_service.fhir.queries import KEYS

ADDRESS_FORM = re.compile(r"[^\x1f]*")  # the parts of a patient's identity stand between these
UUID_FORM = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
FHIR_ID = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9\-.]{1,64}")
USER_FORM = re.compile(
    r"(Practitioner|PractitionerRole|Patient|RelatedPerson)/[A-Za-z0-9\-.]{1,64}"
)
MOMENT_FORM = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})?"
)
_MISSING = re.compile(r"Object missing required field `(\w+)`")
_WRONG_TYPE = re.compile(r"Expected `([\w |]+)`, got `(\w+)`")
_IN_WORDS = {
    "str": "a text",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "null": "null",
    "array": "a list",
    "object": "an object",
}
_PATH = re.compile(r"`?\$\.?(?P<path>[^`]*)`?$")


class Message(msgspec.Struct, rename="camel"):
    """The base of messages: Python names, camelCase on the wire."""


class Authorization(msgspec.Struct):
    """`fhirAuthorization`: a token for this call alone."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - the scheme's name
    subject: str | None = None
    scope: str | None = None
    patient: str | None = None
    expires_in: msgspec.Raw = msgspec.Raw(b"null")


class PatientViewContext(Message):
    """The context of `patient-view`."""

    user_id: str
    patient_id: str
    encounter_id: str | None = None


class DraftOrders(Message):
    """A Bundle of orders that are not signed yet; what its entries hold stays as it came.

    Its `type` is not asked for: real clients leave it out.
    """

    resource_type: Literal["Bundle"]
    entry: list[msgspec.Raw] | None = None


class OrderSignContext(PatientViewContext, kw_only=True):
    """The context of `order-sign`."""

    draft_orders: DraftOrders


class OrderSelectContext(OrderSignContext, kw_only=True):
    """The context of `order-select`: `selections` are the drafts that the call is about."""

    selections: list[str]


class HookCall(Message):
    """A call of a hook; each value of `prefetch` stays as it came."""

    hook: str
    hook_instance: str
    context: PatientViewContext
    fhir_server: str | None = None
    fhir_authorization: Authorization | None = None
    prefetch: dict[str, msgspec.Raw] | None = None

    @property
    def patient(self) -> str:
        return f"Patient/{self.context.patient_id}"


class OrderSignCall(HookCall, kw_only=True):
    context: OrderSignContext


class OrderSelectCall(HookCall, kw_only=True):
    context: OrderSelectContext


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


MOST_ENTRIES = 500
"""Of one feedback call: each is an entry of the decision log, written one after the other."""
M = TypeVar("M")


class _Hook(Message):
    """Which hook is called: asked first, since the context has the hook's own form."""

    hook: str


class _Name:
    """A member's name that equals no other, so that one that stands twice stays two members."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


MOST_MEMBERS = 1000
"""Of one object of a message: of its prefetch above all, which has eight keys of ours."""


def _members(body: bytes | msgspec.Raw) -> dict[_Name, msgspec.Raw]:
    """The members in their order; raises InvalidRequest (413) as soon as there are too many."""
    left = MOST_MEMBERS

    def named(_: type, name: str) -> _Name:
        nonlocal left
        left -= 1
        if left < 0:
            raise InvalidRequest("more members than are taken in one object", http_status=413)
        return _Name(name)

    return msgspec.json.Decoder(dict[_Name, msgspec.Raw], dec_hook=named).decode(body)


_NAMES = {
    field.encode_name
    for shape in (
        HookCall,
        OrderSelectContext,
        DraftOrders,
        Authorization,
        FeedbackCall,
        FeedbackEntry,
    )
    for field in msgspec.structs.fields(shape)
} | set(KEYS)
"""Names that are ours to repeat; any other could be anything."""


def read_message(body: bytes | msgspec.Raw, shape: type[M], within: str = "") -> M:
    """A message of this shape; raises InvalidRequest with the path of what is wrong."""
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as fault:
        raise _invalid(str(fault), within) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidRequest("the body is not valid JSON", where=within) from None


def refuse_doubles(body: bytes | msgspec.Raw, inside: Collection[str] = (), at: str = "") -> None:
    """Raise InvalidRequest where a member of this object, or of objects `inside` it, stands twice.

    Readers differ in which of the two they take, and the other may name another patient. What the
    members hold is passed over.
    """
    try:
        members = _members(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return  # no object: for others to complain of
    seen: set[str] = set()
    for name, value in members.items():
        if name.text in seen:
            known = name.text if name.text in _NAMES else ""
            raise InvalidRequest("a member stands twice", where=".".join(filter(None, (at, known))))
        seen.add(name.text)
        if name.text in inside:
            refuse_doubles(value, at=name.text)


_OBJECTS_OF_CALL = ("context", "prefetch", "fhirAuthorization")
_Value = dict[_Name, msgspec.Raw] | str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Outline:
    """A call without its prefetch, which is nearly all of it, and the prefetch, still closed."""

    rest: bytes
    prefetch: dict[str, msgspec.Raw] | None


class _NotPlain(Exception):
    """A call that has to be read step by step, to say what is wrong with it."""


def outline_of(body: bytes) -> Outline | None:
    """Whatever this is, in one pass over it, and in memory that does not grow with it.

    None where a member stands twice, there are too many, or it is no call: `read_call` says so.
    """
    try:
        call = _call_in(body)
        prefetch = call.pop("prefetch") if isinstance(call.get("prefetch"), dict) else None
        return Outline(msgspec.json.encode(call), prefetch)
    except _NO_CALL:
        return None


_NO_CALL = (_NotPlain, msgspec.DecodeError, UnicodeError, RecursionError, ValueError, TypeError)
_STAND_IN = token_hex(16)
"""A text that no body has, since nobody knows it."""


def outline_around(before: bytes, after: bytes) -> Outline | None:
    """The outline of a body by what stands before and after the value of its prefetch, which is
    None here. None where anything else stands between the two."""
    try:
        call = _call_in(before + f'"{_STAND_IN}"'.encode() + after)
        is_prefetch = call.pop("prefetch", None) == _STAND_IN
        return Outline(msgspec.json.encode(call), None) if is_prefetch else None
    except _NO_CALL:
        return None


def _call_in(body: bytes) -> dict[str, Any]:
    call = _plain(_members_by_name(body))
    for name, value in call.items():
        if isinstance(value, dict):
            call[name] = _plain(value)
    return call


def _members_by_name(body: bytes) -> dict[_Name, _Value]:
    left = MOST_MEMBERS

    def named(_: type, name: str) -> _Name:
        nonlocal left
        left -= 1
        if left < 0:
            raise _NotPlain
        return _Name(name)

    return msgspec.json.Decoder(dict[_Name, _Value], dec_hook=named).decode(body)


def _plain(members: Mapping[_Name, Any]) -> dict[str, Any]:
    found = {name.text: value for name, value in members.items()}
    if len(found) < len(members):
        raise _NotPlain
    return found


def _read_call(body: bytes, hook: str, shape: type[HookCall]) -> HookCall:
    if read_message(body, _Hook).hook != hook:
        raise InvalidRequest(f"this service answers the hook {hook}", where="hook")
    return read_message(body, shape)


def read_call(
    body: bytes, hook: str, shape: type[HookCall] = HookCall, outline: Outline | None = None
) -> HookCall:
    """A call of `hook`; raises InvalidRequest for another hook, or ids that cannot be ids.

    With its `outline` the prefetch is not gone through again.
    """
    if outline is None:  # which has no doubles
        refuse_doubles(body, inside=_OBJECTS_OF_CALL)
    call = _read_call(outline.rest if outline else body, hook, shape)
    if outline is not None and outline.prefetch is not None:
        call.prefetch = outline.prefetch
    _check(UUID_FORM, call.hook_instance, "hookInstance", "a UUID")
    _check(FHIR_ID, call.context.patient_id, "context.patientId", "a FHIR id without a type")
    _check(USER_FORM, call.context.user_id, "context.userId", "a reference such as Practitioner/1")
    if call.context.encounter_id is not None:
        _check(FHIR_ID, call.context.encounter_id, "context.encounterId", "a FHIR id")
    if call.fhir_server is not None:
        _check(ADDRESS_FORM, call.fhir_server, "fhirServer", "an address without separators")
    if call.fhir_authorization is not None and call.fhir_server is None:
        raise InvalidRequest("fhirAuthorization needs a fhirServer", where="fhirServer")
    return call


def read_feedback(body: bytes) -> list[tuple[FeedbackEntry, bytes]]:
    """The entries of a feedback call, each with its own JSON; raises InvalidRequest."""
    refuse_doubles(body)
    entries = read_message(body, FeedbackCall).feedback
    if not entries:
        raise InvalidRequest("at least one entry is needed", where="feedback")
    if len(entries) > MOST_ENTRIES:
        what = f"more than {MOST_ENTRIES} entries in one call"
        raise InvalidRequest(what, where="feedback", http_status=413)
    read = []
    for position, raw in enumerate(entries):
        where = f"feedback[{position}]"
        refuse_doubles(raw, at=where)
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
        datetime.fromisoformat(text.upper())
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
    return InvalidRequest(in_plain_words(said), where=where)


def in_plain_words(said: str) -> str:
    """What msgspec says of a wrong type or a missing member, without names of Python's types."""
    if missing := _MISSING.fullmatch(said):
        return f"the member {missing[1]} is missing"
    if wrong := _WRONG_TYPE.fullmatch(said):
        wanted = [_IN_WORDS.get(one, "something else") for one in wrong[1].split(" | ")]
        return f"must be {' or '.join(wanted)}, and is {_IN_WORDS.get(wrong[2], 'something else')}"
    return said.replace("`", "'")
