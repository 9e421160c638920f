"""`serve`: where it listens, what it writes, and how it stops."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import httpx
import pytest

from cds_service.commands.heads import MOST_BYTES_OF_HEAD
from cds_service.commands.listening import PortTaken, address_of, listen_on
from cds_service.commands.setting import unknown_settings
from cds_service.demo.fhir_server import create_fhir_app
from cds_service.demo.stage import listen_near, running
from cds_service.errors import UsageError
from cli.terminal import ROOT, process, typed

SECONDS = 30.0
FIXTURE = "breast-cdk"
Event = dict[str, Any]


@contextmanager
def serving(
    log: Path, *arguments: str, **settings: str
) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """The service on a free port in a process of its own; what it writes goes into a file."""
    written = log.with_suffix(".err")
    with written.open("w") as errors:
        started = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "cds_service", "serve", "--port", "0", *arguments],
            stderr=errors,
            cwd=ROOT,
            env={
                **os.environ,
                "REFRACTORY_CDS_AUDIT_DB": str(log),
                "PYTHONUNBUFFERED": "1",
                **{f"REFRACTORY_CDS_{name}": value for name, value in settings.items()},
            },
            text=True,
        )
    try:
        yield started, written
    finally:
        started.kill()
        started.wait()


def events(written: Path) -> list[Event]:
    """What has been written so far, every line of it JSON; a line under way is left for later."""
    *whole, _ = written.read_text().split("\n")
    assert all(line.startswith("{") for line in whole), "\n".join(whole)
    return [json.loads(line) for line in whole]


def wait_for(written: Path, name: str, *, times: int = 1) -> Event:
    """The event of this name, once it has been written so often."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        found = [event for event in events(written) if event["event"] == name]
        if len(found) >= times:
            return found[-1]
        time.sleep(0.05)
    raise AssertionError(written.read_text())


@pytest.mark.parametrize(
    ("environment", "file", "unknown"),
    [
        pytest.param(["REFRACTORY_CDS_AUDIT_DB", "PATH"], "", [], id="all known"),
        pytest.param(["REFRACTORY_CDS_AUDITDB"], "", ["REFRACTORY_CDS_AUDITDB"], id="misspelt"),
        pytest.param(["refractory_cds_log_level"], "", [], id="in small letters"),
        pytest.param(
            [],
            "# REFRACTORY_CDS_X=1\nexport REFRACTORY_CDS_Y = 2\nREFRACTORY_CDS_PUBLIC_URL=\nZ=1\n",
            ["REFRACTORY_CDS_Y"],
            id="in the file",
        ),
    ],
)
def test_variables_that_are_no_settings_are_named(
    tmp_path: Path, environment: list[str], file: str, unknown: list[str]
) -> None:
    (tmp_path / ".env").write_text(file)
    assert unknown_settings(environment, tmp_path / ".env") == unknown
    assert unknown_settings([], tmp_path / "nowhere") == []


def test_serve_warns_of_a_variable_that_is_no_setting(tmp_path: Path) -> None:
    with serving(tmp_path / "log.db", AUDITDB="x") as (_, written):
        warning = wait_for(written, "settings.unknown")
    assert (warning["level"], warning["settings"]) == ("warning", "REFRACTORY_CDS_AUDITDB")


def got(port: int, path: str) -> bytes:
    with urlopen(f"http://127.0.0.1:{port}{path}", timeout=SECONDS) as reply:
        body: bytes = reply.read()
        return body


def core_limits(pid: int) -> set[tuple[int, int]]:
    """The limits on core dumps of a process and of all that it has started."""
    below = Path(f"/proc/{pid}/task/{pid}/children")
    children = [int(child) for child in below.read_text().split()] if below.exists() else []
    return {resource.prlimit(one, resource.RLIMIT_CORE) for one in (pid, *children)}


