"""Milligrams a day, as an order says them: dose and rhythm, or nothing at all."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from charts import order, patient

from cds_service import shipped_knowledge
from cds_service.clinical.record import read_record


def dosage(dose: dict[str, Any] | None, **timing: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"timing": timing} if timing else {}
    return made | ({} if dose is None else {"doseAndRate": [dose]})


def mg(value: float, unit: str = "mg") -> dict[str, Any]:
    return {"doseQuantity": {"value": value, "unit": unit, "code": unit}}


def every(period: float, unit: str, frequency: int = 1) -> dict[str, Any]:
    return {"frequency": frequency, "period": period, "periodUnit": unit}


def code(of: str) -> dict[str, Any]:
    return {"coding": [{"code": of}]}


def daily_dose(*dosages: dict[str, Any], drug: str = "hydroxyurea") -> Decimal | None:
    ordered = order(drug, "2024-01-02", "2024-06-02")
    ordered["dosageInstruction"] = list(dosages)
    record = read_record([patient("p1"), ordered], date(2024, 7, 1), shipped_knowledge())
    return record.exposures[0].daily_dose_mg


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param([dosage(mg(500), repeat=every(1, "d", 4))], 2000, id="four a day"),
        pytest.param([dosage(mg(1, "g"), repeat=every(12, "h"))], 2000, id="grams every 12 h"),
        pytest.param([dosage(mg(400), repeat=every(1, "d"))], 400, id="once a day"),
        pytest.param([dosage(mg(400), repeat=every(2, "d"))], 200, id="every other day"),
        pytest.param([dosage(mg(700), repeat=every(1, "wk"))], 100, id="once a week"),
        pytest.param([dosage(mg(500), code=code("BID"))], 1000, id="twice a day, as a code"),
        pytest.param(
            [dosage(mg(500), code=code("AM")), dosage(mg(1000), code=code("PM"))],
            1500,
            id="two dosages add up",
        ),
        pytest.param(
            [
                dosage(
                    {"doseRange": {"low": {"value": 1}, "high": {"value": 2, "code": "g"}}},
                    repeat=every(1, "d"),
                )
            ],
            2000,
            id="of a range the upper end",
        ),
        pytest.param([dosage(mg(2, "tablet"), repeat=every(1, "d"))], None, id="tablets"),
        pytest.param([dosage(mg(400))], None, id="no rhythm"),
        pytest.param([dosage(None, repeat=every(1, "d"))], None, id="no dose"),
        pytest.param(
            [dosage(mg(400), repeat=every(1, "d")), dosage(mg(1, "tablet"), code=code("PM"))],
            None,
            id="one of two dosages does not tell",
        ),
        pytest.param([dosage(mg(400), repeat=every(0, "d"))], None, id="a period of nothing"),
        pytest.param([dosage(mg(400), repeat=every(1, "mo"))], None, id="a month has no length"),
        pytest.param(
            [dosage(mg(400), repeat=every(1, "d")) | {"asNeededBoolean": True}],
            None,
            id="as needed",
        ),
        pytest.param(
            [dosage({"doseQuantity": {"value": "much"}}, repeat=every(1, "d"))], None, id="a word"
        ),
    ],
)
def test_the_daily_dose(told: list[dict[str, Any]], expected: int | None) -> None:
    assert daily_dose(*told) == (None if expected is None else Decimal(expected))


def test_a_combination_tells_the_dose_of_neither_drug() -> None:
    told = dosage(mg(100), repeat=every(1, "d"))
    assert daily_dose(told, drug="niraparib / abiraterone") is None
