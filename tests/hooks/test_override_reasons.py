"""Override reasons (7.20, 8.5, 11.6): ours on every card, HL7's example set as well in feedback."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cds_service.clinical.advice.snooze import REASON_DAYS
from cds_service.hooks.override_reasons import (
    EXAMPLE_SET,
    OF_EXAMPLE_SET,
    OURS,
    OVERRIDE_REASONS,
    REASONS,
    our_reason,
)
from hooks.calls import call, myeloma, prefetch_of
from hooks.serving import Served

STABLE = (
    "already-done", "patient-declined", "not-applicable", "evidence-wrong",
    "disagree-with-criteria", "other-provider-managing", "palliative-focus", "remind-later",
    "other",
)  # fmt: skip
"""What logs of years ago hold: none may go, or mean something else."""
EHR_GUIDE = Path(__file__).parents[2] / "docs" / "ehr.md"


async def test_7_20_a_card_offers_our_reasons_each_with_code_system_and_display(
    served: Served,
) -> None:
    (card,) = (await served.hook(call(prefetch_of(myeloma())))).json()["cards"]
    assert card["overrideReasons"] == OVERRIDE_REASONS
    assert tuple(reason["code"] for reason in OVERRIDE_REASONS) == STABLE
    for reason in OVERRIDE_REASONS:
        assert set(reason) == {"code", "system", "display"}
        assert all(text.strip() for text in reason.values())


def test_the_table_of_silences_names_reasons_that_cards_offer() -> None:
    assert set(REASON_DAYS) <= set(REASONS)
    assert set(OF_EXAMPLE_SET.values()) <= set(REASONS)


@pytest.mark.parametrize(
    ("code", "system", "ours"),
    [
        pytest.param("already-done", OURS, "already-done", id="ours"),
        pytest.param("already-done", None, "already-done", id="ours without its system"),
        pytest.param("already-done", "", "already-done", id="ours with an empty system"),
        pytest.param("action-completed", EXAMPLE_SET, "already-done", id="done"),
        pytest.param("patient-refuses", EXAMPLE_SET, "patient-declined", id="refused"),
        pytest.param("patient-ineligible", EXAMPLE_SET, "not-applicable", id="not eligible"),
        pytest.param("limited-time", EXAMPLE_SET, "remind-later", id="no time"),
        pytest.param("limited-time", None, "remind-later", id="no time, without a system"),
        pytest.param("does-not-align-latest-evidence", EXAMPLE_SET, "disagree-with-criteria",
                     id="evidence"),
        pytest.param("action-completed", OURS, None, id="theirs under our system"),
        pytest.param("already-done", EXAMPLE_SET, None, id="ours under their system"),
        pytest.param("already-done", "https://ehr.example/reasons", None, id="somebody else's"),
        pytest.param("too-costly-uncovered", EXAMPLE_SET, None, id="theirs alone: costs"),
        pytest.param("patient-contraindication", EXAMPLE_SET, None, id="theirs alone: risk"),
        pytest.param("Already-Done", OURS, None, id="another case: codes are case-sensitive"),
        pytest.param("", OURS, None, id="empty"),
        pytest.param(None, OURS, None, id="none"),
    ],
)  # fmt: skip
def test_8_5_a_reason_of_either_system_is_one_of_ours_or_none(
    code: str | None, system: str | None, ours: str | None
) -> None:
    assert our_reason(code, system) == ours


def test_the_guide_has_the_whole_table() -> None:
    """`| ours | display | codes of the example set |` for each reason, nothing more."""
    text = EHR_GUIDE.read_text()
    rows = {
        found[1]: (found[2], tuple(re.findall(r"`([a-z-]+)`", found[3])))
        for found in re.finditer(r"^\| `([a-z-]+)` \| ([A-Z][^|]+) \| (.*) \|$", text, re.MULTILINE)
        if found[1] in REASONS
    }
    assert {code: display for code, (display, _) in rows.items()} == dict(REASONS)
    assert {of: code for code, (_, theirs) in rows.items() for of in theirs} == OF_EXAMPLE_SET
    assert EXAMPLE_SET in text
    assert OURS in text
