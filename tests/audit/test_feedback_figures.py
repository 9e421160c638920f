"""Figures on feedback: two denominators, silence as a state of its own, small counts of users."""

from __future__ import annotations

import itertools
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from audit.asked_of import CLIENTS, varied_log
from audit.samples import (
    EHR,
    a_decision,
    a_store,
    card_id,
    decision_id,
    envelopes,
    feedback_on,
    record,
)
from cds_service.audit import CardReturned, Client, User, decision_event, delivery_event
from cds_service.audit.commands import audit_app
from cds_service.audit.small_cells import FEW, HIDDEN, LEAST, shown
from cds_service.audit.wilson import wilson_95

Members = dict[str, Any]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(audit_app, [str(one) for one in arguments])


def figures(path: Path, *arguments: object) -> Members:
    result = run("feedback", "--db", path, "--format", "json", *arguments)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def rows(path: Path, by: str, *arguments: object) -> dict[str, Members]:
    return {one["name"]: one for one in figures(path, "--by", by, *arguments)["rows"]}


def counts(row: Members) -> tuple[Any, ...]:
    """Returned, with feedback, accepted, overridden, without feedback."""
    return tuple(row[name] for name in ("returned", "answered", "accepted", "overridden", "silent"))


def a_card(number: int, **changes: Any) -> Any:
    members = {"disease": "multiple-myeloma", "line": 1, "status": "possible-refractory", **changes}
    return CardReturned(card_id(number), "warning", ("restage", "biopsy"), **members)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Five cards: accepted after an override, overridden, without feedback, not delivered, and one
    that another client spoke of."""
    path = tmp_path / "log.db"
    with closing(a_store(path)) as store:
        for number in range(1, 6):
            record(store, decision_event(a_decision(number, cards=(a_card(number),))))
        record(store, feedback_on(card_id(1)))
        record(store, feedback_on(card_id(1), "accepted", at="2026-11-22T09:00:00Z"))
        record(store, feedback_on(card_id(2)))
        record(store, delivery_event(decision_id(4)))
        record(store, feedback_on(card_id(5), client=Client(iss="https://other.example")))
        record(store, feedback_on(card_id(99)))
    return path


def test_a_card_is_in_one_state_and_silence_is_a_third(log: Path) -> None:
    said = figures(log)
    assert counts(said["all"]) == (4, 2, 1, 1, 2)
    assert said["all"]["overrideReasons"] == {"already-planned": 1}
    assert said["cardsNotDelivered"] == 1
    assert said["orphans"] == {"other-client": 1, "unknown-card": 1}
    assert (said["decisionsWithCards"], said["feedbackEntries"]) == (4, 3)


def test_a_share_says_what_it_is_of_and_how_sure_it_is(log: Path) -> None:
    row = figures(log)["all"]
    assert (row["overriddenOfAnswered"]["count"], row["overriddenOfAnswered"]["of"]) == (1, 2)
    assert (row["overriddenOfReturned"]["count"], row["overriddenOfReturned"]["of"]) == (1, 4)
    assert row["overriddenOfReturned"]["share"] == 0.25
    assert (row["overriddenOfReturned"]["low"], row["overriddenOfReturned"]["high"]) == (
        0.0456, 0.6994,
    )  # fmt: skip


def test_of_no_feedback_there_is_no_share(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with closing(a_store(path)) as store:
        record(store, decision_event(a_decision(1)))
    row = figures(path)["all"]
    assert row["overriddenOfAnswered"] is None
    assert row["overriddenOfReturned"]["share"] == 0


ROWS = [
    ("rule", {"multiple-myeloma.imwg-60-days": (4, 2, 1, 1, 2)}),
    ("advice", {"restage": (4, 2, 1, 1, 2), "biopsy": (4, 2, 1, 1, 2)}),
    ("disease", {"multiple-myeloma": (4, 2, 1, 1, 2)}),
    ("service", {"refractory-status": (4, 2, 1, 1, 2)}),
    ("client", {"https://ehr.example": (4, 2, 1, 1, 2)}),
    ("site", {"(not named)": (4, 2, 1, 1, 2)}),
    ("hour", {"12:00 UTC": (4, 2, 1, 1, 2)}),
]


@pytest.mark.parametrize(("by", "expected"), ROWS)
def test_cards_are_told_apart_by(log: Path, by: str, expected: dict[str, Any]) -> None:
    assert {name: counts(row) for name, row in rows(log, by).items()} == expected


def test_rows_that_do_not_overlap_add_up_to_all(tmp_path: Path) -> None:
    path = varied_log(tmp_path / "log.db")
    for by in ("client", "service", "disease", "hour"):
        said = figures(path, "--by", by)
        for name in ("returned", "answered", "accepted", "overridden", "silent"):
            assert sum(row[name] for row in said["rows"]) == said["all"][name] > 0
    assert said["all"]["returned"] == len(_live_cards(path))


def _live_cards(path: Path) -> list[str]:
    """The cards that were returned, by reading every entry."""
    everything = envelopes(path)
    lost = {one["decisionId"] for one in everything if one["eventType"] == "delivery"}
    return [
        card["uuid"]
        for one in everything
        if one["eventType"] == "decision"
        and one["mode"] == "live"
        and one["decisionId"] not in lost
        for card in one.get("cards", [])
    ]


def test_the_same_counts_as_the_export_of_feedback(tmp_path: Path) -> None:
    path = varied_log(tmp_path / "log.db")
    exported = run("export", "--format", "feedback", "--db", path).stdout.splitlines()
    assert len(exported) - 1 == len(_live_cards(path))
    said = [line.count(",overridden,") for line in exported]
    assert sum(said) == figures(path)["all"]["overridden"]


def test_a_period_is_of_decisions_and_filters_hold(tmp_path: Path) -> None:
    path = varied_log(tmp_path / "log.db")
    whole = figures(path)["all"]["returned"]
    cut = envelopes(path)[40]["recordedAt"]
    before, since = figures(path, "--to", cut), figures(path, "--from", cut)
    assert before["all"]["returned"] + since["all"]["returned"] == whole
    assert before["filter"]["until"]
    assert since["firstDecision"] >= cut
    one = figures(path, "--client", CLIENTS[0].iss, "--knowledge", "2026.12.0")
    assert one["knowledgeVersions"] == {"2026.12.0": one["all"]["returned"]}


def test_reading_figures_is_one_entry(log: Path) -> None:
    before = len(envelopes(log))
    run("feedback", "--db", log, "--by", "rule", "--reason", "monthly report")
    (entry,) = envelopes(log)[before:]
    assert (entry["eventType"], entry["command"], entry["rows"]) == ("access", "feedback", 4)
    assert entry["query"] == {"by": "rule"}


def test_the_text_names_period_knowledge_limits_and_what_is_no_override(log: Path) -> None:
    said = " ".join(run("feedback", "--db", log).stdout.split())
    for text in (
        "knowledge 2026.11.0", "25% (5%–70%)", "50% (9%–91%)", "No feedback is not an override",
        "46 % to 96 %", "29 % to 100 %", "1 other-client, 1 unknown-card", "1 already-planned",
        "cards that did not leave (1)",
    ):  # fmt: skip
        assert text in said, text


# --- single users --------------------------------------------------------------------------------


@pytest.fixture
def users(tmp_path: Path) -> Path:
    """30 cards of dr-a (12 overridden, 11 accepted, 7 silent), 12 of dr-b and 9 of dr-c, silent."""
    path, number = tmp_path / "log.db", itertools.count(1)
    with closing(a_store(path)) as store:
        for user, cards in (("a", 30), ("b", 12), ("c", 9)):
            for place in range(cards):
                card = next(number)
                made = a_decision(
                    card, user=User(user_id=f"Practitioner/dr-{user}"), cards=(a_card(card),)
                )
                record(store, decision_event(made))
                if user == "a" and place < 23:
                    outcome = "overridden" if place < 12 else "accepted"
                    record(store, feedback_on(card_id(card), outcome, client=EHR))
    return path


def test_counts_of_a_user_under_ten_are_hidden_and_cannot_be_worked_out(users: Path) -> None:
    found = rows(users, "user")
    assert counts(found["Practitioner/dr-c"]) == (FEW, FEW, FEW, FEW, FEW)
    # dr-a: 7 silent is hidden, and 23 answered with it, or 30 - 23 would tell
    returned, answered, accepted, overridden, silent = counts(found["Practitioner/dr-a"])
    assert silent == FEW
    assert HIDDEN in (returned, answered)
    assert not (answered == HIDDEN and isinstance(accepted, int) and isinstance(overridden, int))
    said = figures(users, "--by", "user")
    assert "all" not in said
    assert said["decisionsWithCards"] == HIDDEN


def test_a_share_from_a_hidden_count_is_not_shown(users: Path) -> None:
    for row in rows(users, "user").values():
        for name, of in (
            ("overriddenOfReturned", "returned"),
            ("overriddenOfAnswered", "answered"),
        ):
            is_known = isinstance(row["overridden"], int) and isinstance(row[of], int)
            assert (row[name] is not None) is is_known


def test_nine_is_hidden_and_ten_is_not() -> None:
    assert shown({"a": [LEAST], "b": [LEAST + 1]}, ()) == {"a": [10], "b": [11]}
    assert shown({"a": [LEAST - 1], "b": [LEAST], "c": [30]}, ()) == {
        "a": [FEW], "b": [HIDDEN], "c": [30],
    }  # fmt: skip


SUMS = ((0, 1, 4), (1, 2, 3))
tables = st.dictionaries(
    st.sampled_from("abcde"),
    st.tuples(*(st.integers(0, 25),) * 3).map(lambda one: [sum(one), one[0] + one[1], *one]),
    min_size=1,
)


@given(tables)
def test_no_hidden_count_stands_alone_in_a_sum_or_a_column(table: dict[str, list[int]]) -> None:
    found = shown(table, SUMS)
    groups = [[found[row][column] for column in one] for row in found for one in SUMS]
    if len(found) > 1:
        groups += [[found[row][column] for row in found] for column in range(5)]
    for group in groups:
        assert sum(isinstance(cell, str) for cell in group) != 1
    for row, cells in found.items():
        for cell, count in zip(cells, table[row], strict=True):
            assert cell in (count, HIDDEN) if count >= LEAST else cell == FEW


# --- the interval --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [
        pytest.param(0, 10, 0.0, 0.2775, id="none of ten"),
        pytest.param(10, 10, 0.7225, 1.0, id="all of ten"),
        pytest.param(5, 10, 0.2366, 0.7634, id="half of ten"),
        pytest.param(81, 263, 0.2553, 0.3662, id="81 of 263 (Newcombe 1998)"),
        pytest.param(15, 148, 0.0624, 0.1605, id="15 of 148 (Newcombe 1998)"),
        pytest.param(1, 29, 0.0061, 0.1718, id="1 of 29 (Newcombe 1998)"),
    ],
)
def test_wilsons_interval(count: int, of: int, low: float, high: float) -> None:
    found = wilson_95(count, of)
    assert found is not None
    assert (round(found[0], 4), round(found[1], 4)) == (low, high)


def test_of_nothing_there_is_no_interval() -> None:
    assert wilson_95(0, 0) is None
    with pytest.raises(ValueError, match="no proportion"):
        wilson_95(3, 2)
