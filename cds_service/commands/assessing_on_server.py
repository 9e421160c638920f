"""`refractory-cds assess` of a patient on a FHIR server: what is there of them → one Assessment."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path

from cds_service.batch import assess_charts, with_issues
from cds_service.clinical.record import Issue
from cds_service.commands.assessing import print_all, rendering_of
from cds_service.commands.setting import knowledge_in_use, read_settings
from cds_service.errors import FhirError, InvalidRequest, UnreadableInput
from cds_service.fhir.at_terminal import SECONDS, client_at_terminal
from cds_service.fhir.charts import Chart, chart_of
from cds_service.fhir.client import FhirClient
from cds_service.fhir.pointed_at import fetch_pointed_at
from cds_service.fhir.queries import KEYS, fetch_missing


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
    try:
        client = client_at_terminal(base, token_file, read_settings().fhir_credentials_file)
        chart, missed = asyncio.run(_fetch(client, patient_id.removeprefix("Patient/")))
    except (FhirError, InvalidRequest) as fault:
        raise UnreadableInput(f"{base}: {fault}") from None
    assessed = assess_charts([chart], as_of, knowledge_in_use())
    told = (with_issues(assessment, missed) for assessment in assessed)
    print_all(told, rendering_of(as_text=as_text, explain=explain))


async def _fetch(client: FhirClient, patient_id: str) -> tuple[Chart, list[Issue]]:
    """The chart, and what the server would not give of it."""
    async with client:
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
