"""Calls that are no calls: each is refused with an OperationOutcome that repeats nothing of it."""

from __future__ import annotations

import asyncio
import copy
import gzip
import json
import time
from collections.abc import Callable
from typing import Any

import charts
import pytest

from hooks.calls import INSTANCE, KEYS, SERVICE, call, myeloma, prefetch_of
from hooks.serving import EHR, Body, Served, issue_of

WHOLE = call(prefetch_of(myeloma()))
TEXT = json.dumps(WHOLE)
WRONG_TYPES: dict[str, Any] = {
    "null": None,
    "a number": 5,
    "a fraction": 1.5,
    "a boolean": True,
    "an array": ["x"],
    "an object": {"x": 1},
    "an empty text": "",
    "a text": "canary: word",
}


def with_member(path: str, value: Any) -> dict[str, Any]:
    """A whole call with one member set; `...` takes it away."""
    made = copy.deepcopy(WHOLE)
    *outer, name = path.split(".")
    inside: dict[str, Any] = made
    for step in outer:
        inside = inside.setdefault(step, {})
    if value is ...:
        del inside[name]
    else:
        inside[name] = value
    return made


async def assert_refused(
    served: Served, body: Body, status: int = 400, reason: str = "malformed", **headers: str
) -> dict[str, Any]:
    """The call is refused, the refusal is on record, and nothing of the call is repeated."""
    before = served.size()
    answer = await served.hook(body, **headers)
    assert answer.status_code == status, answer.text
    issue = issue_of(answer)
    assert "canary" not in answer.text
    assert served.size() == before + 1
    refusal = served.last()
    assert refusal["eventType"] == "request-refused"
    assert (refusal["reason"], refusal["httpStatus"]) == (reason, status)
    assert "sealed" not in refusal.envelope
    assert "canary" not in json.dumps(refusal.envelope)
    return issue


def required_and_wrong() -> list[Any]:
    """Every required member, missing and of every type that it is not."""
    texts = {"hook", "hookInstance", "context.patientId", "context.userId"}
    rows = []
    for path in sorted(texts | {"context"}):
        rows.append(pytest.param(path, ..., id=f"{path} is missing"))
        for what, value in WRONG_TYPES.items():
            if path == "context" and what == "an object":
                value = {}
            rows.append(pytest.param(path, value, id=f"{path} is {what}"))
    return rows


@pytest.mark.parametrize(("path", "value"), required_and_wrong())
async def test_a_required_member_that_is_missing_or_wrong_is_400_and_named(
    served: Served, path: str, value: Any
) -> None:
    issue = await assert_refused(served, with_member(path, value))
    named = issue["diagnostics"] + " ".join(issue.get("expression", ()))
    assert path.rpartition(".")[2] in named or (path, value) == ("context", {})


OPTIONAL_AND_WRONG = [
    pytest.param("context.encounterId", 5, id="encounterId a number"),
    pytest.param("context.encounterId", "", id="encounterId empty"),
    pytest.param("context.encounterId", "Encounter/e1", id="encounterId with its type"),
    pytest.param("fhirServer", 5, id="fhirServer a number"),
    pytest.param("fhirServer", {}, id="fhirServer an object"),
    pytest.param("prefetch", [], id="prefetch an array"),
    pytest.param("prefetch", "canary-word", id="prefetch a text"),
    pytest.param("fhirAuthorization", "canary-word", id="fhirAuthorization a text"),
    pytest.param("fhirAuthorization", {}, id="fhirAuthorization without a token"),
    pytest.param("fhirAuthorization", {"access_token": 5}, id="a token that is a number"),
    pytest.param("fhirAuthorization", {"access_token": None}, id="a token that is null"),
    pytest.param("fhirAuthorization", {"access_token": "canary-x"}, id="a token without a server"),
]


@pytest.mark.parametrize(("path", "value"), OPTIONAL_AND_WRONG)
async def test_an_optional_member_of_a_wrong_type_is_400_and_named(
    served: Served, path: str, value: Any
) -> None:
    issue = await assert_refused(served, with_member(path, value))
    assert issue["expression"] != []


@pytest.mark.parametrize("path", ["fhirServer", "fhirAuthorization", "context.encounterId"])
async def test_an_optional_member_that_is_null_is_one_that_is_missing(
    served: Served, path: str
) -> None:
    assert (await served.hook(with_member(path, None))).status_code == 200


