"""A card leads to all that a reader needs to judge it, in the version that decided."""

from __future__ import annotations

import sqlite3
import tomllib
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cli.terminal import typed
from hooks.calls import call, myeloma, prefetch_of
from hooks.serving import knowledge
from hooks.test_cards import of_two_cancers
from replay.logs import started

from cds_service.definition.intervention import intervention_ids, intervention_of
from cds_service.hooks.services import SERVICES
from cds_service.knowledge.interventions import ATTRIBUTES
from cds_service.knowledge.load import DATA, load_knowledge
from cds_service.knowledge.model import Knowledge
from cds_service.web.knowledge_pages import KnowledgePages
from web.pages import Read

IDS = intervention_ids(knowledge())
PAGES = KnowledgePages(knowledge())
each = pytest.mark.parametrize("name", IDS)
CHART = call(prefetch_of(myeloma()))
PUBLIC = {"public_url": "https://cds.example"}
SITE = '["multiple-myeloma.imwg-60-days"]\n'


@cache
def read(name: str) -> Read:
    return Read(PAGES.page(f"about-{name}"))


# --- the page ----------------------------------------------------------------------------------


def test_there_is_one_for_each_service_and_each_definition() -> None:
    assert (*(service.id for service in SERVICES), *knowledge().diseases) == IDS


@each
def test_each_of_the_thirteen_attributes_has_an_answer(name: str) -> None:
    told = intervention_of(name, knowledge())
    assert [it.number for it in told.attributes] == list(range(1, 14))
    for it in told.attributes:
        assert len(it.answer) > 5
        row = read(name).texts[f"attribute-{it.number}"]
        assert it.name in row
        assert it.answer in row
    names = [it.name for it in told.attributes[4:]]
    assert names == [name for _, name in ATTRIBUTES]


@each
def test_what_law_and_guidance_ask_for_stands_on_the_page(name: str) -> None:
    page = read(name)
    for title in ("Intended use", "Not for", "Intended users", "Population", "Validation",
                  "HTI-5", "HTI-1", "2026-11-22", "Not yet reviewed by a named"):  # fmt: skip
        assert title in page.text
    criteria = page.texts["section-criteria"]
    assert [n for n in range(1, 6) if f"Criterion {n}," in criteria] == [1, 2, 3, 4]


@pytest.mark.parametrize("name", knowledge().diseases)
def test_a_rule_set_tells_every_rule_with_its_sources(name: str) -> None:
    page, disease = read(name), knowledge().diseases[name]
    for told in (*knowledge().shared_rules, *disease.told):
        assert told.says in page.texts[told.id]
        assert all(key in page.texts[told.id] for key in told.cites)
        for key in told.cites:
            assert knowledge().citations[key].text in page.texts["section-sources"]


@pytest.mark.parametrize(
    ("name", "attribute", "used"),
    [
        pytest.param("cml", "Use of race", False, id="race"),
        pytest.param("prostate", "Use of sex", False, id="sex, of a disease of men"),
        pytest.param("all", "Use of date of birth", True, id="days before birth, of children too"),
        pytest.param("cml", "Use of social determinants of health data", True, id="adherence"),
    ],
)
def test_an_attribute_says_whether_it_is_used(name: str, attribute: str, used: bool) -> None:
    told = intervention_of(name, knowledge())
    (found,) = [it for it in told.attributes if it.name == attribute]
    assert found.used is used
    assert found.answer.startswith("Used" if used else "Not used")


def test_inputs_are_named_where_a_rule_reads_them() -> None:
    myeloma_page, breast = read("multiple-myeloma"), read("breast")
    assert "Monoclonal protein, serum" in myeloma_page.texts["section-inputs"]
    assert "HER2" in breast.texts["section-inputs"]


# --- declared is read, and read is declared -----------------------------------------------------

CML = "diseases/cml.toml"


def spoilt(folder: Path, name: str, old: str, new: str) -> list[str]:
    """The faults of the shipped files with one change."""
    from shutil import copytree

    from cds_service.commands.knowing import CRITERIA
    from cds_service.knowledge.check import check_knowledge

    copytree(DATA, folder / "data")
    path = folder / "data" / name
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    return [str(f) for f in check_knowledge(load_knowledge(folder / "data"), CRITERIA).faults]


