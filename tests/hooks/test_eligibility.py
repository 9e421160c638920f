"""What a draft referral to a trial carries: one fact a line, and the resources that say so."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import charts

from cds_service import assess, shipped_knowledge
from cds_service.hooks.cards import CardMaker
from cds_service.hooks.orders import build_templates
from hooks.calls import cards_for

KNOWLEDGE = shipped_knowledge()
MAKER = CardMaker(KNOWLEDGE, build_templates(KNOWLEDGE))
ID = "0e2c7a9f-5b1d-4c3e-8f60-9a7b6c5d4e3f"
Json = dict[str, Any]

CHART = [
    charts.patient("p1"),
    charts.condition("breast", onset="2021-12-01", stage="4"),
    *charts.receptors("ER-", "2022-01-01"),
    *charts.receptors("PR-", "2022-01-01"),
    *charts.receptors("HER2+", "2022-01-01"),
    *charts.given("trastuzumab", start="2022-01-10", every=21, times=20),
    *charts.given("docetaxel", start="2022-01-10", every=21, times=6),
    charts.response("PR", "2022-05-01"),
    charts.response("PD", "2023-03-01"),
    *charts.given("trastuzumab deruxtecan", start="2023-03-20", every=21, times=12),
    charts.response("SD", "2023-06-01"),
    charts.response("PD", "2023-12-10"),
    charts.ecog(1, "2023-12-12"),
]
AS_OF = date(2024, 2, 1)


def referral() -> Json:
    (card,) = cards_for(assess(CHART, as_of=AS_OF), ID, MAKER)
    kinds = card.json["extension"]["org.refractory-cds"]["advice"]
    suggestion = card.json["suggestions"][kinds.index("trial-referral")]
    order: Json = suggestion["actions"][0]["resource"]
    return order


def facts(text: str) -> dict[str, list[str]]:
    """The note as a matcher reads it: key → values, from lines "- Key: value"."""
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"^- ([^:]+): (.+)$", text, flags=re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


def test_one_fact_a_line() -> None:
    (note,) = referral()["note"]
    said = facts(note["text"])
    assert said["Disease"] == ["breast cancer [breast]"]
    assert said["Lines of therapy"] == ["LoT 2 (0 + 2)"]
    assert [line.split(";")[0] for line in said["Line"]] == ["1", "2"]
    assert said["Prior class"] == ["anti-her2-antibody", "her2-adc", "taxane"]
    assert (
        "trastuzumab deruxtecan [her2-adc], since 2023-12-10 on line 2"
        in said["Possibly refractory to agent"]
    )
    assert any(
        one.startswith("anti-her2-antibody: trastuzumab, since 2023-03-01 on line 1 (rule breast.")
        for one in said["Possibly refractory to class"]
    )
    assert said["Performance status"] == ["ECOG 1, 2023-12-12"]
    assert "HER2 positive, 2022-01-01" in said["Known"]
    assert "oestrogen receptor negative, 2022-01-01" in said["Known"]


def test_every_line_of_the_list_is_a_fact() -> None:
    (note,) = referral()["note"]
    basis, _, listed = note["text"].partition("\n\n")
    assert "advice rule A" in basis
    assert "clinical knowledge" in basis
    assert all(re.match(r"- [A-Z][a-z ]+: \S", line) for line in listed.splitlines())


def test_it_points_at_what_says_so() -> None:
    order = referral()
    named = {one["reference"] for one in order["supportingInfo"]}
    said_by = {
        f"{r['resourceType']}/{r['id']}" for r in CHART if r["resourceType"] == "Observation"
    }
    assert named == said_by
    assert order["reasonReference"] == [{"reference": "Condition/breast"}]


def test_no_name_address_or_birth_date_leaves_with_it() -> None:
    person = CHART[0]
    told = str(referral())
    for secret in ("Doe", "Sam", person["birthDate"], f"mrn-{person['id']}"):
        assert secret not in told


def test_what_is_not_on_record_is_said() -> None:
    without = [r for r in CHART if not r["id"].startswith("ecog")]
    (card,) = cards_for(assess(without, as_of=AS_OF), ID, MAKER)
    option = next(x for x in card.json["detail"].splitlines() if "clinical trials" in x)
    assert "on record: LoT 2 (0 + 2), oestrogen receptor negative" in option
    assert "not on record: " in option
    assert "performance status" in option.partition("not on record: ")[2]