@pytest.mark.parametrize(
    "hook",
    ["order-select", "order-sign", "patient-View", "Patient-view", " patient-view", "x" * 99],
)
async def test_another_hook_than_the_advertised_one_is_refused(served: Served, hook: str) -> None:
    issue = await assert_refused(served, with_member("hook", hook))
    assert issue["expression"] == ["hook"]


@pytest.mark.parametrize(
    "instance",
    [
        pytest.param("d1577c69", id="too short"),
        pytest.param(f"{INSTANCE}0", id="too long"),
        pytest.param(f"urn:uuid:{INSTANCE}", id="a URN"),
        pytest.param(f"{{{INSTANCE}}}", id="in braces"),
        pytest.param(INSTANCE.replace("-", ""), id="without dashes"),
        pytest.param(INSTANCE.replace("d", "g"), id="no hexadecimal digit"),
        pytest.param(f"{INSTANCE}\n", id="a line break at its end"),
        pytest.param(INSTANCE.replace("1", "１"), id="wide digits"),
    ],
)
async def test_a_hook_instance_that_is_no_uuid_is_refused(served: Served, instance: str) -> None:
    issue = await assert_refused(served, with_member("hookInstance", instance))
    assert issue["expression"] == ["hookInstance"]


@pytest.mark.parametrize(
    "instance", [INSTANCE.upper(), "00000000-0000-0000-0000-000000000000", "f" * 8 + INSTANCE[8:]]
)
async def test_any_uuid_of_any_version_and_case_is_taken(served: Served, instance: str) -> None:
    assert (await served.hook(with_member("hookInstance", instance))).status_code == 200


IDS_THAT_ARE_NONE = [
    pytest.param("Patient/p1", id="with its type"),
    pytest.param("p1/../p2", id="a way to another"),
    pytest.param("../Observation", id="a way out"),
    pytest.param("..", id="two dots"),
    pytest.param(".", id="a dot"),
    pytest.param("p1?_format=xml", id="a query"),
    pytest.param("p1&patient=p2", id="another parameter"),
    pytest.param("p1,p2", id="two of them"),
    pytest.param("p1#x", id="a fragment"),
    pytest.param("p%2f1", id="an escape"),
    pytest.param("p 1", id="a space"),
    pytest.param("p1\n", id="a line break"),
    pytest.param("p1\x00", id="a zero byte"),
    pytest.param("pätient", id="beyond ASCII"),
    pytest.param("р1", id="a Cyrillic letter"),
    pytest.param("p\u202e1", id="a direction mark"),
    pytest.param("p_1", id="an underscore"),
    pytest.param("p" * 65, id="65 characters"),
    pytest.param("p" * 100_000, id="a hundred thousand characters"),
    pytest.param("<script>", id="markup"),
    pytest.param("' OR 1=1 --", id="SQL"),
    pytest.param("${jndi:ldap://x}", id="a template"),
]


@pytest.mark.parametrize("patient_id", IDS_THAT_ARE_NONE)
async def test_a_patient_id_that_is_no_fhir_id_is_refused_and_is_put_in_no_address(
    served: Served, patient_id: str
) -> None:
    body = with_member("context.patientId", patient_id)
    del body["prefetch"]
    issue = await assert_refused(served, body | {"fhirServer": EHR})
    assert issue["expression"] == ["context.patientId"]
    assert served.wire.asked == []


@pytest.mark.parametrize("patient_id", ["p1", "P-1.a", "p" * 64, "1", "-", "...", "a..b"])
async def test_every_fhir_id_is_taken(served: Served, patient_id: str) -> None:
    body = call(dict.fromkeys(KEYS))
    body["context"]["patientId"] = patient_id
    assert (await served.hook(body)).status_code == 200


@pytest.mark.parametrize(
    "user",
    ["p1", "Device/d1", "Practitioner/", "Practitioner/a/b", "https://x/Practitioner/1", "/"],
)
async def test_a_user_that_is_no_reference_to_one_is_refused(served: Served, user: str) -> None:
    issue = await assert_refused(served, with_member("context.userId", user))
    assert issue["expression"] == ["context.userId"]


IN_WORDS = [
    pytest.param("hook", 5, "hook: must be a text, and is a number", id="a text"),
    pytest.param("fhirServer", [], "fhirServer: must be a text or null, and is a list", id="null"),
    pytest.param("context", "x", "context: must be an object, and is a text", id="an object"),
    pytest.param("prefetch", True, "prefetch: must be an object or null, and is true or false",
                 id="an object or null"),
    pytest.param("hookInstance", ..., "the member hookInstance is missing", id="a missing member"),
    pytest.param("context.patientId", ..., "context: the member patientId is missing", id="inside"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "said"), IN_WORDS)
