"""Charts out of files: Bundles, single resources, NDJSON, folders of them, standard input."""

from __future__ import annotations

import gzip
import io
import os
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from cds_service.errors import UnreadableInput
from cds_service.fhir.bundle_parts import is_plainly_a_resource
from cds_service.fhir.bundles import Headed, Problem, RawResource, unpack
from cds_service.fhir.charts import Chart, charts_of
from cds_service.fhir.heads import plain_head

LINES = (".ndjson", ".jsonl")
READ_IN_FOLDERS = tuple(ending + gz for ending in (".json", *LINES) for gz in ("", ".gz"))
STANDARD_INPUT = "-"
LARGEST_FILE = 2 * 2**30
"""Bytes of one file, counted after decompression."""

MOST_PROBLEMS = 50
"""Problems told one by one of a file; the rest is a number."""

_BUFFER = 2**18
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"


class Readable(Protocol):
    """A stream of bytes, such as an open file or `sys.stdin.buffer`."""

    def read(self, size: int, /) -> bytes: ...


def read_charts(
    paths: Iterable[str | Path],
    *,
    stdin: Readable | None = None,
    max_bytes: int = LARGEST_FILE,
    held: Mapping[str, bytes] = MappingProxyType({}),
) -> Iterator[Chart]:
    """One Chart for each patient of the files together, in the order of patient ids.

    A path is a file, a folder (read with all below it; names that do not end in `.json`,
    `.ndjson`, `.jsonl` or one of them and `.gz` are passed over), or "-" for standard input.
    What cannot be read inside a file is a Problem of the Charts. Everything is held in memory.
    `held`: the bytes of streams that have been read already, by path.
    Raises UnreadableInput for a file in which nothing can be read, and where no patient is found
    at all.
    """
    asked = [str(path) for path in paths]
    resources: list[RawResource] = []
    problems: list[Problem] = []
    for path in files_of(asked):
        reading = Reading(path, STANDARD_INPUT if path in held else None)
        source = io.BytesIO(held[path]) if path in held else stdin
        resources.extend(reading.resources(source, max_bytes))
        problems.extend(reading.problems())
    charts = charts_of(resources, tuple(problems))
    first = next(charts, None)
    if first is None:
        raise nobody_in(asked)
    yield first
    yield from charts


def nobody_in(paths: Iterable[str]) -> UnreadableInput:
    """What is raised where no patient is found at all."""
    return UnreadableInput(f"{', '.join(paths)}: no patient in it, and nothing of a patient")


def files_of(paths: Iterable[str]) -> Iterator[str]:
    """The files that the paths stand for, each once; raises UnreadableInput for an empty folder."""
    seen: set[str] = set()
    for path in paths:
        for file in _files_below(path) if os.path.isdir(path) else [path]:
            if (real := os.path.realpath(file)) not in seen:
                seen.add(real)
                yield file


def _files_below(folder: str) -> list[str]:
    found = sorted(
        os.path.join(parent, name)
        for parent, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(READ_IN_FOLDERS) and not name.startswith(".")
    )
    if not found:
        raise UnreadableInput(f"{folder}: no file in it that ends in .json, .ndjson or .jsonl")
    return found


@dataclass(frozen=True, slots=True)
class Noted:
    """A problem at a line, counted from where reading began; 0 is the file as a whole."""

    line: int
    within: str
    what: str
    code: str = "invalid-resource"

    def problem(self, name: str) -> Problem:
        """The same for people, with the name of the file."""
        where = f"{name} line {self.line}" if self.line else name
        return Problem(f"{where} {self.within}".rstrip(), self.what, self.code)