def test_it_answers_says_so_in_json_and_stops_at_sigterm(tmp_path: Path) -> None:
    with serving(tmp_path / "log.db") as (service, written):
        port = wait_for(written, "service.listening")["port"]
        wait_for(written, "service.started")
        assert json.loads(got(port, "/readyz"))["status"] == "ready"
        assert json.loads(got(port, "/cds-services"))["services"]
        service.send_signal(signal.SIGTERM)
        assert service.wait(SECONDS) == 0
        told = events(written)
    assert told[-1]["event"] == "service.stopped"
    assert {"at", "level", "event"} <= set.intersection(*(set(event) for event in told))
    assert "GET" not in written.read_text()


def test_several_processes_share_a_port_and_their_metrics(tmp_path: Path) -> None:
    with serving(tmp_path / "log.db", "--workers", "2") as (service, written):
        port = wait_for(written, "service.listening")["port"]
        wait_for(written, "service.started", times=2)
        assert json.loads(got(port, "/readyz"))["status"] == "ready"
        assert b"refractory_cds_log_waiting" in got(port, "/metrics")
        assert {soft for soft, _ in core_limits(service.pid)} == {0}  # charts are in memory
        service.send_signal(signal.SIGTERM)
        assert service.wait(SECONDS) == 0
        stopped = [event for event in events(written) if event["event"] == "service.stopped"]
    assert len(stopped) == 2


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_log_that_cannot_be_written_ends_it_at_once(workers: str, tmp_path: Path) -> None:
    log = tmp_path / "log.db"
    log.write_text("no database")
    ended = process("serve", "--port", "0", "--workers", workers, REFRACTORY_CDS_AUDIT_DB=str(log))
    assert ended.code == 2
    assert "refractory-cds: " in ended.err


def test_a_log_below_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    ended = process("serve", "--port", "0", REFRACTORY_CDS_AUDIT_DB=str(tmp_path / "file/log.db"))
    assert ended.code == 2
    assert "refractory-cds: " in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("listens_on", "fhir_servers", "answer"),
    [
        ("127.0.0.1", "[]", 200),
        ("127.0.0.1", '["https://fhir.example.org/r4"]', 412),
        ("0.0.0.0", "[]", 412),  # noqa: S104 - that is what is tested
    ],
)
def test_a_fhir_server_of_this_machine_is_read_only_by_a_service_of_this_machine(
    listens_on: str, fhir_servers: str, answer: int, tmp_path: Path
) -> None:
    bundle = (ROOT / "fhir_fixtures" / FIXTURE / "bundle.json").read_bytes()
    patient = next(
        entry["resource"]["id"]
        for entry in json.loads(bundle)["entry"]
        if entry["resource"]["resourceType"] == "Patient"
    )
    with (
        running(create_fhir_app([bundle]), listen_near(0)) as fhir,
        serving(
            tmp_path / "log.db", "--host", listens_on, FHIR_SERVERS=fhir_servers, JWT="off"
        ) as (_, out),
    ):
        port = wait_for(out, "service.listening")["port"]
        called = httpx.post(
            f"http://127.0.0.1:{port}/cds-services/refractory-status",
            json={
                "hook": "patient-view",
                "hookInstance": "0f7cf9a5-3c0b-4b1c-9d0e-6a9f4e1f2b11",
                "fhirServer": fhir,
                "context": {"userId": "Practitioner/1", "patientId": patient},
            },
            timeout=SECONDS,
        )
    assert called.status_code == answer


