"""Files of any size as pieces that several processes can read side by side."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import BinaryIO

from cds_service.errors import UnreadableInput
from cds_service.fhir.bundles import Problem, RawResource
from cds_service.fhir.files import (
    LARGEST_FILE,
    MOST_PROBLEMS,
    STANDARD_INPUT,
    Noted,
    Reading,
    files_of,
    has_lines,
    is_gzip,
    nothing_readable,
    shown,
    starts_with_a_line,
    told,
)

GZIP_RATIO = 15
"""How much longer FHIR JSON is than its gzip, as a rule; only the amount of work is told by it."""
LONGEST_FIRST_LINE = 16 * 2**20
"""Bytes of a first line by which a file is told to have a document a line."""

_SHORTEST, _LONGEST = 256 * 2**10, 32 * 2**20
"""Bytes of a piece."""
_ROUNDS = 2
"""A piece is so small a part of each process's share of what is left."""


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file as it was asked for, where its bytes are, and how many; `expected` once unzipped."""

    path: str
    place: str
    size: int
    expected: int
    is_plain: bool


@dataclass(slots=True)
class Inputs:
    """What is to be read, in order, as far as it could be listed; `fault` is where that ended.

    `held`: streams that ended within the limit, and are in memory. `streams`: those that go on,
    with what was read of them.
    """

    asked: tuple[str, ...]
    files: list[InputFile] = field(default_factory=list)
    fault: UnreadableInput | None = None
    held: dict[str, bytes] = field(default_factory=dict)
    streams: dict[str, tuple[bytes, BinaryIO]] = field(default_factory=dict)

    @property
    def expected(self) -> int:
        """Bytes of all files once unzipped, roughly."""
        return sum(file.expected for file in self.files)

    def spool(self, folder: Path) -> None:
        """Put the streams into files, so that they can be read in pieces and more than once."""
        for number, file in enumerate(self.files):
            if file.path in self.held or file.path in self.streams:
                place = folder / f"stream-{number}"
                with open(place, "wb") as out:
                    out.write(self.held.pop(file.path, b""))
                    begun, rest = self.streams.pop(file.path, (b"", None))
                    out.write(begun)
                    if rest is not None:
                        shutil.copyfileobj(rest, out, 2**20)
                self.files[number] = _file(file.path, str(place))


def list_inputs(paths: Iterable[str], small: int, closing: ExitStack) -> Inputs:
    """The files behind the paths; of streams, at most `small` bytes and one more are read.

    `closing` closes the streams that go on. What cannot be listed is kept as `fault`, because
    what comes before it may be at fault first.
    """
    inputs = Inputs(tuple(paths))
    try:
        for path in files_of(inputs.asked):
            try:
                if path == STANDARD_INPUT or not stat.S_ISREG(os.stat(path).st_mode):
                    _begin_stream(inputs, path, small, closing)
                else:
                    inputs.files.append(_file(path, path))
            except OSError:  # said when it is read, in its turn
                inputs.files.append(InputFile(path, path, 0, 0, is_plain=False))
    except UnreadableInput as fault:
        inputs.fault = fault
    return inputs


def _begin_stream(inputs: Inputs, path: str, small: int, closing: ExitStack) -> None:
    source: BinaryIO = sys.stdin.buffer
    if path != STANDARD_INPUT:
        source = closing.enter_context(open(path, "rb"))  # noqa: SIM115 - closed by `closing`
    begun = source.read(small + 1)
    if len(begun) > small:
        inputs.streams[path] = (begun, source)
    else:
        inputs.held[path] = begun
    inputs.files.append(InputFile(path, path, len(begun), len(begun), is_plain=False))


def _file(path: str, place: str) -> InputFile:
    size, zipped = os.stat(place).st_size, is_gzip(place)
    return InputFile(path, place, size, size * GZIP_RATIO if zipped else size, not zipped)


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a file, or all of it where `end` is None; `number` is its place among all pieces."""

    number: int
    file: InputFile
    start: int = 0
    end: int | None = None

    @property
    def size(self) -> int:
        return self.file.size if self.end is None else self.end - self.start

    def begin(self) -> Reading:
        """The reading of it, which counts lines from the beginning of the piece."""
        return Reading(self.file.path, self.file.place)

    def resources(self, reading: Reading) -> Iterator[RawResource]:
        """Its resources; raises UnreadableInput with the name of the file."""
        if self.end is None:
            return reading.resources(None, LARGEST_FILE)
        return reading.resources_between(self.start, self.end, LARGEST_FILE)


def cut(files: Sequence[InputFile], processes: int, length: int | None = None) -> Iterator[Piece]:
    """The files in pieces, for so many processes: plain files of lines are cut, others are whole.

    Pieces grow shorter towards the end, so that all processes end at about the same time.
    `length`: bytes of each piece instead.
    """
    left = sum(file.size for file in files)
    numbers = count()
    for file in files:
        most = length or _fair(left, processes)
        if not (file.is_plain and file.size > most and _is_of_lines(file)):
            yield Piece(next(numbers), file)
            left -= file.size
            continue
        start = 0
        while start < file.size:
            end = min(start + (length or _fair(left, processes)), file.size)
            yield Piece(next(numbers), file, start, end)
            left, start = left - (end - start), end


def _fair(left: int, processes: int) -> int:
    """Bytes of a piece where so many are left to all."""
    return max(_SHORTEST, min(_LONGEST, left // (processes * _ROUNDS)))


def _is_of_lines(file: InputFile) -> bool:
    return has_lines(file.path) or starts_with_a_line(file.place, LONGEST_FIRST_LINE)


@dataclass(frozen=True, slots=True)
class PieceRead:
    """What reading a piece found besides resources."""

    lines: int
    documents: int
    noted: tuple[Noted, ...]
    untold: int

    @classmethod
    def of(cls, reading: Reading) -> PieceRead:
        return cls(reading.lines, reading.documents, tuple(reading.noted), reading.untold)


class ProblemsByFile:
    """Joins what was found in the pieces, which come in their order, as if read in one go."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []
        self._file: InputFile | None = None
        self._begin(None)

    def add(self, piece: Piece, read: PieceRead) -> None:
        """Raises UnreadableInput where a file of lines had none that could be read."""
        if piece.file is not self._file:
            self._end()
            self._begin(piece.file)
        for noted in read.noted:
            line = noted.line + self._lines if noted.line else 0
            if len(self._noted) < MOST_PROBLEMS:
                self._noted.append(Noted(line, noted.within, noted.what, noted.code))
            else:
                self._untold += 1
        self._untold += read.untold
        self._lines += read.lines
        self._documents += read.documents

    def end_before(self, piece: Piece) -> None:
        """Say first what was wrong with earlier files: raises UnreadableInput as `add` does."""
        if piece.file is not self._file:
            self._end()

    def problems(self) -> tuple[Problem, ...]:
        """All of them, once the last piece is in; raises UnreadableInput as `add` does."""
        self._end()
        self._begin(None)
        return tuple(self._problems)

    def _begin(self, file: InputFile | None) -> None:
        self._file = file
        self._noted: list[Noted] = []
        self._untold = self._lines = self._documents = 0

    def _end(self) -> None:
        if self._file is None:
            return
        if self._noted and not self._documents:
            fault = nothing_readable(self._noted)
            raise UnreadableInput(f"{shown(self._file.path)}: {fault}")
        self._problems += told(self._file.path, self._noted, self._untold)
