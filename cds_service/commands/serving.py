"""`refractory-cds serve`: the service on a socket, in one process or several, until stopped."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import socket
import sys
from contextlib import suppress
from tempfile import TemporaryDirectory
from types import FrameType
from typing import TYPE_CHECKING, Literal

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from cds_service import heap
from cds_service.commands.listening import address_of, is_loopback, listen_on
from cds_service.commands.setting import unknown_settings
from cds_service.errors import RefractoryCdsError, UsageError
from cds_service.operations_log import log_event, set_up
from cds_service.settings import Settings
from cds_service.trust.clients import required_clients
from cds_service.version import __version__

if TYPE_CHECKING:
    from fastapi import FastAPI

SECONDS_TO_FINISH = 20
"""Time for calls that are being answered when the service is told to stop."""
UNUSABLE = 2
"""Exit code where the processes cannot start, as for any unusable setting."""
ALLOW_LOOPBACK = "REFRACTORY_CDS_ALLOW_LOOPBACK"
JWT = "REFRACTORY_CDS_JWT"
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


def serve(settings: Settings, host: str, port: int, workers: int) -> None:
    """Serve until SIGTERM or Ctrl-C; calls under way are answered first.

    Raises UsageError where the address cannot be listened on, the log level is none, or anybody
    could call without anybody having said so.
    """
    sock = listen_on(host, port)
    try:
        set_up(settings.log_level)
        check_who_may_call(settings, host, sock)
    except ValueError:
        sock.close()
        raise UsageError(f"REFRACTORY_CDS_LOG_LEVEL: no level {settings.log_level!r}") from None
    except UsageError:
        sock.close()
        raise
    if settings.allow_loopback is None and is_loopback(sock) and not settings.fhir_servers:
        os.environ[ALLOW_LOOPBACK] = "true"  # read by `application` of every process
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, _leave)  # what is left to do once uvicorn has stopped
    _leave_no_cores()
    _announce(sock, workers)
    if unknown := unknown_settings(os.environ):
        log_event("settings.unknown", level=logging.WARNING, settings=", ".join(unknown))
    if workers == 1:
        uvicorn.Server(_config()).run([sock])
        return
    with TemporaryDirectory(prefix="refractory-cds-metrics-") as folder:
        # before anything imports prometheus_client, here or in the workers
        os.environ.setdefault(METRICS_FOLDER, folder)
        processes = _Workers(_config(workers), [sock])
        processes.run()
        if processes.could_not_start:
            raise SystemExit(UNUSABLE)


def _leave_no_cores() -> None:
    """Charts are in memory: a process that crashes, or a worker of it, writes none to the disk."""
    with suppress(ImportError, ValueError, OSError):  # not on this system
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def check_who_may_call(settings: Settings, host: str, sock: socket.socket) -> None:
    """Raise UsageError where others could call and no setting says whether they may."""
    if settings.checks_tokens:
        required_clients(settings.clients_file)  # a fault is said once, not by every process
        if not settings.public_url:
            log_event("settings.no-public-url", level=logging.WARNING)
    elif is_loopback(sock):
        return
    elif settings.jwt is None:
        raise UsageError(
            f"{host} can be reached from other machines: name the clients that may call in "
            f"REFRACTORY_CDS_CLIENTS_FILE, or say {JWT}=off where a gateway checks them"
        )
    else:
        log_event("settings.anybody-may-call", level=logging.WARNING)


def application() -> FastAPI:
    """The application of one process, by the settings in its environment."""
    heap.keep_one()
    heap.collect_seldom()  # in a worker as in the first process: what a start makes stays
    _do_without_first_pydantic()
    from cds_service.app import create_app

    settings = Settings()
    set_up(settings.log_level)
    try:
        return create_app(settings)
    except RefractoryCdsError as fault:
        if multiprocessing.parent_process() is None:
            raise
        # the exit code tells the supervisor that another try would end the same way
        sys.stderr.write(f"refractory-cds: {fault}\n")
        raise SystemExit(STARTUP_FAILURE) from None


def _do_without_first_pydantic() -> None:
    """Let FastAPI find what a pydantic without its first version would show it.

    It asks of each annotation whether it is a model of that version, which nothing here is, and
    loads 4 MiB to be able to ask.
    """
    sys.modules.setdefault("pydantic.v1", None)  # type: ignore[arg-type] # as `import` has it


def _protocol() -> type[asyncio.Protocol] | Literal["auto"]:
    if sys.platform == "win32":  # where the parser that has no limit is not installed
        return "auto"
    from cds_service.commands.heads import BoundedHeads

    return BoundedHeads


def _config(workers: int = 1) -> uvicorn.Config:
    return uvicorn.Config(
        "cds_service.commands.serving:application",
        factory=True,
        http=_protocol(),
        workers=workers,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=SECONDS_TO_FINISH,
    )


class _Workers(Multiprocess):
    """The processes; the gauges of one that has died are taken out of the metrics."""

    @property
    def could_not_start(self) -> bool:
        return any(process.exitcode == STARTUP_FAILURE for process in self.processes)

    def keep_subprocess_alive(self) -> None:
        before = {process.pid for process in self.processes}
        super().keep_subprocess_alive()
        for gone in before - {process.pid for process in self.processes}:
            from prometheus_client.multiprocess import mark_process_dead

            mark_process_dead(gone)  # type: ignore[no-untyped-call]
            log_event("worker.replaced", workers=len(self.processes))


def _leave(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _announce(sock: socket.socket, workers: int) -> None:
    """Where it listens: a line for people on a terminal, an event for everybody else."""
    host, port = sock.getsockname()[:2]
    if not sys.stderr.isatty():
        log_event("service.listening", host=host, port=port, workers=workers, version=__version__)
        return
    base = address_of(sock)
    processes = "" if workers == 1 else f" with {workers} processes"
    sys.stderr.write(
        f"refractory-cds {__version__} on {base}{processes}: discovery {base}/cds-services, "
        f"API {base}/docs. Ctrl-C stops it.\n"
    )