class Reading:
    """One file on its way in, or some of its lines.

    `path` as it was asked for is what is said of it; `place` is where its bytes are, if elsewhere.
    """

    def __init__(self, path: str, place: str | None = None) -> None:
        self._path = path
        self._place = path if place is None else place
        self._shown = shown(path)
        self._untold = 0
        self.noted: list[Noted] = []
        self.documents = 0
        self.lines = 0

    def problems(self) -> list[Problem]:
        """What could not be read, the first of it one by one."""
        return told(self._path, self.noted, self._untold)

    @property
    def untold(self) -> int:
        """Problems beyond those that were noted."""
        return self._untold

    def resources(self, stdin: Readable | None, max_bytes: int) -> Iterator[RawResource]:
        """The resources of the file; raises UnreadableInput, with its name, where it has none."""
        with self._named(), _source(self._place, stdin) as source:
            reader = _reader(source, max_bytes)
            if has_lines(self._path):
                yield from self._only_lines(reader)
            else:
                yield from self._document_or_lines(reader)

    def resources_between(self, start: int, end: int, longest: int) -> Iterator[RawResource]:
        """Those of the lines that begin in these bytes of a plain file.

        `longest`: bytes of a line; raises UnreadableInput, with the name of the file, beyond.
        """
        with self._named(), open(self._place, "rb") as file:
            if start:
                file.seek(start - 1)
                _skip_line(file)
            elif file.peek(len(_BYTE_ORDER_MARK)).startswith(_BYTE_ORDER_MARK):
                file.read(len(_BYTE_ORDER_MARK))
            first_at = 1 if start or has_lines(self._path) else 0
            yield from self._lines(_lines_until(file, end, longest), start=1, first_at=first_at)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Whatever goes wrong inside is said with the name of the file."""
        try:
            yield
        except UnreadableInput as error:
            raise UnreadableInput(f"{self._shown}: {error}") from None
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise UnreadableInput(f"{self._shown}: broken gzip file") from None
        except OSError as error:
            raise UnreadableInput(f"{self._shown}: {error.strerror or 'unreadable'}") from None

    def _only_lines(self, reader: io.BufferedReader[_Capped]) -> Iterator[RawResource]:
        """A file without a line is an answer too: an export that found nothing."""
        yield from self._lines(reader, start=1)
        if self.noted and not self.documents:
            raise nothing_readable(self.noted)

    def _document_or_lines(self, reader: io.BufferedReader[_Capped]) -> Iterator[RawResource]:
        """Tell by its first line whether the file is one document, or has one a line."""
        first = reader.readline()
        try:
            yield from self._take(first, 0)
        except UnreadableInput:
            yield from self._document(first + reader.read())
        else:
            yield from self._lines(reader, start=2)

    def _document(self, document: bytes) -> Iterator[RawResource]:
        try:
            yield from self._take(document, 0)
        except UnreadableInput:
            yield from self._lines(io.BytesIO(document), start=1)
            if not self.documents:
                raise

    def _lines(
        self, lines: Iterable[bytes], *, start: int, first_at: int = 1
    ) -> Iterator[RawResource]:
        """`first_at`: what the first line is called, 0 where the file is named and no line."""
        for number, line in enumerate(lines, start):
            self.lines += 1
            if is_plainly_a_resource(line) and (head := plain_head(line)) is not None:
                self.documents += 1
                yield Headed(line, "", head)
            elif line.strip():
                at = first_at if number == 1 else number
                try:
                    yield from self._take(line, at)
                except UnreadableInput as error:
                    self._note(Noted(at, "", str(error)))

    def _take(self, document: bytes, line: int) -> tuple[RawResource, ...]:
        unpacked = unpack(document)
        self.documents += 1
        for problem in unpacked.shortfalls():
            self._note(Noted(line, problem.where, problem.what, problem.code))
        return unpacked.resources

    def _note(self, noted: Noted) -> None:
        if len(self.noted) < MOST_PROBLEMS:
            self.noted.append(noted)
        else:
            self._untold += 1


def shown(path: str) -> str:
    """The path as people are told of it."""
    return "standard input" if path == STANDARD_INPUT else path


def has_lines(path: str) -> bool:
    """Whether the name says that each line is a document."""
    return path.lower().removesuffix(".gz").endswith(LINES)


def told(path: str, noted: Iterable[Noted], untold: int) -> list[Problem]:
    """The problems of a file for people; of those beyond the first, how many."""
    name = os.path.basename(shown(path))
    rest = [Problem(name, f"{untold} more problems")] if untold else []
    return [one.problem(name) for one in noted] + rest


def nothing_readable(noted: Sequence[Noted]) -> UnreadableInput:
    """What is raised for a file with lines of which none can be read; it lacks the file's name."""
    return UnreadableInput(f"no line can be read; line 1: {noted[0].what}")


def starts_with_a_line(place: str, longest: int) -> bool:
    """Whether the first line of a plain file, if it is not longer, is a document by itself."""
    with open(place, "rb") as file:
        first = file.readline(longest).removeprefix(_BYTE_ORDER_MARK)
    if not first.endswith(b"\n"):
        return False
    try:
        unpack(first)
    except UnreadableInput:
        return False
    return True


def is_gzip(place: str) -> bool:
    """Whether the bytes of a file are gzip, whatever its name says."""
    with open(place, "rb") as file:
        return file.read(len(_GZIP)) == _GZIP


def _skip_line(file: io.BufferedReader) -> None:
    """Go on behind the next line break, holding little of what lies before it."""
    while (part := file.readline(_BUFFER)) and not part.endswith(b"\n"):
        pass


def _lines_until(file: io.BufferedReader, end: int, longest: int) -> Iterator[bytes]:
    """The lines that begin before `end`, from where the file is; some at a time are in memory."""
    left = end - file.tell()
    while left > 0 and (block := file.read(min(_BUFFER, left))):
        if not block.endswith(b"\n"):
            begun = len(block) - 1 - block.rfind(b"\n")
            rest = file.readline(longest + 1)
            if begun + len(rest) > longest:
                raise UnreadableInput(f"a line of more than {longest} bytes")
            block += rest
        left -= len(block)
        yield from io.BytesIO(block)


def _source(path: str, stdin: Readable | None) -> AbstractContextManager[Readable]:
    if path == STANDARD_INPUT:
        return nullcontext(sys.stdin.buffer if stdin is None else stdin)
    return open(path, "rb")


def _reader(source: Readable, max_bytes: int) -> io.BufferedReader[_Capped]:
    """The bytes of a source, unzipped where they are gzip, whatever the file's name says."""
    reader = io.BufferedReader(_Capped(source, max_bytes), _BUFFER)
    if reader.peek(len(_GZIP)).startswith(_GZIP):
        unzipped = gzip.GzipFile(fileobj=reader)
        reader = io.BufferedReader(_Capped(unzipped, max_bytes), _BUFFER)
    if reader.peek(len(_BYTE_ORDER_MARK)).startswith(_BYTE_ORDER_MARK):
        reader.read(len(_BYTE_ORDER_MARK))
    return reader


class _Capped(io.RawIOBase):
    """A stream that gives up after so many bytes; the limit holds against a gzip bomb too."""

    def __init__(self, source: Readable, most: int) -> None:
        self._source = source
        self._most = most
        self._left = most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # what io passes
        chunk = self._source.read(len(buffer))
        self._left -= len(chunk)
        if self._left < 0:
            raise UnreadableInput(f"more than {self._most} bytes")
        buffer[: len(chunk)] = chunk
        return len(chunk)
