"""Both sides of every number: what a rule says on its last day, and what on the next."""

from __future__ import annotations

from datetime import timedelta
from itertools import groupby

import pytest

from boundaries.probes import LONG, START, Probe, diseases_with_rows, probes_of
from cds_service import assess
from cds_service.clinical.assessment_json import to_json

AS_OF = START + timedelta(days=2 * LONG)
RULES = [
    pytest.param(disease, list(probes), id=f"{disease}: {rule.removeprefix(f'{disease}.')}")
    for disease in diseases_with_rows()
    for rule, probes in groupby(probes_of(disease), key=lambda probe: probe.rule)
]


@pytest.mark.parametrize(("disease", "probes"), RULES)
def test_each_number_divides_where_the_row_says(disease: str, probes: list[Probe]) -> None:
    faults = [
        fault
        for probe in probes
        if (fault := probe.fault(to_json(assess(probe.chart, as_of=AS_OF), explain=True), disease))
    ]
    if faults:
        pytest.fail("\n".join(faults), pytrace=False)
