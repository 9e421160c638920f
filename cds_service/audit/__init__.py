"""The decision log: what was asked, returned and why, kept so that a change to it can be found."""

from cds_service.audit.card_names import CardSubject
from cds_service.audit.decided import (
    AdviceDecided,
    CancerDecided,
    CardReturned,
    LineDecided,
    MissingInput,
    Outcome,
    Unmet,
)
from cds_service.audit.decision import (
    AsOf,
    AsOfSource,
    Decision,
    User,
    Versions,
    decision_event,
    patient_of,
)
from cds_service.audit.entries import (
    Feedback,
    delivery_event,
    feedback_event,
    refusal_event,
    service_started_event,
    service_stopped_event,
)
from cds_service.audit.events import Call, Client, Event, EventType
from cds_service.audit.inputs import Input, Origin
from cds_service.audit.log import DecisionLog, Limits, Spooling, open_decision_log
from cds_service.audit.memory import Remembered, Sought
from cds_service.audit.pieces import Passage, Pieces
from cds_service.audit.signing import Signing
from cds_service.audit.spool_draining import SpoolLimits
from cds_service.audit.store import Recorded

__all__ = [
    "AdviceDecided",
    "AsOf",
    "AsOfSource",
    "Call",
    "CancerDecided",
    "CardReturned",
    "CardSubject",
    "Client",
    "Decision",
    "DecisionLog",
    "Event",
    "EventType",
    "Feedback",
    "Input",
    "Limits",
    "LineDecided",
    "MissingInput",
    "Origin",
    "Outcome",
    "Passage",
    "Pieces",
    "Recorded",
    "Remembered",
    "Signing",
    "Sought",
    "SpoolLimits",
    "Spooling",
    "Unmet",
    "User",
    "Versions",
    "decision_event",
    "delivery_event",
    "feedback_event",
    "open_decision_log",
    "patient_of",
    "refusal_event",
    "service_started_event",
    "service_stopped_event",
]
