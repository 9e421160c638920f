"""Addresses on one FHIR server: its base, and the next pages that are still its own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

LONGEST_URL = 2048
DEFAULT_PORTS = {"http": 80, "https": 443}

# Everything that two parsers could read in two ways is refused by having no place here:
# user-info, backslashes, escapes, spaces, control and non-ASCII characters, query, fragment.
_BASE = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>(?:/[A-Za-z0-9._~=,+:-]+)*)/?",
    re.ASCII,
)

_WAY_OUT = re.compile(r"(^|/)\.{1,2}([/;]|$)|%2e|%2f|%5c", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class BaseUrl:
    """The base address of a FHIR server, in one spelling; `path` has no final slash."""

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, text: str) -> BaseUrl:
        """Read a base address, with or without a final slash; ValueError for anything odd."""
        match = _BASE.fullmatch(text) if len(text) <= LONGEST_URL else None
        if match is None:
            raise ValueError("not a plain http or https address")
        scheme = match["scheme"]
        port = int(match["port"] or DEFAULT_PORTS[scheme])
        if port > 65535 or {".", ".."} & set(match["path"].split("/")):
            raise ValueError("not a plain http or https address")
        return cls(scheme, match["host"].lower(), port, match["path"])

    def __str__(self) -> str:
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}{self.path}"

    def next_page(self, current: str, link: str) -> str | None:
        """The address of a `next` link, or None where it leaves this server or its base path.

        A token that follows such a link is given away. Relative links are read from the base,
        those that are a query only from the page they stand on.
        """
        if not link or not link.isascii() or not link.isprintable() or set(' \\"<>') & set(link):
            return None
        try:
            address = urljoin(current if link.startswith("?") else f"{self}/", link)
            parts = urlsplit(address)
            port = DEFAULT_PORTS.get(parts.scheme) if parts.port is None else parts.port
        except ValueError:
            return None
        if (parts.scheme, parts.hostname, port) != (self.scheme, self.host.strip("[]"), self.port):
            return None
        if "@" in parts.netloc or not self._holds(parts.path):
            return None
        return address.partition("#")[0]

    def _holds(self, path: str) -> bool:
        """Whether a path is the base's or below it, without a way out."""
        if _WAY_OUT.search(path):
            return False
        return path == self.path or path.startswith(f"{self.path}/")
