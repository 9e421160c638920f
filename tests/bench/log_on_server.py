"""Appends to a log in PostgreSQL, on a server that is started for it where one can be had."""

from __future__ import annotations

import asyncio

from bench.audit import append
from bench.rows import Row, say
from postgres_server import NotHere, a_server

NAME = "log in PostgreSQL, appends, 64 waiting"


def rows(*, quick: bool) -> list[Row]:
    """None, and a line that says why, where there is no server."""
    try:
        with a_server() as server:
            address = server.new_log()
            asyncio.run(append(address, 200, 64))  # tables and connections have been used once
            a_second, _ = asyncio.run(append(address, 1_000 if quick else 3_000, 64))
    except NotHere as why:
        say(f"{NAME}: not run: {why}\n")
        return []
    return [Row(NAME, 500 / a_second, "500 a second", 1.0, said=f"{a_second:.0f}/s")]
