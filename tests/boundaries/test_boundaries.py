"""Both sides of every number: what a rule says on its last day, and what on the next."""

from __future__ import annotations

from datetime import timedelta

import pytest

from boundaries.probes import LONG, START, Probe, diseases_with_rows, probes_of
from cds_service import assess
from cds_service.clinical.assessment_json import to_json

AS_OF = START + timedelta(days=2 * LONG)
PROBES = [(disease, probe) for disease in diseases_with_rows() for probe in probes_of(disease)]


@pytest.mark.parametrize(
    ("disease", "probe"),
    [pytest.param(disease, probe, id=f"{disease}-{probe.name}") for disease, probe in PROBES],
)
def test_a_number_divides_where_the_row_says(disease: str, probe: Probe) -> None:
    said = to_json(assess(probe.chart, as_of=AS_OF), explain=True)
    if fault := probe.fault(said, disease):
        pytest.fail(fault, pytrace=False)