def test_a_port_that_is_taken_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    with listen_on("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        complaint = typed(capfd, "serve", "--port", port).one_complaint()
    assert complaint == f"127.0.0.1 port {port} is taken; choose another with --port"


def test_a_log_level_that_is_none_is_one_line() -> None:
    ended = process("serve", "--port", "0", REFRACTORY_CDS_LOG_LEVEL="loud")
    assert ended.one_complaint() == "REFRACTORY_CDS_LOG_LEVEL: no level 'loud'"


def test_an_address_of_another_machine_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    complaint = typed(capfd, "serve", "--host", "192.0.2.1", "--port", "0").one_complaint()
    assert complaint.startswith("192.0.2.1 port 0: ")


def test_a_socket_says_that_it_is_tcp() -> None:
    """Without it an event loop leaves delayed sending on."""
    with listen_on("127.0.0.1", 0) as sock:
        assert sock.proto == socket.IPPROTO_TCP
        assert address_of(sock) == f"http://127.0.0.1:{sock.getsockname()[1]}"
        with pytest.raises(PortTaken):
            listen_on("127.0.0.1", sock.getsockname()[1])


def test_any_address_is_shown_as_this_machine() -> None:
    with listen_on("0.0.0.0", 0) as sock:  # noqa: S104 - that is what is tested
        assert address_of(sock).startswith("http://127.0.0.1:")


def test_a_name_that_is_no_address_is_refused() -> None:
    with pytest.raises(UsageError):
        listen_on("no such host", 0)


ANYWHERE = "0.0.0.0"  # noqa: S104 - that is what is tested


def test_a_service_that_others_reach_does_not_start_before_it_knows_who_may_call() -> None:
    ended = process("serve", "--host", ANYWHERE, "--port", "0")
    complaint = ended.one_complaint()
    assert ended.code == 2
    assert complaint.startswith(f"{ANYWHERE} can be reached from other machines: ")
    assert "REFRACTORY_CDS_CLIENTS_FILE" in complaint
    assert "REFRACTORY_CDS_JWT=off" in complaint


@pytest.mark.parametrize("workers", [1, 2])
def test_a_fault_in_the_clients_file_is_one_line(workers: int, tmp_path: Path) -> None:
    file = tmp_path / "clients.toml"
    file.write_text('[[clients]]\niss = "https://ehr.example"\nalgorithms = ["none"]\n')
    ended = process(
        "serve", "--port", "0", "--workers", workers, REFRACTORY_CDS_CLIENTS_FILE=str(file)
    )
    assert ended.code == 2
    assert ended.one_complaint().startswith(f"{file}: clients[0].algorithms[0]: ")


def test_tokens_that_nobody_could_have_are_one_line() -> None:
    ended = process("serve", "--port", "0", REFRACTORY_CDS_JWT="required")
    assert ended.code == 2
    assert "REFRACTORY_CDS_CLIENTS_FILE" in ended.one_complaint()


@pytest.mark.parametrize(
    ("host", "settings", "status", "warned"),
    [
        pytest.param("127.0.0.1", {}, 200, None, id="this machine, nothing said"),
        pytest.param(ANYWHERE, {"JWT": "off"}, 200, "settings.anybody-may-call", id="off"),
        pytest.param(ANYWHERE, {"CLIENTS_FILE": "x"}, 401, "settings.no-public-url", id="clients"),
        pytest.param("127.0.0.1", {"CLIENTS_FILE": "x"}, 401, None, id="clients, here"),
        pytest.param("127.0.0.1", {"CLIENTS_FILE": "x", "JWT": "off"}, 200, None, id="off"),
    ],
)
def test_who_has_to_bring_a_token(
    host: str, settings: dict[str, str], status: int, warned: str | None, tmp_path: Path
) -> None:
    if "CLIENTS_FILE" in settings:
        file = tmp_path / "clients.toml"
        file.write_text(
            '[[clients]]\niss = "https://ehr.example"\njwks_url = "https://ehr.example/keys"\n'
        )
        settings = settings | {"CLIENTS_FILE": str(file)}
    with serving(tmp_path / "log.db", "--host", host, **settings) as (_, out):
        port = wait_for(out, "service.listening")["port"]
        answer = httpx.get(f"http://127.0.0.1:{port}/cds-services", timeout=SECONDS)
        assert answer.status_code == status
        assert httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=SECONDS).status_code == 200
        if warned:
            assert wait_for(out, warned)["level"] == "warning"


# --- what comes before the body ------------------------------------------------------------------

LINE = b"GET /cds-services HTTP/1.1\r\n"
HOST = b"Host: x\r\n"
REFUSED = {
    400: "this is no request of HTTP",
    431: "the address and headers of a request are too long",
}


