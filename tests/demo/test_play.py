"""`demo --once`: the whole play in a process of its own, and the pieces that it is made of."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from itertools import takewhile
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from rich.console import Console

from cds_service.commands.listening import listen_on
from cds_service.demo.card_text import card_panel
from cds_service.demo.ehr import Answer, Ehr
from cds_service.demo.fhir_server import create_fhir_app
from cds_service.demo.http_calls import Caller, CallFailed
from cds_service.demo.programme import (
    OWN_SANDBOX,
    SANDBOX,
    Addresses,
    Tally,
    chart_opened,
    closing,
    where_next,
)
from cds_service.demo.stage import HOST, listen_near, running
from cds_service.demo.stories import Story, read_stories
from cds_service.errors import UsageError
from cds_service.report import Page
from cds_service.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
STORIES = read_stories()


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What `refractory-cds demo --once` prints, run as somebody would."""
    ended = subprocess.run(
        [sys.executable, "-m", "cds_service", "demo", "--once"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "100", "TMPDIR": str(tmp_path_factory.mktemp("demo"))},
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr
    assert ended.stderr == ""
    return ended.stdout


def words(text: str) -> str:
    return " ".join(text.replace("│", " ").split())


def test_the_heading_says_why_the_day_is_what_it_is(shown: str) -> None:
    day = max(story.as_of for story in STORIES)
    assert f"The stories end on {day}, so the service's clock stands still" in words(shown)


@pytest.mark.parametrize("keep", [False, True])
def test_the_log_is_removed_at_the_end_unless_it_is_to_be_kept(tmp_path: Path, keep: bool) -> None:
    ended = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "cds_service", "demo", "--once", *["--keep-log"][:keep]],
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0
    assert [log.name for log in tmp_path.glob("refractory-cds-demo-*/*.db")] == (
        ["decisions.db"] if keep else []
    )
    assert keep or not list(tmp_path.glob("refractory-cds-demo-*"))


def test_every_story_is_told_with_as_many_cards_as_it_expects(shown: str) -> None:
    for story in STORIES:
        assert story.title in shown
        assert story.lines[0] in shown
    assert "The story expects" not in shown
    assert shown.count("╭─") == sum(story.expected_cards for story in STORIES)


def test_a_chart_without_a_card_says_why(shown: str) -> None:
    said = words(shown)
    assert "No card: no active cancer on record." in said
    assert "No card: diffuse large B-cell lymphoma: all advice is held back (hospice care)." in said
    assert shown.count("No card: ") == sum(not story.expected_cards for story in STORIES)


def test_both_ways_of_reading_gave_the_same_cards(shown: str) -> None:
    assert "Every chart gave the same cards both ways." in shown
    assert shown.count(": the same answer") == len(STORIES)
    assert re.search(rf"{len(STORIES)} charts opened twice in [\d.]+ s: \d+ cards", words(shown))


def test_a_card_is_shown_with_its_buttons_and_source(shown: str) -> None:
    assert "[ Draft a restaging order ]" in shown
    assert "Source: refractory-cds, clinical knowledge" in shown
    assert "https://doi.org/" in shown


def test_the_addresses_can_be_copied_whole(shown: str) -> None:
    lines = shown.splitlines()
    service = re.search(r"The service answers on (http://127\.0\.0\.1:\d+)", shown)
    assert service is not None
    assert f"Discovery     {service[1]}/cds-services" in lines
    assert any(line.startswith("Decision log  ") and line.endswith(".db") for line in lines)
    for where in ("https://sandbox.cds-hooks.org/?", "http://localhost:8080/?"):
        link = next(line for line in lines if where in line).split()[-1]
        asked = parse_qs(urlsplit(link).query)
        assert asked["serviceDiscoveryURL"] == [f"{service[1]}/cds-services"]
        assert asked["hook"] == ["patient-view"]
        assert set(asked) == {
            *("fhirServiceUrl", "serviceDiscoveryURL", "patientId"),
            "hook",
            "screen",
        }


def test_the_pages_that_it_sends_people_to_are_admitted_by_default() -> None:
    """Else the address that the demo prints would show a patient and "All clear!"."""
    for where in (SANDBOX, OWN_SANDBOX):
        assert where.rstrip("/") in Settings(_env_file=None).cors_origins  # type: ignore[call-arg]


