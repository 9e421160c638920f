"""What the demo prints: the stage, each chart with its cards, the balance and where to go next."""

from __future__ import annotations

import shutil
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from urllib.parse import urlencode

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule

from cds_service.demo.card_text import card_panel
from cds_service.demo.ehr import HOOK, Answer
from cds_service.demo.stories import Story
from cds_service.report import plain
from cds_service.version import __version__

SANDBOX = "https://sandbox.cds-hooks.org/"
OWN_SANDBOX = "http://localhost:8080/"
PROGRAM = "refractory-cds"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the two servers answer, which ports they had wished for, and the decision log."""

    service: str
    fhir: str
    log: Path
    wished: tuple[int, int]


@dataclass(slots=True)
class Tally:
    """What came of the charts."""

    charts: int
    cards: int = 0
    quiet: int = 0
    first_with_card: str = ""
    seconds: float = 0.0
    with_prefetch: list[float] = field(default_factory=list)
    without_prefetch: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    unlike: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not self.failed and not self.unlike

    def count(self, story: Story, given: Answer, read: Answer) -> None:
        """Take up both answers to one chart."""
        self.cards += len(given.cards)
        self.quiet += not given.cards
        if given.cards and not self.first_with_card:
            self.first_with_card = story.patient_id
        self.with_prefetch.append(given.milliseconds)
        self.without_prefetch.append(read.milliseconds)
        if given.without_ids != read.without_ids:
            self.unlike.append(story.patient_id)


def opening(addresses: Addresses, charts: int, today: date) -> RenderableType:
    """What is about to be seen, and where the servers are."""
    moved = [
        f"Port {port} is taken, so {what} is on {address.rpartition(':')[2]}."
        for what, port, address in zip(
            ("the service", "the FHIR server"),
            addresses.wished,
            (addresses.service, addresses.fhir),
            strict=True,
        )
        if not address.endswith(f":{port}")
    ]
    return Group(
        plain(f"refractory-cds {__version__}: {charts} invented patients, {today}", "bold"),
        plain(
            f"The service answers on {addresses.service}, a FHIR server with the charts on "
            f"{addresses.fhir}. Each chart is opened twice over HTTP (hook {HOOK}): with the data "
            "as prefetch, and without, so that the service reads the FHIR server itself."
        ),
        plain(
            f"The stories end on {today}, so the service's clock stands still on that day; the "
            "decision log says so (asOfSource fixed)."
        ),
        *(plain(said, "yellow") for said in moved),
    )


def chart_opened(
    story: Story, place: str, given: Answer, read: Answer, why_quiet: str
) -> RenderableType:
    """The story, the card or why there is none, and how the two calls went."""
    parts: list[RenderableType] = [*_story(story, place), ""]
    parts += [card_panel(card) for card in given.cards]
    if not given.cards:
        parts.append(plain(f"No card: {why_quiet}.", "bold"))
    if len(given.cards) != story.expected_cards:
        parts.append(plain(f"The story expects {story.expected_cards}.", "yellow"))
    is_same = given.without_ids == read.without_ids
    same = "the same answer" if is_same else "TWO DIFFERENT ANSWERS"
    said = f"{given.milliseconds:.0f} ms with prefetch, {read.milliseconds:.0f} ms without: {same}"
    parts.append(plain(said, "dim" if is_same else "bold red"))
    return Group(*parts)


def chart_that_failed(story: Story, place: str, why: str) -> RenderableType:
    """The story, and what went wrong instead of an answer."""
    return Group(*_story(story, place), "", plain(f"FAILED: {why}", "bold red"))


def closing(tally: Tally) -> RenderableType:
    """The balance."""
    said = (
        f"{tally.charts} charts opened twice in {tally.seconds:.1f} s: {tally.cards} cards, "
        f"{tally.quiet} charts without one. Median answer {_median(tally.with_prefetch)} with "
        f"prefetch, {_median(tally.without_prefetch)} where the service read the chart itself."
    )
    parts: list[RenderableType] = [Rule(style="dim"), plain(said, "bold")]
    for what, patients in (
        ("Failed", tally.failed),
        ("Two different answers", tally.unlike),
    ):
        if patients:
            parts.append(plain(f"{what}: {', '.join(patients)}", "bold red"))
    if tally.is_good:
        parts.append(plain("Every chart gave the same cards both ways.", "green"))
    return Group(*parts)


def _story(story: Story, place: str) -> tuple[RenderableType, ...]:
    title = plain(f"{place}  {story.title}", "bold")
    lines = plain("\n".join(story.lines), "italic", is_of_lines=True)
    return (
        Rule(title.append_text(plain(f"  {story.patient_id}", "dim")), align="left", style="dim"),
        Padding(lines, (0, 0, 0, 2)),
    )


def where_next(addresses: Addresses, patient_id: str) -> Iterator[str]:
    """Where to go on, a line each, to be copied whole."""
    base, discovery = addresses.service, f"{addresses.service}/cds-services"
    parameters = {
        "fhirServiceUrl": addresses.fhir,
        "serviceDiscoveryURL": discovery,
        "patientId": patient_id,
        "hook": HOOK,
        "screen": HOOK,  # the Sandbox remembers the last one, and calls that one's services
    }
    for name, where in (
        ("Discovery", discovery),
        ("API", f"{base}/docs"),
        ("Metrics", f"{base}/metrics"),
        ("FHIR server", addresses.fhir),
        ("Decision log", f"{_program()} audit list --db {addresses.log}"),
        ("Sandbox", f"{SANDBOX}?{urlencode(parameters)}"),
        ("or your own", f"{OWN_SANDBOX}?{urlencode(parameters)}"),
        ("", "(the CDS Hooks Sandbox in a browser: docs/sandbox.md)"),
    ):
        yield f"{name:13} {where}"


def _program() -> str:
    """How this program is called here: by its name where the shell finds it, else by its path."""
    if shutil.which(PROGRAM):
        return PROGRAM
    path = Path(sys.argv[0])
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path) if path.name == PROGRAM else PROGRAM


def _median(milliseconds: list[float]) -> str:
    return f"{statistics.median(milliseconds):.0f} ms" if milliseconds else "-"
