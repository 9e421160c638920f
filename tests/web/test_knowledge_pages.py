"""The knowledge as pages: nothing of it is missing, every link leads somewhere, nothing runs."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest
from cli.terminal import typed
from hooks.serving import Served, issue_of, knowledge, serving

from cds_service.clinical.wording import ORIGIN
from cds_service.definition.counts import count_numbers, numbers_in
from cds_service.knowledge.model import Disease, Early, Knowledge, Told
from cds_service.knowledge.site import SiteNumber
from cds_service.quantities import format_decimal
from cds_service.web.knowledge_book import TITLES
from cds_service.web.knowledge_pages import KnowledgePages, write_pages
from web.pages import Read

DISEASES = list(knowledge().diseases.values())
PAGES = KnowledgePages(knowledge(), ending=".html").names
each_disease = pytest.mark.parametrize("disease", DISEASES, ids=lambda disease: disease.id)
each_page = pytest.mark.parametrize("name", PAGES)


@cache
def read(name: str) -> Read:
    return Read(KnowledgePages(knowledge(), ending=".html").page(name))


def told_by(disease: Disease) -> list[tuple[str, Told | Early]]:
    """Everything that has an origin, with its anchor."""
    flags = [(f"{disease.id}.{early.flag}", early) for early in disease.early]
    return [*((told.id, told) for told in disease.told), *flags]


def ways_to_write(number: int | Decimal) -> set[str]:
    """A number as it is, or as the percentage or share that a reader knows it by."""
    if isinstance(number, int):
        return {str(number)}
    shares = (number, number * 100, (number - 1) * 100, (1 - number) * 100)
    return {format_decimal(abs(share)) for share in shares}


# --- nothing is missing ------------------------------------------------------------------------


@each_disease
def test_a_page_has_every_rule_with_its_sentence_origin_and_sources(disease: Disease) -> None:
    page = read(disease.id)
    for name, told in told_by(disease):
        text = page.texts[name]
        assert name in text
        assert ORIGIN[told.origin] in text
        assert getattr(told, "says", "") in text
        assert ("Not verified." in text) == getattr(told, "is_unverified", False)
        for key in told.cites:
            assert key in text
            citation = knowledge().citations[key]
            assert citation.text in page.texts["section-sources"]
            assert citation.doi in page.texts["section-sources"]


@each_disease
def test_a_page_has_every_number_where_its_rule_stands(disease: Disease) -> None:
    page = read(disease.id)
    for name, told in told_by(disease):
        written = set(re.findall(r"\d+(?:\.\d+)?", page.texts[name]))
        missing = [n for n in numbers_in(told) if n != 1 and not ways_to_write(n) & written]
        assert missing == [], name


@each_disease
def test_a_page_says_which_version_it_is_of_and_ends_with_a_block_to_sign(
    disease: Disease,
) -> None:
    block = read(disease.id).texts["section-sign-off"]
    for said in (disease.id, knowledge().version, knowledge().digest, "Reviewer", "Date",
                 "Remarks", "not agreed"):  # fmt: skip
        assert said in block


def test_the_index_counts_the_numbers_of_every_disease_by_origin() -> None:
    text = " ".join(read("index").text.split())
    assert "Consensus Guideline Trial or label Operational Not verified" in text
    for disease in DISEASES:
        counts = count_numbers(disease)
        row = [disease.id, len(told_by(disease)), *counts.by_origin.values(), counts.unverified]
        assert " ".join(map(str, row)) in text


def test_the_tables_have_every_drug_regimen_marker_and_source() -> None:
    terms = knowledge().terms
    assert {f"drug-{name}" for name in terms.drugs} <= set(read("drugs").anchors)
    groups = {g for d in terms.drugs.values() for g in (d.drug_class, d.class_group, d.superclass)}
    assert groups <= set(read("drugs").anchors)
    assert terms.regimens.keys() <= set(read("regimens").anchors)
    assert terms.markers.keys() <= set(read("markers").anchors)
    assert knowledge().citations.keys() <= set(read("citations").anchors)
    for letter, words in ORIGIN.items():
        assert words in read("terms").texts[f"origin-{letter}"]


def test_a_source_names_what_rests_on_it_and_a_marker_what_reads_it() -> None:
    assert "ovarian.ca-125-gcig" in read("citations").texts["rustin-2011"]
    assert "ovarian: platinum-sensitive" in read("citations").texts["stuart-2011"]
    assert "dlbcl.early-relapse" in read("citations").texts["locke-2022"]
    assert "shared.documented-refractory" in read("citations").texts["operational-default"]
    assert "prostate.androgen-deprivation" in read("markers").texts["testosterone"]
    assert "cml.eln-2020-milestones" in read("drugs").texts["bcr-abl-tki"]


def test_numbers_of_the_site_stand_on_a_page_of_their_own_and_on_that_of_their_disease() -> None:
    number = SiteNumber("ovarian.parp-inhibitor", "days", "28", "42", "scans are rare")
    pages = KnowledgePages(replace(knowledge(), site_numbers=(number,)))
    said = "days 42 instead of 28 (scans are rare)"
    assert "scans are rare" in Read(pages.page("site-numbers")).text
    assert said in Read(pages.page("ovarian")).text
    assert said not in Read(pages.page("breast")).text
    assert "1 numbers of its own" in Read(pages.page("index")).text


# --- links -------------------------------------------------------------------------------------


@each_page
def test_every_link_leads_to_a_place_that_exists(name: str) -> None:
    for link in read(name).links:
        page, _, anchor = link.partition("#")
        if link.startswith("https://doi.org/10.") or link == f"{name}.json":
            continue
        target = page.removesuffix(".html") if page else name
        assert target in PAGES, link
        assert not anchor or anchor in read(target).anchors, link


@each_page
def test_no_anchor_stands_twice_and_every_element_is_closed(name: str) -> None:
    anchors = read(name).anchors
    assert len(anchors) == len(set(anchors))
    assert read(name).unclosed == []


def test_links_lead_both_ways_between_a_rule_and_its_source() -> None:
    assert "citations.html#rajkumar-2011" in read("multiple-myeloma").links
    assert "multiple-myeloma.html#multiple-myeloma.imwg-60-days" in read("citations").links


def test_the_served_pages_link_to_each_other_without_an_ending() -> None:
    page = Read(KnowledgePages(knowledge()).page("cml"))
    assert {"./", "drugs#bcr-abl-tki", "citations#hochhaus-2020"} <= set(page.links)
    assert not any(".html" in link for link in page.links)


# --- nothing runs ------------------------------------------------------------------------------


@each_page
def test_a_page_runs_nothing_and_loads_nothing(name: str) -> None:
    page = read(name)
    assert {"script", "img", "link", "iframe", "form", "object", "base"}.isdisjoint(page.tags)
    assert "src" not in page.attributes
    assert not [a for a in page.attributes if a.startswith("on")]
    assert not re.search(r"@import|url\(", page.page)


def with_text(text: str) -> Knowledge:
    """Knowledge in which this text stands wherever a file may hold one."""
    cml = knowledge().diseases["cml"]
    rule = replace(cml.rules[0], says=text, label=text)
    source = replace(knowledge().citations["hochhaus-2020"], text=text, where=text)
    advice = replace(cml.advice, trial=text, restage=replace(cml.advice.restage, text=text))
    disease = replace(
        cml, name=text, names=(text,), rules=(rule,), advice=advice, guides_treatment=(text,)
    )
    return replace(
        knowledge(),
        version=text,
        diseases={**knowledge().diseases, "cml": disease},
        citations={**knowledge().citations, "hochhaus-2020": source},
        site_numbers=(SiteNumber("cml.lines", text, text, text, text),),
    )


@pytest.mark.parametrize("name", ["cml", "index", "citations", "site-numbers"])
def test_text_of_the_files_is_shown_and_does_nothing(name: str) -> None:
    text = """<script>alert("1 & 2")</script><b title='x'>"""
    page = Read(KnowledgePages(with_text(text)).page(name))
    assert text in page.text
    assert {"script", "b"}.isdisjoint(page.tags)
    assert page.unclosed == []


# --- served ------------------------------------------------------------------------------------


async def test_pages_are_served_to_anybody_with_the_policy_of_the_docs(served: Served) -> None:
    before = served.size()
    docs = await served.http.get("/docs")
    for path in ("/knowledge/", "/knowledge/multiple-myeloma", "/knowledge/citations"):
        answer = await served.http.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        policy = answer.headers["content-security-policy"]
        assert policy == docs.headers["content-security-policy"]
        assert knowledge().digest.removeprefix("sha256:") in answer.headers["etag"]
        assert answer.headers["cache-control"] == "no-cache"
    assert served.size() == before


async def test_a_page_that_the_reader_has_is_not_sent_again(served: Served) -> None:
    tag = (await served.http.get("/knowledge/cml")).headers["etag"]
    again = await served.http.get("/knowledge/cml", headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    other = await served.http.get("/knowledge/cml", headers={"If-None-Match": '"other"'})
    assert other.status_code == 200


async def test_the_address_without_its_slash_leads_there(served: Served) -> None:
    answer = await served.http.get("/knowledge", follow_redirects=True)
    assert (answer.status_code, answer.url.path) == (200, "/knowledge/")


@pytest.mark.parametrize(
    "name", ["nowhere", "index", "CML", "cml.html", "cml/", "..%2fdocs", "knowledge.html"]
)
async def test_what_is_no_page_is_404(served: Served, name: str) -> None:
    answer = await served.http.get(f"/knowledge/{name}")
    assert answer.status_code == 404
    assert issue_of(answer)["code"] == "not-found"


async def test_every_page_is_served_and_links_to_others_that_are(served: Served) -> None:
    for name in PAGES:
        path = "/knowledge/" if name == "index" else f"/knowledge/{name}"
        page = Read((await served.http.get(path)).text)
        for link in page.links:
            target = link.partition("#")[0]
            known = {*PAGES, "", "./", f"{name}.json"}
            assert target in known or link.startswith("https://doi.org/"), link


@pytest.fixture(scope="module")
def by_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("site")
    site = folder / "site.toml"
    site.write_text('["cml.progression"]\ndays = 29\nbecause = "a day of grace"\n', "utf-8")
    from cds_service.knowledge.load import load_knowledge

    own = load_knowledge(site=site)
    with serving(folder, knowledge=own) as served:
        yield served


async def test_the_pages_are_of_the_knowledge_in_use(by_site: Served, served: Served) -> None:
    here = await by_site.http.get("/knowledge/cml")
    assert "a day of grace" in here.text
    assert here.headers["etag"] != (await served.http.get("/knowledge/cml")).headers["etag"]


# --- written -----------------------------------------------------------------------------------


def test_the_command_writes_every_page_into_a_folder(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "var" / "knowledge"
    ended = typed(capfd, "knowledge", "pages", "--to", folder)
    assert (ended.code, ended.err) == (0, "")
    assert ended.lines == [f"{len(PAGES)} pages; open {folder / 'index.html'}"]
    files = {f"{name}.html" for name in PAGES}
    files |= {f"{name}.json" for name in PAGES if name.startswith("about-")}
    assert {path.name for path in folder.iterdir()} == files
    assert (folder / "cml.html").read_text("utf-8") == read("cml").page


def test_a_folder_that_cannot_be_written_is_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    complaint = typed(capfd, "knowledge", "pages", "--to", tmp_path / "file").one_complaint()
    assert "file" in complaint


def test_the_same_knowledge_gives_the_same_pages(tmp_path: Path) -> None:
    write_pages(knowledge(), tmp_path / "one")
    write_pages(knowledge(), tmp_path / "two")
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_no_disease_has_the_name_of_another_page() -> None:
    assert TITLES.keys().isdisjoint(knowledge().diseases)


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import cds_service.cli", id="the command line"),
        pytest.param("from cds_service.app import create_app", id="the service"),
        pytest.param(
            "from cds_service.cli import run; run(['knowledge', 'show', 'cml'])", id="a command"
        ),
    ],
)
def test_the_template_library_is_loaded_with_the_first_page_only(code: str) -> None:
    asked = f"{code}\nimport sys\nsys.exit('jinja2' in sys.modules)"
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", asked], capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
