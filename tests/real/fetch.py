"""Fetches the real parts that the tests marked `real` want, as far as this machine can have them.

    python tests/real/fetch.py [--pin]

One line a part: ready, or "not run" with the reason. A part that cannot be had fails nothing.
`--pin` writes down the files of a new version in place of the ones that are pinned.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

HAPI = Path(__file__).resolve().parent / "hapi"
PINNED = HAPI / "jars.sha256"
FUZZ_LOCK = HAPI.parents[2] / "deploy" / "requirements-fuzz.lock"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "refractory-cds"
CLASS_PATH = CACHE / "hapi.classpath"

OLDEST_JAVA = 17
FETCH_SECONDS = 600.0
ASK_SECONDS = 30.0
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


class NotRun(Exception):
    """A real part cannot be had here; the text says why."""


def java() -> str:
    """The Java that can start HAPI from its source file; raises NotRun."""
    program = _program("java")
    version = re.search(r'version "(\d+)', _output([program, "-version"], ASK_SECONDS))
    if version is None or int(version[1]) < OLDEST_JAVA:
        raise NotRun(f"Java is older than {OLDEST_JAVA}")
    if "jdk.compiler" not in _output([program, "--list-modules"], ASK_SECONDS):
        raise NotRun("this Java has no compiler: a JDK is needed, not a JRE alone")
    return program


def hapi_jars() -> tuple[Path, ...]:
    """The files of the HAPI FHIR server, each with the digest that is pinned; raises NotRun."""
    if not CLASS_PATH.is_file():
        raise NotRun("not fetched yet; `make test-all` does it")
    jars = tuple(map(Path, _class_path()))
    found = {jar.name: _sha256(jar) for jar in jars if jar.is_file()}
    pinned = _pinned()
    wrong = sorted(name for name in pinned.keys() | found if pinned.get(name) != found.get(name))
    if wrong:
        raise NotRun(f"{len(wrong)} files are not the pinned ones, {wrong[0]} among them")
    return jars


def browser() -> str:
    """A Chromium that runs without a screen; raises NotRun."""
    for name in BROWSERS:
        if program := shutil.which(name):
            return program
    raise NotRun("no Chromium on this machine")


def fetch_hapi() -> None:
    """Have the server's files where `hapi_jars` finds them; raises NotRun."""
    java()
    try:
        hapi_jars()
    except NotRun:
        _resolve_hapi()
        hapi_jars()


def _resolve_hapi() -> None:
    """Let Maven fetch the files, or find them where it keeps them, and note where they are."""
    CACHE.mkdir(parents=True, exist_ok=True)
    CLASS_PATH.unlink(missing_ok=True)
    _output(
        [
            _program("mvn"),
            "--batch-mode",
            "--quiet",
            "-Dstyle.color=never",
            f"--file={HAPI / 'pom.xml'}",
            f"{PLUGIN}:build-classpath",
            "-Dmdep.includeScope=runtime",
            f"-Dmdep.outputFile={CLASS_PATH}",
        ],
        FETCH_SECONDS,
    )


def pin_hapi() -> None:
    """Write down name and digest of each file that the pom leads to; raises NotRun."""
    _resolve_hapi()
    jars = sorted(map(Path, _class_path()), key=lambda jar: jar.name)
    PINNED.write_text("".join(f"{_sha256(jar)}  {jar.name}\n" for jar in jars), "utf-8")


def _class_path() -> list[str]:
    return CLASS_PATH.read_text("utf-8").strip().split(os.pathsep)


def _pinned() -> dict[str, str]:
    lines = PINNED.read_text("utf-8").splitlines()
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _program(name: str) -> str:
    program = shutil.which(name)
    if program is None:
        raise NotRun(f"no {name} on this machine")
    return program


def _output(command: Sequence[str], seconds: float) -> str:
    """What a command says on both its outputs; raises NotRun where it fails or takes too long."""
    name = Path(command[0]).name
    try:
        done = subprocess.run(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NotRun(f"{name} took longer than {seconds:.0f} s") from None
    if done.returncode:
        said = " ".join(done.stdout.split())[:300]
        raise NotRun(f"{name} failed: {said or done.returncode}")
    return done.stdout


def fuzzer() -> str:
    """The program that fuzzes the API by its description; raises NotRun."""
    program = Path(sys.executable).with_name("schemathesis")
    if not program.is_file():
        raise NotRun("not installed yet; `make test-all` does it")
    return str(program)


def fetch_fuzzer() -> None:
    """Have it in this environment, by its lock; raises NotRun."""
    try:
        fuzzer()
    except NotRun:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _output([*pip, "--require-hashes", "-r", str(FUZZ_LOCK)], FETCH_SECONDS)
        fuzzer()


PARTS: tuple[tuple[str, Callable[[], object]], ...] = (
    ("HAPI FHIR server", fetch_hapi),
    ("Chromium", browser),
    ("API fuzzing (schemathesis)", fetch_fuzzer),
)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pin", action="store_true", help="pin the files that are fetched now")
    if parser.parse_args().pin:
        pin_hapi()
    for what, have in PARTS:
        try:
            have()
        except NotRun as why:
            say(f"not run: {what} ({why})")
        else:
            say(f"ready: {what}")


if __name__ == "__main__":
    main()
