"""The first stage: FHIR resources of one patient → a `Record` in words of oncology, and issues."""

from cds_service.clinical.record.drafts import DraftDrug, Drafts, is_worth_asking, read_drafts
from cds_service.clinical.record.read import AnyResource, RawResource, read_record
from cds_service.clinical.record.record import (
    Cancer,
    Caution,
    CautionKind,
    Doubt,
    Event,
    Exposure,
    Fact,
    Issue,
    Lesion,
    Measurement,
    Patient,
    Record,
    Request,
    Statement,
    Withheld,
)

__all__ = [
    "AnyResource",
    "Cancer",
    "Caution",
    "CautionKind",
    "Doubt",
    "DraftDrug",
    "Drafts",
    "Event",
    "Exposure",
    "Fact",
    "Issue",
    "Lesion",
    "Measurement",
    "Patient",
    "RawResource",
    "Record",
    "Request",
    "Statement",
    "Withheld",
    "is_worth_asking",
    "read_drafts",
    "read_record",
]