def told(port: int, *sent: bytes) -> bytes:
    """What comes back until the connection ends, or for a second."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as line:
        try:
            for part in sent:
                line.sendall(part)
            line.settimeout(1)
            while part := line.recv(65536):
                answer += part
        except OSError:  # cut while more was being sent, or nothing more came
            pass
    return answer


def test_address_and_headers_have_a_limit(tmp_path: Path) -> None:
    header = b"X: " + b"a" * (MOST_BYTES_OF_HEAD - 100) + b"\r\n"
    cases = {
        "just short enough": (200, LINE + HOST + header + b"\r\n"),
        "one header": (431, LINE + HOST + header + header + b"\r\n"),
        "many headers": (431, LINE + b"".join(b"X-%d: y\r\n" % n for n in range(9000)) + b"\r\n"),
        "never ending": (431, LINE + HOST + b"X: " + b"a" * (MOST_BYTES_OF_HEAD + 1)),
        "the address": (431, b"GET /" + b"a" * (MOST_BYTES_OF_HEAD + 1) + b" HTTP/1.1\r\n\r\n"),
        "no HTTP": (400, b"\x16\x03\x01\x02\x00\x01\r\n\r\n"),
    }
    with serving(tmp_path / "log.db") as (_, written):
        port = wait_for(written, "service.listening")["port"]
        wait_for(written, "service.started")
        for name, (status, sent) in cases.items():
            answer = told(port, sent)
            assert answer.startswith(b"HTTP/1.1 %d " % status), name
            if status in REFUSED:
                outcome = json.loads(answer.partition(b"\r\n\r\n")[2])
                assert outcome["resourceType"] == "OperationOutcome", name
                assert [one["diagnostics"] for one in outcome["issue"]] == [REFUSED[status]], name


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_whoever_sends_headers_without_end_costs_no_memory(tmp_path: Path) -> None:
    with serving(tmp_path / "log.db") as (service, written):
        port = wait_for(written, "service.listening")["port"]
        wait_for(written, "service.started")
        before = resident(service.pid)
        told(port, LINE, *(b"X-%d: %s\r\n" % (n, b"a" * 100_000) for n in range(1000)))
        assert resident(service.pid) - before < 20_000_000
        assert json.loads(got(port, "/readyz"))["status"] == "ready"


def resident(pid: int) -> int:
    """Bytes of memory in use by a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


CLIENTS = """
[[clients]]
iss = "https://ehr.example.org"
jwks_url = "https://ehr.example.org/jwks.json"
"""
OF_TOKENS = ("joserfc.jws", "joserfc.jwk")
OF_OTHERS = ("psycopg", "jinja2", "rich", "joserfc.jwe")


@pytest.mark.parametrize(
    ("clients", "loaded"), [("", ()), (CLIENTS, OF_TOKENS)], ids=["anybody", "known clients"]
)
def test_a_start_loads_what_the_settings_ask_for_before_the_first_call(
    clients: str, loaded: tuple[str, ...], tmp_path: Path
) -> None:
    """What checks tokens only where tokens are checked; pydantic's first version never."""
    settings = {"AUDIT_DB": str(tmp_path / "log.db")}
    if clients:
        (tmp_path / "clients.toml").write_text(clients)
        settings["CLIENTS_FILE"] = str(tmp_path / "clients.toml")
    code = f"""
import sys
from cds_service.commands.serving import application
application()
print([name for name in {OF_TOKENS + OF_OTHERS!r} if name in sys.modules])
print(sys.modules.get("pydantic.v1"), "pydantic.v1.main" in sys.modules)
"""
    ended = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", code],
        capture_output=True,
        cwd=ROOT,
        check=True,
        text=True,
        env={**os.environ, **{f"REFRACTORY_CDS_{name}": value for name, value in settings.items()}},
    )
    assert ended.stdout.splitlines() == [str(list(loaded)), "None False"]
