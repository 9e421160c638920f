"""Images, samples and trials in resources of their own; and the parts of the body that are seen."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from charts import condition, patient, procedure, service_request
from charts.codes import SNOMED
from charts.fhir import concept, reference

from cds_service import shipped_knowledge
from cds_service.clinical.record import Record, read_record
from cds_service.clinical.record.regions import regions_of
from cds_service.knowledge.check_advice import REGIONS

AS_OF = date(2024, 6, 30)
KNOWLEDGE = shipped_knowledge()
Json = dict[str, Any]


def read(*resources: Json) -> Record:
    chart = [patient("p1"), condition("nsclc", onset="2023-12-01"), *resources]
    return read_record(chart, AS_OF, KNOWLEDGE)


def images(modality: str, description: str = "", **more: Any) -> Json:
    made: Json = {
        "resourceType": "ImagingStudy",
        "id": "i1",
        "status": "available",
        "subject": reference("Patient", "p1"),
        "started": "2024-06-10T09:00:00Z",
        "modality": [{"code": modality}],
    }
    return made | ({"description": description} if description else {}) | more


@pytest.mark.parametrize(
    ("study", "kind", "regions"),
    [
        pytest.param(images("CT", "CT chest/abdomen"), "imaging-ct", {"chest", "abdomen"}, id="CT"),
        pytest.param(images("MR", "Brain"), "imaging-mri", {"brain"}, id="MRI"),
        pytest.param(images("PT"), "imaging-pet", {"whole-body"}, id="PET"),
        pytest.param(images("US", "Thyroid"), "imaging-other", {"neck"}, id="ultrasound"),
        pytest.param(
            images("CT", series=[{"uid": "1.2", "bodySite": {"display": "Pelvis"}}]),
            "imaging-ct", {"pelvis"}, id="the site of a series",
        ),
        pytest.param(images("CT"), "imaging-ct", set(), id="no word of the region"),
    ],
)  # fmt: skip
def test_an_imaging_study_is_imaging(study: Json, kind: str, regions: set[str]) -> None:
    (event,) = read(study).events
    assert (event.kind, set(event.regions), str(event.on)) == (kind, regions, "2024-06-10")


@pytest.mark.parametrize(
    "study",
    [
        pytest.param(images("CT", status="cancelled"), id="cancelled"),
        pytest.param(images("OT"), id="no imaging of a tumour"),
        pytest.param(images("CT", started="2024-07-10"), id="after the day asked"),
        pytest.param(images("CT", started=None), id="no day"),
    ],
)
def test_an_imaging_study_that_says_nothing(study: Json) -> None:
    assert read({k: v for k, v in study.items() if v is not None}).events == ()


def specimen(code: str, status: str = "available") -> Json:
    return {
        "resourceType": "Specimen",
        "id": "s1",
        "status": status,
        "type": concept((SNOMED, code, None)),
        "subject": reference("Patient", "p1"),
        "collection": {"collectedDateTime": "2024-06-10"},
    }


@pytest.mark.parametrize(
    ("resource", "kinds"),
    [
        pytest.param(specimen("119376003"), ["biopsy"], id="tissue"),
        pytest.param(specimen("119359002"), ["bone-marrow-examination"], id="marrow"),
        pytest.param(specimen("119297000"), [], id="blood"),
        pytest.param(specimen("119376003", "unsatisfactory"), [], id="unsatisfactory"),
    ],
)
def test_a_sample_is_a_biopsy(resource: Json, kinds: list[str]) -> None:
    assert [event.kind for event in read(resource).events] == kinds


def on_study(status: str = "on-study", study: str = "x") -> Json:
    return {
        "resourceType": "ResearchSubject",
        "id": "rs1",
        "status": status,
        "individual": reference("Patient", "p1"),
        "study": reference("ResearchStudy", study),
    }


def study_of(code: str) -> Json:
    return {
        "resourceType": "ResearchStudy",
        "id": "x",
        "status": "active",
        "condition": [concept((SNOMED, code, None))],
    }


@pytest.mark.parametrize(
    ("status", "takes_part"),
    [
        ("on-study", True),
        ("on-study-intervention", True),
        ("on-study-observation", True),
        ("screening", True),
        ("pending-on-study", True),
        ("candidate", False),
        ("ineligible", False),
        ("off-study", False),
        ("withdrawn", False),
    ],
)
def test_who_takes_part_in_a_trial(status: str, takes_part: bool) -> None:
    requests = read(on_study(status)).requests
    assert [(r.kind, r.is_open) for r in requests] == [("trial-referral", True)] * takes_part


def test_the_diseases_of_a_trial_are_read_where_the_chart_has_it() -> None:
    assert read(on_study(), study_of("254637007")).requests[0].diseases == ("nsclc",)
    assert read(on_study(), study_of("254837009")).requests[0].diseases == ("breast",)
    assert read(on_study()).requests[0].diseases == ()


@pytest.mark.parametrize(
    ("text", "regions"),
    [
        ("CT C/A/P", {"chest", "abdomen", "pelvis"}),
        ("CT head without contrast", {"brain"}),
        ("MRI of the lumbar spine", {"spine"}),
        ("FDG PET-CT", {"whole-body"}),
        ("MRI left knee", {"limb"}),
        ("Mammography", {"breast"}),
        ("Restaging scan", set()),
    ],
)
def test_regions_in_words(text: str, regions: set[str]) -> None:
    assert regions_of([text]) == regions
    assert regions <= REGIONS


def test_regions_of_procedures_and_orders() -> None:
    scan = procedure("biopsy", "2024-06-10") | {"bodySite": [{"text": "Liver"}]}
    record = read(scan, service_request("ct", "2024-06-10"))
    assert record.events[0].regions == {"abdomen"}
    assert record.requests[0].regions == {"chest", "abdomen", "pelvis"}
