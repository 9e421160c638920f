"""More patients than memory holds: read, sorted by patient on disk, assessed, merged by id.

Memory is that of the largest chart and of one file that is no NDJSON, for each process, whatever
the number of patients. The disk holds the resources once more, and then the answers.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property, partial
from operator import attrgetter
from pathlib import Path
from typing import TextIO

from cds_service import heap
from cds_service.batch.charts import assess_charts
from cds_service.batch.crew import Crew, crew_of, ways, working_folder
from cds_service.batch.tally import Tally, shown_on
from cds_service.clinical.assessment import Assessment
from cds_service.errors import BatchStopped, UnreadableInput
from cds_service.fhir.bundles import Problem, RawResource
from cds_service.fhir.charts import left_out
from cds_service.fhir.files import nobody_in
from cds_service.fhir.frames import Frame, read_frames
from cds_service.fhir.lookups import write_names, write_shared
from cds_service.fhir.pieces import Inputs, Piece, PieceRead, ProblemsByFile, cut
from cds_service.fhir.scattering import (
    NO_NAMES,
    Scattered,
    Workshop,
    charts_in,
    scatter,
    survey,
)
from cds_service.knowledge.model import Knowledge

_PARTITIONS = 16
"""Partitions for each process, at the least, so that all end at about the same time."""
_PARTITION = 2**20
"""Bytes of a partition, as long as there are no more than so many."""
_MOST_PARTITIONS = 1_024


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for. `load` and `render` stand at the top of a module.

    `render` makes of an Assessment what is written of it.
    """

    as_of: date
    load: Callable[[], Knowledge]
    render: Callable[[Assessment], bytes]


def assess_many(
    inputs: Inputs,
    order: Order,
    write: Callable[[bytes], object],
    *,
    processes: int,
    terminal: TextIO | None = None,
    piece: int | None = None,
) -> None:
    """Write what is said of each patient, in order of id, once all have been assessed.

    `piece`: bytes of a file that are read at a time, where they are not to be as it fits.
    `terminal` is where progress is shown.

    Raises UnreadableInput before anything is written, and BatchStopped where there is no room for
    temporary files.
    """
    order.load()  # before the processes are made, which then have it
    heap.settle()
    with working_folder() as folder:
        workshop = Workshop(folder, _partitions(inputs.expected, processes))
        context = ways()
        tally = Tally(context)
        make = partial(_Assessor, order, workshop, tally)
        with _said_of_disk():
            workshop.make()
            inputs.spool(folder)
            with crew_of(processes, make, folder, context) as crew, shown_on(terminal, tally):
                pieces = list(cut(inputs.files, processes, piece))
                problems = _read(inputs, pieces, workshop, crew, tally)
                _assess(workshop, crew, tally, problems)
        files = [workshop.answers_of(partition) for partition in range(workshop.partitions)]
        answers = (read_frames(file) for file in files if file.exists())
        for frame in heapq.merge(*answers, key=attrgetter("key")):
            write(frame.body)


