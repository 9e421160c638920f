"""What `knowledge check` finds: every kind of fault, in a copy of the shipped files made faulty."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from cds_service.knowledge.check import Criteria, check_knowledge
from cds_service.knowledge.load import DATA, load_knowledge

CRITERIA = Criteria(
    rules={"progression-in-window", "no-response", "documented"},
    markers={"rise-over-nadir", "light-chain-difference", "gcig-ca-125", "plateau"},
    composites={
        "refractory-to-all",
        "refractory-lines",
        "rule-held",
        "interval-since",
        "pattern-of-rule",
        "relapsed-and-refractory",
        "castration-resistance",
    },
)


def faults_of(folder: Path) -> list[str]:
    return [str(fault) for fault in check_knowledge(load_knowledge(folder), CRITERIA).faults]


@pytest.fixture(scope="module")
def faults_before() -> list[str]:
    return faults_of(DATA)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copy = tmp_path / "data"
    shutil.copytree(DATA, copy)
    return copy


def change(folder: Path, file: str, old: str, new: str) -> None:
    """Replace the first place of a text in a file."""
    path = folder / file
    before = path.read_text("utf-8")
    assert old in before, f"{file} has no {old!r} any more"
    path.write_text(before.replace(old, new, 1), "utf-8")


MYELOMA = "diseases/multiple-myeloma.toml"
OVARIAN = "diseases/ovarian.toml"
PROSTATE = "diseases/prostate.toml"
BREAST = "diseases/breast.toml"
CML = "diseases/cml.toml"


@pytest.mark.parametrize(
    ("file", "old", "new", "fault"),
    [
        pytest.param(
            CML, '"cml.progression"', '"progression"', "progression: does not begin with 'cml'",
            id="prefix",
        ),
        pytest.param(
            OVARIAN, '"ovarian.platinum-resistant"', '"ovarian.platinum-refractory"',
            "ovarian.platinum-refractory: this id stands twice", id="rule twice",
        ),
        pytest.param(
            MYELOMA, 'id        = "penta-refractory"', 'id        = "double-refractory"',
            "multiple-myeloma: double-refractory: this composite stands twice",
            id="composite twice",
        ),
        pytest.param(
            CML, '"hochhaus-2020"', '"nobody-2020"',
            "cml.progression: cites 'nobody-2020', which is not in citations.toml", id="citation",
        ),
        pytest.param(
            CML, 'cites     = ["operational-default", "hochhaus-2020"]', "cites     = []",
            "cml.progression: cites no source", id="no citation",
        ),
        pytest.param(
            MYELOMA, '"plitidepsin"', '"plitidepsine"',
            "multiple-myeloma: no drug 'plitidepsine' in drugs.csv", id="drug",
        ),
        pytest.param(
            MYELOMA, 'when      = { lacking = { classes = ["bcma-car-t"] } }',
            'when      = { lacking = { classes = ["bcma-cart"] } }',
            "multiple-myeloma.imwg-60-days: no class 'bcma-cart' in drugs.csv", id="class",
        ),
        pytest.param(
            OVARIAN, 'agents    = { groups = ["platinum"] }', 'agents    = { groups = ["platin"] }',
            "ovarian.platinum-refractory: no group 'platin' in drugs.csv", id="group",
        ),
        pytest.param(
            PROSTATE, 'superclasses = ["endocrine"]', 'superclasses = ["hormonal"]',
            "prostate: no superclass 'hormonal' in drugs.csv", id="superclass",
        ),
        pytest.param(
            MYELOMA, 'marker     = "m-protein-serum"', 'marker     = "m-protein"',
            "multiple-myeloma.serum-m-protein: no marker 'm-protein' in markers.csv", id="marker",
        ),
        pytest.param(
            MYELOMA, '{ m-protein-serum = "1.0"', '{ m-spike = "1.0"',
            "multiple-myeloma.free-light-chains: no marker 'm-spike' in markers.csv",
            id="other marker",
        ),
        pytest.param(
            CML, 'marker = "bcr-abl-is"', 'marker = "bcr-abl"',
            "cml.eln-2020-milestones: no marker 'bcr-abl' in markers.csv", id="milestone's marker",
        ),
        pytest.param(
            PROSTATE, 'marker = "testosterone"', 'marker = "testo"',
            "prostate.androgen-deprivation: no marker 'testo' in markers.csv", id="required marker",
        ),
        pytest.param(
            PROSTATE, 'marker     = "psa"', 'marker     = "testosterone"',
            "prostate.psa-pcwg3: marker 'testosterone' is for validity", id="use of a marker",
        ),
        pytest.param(
            "terms/markers.csv", ",4,prostate,2857-1", ",,prostate,2857-1",
            "", id="no limit of normal is needed for PSA",
        ),
        pytest.param(
            PROSTATE, 'marker     = "psa"', 'marker     = "cea"', "", id="a supporting marker",
        ),
        pytest.param(
            PROSTATE, "is_sufficient_alone = false", "is_sufficient_alone = true", "",
            id="a deciding marker alone",
        ),
        pytest.param(
            CML, 'restage_by   = ["marker"', 'restage_by   = ["markers"',
            "cml: no kind of procedure 'markers' in restage_by", id="what answers a restaging",
        ),
        pytest.param(
            PROSTATE, 'restage_regions = ["chest"', 'restage_regions = ["thorax"',
            "prostate: no region 'thorax' in restage_regions", id="region",
        ),
        pytest.param(
            CML, 'warns_when   = ["transformation-possible"]', 'warns_when   = ["blast-phase"]',
            "cml: 'blast-phase' is no pattern, flag, label or rule of this disease",
            id="warns when",
        ),
        pytest.param(
            CML, "may_warn     = true", "may_warn     = false",
            "cml: warns_when without may_warn: no card of it ever warns", id="never warns",
        ),
        pytest.param(
            CML, '"progression-in-window"', '"progression-at-any-time"',
            "cml.progression: no criterion 'progression-at-any-time'", id="criterion",
        ),
        pytest.param(
            PROSTATE, '"rise-over-nadir"', '"rise"', "prostate.psa-pcwg3: no criterion 'rise'",
            id="marker criterion",
        ),
        pytest.param(
            PROSTATE, '"castration-resistance"', '"castration"',
            "castration-resistant: no criterion 'castration'", id="composite criterion",
        ),
        pytest.param(
            PROSTATE, 'rules     = ["prostate.androgen-deprivation"]',
            'rules     = ["prostate.adt"]',
            "prostate: castration-resistant: no rule 'prostate.adt' in this disease",
            id="composite's rule",
        ),
        pytest.param(
            OVARIAN, '"paracentesis-or-drainage"', '"drainage"',
            "ovarian.ca-125-gcig: no kind of procedure 'drainage'", id="procedure",
        ),
        pytest.param(
            BREAST, 'settings = ["neoadjuvant"', 'settings = ["preoperative"',
            "no setting 'preoperative'", id="setting",
        ),
        pytest.param(
            BREAST, '"her2=negative"', '"her3=negative"', "breast: no fact 'her3' in facts.csv",
            id="fact",
        ),
        pytest.param(
            BREAST, '"her2=negative"', '"her2=absent"',
            "breast: 'her2=absent' never holds: 'absent' is no value of a fact",
            id="value of a fact",
        ),
        pytest.param(
            OVARIAN, '"418023006"', '"418023007"', "has a wrong code '418023007'",
            id="check digit of an order",
        ),
        pytest.param(
            "shared.toml", '"documented"', '"written"',
            "shared.documented-refractory: no criterion 'written'", id="shared rule",
        ),
        pytest.param(
            CML, "says      = \"Progression, loss of response or transformation on therapy, or up "
            'to 28 days after its last dose."', 'says      = " "',
            "cml.progression: says nothing", id="no sentence",
        ),
    ],
)  # fmt: skip
def test_a_fault_is_found_where_it_is(
    file: str, old: str, new: str, fault: str, folder: Path, faults_before: list[str]
) -> None:
    change(folder, file, old, new)
    added = [found for found in faults_of(folder) if found not in faults_before]
    if not fault:
        assert added == []
        return
    assert any(fault in found for found in added), added


def test_the_shipped_files_have_no_fault(faults_before: list[str]) -> None:
    assert faults_before == []


def test_a_supporting_marker_never_decides_alone(folder: Path, faults_before: list[str]) -> None:
    change(folder, PROSTATE, 'marker     = "psa"', 'marker     = "cea"')
    change(folder, PROSTATE, "is_sufficient_alone = false", "is_sufficient_alone = true")
    added = [found for found in faults_of(folder) if found not in faults_before]
    assert added == ["prostate.psa-pcwg3: marker 'cea' may support only, and here it decides alone"]


def test_a_rule_against_the_limit_of_normal_needs_one() -> None:
    knowledge = load_knowledge(DATA)
    ca_125 = replace(knowledge.terms.markers["ca-125"], typical_uln=None)
    terms = replace(knowledge.terms, markers={**knowledge.terms.markers, "ca-125": ca_125})
    faults = check_knowledge(replace(knowledge, terms=terms), CRITERIA).faults
    assert (
        "ovarian.ca-125-gcig: reads 'ca-125' against a limit of normal that it does not have"
        in [str(fault) for fault in faults]
    )


def test_a_unit_without_a_way_to_the_rule_is_a_fault() -> None:
    knowledge = load_knowledge(DATA)
    psa = replace(knowledge.terms.markers["psa"], unit="ug/dL{PSA}")
    terms = replace(knowledge.terms, markers={**knowledge.terms.markers, "psa": psa})
    faults = check_knowledge(replace(knowledge, terms=terms), CRITERIA).faults
    assert "markers.csv: psa: cannot be converted to its own unit" in [
        str(fault) for fault in faults
    ]


def test_an_unused_source_and_a_number_without_words_are_worth_a_look(folder: Path) -> None:
    change(folder, MYELOMA, "days      = 60", "days      = 61")
    with (folder / "citations.toml").open("a", encoding="utf-8") as file:
        file.write('\n[nobody-2026]\ntext = "Nobody A. Nothing. 2026"\n')
    checked = check_knowledge(load_knowledge(folder), CRITERIA)
    warnings = [str(warning) for warning in checked.warnings]
    assert any(
        re.match(r"citations\.toml: \d+ cited by no rule: .*nobody-2026", w) for w in warnings
    )
    assert "multiple-myeloma.imwg-60-days: its sentence does not name its 61 days" in warnings
