"""The servers of a measurement as processes, on a core of their own where there are two."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

HERE = Path(__file__).resolve().parent
SERVER_CORE, CLIENT_CORE = 0, 1
START_SECONDS = 30.0
SERVICE = "service"
PEERS = {"floor": "floor", "floor-tuned": "floor_tuned", "naive": "naive"}


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers; `url` takes the hook call."""

    name: str
    base: str
    url: str
    pid: int

    def peak_mib(self) -> float:
        """The most memory it has used, in MiB; 0.0 where the system does not say."""
        return self._mib("VmHWM")

    def rss_mib(self) -> float:
        """The memory that it uses now."""
        return self._mib("VmRSS")

    def _mib(self, name: str) -> float:
        try:
            lines = Path(f"/proc/{self.pid}/status").read_text("ascii").splitlines()
        except OSError:
            return 0.0
        return next((int(x.split()[1]) / 1024 for x in lines if x.startswith(name)), 0.0)

    def stage_seconds(self) -> dict[str, tuple[float, float]]:
        """Sum and count of each stage of a decision so far, as the service's metrics have it."""
        with urlopen(f"{self.base}/metrics", timeout=10) as answer:  # noqa: S310 - our own
            text: str = answer.read().decode()
        found: dict[str, dict[str, float]] = {}
        for line in text.splitlines():
            name, _, rest = line.partition('{stage="')
            if rest and name.endswith(("_seconds_sum", "_seconds_count")):
                stage, _, value = rest.partition('"} ')
                found.setdefault(stage, {})[name.rpartition("_")[2]] = float(value)
        return {stage: (of["sum"], of["count"]) for stage, of in found.items()}


@contextmanager
def all_servers(folder: Path) -> Iterator[list[Server]]:
    """The service, with its decision log in `folder`, and what it is measured against."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(service_alone(folder)),
            *(stack.enter_context(_peer(name, maker)) for name, maker in PEERS.items()),
        ]


@contextmanager
def fhir_and_service(folder: Path, chart: Path) -> Iterator[tuple[Server, Server]]:
    """The demo's FHIR server over this Bundle, on the client's core, and a service that may read
    from it."""
    port = _free_port()
    command = ["-m", "uvicorn", "bench.peers:fhir_server", "--factory", "--port", str(port)]
    quiet = ["--log-level", "warning", "--no-access-log"]
    paths = {"PYTHONPATH": str(HERE.parent), "BENCH_CHART": str(chart)}
    base = f"http://127.0.0.1:{port}/fhir"
    with (
        _running("fhir", [*command, *quiet], port, "/fhir", paths, CLIENT_CORE) as fhir,
        service_alone(folder, REFRACTORY_CDS_FHIR_SERVERS=f'["{base}"]') as service,
    ):
        yield fhir, service


def service_alone(folder: Path, **more: str) -> AbstractContextManager[Server]:
    """The service, with its decision log in `folder` and these further settings."""
    settings = {
        "REFRACTORY_CDS_AUDIT_DB": str(folder / "decisions.db"),
        "REFRACTORY_CDS_LOG_LEVEL": "warning",
        **more,
    }
    port = _free_port()
    command = ["-m", "cds_service", "serve", "--port", str(port)]
    return _running(SERVICE, command, port, "/cds-services/refractory-status", settings)


def _peer(name: str, maker: str) -> Any:
    port = _free_port()
    command = ["-m", "uvicorn", f"bench.peers:{maker}", "--factory", "--port", str(port)]
    quiet = ["--log-level", "warning", "--no-access-log"]
    paths = {"PYTHONPATH": str(HERE.parent)}
    return _running(name, [*command, *quiet], port, "/cds-services/bench", paths)


@contextmanager
def _running(
    name: str,
    arguments: list[str],
    port: int,
    path: str,
    environment: dict[str, str],
    core: int = SERVER_CORE,
) -> Iterator[Server]:
    server = subprocess.Popen(  # noqa: S603
        [*on_core(core), sys.executable, *arguments],
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
    )
    try:
        _wait(name, port, server)
        base = f"http://127.0.0.1:{port}"
        yield Server(name, base, base + path, server.pid)
    finally:
        server.terminate()
        try:
            server.wait(timeout=10)
        except subprocess.TimeoutExpired:
            server.kill()


def _wait(name: str, port: int, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"{name} did not start")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def on_core(core: int) -> list[str]:
    """How a command starts that is to stay on one core; nothing where that cannot be had."""
    if shutil.which("taskset") and (os.cpu_count() or 1) > 1:
        return ["taskset", "--cpu-list", str(core)]
    return []


def load(
    server: Server,
    body: Path,
    requests: int,
    at_once: int,
    seconds: float,
    *,
    new: str | None = None,
) -> dict[str, Any]:
    """One round of the load client on its own core; `new` is a text that is another each time."""
    done = subprocess.run(  # noqa: S603
        [
            *on_core(CLIENT_CORE),
            sys.executable,
            str(HERE / "load.py"),
            server.url,
            str(body),
            f"--requests={requests}",
            f"--at-once={at_once}",
            f"--seconds={seconds}",
            *([f"--new={new}"] if new else []),
        ],
        capture_output=True,
        text=True,
        timeout=seconds + 120,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"load on {server.name} failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    if found["refused"]:
        raise SystemExit(f"{server.name} answered {found['refused']} calls with other than 200")
    return found
