"""`refractory-cds assess` of a patient on a FHIR server: what is there of them → one Assessment."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path
from uuid import uuid4

import stamina

from cds_service.batch import assess_charts, with_issues
from cds_service.clinical.record import Issue
from cds_service.commands.assessing import print_all, rendering_of
from cds_service.commands.setting import knowledge_in_use, read_settings
from cds_service.commands.tokens import read_token
from cds_service.errors import FhirError, InvalidRequest, UnreadableInput
from cds_service.fhir.allowed import AddressRules
from cds_service.fhir.assertions import TokenOfServer
from cds_service.fhir.charts import Chart, chart_of
from cds_service.fhir.client import FhirClient, FhirLimits, open_connections
from cds_service.fhir.credentials import open_credentials
from cds_service.fhir.links import BaseUrl
from cds_service.fhir.pointed_at import fetch_pointed_at
from cds_service.fhir.queries import KEYS, fetch_missing

SECONDS = 60.0
"""Time for one patient's chart from a FHIR server: nobody waits for it with a chart open."""
CONNECT_SECONDS = 5.0


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
    print_all(told, rendering_of(as_text=as_text, explain=explain))


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
