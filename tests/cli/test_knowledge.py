"""`knowledge`: does it hold together, what is there, and one thing in full."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import cds_service
from cds_service.commands.known import as_json, everything
from cds_service.commands.known_text import known_report
from cds_service.knowledge.load import DATA
from cds_service.report import Page
from cli.terminal import Ended, typed


def shown(capfd: pytest.CaptureFixture[str], name: str) -> list[dict[str, Any]]:
    ended = typed(capfd, "knowledge", "show", name, "--format", "json")
    assert ended.code == 0
    return [json.loads(line) for line in ended.lines]


def read(capfd: pytest.CaptureFixture[str], *arguments: str) -> Ended:
    ended = typed(capfd, "knowledge", *arguments, "--format", "text")
    assert (ended.code, ended.err) == (0, "")
    return ended


def test_the_shipped_knowledge_has_no_faults(capfd: pytest.CaptureFixture[str]) -> None:
    ended = typed(capfd, "knowledge", "check")
    assert ended.code == 0, ended.out
    version = cds_service.shipped_knowledge().version
    assert ended.lines[-1].startswith(f"knowledge {version} (sha256:")
    assert ended.lines[-1].endswith(": no faults")
    assert all(line.startswith("note: ") for line in ended.lines[:-1])


def test_a_fault_is_a_line_and_exit_code_1(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data"
    shutil.copytree(DATA, folder)
    cml = folder / "diseases" / "cml.toml"
    cml.write_text(cml.read_text("utf-8").replace('"hochhaus-2020"', '"hochhaus-2099"'), "utf-8")
    ended = typed(capfd, "knowledge", "check", "--folder", folder)
    assert ended.code == 1
    assert (
        "fault: cml.progression: cites 'hochhaus-2099', which is not in citations.toml"
        in ended.lines
    )


def test_a_folder_that_does_not_load_is_a_fault_too(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ended = typed(capfd, "knowledge", "check", "--folder", tmp_path)
    assert ended.code == 1
    assert ended.lines == ["fault: record.toml is missing"] or "missing" in ended.out
    assert len(ended.lines) == 1


def test_list_names_every_disease(capfd: pytest.CaptureFixture[str]) -> None:
    knowledge = cds_service.shipped_knowledge()
    ended = read(capfd, "list")
    assert f"knowledge {knowledge.version}" in ended.lines
    assert knowledge.digest in ended.lines
    for name in knowledge.diseases:
        assert any(line.startswith(f"{name} ") for line in ended.lines), name


def test_list_for_machines(capfd: pytest.CaptureFixture[str]) -> None:
    knowledge = cds_service.shipped_knowledge()
    told = json.loads(typed(capfd, "knowledge", "list").out)
    assert told["version"] == knowledge.version
    assert told["digest"] == knowledge.digest
    assert [d["id"] for d in told["diseases"]] == list(knowledge.diseases)
    assert all(d["rules"] > 0 for d in told["diseases"])


def test_show_a_disease_with_its_rules_and_their_sources(
    capfd: pytest.CaptureFixture[str],
) -> None:
    ended = read(capfd, "show", "multiple-myeloma")
    for said in (
        "multiple-myeloma (disease)",
        "multiple-myeloma.imwg-60-days Progression on a line, or up to 60 days",
        "origin published consensus: rajkumar-2011",
        "minimum 21 days or 1 cycles",
        "multiple-myeloma.serum-m-protein",
        "min delta 0.5",
        "triple-class-refractory",
        "Lines of therapy",
        "Advice",
        "rajkumar-2011 Rajkumar SV, et al.",
    ):
        assert said in ended.words, said


@pytest.mark.parametrize(
    ("name", "kind", "is_called"),
    [
        pytest.param("cml", "disease", "cml", id="a disease"),
        pytest.param("Myeloma", "disease", "multiple-myeloma", id="a disease by another name"),
        pytest.param("cml.progression", "rule", "cml.progression", id="a rule"),
        pytest.param("prostate.psa-pcwg3", "rule", "prostate.psa-pcwg3", id="a rule for a marker"),
        pytest.param(
            "shared.documented-refractory", "rule", "shared.documented-refractory", id="shared"
        ),
        pytest.param("platinum-resistant", "composite", "platinum-resistant", id="a composite"),
        pytest.param("lenalidomide", "drug", "lenalidomide", id="a drug"),
        pytest.param("Revlimid", "drug", "lenalidomide", id="a drug by its brand"),
        pytest.param("proteasome-inhibitor", "drug-group", "proteasome-inhibitor", id="a class"),
        pytest.param("VRd", "regimen", "VRd", id="a regimen"),
        pytest.param("psa", "marker", "psa", id="a marker"),
        pytest.param("kumar-2016", "citation", "kumar-2016", id="a citation"),
    ],
)
def test_show_finds_by_id_or_name(
    name: str, kind: str, is_called: str, capfd: pytest.CaptureFixture[str]
) -> None:
    found = shown(capfd, name)
    assert (kind, is_called) in [(one["type"], one["id"]) for one in found]
    assert read(capfd, "show", name).lines[0].startswith(is_called)


def test_a_rule_for_machines_brings_its_sources(capfd: pytest.CaptureFixture[str]) -> None:
    (rule,) = shown(capfd, "prostate.psa-pcwg3")
    assert rule["disease"] == "prostate"
    assert rule["minDelta"] == "2.0"
    assert rule["citations"]["scher-2016"]["doi"] == "10.1200/JCO.2015.64.2702"


def test_what_nobody_knows_is_one_line_with_a_guess(capfd: pytest.CaptureFixture[str]) -> None:
    complaint = typed(capfd, "knowledge", "show", "lenalidomit").one_complaint()
    assert complaint.startswith("nothing is known as 'lenalidomit'; did you mean lenalidomide")
    assert (
        "see refractory-cds knowledge list"
        in typed(capfd, "knowledge", "show", "qqqqqq").one_complaint()
    )


def test_everything_that_is_known_can_be_shown() -> None:
    knowledge = cds_service.shipped_knowledge()
    page = Page(io.StringIO(), width=80)
    for known in everything(knowledge):
        page.print(known_report(known, knowledge))
        assert as_json(known, knowledge)["id"] == known.id