INTERVENTIONS = "interventions.toml"
FAULTS = [
    pytest.param(
        "diseases/rcc.toml", "[[rules]]\n",
        '[[rules]]\nrequires = { marker = "psa", below = 1, within_days = 30 }\n',
        ["rcc: reads 'laboratory'", "rcc: reads marker 'psa'"], id="a rule reads a new marker",
    ),
    pytest.param(
        "diseases/rcc.toml", "[[rules]]\n", '[[rules]]\nwhen = { with_facts = ["braf"] }\n',
        ["rcc: reads fact 'braf'"], id="a rule reads a new fact",
    ),
    pytest.param(
        "diseases/rcc.toml", "[[rules]]\n", '[[rules]]\nwhen = { with_facts = ["ecog=2"] }\n',
        ["rcc: reads fact 'ecog'"], id="a rule reads a health status assessment",
    ),
    pytest.param(
        INTERVENTIONS, 'markers = ["bcr-abl-is"]\n', 'markers = ["bcr-abl-is", "psa"]\n',
        ["cml: declares marker 'psa', which no rule of it reads"], id="declared and not read",
    ),
    pytest.param(
        INTERVENTIONS, '"pdl1", ', "", ["fact 'pdl1' is of no kind of input"],
        id="a fact of no kind",
    ),
    pytest.param(
        INTERVENTIONS, 'funding     = "None', 'funding     = " "\n# "',
        ["project.funding is empty"], id="no word on funding",
    ),
    pytest.param(
        INTERVENTIONS, "review_due  = 2027-05-22", "review_due  = 2026-11-22",
        ["review_due does not come after"], id="no review to come",
    ),
    pytest.param(
        INTERVENTIONS, 'name   = "Race"\nunused = "Not used."', 'name   = "Race"\nunused = ""',
        ["inputs.race does not say"], id="no answer on race",
    ),
    pytest.param(
        INTERVENTIONS, "[services.refractory-status]", "[services.other]",
        ["service 'other'", "service 'refractory-status'"], id="another service",
    ),
    pytest.param(
        INTERVENTIONS, "[diseases.cml]", "[diseases.cmml]",
        ["cml: declares no inputs", "there is no disease 'cmml'"], id="another disease",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new", "said"), FAULTS)
def test_what_is_not_declared_is_a_fault(
    tmp_path: Path, name: str, old: str, new: str, said: list[str]
) -> None:
    found = spoilt(tmp_path, name, old, new)
    assert len(found) == len(said)
    for fault, begins in zip(sorted(found), sorted(said), strict=False):
        assert begins in " ".join(found), fault


def test_a_member_of_the_model_that_nobody_sorted_is_a_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from cds_service.commands.knowing import CRITERIA
    from cds_service.knowledge import inputs
    from cds_service.knowledge.check import check_knowledge

    monkeypatch.delitem(inputs.KINDS, "Rule.hold_days")
    faults = [str(fault) for fault in check_knowledge(knowledge(), CRITERIA).faults]
    assert faults
    assert all(f.endswith("Rule.hold_days: knowledge/inputs.py does not say what it reads")
               for f in faults)  # fmt: skip


# --- the way there, then and later ---------------------------------------------------------------


def address_of(answer: Any) -> str:
    (address,) = {card["source"]["url"] for card in answer.json()["cards"]}
    return str(urlsplit(address).path)


async def test_a_card_leads_to_its_rule_set_without_signing_in(tmp_path: Path) -> None:
    async with started(tmp_path, settings=PUBLIC) as served:
        answer = await served.hook(CHART)
        before = served.size()
        page = await served.http.get(address_of(answer))
        assert page.status_code == 200
        assert "Possibly refractory multiple myeloma" in page.text
        assert "myeloma-1" not in page.text  # no patient
        machines = await served.http.get(f"{address_of(answer)}.json")
        told = machines.json()
        assert (told["id"], told["of"]) == ("about-multiple-myeloma", "multiple-myeloma")
        assert [it["number"] for it in told["attributes"]] == list(range(1, 14))
        assert told["attributes"][4] == {
            "number": 5, "name": "Use of race", "answer": "Not used.", "used": False,
        }  # fmt: skip
        assert all(it["answer"] for it in told["attributes"])
        assert served.size() == before


async def test_an_old_decision_opens_the_old_text_when_the_knowledge_has_moved_on(
    tmp_path: Path,
) -> None:
    async with started(tmp_path, settings=PUBLIC) as served:
        old = address_of(await served.hook(CHART))
        text_then = (await served.http.get(old)).text
    site = tmp_path / "site.toml"
    site.write_text(
        '["multiple-myeloma.lines"]\ngap_days = 400\nbecause = "another text"\n', "utf-8"
    )
    later = {"settings": {**PUBLIC, "site_file": site}, "knowledge": load_knowledge(site=site)}
    async with started(tmp_path, **later) as served:
        new = address_of(await served.hook({**CHART, "hookInstance": "d" * 8 + CHART_ID[8:]}))
        assert new != old
        assert "another text" in (await served.http.get(new)).text
        page = (await served.http.get(old)).text
        assert "another text" not in page
        assert "Not in force any more" in page
        assert knowledge().digest in page
        main = text_then.partition("<h1>")[2].partition("<footer>")[0]
        assert main == page.partition("<h1>")[2].partition("<footer>")[0]
        for name in ("multiple-myeloma", "citations", "about-cml.json", ""):
            earlier = await served.http.get(f"{old.rpartition('/')[0]}/{name}")
            assert earlier.status_code == 200, name


CHART_ID = str(CHART["hookInstance"])
NOBODY = "0" * 64


async def test_the_command_shows_the_text_of_then_too(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    of_then = at_site(tmp_path, '["cml.progression"]\ndays = 29\nbecause = "a day of grace"\n')
    async with started(tmp_path, **of_then):
        pass
    monkeypatch.setenv("REFRACTORY_CDS_AUDIT_DB", str(tmp_path / "decisions.db"))
    then = of_then["knowledge"].digest
    for digest in (then, then.removeprefix("sha256:"), of_then["knowledge"].version):
        ended = typed(
            capfd, "knowledge", "show", "about-cml", "--knowledge", digest, "--format", "json"
        )
        assert (ended.code, ended.err) == (0, "")
        assert "a day of grace" in ended.out
    assert "a day of grace" not in typed(capfd, "knowledge", "show", "about-cml").out
    ended = typed(capfd, "knowledge", "pages", "--to", tmp_path / "pages", "--knowledge", then)
    assert ended.code == 0
    assert "a day of grace" in (tmp_path / "pages" / "about-cml.html").read_text("utf-8")
    nobody = typed(capfd, "knowledge", "show", "about-cml", "--knowledge", NOBODY)
    assert "no such knowledge" in nobody.one_complaint()


async def test_a_log_that_does_not_give_the_knowledge_now_is_503(tmp_path: Path) -> None:
    async with started(tmp_path, **at_site(tmp_path, '["cml"]\n' + OFF)) as served:
        then = await served.hook(CHART)
    async with started(tmp_path, settings=PUBLIC) as served:
        with closing(sqlite3.connect(served.db)) as db:
            for (trigger,) in db.execute(
                "SELECT name FROM sqlite_master WHERE type='trigger'"
            ).fetchall():
                db.execute(f"DROP TRIGGER {trigger}")
            db.execute("UPDATE payloads SET stored = x'00' WHERE name = 'package'")
            db.commit()
        assert (await served.http.get(address_of(then))).status_code == 503


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(f"{NOBODY}/about-cml", id="a digest that never decided"),
        pytest.param("../../etc/about-cml", id="no digest"),
        pytest.param("cml/about-cml", id="a page in its place"),
        pytest.param("{now}/about-nowhere", id="no such disease"),
        pytest.param("{now}/cml.json", id="no intervention"),
        pytest.param("{now}/index", id="the index by its name"),
    ],
)
async def test_what_never_decided_is_404(tmp_path: Path, path: str) -> None:
    now = knowledge().digest.removeprefix("sha256:")
    async with started(tmp_path) as served:
        answer = await served.http.get(f"/knowledge/{path.format(now=now)}")
        assert answer.status_code == 404


async def test_knowledge_that_was_kept_before_interventions_were_told_is_still_shown(
    tmp_path: Path,
) -> None:
    without = without_interventions(tmp_path)
    pages = KnowledgePages(without)
    page = Read(pages.page("about-cml"))
    assert "kept before interventions told it" in page.texts["attribute-3"]
    rule = without.diseases["cml"].rules[0]
    assert rule.says in page.texts[rule.id]
    assert "about-refractory-status" not in pages.names


def without_interventions(folder: Path) -> Knowledge:
    from shutil import copytree

    copytree(DATA, folder / "data")
    (folder / "data" / INTERVENTIONS).unlink()
    return load_knowledge(folder / "data")


# --- a site's switch -----------------------------------------------------------------------------

OFF = 'returns_cards = false\nbecause = "not agreed with the clinic"\n'
ON = 'returns_cards = true\nbecause = "agreed"\n'


def at_site(folder: Path, text: str) -> dict[str, Any]:
    site = folder / "site.toml"
    site.write_text(text, "utf-8")
    return {"settings": {**PUBLIC, "site_file": site}, "knowledge": load_knowledge(site=site)}


@pytest.mark.parametrize(
    ("text", "returned"),
    [
        pytest.param('["multiple-myeloma"]\n' + OFF, {"nsclc"}, id="one rule set"),
        pytest.param('["every-disease"]\n' + OFF, set(), id="all of them"),
        pytest.param(f'["every-disease"]\n{OFF}["nsclc"]\n{ON}', {"nsclc"}, id="all but one"),
        pytest.param('["nsclc"]\n' + ON, {"multiple-myeloma", "nsclc"}, id="on, as shipped"),
    ],
)
async def test_a_site_switches_cards_off_by_rule_set_and_the_log_says_so(
    tmp_path: Path, text: str, returned: set[str]
) -> None:
    async with started(tmp_path, **at_site(tmp_path, text)) as served:
        answer = await served.hook(call(prefetch_of(of_two_cancers())))
        cards = answer.json()["cards"]
        assert {c["extension"]["org.refractory-cds"]["disease"] for c in cards} == returned
        off = {"multiple-myeloma", "nsclc"} - returned
        decided = served.last()
        assert {one["disease"] for one in decided["cancers"]} == {"multiple-myeloma", "nsclc"}
        held = {a["disease"] for a in decided["advice"] if a.get("suppressed") == "switched-off"}
        assert held == off
        assert (decided["outcome"] == "all-suppressed") is (not returned)
        (start,) = [one for one in served.entries() if one["eventType"] == "service-started"]
        assert off <= set(start["settings"].get("switchedOff", ()))
        assert not returned & set(start["settings"].get("switchedOff", ()))
        page = await served.http.get("/knowledge/about-multiple-myeloma")
        assert ("Switched off at this site" in page.text) is ("multiple-myeloma" in off)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param('["cml"]\nreturns_cards = false\n', "says no reason", id="without a reason"),
        pytest.param('["cml"]\nreturns_cards = 0\nbecause = "x"\n', "true or false", id="a number"),
        pytest.param('["cml.lines"]\n' + OFF, "of a disease", id="a part of a disease"),
        pytest.param(
            '["every-disease"]\nearliest_days = 3\nbecause = "x"\n', "only returns_cards",
            id="a number for all",
        ),
        pytest.param('["every-disease"]\nreturns_cards = false\n', "says no reason", id="mute"),
    ],
)  # fmt: skip
def test_a_switch_that_says_nothing_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    from cds_service.errors import KnowledgeError

    with pytest.raises(KnowledgeError, match=fault):
        at_site(tmp_path, text)


def test_the_file_is_toml_that_people_can_read() -> None:
    told = tomllib.loads((DATA / INTERVENTIONS).read_text("utf-8"))
    assert told["services"].keys() == {service.id for service in SERVICES}
