"""The knowledge that decides is kept in the log, once for each digest, and can be loaded again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hooks.calls import call, myeloma, prefetch_of

from cds_service.errors import KnowledgeError
from cds_service.knowledge.load import load_knowledge
from cds_service.knowledge.package import open_package, package_of
from replay.logs import Day, replays, results, started

SITE = '["multiple-myeloma.lines"]\ngap_days = 400\nbecause = "a test"\n'
CHART = call(prefetch_of(myeloma()))


def at_site(folder: Path) -> dict[str, Any]:
    site = folder / "site.toml"
    site.write_text(SITE)
    return {"settings": {"site_file": site}, "knowledge": load_knowledge(site=site)}


async def test_each_state_is_kept_once_and_each_decision_is_replayed_under_its_own(
    tmp_path: Path,
) -> None:
    of_site = at_site(tmp_path)
    for number, options in enumerate(({}, {}, of_site, {}, of_site)):
        async with started(tmp_path, clock=Day(), **options) as served:
            instance = f"d1577c69-dfbe-44ad-ba6d-{number:012d}"
            await served.hook({**CHART, "hookInstance": instance})
    activated = [one for one in served.entries() if one["eventType"] == "knowledge-activated"]
    versions = ["+site." in one["knowledge"]["version"] for one in activated]
    assert versions == [False, True, False, True]  # the second start changed nothing
    assert ["package" in one.sealed for one in activated] == [True, True, False, False]
    (tmp_path / "site.toml").unlink()  # the log needs no file of the site
    assert results(replays(served.db)) == [("identical", "", ())] * 5


def test_a_package_gives_the_same_knowledge_again(tmp_path: Path) -> None:
    for site in (None, at_site(tmp_path)["settings"]["site_file"]):
        knowledge = load_knowledge(site=site)
        package = package_of(knowledge, site=site)
        assert package is not None
        assert open_package(package, knowledge.digest) == knowledge


def test_knowledge_that_was_not_made_of_these_files_has_no_package(tmp_path: Path) -> None:
    of_site = at_site(tmp_path)["knowledge"]
    assert package_of(of_site) is None  # its site file is not given
    assert package_of(replace(load_knowledge(), digest="sha256:0")) is None


def changed(**members: Any) -> bytes:
    package = msgspec.json.decode(package_of(load_knowledge()) or b"")
    return msgspec.json.encode({**package, **members})


SPOILT = [
    (b"{", "cannot be read"),
    (changed(form="knowledge-package-9"), "form knowledge-package-9"),
    (changed(site=SITE), "does not have the digest"),
    (changed(files={"../outside.toml": ""}), "outside its folder"),
]


@pytest.mark.parametrize(("package", "why"), SPOILT)
def test_a_package_that_is_not_what_it_says_is_refused(package: bytes, why: str) -> None:
    with pytest.raises(KnowledgeError, match=why):
        open_package(package, load_knowledge().digest)
