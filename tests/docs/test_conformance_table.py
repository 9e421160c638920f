"""docs/conformance.md claims what the self-test checks, and nothing else."""

from cds_service.conformance.table import REQUIREMENTS, claims
from docs.conformance_table import tables_in_page


def test_the_page_lists_the_requirements_as_they_are() -> None:
    assert tables_in_page() == claims()


def test_every_requirement_is_a_sentence_that_fits_into_a_table() -> None:
    numbers = [requirement.number for requirement in REQUIREMENTS]
    assert len(set(numbers)) == len(numbers)
    for requirement in REQUIREMENTS:
        assert requirement.says.endswith("."), requirement.number
        assert "|" not in requirement.says
        assert len(requirement.says) < 100
