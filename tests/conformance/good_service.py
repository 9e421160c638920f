"""A small CDS service that does everything right, and a way to make it do one thing wrong."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from cds_service.conformance.tokens import Signer

BASE = "https://cds.test"
ORIGIN = "https://ehr.test"
UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
ID = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9\-.]{1,64}")
USER = re.compile(r"(Practitioner|PractitionerRole|Patient|RelatedPerson)/[A-Za-z0-9\-.]{1,64}")
SERVER = re.compile(r"https?://[a-z.]+(/[a-z]*)*")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")
MYELOMA = "109989006"
HOOKS = {"patient": "patient-view", "select": "order-select", "sign": "order-sign"}
NEEDED = ("patient", "conditions", "observations")
CODES = "https://cds.test/codes"
TOPIC = {"code": "grown", "system": CODES, "display": "grown"}
Json = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """A request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def call(self) -> Json:
        """The body of a hook call; empty for every other request."""
        said = self.json
        return said if isinstance(said, dict) and isinstance(said.get("context"), dict) else {}

    @property
    def prefetch(self) -> Json:
        said = self.call.get("prefetch")
        return said if isinstance(said, dict) else {}

    @property
    def is_no_json(self) -> bool:
        return bool(self.body) and self.json is None and not self.is_feedback

    @property
    def is_feedback(self) -> bool:
        return self.path.endswith("/feedback")

    @property
    def token(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")


@dataclass(frozen=True)
class Answered:
    """An answer; `raw` stands in place of the JSON where it is no JSON."""

    status: int = 200
    json: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None

    @property
    def content(self) -> bytes:
        if self.raw is not None:
            return self.raw
        return b"" if self.json is None else json.dumps(self.json).encode()

    @property
    def cards(self) -> list[Json]:
        found: list[Json] = self.json.get("cards", []) if isinstance(self.json, dict) else []
        return found


Break = Callable[[Asked, Answered, "GoodService"], Answered]
"""What becomes of a good answer."""


class Wrong(Exception):
    """The status of a refusal."""


class GoodService:
    """The service as an ASGI application. With a client it wants that one's tokens."""

    def __init__(
        self,
        broken: Break | None = None,
        client: Signer | None = None,
        *,
        with_orders: bool = False,
    ) -> None:
        self._break = broken
        self.client = client
        self.hooks = tuple(HOOKS) if with_orders else ("patient",)
        self.seen: set[object] = set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for what in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{what}.complete"})
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        asked = Asked(scope["method"], scope["path"], headers, body)
        answer = self.answer(asked)
        if self._break is not None:
            answer = self._break(asked, answer, self)
        sent = {"content-type": "application/json", **answer.headers}
        listed = [(name.encode(), value.encode()) for name, value in sent.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": listed})
        await send({"type": "http.response.body", "body": answer.content})

    def answer(self, asked: Asked) -> Answered:
        try:
            answer = self.routed(asked)
        except Wrong as wrong:
            issue = {"severity": "error", "code": "invalid", "diagnostics": "not so"}
            outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
            answer = Answered(int(str(wrong)), outcome)
        if asked.headers.get("origin") == ORIGIN:
            allowed = {"access-control-allow-origin": ORIGIN, "vary": "Origin"}
            answer = replace(answer, headers=answer.headers | allowed)
        return answer

    def routed(self, asked: Asked) -> Answered:
        parts = asked.path.strip("/").split("/")
        if asked.method == "OPTIONS":
            allowed = {
                "access-control-allow-methods": "GET, POST",
                "access-control-allow-headers": "authorization, content-type",
            }
            return Answered(204, None, allowed)
        if parts == ["cds-services"] and asked.method == "GET":
            return Answered(200, {"services": [self.described(name) for name in self.hooks]})
        if len(parts) < 2 or parts[1] not in self.hooks:
            raise Wrong(404)
        self.authorise(asked)
        if parts[2:] == ["feedback"]:
            self.take_feedback(asked.json)
            return Answered(200, {"taken": True})
        return Answered(200, {"cards": self.cards_of(parts[1], asked)})

    def described(self, name: str) -> Json:
        return {
            "id": name,
            "hook": HOOKS[name],
            "title": "Growth",
            "description": "Says when a cancer has grown.",
            "version": "2.0.1",
            "hookVersion": "1.0",
            "usageRequirements": "FHIR R4",
            "prefetch": {
                "patient": "Patient/{{context.patientId}}",
                "conditions": "Condition?patient={{context.patientId}}&_count=100",
                "observations": "Observation?patient={{context.patientId}}&date=ge2020-01-01",
                "procedures": "Procedure?patient={{context.patientId}}&status:in=x",
                "user": "{{context.userId}}",
            },
        }

    # ---- tokens

    def authorise(self, asked: Asked) -> None:
        if self.client is None:
            return
        try:
            claims = self.claims_of(asked.token)
        except (JoseError, ValueError):
            raise Wrong(401) from None
        audience = claims.get("aud")
        named = audience if isinstance(audience, list) else [audience]
        if f"{BASE}{asked.path}" not in named or claims.get("iss") != self.client.iss:
            raise Wrong(401)
        if claims.get("exp", 0) < time.time() or claims.get("jti", "") in {"", *self.seen}:
            raise Wrong(401)
        self.seen.add(claims["jti"])

    def claims_of(self, token: str) -> Json:
        assert self.client is not None
        found = jwt.decode(token, self.client.key, algorithms=["ES384"])
        if found.header.get("kid") != self.client.kid or "jku" in found.header:
            raise ValueError
        return dict(found.claims)

    # ---- calls

    def cards_of(self, name: str, asked: Asked) -> list[Json]:
        call = asked.json
        _need(isinstance(call, dict))
        context = call.get("context")
        _need(call.get("hook") == HOOKS[name] and isinstance(context, dict))
        _need(_is(UUID, call.get("hookInstance")))
        _need(_is(USER, context.get("userId")) and _is(ID, context.get("patientId")))
        _need(name == "patient" or isinstance(context.get("draftOrders"), dict))
        _need("fhirServer" not in call or _is(SERVER, call["fhirServer"]))
        _need(isinstance(call.get("fhirAuthorization", {}), dict))
        prefetch = call.get("prefetch", {})
        _need(isinstance(prefetch, dict))
        chart = [r for key in NEEDED for r in _had(prefetch, key, context["patientId"])]
        codes = json.dumps(chart)
        return _cards() if MYELOMA in codes and '"Observation"' in codes else []

    # ---- feedback

    def take_feedback(self, said: Any) -> None:
        entries = said.get("feedback") if isinstance(said, dict) else None
        _need(isinstance(entries, list) and bool(entries))
        for entry in entries or ():
            _need(isinstance(entry, dict) and _is(UUID, entry.get("card")))
            _need(_is(MOMENT, entry.get("outcomeTimestamp")))
            _need(entry.get("outcome") in ("accepted", "overridden"))
            _need(entry["outcome"] == "overridden" or bool(entry.get("acceptedSuggestions")))


def _need(holds: bool) -> None:
    if not holds:
        raise Wrong(400)


def _is(form: re.Pattern[str], text: Any) -> bool:
    return isinstance(text, str) and form.fullmatch(text) is not None


def _had(prefetch: Json, key: str, patient: str) -> list[Json]:
    """What a key brought of this patient; 412 where that is not all."""
    if key not in prefetch:
        raise Wrong(412)
    value = prefetch[key]
    if value is None:
        return []
    found = [e.get("resource", {}) for e in value.get("entry", [])]
    kinds = {value.get("resourceType"), *(r.get("resourceType") for r in found)}
    if "OperationOutcome" in kinds or "link" in value:
        raise Wrong(412)
    own = [r for r in found if r.get("subject", {}).get("reference") == f"Patient/{patient}"]
    if found and not own and "Basic" not in kinds:
        raise Wrong(412)
    return own


def _cards() -> list[Json]:
    """Two cards with everything that a card can have."""
    return [_card("absolute", _create()), _card("smart", {"type": "delete", **_DELETION})]


_DELETION = {"description": "Take the draft away", "resourceId": "MedicationRequest/m1"}


def _create() -> Json:
    order = {"resourceType": "ServiceRequest", "status": "draft", "intent": "proposal"}
    return {"type": "create", "description": "Draft a scan", "resource": order}


def _card(kind: str, action: Json) -> Json:
    link = {"label": "More", "url": "https://cds.test/a?b=c%20d", "type": kind}
    more = {"appContext": '{"a":1}', "autolaunchable": False} if kind == "smart" else {}
    return {
        "uuid": str(uuid4()),
        "summary": "It grew.",
        "detail": "**It grew** \\<img> `<b>` <https://cds.test/x>",
        "indicator": "info",
        "source": {
            "label": "Growth", "url": BASE, "icon": f"{BASE}/icon.png", "topic": dict(TOPIC)
        },
        "suggestions": [
            {"label": "Scan", "uuid": str(uuid4()), "isRecommended": True, "actions": [action]}
        ],
        "selectionBehavior": "any",
        "overrideReasons": [{"code": "no", "system": CODES, "display": "No"}],
        "links": [link | more],
        "extension": {"test.cds": {"score": 0}},
    }  # fmt: skip


def a_client() -> Signer:
    """A client with a key of its own."""
    return Signer(ECKey.generate_key("P-384"), "https://ehr.test/iss", "key-1")
