"""Services that are wrong in one way each, and the one requirement that has to notice."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from conformance.good_service import CODES, ORIGIN, Answered, Asked, Break, GoodService, Json

Change = Callable[[Json], Any]


@dataclass(frozen=True)
class Broken:
    """One way to be wrong; `signed` where it takes a client's token to see it."""

    name: str
    number: str
    wrong: Break
    signed: bool = False
    with_orders: bool = False


def card(change: Change, *, at: int = 0) -> Break:
    """One card of each answer is changed."""

    def wrong(_: Asked, answer: Answered, __: GoodService) -> Answered:
        if answer.status == 200 and answer.cards:
            change(answer.cards[at])
        return answer

    return wrong


def given(**members: Any) -> Change:
    """Members of a card are other than they should be."""
    return lambda c: c.update(members)


def lost(*path: str) -> Change:
    """A member is gone; each step into a list takes its first."""

    def change(c: Json) -> None:
        *steps, last = path
        inside(c, steps).pop(last)

    return change


def put(value: Any, *path: str) -> Change:
    """A member has another value."""

    def change(c: Json) -> None:
        *steps, last = path
        inside(c, steps)[last] = value

    return change


def inside(c: Any, steps: list[str]) -> Any:
    for step in steps:
        c = c[step]
        c = c[0] if isinstance(c, list) else c
    return c


def service(change: Change) -> Break:
    """The first service of discovery is changed."""

    def wrong(asked: Asked, answer: Answered, _: GoodService) -> Answered:
        if asked.path.startswith("/cds-services") and "services" in (answer.json or {}):
            change(answer.json["services"][0])
        return answer

    return wrong


def template(text: str) -> Break:
    return service(put(text, "prefetch", "procedures"))


def discovered(said: Answered) -> Break:
    """Discovery answers something else."""
    return when(lambda a: a.method == "GET", said)


def when(holds: Callable[[Asked], bool], said: Answered) -> Break:
    """Requests of some kind are answered so."""

    def wrong(asked: Asked, answer: Answered, _: GoodService) -> Answered:
        return said if asked.method != "OPTIONS" and holds(asked) else answer

    return wrong


def of(status: int, change: Callable[[Asked, Answered], Answered]) -> Break:
    """Answers of one status are changed."""

    def wrong(asked: Asked, answer: Answered, _: GoodService) -> Answered:
        is_meant = answer.status == status and asked.method != "OPTIONS"
        return change(asked, answer) if is_meant else answer

    return wrong


def called(change: Callable[[Asked, Answered], Answered]) -> Break:
    """Answers with cards are changed."""
    return of(200, lambda a, r: change(a, r) if r.cards else r)


def lenient(taken: Callable[[Asked], bool]) -> Break:
    """Calls that should be refused are answered."""

    def wrong(asked: Asked, answer: Answered, _: GoodService) -> Answered:
        return Answered(200, {"cards": []}) if answer.status >= 400 and taken(asked) else answer

    return wrong


def refusing(holds: Callable[[Asked], bool], status: int = 400) -> Break:
    """Calls that should be answered are refused."""
    outcome = {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": "invalid"}],
    }

    def wrong(asked: Asked, answer: Answered, _: GoodService) -> Answered:
        is_meant = answer.status == 200 and asked.method == "POST" and holds(asked)
        return Answered(status, outcome, answer.headers) if is_meant else answer

    return wrong


def forged(**changes: Any) -> Break:
    """Tokens are looked at less closely: some of the refused calls are answered."""
    accepts = changes["accepts"]

    def wrong(asked: Asked, answer: Answered, good: GoodService) -> Answered:
        is_meant = answer.status == 401 and accepts(*said_by(asked.token), good)
        return Answered(200, {"cards": []}) if is_meant else answer

    return wrong


