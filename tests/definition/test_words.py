"""No id of ours stands where a clinician reads: each response system has its name."""

from __future__ import annotations

import pytest

from cds_service import shipped_knowledge
from cds_service.definition.disease import SYSTEMS

NAMED = [(d.id, name) for d in shipped_knowledge().diseases.values() for name in d.response_systems]


@pytest.mark.parametrize(("disease", "system"), NAMED)
def test_a_response_system_has_a_name(disease: str, system: str) -> None:
    assert system in SYSTEMS, f"{disease}: {system}"
