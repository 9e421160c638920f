"""The shapes of CDS Hooks on the wire, for the OpenAPI page: calls, cards, feedback, discovery.

Those of answers are complete, those of calls hold what the service looks at: members that nobody
defines are passed over.
"""

from __future__ import annotations

from cds_service.fhir.queries import QUERIES
from cds_service.openapi import (
    ANYTHING,
    TEXT,
    UUID,
    Shape,
    bundle,
    listed,
    one_of,
    or_null,
    record,
    resource,
)

FHIR_ID: Shape = {"type": "string", "pattern": "^[A-Za-z0-9\\-.]{1,64}$"}
USER: Shape = {
    "type": "string",
    "pattern": "^(Practitioner|PractitionerRole|Patient|RelatedPerson)/[A-Za-z0-9\\-.]{1,64}$",
}
REFERENCE: Shape = {"type": "string", "pattern": "^[A-Z][A-Za-z]+/[A-Za-z0-9\\-.]{1,64}$"}
CODING = record({"code": TEXT, "system": TEXT}, {"display": TEXT})
DISPLAYED = record({"code": TEXT, "system": TEXT, "display": TEXT})
AUTHORIZATION = record(
    {"access_token": TEXT},
    {
        "token_type": TEXT,
        "expires_in": {"type": "integer"},
        "scope": TEXT,
        "subject": TEXT,
        "patient": TEXT,
    },
    closed=False,
)
_DRAFTS: Shape = {"draftOrders": bundle()}
CONTEXTS: dict[str, Shape] = {
    "patient-view": {},
    "order-select": {"selections": listed(REFERENCE), **_DRAFTS},
    "order-sign": _DRAFTS,
}
"""What the context of a hook has besides user, patient and encounter."""


def prefetch_shape() -> Shape:
    """Any of the keys; each may be null, or an OperationOutcome in place of what was asked for."""
    error = resource("OperationOutcome")
    keys = {
        query.key: {
            "anyOf": [
                resource("Patient") if query.is_read else bundle(query.resource_type),
                error,
                {"type": "null"},
            ]
        }
        for query in QUERIES
    }
    return record({}, keys, closed=False)


def call_shape(hook: str) -> Shape:
    """A call of this hook, one of CONTEXTS."""
    return record(
        {
            "hook": one_of([hook]),
            "hookInstance": UUID,
            "context": record(
                {"userId": USER, "patientId": FHIR_ID, **CONTEXTS[hook]},
                {"encounterId": or_null(FHIR_ID)},
                closed=False,
            ),
        },
        {
            "fhirServer": {"type": "string", "format": "uri"},
            "fhirAuthorization": AUTHORIZATION,
            "prefetch": prefetch_shape(),
            "extension": ANYTHING,
        },
        closed=False,
    )


_ACTION = record(
    {"type": one_of(["create", "update", "delete"]), "description": TEXT},
    {"resource": resource(), "resourceId": REFERENCE},
)
_SUGGESTION = record(
    {"label": TEXT, "uuid": UUID, "actions": listed(_ACTION, least=1)},
    {"isRecommended": {"type": "boolean"}},
)
_LINK = record(
    {"label": TEXT, "url": {"type": "string", "format": "uri"}, "type": one_of(["absolute"])}
)
CARD = record(
    {
        "uuid": UUID,
        "summary": TEXT | {"maxLength": 139},
        "detail": TEXT,
        "indicator": one_of(["info", "warning"]),
        "source": record({"label": TEXT, "topic": DISPLAYED}, {"url": TEXT, "icon": TEXT}),
        "overrideReasons": listed(DISPLAYED, least=1),
        "extension": record(
            {
                "org.refractory-cds": record(
                    {"decisionId": TEXT, "knowledgeVersion": TEXT},
                    {
                        "condition": TEXT,
                        "disease": TEXT,
                        "line": {"type": "integer", "minimum": 1},
                        "status": TEXT,
                        "advice": listed(TEXT, least=1),
                    },
                    closed=False,
                )
            }
        ),
    },
    {
        "suggestions": listed(_SUGGESTION, least=1),
        "selectionBehavior": one_of(["any", "at-most-one"]),
        "links": listed(_LINK, least=1),
    },
)
CARDS = record({"cards": listed(CARD)})

_ACCEPTED = listed(record({"id": TEXT}, closed=False), least=1)
_REASON = record(
    {},
    {"reason": record({}, {"code": TEXT, "system": TEXT}, closed=False), "userComment": TEXT},
    closed=False,
)
FEEDBACK = record(
    {
        "feedback": listed(
            record(
                {
                    "card": UUID,
                    "outcome": one_of(["accepted", "overridden"]),
                    "outcomeTimestamp": {"type": "string", "format": "date-time"},
                },
                {"acceptedSuggestions": _ACCEPTED, "overrideReason": _REASON},
                closed=False,
            ),
            least=1,
        )
    },
    closed=False,
)

SERVICES = record(
    {
        "services": listed(
            record(
                {"id": TEXT, "hook": TEXT, "title": TEXT, "description": TEXT},
                {
                    "version": TEXT,
                    "hookVersion": TEXT,
                    "usageRequirements": TEXT,
                    "prefetch": {"type": "object", "additionalProperties": TEXT},
                },
            )
        )
    }
)
