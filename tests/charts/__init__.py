"""Builders of FHIR R4 resources, one line each, coded as EHRs send them (US Core, mCODE)."""

from charts.fhir import Resource
from charts.findings import (
    disease_status,
    ecog,
    marker,
    noise,
    receptors,
    report,
    response,
    transcript,
)
from charts.people import condition, patient, problem, secondary
from charts.story import resources, with_dates
from charts.therapy import dispensed, given, order, procedure, service_request, stated

__all__ = [
    "Resource",
    "condition",
    "disease_status",
    "dispensed",
    "ecog",
    "given",
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
    "with_dates",
]
