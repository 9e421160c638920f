"""What `knowledge check` finds: every kind of fault, in a copy of the shipped files made faulty."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from cds_service.errors import KnowledgeError
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


def added_by(folder: Path, before: list[str]) -> list[str]:
    return [found for found in faults_of(folder) if found not in before]


def add(folder: Path, file: str, text: str) -> None:
    """Write a text at the end of a file."""
    path = folder / file
    path.write_text(f"{path.read_text('utf-8')}\n{text}\n", "utf-8")


def cover(folder: Path, general: str, name: str) -> None:
    """Let a general definition stand for a disease."""
    change(folder, f"diseases/{general}.toml", "family  =", f'covers = ["{name}"]\nfamily  =')


MYELOMA = "diseases/multiple-myeloma.toml"
DLBCL = "diseases/dlbcl.toml"
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
    if not fault:  # but for inputs that these rows declare nowhere: tests/web/test_interventions.py
        assert [one for one in added if "reads" not in one] == []
        return
    assert any(fault in found for found in added), added


def test_the_shipped_files_have_no_fault(faults_before: list[str]) -> None:
    assert faults_before == []


# --- numbers that cannot hold, names that lead nowhere ------------------------------------------

MILESTONE_6 = '{ name = "6 months", from_day = 150, to_day = 210'


@pytest.mark.parametrize(
    ("file", "old", "new", "fault"),
    [
        pytest.param(
            OVARIAN, "after_days = 28\ndays      = 180", "after_days = 180\ndays      = 180",
            "ovarian.platinum-resistant: no day is more than 180 and at most 180 days after"
            " anything", id="a window without a day",
        ),
        pytest.param(
            OVARIAN, "after_days = 28\ndays      = 180", "after_days = 179\ndays      = 180", "",
            id="a window of one day",
        ),
        pytest.param(
            OVARIAN, "after_days = 28\ndays      = 180", "after_days = 0\ndays      = 0", "",
            id="0 and 0: the rule never counts, and keeps the others from speaking",
        ),
        pytest.param(
            OVARIAN, "after_days = 179\ndays      = 365", "after_days = 366\ndays      = 365",
            "ovarian: platinum-partially-sensitive: no day is more than 366 and at most 365 days"
            " after anything", id="an interval without a day",
        ),
        pytest.param(
            OVARIAN, 'agents    = { groups = ["platinum"] }\nafter_days = 365\n',
            'agents    = { groups = ["platinum"] }\n',
            "ovarian: platinum-sensitive: is an interval, and has neither days nor after_days",
            id="an interval without bounds",
        ),
        pytest.param(
            OVARIAN, "primary_days = 180, ", "",
            "ovarian.parp-inhibitor: tells primary from secondary by time, and names no"
            " primary_days", id="a time without days",
        ),
        pytest.param(
            OVARIAN, "stable_days = 180, brief_stable_days = 42",
            "stable_days = 180, brief_stable_days = 181",
            "ovarian.platinum-resistant: stability of 181 days cannot be brief where 180 are"
            " enough", id="brief and not brief",
        ),
        pytest.param(
            OVARIAN, "stable_days = 180, brief_stable_days = 42",
            "stable_days = 180, brief_stable_days = 180", "", id="nothing between",
        ),
        pytest.param(
            PROSTATE, 'multiplier = "1.25"\nmin_delta  = "2.0"\n', "",
            "prostate.psa-pcwg3: has no number: any rise would be progression",
            id="a marker rule without a number",
        ),
        pytest.param(
            PROSTATE, 'multiplier = "1.25"\n', "", "", id="a marker rule with one number",
        ),
        pytest.param(
            PROSTATE, "confirm_days = 21", "confirm_days = 21\nconfirm_within_days = 20",
            "prostate.psa-pcwg3: no value is at least 21 and at most 20 days later",
            id="a confirmation that no day can bring",
        ),
        pytest.param(
            MYELOMA, 'high_delta = "1.0"\n', "",
            "multiple-myeloma.serum-m-protein: high_nadir and high_delta say something only"
            " together", id="half of a pair",
        ),
        pytest.param(
            OVARIAN, "excluded_days  = 28\n", "",
            "ovarian.ca-125-gcig: excluded_after and excluded_days say something only together",
            id="half of another pair",
        ),
        pytest.param(
            CML, MILESTONE_6, '{ name = "6 months", from_day = 50, to_day = 210',
            "cml.eln-2020-milestones: '6 months' comes after '3 months', and begins no later",
            id="milestones out of order",
        ),
        pytest.param(
            CML, MILESTONE_6, '{ name = "6 months", from_day = 120, to_day = 210',
            "cml.eln-2020-milestones: '6 months' begins before '3 months' has ended",
            id="milestones that overlap by a day",
        ),
        pytest.param(
            CML, MILESTONE_6, '{ name = "6 months", from_day = 121, to_day = 210', "",
            id="milestones one after the other",
        ),
        pytest.param(
            CML, MILESTONE_6, '{ name = "6 months", from_day = 150',
            "cml.eln-2020-milestones: '12 months' begins before '6 months' has ended",
            id="a milestone after one without an end",
        ),
        pytest.param(
            CML, MILESTONE_6, '{ name = "6 months", from_day = 150, to_day = 149',
            "cml.eln-2020-milestones: '6 months' ends on day 149, before it begins",
            id="a milestone that ends before it begins",
        ),
        pytest.param(
            CML, 'optimal_at_most = "1", failure_above = "10"',
            'optimal_at_most = "11", failure_above = "10"',
            "cml.eln-2020-milestones: '6 months' can be met and missed by one value",
            id="a milestone met and missed",
        ),
        pytest.param(
            CML, "confirm_from = 30, confirm_to = 90", "confirm_from = 91, confirm_to = 90",
            "cml.eln-2020-milestones: no value can confirm '3 months'",
            id="a milestone that nothing confirms",
        ),
        pytest.param(
            DLBCL, 'days = 365, since', "days = 0, since", "dlbcl: early-relapse: has no days",
            id="an early flag without days",
        ),
        pytest.param(
            DLBCL, 'cites = ["locke-2022"]', "cites = []",
            "dlbcl: early-relapse: cites no source", id="an early flag without a source",
        ),
        pytest.param(
            DLBCL, 'cites = ["locke-2022"]', 'cites = ["locke-2099"]',
            "dlbcl: early-relapse: cites 'locke-2099', which is not in citations.toml",
            id="an early flag with a source that nobody has",
        ),
        pytest.param(
            DLBCL, 'when = { position = "first" } },', 'when = { with_facts = ["her3"] } },',
            "dlbcl: no fact 'her3' in facts.csv", id="a fact that lines are asked for",
        ),
        pytest.param(
            CML, "minimum   = { days = 28 }",
            'minimum   = { days = 28, full_doses = [{ drug = "imatinib mesylate", mg_per_day ='
            ' "400" }] }',
            "cml.progression: no drug 'imatinib mesylate' in drugs.csv", id="drug of a dose",
        ),
        pytest.param(
            OVARIAN, "days      = 28\n", 'days      = 28\natypical_while_falling = ["ca-126"]\n',
            "ovarian.platinum-refractory: no marker 'ca-126' in markers.csv",
            id="a marker that may fall",
        ),
        pytest.param(
            PROSTATE, "ignore_first_days = 84",
            'ignore_first_days = 84\nunreadable_with = [{ marker = "psb", above = "1",'
            " within_days = 7 }]",
            "prostate.psa-pcwg3: no marker 'psb' in markers.csv", id="a marker that interferes",
        ),
        pytest.param(
            "citations.toml", 'doi     = "10.1016/j.ejca.2008.10.026"',
            'doi     = "https://doi.org/10.1016/j.ejca.2008.10.026"',
            "citations.toml: eisenhauer-2009: 'https://doi.org/10.1016/j.ejca.2008.10.026' is no"
            " DOI", id="no DOI",
        ),
        pytest.param(
            "citations.toml", 'text    = "To be confirmed by the site"', 'text    = " "',
            "citations.toml: operational-default: says nothing", id="a source without a text",
        ),
        pytest.param(
            CML, 'name    = "chronic myeloid leukaemia"', 'name    = "Breast cancer"',
            "breast cancer: is the name of two definitions", id="a name of two diseases",
        ),
    ],
)  # fmt: skip
def test_what_cannot_hold_is_a_fault(
    file: str, old: str, new: str, fault: str, folder: Path, faults_before: list[str]
) -> None:
    change(folder, file, old, new)
    assert added_by(folder, faults_before) == ([fault] if fault else [])


TARGET = """
[[targets]]
id        = "cml.goal"
says      = "Above 10 % from day 90 on."
agents    = { groups = ["bcr-abl-tki"] }
origin    = "C"
cites     = ["hochhaus-2020"]
from_day  = 90
missed_by = [{ marker = "bcr-abl-is", above = "10" }]
"""


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        pytest.param("", "", "", id="as it should be"),
        pytest.param('"cml.goal"', '"goal"', "goal: does not begin with 'cml'", id="prefix"),
        pytest.param(
            '"cml.goal"', '"cml.progression"', "cml.progression: this id stands twice", id="twice"
        ),
        pytest.param('["hochhaus-2020"]', "[]", "cml.goal: cites no source", id="no source"),
        pytest.param(
            "from_day  = 90", "from_day  = 0", "cml.goal: names no day from which on it is due",
            id="no day",
        ),
        pytest.param(
            '"bcr-abl-is", above', '"bcr-abl", above', "cml.goal: no marker 'bcr-abl' in"
            " markers.csv", id="marker",
        ),
        pytest.param(
            '{ marker = "bcr-abl-is", above = "10" }', '{ marker = "bcr-abl-is" }',
            "cml.goal: has no number for 'bcr-abl-is'", id="no number",
        ),
        pytest.param(
            '{ marker = "bcr-abl-is", above = "10" }', '{ procedure = "venesection" }',
            "cml.goal: no kind of procedure 'venesection'", id="procedure",
        ),
        pytest.param(
            '[{ marker = "bcr-abl-is", above = "10" }]', "[]",
            "cml.goal: is missed by nothing, so that it never speaks", id="no sign",
        ),
        pytest.param(
            '{ marker = "bcr-abl-is", above = "10" }', '{ above = "10" }',
            "cml.goal: each sign is of one marker, or one procedure", id="a sign of nothing",
        ),
        pytest.param(
            'groups = ["bcr-abl-tki"]', 'groups = ["bcr-abl"]',
            "cml.goal: no group 'bcr-abl' in drugs.csv", id="drugs",
        ),
    ],
)  # fmt: skip
def test_a_target_is_checked_as_any_rule(
    old: str, new: str, fault: str, folder: Path, faults_before: list[str]
) -> None:
    assert old in TARGET
    add(folder, CML, TARGET.replace(old, new, 1))
    assert added_by(folder, faults_before) == ([fault] if fault else [])


@pytest.mark.parametrize(
    ("table", "row"),
    [
        pytest.param(
            "conditions.csv", "icd-10-cm,C99,prefix,thymoma,primary,active,,,icd-10-cm,verified",
            id="conditions",
        ),
        pytest.param(
            "conditions.csv", "icd-10-cm,C99,prefix,cml,primary,active,thymoma,,icd-10-cm,verified",
            id="alternatives of conditions",
        ),
        pytest.param(
            "regimens.csv", "PAC,cisplatin;doxorubicin,,thymoma,21,,,clinical,memory",
            id="regimens",
        ),
    ],
)  # fmt: skip
def test_a_disease_of_a_table_is_defined_or_covered(
    table: str, row: str, folder: Path, faults_before: list[str]
) -> None:
    path = folder / "terms" / table
    path.write_text(f"{path.read_text('utf-8')}{row}\n", "utf-8")
    assert added_by(folder, faults_before) == [
        f"{table}: 'thymoma' has no definition, and none covers it"
    ]
    cover(folder, "other-solid", "thymoma")
    assert added_by(folder, faults_before) == []


def test_a_disease_of_the_markers_is_defined_or_covered(
    folder: Path, faults_before: list[str]
) -> None:
    change(folder, "terms/markers.csv", ",4,prostate,2857-1", ",4,prostate;thymoma,2857-1")
    assert added_by(folder, faults_before) == [
        "markers.csv: 'thymoma' has no definition, and none covers it"
    ]


def test_a_disease_is_covered_by_one_general_definition(
    folder: Path, faults_before: list[str]
) -> None:
    cover(folder, "other-solid", "thymoma")
    cover(folder, "other-heme", "thymoma")
    assert added_by(folder, faults_before) == ["thymoma: is covered by two definitions"]


def test_a_set_of_rules_that_no_disease_takes_over_is_a_fault(
    folder: Path, faults_before: list[str]
) -> None:
    add(folder, "shared.toml", SHARED_SET)
    assert added_by(folder, faults_before) == ["shared.toml: no disease takes over the set 'spare'"]
    add(folder, CML, '[[rules]]\nfrom = "spare"')
    assert added_by(folder, faults_before) == []


SHARED_SET = """
[[sets.spare]]
id        = "90-days"
says      = "Progression up to 90 days after the last dose, after 21 days."
criterion = "progression-in-window"
origin    = "O"
cites     = ["operational-default"]
days      = 90
minimum   = { days = 21 }
"""


def test_a_rule_of_a_set_that_is_left_out_has_to_be_there(folder: Path) -> None:
    add(folder, "shared.toml", SHARED_SET)
    add(folder, CML, '[[rules]]\nfrom = "spare"\nwithout = ["91-days"]')
    with pytest.raises(KnowledgeError, match=r"cml\.toml: the set 'spare' has no rule '91-days'"):
        load_knowledge(folder)


def test_one_name_does_not_stand_for_two_diseases(folder: Path) -> None:
    change(folder, CML, '"cml"]', '"cml", "breast cancer"]')
    with pytest.raises(KnowledgeError, match="'breast cancer' names breast and cml"):
        load_knowledge(folder)


@pytest.mark.parametrize(
    ("file", "old", "new", "warning"),
    [
        pytest.param(
            OVARIAN, "days      = 28\n", "days      = 29\n",
            "ovarian.platinum-refractory: its sentence does not name its 29 days", id="days",
        ),
        pytest.param(
            PROSTATE, "confirm_days = 21\n", "confirm_days = 22\n",
            "prostate.psa-pcwg3: its sentence does not name its 22 days", id="confirmation",
        ),
        pytest.param(
            CML, "minimum   = { days = 28 }", "minimum   = { days = 29 }",
            "cml 1", id="exposure",
        ),
        pytest.param(
            DLBCL, 'cites = ["locke-2022"]', 'cites = ["operational-default"]',
            "dlbcl: early-relapse: has origin T, and no published source", id="origin",
        ),
        pytest.param(
            "diseases/other-heme.toml", "names   = []", 'names   = []\ncovers = ["cml"]',
            "other-heme: covers 'cml', which has a definition of its own", id="covered and defined",
        ),
    ],
)  # fmt: skip
def test_what_deserves_a_look_is_a_note(
    file: str, old: str, new: str, warning: str, folder: Path
) -> None:
    def warnings() -> str:
        checked = check_knowledge(load_knowledge(folder), CRITERIA)
        return "\n".join(map(str, checked.warnings))

    assert warning not in warnings()
    change(folder, file, old, new)
    assert warning in warnings()


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


def test_what_a_disease_turns_into_is_defined(folder: Path, faults_before: list[str]) -> None:
    change(
        folder, "diseases/cll.toml", 'transforms_into = ["dlbcl"]', 'transforms_into = ["nlphl"]'
    )
    assert added_by(folder, faults_before) == [
        "cll: transforms into 'nlphl', which has no definition"
    ]