async def test_a_wrong_type_is_said_in_plain_words(
    served: Served, path: str, value: Any, said: str
) -> None:
    assert (await assert_refused(served, with_member(path, value)))["diagnostics"] == said


# --- members that stand twice -------------------------------------------------------------------

TWICE = [
    pytest.param("hook", "hook", id="the hook"),
    pytest.param("context", "context", id="the context"),
    pytest.param("prefetch", "prefetch", id="the prefetch"),
    pytest.param("patientId", "context.patientId", id="the patient"),
    pytest.param("userId", "context.userId", id="the user"),
    pytest.param("conditions", "prefetch.conditions", id="a key of the prefetch"),
    pytest.param("access_token", "fhirAuthorization.access_token", id="the token"),
]


@pytest.mark.parametrize(("member", "path"), TWICE)
@pytest.mark.parametrize("spelling", ["plain", "escaped"])
async def test_a_member_of_the_envelope_that_stands_twice_is_refused_and_named(
    served: Served, member: str, path: str, spelling: str
) -> None:
    token = {"access_token": "x", "token_type": "Bearer"}
    text = json.dumps(WHOLE | {"fhirServer": EHR, "fhirAuthorization": token})
    name = member if spelling == "plain" else f"\\u{ord(member[0]):04x}{member[1:]}"
    twice = text.replace(f'"{member}":', f'"{name}": "canary", "{member}":', 1)
    assert twice != text
    issue = await assert_refused(served, twice)
    assert issue["expression"] == [path]
    assert issue["diagnostics"] == f"{path}: a member stands twice"


async def test_a_member_that_nobody_knows_is_refused_twice_and_not_named(served: Served) -> None:
    issue = await assert_refused(served, TEXT[:-1] + ', "canary-x": 1, "canary-x": 2}')
    assert issue["diagnostics"] == "a member stands twice"


async def test_members_that_stand_twice_inside_resources_cost_nothing(served: Served) -> None:
    twice = TEXT.replace('"resourceType": "Patient"', '"id": "x", "resourceType": "Patient"', 1)
    assert twice != TEXT
    assert (await served.hook(twice)).status_code == 200


@pytest.mark.parametrize(
    ("body", "where"),
    [
        pytest.param('{"feedback": [], "feedback": []}', "feedback", id="the list"),
        pytest.param('{"feedback": [{"card": 1, "card": 2}]}', "feedback[0].card", id="a card"),
    ],
)
async def test_feedback_is_held_to_the_same(served: Served, body: str, where: str) -> None:
    answer = await served.feedback(body)
    assert answer.status_code == 400
    assert issue_of(answer)["diagnostics"] == f"{where}: a member stands twice"


# --- bodies that are no JSON --------------------------------------------------------------------

DEEP = 10_000


def nested(opening: str, closing: str) -> bytes:
    return (opening * DEEP + closing * DEEP).encode()


def planted(text: str, at: str = '"resourceType": "Condition"') -> bytes:
    """A whole call with something more in each Condition."""
    assert at in TEXT
    return TEXT.replace(at, f"{at}, {text}").encode()


