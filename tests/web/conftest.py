"""One running service for the tests of a module; `said` is all that the process has said."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hooks.calls import myeloma
from hooks.conftest import said as said
from hooks.serving import Served, serving


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("served"), chart=myeloma()) as service:
        yield service


@pytest.fixture
def served(running: Served) -> Served:
    running.wire.asked.clear()
    return running
