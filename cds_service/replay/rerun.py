"""The decision again: the pure core and the renderer, on stored inputs, under given knowledge."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from cds_service.audit.canonical import content_hashes
from cds_service.audit.inputs import Input
from cds_service.audit.of_assessment import state_used
from cds_service.clinical.assessment_json import to_json
from cds_service.errors import InvalidRequest
from cds_service.hooks.cards import CardMaker
from cds_service.hooks.deciding import Occasion, decide_again
from cds_service.hooks.messages import read_call
from cds_service.hooks.orders import build_templates
from cds_service.hooks.services import SERVICES
from cds_service.knowledge.model import Knowledge
from cds_service.replay.stored import NotReplayable, StoredDecision
from cds_service.service import Decided
from cds_service.web.api import SERVICE_ID as ASSESS
from cds_service.web.api import assess_again

Json = Any
DECIDED = ("outcome", "httpStatus", "errorClass", "cancers", "advice", "issues", "state")
"""The members of an envelope that say what was decided; all else is who, when and how fast."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it is compared: the exact bytes, the Assessment, and what was decided in codes.

    `inputs`: the digest of each resource that was used, by its reference.
    """

    response: bytes
    assessment: Json
    decided: Json
    inputs: dict[str, str]

    @property
    def as_json(self) -> dict[str, Json]:
        """All of it as one document, for a patch."""
        return {
            "assessment": self.assessment,
            "response": orjson.loads(self.response),
            "decided": self.decided,
        }


@dataclass(frozen=True, slots=True)
class Again:
    """What works decisions out under one state of the knowledge: prepared once, then pure."""

    knowledge: Knowledge
    maker: CardMaker

    @classmethod
    def under(cls, knowledge: Knowledge) -> Again:
        return cls(knowledge, CardMaker(knowledge, build_templates(knowledge)))

    def answer(self, stored: StoredDecision) -> Answer:
        """The answer to the stored call. Reads no clock, no network, no file, no randomness.

        Raises NotReplayable where this version cannot read the call.
        """
        try:
            return _as_compared(self._decide(stored))
        except InvalidRequest as fault:
            raise NotReplayable(f"this version cannot read the request: {fault}") from None

    def _decide(self, stored: StoredDecision) -> Decided:
        if stored.service_id == ASSESS:
            explain = stored.snapshot.explain
            return assess_again(stored.request, stored.as_of, self.knowledge, explain=explain)
        definition = next((one for one in SERVICES if one.id == stored.service_id), None)
        if definition is None:
            raise NotReplayable(f"this version has no service {stored.service_id}")
        call = read_call(stored.request, definition.hook, definition.call)
        occasion = Occasion(call, stored.as_of, stored.decision_id)
        return decide_again(occasion, stored.snapshot, stored.missing, self.maker)


def answered(stored: StoredDecision) -> Answer:
    """The answer as it is on record."""
    return Answer(
        response=stored.response,
        assessment=orjson.loads(stored.assessment) if stored.assessment else None,
        decided={name: stored.envelope[name] for name in DECIDED if name in stored.envelope},
        inputs=dict(stored.inputs),
    )


def _as_compared(decided: Decided) -> Answer:
    told, advice = decided.told, decided.advice_decided()
    members: dict[str, Json] = {
        "outcome": decided.outcome,
        "httpStatus": decided.http_status,
        "errorClass": decided.error_class,
        "cancers": [one.json for one in told.cancers] if told else [],
        "advice": [one.json for one in advice],
        "issues": dict(decided.issues_counted()),
        "state": list(state_used(advice)),
    }
    said = {name: value for name, value in members.items() if value not in (None, [], {})}
    return Answer(
        response=decided.response,
        assessment=_plain(to_json(told.assessment)) if told else None,
        decided=_plain(said),
        inputs=_digests(told.inputs) if told else {},
    )


def _plain(value: Json) -> Json:
    """The value as it is read back from its JSON: no tuple, no enumeration."""
    return orjson.loads(orjson.dumps(value))


def _digests(inputs: Iterable[Input]) -> dict[str, str]:
    return {one.reference: content_hashes(one.content).whole for one in inputs}


Prepared = Callable[[str], Again]
"""What decides under the knowledge of a digest; raises NotReplayable where that is not there."""
