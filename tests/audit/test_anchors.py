"""Anchors: what only they can find, and what they look like."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from audit.samples import (
    a_log_of,
    a_store,
    administrator,
    an_event,
    anchor_of,
    kinds,
    places,
    record,
    verified,
)
from audit.tampering import SIZE, cut
from cds_service.audit.anchor import Anchor, read_anchor, read_anchors
from cds_service.audit.findings import Kind
from cds_service.errors import AuditError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    a_log_of(tmp_path / "log.db", SIZE)
    return tmp_path / "log.db"


def test_a_cut_end_looks_whole_without_an_anchor_and_is_found_with_one(path: Path) -> None:
    anchor = anchor_of(path)
    with administrator(path) as db:
        cut(db, keep=5)
    assert verified(path).exit_code == 3
    report = verified(path, anchor)
    assert report.exit_code == 1
    assert places(report, Kind.TRUNCATED) == [(6, 7)]
    assert any("2 more events" in finding.detail for finding in report.findings)


def test_an_anchor_of_the_whole_log_makes_it_whole_and_anchored(path: Path) -> None:
    report = verified(path, anchor_of(path))
    assert (report.exit_code, report.anchored) == (0, SIZE)
    assert report.verdict.startswith("WHOLE AND ANCHORED")
    assert not report.findings


def test_an_older_anchor_vouches_for_its_events_and_the_rest_is_said(path: Path) -> None:
    anchor = anchor_of(path)
    with closing(a_store(path)) as store:
        record(store, an_event(20), an_event(21))
    report = verified(path, anchor)
    assert (report.exit_code, report.anchored) == (0, SIZE)
    assert "newest 2 have no anchor" in report.verdict


def test_a_history_written_anew_is_not_the_one_that_was_anchored(
    path: Path, tmp_path: Path
) -> None:
    anchor = anchor_of(path)
    other = tmp_path / "other.db"
    a_log_of(other, SIZE)  # same log id, other salts: every hash differs
    report = verified(other, anchor)
    assert report.exit_code == 1
    assert places(report, Kind.CHECKPOINT_INCONSISTENT) == [(SIZE, SIZE)]


def test_an_anchor_of_another_log_does_not_vouch(path: Path) -> None:
    report = verified(path, Anchor.unsigned("log-2", SIZE, anchor_of(path).checkpoint.root))
    assert (report.exit_code, report.anchored) == (1, 0)
    assert kinds(report) == {Kind.CHECKPOINT_INCONSISTENT}


def test_an_anchor_is_three_lines_and_reads_back(path: Path) -> None:
    anchor = anchor_of(path)
    assert read_anchor(str(anchor)) == anchor
    assert str(anchor).splitlines()[:2] == ["refractory-cds/log-1", "7"]
    assert len(str(anchor).splitlines()) == 3


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("refractory-cds/log-1\n7\n", id="no root"),
        pytest.param("refractory-cds/log-1\nseven\n" + "A" * 43 + "=\n", id="no size"),
        pytest.param("refractory-cds/log-1\n7\nAAAA\n", id="a short root"),
        pytest.param("refractory-cds/log-1\n7\n" + "!" * 44 + "\n", id="no base64"),
        pytest.param("refractory-cds/log-1\n0\n" + "A" * 43 + "=\n", id="of nothing"),
        pytest.param("log-1\n7\n" + "A" * 43 + "=\n", id="another origin"),
        pytest.param("é\n7\n" + "A" * 43 + "=\n", id="not ASCII"),
    ],
)
def test_what_is_no_anchor_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "anchor.txt"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(AuditError, match="anchor"):
        read_anchor(text)
    with pytest.raises(AuditError, match="anchor"):
        list(read_anchors(file))
