"""`fixtures load`: every invented patient on a FHIR server, or a clear word why not."""

from __future__ import annotations

import pytest

from cds_service.demo import loading, stories
from cds_service.demo.fhir_server import create_fhir_app
from cds_service.demo.stage import listen_near, running
from cli.terminal import FIXTURES, typed

FREE_PORT = 18_401
PATIENTS = sorted(path.name for path in FIXTURES.iterdir() if path.is_dir())


def test_every_patient_is_put_there_and_again(capfd: pytest.CaptureFixture[str]) -> None:
    with running(create_fhir_app(), listen_near(FREE_PORT)) as base:
        first = typed(capfd, "fixtures", "load", "--to", f"{base}/")
        again = typed(capfd, "fixtures", "load", "--to", base)
        seen = typed(capfd, "assess", "--fhir-base", base, "--patient", PATIENTS[0])
    assert (first.code, first.err) == (0, "")
    assert [line.partition(":")[0] for line in first.lines[:-1]] == PATIENTS
    assert first.lines[-1] == f"{len(PATIENTS)} of {len(PATIENTS)} patients are on {base}"
    assert all(line.endswith(" of them new") for line in first.lines[:-1])
    assert again.code == 0
    assert not any("new" in line for line in again.lines)
    assert seen.code == 0


def test_a_refusal_is_told_for_each_patient(capfd: pytest.CaptureFixture[str]) -> None:
    with running(create_fhir_app(token="t0ken"), listen_near(FREE_PORT)) as base:  # noqa: S106
        ended = typed(capfd, "fixtures", "load", "--to", base)
    assert ended.code == 1
    assert ended.lines[0] == f"{PATIENTS[0]}: FAILED: transaction: 401 needs a token"
    assert ended.lines[-1].startswith(f"0 of {len(PATIENTS)} patients are on ")


def test_nobody_there_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    complaint = typed(capfd, "fixtures", "load", "--to", "http://127.0.0.1:9").one_complaint()
    assert complaint == "http://127.0.0.1:9: Connection refused; 0 patients loaded"


def test_without_the_fixtures_it_says_where_they_are(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    nothing = FIXTURES / "nothing"
    monkeypatch.setattr(loading, "read_stories", lambda: stories.read_stories(nothing))
    complaint = typed(capfd, "fixtures", "load", "--to", "http://127.0.0.1:9").one_complaint()
    assert "the fixture patients are not here: they come with the source repository" in complaint
