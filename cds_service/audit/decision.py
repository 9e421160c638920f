"""One decision as it is recorded: who asked, what was returned, why, and on what data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Literal

from cds_service.audit.canonical import Json
from cds_service.audit.decided import (
    AdviceDecided,
    CancerDecided,
    CardReturned,
    MissingInput,
    Outcome,
)
from cds_service.audit.events import (
    SEALED,
    Call,
    Client,
    Content,
    Event,
    EventType,
    id_shaped,
    present,
    timestamp,
)
from cds_service.audit.inputs import (
    Input,
    Inputs,
    inputs_document,
    small_json,
    without_access_token,
)
from cds_service.audit.pieces import Pieces
from cds_service.audit.pseudonyms import PatientIdentity
from cds_service.audit.snapshot import Keeping, Snapshot

_BETWEEN_NAMES = "\x1e"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Who opened the chart. Staff stand in the envelope: they are accountable. A user who is the
    patient, or a relative, does not: that id is sealed with the patient's."""

    user_id: str | None = None
    roles: Sequence[str] = ()
    sub: str | None = None
    facility: str | None = None
    encounter_type: str | None = None
    location: str | None = None

    @property
    def is_staff(self) -> bool:
        return self.user_id is None or not self.user_id.startswith(("Patient/", "RelatedPerson/"))

    def as_json(self) -> dict[str, Json]:
        return present(
            {
                "userId": id_shaped(self.user_id) if self.is_staff else SEALED,
                "sub": id_shaped(self.sub) if self.is_staff else None,
                "roles": [id_shaped(role) for role in self.roles],
                "facility": id_shaped(self.facility),
                "encounterType": id_shaped(self.encounter_type),
                "location": id_shaped(self.location),
            }
        )


AsOfSource = Literal["query", "request-date", "clock", "fixed"]
"""`fixed`: the service was started to judge every chart as on one day, as the demo is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AsOf:
    """The day the chart was judged for, and where that day came from."""

    day: date
    source: AsOfSource
    time_zone: str

    def as_json(self) -> dict[str, Json]:
        return {
            "asOf": self.day.isoformat(),
            "asOfSource": self.source,
            "timeZone": self.time_zone,
        }


@dataclass(frozen=True, kw_only=True)
class Versions:
    """What decided: the software and the clinical knowledge, each by version and digest."""

    software: str
    knowledge: str
    knowledge_digest: str
    config_digest: str | None = None
    commit: str | None = None
    lock_digest: str | None = None
    python: str | None = None
    image_digest: str | None = None

    @cached_property
    def json(self) -> dict[str, Json]:
        """As it stands in an envelope; nobody changes it."""
        software = {
            "version": self.software,
            "commit": self.commit,
            "lockDigest": self.lock_digest,
            "python": self.python,
            "imageDigest": self.image_digest,
        }
        return present(
            {
                "knowledge": {"version": self.knowledge, "digest": self.knowledge_digest},
                "software": present(software),
                "configDigest": self.config_digest,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Everything the log keeps of one decision.

    `decision_id` is made before the cards, which carry it. `response` is the body that will be
    sent, byte for byte. `request` is the body as it came; with `keep_request` False only its
    digest is kept, and nothing of `snapshot`. `state` names the earlier events that changed this
    decision; `state_unavailable` says that earlier events could not be asked for, so none did.
    """

    decision_id: str
    received_at: datetime
    call: Call
    outcome: Outcome
    http_status: int
    response: bytes
    versions: Versions
    client: Client = field(default_factory=Client)
    user: User | None = None
    patient_id: str | None = None
    encounter_id: str | None = None
    fhir_server: str | None = None
    as_of: AsOf | None = None
    mode: Literal["live", "silent", "replay", "canary"] = "live"
    request: bytes | Pieces | None = None
    keep_request: bool = True
    inputs: Sequence[Input] = ()
    inputs_missing: Sequence[MissingInput] = ()
    issues: Mapping[str, int] = field(default_factory=dict)
    state: Sequence[str] = ()
    state_unavailable: bool = False
    cancers: Sequence[CancerDecided] = ()
    advice: Sequence[AdviceDecided] = ()
    cards: Sequence[CardReturned] = ()
    assessment: bytes | None = None
    snapshot: Snapshot | None = None
    error_class: str | None = None
    latency_ms: Mapping[str, float] = field(default_factory=dict)


