"""`knowledge`: does it hold together, what is there, and one thing in full."""

from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

import cds_service
from cds_service.commands.known import as_json, everything, find_known
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
        "Counts Progression on therapy, or up to 60 days after the last dose (day 60 counts).",
        "Exposure Enough is at least 21 days or 1 whole cycle; less withholds the label.",
        "Primary or secondary A response that is then lost: secondary.",
        "Origin published consensus (C) Sources rajkumar-2011",
        "A value at least 25 % above the reference, and at least 0.5 g/dL above it.",
        "Origin a trial's definition or a label (T) Sources gandhi-2019",
        "after a pause of up to 120 days go on in the line",
        "XPO1 inhibitors eltanexor, selinexor, verdinexor",
        "rajkumar-2011 Rajkumar SV, et al.",
        "doi:10.1182/blood-2010-10-299487",
    ):
        assert said in ended.words, said


def test_a_definition_stands_in_the_order_of_decision_and_ends_with_a_block_to_sign(
    capfd: pytest.CaptureFixture[str],
) -> None:
    ended = read(capfd, "show", "ovarian")
    heads = ["What it is for", "Lines of therapy", "Markers", "Rules", "Over all lines", "Advice",
             "Drug groups named above", "Sources", "Sign-off"]  # fmt: skip
    assert [line for line in ended.lines if line in heads] == heads
    sign_off = " ".join(ended.out.split("Sign-off\n", 1)[1].split())
    for said in ("ovarian, knowledge", "sha256:", "reviewer ____", "date ____", "remarks ____"):
        assert said in sign_off


@pytest.mark.parametrize(
    ("name", "said"),
    [
        pytest.param(
            "nsclc.curative-180-days",
            "Stable disease of 180 days or more (from the start of the line) that is then lost:"
            " secondary; of fewer than 42: primary; between: neither.",
            id="stability",
        ),
        pytest.param(
            "ovarian.platinum-resistant",
            "Progression more than 28 and fewer than 180 days after the last dose (neither day 28"
            " nor day 180 counts).",
            id="both boundaries",
        ),
        pytest.param(
            "breast.her2-adjuvant",
            "NOT VERIFIED. The number could not be read at its source. The rule decides nothing"
            " alone",
            id="unverified",
        ),
        pytest.param(
            "prostate.androgen-deprivation",
            "Testosterone (total) below 50 ng/dL, measured at most 90 days before the progression",
            id="a value with its unit",
        ),
        pytest.param(
            "cml.eln-2020-milestones",
            "Day 60 to 120 of the line: missed above 10 %, met at 10 % or less. Missed only where a"
            " second value 30 to 90 days later is above it too.",
            id="a milestone",
        ),
        pytest.param(
            "dlbcl.stable-first-line",
            "Not even a minor response as the best recorded category after at least 4 cycles",
            id="a response that is missing",
        ),
        pytest.param(
            "multiple-myeloma.marrow-plasma-cells", "at least 10 percentage points above it",
            id="points of a percentage",
        ),
        pytest.param(
            "penta-refractory", "to at least 2 proteasome inhibitors, at least 2 immunomodulatory"
            " drugs and anti-CD38 antibodies", id="a composite",
        ),
    ],
)  # fmt: skip
def test_a_rule_says_its_numbers_in_words(
    name: str, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert said in read(capfd, "show", name).words


@pytest.mark.parametrize("width", [80, 120])
def test_a_definition_fits_the_page_and_names_no_member_of_a_file(width: int) -> None:
    knowledge = cds_service.shipped_knowledge()
    members = re.compile(
        r"\b[a-z]+_[a-z_]+\b|\b(brief stable|min delta|earliest days|is inclusive)\b"
    )
    for disease in knowledge.diseases.values():
        out = io.StringIO()
        Page(out, width=width).print(known_report(find_known(disease.id, knowledge)[0], knowledge))
        assert max(map(len, out.getvalue().splitlines())) <= width
        assert not members.search(out.getvalue()), members.search(out.getvalue())


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
