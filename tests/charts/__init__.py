"""Builders of FHIR R4 resources, one line each, coded as EHRs send them (US Core, mCODE)."""

from charts.fhir import Resource
from charts.findings import (
    deauville,
    disease_status,
    ecog,
    fact,
    lesion,
    marker,
    noise,
    receptors,
    report,
    response,
    transcript,
    tumour,
    variant,
)
from charts.people import condition, patient, problem, secondary
from charts.story import resources, with_dates
from charts.therapy import dispensed, given, order, procedure, service_request, stated

__all__ = [
    "Resource",
    "condition",
    "deauville",
    "disease_status",
    "dispensed",
    "ecog",
    "fact",
    "given",
    "lesion",
    "marker",
    "noise",
    "order",
    "patient",
    "problem",
    "procedure",
    "receptors",
    "report",
    "resources",
    "response",
    "secondary",
    "service_request",
    "stated",
    "transcript",
    "tumour",
    "variant",
    "with_dates",
]
