"""A PostgreSQL server of the tests' own, in a temporary folder, and logs in it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from audit.samples import NOON

from cds_service.audit.address import PostgresAddress
from cds_service.audit.postgres.migrating import migrate

BOTH = ["file", pytest.param("server", marks=pytest.mark.real)]
"""Where a log may lie; the same is asked of both."""
ADMINISTRATOR = "postgres"
LOGINS = {
    "service": "writer",
    "auditor": "reader",
    "privacy": "eraser",
    "retention": "purger",
}
"""Roles that log in, and the role of the log that each is a member of."""
_MIGRATED = "migrated"


class NotHere(Exception):
    """There is no PostgreSQL on this machine, or it cannot be started."""


@dataclass
class Server:
    """A running server; connections go through a socket in its folder."""

    folder: Path
    program: Path

    def __post_init__(self) -> None:
        self._numbers = count(1)

    def address(self, database: str, role: str = "service") -> PostgresAddress:
        return PostgresAddress(f"postgresql://{role}@/{database}?host={self.folder}")

    def as_administrator(self, database: str = "postgres") -> psycopg.Connection[Any]:
        return psycopg.connect(self.address(database, ADMINISTRATOR).url, autocommit=True)

    def run(self, *statements: str, database: str = "postgres") -> None:
        with self.as_administrator(database) as db:
            for statement in statements:
                db.execute(statement)

    def tool(self, name: str, *arguments: object) -> None:
        """A program of PostgreSQL's, as its administrator."""
        subprocess.run(  # noqa: S603
            [self.program / name, "-h", self.folder, "-U", ADMINISTRATOR, *map(str, arguments)],
            check=True,
            capture_output=True,
        )

    def new_database(self, like: str = "template1") -> str:
        name = f"log_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {like}")
        return name

    def new_log(self, role: str = "service", like: str = _MIGRATED) -> PostgresAddress:
        """An empty log, or a copy of one that nobody uses at the moment."""
        return self.address(self.new_database(like), role)

    def prepare(self) -> None:
        """The roles that log in, and a migrated database to make others like."""
        self.run(f"CREATE DATABASE {_MIGRATED}")
        migrate(self.address(_MIGRATED, ADMINISTRATOR), clock=lambda: NOON, make_id=lambda: "log-1")
        self.run(
            *(
                f"CREATE ROLE {login} LOGIN IN ROLE refractory_cds_{of}"
                for login, of in LOGINS.items()
            )
        )

    @contextmanager
    def stopped(self) -> Iterator[None]:
        _control(self, "stop", "-m", "fast")
        try:
            yield
        finally:
            start(self)


def database_of(address: PostgresAddress) -> str:
    return urlsplit(address.url).path.removeprefix("/")


def folder_of(address: PostgresAddress) -> Path:
    return Path(parse_qs(urlsplit(address.url).query)["host"][0])


def as_role(address: PostgresAddress, role: str) -> PostgresAddress:
    """The same log in another role's hands."""
    return PostgresAddress(
        address.url.replace(f"//{urlsplit(address.url).username}@", f"//{role}@")
    )


def start(server: Server) -> None:
    options = f"-c listen_addresses='' -c unix_socket_directories={server.folder}"
    _control(server, "start", "-w", "-o", options)


@contextmanager
def a_server() -> Iterator[Server]:
    """A server, until the block ends; NotHere where it cannot be had."""
    program = _programs()
    folder = Path(tempfile.mkdtemp(prefix="refractory-cds-postgres-"))
    server = Server(folder, program)
    try:
        if os.getuid() == 0:
            os.chown(folder, _owner().pw_uid, _owner().pw_gid)
        folder.chmod(0o755)
        _as_owner(
            program / "initdb", "-D", folder / "data", "-U", ADMINISTRATOR, "-A", "trust",
            "-E", "UTF8", "--locale=C.UTF-8", "--no-sync",
        )  # fmt: skip
        start(server)
        try:
            server.prepare()
            yield server
        finally:
            _control(server, "stop", "-m", "immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for place in places:
        if (place / "pg_ctl").exists():
            return place
    raise NotHere("PostgreSQL is not installed (no initdb)")


def _owner() -> pwd.struct_passwd:
    """Whom the server runs as: not root, which it refuses."""
    if os.getuid():
        return pwd.getpwuid(os.getuid())
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise NotHere("there is no user but root to run PostgreSQL as")


def _control(server: Server, verb: str, *options: str) -> None:
    log = server.folder / "log.txt"
    _as_owner(
        server.program / "pg_ctl",
        "-D",
        server.folder / "data",
        "-l",
        log,
        "-t",
        300,
        verb,
        *options,
    )


def _as_owner(*command: object) -> None:
    owner = _owner()
    becoming: dict[str, Any] = {}
    if os.getuid() == 0:
        becoming = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
    done = subprocess.run(  # noqa: S603
        list(map(str, command)),
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if "initdb" in str(command[0]) else subprocess.DEVNULL,
        stderr=subprocess.PIPE if "initdb" in str(command[0]) else subprocess.DEVNULL,
        text=True,
        **becoming,
    )
    if done.returncode:
        raise NotHere(f"{Path(str(command[0])).name}: {done.stderr or done.returncode}")