def said_by(token: str) -> tuple[Json, ...]:
    """Header and claims of a token, unverified; empty where it is none."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}, {}
    return tuple(json.loads(urlsafe_b64decode(f"{part}==")) for part in parts[:2])


def echoing(of_what: Callable[[Asked], str]) -> Break:
    """Errors tell what was sent."""

    def wrong(asked: Asked, answer: Answered, _: GoodService) -> Answered:
        if answer.status >= 400 and isinstance(answer.json, dict) and answer.json.get("issue"):
            answer.json["issue"][0]["diagnostics"] = of_what(asked)
        return answer

    return wrong


def key_of(asked: Asked, key: str) -> Any:
    return asked.prefetch.get(key) or {}


def other_patient(asked: Asked) -> bool:
    text = json.dumps(asked.prefetch)
    name = f'Patient/{asked.call.get("context", {}).get("patientId")}"'
    return '"Observation"' in text and name not in text


def without_cors(asked: Asked, answer: Answered) -> Answered:
    kept = {k: v for k, v in answer.headers.items() if not k.startswith("access-control")}
    return replace(answer, headers=kept)


def preflight(**headers: str) -> Break:
    said = {name.replace("_", "-"): value for name, value in headers.items()}

    def wrong(asked: Asked, answer: Answered, _: GoodService) -> Answered:
        if asked.method != "OPTIONS":
            return answer
        return replace(answer, headers=answer.headers | said)

    return wrong


def cards_anyway(asked: Asked, answer: Answered, good: GoodService) -> Answered:
    """Whose chart it is, is not looked at."""
    if answer.status != 412 or not other_patient(asked):
        return answer
    asked_by_another = json.loads(asked.body)
    reference = asked_by_another["prefetch"]["conditions"]["entry"][0]["resource"]["subject"]
    asked_by_another["context"]["patientId"] = reference["reference"].split("/")[1]
    return good.answer(replace(asked, body=json.dumps(asked_by_another).encode()))


def credentials_for_all(asked: Asked, answer: Answered, _: GoodService) -> Answered:
    origin = asked.headers.get("origin")
    if origin in (None, ORIGIN):
        return answer
    said = {"access-control-allow-origin": origin, "access-control-allow-credentials": "true"}
    return replace(answer, headers=answer.headers | said)


def twice(asked: Asked, answer: Answered, good: GoodService) -> Answered:
    """A batch of feedback is refused when it comes again."""
    if not asked.is_feedback or answer.status != 200 or len(asked.json["feedback"]) == 1:
        return answer
    is_new = asked.body not in good.seen
    good.seen.add(asked.body)
    return answer if is_new else replace(answer, status=409)


def is_past(_: Json, claims: Json, __: GoodService) -> bool:
    return 0 < float(claims.get("exp", 0)) < time.time()


def slash(asked: Asked, answer: Answered, good: GoodService) -> Answered:
    if asked.method == "GET" and not asked.path.endswith("/"):
        return Answered(307, headers={"location": f"{asked.path}/"} | answer.headers)
    return answer


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


HTML = Answered(200, raw=b"<html>Welcome</html>", headers={"content-type": "text/html"})
QUIET = Answered(200, {"cards": []})
FIRST = ("suggestions",)
LAUNCH = "https://a.test/?launch=1"
ACTION = ("suggestions", "actions")

BROKEN = (
    # 1 JSON in general
    Broken("null in a card", "1.2", card(given(note=None))),
    Broken("an empty list in a card", "1.2", card(given(notes=[]))),
    Broken("an empty text in a suggestion", "1.2", card(put("", *FIRST, "hint"))),
    Broken("an empty object in discovery", "1.2", service(given(more={}))),
    Broken("null in a draft order", "1.2", card(put(None, *ACTION, "resource", "note"))),
    Broken(
        "cards as text/plain", "1.1",
        called(lambda _, r: replace(r, headers=r.headers | {"content-type": "text/plain"})),
    ),
    Broken(
        "a comma too many", "1.4",
        called(lambda _, r: replace(r, raw=json.dumps(r.json)[:-1].encode() + b",}")),
    ),
    Broken(
        "a member twice", "1.4",
        called(lambda _, r: replace(r, raw=b'{"a":1,"a":2,' + json.dumps(r.json)[1:].encode())),
    ),
    Broken("NaN for a number", "1.4", card(put(float("nan"), "extension", "test.cds", "score"))),
    Broken("a list for an extension", "1.5", card(given(extension=[{"url": "x"}]))),
    Broken("an extension of a common name", "1.6", card(given(extension={"score": 1}))),
    Broken("null in an extension", "1.7", card(put(None, "extension", "test.cds", "why"))),
    Broken(
        "unknown members refused", "1.8", refusing(lambda a: "conformanceUnknown" in a.call)
    ),
    Broken(
        "unknown prefetch keys refused", "1.8",
        refusing(lambda a: "conformanceUnknown" in a.prefetch),
    ),
    # 2 discovery
    Broken("a redirect to a final slash", "2.1", slash),
    Broken("a service that is a text", "2.2", of(200, lambda a, r: (
        replace(r, json={"services": [*r.json["services"], "more"]})
        if a.method == "GET" else r
    ))),
    Broken("no description", "2.3", service(lost("description"))),
    Broken("an id with a space", "2.3", service(given(id="a b", hook="appointment-book"))),
    Broken("no title", "2.4", service(lost("title"))),
    Broken("prefetch with a list", "2.5", service(put(["x"], "prefetch", "procedures"))),
    Broken("usage requirements that are a list", "2.5", service(given(usageRequirements=["x"]))),
    Broken("a version of the old kind", "2.6", service(given(version="STU2"))),
    Broken("no version", "2.6", service(lost("version"))),
    Broken("a version of a hook that is none", "2.7", service(given(hookVersion="9.9"))),
    Broken("an id for two hooks", "2.8", of(200, lambda a, r: (
        replace(r, json={"services": [r.json["services"][0], *r.json["services"]]})
        if a.method == "GET" else r
    ))),
    # 3 the call
    Broken(
        "any hook answered", "3.1", lenient(lambda a: a.call.get("hook") == "encounter-start")
    ),
    Broken(
        "UUIDs in small letters only", "3.2",
        refusing(lambda a: any(map(str.isupper, a.call.get("hookInstance", "")))),
    ),
    Broken(
        "UUIDs of version 4 only", "3.2",
        refusing(lambda a: bool(a.call) and a.call["hookInstance"][14] == "7"),
    ),
    Broken(
        "a FHIR server with a slash refused", "3.3",
        refusing(lambda a: a.call.get("fhirServer", "").endswith("/")),
    ),
    Broken(
        "practitioners only", "3.5",
        refusing(lambda a: "RelatedPerson" in a.call.get("context", {}).get("userId", "")),
    ),
    Broken(
        "no encounter", "3.5", refusing(lambda a: "encounterId" in a.call.get("context", {}))
    ),
    Broken(
        "drafts without a drug refused", "3.5",
        refusing(lambda a: "draftOrders" in a.call.get("context", {})
                 and "medication" not in json.dumps(a.call["context"]["draftOrders"])),
        with_orders=True,
    ),
    Broken("an extension refused", "3.7", refusing(lambda a: "extension" in a.call)),
    Broken(
        "500 for what is no JSON", "3.8",
        of(400, lambda a, r: replace(r, status=500) if a.is_no_json else r),
    ),
    Broken(
        "a call without instance answered", "3.8",
        lenient(lambda a: bool(a.call) and "hookInstance" not in a.call),
    ),
    Broken(
        "a list answered", "3.8", lenient(lambda a: isinstance(a.json, list) and not a.is_feedback)
    ),
    Broken(
        "any patientId", "3.9",
        lenient(lambda a: str(a.call.get("context", {}).get("patientId")).startswith("..")),
    ),
    # 4 templates
    Broken("an absolute template", "4.1", template("https://fhir.test/Patient/1")),
    Broken("a template with a slash", "4.1", template("/Procedure?patient={{context.patientId}}")),
    Broken("a token that is no path", "4.2", template("Procedure?patient={{patient}}")),
    Broken("a token left open", "4.2", template("Procedure?patient={{context.patientId")),
    Broken("a field that is no token", "4.3", template("Procedure?x={{context.draftOrders}}")),
    Broken("an unknown kind of user", "4.4", template("Practitioner/{{userNurseId}}")),
    Broken("an _include", "4.5", template("Procedure?patient={{context.patientId}}&_include=x:y")),
    Broken("a chained search", "4.5", template("Procedure?patient.name=x")),
    Broken("a modifier :not", "4.5", template("Procedure?status:not=done")),
    Broken("a prefix ne", "4.5", template("Procedure?date=ne2024-01-01")),
    Broken("today() in a token", "4.6", template("Procedure?date=ge{{today() - 90 days}}")),
    # 5 prefetched data
    Broken(
        "400 for a missing key", "5.2",
        of(412, lambda a, r: replace(r, status=400) if a.prefetch and "user" not in a.prefetch
           and "conditions" not in a.prefetch else r),
    ),
    Broken(
        "500 for an optional key that is missing", "5.2",
        refusing(lambda a: bool(a.prefetch) and "procedures" not in a.prefetch, 500),
    ),
    Broken(
        "422 for null", "5.3",
        refusing(lambda a: bool(a.prefetch) and None in a.prefetch.values(), 422),
    ),
    Broken(
        "OperationOutcomes read as an empty chart", "5.4",
        lenient(lambda a: key_of(a, "patient").get("resourceType") == "OperationOutcome"),
    ),
    Broken(
        "OperationOutcomes among entries overlooked", "5.5",
        lenient(lambda a: b'"entry": [{"resource": {"resourceType": "OperationO' in a.body),
    ),
    Broken("first pages taken for all", "5.6", lenient(lambda a: b'"relation": "next"' in a.body)),
    Broken(
        "no cards instead of 412", "5.8",
        of(412, lambda a, r: r if a.prefetch else replace(r, status=200, json={"cards": []})),
    ),
    Broken(
        "422 instead of 412", "5.8",
        of(412, lambda a, r: replace(r, status=422) if not a.prefetch else r),
    ),
    Broken(
        "500 for an unreachable FHIR server", "5.8",
        of(412, lambda a, r: replace(r, status=500) if "fhirServer" in a.call else r),
    ),
    Broken(
        "entries without resource refused", "5.9", refusing(lambda a: b'"urn:x"' in a.body, 422)
    ),
    Broken("the chart of another patient read", "5.10", cards_anyway),
    Broken(
        "a FHIR server in a file", "6.7", lenient(lambda a: b'"fhirServer": "file:' in a.body)
    ),
    # 7 the answer
    Broken("204 for nothing to say", "7.1", of(200, lambda a, r: (
        Answered(204) if r.json == {"cards": []} and b"38341003" in a.body else r
    ))),
    Broken("an answer without cards", "7.1", of(200, lambda a, r: (
        Answered(200, {"result": 1}) if r.json == {"cards": []} and b"38341003" in a.body else r
    ))),
    Broken("system actions of no kind", "7.2", of(200, lambda a, r: (
        replace(r, json={**r.json, "systemActions": [{"type": "read"}]}) if r.cards else r
    ))),
    Broken("errors in plain text", "7.4", of(404, lambda a, r: replace(r, raw=b"not found"))),
    Broken(
        "errors as the framework makes them", "7.4",
        of(400, lambda a, r: replace(r, json={"detail": "no"})),
    ),
    Broken("the body echoed", "7.5", echoing(lambda a: a.body.decode("utf-8", "replace"))),
    Broken("the token echoed", "7.5", echoing(lambda a: f"bad token {a.token}")),
    Broken("the access token echoed", "7.5", echoing(
        lambda a: str(a.call.get("fhirAuthorization") or "-")
    )),
    Broken("feedback echoed", "7.5", echoing(
        lambda a: a.body.decode("utf-8", "replace") if a.is_feedback else "no"
    )),
    Broken("a summary of 140 characters", "7.10", card(given(summary="x" * 140))),
    Broken("no summary", "7.10", card(lost("summary"))),
    Broken("a summary of two lines", "7.10", card(given(summary="a\nb"))),
    Broken("hard-stop", "7.11", card(given(indicator="hard-stop"))),
    Broken("no indicator", "7.11", card(lost("indicator"))),
    Broken("no label of the source", "7.12", card(lost("source", "label"))),
    Broken("a source that is somewhere", "7.13", card(put("/docs", "source", "url"))),
    Broken("an icon that is a name", "7.14", card(put("icon.png", "source", "icon"))),
    Broken(
        "a topic that is a CodeableConcept", "7.15",
        card(put({"coding": [{"code": "a", "system": CODES}]}, "source", "topic")),
    ),
    Broken("a topic that is a text", "7.15", card(put("grown", "source", "topic"))),
    Broken("the same uuid on each card", "7.16", card(given(
        uuid="9c1dbd52-1ac5-4bd1-a8ea-5b0d4bbd5f05"
    ))),
    Broken("HTML in the detail", "7.17", card(given(detail="It <img src=x> grew"))),
    Broken("a script in the detail", "7.17", card(given(detail="[x](javascript:alert(1))"))),
    Broken("suggestions without behaviour", "7.18", card(lost("selectionBehavior"))),
    Broken("a behaviour of its own", "7.19", card(given(selectionBehavior="exactly-one"))),
    Broken("a reason without display", "7.20", card(lost("overrideReasons", "display"))),
    Broken("a reason without system", "7.22", card(lost("overrideReasons", "system"))),
    Broken("a topic without code", "7.22", card(lost("source", "topic", "code"))),
    Broken("a button without label", "7.30", card(lost(*FIRST, "label"))),
    Broken("the same uuid on each suggestion", "7.31", card(put(
        "9c1dbd52-1ac5-4bd1-a8ea-5b0d4bbd5f05", *FIRST, "uuid"
    ))),
    Broken("a uuid that is none", "7.31", card(put("s1", *FIRST, "uuid"))),
    Broken("two recommended of which one", "7.32", card(lambda c: c.update(
        selectionBehavior="at-most-one",
        suggestions=[s | {"uuid": f"{s['uuid'][:-2]}{n:02}"}
                     for s in c["suggestions"] for n in (1, 2)],
    ))),
    Broken("actions that are an object", "7.33", card(put({"type": "create"}, *FIRST, "actions"))),
    Broken("a behaviour of actions", "7.34", card(put("all", *FIRST, "actionSelectionBehavior"))),
    Broken("an action that reads", "7.35", card(put("read", *ACTION, "type"))),
    Broken("an action without description", "7.36", card(lost(*ACTION, "description"))),
    Broken("a creation without resource", "7.37", card(lost(*ACTION, "resource"))),
    Broken("an update without id", "7.37", card(put("update", *ACTION, "type"))),
    Broken("a deletion by a bare id", "7.38", card(put("m1", *ACTION, "resourceId"), at=1)),
    Broken("a link without label", "7.40", card(lost("links", "label"))),
    Broken("a link of no type", "7.40", card(put("html", "links", "type"))),
    Broken("launch parameters", "7.41", card(put(LAUNCH, "links", "url"), at=1)),
    Broken("an app's context as object", "7.42", card(put({"a": 1}, "links", "appContext"), at=1)),
    Broken("autolaunchable by word", "7.43", card(put("yes", "links", "autolaunchable"))),
    # 8 feedback
    Broken("no feedback", "8.1", refusing(lambda a: a.is_feedback, 405)),
    Broken(
        "one entry at a time", "8.2",
        refusing(lambda a: a.is_feedback and len(a.json["feedback"]) > 1),
    ),
    Broken(
        "the same feedback once", "8.2",
        twice,
    ),
    Broken("whole seconds only", "8.3", refusing(lambda a: a.is_feedback and b".123Z" in a.body)),
    Broken("overrides only", "8.4", refusing(lambda a: a.is_feedback and b'"accepted"' in a.body)),
    Broken(
        "reasons of its own only", "8.5",
        refusing(lambda a: a.is_feedback and b"conformance.invalid" in a.body),
    ),
    Broken(
        "no comments", "8.5", refusing(lambda a: a.is_feedback and b"userComment" in a.body)
    ),
    Broken("any feedback taken", "8.8", lenient(
        lambda a: a.is_feedback and "conformance-unknown" not in a.path
        and not a.headers.get("origin")
    )),
    Broken("feedback to nobody taken", "8.8", lenient(
        lambda a: a.is_feedback and "conformance-unknown" in a.path
    )),
    # 9 security
    Broken("no token needed", "9.2", forged(accepts=lambda h, c, g: not h), signed=True),
    Broken("tokens for other services", "9.4", forged(
        accepts=lambda h, c, g: str(c.get("aud", "")).endswith("-other")
    ), signed=True),
    Broken("tokens for nobody", "9.4", forged(
        accepts=lambda h, c, g: c and "aud" not in c
    ), signed=True),
    Broken("tokens with several audiences refused", "9.4", refusing(
        lambda a: isinstance(said_by(a.token)[1].get("aud"), list), 401
    ), signed=True),
    Broken("alg none", "9.5", forged(accepts=lambda h, c, g: h.get("alg") == "none"), signed=True),
    Broken("HS256", "9.5", forged(accepts=lambda h, c, g: h.get("alg") == "HS256"), signed=True),
    Broken("any client", "9.6", forged(
        accepts=lambda h, c, g: c.get("iss", "").endswith("invalid/iss")
    ), signed=True),
    Broken("any jku", "9.6", forged(accepts=lambda h, c, g: "jku" in h), signed=True),
    Broken("any kid", "9.7", forged(
        accepts=lambda h, c, g: h.get("kid") == "conformance-unknown"
    ), signed=True),
    Broken("expired tokens", "9.8", forged(accepts=is_past), signed=True),
    Broken("tokens without end", "9.8", forged(
        accepts=lambda h, c, g: c and "exp" not in c
    ), signed=True),
    Broken("a token twice", "9.8", forged(
        accepts=lambda h, c, g: str(c.get("jti", "")).startswith("aaaa")
    ), signed=True),
    Broken("the refused token repeated", "9.9", of(401, lambda a, r: replace(
        r, headers=r.headers | {"www-authenticate": f"Bearer error={a.token or '-'}"}
    )), signed=True),
    Broken("errors without CORS", "9.11", of(400, without_cors)),
    Broken("412 without CORS", "9.11", of(412, without_cors)),
    Broken("no preflight", "9.11", lambda a, r, _: (
        replace(r, status=405) if a.method == "OPTIONS" else r
    )),
    Broken("headers by a star", "9.11", preflight(access_control_allow_headers="*")),
    Broken("no POST", "9.11", preflight(access_control_allow_methods="GET")),
    Broken("credentials for everybody", "9.11", credentials_for_all),
    # 11 strict clients
    Broken("no topic", "11.1", card(lost("source", "topic"))),
    Broken("a text of blanks", "11.3", card(given(note="  "))),
    Broken("a link with a bar", "11.4", card(put("https://a.test/x|y", "links", "url"))),
    Broken("a link beyond ASCII", "11.4", card(put("https://a.test/ä", "links", "url"))),
    Broken("a link by ftp", "11.4", card(put("ftp://a.test/x", "links", "url"))),
    Broken("an app's context on any link", "11.5", card(put("x", "links", "appContext"))),
    Broken("links of both kinds", "11.11", card(lambda c: c["links"].append(
        {"label": "b", "url": "https://a.test/b", "type": "smart"}
    ))),
    Broken("a card that looks like an action", "11.11", card(given(type="create"))),
    Broken("one media type by the letter", "11.12", refusing(
        lambda a: "charset" in a.headers.get("content-type", ""), 415
    )),
)  # fmt: skip

HOSTILE = {
    "HTML for cards": called(lambda _, __: HTML),
    "cards nested without end": called(
        lambda _, __: Answered(raw=b'{"cards":' + b"[" * 200_000 + b"]" * 200_000 + b"}")
    ),
    "cards nested too deep": card(given(extension={"a.b": nested(150)})),
    "a card that is a number": called(lambda _, r: replace(r, json={"cards": [1, None, "x"]})),
    "cards that are an object": called(lambda _, r: replace(r, json={"cards": {"a": 1}})),
    "a huge answer": called(lambda _, __: Answered(raw=b'"' + b"x" * (9 * 1024 * 1024) + b'"')),
    "bytes that are no text": called(lambda _, __: Answered(raw=b"\xff\xfe\x00")),
    "500 without a body": called(lambda _, __: Answered(500)),
    "a redirect for cards": called(
        lambda _, __: Answered(302, headers={"location": "https://elsewhere.test/"})
    ),
    "everything of the wrong kind": card(
        lambda c: c.update({name: 7 for name in c if name != "extension"})
    ),
    "lists of the wrong kind": card(
        lambda c: c.update(suggestions=[1, [2]], links="x", overrideReasons={"a": [None]})
    ),
    "discovery of the wrong kind": discovered(
        Answered(200, {"services": [{"id": 1, "hook": [], "prefetch": "x"}, None, 7]})
    ),
    "discovery without services": discovered(Answered(200, {"services": {}})),
    "control characters": card(given(indicator="\x1b[2J\x07info", summary="\x9b" * 200)),
    "a location that is none": slash,
}  # fmt: skip
"""Services that would have the self-test fall over."""
