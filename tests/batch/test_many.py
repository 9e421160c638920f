"""More patients than memory holds: the same answers as from memory, whatever the input."""

from __future__ import annotations

import gzip
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path

import pytest

from batch.exports import Exporter, bundle, resources_of, shared, with_shared
from cds_service import shipped_knowledge
from cds_service.batch import assess_charts
from cds_service.batch.many import Order, assess_many
from cds_service.clinical.assessment_json import to_bytes
from cds_service.errors import UnreadableInput
from cds_service.fhir.files import read_charts
from cds_service.fhir.pieces import list_inputs

AS_OF = date(2026, 11, 12)
ORDER = Order(AS_OF, shipped_knowledge, to_bytes)
Lines = list[bytes]


def from_memory(*paths: Path) -> Lines | str:
    """What the files hold when all of it is in memory, or why they cannot be read."""
    try:
        return [to_bytes(a) for a in assess_charts(read_charts(paths), AS_OF, shipped_knowledge())]
    except UnreadableInput as fault:
        return str(fault)


def by_disk(*paths: Path, piece: int = 3_000, processes: int = 1) -> Lines | str:
    """The same by way of the disk, in pieces that cut every file of lines."""
    lines: Lines = []
    with ExitStack() as closing:
        inputs = list_inputs(map(str, paths), 0, closing)
        try:
            assess_many(inputs, ORDER, lines.append, processes=processes, piece=piece)
        except UnreadableInput as fault:
            assert lines == []
            return str(fault)
    return lines


@pytest.fixture(autouse=True)
def temporary(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A folder for temporary files of which nothing is left."""
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("urns", [False, True], ids=["addresses that say it", "urns"])
@pytest.mark.parametrize("seed", range(10))
def test_any_mixture_of_files_gives_what_memory_gives(
    seed: int, urns: bool, tmp_path: Path
) -> None:
    Exporter(tmp_path, seed).write(urns=urns)
    expected = from_memory(tmp_path)
    assert len(expected) >= 6
    assert by_disk(tmp_path) == expected


@pytest.mark.parametrize("held", [0, 5_000])
@pytest.mark.parametrize("piece", [3_000, 1_000_000])
def test_a_chart_that_was_written_in_parts_is_whole(
    held: int, piece: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process writes whenever it holds so many bytes, in the middle of patients and of pieces."""
    monkeypatch.setattr("cds_service.fhir.scattering._IN_MEMORY", held)
    Exporter(tmp_path, 5).write(urns=True)
    expected = from_memory(tmp_path)
    assert len(expected) >= 6
    assert by_disk(tmp_path, piece=piece) == expected


def test_several_processes_give_what_one_gives(tmp_path: Path) -> None:
    Exporter(tmp_path, 99).write(urns=True)
    expected = from_memory(tmp_path)
    assert len(expected) >= 6
    assert by_disk(tmp_path, processes=2) == expected


def test_a_caller_with_threads_has_the_same_from_new_interpreters(tmp_path: Path) -> None:
    """Nothing is forked where another thread may hold a lock."""
    Exporter(tmp_path, 7).write(urns=False)
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    try:
        assert by_disk(tmp_path, processes=2) == from_memory(tmp_path)
    finally:
        ended.set()
        thread.join()


@pytest.mark.parametrize("small", [0, 10_000_000], ids=["by way of the disk", "held in memory"])
def test_a_pipe_with_a_name_is_read_once(small: int, tmp_path: Path) -> None:
    content = b"\n".join(patient(f"p{n}") for n in range(3_000))
    (tmp_path / "a.ndjson").write_bytes(content)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(content,))
    writer.start()
    lines: Lines = []
    with ExitStack() as closing:
        inputs = list_inputs([str(pipe)], small, closing)
        writer_is_needed = bool(inputs.streams)
        assess_many(inputs, ORDER, lines.append, processes=1)
    writer.join()
    assert writer_is_needed == (small == 0)
    assert lines == from_memory(tmp_path / "a.ndjson")


def test_a_chart_longer_than_a_piece_is_whole(tmp_path: Path) -> None:
    lines = [json.dumps(r).encode() for r in with_shared("mm-len", resources_of("mm-len"))]
    (tmp_path / "a.ndjson").write_bytes(b"\n".join(lines))
    assert by_disk(tmp_path, piece=20_000) == from_memory(tmp_path)


