"""A definition in words leaves nothing out: whatever a rule says otherwise, its words differ."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from definition.other_values import otherwise

import cds_service
from cds_service.definition import Entry, entry_of
from cds_service.definition.disease import advice_points, scope_points
from cds_service.definition.lines import line_points
from cds_service.definition.members import Point
from cds_service.knowledge.model import (
    EVERY_AGENT,
    Agents,
    Composite,
    Early,
    FullDose,
    Interference,
    LineRules,
    MarkerResponse,
    MarkerRule,
    Milestone,
    Milestones,
    Minimum,
    Pattern,
    Requirement,
    Rule,
    Sign,
    Target,
    When,
)

KNOWLEDGE = cds_service.shipped_knowledge()
MYELOMA = KNOWLEDGE.diseases["multiple-myeloma"]
PLATINUM = Agents(groups=frozenset({"platinum"}))
HEAD: dict[str, Any] = {"id": "x.y", "says": "Says.", "origin": "C", "cites": ("kumar-2016",)}
AT_THE_HEAD = frozenset({"id", "says", "origin", "cites", "is_unverified", "criterion"})


def rule(criterion: str, **members: Any) -> Rule:
    return Rule(
        **HEAD,
        criterion=criterion,
        agents=PLATINUM,
        minimum=Minimum(42, 2, 5, full_doses=(FullDose("hydroxyurea", Decimal(2000)),)),
        requires=Requirement("psa", Decimal(50), 90),
        **members,
    )


def of_marker(criterion: str, **members: Any) -> MarkerRule:
    return MarkerRule(
        **HEAD,
        criterion=criterion,
        marker="ca-125",
        response=MarkerResponse(Decimal("0.5"), 21, Decimal(2), Decimal(2)),
        unreadable_with=(Interference("psa", Decimal(4), 28),),
        excluded_after=("surgery-resection",),
        excluded_days=28,
        **members,
    )


TOLD = [
    pytest.param(rule("progression-in-window", days=60, when=When()), id="window"),
    pytest.param(rule("progression-in-window", after_days=28, days=180), id="window apart"),
    *(
        pytest.param(
            rule("progression-in-window", days=60, pattern=Pattern(by, 180, 42, 9, 90)),
            id=f"pattern by {by}",
        )
        for by in (
            "best-response", "time-on-therapy", "on-therapy-time", "response-or-time", "platinum",
        )
    ),
    pytest.param(rule("no-response"), id="no response"),
    pytest.param(rule("documented"), id="documented"),
    pytest.param(of_marker("rise-over-nadir", multiplier=Decimal("1.25")), id="rise"),
    pytest.param(of_marker("gcig-ca-125", multiplier=Decimal(2)), id="GCIG"),
    pytest.param(of_marker("plateau", multiplier=Decimal("0.9")), id="plateau"),
    pytest.param(
        of_marker("rise-over-nadir", needs_confirmation=False, confirm_days=21), id="one value"
    ),
    pytest.param(
        Milestones(
            **HEAD, marker="bcr-abl-is", agents=PLATINUM,
            steps=(Milestone("3 months", 60, Decimal(10), Decimal(11), 120, 30, 90),),
            major_response_at_most=Decimal("0.1"), early_response_at_most=Decimal(1),
            min_exposure_days=60,
        ), id="milestones",
    ),
    pytest.param(
        Target(
            **HEAD, agents=PLATINUM, from_day=90,
            missed_by=(
                Sign("hematocrit", above=Decimal(45), below=Decimal(60),
                     falls_less_than=Decimal("0.35"), rises_less_than=Decimal(2)),
                Sign(procedure="paracentesis-or-drainage"),
            ),
            minimum=Minimum(90),
        ), id="target",
    ),
    *(
        pytest.param(
            Composite(**HEAD, criterion=criterion, agents=PLATINUM, rules=("a.b",), days=28),
            id=criterion,
        )
        for criterion in (
            "refractory-to-all", "refractory-lines", "rule-held", "interval-since",
            "pattern-of-rule", "relapsed-and-refractory", "castration-resistance",
        )
    ),
    pytest.param(Early("pod24", 730, "start", "C", ("kumar-2016",)), id="early flag"),
]  # fmt: skip


def said(entry: Entry) -> tuple[Any, ...]:
    """Everything of an entry that a reader sees, without the links beside it."""
    return entry.says, entry.points


@pytest.mark.parametrize("told", TOLD)
def test_a_member_of_a_rule_that_is_otherwise_is_said_otherwise(told: Any) -> None:
    before = said(entry_of(told, MYELOMA, KNOWLEDGE))
    assert [
        way
        for way, other in otherwise(told, AT_THE_HEAD)
        if said(entry_of(other, MYELOMA, KNOWLEDGE)) == before
    ] == []


def _unread(told: object) -> set[str]:
    """A response that was never reached is primary, whatever its rule says of a pattern."""
    return {"pattern"} if getattr(told, "criterion", "") == "no-response" else set()


def test_every_member_of_what_is_shipped_is_said() -> None:
    unsaid = []
    for disease in KNOWLEDGE.diseases.values():
        for told in (*disease.told, *disease.early):
            before = entry_of(told, disease, KNOWLEDGE)
            unsaid += [
                f"{before.id}: {way}"
                for way, other in otherwise(told, AT_THE_HEAD | _unread(told))
                if said(entry_of(other, disease, KNOWLEDGE)) == said(before)
            ]
    assert unsaid == []


def test_what_stands_at_the_head_of_an_entry_is_there_too() -> None:
    told = replace(MYELOMA.rules[0], origin="C", is_unverified=True)
    entry = entry_of(told, MYELOMA, KNOWLEDGE)
    assert (entry.id, entry.says, entry.cites) == (told.id, told.says, told.cites)
    assert (entry.origin, entry.is_unverified) == ("C", True)
    assert entry.origin_in_words == "published consensus"


@pytest.mark.parametrize("rules", [d.lines for d in KNOWLEDGE.diseases.values()])
def test_every_member_of_the_lines_is_said(rules: LineRules) -> None:
    before = list(line_points(rules))
    for way, other in otherwise(rules):
        assert list(line_points(other)) != before, way


IN_SECTIONS_OF_THEIR_OWN = frozenset(
    {"id", "lines", "rules", "advice", "marker_rules", "milestones", "targets", "composites",
     "early", "continued"}
)  # fmt: skip


@pytest.mark.parametrize("disease", KNOWLEDGE.diseases.values(), ids=lambda d: d.id)
def test_every_member_of_a_disease_is_said(disease: Any) -> None:
    before = list(scope_points(disease))
    for way, other in otherwise(disease, IN_SECTIONS_OF_THEIR_OWN):
        assert list(scope_points(other)) != before, way


@pytest.mark.parametrize("disease", KNOWLEDGE.diseases.values(), ids=lambda d: d.id)
def test_all_advice_is_said(disease: Any) -> None:
    before = list(advice_points(disease.advice))
    for way, other in otherwise(disease.advice):
        if way not in ("restage.code", "restage.category", "biopsy.code", "biopsy.category"):
            assert list(advice_points(other)) != before, way


def test_a_member_that_nobody_has_words_for_says_its_name() -> None:
    told = rule("progression-in-window", days=60, counts_cycles_only=True)
    points = entry_of(told, MYELOMA, KNOWLEDGE).points
    assert Point("Also", "counts cycles only: yes.") in points


def test_every_drug_that_is_no_group_is_named_by_itself() -> None:
    told = replace(MYELOMA.rules[0], agents=EVERY_AGENT)
    assert entry_of(told, MYELOMA, KNOWLEDGE).points[0].text.startswith("Any drug of the line")
