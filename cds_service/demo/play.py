"""`refractory-cds demo`: the charts of the fixture patients, opened through the real hook."""

from __future__ import annotations

import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from cds_service import assess
from cds_service.app import create_app
from cds_service.commands.listening import address_of
from cds_service.commands.setting import read_settings
from cds_service.demo.ehr import Ehr
from cds_service.demo.fhir_server import create_fhir_app
from cds_service.demo.http_calls import Caller, CallFailed
from cds_service.demo.programme import (
    Addresses,
    Tally,
    chart_opened,
    chart_that_failed,
    closing,
    opening,
    where_next,
)
from cds_service.demo.stage import listen_near, running
from cds_service.demo.stories import Story, read_stories
from cds_service.fhir.bundles import unpack
from cds_service.operations_log import set_up
from cds_service.report import Page, plain, why_no_card

if TYPE_CHECKING:
    from fastapi import FastAPI
    from rich.console import RenderableType

SERVICE_PORT = 8000
FHIR_PORT = 8001


def play(*, once: bool, keep_log: bool = False) -> int:
    """Open every fixture chart twice and print its cards; then serve, unless `once`.

    The exit code: 1 where a call failed, or where the cards depended on who read the chart.
    """
    stories = read_stories()
    page = Page()
    set_up("warning")
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, _interrupt)
    today = max(story.as_of for story in stories)
    with _stage(stories, today, keep_log=keep_log) as addresses:
        page.print(opening(addresses, len(stories), today), "")
        tally = _open_all(stories, today, addresses, page)
        page.print(closing(tally), "")
        if once:
            page.print(plain("Both servers stop now; without --once they stay, here:", "dim"))
        for line in where_next(addresses, tally.first_with_card or stories[0].patient_id):
            page.print_whole(line)
        if not keep_log:
            page.print(plain("At the end the log is removed, unless --keep-log is given.", "dim"))
        if not once:
            with suppress(KeyboardInterrupt):
                page.print("", plain("Serving until Ctrl-C.", "bold"))
                threading.Event().wait()
    if not once:
        page.print(plain("Stopped."))
    return 0 if tally.is_good else 1


@contextmanager
def _stage(stories: Sequence[Story], today: date, *, keep_log: bool) -> Iterator[Addresses]:
    """Both servers, with a decision log of their own, until the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="refractory-cds-demo-"))
    log = folder / "decisions.db"
    fhir_app = create_fhir_app(story.bundle for story in stories)
    sockets: tuple[socket.socket, ...] = (listen_near(SERVICE_PORT), listen_near(FHIR_PORT))
    try:
        with (
            running(_service(log, today, address_of(sockets[0])), sockets[0]) as service,
            running(fhir_app, sockets[1]) as fhir,
        ):
            yield Addresses(service, fhir, log, (SERVICE_PORT, FHIR_PORT))
    finally:
        if not keep_log:
            shutil.rmtree(folder, ignore_errors=True)


def _service(log: Path, today: date, address: str) -> FastAPI:
    """The service as it is, but for its clock: the stories end on a certain day."""
    settings = read_settings().model_copy(
        update={
            "audit_db": log,
            "audit_url": None,
            "audit_key_file": None,
            "audit_data_key_file": None,
            "audit_signing_key_file": None,
            "audit_anchor_file": None,
            "allow_loopback": True,
            "fhir_servers": (),
            "public_url": address,
            "jwt": "off",
            "calls_a_minute": None,
        }
    )
    noon = datetime.combine(today, time_of_day(12), UTC)
    return create_app(settings, clock=lambda: noon, day_from="fixed")


def _open_all(stories: Sequence[Story], today: date, addresses: Addresses, page: Page) -> Tally:
    tally = Tally(charts=len(stories))
    began = time.perf_counter()
    with Caller(addresses.service) as service, Caller(addresses.fhir) as fhir:
        ehr = Ehr(service, fhir)
        for number, story in enumerate(stories, 1):
            place = f"{number}/{len(stories)}"
            try:
                page.print(_open(story, today, place, ehr, tally), "")
            except CallFailed as failure:
                tally.failed.append(story.patient_id)
                page.print(chart_that_failed(story, place, str(failure)), "")
    tally.seconds = time.perf_counter() - began
    return tally


def _open(story: Story, today: date, place: str, ehr: Ehr, tally: Tally) -> RenderableType:
    given = ehr.open_chart(story.patient_id, with_prefetch=True)
    read = ehr.open_chart(story.patient_id, with_prefetch=False)
    tally.count(story, given, read)
    why_quiet = "" if given.cards else _why_quiet(story, today)
    return chart_opened(story, place, given, read, why_quiet)


def _why_quiet(story: Story, today: date) -> str:
    """The service does not say why it says nothing; the same assessment, made here, does."""
    resources = unpack(story.bundle).resources
    return why_no_card(assess(resources, today, patient=f"Patient/{story.patient_id}"))


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
