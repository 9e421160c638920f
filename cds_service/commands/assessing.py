"""`refractory-cds assess` of files: charts → one Assessment a patient."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date

from cds_service.batch import assess_charts
from cds_service.batch.crew import cores
from cds_service.batch.many import Order, assess_many
from cds_service.clinical.assessment import Assessment
from cds_service.clinical.assessment_json import to_bytes
from cds_service.commands.setting import knowledge_in_use
from cds_service.fhir.files import read_charts
from cds_service.fhir.pieces import list_inputs

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
    rendering = rendering_of(as_text=as_text, explain=explain)
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
    print_all(assess_charts(charts, as_of, knowledge_in_use()), rendering)


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
        from cds_service.report import Page, patient_report

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


def rendering_of(*, as_text: bool, explain: bool) -> Rendering:
    """What is to be written, and how wide."""
    if not as_text:
        return Rendering(as_text, explain)
    from cds_service.report import Page  # its library takes as long to load as the engine

    page = Page()  # of the output itself, which it also makes ready for any character
    return Rendering(as_text, explain, page.width, sys.stdout.isatty())


def print_all(assessments: Iterable[Assessment], rendering: Rendering) -> None:
    """Print each as soon as it is there."""
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
