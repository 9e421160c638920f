"""The Dockerfile's steps carried out in folders of this machine: what they make works alone.

A stage is a folder that stands for its root: the paths in RUN and COPY are moved below it.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from deploy.dockerfile import DEPLOY, ROOT, Stage, ignore_lines, is_given, read_dockerfile

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

DOCKERFILE = read_dockerfile()
SERVICE = DOCKERFILE.stages[-1]
HOME = "var/lib/refractory-cds"
ABSOLUTE = re.compile(r"(?<![\w.:/])/(?=(?:build|opt|tools|var|wheel)\b)")
NO_INDEX = re.compile(
    r"Connection\w* ?(?:error|broken|refused)|Temporary failure|No matching distribution"
    r"|Network is unreachable|timed out",
    re.IGNORECASE,
)


def moved(text: str, stage: Path) -> str:
    """A shell line with its absolute paths below a folder."""
    return ABSOLUTE.sub(f"{stage}/", text)


def build(stage: Stage, rooms: Path) -> None:
    """Carry out COPY and RUN of one stage."""
    root = rooms / stage.name
    folder = root
    for instruction in stage.instructions:
        if instruction.name == "WORKDIR":
            folder = root / instruction.text.lstrip("/")
            folder.mkdir(parents=True)
        elif instruction.name == "COPY":
            *sources, target = instruction.words
            place = root / target.lstrip("/") if target.startswith("/") else folder / target
            for source in sources:
                copy(source, place, rooms / instruction.flags.get("from", ""))
        elif instruction.name == "RUN":
            run(["sh", "-ec", moved(instruction.text, root)], folder, stage.environment)


def copy(source: str, place: Path, root: Path) -> None:
    """A file into a folder, or what a folder holds; of the tree only what the builder is given."""
    of_tree = not source.startswith("/")
    path = ROOT / source if of_tree else root / source.lstrip("/")
    if path.is_file():
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
        return
    for file in sorted(path.rglob("*")):
        if file.is_file() and not (of_tree and not given(file)):
            to = place / file.relative_to(path)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, to)


def given(file: Path) -> bool:
    return is_given(file.relative_to(ROOT).as_posix(), ignore_lines())


def run(
    command: Sequence[str], folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(  # noqa: S603
        command,
        cwd=folder,
        env=machine() | environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    if done.returncode and NO_INDEX.search(done.stderr) and "pip" in " ".join(command):
        pytest.skip("the package index cannot be reached")
    assert done.returncode == 0, f"{command}\n{done.stdout[-1000:]}\n{done.stderr[-3000:]}"
    return done


def machine() -> dict[str, str]:
    """This machine's environment, with the Python of the tests first; none of our settings."""
    own = {k: v for k, v in os.environ.items() if not k.startswith(("REFRACTORY_CDS_", "PYTHON"))}
    return own | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the stages, all but the last of them built."""
    rooms = tmp_path_factory.mktemp("image")
    for stage in DOCKERFILE.stages[:-1]:
        build(stage, rooms)
    return rooms


@pytest.fixture
def home(rooms: Path, tmp_path: Path) -> Path:
    """The empty folder in which the image starts, with those below it that are made for it."""
    home = tmp_path / HOME
    (home / "log").mkdir(parents=True)
    (home / "key").mkdir()
    return home


def image_environment(rooms: Path, home: Path) -> dict[str, str]:
    """What the last stage sets, with its paths moved."""
    folder = home.parents[2]
    named = {name: moved(value, folder) for name, value in SERVICE.environment.items()}
    path = rooms / "environment" / "opt" / "refractory-cds" / "bin"
    return named | {"PATH": f"{path}{os.pathsep}{os.environ['PATH']}"}


def ask(rooms: Path, home: Path, *arguments: str) -> str:
    entry = rooms / "environment" / "opt" / "refractory-cds" / "bin" / "refractory-cds"
    return run([str(entry), *arguments], home, image_environment(rooms, home)).stdout


def test_the_wheel_holds_every_file_of_the_package(rooms: Path) -> None:
    (wheel,) = (rooms / "wheel" / "wheel").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.split("/")[0].endswith("-info")}
    package = (file for file in (ROOT / "cds_service").rglob("*") if file.is_file())
    tree = {file.relative_to(ROOT).as_posix() for file in package if given(file)}
    assert {name for name in tree if not name.endswith(".py")} != set()
    assert names == tree


def test_the_environment_has_no_tools(rooms: Path) -> None:
    installed = {path.name for path in (rooms / "environment").rglob("site-packages/*")}
    assert "cds_service" in installed
    assert not installed & {"pip", "setuptools", "wheel", "pytest", "_pytest", "mypy", "hatchling"}
    assert not list((rooms / "environment").rglob("site-packages/tests"))


def test_it_says_its_help_from_an_empty_folder(rooms: Path, home: Path) -> None:
    assert "serve" in ask(rooms, home, "--help")


def test_the_knowledge_is_in_it_and_whole(rooms: Path, home: Path) -> None:
    ask(rooms, home, "knowledge", "check")
    where = "import cds_service; print(cds_service.__file__)"
    python = rooms / "environment" / "opt" / "refractory-cds" / "bin" / "python"
    found = run([str(python), "-c", where], home, image_environment(rooms, home)).stdout
    assert (rooms / "environment") in Path(found.strip()).parents


def test_the_fixtures_are_mounted_where_the_package_looks_for_them(rooms: Path, home: Path) -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    (volume,) = compose["services"]["fixtures"]["volumes"]
    source, target, _ = volume.split(":")
    where = "from cds_service.demo.stories import FOLDER; print(FOLDER)"
    python = rooms / "environment" / "opt" / "refractory-cds" / "bin" / "python"
    looks = run([str(python), "-c", where], home, image_environment(rooms, home)).stdout.strip()
    assert looks == f"{rooms / 'environment'}{target}"
    assert (DEPLOY / source / "mm-len" / "bundle.json").is_file()


def test_it_serves_checks_itself_and_stops(rooms: Path, home: Path) -> None:
    before = files(rooms)
    with serving(rooms, home) as (server, port):
        check = SERVICE.only("HEALTHCHECK").command
        asks = [part.replace(SERVICE.only("EXPOSE").text, str(port)) for part in check]
        python = rooms / "environment" / "opt" / "refractory-cds" / "bin" / "python"
        run([str(python), *asks[1:]], home, image_environment(rooms, home))
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=30) == 0
    assert files(rooms) == before
    log = Path(image_environment(rooms, home)["REFRACTORY_CDS_AUDIT_DB"])
    assert {path.name for path in home.rglob("*") if path.is_file()} == {
        log.name,
        "data-key",
        "pseudonym-key",
        "signing-key",
        "folder-id",  # of the spool, which is empty
        "lock",
    }


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


@contextmanager
def serving(rooms: Path, home: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The image's own command on a port that is free, once it answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    entry = rooms / "environment" / "opt" / "refractory-cds" / "bin"
    command = [*SERVICE.only("ENTRYPOINT").command, *SERVICE.only("CMD").command]
    command = [str(entry / command[0]), *command[1:-1], "127.0.0.1", "--port", str(port)]
    environment = machine() | image_environment(rooms, home)
    with (home.parent / "server.txt").open("wb") as said:
        server = subprocess.Popen(  # noqa: S603
            command, cwd=home, env=environment, stdout=said, stderr=said
        )
    try:
        until = time.monotonic() + 30
        while server.poll() is None and time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        assert server.poll() is None, (home.parent / "server.txt").read_text()
        yield server, port
    finally:
        server.kill()
        server.wait(timeout=10)
