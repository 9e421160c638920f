"""`refractory-cds assess`: charts from files or from a FHIR server → one Assessment a patient."""

from __future__ import annotations

import asyncio
import io
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from uuid import uuid4

import stamina

from cds_service.batch import assess_charts, with_issues
from cds_service.batch.crew import cores
from cds_service.batch.many import Order, assess_many
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
from cds_service.fhir.pieces import list_inputs
from cds_service.fhir.pointed_at import fetch_pointed_at
from cds_service.fhir.queries import KEYS, fetch_missing
from cds_service.report import Page, patient_report

SECONDS = 60.0
"""Time for one patient's chart from a FHIR server: nobody waits for it with a chart open."""
CONNECT_SECONDS = 5.0
SMALL = 4 * 2**20
"""Bytes of input up to which everything is done in memory, by this process."""

_RAW_CONTROL = re.compile(rb"\x7f|\xc2[\x80-\x9f]")


def assess_files(
    paths: Sequence[str],
    as_of: date,
    *,
    as_text: bool,
    explain: bool = False,
    processes: int | None = None,
) -> None:
    """Print every patient of these files, in order of id.

    What fits in memory is printed patient by patient; more is sorted by patient on disk first,
    and assessed by several processes. Raises UnreadableInput before anything is printed.
    """
    rendering = _rendering(as_text=as_text, explain=explain)
    with ExitStack() as closing:
        inputs = list_inputs(paths, SMALL, closing)
        if inputs.streams or inputs.expected > SMALL:
            order = Order(as_of, knowledge_in_use, rendering)
            terminal = sys.stderr if sys.stderr.isatty() else None
            count = processes or cores()
            write = _writer(rendering)
            assess_many(inputs, order, write, processes=count, terminal=terminal)
            return
    charts = read_charts(paths, held=inputs.held)
    _print(assess_charts(charts, as_of, knowledge_in_use()), rendering)


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
    _print(told, _rendering(as_text=as_text, explain=explain))


@dataclass(frozen=True, slots=True)
class Rendering:
    """What is written of an Assessment, in any process: a line of JSON, or text of this width."""

    as_text: bool
    explain: bool
    width: int = 0
    is_terminal: bool = False

    def __call__(self, assessment: Assessment) -> bytes:
        if not self.as_text:
            return _json_line(assessment, explain=self.explain)
        screen = _Screen(is_terminal=self.is_terminal)
        report = patient_report(assessment, knowledge_in_use(), explain=self.explain)
        Page(screen, width=self.width).print(report, "")
        return screen.getvalue().encode()


class _Screen(io.StringIO):
    """Text in memory that takes colour where the output itself would."""

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


def _rendering(*, as_text: bool, explain: bool) -> Rendering:
    if not as_text:
        return Rendering(as_text, explain)
    page = Page()  # of the output itself, which it also makes ready for any character
    return Rendering(as_text, explain, page.width, sys.stdout.isatty())


def _print(assessments: Iterable[Assessment], rendering: Rendering) -> None:
    write = _writer(rendering)
    for assessment in assessments:
        write(rendering(assessment))
        sys.stdout.flush()


def _writer(rendering: Rendering) -> Callable[[bytes], object]:
    """How it gets to the output: text in the output's own encoding, JSON as it is."""
    if rendering.as_text:
        return lambda said: sys.stdout.write(said.decode())
    return sys.stdout.buffer.write


def _json_line(assessment: Assessment, *, explain: bool) -> bytes:
    """The controls that JSON leaves as they are cannot reach a terminal."""
    said = to_bytes(assessment, explain=explain)
    line = _RAW_CONTROL.sub(lambda found: b"\\u%04x" % ord(found[0].decode()), said)
    return line + b"\n"


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
