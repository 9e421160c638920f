"""`conformance` on the command line: exit codes, keys, and servers that mean no good."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cli.terminal import typed
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from cds_service.commands.listening import listen_on
from cds_service.conformance.tokens import Signer
from cds_service.demo.stage import running
from cds_service.errors import UsageError
from conformance.broken import card, given, service
from conformance.good_service import Break, GoodService, a_client

Capture = pytest.CaptureFixture[str]


@contextmanager
def served(wrong: Break | None = None, client: Signer | None = None) -> Iterator[str]:
    """The small service on a socket."""
    app: Any = GoodService(wrong, client)
    with listen_on("127.0.0.1", 0) as sock, running(app, sock) as base:
        yield base


@pytest.mark.parametrize(
    ("wrong", "arguments", "code", "counted"),
    [
        pytest.param(None, [], 0, "0 do not hold, 0 warnings", id="nothing wrong"),
        pytest.param(card(given(indicator="x")), [], 1, "1 do not hold, 0 warnings", id="SHALL"),
        pytest.param(card(given(note=" ")), [], 1, "1 do not hold, 0 warnings", id="own"),
        pytest.param(service(given(version="2")), [], 0, "0 do not hold, 1 warnings", id="SHOULD"),
        pytest.param(
            service(given(version="2")), ["--strict"], 1, "1 do not hold, 0 warnings", id="strict"
        ),
    ],
)
def test_the_exit_code_says_whether_it_conforms(
    wrong: Break | None, arguments: list[str], code: int, counted: str, capfd: Capture
) -> None:
    with served(wrong) as base:
        ended = typed(capfd, "conformance", "--base", base, "--format", "text", *arguments)
    assert (ended.code, counted in ended.lines[-1]) == (code, True), ended.lines[-1]


def test_what_was_seen_is_said_without_moving_the_terminal(capfd: Capture) -> None:
    with served(card(given(indicator="\x1b[2Jred"))) as base:
        ended = typed(capfd, "conformance", "--base", base, "--format", "text")
    assert "does not hold: `indicator` is info, warning or critical." in ended.words
    assert "[2Jred" in ended.words
    assert "\x1b" not in ended.out


@contextmanager
def talking(say: Callable[[socket.socket], None]) -> Iterator[str]:
    """Somebody on a socket who says the same to everybody."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def talk() -> None:
        while not over.is_set():
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            with caller:
                try:
                    caller.recv(65536)
                    say(caller)
                except OSError:
                    pass

    thread = threading.Thread(target=talk, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        over.set()
        listener.close()


def drip(caller: socket.socket) -> None:
    """A header that never ends, a byte at a time."""
    caller.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    for _ in range(100):
        caller.sendall(b"x")
        time.sleep(0.05)


def forever(caller: socket.socket) -> None:
    caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    while True:
        caller.sendall(b" " * 65536)


def page(caller: socket.socket) -> None:
    caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>")


def elsewhere(caller: socket.socket) -> None:
    caller.sendall(
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n"
        b"Connection: close\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("say", "said"),
    [
        pytest.param(lambda caller: None, "no answer", id="closes at once"),
        pytest.param(lambda caller: caller.sendall(b"SSH-2.0\r\n"), "no answer", id="no HTTP"),
        pytest.param(drip, "not within 0.5 s", id="a byte at a time"),
        pytest.param(forever, "more than 8 MiB", id="without end"),
        pytest.param(page, "200 and not JSON", id="a page"),
        pytest.param(elsewhere, "302 and no body", id="a redirect elsewhere"),
    ],
)
def test_where_no_cds_service_is_it_is_one_line_and_exit_code_2(
    say: Callable[[socket.socket], None], said: str, capfd: Capture
) -> None:
    seconds = "10" if say is forever else "0.5"
    with talking(say) as base:
        ended = typed(capfd, "conformance", "--base", base, "--timeout", seconds)
    assert said in ended.one_complaint()


def test_nobody_there_is_one_line_and_exit_code_2(capfd: Capture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    ended = typed(capfd, "conformance", "--base", f"http://127.0.0.1:{port}")
    assert "no answer" in ended.one_complaint()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["--base", "here"], "here: not a plain", id="no address"),
        pytest.param(["--base", "ftp://cds.test"], "not a plain http", id="another scheme"),
        pytest.param(["--base", "http://a", "--jwt-iss", "x"], "go together", id="no key"),
        pytest.param(["--base", "http://a", "--jwt-jku", "x"], "needs --jwt-key", id="jku alone"),
        pytest.param([], "--base", id="nothing"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], said: str, capfd: Capture) -> None:
    assert said in typed(capfd, "conformance", *arguments).one_complaint()


def test_a_service_that_wants_a_token_says_which_option_is_missing(capfd: Capture) -> None:
    with served(client=a_client()) as base:
        ended = typed(capfd, "conformance", "--base", base)
    assert "--jwt-key" in ended.one_complaint()


def test_certificates_of_a_private_authority_are_those_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    (tmp_path / "ca.pem").write_text("none")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    ended = typed(capfd, "conformance", "--base", "https://127.0.0.1:1")
    assert "SSL_CERT_FILE" in ended.one_complaint()


KEYS: dict[str, tuple[Any, str]] = {
    "P-256": (ECKey.generate_key("P-256"), "ES256"),
    "P-384": (ECKey.generate_key("P-384"), "ES384"),
    "RSA": (RSAKey.generate_key(2048), "RS384"),
}


@pytest.mark.parametrize(("key", "alg"), KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("form", ["PEM", "JWK"])
def test_a_key_may_be_of_every_kind_and_form(key: Any, alg: str, form: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    as_json = json.dumps(key.as_dict(private=True)).encode()
    file.write_bytes(key.as_pem(private=True) if form == "PEM" else as_json)
    signer = Signer.from_file(file, "https://ehr.test", "k1", "https://ehr.test/jwks")
    assert signer.alg == alg
    assert signer.header() == {
        "alg": alg, "kid": "k1", "typ": "JWT", "jku": "https://ehr.test/jwks"
    }  # fmt: skip
    for token in (signer.token("a"), signer.with_foreign_key().token("a")):
        assert len(token.split(".")) == 3


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"no key", id="text"),
        pytest.param(b"{}", id="an empty object"),
        pytest.param(OctKey.generate_key().as_dict(), id="a shared secret"),
        pytest.param(OKPKey.generate_key("Ed25519").as_dict(), id="a key of another kind"),
        pytest.param(ECKey.generate_key("P-384").as_pem(private=False), id="a public key"),
        pytest.param(None, id="no file"),
    ],
)
def test_a_file_without_a_private_key_is_refused(content: Any, tmp_path: Path) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with pytest.raises(UsageError):
        Signer.from_file(file, "i", "k", None)
