"""`assess` on more than it keeps in memory: same output, nothing left, progress on a terminal."""

from __future__ import annotations

import gzip
import json
import os
import pty
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cds_service.commands.assessing import SMALL
from cli.terminal import AS_OF, ESCAPE, FIXTURES, ROOT, Ended, process

STORY = "mm-len"


def lines_of(patient: str) -> bytes:
    """The chart of a story under another id, a resource a line."""
    text = (FIXTURES / STORY / "bundle.json").read_text().replace(STORY, patient)
    resources = (entry["resource"] for entry in json.loads(text)["entry"])
    return b"".join(json.dumps(resource).encode() + b"\n" for resource in resources)


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A little more than is kept in memory, patients not in order of id."""
    path = tmp_path_factory.mktemp("export") / "all.ndjson"
    one = lines_of("p00000")
    count = SMALL // len(one) + 2
    path.write_bytes(b"".join(one.replace(b"p00000", b"p%05d" % n) for n in range(count, 0, -1)))
    assert path.stat().st_size > SMALL
    return path


@pytest.fixture
def temporary(tmp_path: Path) -> Iterator[Path]:
    """The folder for temporary files, of which nothing is left."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    yield folder
    assert list(folder.iterdir()) == []


def expected(patient: str, *options: str) -> str:
    """What is said of this patient alone."""
    ended = process("assess", "-", "--as-of", AS_OF, *options, stdin=lines_of(patient))
    assert ended.code == 0
    return ended.out


def assessed(*arguments: object, temporary: Path, stdin: bytes = b"") -> Ended:
    asked = ("assess", *arguments, "--as-of", AS_OF, "--processes", "2")
    return process(*asked, stdin=stdin, TMPDIR=str(temporary))


@pytest.mark.parametrize("form", ["file", "gzip", "standard input"])
def test_a_large_export_is_printed_in_order_of_id(
    form: str, export: Path, temporary: Path, tmp_path: Path
) -> None:
    path: object = export
    if form == "gzip":
        path = tmp_path / "all.ndjson.gz"
        path.write_bytes(gzip.compress(export.read_bytes(), 1))
    if form == "standard input":
        ended = assessed("-", temporary=temporary, stdin=export.read_bytes())
    else:
        ended = assessed(path, temporary=temporary)
    assert (ended.code, ended.err) == (0, "")
    ids = [json.loads(line)["patient"] for line in ended.lines]
    assert ids == [f"Patient/p{n:05d}" for n in range(1, len(ids) + 1)]
    assert len(ids) > 10
    assert ended.lines[1] + "\n" == expected("p00002")


def test_text_is_what_it_is_for_one_patient(export: Path, temporary: Path) -> None:
    ended = assessed(export, "--format", "text", temporary=temporary)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(expected("p00001", "--format", "text"))


def test_a_fault_is_one_line_and_nothing_is_printed(
    export: Path, temporary: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    complaint = assessed(export, broken, temporary=temporary).one_complaint()
    assert complaint.startswith(f"{broken}: not valid JSON")


def test_a_folder_for_temporary_files_that_is_not_there(export: Path, tmp_path: Path) -> None:
    """The system's own is taken in its place: nothing is written to it but the folder."""
    ended = process(
        "assess", export, "--as-of", AS_OF, "--processes", "2", TMPDIR=str(tmp_path / "none")
    )
    assert ended.code == 0


# --- the end before the end -----------------------------------------------------------------------


def heed_interrupts() -> None:
    """What a shell starts in the background ignores Ctrl-C, and so would all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def begun(export: Path, temporary: Path, processes: int) -> tuple[subprocess.Popen[bytes], Path]:
    """A run that has written charts to disk, and its folder."""
    running = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "cds_service", "assess", str(export), "--processes", str(processes)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        start_new_session=True,
        preexec_fn=heed_interrupts,
    )
    for _ in range(3_000):
        folders = list(temporary.iterdir())
        if folders and any(folders[0].glob("charts/*")):
            return running, folders[0]
        assert running.poll() is None
        time.sleep(0.01)
    raise AssertionError("nothing was written")


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(
    ("sign", "code"),
    [
        pytest.param(signal.SIGINT, 130, id="Ctrl-C"),
        pytest.param(signal.SIGTERM, 143, id="SIGTERM"),
        pytest.param(signal.SIGHUP, 129, id="the terminal is closed"),
    ],
)
def test_stopped_in_the_middle_it_leaves_nothing(
    sign: signal.Signals, code: int, processes: int, export: Path, temporary: Path
) -> None:
    running, folder = begun(export, temporary, processes)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    os.killpg(running.pid, sign)  # as a terminal does: to all of them
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err) == (code, b"", b"")


def test_a_reader_that_leaves_ends_it_quietly(export: Path, temporary: Path) -> None:
    program = f"{sys.executable} -m cds_service assess {export} --processes 2"
    ended = subprocess.run(  # noqa: S603 - our own program
        ["bash", "-c", f"{program} | head -c 10; exit ${{PIPESTATUS[0]}}"],  # noqa: S607
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        check=False,
    )
    assert (ended.returncode, ended.stderr, len(ended.stdout)) == (141, b"", 10)


def test_killed_it_leaves_nothing_either_where_there_are_other_processes(
    export: Path, temporary: Path
) -> None:
    running, folder = begun(export, temporary, 2)
    running.kill()
    running.communicate(timeout=60)
    for _ in range(1_000):
        if not folder.exists():
            break
        time.sleep(0.01)


@pytest.mark.skipif(sys.platform != "linux", reason="children are found in /proc")
def test_a_process_that_is_killed_is_said(export: Path, temporary: Path) -> None:
    running, _ = begun(export, temporary, 2)
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (2, b"")
    assert b"--processes" in err
    assert len(err.splitlines()) == 1


# --- progress -------------------------------------------------------------------------------------


def test_a_terminal_shows_how_far_it_is_and_how_fast(export: Path, temporary: Path) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "cds_service", "assess", str(export), "--processes", "2"],
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary), "TERM": "xterm", "COLUMNS": "120"},
    ) as running:
        os.close(theirs)
        seen = b""
        try:
            while part := os.read(ours, 65_536):
                seen += part
        except OSError:  # how the end of a terminal is told
            pass
        os.close(ours)
    assert running.returncode == 0
    shown = seen.decode()
    assert "assessing" in shown
    assert " patients, " in shown
    assert "/s" in shown
    assert "left" in shown
    assert shown.rstrip().endswith((f"{ESCAPE}[2K", f"{ESCAPE}[?25h", f"{ESCAPE}[1A"))  # gone again
