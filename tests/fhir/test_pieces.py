"""Files cut into pieces that are read side by side: nothing twice, nothing left out."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from cds_service.errors import UnreadableInput
from cds_service.fhir import files
from cds_service.fhir.pieces import InputFile, Piece, cut

KIB, MIB = 2**10, 2**20
PATIENT = b'{"resourceType": "Patient", "id": "%d"}\n'


def plain(size: int, path: str = "a.ndjson") -> InputFile:
    return InputFile(path, path, size, size, is_plain=True)


def sizes(pieces: list[Piece]) -> list[int]:
    return [piece.size for piece in pieces]


@pytest.mark.parametrize("processes", [1, 2, 7])
@pytest.mark.parametrize("size", [1, 256 * KIB, 256 * KIB + 1, 5 * MIB, 900 * MIB, 7000 * MIB])
def test_the_pieces_of_a_file_join_and_grow_shorter(size: int, processes: int) -> None:
    pieces = list(cut([plain(size)], processes))
    assert sum(sizes(pieces)) == size
    assert [piece.number for piece in pieces] == list(range(len(pieces)))
    for before, after in pairwise(pieces):
        assert before.end == after.start
        assert before.size >= after.size
    if len(pieces) > 1:
        assert all(256 * KIB <= piece.size <= 32 * MIB for piece in pieces[:-1])
    else:
        assert size <= 256 * KIB
        assert pieces[0].end is None


@pytest.mark.parametrize("processes", [2, 7])
def test_the_last_pieces_leave_no_process_long_alone(processes: int) -> None:
    """What the last ones take is little beside the share of a process."""
    pieces = sizes(list(cut([plain(900 * MIB)], processes)))
    assert len(pieces) > 2 * processes
    assert max(pieces[-processes:]) * 50 < sum(pieces) / processes


def test_pieces_of_a_given_length_are_all_of_it() -> None:
    assert sizes(list(cut([plain(10), plain(3, "b.ndjson")], 2, 4))) == [4, 4, 2, 3]


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(InputFile("a.ndjson.gz", "", 9 * MIB, 135 * MIB, is_plain=False), id="gzip"),
        pytest.param(plain(0), id="empty"),
    ],
)
def test_what_cannot_be_cut_is_one_piece(file: InputFile) -> None:
    assert [(p.start, p.end) for p in cut([file], 2)] == [(0, None)]


@pytest.mark.parametrize("buffer", [1, 7, 39, 40, 41, 1000])
@pytest.mark.parametrize("length", [1, 38, 39, 40, 100, 10_000])
@pytest.mark.parametrize("ending", [b"", PATIENT[:-1] % 9, b"\n\n"], ids=["break", "none", "more"])
def test_each_line_is_read_in_one_piece_alone(
    ending: bytes, length: int, buffer: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_BUFFER", buffer)
    content = b"".join(PATIENT % number for number in range(12)) + ending
    path = tmp_path / "a.ndjson"
    path.write_bytes(content)
    file = plain(len(content), str(path))
    found = [
        resource.raw
        for piece in cut([file], 2, length)
        for resource in piece.resources(piece.begin())
    ]
    assert found == [line for line in content.splitlines(keepends=True) if line.strip()]


@pytest.mark.parametrize(("longest", "is_read"), [(39, True), (38, False)])
@pytest.mark.parametrize("buffer", [1, 20, 38])
def test_a_line_may_have_so_many_bytes_and_no_more(
    buffer: int, longest: int, is_read: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_BUFFER", buffer)
    path = tmp_path / "a.ndjson"
    path.write_bytes(PATIENT % 1 + PATIENT % 2)
    lines = files.Reading(str(path)).resources_between(0, 39 * 2, longest)
    if is_read:
        assert [line.raw for line in lines] == [PATIENT % 1, PATIENT % 2]
    else:
        with pytest.raises(UnreadableInput, match=r"a\.ndjson: a line of more than 38 bytes"):
            list(lines)