NOT_JSON: list[Any] = [
    pytest.param(b"", id="nothing"),
    pytest.param(b" \n\t", id="white space"),
    pytest.param(b"canary-word", id="a bare word"),
    pytest.param(b"\x00" * 100, id="zero bytes"),
    pytest.param(TEXT.encode()[:-1], id="cut off by a byte"),
    pytest.param(TEXT.encode()[: len(TEXT) // 2], id="cut off in the middle"),
    pytest.param(TEXT.encode() + b"}", id="a brace too many"),
    pytest.param(TEXT.encode() * 2, id="two calls in one"),
    pytest.param(TEXT.replace('"', "'").encode(), id="the wrong quotes"),
    pytest.param(b"{hook: 'canary'}", id="JavaScript"),
    pytest.param(b"<Bundle>canary</Bundle>", id="XML"),
    pytest.param(b"hook=canary&x=1", id="a form"),
    pytest.param(b"// canary\n" + TEXT.encode(), id="a comment"),
    pytest.param(TEXT.encode()[:-1] + b",}", id="a trailing comma"),
    pytest.param(b"\xef\xbb\xbf" + TEXT.encode(), id="a byte order mark"),
    pytest.param(TEXT.encode("utf-16"), id="UTF-16"),
    pytest.param(TEXT.encode("utf-32"), id="UTF-32"),
    pytest.param(gzip.compress(TEXT.encode()), id="gzip without saying so"),
    pytest.param(planted('"x": NaN'), id="NaN"),
    pytest.param(planted('"x": Infinity'), id="Infinity"),
    pytest.param(planted('"x": 01'), id="a leading zero"),
    pytest.param(planted('"x": "\\ud800 canary"'), id="a lone surrogate"),
    pytest.param(planted('"x": "\\udc00\\ud800"'), id="surrogates the wrong way round"),
    pytest.param(planted('"x": "\\q"'), id="an escape that is none"),
    pytest.param(planted('"x": "\x01"'), id="a control character in a text"),
    pytest.param(planted('"x": "@@"').replace(b"@@", b"\xff\xfe"), id="bytes that are not UTF-8"),
    pytest.param(planted('"x": "@@"').replace(b"@@", b"\xed\xa0\x80"), id="a surrogate in UTF-8"),
    pytest.param(planted('"x": "@@"').replace(b"@@", b"\xc0\xaf"), id="an overlong slash"),
    pytest.param(nested("[", "]"), id="10,000 arrays"),
    pytest.param(nested('{"a":', "}").replace(b":}", b":1}"), id="10,000 objects"),
    pytest.param(planted(f'"x": {nested("[", "]").decode()}'), id="10,000 arrays in a resource"),
    pytest.param(b"[" * 1_000_000, id="a million opening brackets"),
    pytest.param(b'{"a":' * 200_000, id="200,000 opening braces"),
]


@pytest.mark.parametrize("body", NOT_JSON)
async def test_a_body_that_is_no_json_is_400_at_once(served: Served, body: bytes) -> None:
    began = time.perf_counter()
    await assert_refused(served, body)
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize(
    "body",
    [b"[]", b"null", b"5", b'"canary"', b"true", b"[{}]", b"{}", json.dumps([WHOLE]).encode()],
)
async def test_json_that_is_no_call_is_400(served: Served, body: bytes) -> None:
    await assert_refused(served, body)


ODD_JSON = [
    pytest.param(planted('"x": 1e999'), id="a number beyond a float"),
    pytest.param(planted('"x": 1e-999'), id="a number below a float"),
    pytest.param(planted(f'"x": {"9" * 400}'), id="an integer of 400 digits"),
    pytest.param(planted(f'"x": {"9" * 10_000}'), id="an integer of 10,000 digits"),
    pytest.param(planted(f'"x": [-{"9" * 4301}, 1.10]'), id="more digits than Python reads"),
    pytest.param(planted(f'"x": 0.{"1" * 10_000}'), id="10,000 decimals"),
    pytest.param(planted('"x": -0.0'), id="minus zero"),
    pytest.param(planted('"x": "\\u0000"'), id="a zero character"),
    pytest.param(planted('"x": "\\ud83d\\ude00"'), id="a pair of surrogates"),
    pytest.param(planted('"": 1, "x\\u0000y": 2'), id="odd names"),
    pytest.param(planted(f'"x": {"[" * 50}{"]" * 50}'), id="50 arrays deep"),
    pytest.param(planted('"status": "a", "status": "b"'), id="a key that stands twice"),
    pytest.param(TEXT.replace("{", "{ \r\n\t").encode(), id="white space all over"),
    pytest.param(TEXT.replace('"patientId"', '"patient\\u0049d"').encode(), id="escaped names"),
]


@pytest.mark.parametrize("body", ODD_JSON)
async def test_odd_json_is_json(served: Served, body: bytes) -> None:
    answer = await served.hook(body)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["cards"]) == 1


@pytest.mark.parametrize(
    "body",
    [
        planted('"resourceType": "Bundle"'),
        planted('"resourceType": "OperationOutcome"'),
        planted('"resourceType": 5'),
        planted('"resourceType": "Observation"', at='"resourceType": "Bundle"'),
        planted('"entry": 5', at='"resourceType": "Bundle"'),
    ],
)
async def test_a_resource_of_two_types_is_refused_or_an_issue_and_never_our_error(
    served: Served, body: bytes
) -> None:
    answer = await served.hook(body)
    assert answer.status_code in (200, 400, 412), answer.text
    if answer.status_code == 400:
        assert served.last()["eventType"] == "request-refused"


# --- size, media type, method -------------------------------------------------------------------


async def in_parts(body: bytes, size: int = 65_536) -> Any:
    for at in range(0, len(body), size):
        yield body[at : at + size]


def too_long() -> bytes:
    return b'{"hook": "' + b"a" * (16 * 1024 * 1024) + b'"}'


@pytest.mark.parametrize("declared", [True, False], ids=["Content-Length", "in parts"])
async def test_a_body_beyond_the_limit_is_413_and_on_record(served: Served, declared: bool) -> None:
    before = served.size()
    content = too_long() if declared else in_parts(too_long())
    answer = await served.http.post(f"/cds-services/{SERVICE}", content=content)
    assert answer.status_code == 413
    assert "16 MiB" in issue_of(answer)["diagnostics"]
    assert served.size() == before + 1
    assert served.last()["reason"] == "oversized"


@pytest.mark.parametrize("path", [f"/cds-services/{SERVICE}/feedback", "/api/assess"])
async def test_the_limit_holds_on_every_route(served: Served, path: str) -> None:
    answer = await served.http.post(path, content=in_parts(too_long()))
    assert answer.status_code == 413
    issue_of(answer)


async def test_a_body_just_below_the_limit_is_read(served: Served) -> None:
    body = TEXT.encode()
    padded = body + b" " * (16 * 1024 * 1024 - len(body))
    answer = await served.hook(padded)
    assert len(answer.json()["cards"]) == 1


@pytest.mark.parametrize(
    "request_id",
    [
        pytest.param("abc-123", id="usual"),
        pytest.param("x" * 5000, id="very long"),
        pytest.param("two words", id="a space"),
        pytest.param("<script>", id="markup"),
    ],
)
async def test_the_request_id_is_recorded_where_it_could_be_one(
    served: Served, request_id: str
) -> None:
    for send in (served.hook, lambda _, **h: served.post("/api/assess", b"x", **h)):
        answer = await send(WHOLE, X_Request_Id=request_id)
        assert answer.status_code in (200, 400)
        is_id = len(request_id) <= 256 and " " not in request_id
        assert served.last()["requestId"] == (request_id if is_id else "(not an id)")


# --- one wrong thing at a time, anywhere --------------------------------------------------------

Path_ = tuple[str | int, ...]


def paths_of(value: Any, path: Path_ = ()) -> list[Path_]:
    """The path of every member and element."""
    found: list[Path_] = [path] if path else []
    steps = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for step, inside in steps:
        found += paths_of(inside, (*path, step))
    return found


def spoilt(path: Path_, spoil: Callable[[Any], Any]) -> bytes:
    made = copy.deepcopy(ONE_OF_EACH)
    inside: Any = made
    for step in path[:-1]:
        inside = inside[step]
    inside[path[-1]] = spoil(inside[path[-1]])
    return json.dumps(made).replace(f'"{LONG_INTEGER}"', "9" * 5000).encode()


ONE_OF_EACH = call(
    prefetch_of(
        [
            charts.patient(),
            charts.condition("multiple-myeloma", onset="2025-12-01", stage="3B"),
            charts.order("lenalidomide", "2026-01-05", "2026-10-05", stopped_for="no-response"),
            charts.disease_status("progression", "2026-11-02", by="imaging", site="bone"),
            charts.marker("m-protein", "2026-11-02", 2.5, high=0.1),
            charts.given("lenalidomide", "2026-01-05")[0],
            charts.procedure("biopsy", "2025-11-20"),
            charts.service_request("ct", "2025-11-21", status="completed"),
            charts.report("No change of the lesions.", "2026-05-02"),
        ]
    )
)
LONG_INTEGER = "(5,000 digits)"
SPOILS: dict[str, Callable[[Any], Any]] = {
    "null": lambda _: None,
    "a number": lambda _: -7.5,
    "an integer of 5,000 digits": lambda _: LONG_INTEGER,
    "a long text": lambda _: "canary-" * 500,
    "an array of it": lambda value: [value],
}


@pytest.mark.parametrize("what", SPOILS)
async def test_whatever_single_thing_is_wrong_the_answer_is_never_an_error_of_ours(
    served: Served, what: str
) -> None:
    """Every member and element of the call and of its chart in turn."""
    paths = paths_of(ONE_OF_EACH)
    bodies = (spoilt(path, SPOILS[what]) for path in paths)
    answers = await asyncio.gather(*map(served.hook, bodies))
    for path, answer in zip(paths, answers, strict=True):
        assert answer.status_code in (200, 400, 412), (path, answer.text)
        if answer.status_code != 200:
            issue_of(answer)
            assert "canary" not in answer.text, path
