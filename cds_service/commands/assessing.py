"""`refractory-cds assess`: charts from files or from a FHIR server → one Assessment a patient."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from itertools import chain
from pathlib import Path

import stamina

from cds_service import shipped_knowledge
from cds_service.batch import assess_charts
from cds_service.clinical.assessment import Assessment
from cds_service.clinical.assessment_json import to_bytes
from cds_service.commands.tokens import read_token
from cds_service.fhir.bundles import Problem
from cds_service.fhir.charts import Chart, chart_of
from cds_service.fhir.client import FhirClient, FhirLimits
from cds_service.fhir.files import read_charts
from cds_service.fhir.queries import KEYS, Fetched, fetch_medications, fetch_missing
from cds_service.report import Page, patient_report

SECONDS = 60.0
"""Time for one patient's chart from a FHIR server: nobody waits for it with a chart open."""

_NOT_ASCII_CONTROL = re.compile(rb"\x7f|\xc2[\x80-\x9f]")


def charts_from_files(paths: Sequence[str]) -> Iterator[Chart]:
    """The charts of these files; what makes them unreadable is raised here, not later."""
    charts = read_charts(paths)
    return chain([next(charts)], charts)


def chart_from_server(base: str, patient_id: str, token_file: Path | None = None) -> Chart:
    """One patient's chart from a FHIR server; raises UsageError or FhirError."""
    stamina.instrumentation.set_on_retry_hooks(())  # a second try is no news at a terminal
    return asyncio.run(_fetch(base, patient_id, read_token(token_file)))


def print_assessments(charts: Iterable[Chart], as_of: date, *, as_text: bool) -> None:
    """Every patient as soon as it is assessed."""
    knowledge = shipped_knowledge()
    write = _text_writer() if as_text else _write_json
    for assessment in assess_charts(charts, as_of, knowledge):
        write(assessment)


def _text_writer() -> Callable[[Assessment], None]:
    page = Page()
    knowledge = shipped_knowledge()
    return lambda assessment: page.print(patient_report(assessment, knowledge), "")


def _write_json(assessment: Assessment) -> None:
    """One line; the controls that JSON leaves as they are cannot reach a terminal."""
    line = _NOT_ASCII_CONTROL.sub(
        lambda found: b"\\u%04x" % ord(found[0].decode()), to_bytes(assessment)
    )
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


async def _fetch(base: str, patient_id: str, token: str | None) -> Chart:
    limits = FhirLimits(seconds=SECONDS, connect_seconds=5.0)
    async with FhirClient(base, token, limits=limits) as client:
        until = asyncio.get_running_loop().time() + SECONDS
        fetched = await fetch_missing(client, patient_id, KEYS, until)
        if fetched.failure is not None:
            raise fetched.failure
        resources = [r for found in fetched.resources.values() for r in found]
        medications = await fetch_medications(client, resources, until)
    resources += [r for found in medications.resources.values() for r in found]
    chart = chart_of(patient_id, resources)
    problems = (*chart.problems, *_missed(fetched), *_missed(medications))
    return Chart(chart.patient, chart.resources, problems)


def _missed(fetched: Fetched) -> Iterator[Problem]:
    """What the server did not give, or gave broken; the assessment does without and says so."""
    yield from fetched.problems
    for key, error in fetched.errors.items():
        yield Problem(key, f"not read: {error}")