def decision_event(decision: Decision) -> Event:
    """The entry for one decision. Cheap: hashing and sealing are left to the log's writer."""
    kept = (decision.request, decision.response, decision.assessment)
    return Event(
        type=EventType.DECISION,
        event_id=decision.decision_id,
        members=_envelope(decision),
        sealed=_sealed(decision),
        patient=_patient(decision),
        subjects={card.uuid: card.subject for card in decision.cards if card.subject},
        held=sum([len(one) for one in kept if one])
        + (decision.snapshot.held if decision.snapshot else 0),
    )


def _envelope(decision: Decision) -> dict[str, Json]:
    return present(
        {
            "decisionId": decision.decision_id,
            "receivedAt": timestamp(decision.received_at),
            **decision.call.as_json(),
            "client": decision.client.as_json(),
            "user": decision.user.as_json() if decision.user else None,
            **(decision.as_of.as_json() if decision.as_of else {}),
            "mode": decision.mode,
            "outcome": decision.outcome,
            "httpStatus": decision.http_status,
            "errorClass": decision.error_class,
            "inputsByType": Inputs.of(decision.inputs).by_type,
            "inputsMissing": [one.as_json() for one in decision.inputs_missing],
            "issues": dict(decision.issues),
            "state": list(decision.state),
            "stateUnavailable": decision.state_unavailable or None,
            "snapshot": _keeping(decision),
            "cancers": [cancer.json for cancer in decision.cancers],
            "advice": [advice.json for advice in decision.advice],
            "cards": [card.as_json() for card in decision.cards],
            "latencyMs": {
                name: _to_the_microsecond(ms) for name, ms in decision.latency_ms.items()
            },
            **decision.versions.json,
        }
    )


def _sealed(decision: Decision) -> dict[str, Content]:
    identity = present(
        {
            "patientId": decision.patient_id,
            "encounterId": decision.encounter_id,
            "fhirServer": decision.fhir_server,
            "userId": None
            if not decision.user or decision.user.is_staff
            else decision.user.user_id,
        }
    )
    request, inputs = decision.request, Inputs.of(decision.inputs)
    sealed: dict[str, Content] = {"response": decision.response}
    if identity:
        sealed["identity"] = small_json(identity)
    if request is not None or inputs:
        sealed["inputs"] = lambda: inputs_document(request, inputs)
    if request is not None and decision.keep_request:
        sealed["request"] = lambda: without_access_token(request)
    if decision.assessment is not None:
        sealed["assessment"] = decision.assessment
    if decision.snapshot is not None and decision.keep_request:
        sealed["snapshot"] = decision.snapshot.as_bytes
    return sealed


def _keeping(decision: Decision) -> Keeping | None:
    if decision.snapshot is None:
        return None
    return "full" if decision.keep_request else "hashes"


def _patient(decision: Decision) -> PatientIdentity | None:
    if decision.patient_id is None:
        return None
    return patient_of(decision.client, decision.fhir_server, decision.patient_id)


def patient_of(client: Client, fhir_server: str | None, patient_id: str) -> PatientIdentity:
    """Who a chart is about: ids of one client, and one tenant of it, mean nothing to another.

    Raises ValueError where a part is no text that could be hashed.
    """
    tenant = _BETWEEN_NAMES.join(filter(None, (client.iss, client.tenant)))
    return PatientIdentity(tenant, fhir_server or "", patient_id)


def _to_the_microsecond(ms: float) -> float:
    rounded = round(ms, 3)
    return int(rounded) if rounded.is_integer() else rounded
