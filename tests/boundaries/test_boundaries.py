"""Both sides of every number: what a rule says on its last day, and what on the next."""

from __future__ import annotations

from datetime import timedelta
from itertools import groupby

import pytest

from boundaries.probes import LONG, START, Probe, diseases_with_rows, probes_of
from cds_service import assess, shipped_knowledge
from cds_service.clinical.assessment_json import to_json
from cds_service.knowledge.model import Told

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


@pytest.mark.parametrize("name", sorted(shipped_knowledge().diseases))
def test_every_rule_and_flag_has_a_row(name: str) -> None:
    disease = shipped_knowledge().diseases[name]
    deciding = [rule for rule in disease.rules if not rule.is_unverified]
    told: list[Told] = [
        *deciding, *disease.marker_rules, *disease.milestones, *disease.targets,
    ]  # fmt: skip
    named = {rule.id for rule in told} | {early.flag for early in disease.early}
    assert named <= {probe.rule for probe in probes_of(name)}
