"""Files for the command line: every form the contract names, and one line why one is no chart."""

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest

from cds_service.errors import UnreadableInput
from cds_service.fhir.charts import Chart
from cds_service.fhir.files import read_charts
from cds_service.fhir.references import head_of


def patient(rid: str) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": rid}


def observation(rid: str, of: str = "Patient/p1") -> dict[str, Any]:
    return {"resourceType": "Observation", "id": rid, "subject": {"reference": of}}


def bundle(*resources: Any, **fields: Any) -> dict[str, Any]:
    entries = [{"resource": resource} for resource in resources]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries} | fields


def lines(*documents: Any) -> bytes:
    return b"".join(json.dumps(document).encode() + b"\n" for document in documents)


def names(charts: list[Chart]) -> dict[str, list[str]]:
    return {
        chart.patient: [head.name for r in chart.resources if (head := head_of(r)) is not None]
        for chart in charts
    }


P1 = {"Patient/p1": ["Patient/p1", "Observation/o1"]}


@pytest.mark.parametrize(
    ("file", "content"),
    [
        pytest.param("a.json", lines(bundle(patient("p1"), observation("o1"))), id="Bundle"),
        pytest.param(
            "a.json",
            json.dumps(bundle(patient("p1"), observation("o1")), indent=1).encode(),
            id="over lines",
        ),
        pytest.param(
            "a.json", b"\xef\xbb\xbf" + lines(bundle(patient("p1"), observation("o1"))), id="BOM"
        ),
        pytest.param("a.ndjson", lines(patient("p1"), observation("o1")), id="NDJSON"),
        pytest.param("a.jsonl", b"\n" + lines(patient("p1"), observation("o1")), id="empty line"),
        pytest.param(
            "a.ndjson", lines(bundle(patient("p1")), bundle(observation("o1"))), id="Bundle a line"
        ),
        pytest.param(
            "a.json", lines(patient("p1"), observation("o1")), id="NDJSON by another name"
        ),
        pytest.param("chart.txt", lines(bundle(patient("p1"), observation("o1"))), id="any name"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_a_file_is_read(file: str, content: bytes, zipped: bool, tmp_path: Path) -> None:
    path = tmp_path / (f"{file}.gz" if zipped else file)
    path.write_bytes(gzip.compress(content) if zipped else content)
    (chart,) = read_charts([path])
    assert names([chart]) == P1
    assert chart.problems == ()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(lines(bundle(patient("p1"), observation("o1"))), id="JSON"),
        pytest.param(lines(patient("p1"), observation("o1")), id="NDJSON"),
        pytest.param(gzip.compress(lines(patient("p1"), observation("o1"))), id="gzip"),
    ],
)
def test_standard_input_is_read(content: bytes) -> None:
    assert names(list(read_charts(["-"], stdin=io.BytesIO(content)))) == P1


def test_a_single_resource_gives_a_chart(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text(json.dumps(patient("p1"), indent=2))
    assert names(list(read_charts([tmp_path / "p.json"]))) == {"Patient/p1": ["Patient/p1"]}


def test_a_folder_is_read_with_all_below_it_and_grouped_by_patient(tmp_path: Path) -> None:
    below = tmp_path / "b" / "c"
    below.mkdir(parents=True)
    (tmp_path / "Patient.ndjson").write_bytes(lines(patient("p2"), patient("p1")))
    (below / "Observation.ndjson.gz").write_bytes(
        gzip.compress(lines(observation("o1"), observation("o2", "Patient/p2")))
    )
    (below / "more.JSON").write_text(json.dumps(bundle(observation("o3"))))
    (tmp_path / "README.md").write_text("not a chart")
    (tmp_path / ".hidden.json").write_text("{")
    assert names(list(read_charts([tmp_path, tmp_path / "Patient.ndjson"]))) == {
        "Patient/p1": ["Patient/p1", "Observation/o1", "Observation/o3"],
        "Patient/p2": ["Patient/p2", "Observation/o2"],
    }


def test_urns_of_one_file_are_resolved_in_another(tmp_path: Path) -> None:
    entry = {"fullUrl": "urn:uuid:7d", "resource": patient("p1")}
    (tmp_path / "a.json").write_text(json.dumps(bundle() | {"entry": [entry]}))
    (tmp_path / "b.ndjson").write_bytes(lines(observation("o1", "urn:uuid:7d")))
    assert names(list(read_charts([tmp_path]))) == P1


def test_a_bad_line_is_said_and_costs_no_other(tmp_path: Path) -> None:
    content = lines(patient("p1")) + b'{"canary": \n\n' + lines(observation("o1"), {"canary": 1})
    (tmp_path / "a.ndjson").write_bytes(content)
    (chart,) = read_charts([tmp_path])
    assert names([chart]) == P1
    assert [problem.where for problem in chart.problems] == ["a.ndjson line 2", "a.ndjson line 5"]
    assert "canary" not in str(chart.problems)


def test_a_bad_first_line_of_standard_input_is_said(tmp_path: Path) -> None:
    content = b"oops\n" + lines(patient("p1"), observation("o1"))
    (chart,) = read_charts(["-"], stdin=io.BytesIO(content))
    assert names([chart]) == P1
    assert [problem.where for problem in chart.problems] == ["standard input line 1"]


def test_endless_problems_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_bytes(lines(patient("p1")) + b"{\n" * 1000)
    (chart,) = read_charts([tmp_path])
    assert len(chart.problems) == 51
    assert chart.problems[-1].what == "950 more problems"


def test_what_a_bundle_says_is_missing_is_said(tmp_path: Path) -> None:
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "fatal"}]}
    further = [{"relation": "next", "url": "https://ehr.example/fhir?page=2"}]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(bundle(patient("p1"), outcome, 5, link=further)))
    (chart,) = read_charts([path])
    said = [str(problem) for problem in chart.problems]
    assert len(said) == 3
    assert said[0].startswith("a.json Bundle.entry[2]: ")
    assert "OperationOutcome" in said[1]
    assert "further pages" in said[2]


