"""What holds for every test: the same examples on every machine, however slow or busy it is; and a
PostgreSQL server for those that want one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from postgres_server import BOTH, NotHere, Server, a_server

from cds_service.audit.address import Address

settings.register_profile(
    "suite", derandomize=True, deadline=None, suppress_health_check=(HealthCheck.too_slow,)
)
settings.load_profile("suite")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A server of this run's own."""
    try:
        with a_server() as server:
            yield server
    except NotHere as why:
        pytest.skip(f"not run: {why}")


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A server that a test may stop and start."""
    try:
        with a_server() as server:
            yield server
    except NotHere as why:
        pytest.skip(f"not run: {why}")


@pytest.fixture(params=BOTH)
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Address:
    """The place of a log that is not written yet: a file, or a database of a server."""
    if request.param == "file":
        return tmp_path / "log.db"
    server: Server = request.getfixturevalue("postgres")
    return server.new_log()
