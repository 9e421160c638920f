"""The CDS Hooks Sandbox as a client: what a page of it asks, in which order, and what it clicks.

Written from what was seen on the wire. A page sends an ES384 token whose key everybody can have,
names an old media type, searches by POST, leaves out of the prefetch what fails, and drafts orders
that are no valid FHIR R4.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode
from uuid import uuid4

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey

ORIGIN = "http://localhost:8080"
ISSUER = "https://sandbox.cds-hooks.org"
USER = "Practitioner/COREPRACTITIONER1"
ACCEPT = {"Accept": "application/json+fhir"}
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
Json = dict[str, Any]

_KEY = ECKey.generate_key("P-384", {"kid": "of-the-sandbox", "use": "sig"})
_TOKEN = re.compile(r"\{\{\s*context\.(\w+)\s*\}\}")


def token(audience: str) -> str:
    """The token of one request: signed, but by a key that proves nothing."""
    header = {"alg": "ES384", "typ": "JWT", "kid": "of-the-sandbox",
              "jku": f"{ISSUER}/.well-known/jwks.json"}  # fmt: skip
    now = int(datetime.now(UTC).timestamp())
    claims = {"iss": ISSUER, "aud": audience, "iat": now, "exp": now + 300, "jti": str(uuid4())}
    return jwt.encode(header, claims, _KEY, algorithms=["ES384"])


class Page:
    """One tab of the Sandbox: a FHIR server, a service, and the answers it can read.

    Every answer has to admit the page's origin, or a browser would not show it to the page.
    """

    def __init__(self, service: httpx.AsyncClient, fhir: httpx.AsyncClient) -> None:
        self._service, self._fhir = service, fhir
        self.fhir_base = str(fhir.base_url).rstrip("/")
        self.services: list[Json] = []

    async def start(self, patient_id: str) -> Json:
        """What a page asks before it calls any service; gives the Patient."""
        metadata = await self.read("metadata", Accept="application/json")
        assert metadata.status_code == 200
        assert metadata.json()["fhirVersion"].startswith("4.0")
        assert (await self.read("Patient")).status_code == 200
        patient = await self.read(f"Patient/{patient_id}", **ACCEPT)
        assert patient.status_code == 200
        conditions = await self.read(f"Condition?patient={patient_id}", **ACCEPT)
        assert conditions.json()["total"] == len(conditions.json().get("entry", []))
        await self.preflight("cds-services", "GET", "authorization")
        discovery = await self._asked("GET", "cds-services")
        self.services = discovery.json()["services"]
        return dict(patient.json())

    def services_on(self, hook: str) -> list[Json]:
        """The services that the page calls at this hook: it knows one a URL, the last one."""
        by_id = {service["id"]: service for service in self.services}
        return [service for service in by_id.values() if service["hook"] == hook]

    async def call(
        self, hook: str, patient_id: str, *, leaving_out: frozenset[str] = frozenset(), **more: Any
    ) -> dict[str, httpx.Response]:
        """Each service of the hook, by its id; `more` is what the hook's context has of its own.

        `leaving_out` are keys whose search failed.
        """
        context = {"patientId": patient_id, "userId": USER, **more}
        answers = {}
        for service in self.services_on(hook):
            path = f"cds-services/{service['id']}"
            prefetch = await self.prefetch(service.get("prefetch", {}), context)
            body = {
                "hookInstance": str(uuid4()), "hook": hook, "fhirServer": self.fhir_base,
                "context": context,
            }  # fmt: skip
            if kept := {k: v for k, v in prefetch.items() if k not in leaving_out}:
                body["prefetch"] = kept
            await self.preflight(path, "POST", "authorization,content-type")
            answers[service["id"]] = await self._asked("POST", path, json=body)
        return answers

    async def prefetch(self, templates: Mapping[str, str], context: Mapping[str, Any]) -> Json:
        """Each template by its key: a read by GET, a search by POST; what fails is left out."""
        filled = {}
        for key, template in templates.items():
            query = _TOKEN.sub(lambda found: str(context.get(found[1], found[0])), template)
            path, _, search = query.partition("?")
            if not search:
                answer = await self.read(path, **ACCEPT)
            else:
                form = {"Content-Type": "application/x-www-form-urlencoded"}
                body = urlencode(sorted(parse_qsl(search)))
                answer = await self._readable(
                    self._fhir, "POST", f"{path}/_search", content=body, headers=ACCEPT | form
                )
            if answer.is_success:
                filled[key] = answer.json()
        return filled

    async def accept(self, service_id: str, card: Json) -> httpx.Response:
        """A click on the card's first suggestion."""
        chosen = [{"id": card["suggestions"][0]["uuid"]}]
        return await self._feedback(
            service_id, card, outcome="accepted", acceptedSuggestions=chosen
        )

    async def dismiss(self, service_id: str, card: Json, reason: Json | None = None) -> Any:
        """A click on Dismiss, or on one of the card's reasons: code and system, no display."""
        if reason is None:
            return await self._feedback(service_id, card, outcome="overridden")
        said = {"reason": {name: reason[name] for name in ("code", "system")}}
        return await self._feedback(service_id, card, outcome="overridden", overrideReason=said)

    async def read(self, path: str, **headers: str) -> httpx.Response:
        return await self._readable(self._fhir, "GET", path, headers=headers)

    async def preflight(self, path: str, method: str, headers: str, **more: str) -> httpx.Response:
        """What a browser asks first, without the token; a refusal ends the matter for the page."""
        asked = {
            "Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers,
        }  # fmt: skip
        answer = await self._readable(self._service, "OPTIONS", path, headers=asked | more)
        assert answer.is_success, answer.text
        allowed = answer.headers["access-control-allow-headers"].lower()
        assert set(headers.split(",")) <= {name.strip() for name in allowed.split(",")}
        assert method in answer.headers["access-control-allow-methods"]
        return answer

    async def _feedback(self, service_id: str, card: Json, **said: Any) -> httpx.Response:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        path = f"cds-services/{service_id}/feedback"
        await self.preflight(path, "POST", "authorization,content-type")
        entry = {"card": card["uuid"], **said, "outcomeTimestamp": now}
        return await self._asked("POST", path, json={"feedback": [entry]})

    async def _asked(self, method: str, path: str, **request: Any) -> httpx.Response:
        address = f"{str(self._service.base_url).rstrip('/')}/{path}"
        headers = {"Accept": "application/json", "Authorization": f"Bearer {token(address)}"}
        return await self._readable(self._service, method, path, headers=headers, **request)

    async def _readable(
        self, client: httpx.AsyncClient, method: str, path: str, **request: Any
    ) -> httpx.Response:
        request["headers"] = {"Origin": ORIGIN, **request.get("headers", {})}
        answer = await client.request(
            method, f"{str(client.base_url).rstrip('/')}/{path}", **request
        )
        assert answer.headers.get("access-control-allow-origin") in (ORIGIN, "*"), path
        return answer