def patient(rid: str) -> bytes:
    return json.dumps({"resourceType": "Patient", "id": rid}).encode()


def by_name(lines: int, bad: int) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        content = [patient(f"p{n}") for n in range(lines)] + [b"{"] * bad
        (folder / "a.ndjson").write_bytes(b"\n".join(content))

    return write


def urn_of_another_file(folder: Path) -> None:
    found = bundle(resources_of("mm-len"), "urn")
    for name, entries in (("b", found["entry"][:1]), ("a", found["entry"][1:])):
        (folder / f"{name}.json").write_text(json.dumps(found | {"entry": entries}))


def one_address_twice(folder: Path) -> None:
    """Two patients at one address: who is meant by it cannot be told."""
    for name, story in (("a", "mm-len"), ("b", "mm-vgpr")):
        found = bundle(resources_of(story), "url")
        found["entry"][0]["fullUrl"] = "urn:uuid:one"
        (folder / f"{name}.json").write_text(json.dumps(found))
    order = {"resourceType": "Observation", "id": "o", "subject": {"reference": "urn:uuid:one"}}
    (folder / "c.json").write_text(json.dumps(order))


def shared_versions(folder: Path) -> None:
    for version in (0, 1):
        text = "\n".join(json.dumps(r) for r in shared(version))
        (folder / f"{version}.ndjson").write_text(text)
    (folder / "a.json").write_text(json.dumps(bundle(with_shared("mm-len", []), "url")))


def none_readable(folder: Path) -> None:
    (folder / "a.ndjson").write_bytes(patient("p"))
    (folder / "b.ndjson").write_bytes(b"{\n" * 4_000)


def two_faults(folder: Path) -> None:
    (folder / "a.ndjson").write_bytes(patient("p"))
    (folder / "b.json").write_bytes(b"[")
    (folder / "c.json").write_bytes(b"{")


def lines_then_a_document(folder: Path) -> None:
    (folder / "a.ndjson").write_bytes(b"{\n" * 400)
    (folder / "b.json").write_bytes(b"{")


def urn_then_two_faults(folder: Path) -> None:
    """The first reading stops at the urn, and so does not get to the fault in the same file."""
    found = bundle(resources_of("mm-len")[:1], "urn")
    cut = gzip.compress(json.dumps(found).encode() + b"\n" + patient("p") * 900)[:-9]
    (folder / "a.ndjson.gz").write_bytes(cut)
    (folder / "b.ndjson").write_bytes(b"{\n" * 400)
    (folder / "c.json").write_bytes(b"{")


def nobody(folder: Path) -> None:
    (folder / "a.ndjson").write_text("\n".join(json.dumps(r) for r in shared(0)))


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(by_name(200, 0), id="short lines"),
        pytest.param(by_name(3, 50), id="fifty problems are told"),
        pytest.param(by_name(3, 700), id="more are counted"),
        pytest.param(urn_of_another_file, id="a urn of another file"),
        pytest.param(one_address_twice, id="one address twice"),
        pytest.param(shared_versions, id="two versions of a drug"),
        pytest.param(none_readable, id="no line can be read"),
        pytest.param(two_faults, id="the first fault is said"),
        pytest.param(lines_then_a_document, id="lines at fault before a document"),
        pytest.param(urn_then_two_faults, id="a fault behind a urn"),
        pytest.param(nobody, id="no patient"),
    ],
)
@pytest.mark.parametrize("piece", [1, 500, 1_000_000])
def test_what_is_special_is_as_from_memory(
    write: Callable[[Path], None], piece: int, tmp_path: Path
) -> None:
    write(tmp_path)
    assert by_disk(tmp_path, piece=piece) == from_memory(tmp_path)


def test_a_fault_of_a_file_comes_before_that_of_a_later_folder(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"[")
    (tmp_path / "empty").mkdir()
    paths = (tmp_path / "a.json", tmp_path / "empty")
    said = by_disk(*paths)
    assert said == from_memory(*paths)
    assert "a.json" in said


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.ndjson").write_bytes(patient("p"))
    paths = (tmp_path / "a.ndjson", tmp_path / "empty", tmp_path / "nowhere")
    assert by_disk(*paths) == from_memory(*paths)