def test_an_export_that_found_nothing_of_a_type_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "Patient.ndjson").write_bytes(lines(patient("p1")))
    (tmp_path / "Condition.ndjson").write_bytes(b"")
    assert list(names(list(read_charts([tmp_path])))) == ["Patient/p1"]


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        pytest.param("a.json", b"", "not valid JSON", id="empty"),
        pytest.param(
            "a.json", b'{"resourceType": "Bundle", "canary', "not valid JSON", id="cut short"
        ),
        pytest.param("a.json", b"{\n canary\n}\n", "not valid JSON", id="broken over lines"),
        pytest.param("a.json", b'{"canary": 1}', "not a FHIR resource", id="another JSON"),
        pytest.param("a.json", b"[]", "not a FHIR resource", id="a list"),
        pytest.param("a.json", "{}".encode("utf-16"), "not valid JSON", id="UTF-16"),
        pytest.param("a.ndjson", b"canary\ncanary\n", "no line can be read", id="no line"),
        pytest.param("a.json.gz", b"\x1f\x8bcanary", "broken gzip", id="not gzip"),
        pytest.param(
            "a.json.gz", gzip.compress(b"{}" * 999)[:-9], "broken gzip", id="gzip cut short"
        ),
        pytest.param("a.json", lines(bundle()), "no patient", id="an empty Bundle"),
        pytest.param(
            "a.json",
            lines({"resourceType": "Medication", "id": "m"}),
            "no patient",
            id="no patient",
        ),
    ],
)
def test_a_file_with_nothing_to_read_is_named_with_the_reason(
    file: str, content: bytes, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / file
    path.write_bytes(content)
    with pytest.raises(UnreadableInput, match=reason) as caught:
        list(read_charts([path]))
    said = str(caught.value)
    assert said.startswith(str(path))
    assert "canary" not in said
    assert "\n" not in said


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInput, match=r"none\.json: No such file"):
        list(read_charts([tmp_path / "none.json"]))


def test_a_folder_without_charts_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInput, match="no file in it that ends in"):
        list(read_charts([tmp_path]))


def test_one_unreadable_file_among_others_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(lines(patient("p1")))
    (tmp_path / "b.json").write_bytes(b"{")
    with pytest.raises(UnreadableInput, match=r"b\.json"):
        list(read_charts([tmp_path]))


@pytest.mark.parametrize("zipped", [False, True])
def test_a_file_may_not_unpack_to_more_than_the_limit(zipped: bool, tmp_path: Path) -> None:
    content = lines(patient("p1")) + b" " * 5_000_000
    path = tmp_path / "a.ndjson"
    path.write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(UnreadableInput, match=r"a\.ndjson: more than 1000000 bytes"):
        list(read_charts([path], max_bytes=1_000_000))
    assert len(list(read_charts([path], max_bytes=6_000_000))) == 1
