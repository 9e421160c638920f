"""Real HTTP servers in this process: the service and a FHIR server, each on a port of its own."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

from cds_service.commands.listening import PortTaken, address_of, listen_on
from cds_service.errors import UsageError

if TYPE_CHECKING:
    from fastapi import FastAPI

HOST = "127.0.0.1"
PORTS_TRIED = 50
SECONDS_TO_START = 30.0
SECONDS_TO_STOP = 10.0


def listen_near(port: int) -> socket.socket:
    """A socket on this port, or on the next free one after it."""
    for offset in range(PORTS_TRIED):
        try:
            return listen_on(HOST, port + offset)
        except PortTaken:
            continue
    raise UsageError(f"no free port from {port} to {port + PORTS_TRIED - 1}")


@contextmanager
def running(app: FastAPI, sock: socket.socket) -> Iterator[str]:
    """The base URL of an application that answers on this socket until the block ends."""
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([sock],), daemon=True)
    address = address_of(sock)
    thread.start()
    try:
        _wait_until_started(server, thread, address)
        yield address
    finally:
        server.should_exit = True
        thread.join(SECONDS_TO_STOP)


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread, address: str) -> None:
    until = time.monotonic() + SECONDS_TO_START
    while not server.started:
        if not thread.is_alive() or time.monotonic() > until:
            raise UsageError(f"the server on {address} did not start")
        time.sleep(0.01)
