"""`assess`: every form of input, one Assessment a line, and one line why where it cannot be."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import cds_service
from cds_service.clinical.assessment_json import to_bytes
from cds_service.demo.fhir_server import create_fhir_app
from cds_service.demo.fhir_server_faults import Fault
from cds_service.demo.stage import listen_near, running
from cli.terminal import AS_OF, ESCAPE, FIXTURES, ROOT, Ended, process, typed

MYELOMA = FIXTURES / "mm-len"
QUIET = FIXTURES / "no-cancer"
FREE_PORT = 18_301


def bundle_of(folder: Path) -> dict[str, Any]:
    bundle: dict[str, Any] = json.loads((folder / "bundle.json").read_bytes())
    return bundle


def resources_of(folder: Path) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in bundle_of(folder)["entry"]]


def ndjson(*folders: Path) -> bytes:
    return b"".join(
        json.dumps(resource).encode() + b"\n"
        for folder in folders
        for resource in resources_of(folder)
    )


def expected(folder: Path, as_of: str = AS_OF) -> str:
    """What the Python API says of the same chart."""
    return to_bytes(cds_service.assess(resources_of(folder), as_of)).decode() + "\n"


def patients(ended: Ended) -> list[str]:
    return [json.loads(line)["patient"] for line in ended.lines]


@pytest.fixture(scope="module")
def fhir_server() -> Iterator[str]:
    """A real FHIR server with two fixture patients."""
    bundles = [(folder / "bundle.json").read_bytes() for folder in (MYELOMA, QUIET)]
    with running(create_fhir_app(bundles), listen_near(FREE_PORT)) as base:
        yield base


# --- what it reads --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "content"),
    [
        pytest.param("chart.json", (MYELOMA / "bundle.json").read_bytes(), id="a Bundle"),
        pytest.param("chart.ndjson", ndjson(MYELOMA), id="NDJSON"),
        pytest.param("chart.ndjson.gz", gzip.compress(ndjson(MYELOMA)), id="NDJSON, gzipped"),
        pytest.param("sub/chart.json", (MYELOMA / "bundle.json").read_bytes(), id="in a folder"),
    ],
)
def test_every_form_gives_the_same_assessment(
    file: str, content: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    asked = path.parent if "/" in file else path
    ended = typed(capfd, "assess", asked, "--as-of", AS_OF)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == expected(MYELOMA)


def test_standard_input_is_a_file_too() -> None:
    ended = process("assess", "-", "--as-of", AS_OF, stdin=(MYELOMA / "bundle.json").read_bytes())
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == expected(MYELOMA)


def test_a_single_resource_is_a_chart(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    patient = next(r for r in resources_of(MYELOMA) if r["resourceType"] == "Patient")
    path = tmp_path / "patient.json"
    path.write_text(json.dumps(patient))
    ended = typed(capfd, "assess", path, "--as-of", AS_OF)
    assert json.loads(ended.out)["cancers"] == []


def test_a_folder_of_patients_comes_in_order_of_id(capfd: pytest.CaptureFixture[str]) -> None:
    ended = typed(capfd, "assess", FIXTURES, "--as-of", AS_OF)
    assert ended.code == 0
    folders = sorted(path.name for path in FIXTURES.iterdir() if path.is_dir())
    assert patients(ended) == [f"Patient/{name}" for name in folders]


def test_resources_of_several_files_are_one_patient(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """As bulk exports come: a file for each resource type."""
    for kind in {resource["resourceType"] for resource in resources_of(MYELOMA)}:
        own = [r for r in resources_of(MYELOMA) if r["resourceType"] == kind]
        text = "".join(json.dumps(resource) + "\n" for resource in own)
        (tmp_path / f"{kind}.ndjson").write_text(text)
    ended = typed(capfd, "assess", tmp_path, "--as-of", AS_OF)
    assert ended.out == expected(MYELOMA)


def test_a_live_server_gives_what_the_file_gives(
    fhir_server: str, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = ("--fhir-base", fhir_server, "--patient", "mm-len", "--as-of", AS_OF)
    ended = typed(capfd, "assess", *asked)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == expected(MYELOMA)


def test_the_day_is_today_unless_it_is_given(capfd: pytest.CaptureFixture[str]) -> None:
    ended = typed(capfd, "assess", QUIET)
    as_of = date.fromisoformat(json.loads(ended.out)["asOf"])
    assert abs((as_of - date.today()).days) <= 1  # noqa: DTZ011 - the user's own day


# --- what cannot be read --------------------------------------------------------------------------


def broken_entry(bundle: dict[str, Any]) -> dict[str, Any]:
    entries = [*bundle["entry"], {"resource": 5}, "no entry"]
    return bundle | {"entry": entries}


def test_an_entry_that_is_no_resource_is_an_issue_and_costs_nothing_else(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "chart.json"
    path.write_text(json.dumps(broken_entry(bundle_of(MYELOMA))))
    ended = typed(capfd, "assess", path, "--as-of", AS_OF)
    assessed = json.loads(ended.out)
    whole = json.loads(expected(MYELOMA))
    assert ended.code == 0
    assert assessed["cancers"] == whole["cancers"]
    added = [issue for issue in assessed["issues"] if issue not in whole["issues"]]
    at = len(bundle_of(MYELOMA)["entry"])
    assert {(issue["code"], issue["severity"]) for issue in added} == {
        ("invalid-resource", "warning")
    }
    assert sorted(issue["resource"] for issue in added) == [
        f"chart.json Bundle.entry[{at}]",
        f"chart.json Bundle.entry[{at + 1}]",
    ]


@pytest.mark.parametrize(
    ("file", "content", "why"),
    [
        pytest.param("chart.json", b"{", "chart.json: not valid JSON", id="not JSON"),
        pytest.param("chart.json", b'{"a": 1}', "chart.json: not a FHIR resource", id="not FHIR"),
        pytest.param("chart.ndjson", b"x\ny\n", "chart.ndjson: no line can be read", id="NDJSON"),
        pytest.param("chart.json.gz", b"\x1f\x8bxx", "broken gzip file", id="gzip"),
        pytest.param(
            "chart.json", b'{"resourceType": "Bundle"}', "no patient in it", id="nobody in it"
        ),
        pytest.param("notes.txt", b"x", "no file in it that ends in .json", id="empty folder"),
    ],
)
def test_what_cannot_be_read_is_one_line_that_says_which_and_why(
    file: str, content: bytes, why: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / file
    path.write_bytes(content)
    asked = tmp_path if file.endswith(".txt") else path
    complaint = typed(capfd, "assess", asked).one_complaint()
    assert complaint.startswith(str(asked))
    assert why in complaint


def test_a_missing_file_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    assert "nowhere.json: No such file" in typed(capfd, "assess", "nowhere.json").one_complaint()


def test_one_bad_file_among_good_ones_stops_before_anything_is_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(MYELOMA / "bundle.json", tmp_path / "a.json")
    (tmp_path / "b.json").write_text("{")
    assert "b.json: not valid JSON" in typed(capfd, "assess", tmp_path).one_complaint()


def test_a_file_name_cannot_move_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    assert ESCAPE not in typed(capfd, "assess", f"{ESCAPE}[2Jx.json").one_complaint()


@pytest.mark.parametrize("day", ["2026-13-01", "2026-11", "21.11.2026", "today"])
def test_a_day_is_a_full_date(day: str, capfd: pytest.CaptureFixture[str]) -> None:
    complaint = typed(capfd, "assess", QUIET, "--as-of", day).one_complaint()
    assert "'--as-of': not a day such as 2026-11-21" in complaint


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="nothing"),
        pytest.param(["x.json", "--fhir-base", "http://a", "--patient", "p"], id="both"),
        pytest.param(["--fhir-base", "http://a"], id="no patient"),
        pytest.param(["--patient", "p"], id="no server"),
        pytest.param(["x.json", "--patient", "p"], id="a patient of files"),
    ],
)
def test_it_takes_files_or_a_server(
    arguments: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert "--fhir-base and --patient" in typed(capfd, "assess", *arguments).one_complaint()


def test_a_patient_that_the_server_does_not_have(
    fhir_server: str, capfd: pytest.CaptureFixture[str]
) -> None:
    ended = typed(capfd, "assess", "--fhir-base", fhir_server, "--patient", "nobody")
    assert ended.one_complaint() == f"{fhir_server}: the FHIR server has no such Patient: 404"


@pytest.mark.parametrize(
    ("base", "why"),
    [
        pytest.param("http://127.0.0.1:9", "no connection", id="nobody there"),
        pytest.param("ftp://a.example.org", "not a plain http or https address", id="no address"),
    ],
)
def test_a_server_that_is_not_there(base: str, why: str, capfd: pytest.CaptureFixture[str]) -> None:
    complaint = typed(capfd, "assess", "--fhir-base", base, "--patient", "p").one_complaint()
    assert complaint.startswith(base)
    assert why in complaint


def test_what_a_server_does_not_give_is_an_issue(capfd: pytest.CaptureFixture[str]) -> None:
    bundles = [(MYELOMA / "bundle.json").read_bytes()]
    faults = [Fault("status", on="Procedure", status=500)]
    with running(create_fhir_app(bundles, faults=faults), listen_near(FREE_PORT)) as base:
        asked = ("--fhir-base", base, "--patient", "Patient/mm-len", "--as-of", AS_OF)
        ended = typed(capfd, "assess", *asked)
    assert (ended.code, ended.err) == (0, "")
    assert json.loads(ended.out)["issues"] == [
        {
            "severity": "warning",
            "code": "not-read",
            "resource": "procedures",
            "detail": "the FHIR server did not give Procedure: status 500",
        }
    ]


def test_a_patient_id_that_is_none(fhir_server: str, capfd: pytest.CaptureFixture[str]) -> None:
    ended = typed(capfd, "assess", "--fhir-base", fhir_server, "--patient", "a b")
    assert ended.one_complaint() == f"{fhir_server}: not a FHIR id"


def test_a_server_that_wants_a_token(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    bundles = [(MYELOMA / "bundle.json").read_bytes()]
    with running(create_fhir_app(bundles, token="s3cret"), listen_near(FREE_PORT)) as base:  # noqa: S106
        asked = ("assess", "--fhir-base", base, "--patient", "mm-len", "--as-of", AS_OF)
        assert "refused Patient with 401" in typed(capfd, *asked).one_complaint()
        ended = typed(capfd, *asked, "--token-file", token)
        assert ended.out == expected(MYELOMA)
        missing = typed(capfd, *asked, "--token-file", tmp_path / "none").one_complaint()
    assert "the token cannot be read" in missing


# --- how it prints --------------------------------------------------------------------------------


def test_controls_in_a_chart_stay_escaped_in_json(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "chart.json"
    path.write_text(json.dumps({"resourceType": "Patient", "id": "a\x1b[31m\x9b31m\x7f"}))
    ended = typed(capfd, "assess", path, "--format", "json")
    assert json.loads(ended.out)["patient"] == "Patient/a\x1b[31m\x9b31m\x7f"
    assert not {ESCAPE, "\x9b", "\x7f"} & set(ended.out)


def test_a_reader_that_leaves_ends_it_quietly() -> None:
    program = f"{sys.executable} -m cds_service"
    command = f"{program} assess {FIXTURES} | head -1; exit ${{PIPESTATUS[0]}}"
    ended = subprocess.run(  # noqa: S603 - our own program
        ["bash", "-c", command],  # noqa: S607
        capture_output=True,
        cwd=ROOT,
        check=False,
        text=True,
    )
    assert ended.returncode == 141
    assert ended.stderr == ""
    assert len(ended.stdout.splitlines()) == 1