def _partitions(size: int, processes: int) -> int:
    return max(processes * _PARTITIONS, min(_MOST_PARTITIONS, size // _PARTITION))


@contextmanager
def _said_of_disk() -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        raise BatchStopped(
            f"temporary files cannot be written ({fault.strerror}): TMPDIR may name a folder "
            "with room for all resources"
        ) from None


class _Assessor:
    """What a process has at hand."""

    def __init__(self, order: Order, workshop: Workshop, tally: Tally) -> None:
        self.order, self.workshop, self.tally = order, workshop, tally
        self.knowledge = order.load()
        heap.settle()
        self._names = NO_NAMES

    @property
    def names(self) -> Mapping[str, str]:
        """Names by address, from when they have been surveyed."""
        if self._names is NO_NAMES:
            self._names = self.workshop.names()
        return self._names

    @cached_property
    def shared(self) -> Mapping[str, RawResource]:
        """The shared resources; asked for only once all are there."""
        return self.workshop.shared()


def _read(
    inputs: Inputs,
    pieces: Sequence[Piece],
    workshop: Workshop,
    crew: Crew[_Assessor],
    tally: Tally,
) -> tuple[Problem, ...]:
    """Sort everything by patient; what could not be read, or given to a patient."""
    total = sum(piece.size for piece in pieces)
    tally.begin("reading", total)
    found = _scatter_all(pieces, crew)
    if found is None:
        tally.begin("reading addresses", total)
        by_file = ProblemsByFile()
        surveyed = crew.each(_survey, pieces)
        for piece in pieces:
            with _said_in_order(by_file, piece):
                by_file.add(piece, next(surveyed))
        by_file.problems()
        frames = _frames(workshop.addresses_in(piece.number) for piece in pieces)
        write_names(workshop.names_file, frames)
        workshop.begin_again()
        tally.begin("reading again", total)
        found = _scatter_all(pieces, crew) or []
    by_file = ProblemsByFile()
    homeless: Counter[str] = Counter()
    for piece, scattered in zip(pieces, found, strict=True):
        by_file.add(piece, scattered.read)
        homeless.update(scattered.homeless)
    problems = by_file.problems()
    if inputs.fault is not None:
        raise inputs.fault
    if not any(scattered.is_anybody for scattered in found):
        raise nobody_in(inputs.asked)
    frames = _frames(workshop.shared_in(piece.number) for piece in pieces)
    write_shared(workshop.shared_file, frames)
    return problems + left_out(homeless)


def _scatter_all(pieces: Sequence[Piece], crew: Crew[_Assessor]) -> list[Scattered] | None:
    """What was found in each piece; None where addresses have to be known first."""
    found: list[Scattered] = []
    needs_names = False
    by_file = ProblemsByFile()
    results = crew.each(_scatter, pieces)
    for piece in pieces:
        try:
            with _said_in_order(by_file, piece):
                scattered = next(results)
                needs_names = needs_names or scattered.needs_names
                if not needs_names:
                    by_file.add(piece, scattered.read)
                found.append(scattered)
        except UnreadableInput:
            if not needs_names:  # else an earlier file may be at fault: the survey will tell
                raise
    return None if needs_names else found


@contextmanager
def _said_in_order(by_file: ProblemsByFile, piece: Piece) -> Iterator[None]:
    """If this piece cannot be read, what was wrong with earlier files is said first."""
    try:
        yield
    except UnreadableInput:
        by_file.end_before(piece)
        raise


def _frames(files: Iterable[Path]) -> Iterator[Frame]:
    """All records of the files, which are removed."""
    for file in files:
        if file.exists():
            yield from read_frames(file)
            file.unlink()


def _assess(
    workshop: Workshop, crew: Crew[_Assessor], tally: Tally, problems: tuple[Problem, ...]
) -> None:
    """Have each partition assessed, the longest first, so that all end at about the same time."""
    sizes = {
        partition: sum(file.stat().st_size for file in workshop.files_of(partition))
        for partition in range(workshop.partitions)
    }
    tally.begin("assessing", sum(sizes.values()))
    longest_first = sorted((p for p, size in sizes.items() if size), key=sizes.__getitem__)[::-1]
    for _ in crew.each(_answer, [_Partition(p, problems) for p in longest_first]):
        pass


@dataclass(frozen=True, slots=True)
class _Partition:
    number: int
    problems: tuple[Problem, ...]


def _scatter(own: _Assessor, piece: Piece) -> Scattered:
    scattered = scatter(piece, own.workshop, own.names)
    own.tally.add(piece.size)
    return scattered


def _survey(own: _Assessor, piece: Piece) -> PieceRead:
    read = survey(piece, own.workshop)
    own.tally.add(piece.size)
    return read


def _answer(own: _Assessor, partition: _Partition) -> None:
    """Assess the patients of a partition and write what is said of each."""
    charts = charts_in(own.workshop, partition.number, own.names, own.shared, partition.problems)
    order = own.order
    with open(own.workshop.answers_of(partition.number), "wb") as file:
        for chart in charts:
            (assessment,) = assess_charts([chart], order.as_of, own.knowledge)
            file.write(Frame(0, chart.patient, "", order.render(assessment)).packed())
            own.tally.add(sum(len(resource.raw) for resource in chart.resources), 1)
