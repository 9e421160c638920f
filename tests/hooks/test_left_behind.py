"""Whoever finds the files of a service, without its keys, reads nothing of a patient in them: not
in clear, not compressed, and not by trying what a chart is likely to say."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from audit.leftovers import found_in, readable
from fixtures.stories import FOLDER, read_story
from typer.testing import CliRunner

from cds_service.audit.canonical import content_hashes
from cds_service.audit.commands import audit_app
from hooks.calls import KEY_OF, call, prefetch_of
from hooks.serving import Served, serving
from hooks.test_canaries import CANARY, FEEDBACK, chart, marked, marked_call

STAFF = "Practitioner/dr-a"
"""Staff are accountable: who opened the chart stands in the log."""


async def a_story(served: Served) -> None:
    """A chart with a canary in every text is opened, answered, commented on, and assessed."""
    body = marked_call(chart())
    body["context"]["userId"] = STAFF
    answer = await served.hook(body)
    assert CANARY in answer.text
    (card, *_) = answer.json()["cards"]
    said = FEEDBACK | {"card": card["uuid"]}
    assert (await served.feedback({"feedback": [said, FEEDBACK]})).status_code == 200
    bundle = {"resourceType": "Bundle", "entry": [{"resource": r} for r in marked(chart())]}
    assert (await served.assess(bundle)).status_code == 200
    why = ["--db", str(served.db), "--reason", CANARY]
    assert CliRunner().invoke(audit_app, ["list", *why]).exit_code == 0


async def test_no_text_of_a_patient_stands_in_any_file(
    tmp_path: Path, said: Callable[[], str]
) -> None:
    with serving(tmp_path) as served:
        await a_story(served)
        assert all(
            CANARY.encode() in entry.sealed[name]
            for entry in served.entries()
            for name in ("request", "response", "feedback", "reason")
            if name in entry.sealed
        )
        names = {file.name for file in tmp_path.iterdir()}
        assert {"decisions.db", "decisions.db-wal", "decisions.db.data-key"} <= names
        assert found_in(tmp_path, spellings(CANARY)) == set()
        metrics = (await served.http.get("/metrics")).text
        assert CANARY not in metrics + said()
    assert found_in(tmp_path, spellings(CANARY)) == set()  # and after it has stopped


def spellings(text: str) -> set[bytes]:
    return {
        text.encode(),
        text.lower().encode(),
        text.encode("utf-16-le"),
        text.encode().hex().encode(),
    }


def test_what_is_compressed_would_be_found(tmp_path: Path) -> None:
    """Else the test above would prove nothing."""
    import zlib

    (tmp_path / "file").write_bytes(b"xx" + zlib.compress(b"a " + CANARY.encode(), 1) + b"x\x01yy")
    assert found_in(tmp_path, [CANARY.encode()]) == {("file", CANARY.encode())}


# --- by trying out --------------------------------------------------------------------------

HASHES = (hashlib.sha256, hashlib.sha1, hashlib.md5)
HEX = re.compile(rb"[0-9a-f]{24,}")
STORIES = [read_story(folder) for folder in sorted(FOLDER.iterdir()) if folder.is_dir()]


def digests_in(folder: Path) -> set[str]:
    """All that could be a digest in the files, cut to 24 digits: in text, and as bytes of a row."""
    found: set[str] = set()
    for file in folder.rglob("*"):
        if not file.is_file():
            continue
        found |= {text[:24].decode() for text in HEX.findall(readable(file))}
        if file.read_bytes().startswith(b"SQLite format 3"):
            found |= {cell[:12].hex() for cell in blobs(file)}
    return found


def blobs(file: Path) -> Iterator[bytes]:
    with closing(sqlite3.connect(file)) as db:
        tables = [
            name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")
        ]
        for table in tables:
            for row in db.execute(f"SELECT * FROM {table}"):  # noqa: S608 # names from above
                yield from (cell for cell in row if isinstance(cell, bytes))


def guesses(story: Any) -> Iterator[bytes]:
    """What somebody would try who has the chart, or one like it."""
    for resource in story.resources:
        name = f"{resource['resourceType']}/{resource['id']}"
        yield from (name.encode(), resource["id"].encode())
        bare = {
            member: value for member, value in resource.items() if member not in ("meta", "text")
        }
        for one in (resource, bare):
            yield json.dumps(one).encode()
            yield json.dumps(one, separators=(",", ":")).encode()
            yield json.dumps(one, separators=(",", ":"), sort_keys=True).encode()
        yield from (day.encode() for day in re.findall(r"\d{4}-\d\d-\d\d", json.dumps(resource)))


def dictionary(bodies: Iterable[bytes]) -> set[str]:
    tried: set[str] = set()
    for story in STORIES:
        for guess in guesses(story):
            tried |= {
                made(guess).hexdigest()[:24] for made in (hashlib.sha256, hashlib.sha1, hashlib.md5)
            }
        for resource in story.resources:
            both = content_hashes(json.dumps(resource).encode())
            tried |= {one.removeprefix("sha256:")[:24] for one in (both.whole, both.statement)}
    return tried | {hashlib.sha256(body).hexdigest()[:24] for body in bodies}


async def test_no_stored_digest_is_that_of_a_text_that_could_be_tried(tmp_path: Path) -> None:
    bodies: list[bytes] = []
    opened: set[str] = set()
    with serving(tmp_path) as served:
        for number, story in enumerate(STORIES):
            body = json.dumps(
                call(
                    prefetch_of(r for r in story.resources if r["resourceType"] in KEY_OF),
                    context={"userId": STAFF, "patientId": story.slug},
                    hookInstance=f"d1577c69-dfbe-44ad-ba6d-{number:012d}",
                )
            ).encode()
            answer = await served.hook(body)
            assert answer.status_code == 200, story.slug
            bodies += [body, answer.content]
        for entry in served.entries():
            opened |= {one[:24].decode() for one in HEX.findall(entry.sealed.get("inputs", b""))}
        tried = dictionary(bodies)
        assert len(tried & opened) > 100  # inside what is sealed, it would succeed
        assert tried & digests_in(tmp_path) == set()
        for story in STORIES[:2]:
            ground = ["--ground", "asked for", "--patient", story.slug]
            erased = CliRunner().invoke(audit_app, ["erase", "--db", str(served.db), *ground])
            assert erased.exit_code == 0, erased.output
        assert tried & digests_in(tmp_path) == set()
        assert served.exit_code_of_verify() == 3


@pytest.mark.parametrize("story", STORIES[:1], ids=lambda story: story.slug)
def test_the_dictionary_holds_every_resource(story: Any) -> None:
    assert len(set(guesses(story))) > 3 * len(story.resources)
