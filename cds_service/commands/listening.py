"""Sockets to listen on, opened so that every answer leaves at once."""

from __future__ import annotations

import errno
import socket
from ipaddress import ip_address

from cds_service.errors import UsageError


class PortTaken(UsageError):
    """Somebody else listens there already."""


def listen_on(host: str, port: int) -> socket.socket:
    """A bound TCP socket, port 0 for any free one.

    The protocol is named because event loops switch delayed sending off (TCP_NODELAY) only where
    a socket says that it is TCP; with it on, an answer can wait 40 ms for an acknowledgement.
    Raises PortTaken, or UsageError where the address is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen()
    except OSError as error:
        sock.close()
        where = f"{host} port {port}"
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(f"{where} is taken; choose another with --port") from None
        raise UsageError(f"{where}: {error.strerror or error}") from None
    sock.set_inheritable(True)
    return sock


def is_loopback(sock: socket.socket) -> bool:
    """Whether only this machine can reach the socket."""
    return ip_address(sock.getsockname()[0]).is_loopback


def address_of(sock: socket.socket) -> str:
    """The base URL of a socket; "any address" is shown as this machine's own."""
    host, port = sock.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - only compared
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
