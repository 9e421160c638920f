"""Race, ethnicity, language, orientation, gender and sex: said not to be used, and not used."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from cds_service import assess
from cds_service.clinical.assessment_json import to_json
from cds_service.clinical.record.elements import Patient
from cds_service.demo.stories import Story, read_stories

US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition"
STORIES = read_stories()


def coded(name: str, code: str) -> dict[str, Any]:
    return {"url": f"{US_CORE}/{name}", "valueCodeableConcept": {"coding": [{"code": code}]}}


def of_omb(name: str, code: str) -> dict[str, Any]:
    category = {"url": "ombCategory", "valueCoding": {"code": code}}
    return {"url": f"{US_CORE}/{name}", "extension": [category]}


OTHERWISE: dict[str, dict[str, Any]] = {
    "race": {"extension": [of_omb("us-core-race", "2054-5")]},
    "ethnicity": {"extension": [of_omb("us-core-ethnicity", "2135-2")]},
    "language": {"communication": [{"language": {"coding": [{"code": "es"}]}, "preferred": True}]},
    "sexual orientation": {"extension": [coded("us-core-sexual-orientation", "38628009")]},
    "gender identity": {"extension": [coded("us-core-genderIdentity", "407376001")]},
    "sex, male": {"gender": "male"},
    "sex, female": {"gender": "female"},
    "sex, unknown": {"gender": "unknown"},
    "birth sex": {"extension": [{"url": f"{US_CORE}/us-core-birthsex", "valueCode": "F"}]},
    "marriage and address": {
        "maritalStatus": {"text": "M"}, "address": [{"postalCode": "10451", "country": "US"}],
    },
}  # fmt: skip


def assessed(story: Story, members: dict[str, Any]) -> Any:
    chart = [entry["resource"] for entry in json.loads(story.bundle)["entry"]]
    told = [{**r, **members} if r["resourceType"] == "Patient" else r for r in chart]
    return to_json(assess(told, story.as_of, patient=f"Patient/{story.patient_id}"))


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.patient_id)
def test_what_is_said_not_to_be_used_changes_nothing(story: Story) -> None:
    bare = assessed(story, {"gender": "other"})
    for name, members in OTHERWISE.items():
        assert assessed(story, members) == bare, name


def test_the_patient_resource_is_read_for_birth_and_death_alone() -> None:
    own = set(Patient.__struct_fields__) - set(Patient.__mro__[1].__struct_fields__)  # type: ignore[attr-defined]
    assert own == {"birthDate", "deceasedBoolean", "deceasedDateTime"}


def test_the_date_of_birth_is_read_only_on_both_sides_of_eighteen_and_of_an_entry() -> None:
    story = next(one for one in STORIES if one.expected_cards)
    days = [date(1940, 1, 1), date(1958, 6, 1), date(1980, 12, 31)]
    told = [assessed(story, {"birthDate": str(day)}) for day in days]
    assert told[0]["cancers"]
    assert all(one["cancers"] == told[0]["cancers"] for one in told)
