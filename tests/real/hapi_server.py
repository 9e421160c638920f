"""A HAPI FHIR server of its own for the tests, as a process on this machine."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

from real.fetch import HAPI, NotRun, hapi_jars, java

START_SECONDS = 240.0


@contextmanager
def hapi(folder: Path) -> Iterator[str]:
    """The base address of an empty HAPI FHIR server that runs so long; raises NotRun.

    What it says goes to a file in `folder`. It ends with its standard input, so it does not
    outlive the tests, however they end.
    """
    command = [java(), "-Xmx1g", "-cp", os.pathsep.join(map(str, hapi_jars()))]
    port = free_port()
    with (folder / "hapi.log").open("wb") as log:
        server = subprocess.Popen(  # noqa: S603
            [*command, str(HAPI / "HapiServer.java"), str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        _wait_until_ready(server, folder / "hapi.log")
        yield f"http://127.0.0.1:{port}/fhir"
    finally:
        server.kill()
        server.communicate(timeout=10)


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def _wait_until_ready(server: subprocess.Popen[str], log: Path) -> None:
    assert server.stdout is not None
    too_late = Timer(START_SECONDS, server.kill)
    too_late.start()
    try:
        if any(line.strip() == "ready" for line in server.stdout):
            return
    finally:
        too_late.cancel()
    server.wait(timeout=10)
    said = log.read_text("utf-8", "replace").strip().splitlines()
    raise NotRun(f"HAPI ended before it was ready: {said[0][:300] if said else 'no word'}")
