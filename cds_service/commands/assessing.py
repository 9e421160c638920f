"""`refractory-cds assess`: charts from files or from a FHIR server → one Assessment a patient."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from uuid import uuid4

import stamina

from cds_service.batch import assess_charts, with_issues
from cds_service.clinical.assessment import Assessment
from cds_service.clinical.assessment_json import to_bytes
from cds_service.clinical.record import Issue
from cds_service.commands.setting import knowledge_in_use, read_settings
from cds_service.commands.tokens import read_token
from cds_service.errors import FhirError, InvalidRequest, UnreadableInput
from cds_service.fhir.allowed import AddressRules
from cds_service.fhir.assertions import TokenOfServer
from cds_service.fhir.charts import Chart, chart_of
from cds_service.fhir.client import FhirClient, FhirLimits, open_connections
from cds_service.fhir.credentials import open_credentials
from cds_service.fhir.files import read_charts
from cds_service.fhir.links import BaseUrl
from cds_service.fhir.pointed_at import fetch_pointed_at
from cds_service.fhir.queries import KEYS, fetch_missing
from cds_service.report import Page, patient_report

SECONDS = 60.0
"""Time for one patient's chart from a FHIR server: nobody waits for it with a chart open."""
CONNECT_SECONDS = 5.0

_RAW_CONTROL = re.compile(rb"\x7f|\xc2[\x80-\x9f]")


def assess_files(
    paths: Sequence[str], as_of: date, *, as_text: bool, explain: bool = False
) -> None:
    """Print every patient of these files, each as soon as it is assessed.

    Raises UnreadableInput before anything is printed.
    """
    assessed = assess_charts(read_charts(paths), as_of, knowledge_in_use())
    _print(assessed, as_text=as_text, explain=explain)


def assess_on_server(
    base: str,
    patient_id: str,
    token_file: Path | None,
    as_of: date,
    *,
    as_text: bool,
    explain: bool = False,
) -> None:
    """Print one patient of a FHIR server; raises UnreadableInput with its address."""
    stamina.instrumentation.set_on_retry_hooks(())  # a second try is no news at a terminal
    token = read_token(token_file)
    try:
        chart, missed = asyncio.run(_fetch(base, patient_id.removeprefix("Patient/"), token))
    except (FhirError, InvalidRequest) as fault:
        raise UnreadableInput(f"{base}: {fault}") from None
    assessed = assess_charts([chart], as_of, knowledge_in_use())
    told = (with_issues(assessment, missed) for assessment in assessed)
    _print(told, as_text=as_text, explain=explain)


def _print(assessments: Iterable[Assessment], *, as_text: bool, explain: bool) -> None:
    write = _text_writer(explain=explain) if as_text else partial(_write_json, explain=explain)
    for assessment in assessments:
        write(assessment)


def _text_writer(*, explain: bool) -> Callable[[Assessment], None]:
    page = Page()
    knowledge = knowledge_in_use()
    return lambda a: page.print(patient_report(a, knowledge, explain=explain), "")


def _write_json(assessment: Assessment, *, explain: bool) -> None:
    """One line; the controls that JSON leaves as they are cannot reach a terminal."""
    said = to_bytes(assessment, explain=explain)
    line = _RAW_CONTROL.sub(lambda found: b"\\u%04x" % ord(found[0].decode()), said)
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


async def _fetch(base: str, patient_id: str, token: str | None) -> tuple[Chart, list[Issue]]:
    """The chart, and what the server would not give of it."""
    limits = FhirLimits(seconds=SECONDS, connect_seconds=CONNECT_SECONDS)
    own = None if token else _own_token(base)
    async with FhirClient(base, token or own, limits=limits) as client:
        until = asyncio.get_running_loop().time() + SECONDS
        fetched = await fetch_missing(client, patient_id, KEYS, until)
        if fetched.failure is not None:
            raise fetched.failure
        resources = [r for found in fetched.resources.values() for r in found]
        pointed_at = await fetch_pointed_at(client, resources, until)
    resources += [r for found in pointed_at.resources.values() for r in found]
    chart = chart_of(patient_id, resources)
    problems = (*chart.problems, *fetched.problems, *pointed_at.problems)
    missed = {**fetched.errors, **pointed_at.errors}
    issues = [Issue("warning", "not-read", key, str(error)) for key, error in missed.items()]
    return Chart(chart.patient, chart.resources, problems), issues


def _own_token(base: str) -> TokenOfServer | None:
    """The service's own access to this server, where the credentials file names it."""
    file = read_settings().fhir_credentials_file
    if file is None:
        return None
    try:
        address = BaseUrl.parse(base)
    except ValueError:
        return None  # the client says what is wrong with it
    rules = AddressRules.listed([base], loopback_ok=True)
    own = open_credentials(file, rules, open_connections(), new_id=lambda: str(uuid4()))
    return own.of(address)
