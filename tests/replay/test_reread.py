"""A hospital keeps digests only: its FHIR server has the charts, and replay asks it for them."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from fixtures.stories import STORIES, Story
from hooks.calls import Resource
from hooks.test_cards import call_of

from cds_service.audit.identified_contents import used_in
from cds_service.audit.reading import open_reader
from replay.logs import Day, run, run_json, started
from replay.test_replay_period import changed

LEN = next(story for story in STORIES if story.slug == "mm-len")


class History:
    """A FHIR server that gives each version of its resources, and nothing else."""

    def __init__(self, token: str | None = None) -> None:
        self.versions: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.status: int | None = None
        self.token = token
        history = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.removeprefix("/fhir/")
                history.asked.append(path)
                found = history.versions.get(path)
                status = history.status or (200 if found else 404)
                if history.token and self.headers["Authorization"] != f"Bearer {history.token}":
                    status = 401
                self.send_response(status)
                self.send_header("Content-Type", "application/fhir+json")
                self.end_headers()
                self.wfile.write(found or b"{}")

            def log_message(self, *_: object) -> None:
                """Nothing on the terminal."""

        class Server(ThreadingHTTPServer):
            request_queue_size = 64  # reads come side by side

        self._server = Server(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self._server.server_port}/fhir"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def put(self, resource: Resource) -> None:
        name = f"{resource['resourceType']}/{resource['id']}"
        version = resource.get("meta", {}).get("versionId")
        path = f"{name}/_history/{version}" if version else name
        self.versions[path] = json.dumps(resource, indent=1).encode()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def history() -> Iterator[History]:
    server = History()
    yield server
    server.close()


def versioned(resources: list[Resource]) -> list[Resource]:
    """The chart as a server keeps it: every resource but one has a version."""
    found = copy.deepcopy(resources)
    for number, resource in enumerate(found[:-1]):
        resource["meta"] = {"versionId": str(number + 1), "lastUpdated": "2026-10-01T08:00:00Z"}
    return found


def made_of(
    folder: Path, story: Story, chart: list[Resource], keeping: str = "hashes"
) -> tuple[Path, str]:
    """The log with one decision on this chart, of which digests are kept; and its id."""
    return asyncio.run(_decided(folder, story, chart, keeping))


async def _decided(
    folder: Path, story: Story, chart: list[Resource], keeping: str
) -> tuple[Path, str]:
    settings = {"audit_keep_requests": keeping == "full"}
    entries = [{"resource": resource} for resource in chart]
    asked = call_of(Story(story.slug, {**story.bundle, "entry": entries}, story.told))
    async with started(folder, clock=Day(story.as_of), settings=settings) as served:
        assert (await served.hook(asked)).status_code == 200
        assert served.last()["snapshot"] == keeping
        return served.db, str(served.last()["decisionId"])


def replayed(made: tuple[Path, str], history: History, *more: object) -> tuple[int, Any]:
    db, decision = made
    return run_json("replay", "--db", db, decision, "--fhir-base", history.base, *more)


def used_by(made: tuple[Path, str]) -> list[str]:
    """What the decision rests on, by the paths at which a server has it."""
    db, decision = made
    with open_reader(db) as reader:
        event = reader.find(decision)
        assert event is not None
        used = used_in(reader, event)
    return [
        f"{one.reference}/_history/{one.version_id}" if one.version_id else one.reference
        for one in used
    ]


@pytest.mark.parametrize(
    "story",
    [
        pytest.param(story, id=story.slug)
        for story in STORIES
        if story.slug in ("mm-len", "two-cancers", "dirty-data", "no-cancer", "lung-reversal")
    ],
)
def test_a_chart_that_is_what_it_was_is_judged_as_it_was(
    story: Story, tmp_path: Path, history: History
) -> None:
    chart = versioned(story.resources)
    made = made_of(tmp_path, story, chart)
    for resource in chart:
        history.put(resource)
    code, said = replayed(made, history)
    assert (code, said["result"], said["inputs"]["state"]) == (0, "identical", "inputs-verified")
    assert sorted(history.asked) == sorted(used_by(made))
    assert any(path.count("/_history/") for path in history.asked)
    counts = said["inputs"]["byType"].values()
    assert sum(one["same"] for one in counts) == len(history.asked)


def test_what_a_server_writes_anew_by_itself_is_no_change(tmp_path: Path, history: History) -> None:
    chart = versioned(LEN.resources)
    made = made_of(tmp_path, LEN, chart)
    for resource in chart:
        meta = {**resource.get("meta", {}), "source": "#a1"}
        narrative = {"status": "generated", "div": "<div>new</div>"}
        history.put(dict(reversed({**resource, "meta": meta, "text": narrative}.items())))
        if "versionId" not in meta:
            history.put({**resource, "text": narrative})
    assert replayed(made, history)[0] == 0


def test_a_resource_that_says_something_else_is_said_and_nothing_is_judged_on_it(
    tmp_path: Path, history: History
) -> None:
    chart = versioned(LEN.resources)
    made = made_of(tmp_path, LEN, chart)
    for resource in chart:
        history.put(resource)
    changed = next(path for path in used_by(made) if path.startswith("Observation/"))
    history.versions[changed] = history.versions[changed].replace(b'"final"', b'"amended"')
    code, said = replayed(made, history)
    assert (code, said["result"], said["inputs"]["state"]) == (
        3,
        "not-replayable",
        "inputs-changed",
    )
    assert said["inputs"]["byType"]["Observation"]["changed"] == 1
    assert said["why"].startswith("inputs-changed (1 changed, ")
    assert "differences" not in said


def test_a_version_that_the_server_has_no_more_is_said(tmp_path: Path, history: History) -> None:
    chart = versioned(LEN.resources)
    made = made_of(tmp_path, LEN, chart)
    for resource in chart:
        history.put(resource)
    for path in used_by(made)[:2]:
        del history.versions[path]
    code, said = replayed(made, history)
    assert (code, said["inputs"]["state"]) == (3, "inputs-gone")
    assert sum(one.get("gone", 0) for one in said["inputs"]["byType"].values()) == 2
    text = run("replay", "--db", *made, "--fhir-base", history.base).stdout
    assert text.startswith("not-replayable: inputs-gone (2 gone, ")
    assert not [path for path in used_by(made) if path in text + json.dumps(said)]


def test_a_server_that_does_not_answer_is_no_server_that_has_lost_something(
    tmp_path: Path, history: History
) -> None:
    made = made_of(tmp_path, LEN, versioned(LEN.resources))
    history.status = 500
    code, said = replayed(made, history)
    assert (code, said["result"]) == (3, "not-replayable")
    assert "inputs" not in said
    assert said["why"].startswith("the FHIR server did not give ")


def test_other_knowledge_is_asked_on_the_same_inputs(tmp_path: Path, history: History) -> None:
    chart = versioned(LEN.resources)
    made = made_of(tmp_path / "log", LEN, chart)
    for resource in chart:
        history.put(resource)
    (rule,) = {
        rule
        for cancer in envelope_of(made)["cancers"]
        for line in cancer["lines"]
        for rule in line.get("rules", ())[:1]
    }
    name = rule.partition(".")[2]
    other = changed(tmp_path, "diseases/multiple-myeloma.toml", name, f"{name}-renamed")
    code, said = replayed(made, history, "--knowledge", other)
    assert (code, said["classes"]) == (1, ["knowledge"])
    assert all(one["path"].startswith("/cancers/") for one in said["differences"])
    assert said["knowledge"]["here"]["version"] == "9999.1.0"


def envelope_of(made: tuple[Path, str]) -> Any:
    with open_reader(made[0]) as reader:
        event = reader.find(made[1])
        assert event is not None
        return event.read()


def test_the_token_of_a_file_opens_the_server(tmp_path: Path) -> None:
    history = History(token="opens-it")  # noqa: S106 # a test's own
    try:
        chart = versioned(LEN.resources)
        made = made_of(tmp_path, LEN, chart)
        for resource in chart:
            history.put(resource)
        assert replayed(made, history)[0] == 3
        file = tmp_path / "token"
        file.write_text("opens-it\n")
        assert replayed(made, history, "--token-file", file)[0] == 0
    finally:
        history.close()


def test_a_decision_whose_inputs_are_in_the_log_asks_no_server(
    tmp_path: Path, history: History
) -> None:
    made = made_of(tmp_path, LEN, LEN.resources, keeping="full")
    code, said = replayed(made, history)
    assert (code, said["why"]) == (
        3,
        "its inputs are in the log: replay it without --fhir-base",
    )
    assert history.asked == []


def test_without_a_server_it_is_said_that_one_is_needed(tmp_path: Path) -> None:
    db, decision = made_of(tmp_path, LEN, LEN.resources)
    code, said = run_json("replay", "--db", db, decision)
    assert code == 3
    assert "--fhir-base" in said["why"]


def test_a_period_asks_no_server(tmp_path: Path) -> None:
    ended = run("replay", "--db", tmp_path / "x", "--from", "2026-01-01", "--fhir-base", "http://a")
    assert ended.exit_code == 2