# --- orders ---------------------------------------------------------------------------------------


def drafts(patient_id: str, drug: tuple[str, str]) -> Iterator[tuple[str, Json]]:
    """The draft at each state of the page's form, with what the state is called.

    None is valid R4: at first there is neither intent nor medication, later `category` and
    `reasonCode` are single concepts in place of lists.
    """
    blank: Json = {
        "resourceType": "MedicationRequest", "id": "request-123", "status": "draft",
        "subject": {"reference": f"Patient/{patient_id}"}, "authoredOn": "2026-11-21",
    }  # fmt: skip
    yield "blank", blank
    category = "http://terminology.hl7.org/CodeSystem/medicationrequest-category"
    code, name = drug
    chosen = blank | {
        "intent": "order",
        "category": {"coding": [{"system": category, "code": "community"}]},
        "medicationCodeableConcept": {
            "text": name, "coding": [{"display": name, "system": RXNORM, "code": code}],
        },
        "dosageInstruction": [_dosage()],
        "dispenseRequest": {"expectedSupplyDuration": {
            "value": 30, "unit": "days", "system": "http://unitsofmeasure.org", "code": "d"}},
    }  # fmt: skip
    yield "drug chosen", chosen
    yield (
        "dates chosen",
        chosen | {"dosageInstruction": [_dosage(boundsPeriod={"start": "2026-11-22"})]},
    )
    yield "condition chosen", chosen | {"reasonCode": {"text": "Multiple myeloma"}}


def order_context(draft: Json, *, selected: bool) -> Json:
    """The context of order-select, or without a selection of order-sign: a Bundle without type."""
    orders: Json = {"draftOrders": {"resourceType": "Bundle", "entry": [{"resource": draft}]}}
    chosen = {"selections": [f"MedicationRequest/{draft['id']}"]} if selected else {}
    return chosen | orders


def _dosage(**repeat: Any) -> Json:
    pill = {"value": 1, "system": "http://unitsofmeasure.org", "code": "{pill}"}
    return {
        "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d", **repeat}},
        "doseAndRate": [{"doseQuantity": pill}],
    }
