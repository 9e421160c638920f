"""Which test holds which requirement of CDS Hooks on the service: `grep 7.15 tests` leads here.

The numbers are those of sections 1 to 5, 7 to 9 and 11 of the requirements. Each names a test, or a
rule of `card_rules`, that fails where the requirement does not hold; clients' duties and what is
for the operator (1.1, 9.1: TLS) have none.
"""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
HELD_BY = {
    "1.2 1.3 1.7 11.3": ("hooks/card_rules.py", "_empties"),
    "1.4": ("hooks/test_malformed_calls.py", "NOT_JSON"),
    "1.5 1.6": ("hooks/card_rules.py", "_extension"),
    "1.8": ("hooks/test_input_limits.py", "test_brackets_inside_texts_count_for_nothing"),
    "2.1": ("hooks/test_on_the_wire.py", "test_2_1_discovery_takes_get_and_head_alone"),
    "2.2 2.8": ("hooks/test_discovery.py", "test_discovery_names_one_service_for_each_hook"),
    "2.3 2.4 2.5 2.6 2.7": ("hooks/test_on_the_wire.py", "test_2_3_to_2_7_a_service_says_all"),
    "3.1": ("hooks/test_malformed_calls.py", "test_another_hook_than_the_advertised_one"),
    "3.2 11.13": ("hooks/test_malformed_calls.py", "test_any_uuid_of_any_version_and_case"),
    "3.3": ("hooks/test_on_the_wire.py", "test_3_3_a_fhir_server_with_and_without"),
    "3.4 3.5 3.8": ("hooks/test_malformed_calls.py", "test_a_required_member_that_is_missing"),
    "3.6 5.1 5.2 5.3 5.9": ("hooks/test_on_the_wire.py", "test_1_2_and_5_1_to_5_9_any_subset"),
    "3.7": ("hooks/test_malformed_calls.py", "test_members_that_stand_twice_inside_resources"),
    "3.9": ("hooks/test_malformed_calls.py", "test_a_patient_id_that_is_no_fhir_id_is_refused"),
    "4.1 4.2 4.3 4.4 4.5 4.6 4.7 4.8": (
        "hooks/test_on_the_wire.py", "test_4_1_to_4_8_every_template",
    ),
    "5.4 5.5": ("hooks/test_on_the_wire.py", "test_5_4_an_outcome_beside_the_entries"),
    "5.6": ("hooks/test_fhir_server.py", "test_a_chart_of_many_pages_is_read_to_its_end"),
    "5.7 5.11": ("hooks/test_fhir_server.py", "test_what_passes_or_is_optional_does_not_cost"),
    "5.8 7.3": ("hooks/test_fhir_server.py", "test_a_server_that_does_not_give_the_chart_is_412"),
    "5.10": ("hooks/test_on_the_wire.py", "test_5_10_and_8_5_what_is_of_another_patient"),
    "7.1": ("hooks/test_prefetch.py", "test_nothing_to_say_is_an_empty_list"),
    "7.2 11.7 11.10": ("hooks/card_rules.py", "members of the answer"),
    "7.4": ("hooks/serving.py", "valid as FHIR R4B"),
    "7.5": ("hooks/test_on_the_wire.py", "test_7_5_and_8_9_no_error_repeats_anything"),
    "7.10 11.2": ("hooks/card_rules.py", "_summary"),
    "7.11 11.15": ("hooks/card_rules.py", "indicator"),
    "7.12 7.13 7.14 7.15 7.22 11.1": ("hooks/card_rules.py", "_source"),
    "7.16 7.31 11.16": ("hooks/card_rules.py", "a uuid stands twice"),
    "7.17": ("hooks/test_hostile_leaves.py", "test_8_4_no_text_of_a_resource"),
    "7.18 7.19": ("hooks/card_rules.py", "suggestions without selectionBehavior"),
    "7.20 11.6": ("hooks/test_override_reasons.py", "test_7_20_a_card_offers_our_reasons"),
    "7.21 7.40 7.41 7.42 7.43 11.4 11.5 11.11": ("hooks/card_rules.py", "_link"),
    "7.30 7.32 7.33 7.34": ("hooks/card_rules.py", "_suggestion"),
    "7.35 7.36 7.37 7.38 11.9": ("hooks/card_rules.py", "ServiceRequest"),
    "8.1 8.3 8.4": ("hooks/test_feedback.py", "test_an_acceptance_names_its_suggestions"),
    "8.2": ("hooks/test_feedback.py", "test_a_batch_over_several_calls_is_one_entry_each"),
    "8.5 12": ("hooks/test_override_reasons.py", "test_8_5_a_reason_of_either_system"),
    "8.8": ("hooks/test_feedback.py", "test_an_override_with_its_reason_is_tied"),
    "9.11": ("hooks/test_on_the_wire.py", "test_9_11_every_address_may_be_asked_for"),
    "11.12 11.14": ("hooks/test_discovery.py", "test_discovery_answers_whoever_asks"),
}  # fmt: skip


@pytest.mark.parametrize("numbers", HELD_BY)
def test_what_is_said_to_hold_a_requirement_is_there(numbers: str) -> None:
    file, name = HELD_BY[numbers]
    assert name in (TESTS / file).read_text()


def test_no_requirement_stands_twice() -> None:
    numbers = [number for row in HELD_BY for number in row.split()]
    assert len(set(numbers)) == len(numbers)
