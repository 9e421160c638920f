"""The logging inventory lists every place where a running service writes."""

from __future__ import annotations

import logging
import re
import sys
from pathlib import Path
from typing import get_args

import httpx
import pytest
from hooks.calls import SERVICE, call, myeloma, prefetch_of
from hooks.serving import settings_for

from cds_service.app import create_app
from cds_service.operations_log import set_up
from cds_service.settings import Settings

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "logging.md").read_text("utf-8")
NAMED = frozenset(re.findall(r"`([^`]+)`", PAGE))


async def test_every_file_that_a_running_service_writes_is_listed(tmp_path: Path) -> None:
    anchors = tmp_path / "anchors"
    settings = settings_for(
        tmp_path, audit_anchor_file=anchors, audit_checkpoint_events=1, calls_a_minute=5
    )
    app = create_app(settings)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app, client=("203.0.113.7", 1)), base_url="http://cds"
        ) as http,
    ):
        answer = await http.post(f"/cds-services/{SERVICE}", json=call(prefetch_of(myeloma())))
        assert answer.status_code == 200
        running = {path.name for path in tmp_path.rglob("*")}
    written = (running | {path.name for path in tmp_path.rglob("*")}) - {anchors.name}
    assert {"decisions.db", "decisions.db.signing-key"} <= written
    assert anchors.read_text("utf-8")
    assert {re.sub(r"^[0-9a-f]{32}(?=\.spool$)", "ID", name) for name in written} <= NAMED


def test_every_setting_that_names_a_file_is_listed() -> None:
    paths = {
        f"REFRACTORY_CDS_{name.upper()}"
        for name, field in Settings.model_fields.items()
        if field.annotation is Path or Path in get_args(field.annotation)
    }
    assert {"REFRACTORY_CDS_AUDIT_DB", "REFRACTORY_CDS_SITE_FILE"} <= paths
    assert paths <= NAMED
    assert {name for name in NAMED if name.startswith("REFRACTORY_CDS_")} - paths == {
        "REFRACTORY_CDS_LOG_LEVEL"
    }


def test_the_operations_log_has_one_sink_and_that_is_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    level, own = root.level, logging.getLogger("refractory_cds").level
    try:
        set_up("info")
        (handler,) = root.handlers
        assert isinstance(handler, logging.StreamHandler)
        assert handler.stream is sys.stderr
        others = [
            name
            for name, logger in logging.root.manager.loggerDict.items()
            if isinstance(logger, logging.Logger) and logger.handlers
            and name.partition(".")[0] in ("refractory_cds", "uvicorn", "fastapi", "cds_service")
        ]  # fmt: skip
        assert others == []
    finally:
        root.setLevel(level)
        logging.getLogger("refractory_cds").setLevel(own)
    assert "standard error, JSON lines" in PAGE


def test_no_module_writes_a_log_of_its_own() -> None:
    package = Path(__file__).resolve().parents[2] / "cds_service"
    sink = re.compile(r"FileHandler|SysLogHandler|SocketHandler|basicConfig|addHandler")
    found = [path.name for path in package.rglob("*.py") if sink.search(path.read_text("utf-8"))]
    assert found == []