def test_it_serves_until_ctrl_c_and_then_stops_cleanly(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "cds_service", "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as demo:
        assert demo.stdout is not None
        lines = iter(demo.stdout.readline, "")
        told = list(takewhile(lambda line: not line.startswith("Serving until Ctrl-C"), lines))
        service = next(line.split()[1] for line in told if line.startswith("Discovery "))
        with Caller(service) as caller:
            assert caller.get("").body["services"]
        demo.send_signal(signal.SIGINT)
        rest, errors = demo.communicate(timeout=30)
    assert demo.returncode == 0
    assert rest.split() == ["Stopped."]
    assert errors == ""


# --- the pieces -----------------------------------------------------------------------------------


def rendered(part: Any) -> str:
    console = Console(width=100, color_system=None)
    with console.capture() as captured:
        console.print(part)
    return captured.get()


CARD = {
    "uuid": "7b3c9a0e-0000-4000-8000-000000000001",
    "summary": "Possible refractory disease",
    "indicator": "warning",
    "detail": "**What was seen**\n\n- one\x1b[31m\n- two",
    "source": {"label": "us"},
    "suggestions": [
        {"label": "Draft [bold]it[/bold]", "uuid": "7b3c9a0e-0000-4000-8000-00000000000a"}
    ],
    "links": [{"label": "A paper", "url": "https://doi.org/10.1/x", "type": "absolute"}],
}  # fmt: skip


def test_a_card_is_rendered_and_can_do_nothing_to_the_terminal() -> None:
    text = rendered(card_panel(CARD))
    for said in ("warning", "Possible refractory disease", "• two", "[ Draft [bold]it[/bold] ]"):
        assert said in text
    assert "\x1b" not in text


def test_a_card_with_nothing_but_what_it_must_have() -> None:
    text = rendered(card_panel({"summary": "s", "indicator": "info", "source": {"label": "us"}}))
    assert "Source: us" in text


def test_answers_are_compared_without_their_ids() -> None:
    other = {**CARD, "uuid": "7b3c9a0e-0000-4000-8000-000000000002"}
    assert Answer((CARD,), 1.0).without_ids == Answer((other,), 2.0).without_ids
    changed = {**CARD, "summary": "Something else"}
    assert Answer((CARD,), 1.0).without_ids != Answer((changed,), 1.0).without_ids


def test_two_different_answers_are_no_success() -> None:
    story = STORIES[0]
    tally = Tally(charts=1)
    given, read = Answer((CARD,), 1.0), Answer((), 1.0)
    tally.count(story, given, read)
    assert not tally.is_good
    assert "TWO DIFFERENT ANSWERS" in rendered(chart_opened(story, "1/1", given, read, ""))
    assert f"Two different answers: {story.patient_id}" in rendered(closing(tally))


def test_a_card_too_many_is_pointed_out() -> None:
    quiet = next(story for story in STORIES if not story.expected_cards)
    answer = Answer((CARD,), 1.0)
    assert "The story expects 0." in rendered(chart_opened(quiet, "1/1", answer, answer, ""))


def test_a_port_that_is_taken_is_said_aloud(tmp_path: Path) -> None:
    with listen_on(HOST, 0) as taken:
        port = taken.getsockname()[1]
        with listen_near(port) as near:
            assert near.getsockname()[1] > port
            assert near.proto == socket.IPPROTO_TCP
    from cds_service.demo.programme import opening

    there = Addresses("http://127.0.0.1:8002", "http://127.0.0.1:8001", tmp_path, (8000, 8001))
    said = words(rendered(opening(there, 1, STORIES[0].as_of)))
    assert "Port 8000 is taken, so the service is on 8002." in said
    assert "Port 8001" not in said


def test_the_last_lines_name_the_log_and_the_patient(tmp_path: Path) -> None:
    there = Addresses("http://127.0.0.1:8000", "http://127.0.0.1:8001", tmp_path, (8000, 8001))
    lines = list(where_next(there, "mm-len"))
    assert any(f"audit list --db {tmp_path}" in line for line in lines)
    assert any("patientId=mm-len" in line for line in lines)


def test_a_refused_call_says_what_the_service_said() -> None:
    with (
        running(create_fhir_app(), listen_near(18_501)) as base,
        Caller(base) as service,
        Caller(base) as fhir,
        pytest.raises(CallFailed, match="discovery: 404 not a resource type"),
    ):
        Ehr(service, fhir)


def test_without_the_fixtures_it_says_where_they_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="source repository"):
        read_stories(tmp_path)


def test_a_broken_story_is_named(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "story.toml").write_text('title = "x"')
    with pytest.raises(UsageError, match=r"p/story\.toml: no usable story"):
        read_stories(tmp_path)


def test_a_story_is_read_whole() -> None:
    story = next(s for s in STORIES if s.patient_id == "mm-len")
    assert isinstance(story, Story)
    assert len(story.lines) == 5
    assert json.loads(story.bundle)["type"] == "transaction"


def test_an_address_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    address = "http://127.0.0.1:8000/" + "x" * 200
    Page(width=80).print_whole(address)
    assert capsys.readouterr().out == f"{address}\n"
