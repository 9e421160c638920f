"""Exports: what leaves is what is there, can be verified or read again, and is on record."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from hooks.calls import call, myeloma, prefetch_of, quiet
from hooks.serving import Served, serving
from hooks.test_memory import accepted, overridden
from typer.testing import CliRunner, Result

from audit.samples import sign_log
from cds_service.audit import offline_verify
from cds_service.audit.commands import audit_app
from cds_service.audit.export import Digesting, _csv, inert
from cds_service.audit.export_rows import CARD_COLUMNS, FEEDBACK_COLUMNS
from cds_service.audit.reading import open_reader

INSTANCE = "d1577c69-dfbe-44ad-ba6d-000000000002"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(audit_app, [str(one) for one in arguments])


@pytest.fixture
async def log(tmp_path: Path) -> Served:
    """A card that was overridden, and a chart without a cancer; signed for."""
    with serving(tmp_path) as served:
        answer = await served.hook(call(prefetch_of(myeloma())))
        (card,) = answer.json()["cards"]
        said = overridden(card, "evidence-wrong", overrideReason={
            "reason": {"code": "evidence-wrong"}, "userComment": "COMMENT-CANARY"})  # fmt: skip
        await served.feedback({"feedback": [said]})
        await served.hook(call(prefetch_of(quiet()), hookInstance=INSTANCE))
    sign_log(served.db)
    return served


def exported(log: Served, form: str, *arguments: object) -> bytes:
    to = log.db.parent / f"out.{form}"
    result = run("export", "--format", form, "--db", log.db, "--to", to, *arguments)
    assert result.exit_code == 0, result.output
    assert to.stat().st_mode & 0o777 == 0o600
    return to.read_bytes()


def verified(*arguments: object) -> subprocess.CompletedProcess[str]:
    script = Path(offline_verify.__file__)
    command = [sys.executable, "-I", str(script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603


# --- NDJSON -------------------------------------------------------------------------------------


def test_the_entries_are_there_byte_for_byte_and_the_manifest_last(log: Served) -> None:
    content = exported(log, "ndjson")
    *lines, manifest = content.splitlines()
    with open_reader(log.db) as reader:
        stored = [event.envelope for event in reader.events()]
    assert lines == stored[: len(lines)]
    assert len(lines) == len(stored) - 1  # but for the entry of this export
    said = json.loads(manifest)
    assert (said["count"], said["firstSeq"], said["lastSeq"]) == (len(lines), 1, len(lines))
    assert said["filter"] == {}
    assert said["lines"] == "sha256:" + sha256(b"".join(one + b"\n" for one in lines)).hexdigest()


def test_the_whole_log_verifies_with_nothing_but_its_export_and_a_key(log: Served) -> None:
    exported(log, "ndjson")
    file = log.db.parent / "out.ndjson"
    assert verified(file).returncode == 3
    keys = run("keys", "--db", log.db).stdout.split()[0]
    ended = verified(file, "--key", keys)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "as signed" in ended.stdout


def altered(lines: list[bytes]) -> list[bytes]:
    return [lines[0].replace(b"decision", b"decisiom", 1), *lines[1:]]


SPOILT: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "an entry altered": altered,
    "an entry left out": lambda lines: [lines[0], *lines[2:]],
    "the first left out": lambda lines: lines[1:],
    "the last left out": lambda lines: [*lines[:-2], lines[-1]],
    "two exchanged": lambda lines: [lines[1], lines[0], *lines[2:]],
    "one twice": lambda lines: [lines[0], *lines],
}


@pytest.mark.parametrize("how", SPOILT)
def test_an_export_that_was_spoilt_does_not_verify(log: Served, how: str) -> None:
    lines = exported(log, "ndjson").splitlines()
    spoilt = log.db.parent / "spoilt.ndjson"
    changed = SPOILT[how](lines)
    assert changed != lines
    manifest = json.loads(changed.pop())
    text = b"".join(one + b"\n" for one in changed)
    manifest |= {"count": len(changed), "lines": "sha256:" + sha256(text).hexdigest()}
    spoilt.write_bytes(text + json.dumps(manifest).encode() + b"\n")
    assert verified(spoilt).returncode == 1


def test_a_part_of_the_log_is_said_not_to_verify_on_its_own(log: Served) -> None:
    content = exported(log, "ndjson", "--outcome", "no-cancer")
    (line, manifest) = content.splitlines()
    assert json.loads(line)["outcome"] == "no-cancer"
    assert json.loads(manifest)["filter"] == {"outcome": "no-cancer"}
    ended = verified(log.db.parent / "out.ndjson")
    assert ended.returncode == 1
    assert "only a part" in ended.stdout


# --- tables -------------------------------------------------------------------------------------


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline="")))


def test_a_row_for_each_card_and_one_for_a_decision_without(log: Served) -> None:
    content = exported(log, "csv")
    assert content.count(b"\r\n") == content.count(b"\n") == 3
    with_card, without = rows_of(content)
    assert list(with_card) == list(CARD_COLUMNS)
    assert with_card["disease"] == "multiple-myeloma"
    assert with_card["status"] == "possible-refractory"
    assert with_card["advice"] == "restage biopsy trial-referral"
    assert (with_card["feedback"], with_card["overrideReason"]) == ("overridden", "evidence-wrong")
    assert (without["outcome"], without["card"]) == ("no-cancer", "")
    assert with_card["patientPseudonym"]


FORMULAS = ["=1+1", "+1", "-1", "@sum", "\tx", "\rx", "\nx"]


@pytest.mark.parametrize("cell", FORMULAS)
def test_no_cell_begins_as_a_formula_does(cell: str) -> None:
    out = io.BytesIO()
    _csv(["a"], [{"a": cell}, {"a": f"x{cell}"}], Digesting(out))
    heading, first, second = csv.reader(io.StringIO(out.getvalue().decode(), newline=""))
    assert (heading, first, second) == (["a"], [f"'{cell}"], [f"x{cell}"])
    assert inert("plain") == "plain"


def test_feedback_is_exported_with_what_the_rule_asks_for(log: Served) -> None:
    (row,) = rows_of(exported(log, "feedback"))
    assert list(row) == list(FEEDBACK_COLUMNS)
    assert row["intervention"] == "restage biopsy trial-referral"
    assert (row["actionTaken"], row["feedbackReason"]) == ("overridden", "evidence-wrong")
    assert (row["user"], row["date"][:10]) == ("Practitioner/dr-a", "2026-11-21")


async def test_a_card_that_nobody_spoke_of_was_not_overridden(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        await served.hook(call(prefetch_of(myeloma())))
    (row,) = rows_of(exported(served, "feedback"))
    assert (row["actionTaken"], row["feedbackReason"]) == ("none reported", "")


async def test_what_was_taken_up_is_named(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        (card,) = (await served.hook(call(prefetch_of(myeloma())))).json()["cards"]
        await served.feedback({"feedback": [accepted(card, 0)]})
    (row,) = rows_of(exported(served, "feedback"))
    assert (row["actionTaken"], row["acceptedSuggestions"]) == ("accepted", "restage")


def test_parquet_says_what_it_needs(log: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    result = run("export", "--format", "parquet", "--db", log.db)
    assert "pip install 'refractory-cds[parquet]'" in str(result.exception)


def test_parquet_is_read_again_with_its_types(log: Served) -> None:
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    exported(log, "parquet")
    table = parquet.read_table(log.db.parent / "out.parquet")
    assert table.column_names == list(CARD_COLUMNS)
    assert table.schema.metadata[b"refractory-cds-cards"] == b"1"
    with_card, without = table.to_pylist()
    assert with_card["advice"] == ["restage", "biopsy", "trial-referral"]
    assert with_card["recordedAt"] == datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert without["card"] is None


# --- all of them --------------------------------------------------------------------------------

FORMS = ["ndjson", "csv", "feedback"]


@pytest.mark.parametrize("form", FORMS)
def test_an_export_is_on_record_with_what_left(log: Served, form: str) -> None:
    before = log.size()
    content = exported(log, form, "--disease", "multiple-myeloma", "--type", "decision")
    (entry,) = log.entries(after=before)
    assert (entry["eventType"], entry["format"], entry["rows"]) == ("export", form, 1)
    assert entry["query"] == {"disease": "multiple-myeloma", "type": "decision"}
    assert entry["digest"] == "sha256:" + sha256(content).hexdigest()
    assert log.exit_code_of_verify() in (0, 3)


@pytest.mark.parametrize("form", FORMS)
def test_nothing_of_the_chart_or_of_a_comment_leaves(log: Served, form: str) -> None:
    content = exported(log, form)
    # as a word: signatures in base64 may hold the two letters
    assert re.search(rb"(?<![A-Za-z0-9+/])p1(?![A-Za-z0-9+/])", content) is None
    for canary in (b"Patient/p1", b"COMMENT-CANARY", b"Condition/", b"1970-", b"Myeloma"):
        assert canary not in content


def test_to_standard_output_it_is_the_same(log: Served) -> None:
    result = run("export", "--format", "csv", "--db", log.db)
    assert result.exit_code == 0
    assert result.stdout_bytes == exported(log, "csv")


def test_no_file_is_overwritten_and_nothing_leaves_unrecorded(log: Served) -> None:
    there = log.db.parent / "there"
    there.write_text("mine")
    before = log.size()
    result = run("export", "--format", "csv", "--db", log.db, "--to", there)
    assert (result.exit_code, there.read_text()) == (2, "mine")
    assert log.size() == before


def test_numbers_of_the_list_and_of_the_export_are_the_same(log: Served) -> None:
    listed = json.loads(run("list", "--db", log.db, "--type", "all", "--format", "json").stdout)
    seqs = [json.loads(line)["seq"] for line in exported(log, "ndjson").splitlines()[:-1]]
    assert seqs[: len(listed)] == sorted(one["seq"] for one in listed)
