"""One running service for the tests of a module, with one patient on the FHIR server behind it."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator

import pytest

from cds_service import operations_log
from hooks.calls import myeloma
from hooks.serving import Served, serving


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("served"), chart=myeloma()) as service:
        yield service


@pytest.fixture
def served(running: Served) -> Served:
    """The running service, its FHIR server not asked for anything yet."""
    running.wire.asked.clear()
    return running


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """All that the process has said, its operations log set up as `serve` sets it up."""
    root, ours = logging.getLogger(), logging.getLogger("refractory_cds")
    handlers, levels = root.handlers, (root.level, ours.level)
    operations_log.set_up("debug")
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    lines = io.StringIO()
    handler.setStream(lines)

    def heard() -> str:
        captured = capsys.readouterr()
        return lines.getvalue() + captured.out + captured.err

    yield heard
    root.handlers = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])
