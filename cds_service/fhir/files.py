"""Charts out of files: Bundles, single resources, NDJSON, folders of them, standard input."""

from __future__ import annotations

import gzip
import io
import os
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from cds_service.errors import UnreadableInput
from cds_service.fhir.bundles import Problem, RawResource, unpack
from cds_service.fhir.charts import Chart, charts_of

LINES = (".ndjson", ".jsonl")
READ_IN_FOLDERS = tuple(ending + gz for ending in (".json", *LINES) for gz in ("", ".gz"))
STANDARD_INPUT = "-"
LARGEST_FILE = 2 * 2**30
"""Bytes of one file, counted after decompression."""

_MOST_PROBLEMS = 50
"""Problems told one by one of a file; the rest is a number."""

_BUFFER = 2**18
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"


class Readable(Protocol):
    """A stream of bytes, such as an open file or `sys.stdin.buffer`."""

    def read(self, size: int, /) -> bytes: ...


def read_charts(
    paths: Iterable[str | Path], *, stdin: Readable | None = None, max_bytes: int = LARGEST_FILE
) -> Iterator[Chart]:
    """One Chart for each patient of the files together, in the order of patient ids.

    A path is a file, a folder (read with all below it; names that do not end in `.json`,
    `.ndjson`, `.jsonl` or one of them and `.gz` are passed over), or "-" for standard input.
    What cannot be read inside a file is a Problem of the Charts. Raises UnreadableInput for a
    file in which nothing can be read, and where no patient is found at all.
    """
    asked = [str(path) for path in paths]
    resources: list[RawResource] = []
    problems: list[Problem] = []
    for path in _files(asked):
        reading = _Reading(path)
        resources.extend(reading.resources(stdin, max_bytes))
        problems.extend(reading.problems())
    charts = charts_of(resources, tuple(problems))
    first = next(charts, None)
    if first is None:
        raise UnreadableInput(f"{', '.join(asked)}: no patient in it, and nothing of a patient")
    yield first
    yield from charts


def _files(paths: Iterable[str]) -> Iterator[str]:
    """The files that the paths stand for, each once."""
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


class _Reading:
    """One file on its way in."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._shown = "standard input" if path == STANDARD_INPUT else path
        self._name = os.path.basename(self._shown)
        self._problems: list[Problem] = []
        self._untold = 0
        self._documents = 0

    def problems(self) -> list[Problem]:
        rest = [Problem(self._name, f"{self._untold} more problems")] if self._untold else []
        return self._problems + rest

    def resources(self, stdin: Readable | None, max_bytes: int) -> Iterator[RawResource]:
        """The resources of the file; raises UnreadableInput, with its name, where it has none."""
        try:
            with _source(self._path, stdin) as source:
                reader = _reader(source, max_bytes)
                if self._path.lower().removesuffix(".gz").endswith(LINES):
                    yield from self._only_lines(reader)
                else:
                    yield from self._document_or_lines(reader)
        except UnreadableInput as error:
            raise UnreadableInput(f"{self._shown}: {error}") from None
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise UnreadableInput(f"{self._shown}: broken gzip file") from None
        except OSError as error:
            raise UnreadableInput(f"{self._shown}: {error.strerror or 'unreadable'}") from None

    def _only_lines(self, reader: io.BufferedReader[_Capped]) -> Iterator[RawResource]:
        """A file without a line is an answer too: an export that found nothing."""
        yield from self._lines(reader, start=1)
        if self._problems and not self._documents:
            raise UnreadableInput(f"no line can be read; line 1: {self._problems[0].what}")

    def _document_or_lines(self, reader: io.BufferedReader[_Capped]) -> Iterator[RawResource]:
        """Tell by its first line whether the file is one document, or has one a line."""
        first = reader.readline()
        try:
            yield from self._take(first, self._name)
        except UnreadableInput:
            yield from self._document(first + reader.read())
        else:
            yield from self._lines(reader, start=2)

    def _document(self, document: bytes) -> Iterator[RawResource]:
        try:
            yield from self._take(document, self._name)
        except UnreadableInput:
            yield from self._lines(io.BytesIO(document), start=1)
            if not self._documents:
                raise

    def _lines(self, lines: Iterable[bytes], *, start: int) -> Iterator[RawResource]:
        for number, line in enumerate(lines, start):
            where = f"{self._name} line {number}"
            if line.strip():
                try:
                    yield from self._take(line, where)
                except UnreadableInput as error:
                    self._note(Problem(where, str(error)))

    def _take(self, document: bytes, where: str) -> tuple[RawResource, ...]:
        unpacked = unpack(document)
        self._documents += 1
        for problem in unpacked.shortfalls():
            self._note(replace(problem, where=f"{where} {problem.where}".rstrip()))
        return unpacked.resources

    def _note(self, problem: Problem) -> None:
        if len(self._problems) < _MOST_PROBLEMS:
            self._problems.append(problem)
        else:
            self._untold += 1


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
