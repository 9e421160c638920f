"""How `assess` grows with a chart, kind by kind: milliseconds, and the exponent fitted to them.

    python tests/bench/growth.py [--most 20000]

An exponent of 1 is a straight line. Each chart is of one kind of thing that a hostile or a merely
long record may hold by the thousand; nothing is asserted.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import orjson
from bench.prostate_chart import prostate_chart
from bench.rows import Row

from cds_service import shipped_knowledge
from cds_service.clinical.assessment import assess

TODAY: Final = date(2026, 11, 21)
HL7: Final = "http://terminology.hl7.org/CodeSystem/"
OWN: Final = {"subject": {"reference": "Patient/p"}}
DRUGS: Final = ("docetaxel", "cabazitaxel", "enzalutamide", "abiraterone", "olaparib")
CANCERS: Final = (
    "C61", "C50.9", "C34.90", "C18.9", "C90.00", "C91.10", "C92.10", "C83.30", "C25.9", "C64.9",
    "C67.9", "C43.9", "C56.9", "C16.9", "C15.9", "C22.0", "C71.9", "C73", "C53.9", "C54.1", "C45.0",
    "C62.90", "C81.90", "C82.90", "C83.10", "C88.0", "C92.00", "C91.00", "D45", "D47.3", "D46.9",
    "C74.90", "C49.9", "C80.1", "C69.90", "C37", "C17.9", "C21.0", "C23", "C24.0", "C30.0", "C38.4",
    "C40.90", "C41.9", "C44.90", "C46.9", "C47.9", "C48.0", "C51.9", "C52",
)  # fmt: skip
LEAST_SECONDS: Final = 0.2
"""So long is each chart measured; the fastest of the runs counts."""

Resource = dict[str, Any]


def _day(days_ago: float) -> str:
    return (TODAY - timedelta(days=int(days_ago))).isoformat()


def _cancer(number: int, code: str, days_ago: int) -> Resource:
    icd10 = "http://hl7.org/fhir/sid/icd-10-cm"
    return {
        "resourceType": "Condition", "id": f"c{number}", **OWN,
        "clinicalStatus": {"coding": [{"system": f"{HL7}condition-clinical", "code": "active"}]},
        "code": {"coding": [{"system": icd10, "code": code}]},
        "onsetDateTime": _day(days_ago), "recordedDate": _day(days_ago),
    }  # fmt: skip


def _order(number: int, drug: str, days_ago: float, days: int = 1) -> Resource:
    return {
        "resourceType": "MedicationRequest", "id": f"m{number}", **OWN, "status": "completed",
        "intent": "order", "medicationCodeableConcept": {"text": drug},
        "authoredOn": _day(days_ago),
        "dosageInstruction": [
            {"timing": {"repeat": {"boundsPeriod": {
                "start": _day(days_ago), "end": _day(max(days_ago - days, 0))}}}}
        ],
    }  # fmt: skip


def _value(number: int, value: float, days_ago: float) -> Resource:
    return {
        "resourceType": "Observation", "id": f"o{number}", **OWN, "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2857-1"}]},
        "effectiveDateTime": _day(days_ago),
        "valueQuantity": {"value": value, "code": "ng/mL", "unit": "ng/mL",
                          "system": "http://unitsofmeasure.org"},
    }  # fmt: skip


def _status(number: int, code: str, days_ago: float, focus: str = "c0") -> Resource:
    return {
        "resourceType": "Observation", "id": f"s{number}", **OWN, "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "97509-4"}]},
        "focus": [{"reference": f"Condition/{focus}"}], "effectiveDateTime": _day(days_ago),
        "valueCodeableConcept": {
            "coding": [{"system": "http://snomed.info/sct", "code": code}]},
    }  # fmt: skip


WORSE, STABLE, BETTER = "271299001", "359746009", "268910001"
BASIS: Final = ({"resourceType": "Patient", "id": "p", "birthDate": "1900-01-01"},
                _cancer(0, "C61", 40_000))  # fmt: skip
ON_DRUG: Final = (*BASIS, _order(0, "enzalutamide", 30_000, 30_000))


def surroundings(size: int) -> list[Resource]:
    return [r for found in prostate_chart(max(size, 50), TODAY).values() for r in found]


def values_of_a_marker(size: int) -> list[Resource]:
    """Up and down, each on a day of its own as long as there are days."""
    step = 29_000 / size
    return [*ON_DRUG, *(_value(n, 5 + n % 7, 29_000 - n * step) for n in range(size))]


def statuses(size: int) -> list[Resource]:
    step = 29_000 / size
    said = (STABLE, WORSE, BETTER)
    return [*ON_DRUG, *(_status(n, said[n % 3], 29_000 - n * step) for n in range(size))]


def progression_without_response(size: int) -> list[Resource]:
    """Nothing ends it, so that each earlier day looks back to the first."""
    step = 29_000 / size
    said = (STABLE, WORSE)
    return [*ON_DRUG, *(_status(n, said[n % 2], 29_000 - n * step) for n in range(size))]


def statuses_of_forty_days(size: int) -> list[Resource]:
    said = (STABLE, WORSE, BETTER)
    return [*ON_DRUG, *(_status(n, said[n % 3], 29_000 - n % 40) for n in range(size))]


def orders_stopped(size: int) -> list[Resource]:
    """Every second one for toxicity, the others for progression."""
    step = 29_000 / size
    reasons = ({"text": "toxicity"}, {"text": "disease progression"})
    ends = {"status": "stopped"}
    return [*BASIS, *({**_order(n, "enzalutamide", 29_000 - n * step, 5), **ends,
                       "statusReason": reasons[n % 2]} for n in range(size))]  # fmt: skip


def doses_not_given(size: int) -> list[Resource]:
    step = 29_000 / size
    found = list(BASIS)
    for n in range(size // 2):
        at = 29_000 - 2 * n * step
        found += [_order(n, "docetaxel", at), {
            "resourceType": "MedicationAdministration", "id": f"a{n}", **OWN, "status": "not-done",
            "medicationCodeableConcept": {"text": "docetaxel"}, "effectiveDateTime": _day(at),
        }]  # fmt: skip
    return found


def orders_doses_and_statements(size: int) -> list[Resource]:
    """All of one drug: each dose under an order, with a statement beside it."""
    step = 29_000 / size
    drug = {"medicationCodeableConcept": {"text": "docetaxel"}, "status": "completed", **OWN}
    found = list(BASIS)
    for n in range(size // 3):
        at = 29_000 - 3 * n * step
        found += [
            _order(n, "docetaxel", at, 2),
            {"resourceType": "MedicationAdministration", "id": f"a{n}", **drug,
             "effectiveDateTime": _day(at)},
            {"resourceType": "MedicationStatement", "id": f"s{n}", **drug,
             "effectivePeriod": {"start": _day(at), "end": _day(max(at - 2, 0))}},
        ]  # fmt: skip
    return found


def infusions_of_cells(size: int) -> list[Resource]:
    """Orders of drugs that may be given until engineered cells are, which are ordered too."""
    step = 29_000 / size
    drugs = ("axicabtagene ciloleucel", "rituximab", "polatuzumab vedotin", "bendamustine")
    found = [BASIS[0], _cancer(0, "C83.30", 30_000)]
    return [*found, *(_order(n, drugs[n // 12 % 4], 29_000 - n * step) for n in range(size))]


def all_at_once(size: int) -> list[Resource]:
    """Orders, two markers, statuses and operations, one after the other."""
    step = 29_000 / size
    found = list(BASIS)
    testosterone = {"coding": [{"system": "http://loinc.org", "code": "2986-8"}]}
    operation = {"coding": [{"system": "http://snomed.info/sct", "code": "108290001"}]}
    for n in range(size // 5):
        at = 29_000 - 5 * n * step
        low = {"value": 30, "code": "ng/dL", "unit": "ng/dL"}
        found += [
            _order(n, "enzalutamide", at, 20), _value(n, 5 + n % 7, at - step),
            _status(n, (WORSE, STABLE, BETTER)[n % 3], at - 2 * step),
            {**_value(n, 0, at - 3 * step), "id": f"t{n}", "code": testosterone,
             "valueQuantity": {**low, "system": "http://unitsofmeasure.org"}},
            {"resourceType": "Procedure", "id": f"p{n}", **OWN, "status": "completed",
             "code": operation, "performedDateTime": _day(at - 4 * step)},
        ]  # fmt: skip
    return found


def orders_of_a_line(size: int) -> list[Resource]:
    step = 29_000 / size
    return [*BASIS, *(_order(n, "docetaxel", 29_000 - n * step) for n in range(size))]


def lines_of_therapy(size: int) -> list[Resource]:
    """Each drug for a month, then progression, then the next one."""
    step = 29_000 / size
    found = list(BASIS)
    for n in range(size // 2):
        at = 29_000 - 2 * n * step
        found += [_order(n, DRUGS[n % len(DRUGS)], at), _status(n, WORSE, at - step)]
    return found


def tablets(size: int) -> list[Resource]:
    step = 29_000 / size
    return [*ON_DRUG, *(_order(n + 1, "metformin", 29_000 - n * step) for n in range(size))]


def old_illnesses(size: int) -> list[Resource]:
    return [*ON_DRUG, *(_cancer(n + 1, f"M{n % 90 + 10}.{n % 10}", n % 9_000)
                        for n in range(size))]  # fmt: skip


def cancers(size: int) -> list[Resource]:
    """Fifty cancers, each named again and again, and spoken of."""
    found: list[Resource] = [BASIS[0]]
    for n in range(size // 2):
        at = 20_000 - 20_000 * n // size
        found += [_cancer(n, CANCERS[n % len(CANCERS)], at), _status(n, STABLE, at, f"c{n}")]
    return found


def _measured(number: int, code: str, unit: str, value: float, days_ago: float) -> Resource:
    """A value of another marker than the usual one."""
    coded = {"coding": [{"system": "http://loinc.org", "code": code}]}
    quantity = {"value": value, "code": unit, "unit": unit, "system": "http://unitsofmeasure.org"}
    return {**_value(number, value, days_ago), "code": coded, "valueQuantity": quantity}


def _on(code: str, drug: str) -> list[Resource]:
    """A patient with a cancer, who has taken one drug all the time."""
    return [BASIS[0], _cancer(0, code, 30_000), _order(0, drug, 29_900, 29_900)]


def lines_beside_values(size: int) -> list[Resource]:
    """A line of therapy for every ten values."""
    step = 29_000 / size
    found = list(BASIS)
    for n in range(size):
        at = 29_000 - n * step
        if n % 12 == 0:
            found.append(_order(n, DRUGS[n // 12 % len(DRUGS)], at))
        else:
            found.append(_status(n, WORSE, at) if n % 12 == 11 else _value(n, 5 + n % 7, at))
    return found


def laboratories(size: int) -> list[Resource]:
    """Values of one marker, each from a laboratory of its own, beside lines of therapy."""
    return [
        _from_own_laboratory(found)
        if found["resourceType"] == "Observation" and "valueQuantity" in found
        else found
        for found in lines_beside_values(size)
    ]


def _from_own_laboratory(value: Resource) -> Resource:
    return {**value, "performer": [{"reference": f"Organization/{value['id']}"}]}


def never_confirmed(size: int) -> list[Resource]:
    """A rise, of which no laboratory ever measures a second value."""
    step = 29_000 / size
    return [*ON_DRUG, *(
        _from_own_laboratory(_value(n, 900_000 - n if n else 1, 29_000 - n * step))
        for n in range(size))]  # fmt: skip


def never_higher(size: int) -> list[Resource]:
    """A rise that is confirmed by higher values only, each value lower than the one before."""
    step = 29_000 / size
    return [*_on("C62.90", "cisplatin"), *(
        _measured(n, "19080-1", "[IU]/L", 900_000 - n if n else 1, 29_000 - n * step)
        for n in range(size))]  # fmt: skip


def transcripts(size: int) -> list[Resource]:
    """A molecular response that comes and goes."""
    step = 29_000 / size
    return [*_on("C92.10", "imatinib"), *(
        _measured(n, "69380-4", "%", (20, 8, 0.05, 0.5)[n % 4 if n % 400 > 200 else 0],
                  29_000 - n * step) for n in range(size))]  # fmt: skip


def light_chains(size: int) -> list[Resource]:
    """Both chains, of which lines look at the difference, beside lines of therapy."""
    step = 29_000 / size
    drugs = ("bortezomib", "carfilzomib", "pomalidomide", "daratumumab")
    found = [BASIS[0], _cancer(0, "C90.00", 30_000)]
    for n in range(size // 3):
        at = 29_000 - 3 * n * step
        found += [
            _measured(2 * n, "36916-5", "mg/L", 100 + n % 7 * 100, at),
            _measured(2 * n + 1, "33944-0", "mg/L", 10, at),
            _order(n, drugs[n // 20 % 4], at) if n % 20 == 0 else _status(n, WORSE, at - step),
        ]
    return found


def blood_counts(size: int) -> list[Resource]:
    """Counts that a drug has to have reached by now."""
    step = 29_000 / size
    codes = (("777-3", "10*9/L", 700), ("6690-2", "10*9/L", 2), ("718-7", "g/dL", 9))
    return [*_on("D47.3", "hydroxyurea"), *(
        _measured(n, *codes[n % 3], 29_000 - n * step) for n in range(size))]  # fmt: skip


def sizes_of_a_tumour(size: int) -> list[Resource]:
    step = 29_000 / size
    tumour = {"bodySite": {"text": "liver segment 4"}}
    return [*_on("C18.9", "irinotecan"), *(
        {**_measured(n, "21889-1", "mm", 40 - n % 23, 29_000 - n * step), **tumour}
        for n in range(size))]  # fmt: skip


CHARTS: Final[tuple[Callable[[int], list[Resource]], ...]] = (
    surroundings, tablets, old_illnesses, values_of_a_marker, statuses, orders_of_a_line,
    lines_of_therapy, cancers, progression_without_response, statuses_of_forty_days,
    orders_stopped, doses_not_given, orders_doses_and_statements, infusions_of_cells, all_at_once,
    lines_beside_values, laboratories,
    never_confirmed, never_higher, transcripts, light_chains, blood_counts, sizes_of_a_tumour,
)  # fmt: skip


def seconds_of(resources: Sequence[Resource]) -> float:
    """The fastest of a few runs."""
    raw = [orjson.dumps(resource) for resource in resources]
    knowledge = shipped_knowledge()
    best, spent = math.inf, 0.0
    while spent < LEAST_SECONDS:
        began = time.process_time()
        assess(raw, TODAY, knowledge)
        took = time.process_time() - began
        best, spent = min(best, took), spent + took
    return best


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """The slope of the least squares of the logarithms: seconds ~ size to this power."""
    x, y = [math.log(n) for n in sizes], [math.log(s) for s in seconds]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    over = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return over / sum((a - mean_x) ** 2 for a in x)


STRAIGHT: Final = 1.1
"""What a fitted exponent may be."""


def rows(*, quick: bool) -> list[Row]:
    """The exponent of each kind of chart."""
    sizes = (100, 300, 1_000, 3_000) if quick else (100, 1_000, 10_000)
    found = []
    for chart in CHARTS:
        took = [seconds_of(chart(n)) for n in sizes]
        said = f"{took[-1] * 1000:,.0f} ms of {sizes[-1]:,}"
        name = f"growth, {chart.__name__.replace('_', ' ')}"
        found.append(Row(name, exponent(sizes, took), "an exponent of 1", STRAIGHT, said=said))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--most", type=int, default=10_000, help="resources of the largest chart")
    parser.add_argument("--only", help="a kind of chart, by its name")
    chosen = parser.parse_args()
    sizes = [n for n in (100, 300, 1_000, 3_000, 10_000, 30_000, 100_000) if n <= chosen.most]
    write = sys.stdout.write
    write(
        f"| ms of `assess` | {' | '.join(f'{n:,}' for n in sizes)} | exponent | of the last two |"
    )
    write("\n| --- |" + " ---: |" * (len(sizes) + 2) + "\n")
    for chart in CHARTS:
        if chosen.only not in (None, chart.__name__):
            continue
        took = [seconds_of(chart(n)) for n in sizes]
        last = exponent(sizes[-2:], took[-2:])
        cells = [*(f"{s * 1000:,.1f}" for s in took), f"**{exponent(sizes, took):.2f}**"]
        write(f"| {chart.__name__.replace('_', ' ')} | {' | '.join(cells)} | {last:.2f} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
