"""Performance status on the ECOG scale, whichever of two scales was recorded."""

from __future__ import annotations

import pytest
from clinical.advice.situations import fact

from cds_service.clinical.advice import ecog_of


@pytest.mark.parametrize(
    ("karnofsky", "ecog"),
    [
        ("100", 0), ("90", 1), ("80", 1), ("70", 2), ("60", 2), ("50", 3), ("40", 3), ("30", 4),
        ("20", 4), ("10", 4), ("0", 5),
    ],
)  # fmt: skip
def test_every_karnofsky_value_has_its_grade(karnofsky: str, ecog: int) -> None:
    """Ma 2010, Eur J Cancer 46:3175."""
    known = ecog_of([fact("karnofsky", karnofsky)])
    assert known is not None
    assert known.grade == ecog
    assert str(known) == f"ECOG {ecog} (from Karnofsky {karnofsky})"


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        pytest.param([], "None", id="nothing recorded"),
        pytest.param([fact("ecog", "1", None)], "None", id="without a day"),
        pytest.param([fact("ecog", "6")], "None", id="no grade of the scale"),
        pytest.param([fact("karnofsky", "110")], "None", id="no value of the scale"),
        pytest.param([fact("karnofsky", "62.5")], "None", id="no whole number"),
        pytest.param(
            [fact("ecog", "3", "2024-05-01"), fact("ecog", "1", "2024-06-01")], "ECOG 1",
            id="the latest",
        ),
        pytest.param(
            [fact("ecog", "1", "2024-05-01"), fact("karnofsky", "50", "2024-06-01")],
            "ECOG 3 (from Karnofsky 50)", id="the latest, of whichever scale",
        ),
        pytest.param([fact("ecog", "1"), fact("karnofsky", "50")], "ECOG 1", id="of one day ECOG"),
        pytest.param([fact("ecog", "1"), fact("ecog", "2")], "ECOG 2", id="of one day the worse"),
    ],
)  # fmt: skip
def test_which_performance_status_counts(facts: list[object], said: str) -> None:
    assert str(ecog_of(facts)) == said  # type: ignore[arg-type]
    assert str(ecog_of(facts[::-1])) == said  # type: ignore[arg-type]
