"""Numbers of a site: operational ones change, with a reason, and everything says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from charts import condition, given, order, patient, response

from cds_service import assess, shipped_knowledge
from cds_service.errors import KnowledgeError
from cds_service.knowledge.load import DATA, load_knowledge
from cds_service.knowledge.model import Knowledge

PARP = '["ovarian.parp-inhibitor"]\n'
BECAUSE = 'because = "scans every twelve weeks"\n'


def at_site(tmp_path: Path, text: str) -> Knowledge:
    site = tmp_path / "site.toml"
    site.write_text(text, encoding="utf-8")
    return load_knowledge(DATA, site)


@pytest.mark.parametrize(
    ("days_after", "shipped", "here"),
    [
        pytest.param(28, "possible-refractory", "possible-refractory", id="inside both"),
        pytest.param(42, "relapsed", "possible-refractory", id="inside the site's alone"),
        pytest.param(43, "relapsed", "relapsed", id="outside both"),
    ],
)
def test_the_site_s_number_decides(
    tmp_path: Path, days_after: int, shipped: str, here: str
) -> None:
    day = {28: "2024-01-29", 42: "2024-02-12", 43: "2024-02-13"}[days_after]
    chart = [
        patient("p1"),
        condition("ovarian", onset="2022-12-01", id="oc"),
        *given("carboplatin", start="2023-01-02", every=21, times=6),
        response("PR", "2023-05-01"),
        order("olaparib", start="2023-05-15", end="2024-01-01"),
        response("PD", day),
    ]
    knowledge = at_site(tmp_path, f"{PARP}days = 42\n{BECAUSE}")
    statuses = [
        assess(chart, "2024-03-01", knowledge=k).cancers[0].judged[0].status.status
        for k in (shipped_knowledge(), knowledge)
    ]
    assert statuses == [shipped, here]


def test_version_digest_and_sentence_tell_of_it(tmp_path: Path) -> None:
    shipped, here = shipped_knowledge(), at_site(tmp_path, f"{PARP}days = 42\n{BECAUSE}")
    assert here.version.startswith(f"{shipped.version}+site.")
    assert here.digest != shipped.digest
    (rule,) = here.rules_named(["ovarian.parp-inhibitor"], here.diseases["ovarian"])
    assert rule.says.endswith("At this site: days 42 instead of 28 (scans every twelve weeks).")


def test_the_digest_is_of_the_numbers_not_of_the_file(tmp_path: Path) -> None:
    one = at_site(tmp_path, f"{PARP}days = 42\n{BECAUSE}")
    same = at_site(tmp_path, f"# a remark\n{PARP}{BECAUSE}days = 42\n")
    other = at_site(tmp_path, f"{PARP}days = 43\n{BECAUSE}")
    assert one.digest == same.digest != other.digest


def test_a_rule_that_several_diseases_share_changes_for_one_of_them(tmp_path: Path) -> None:
    text = f'["other-solid.palliative-90-days"]\nminimum = {{ days = 28 }}\n{BECAUSE}'
    diseases = at_site(tmp_path, text).diseases
    days = {
        name: {r.id: r.minimum for r in diseases[name].rules}[f"{name}.palliative-90-days"]
        for name in ("other-solid", "nsclc")
    }
    assert {name: minimum and minimum.days for name, minimum in days.items()} == {
        "other-solid": 28,
        "nsclc": 21,
    }


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param(
            f'["ovarian.platinum-refractory"]\ndays = 30\n{BECAUSE}',
            "ovarian.platinum-refractory: only an operational default",
            id="a number of a consensus",
        ),
        pytest.param(f"{PARP}days = 42\n", "says no reason", id="without a reason"),
        pytest.param(
            f'["ovarian.no-such-rule"]\ndays = 30\n{BECAUSE}', "nothing has this id", id="no rule"
        ),
        pytest.param(f"{PARP}dayz = 42\n{BECAUSE}", "dayz", id="a member that is misspelt"),
        pytest.param(f'{PARP}days = "soon"\n{BECAUSE}', "no number", id="a word for a number"),
        pytest.param(f"{PARP}days = -1\n{BECAUSE}", "no number of 0 or more", id="below zero"),
        pytest.param(f"{PARP}days = true\n{BECAUSE}", "no number", id="a truth for a number"),
        pytest.param("days = [", "site.toml", id="no TOML"),
    ],
)
def test_what_is_not_the_site_s_to_change_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(KnowledgeError, match=fault):
        at_site(tmp_path, text)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeError, match=r"nowhere\.toml is missing"):
        load_knowledge(DATA, tmp_path / "nowhere.toml")


def test_lines_and_advice_of_a_disease_can_be_changed(tmp_path: Path) -> None:
    lines = f'["prostate.lines"]\ngap_days = 150\n{BECAUSE}'
    text = f'{lines}["prostate"]\nrestaging_interval_days = 120\n{BECAUSE}'
    prostate = at_site(tmp_path, text).diseases["prostate"]
    assert (prostate.lines.gap_days, prostate.restaging_interval_days) == (150, 120)
