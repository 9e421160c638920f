"""Unpacking: any shape of FHIR JSON becomes single resources, and nothing broken costs the rest."""

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.errors import UnreadableInput
from cds_service.fhir.bundles import Problem, unpack

OBSERVATION = {"resourceType": "Observation", "id": "o1", "subject": {"reference": "Patient/p1"}}
PATIENT = {"resourceType": "Patient", "id": "p1"}
ERROR = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]}
HINT = {"resourceType": "OperationOutcome", "issue": [{"severity": "warning", "code": "value"}]}


def bundle(*entries: Any, **fields: Any) -> bytes:
    made = {"resourceType": "Bundle", "type": "searchset", "entry": list(entries)} | fields
    return json.dumps(made).encode()


def entry(resource: Any, **fields: Any) -> dict[str, Any]:
    return {"resource": resource} | fields


def ids(document: bytes) -> list[str]:
    return [json.loads(resource.raw)["id"] for resource in unpack(document).resources]


@pytest.mark.parametrize(
    "bundle_type",
    ["searchset", "collection", "transaction", "batch", "document", "message", "history", None],
)
def test_every_type_of_bundle_gives_its_resources(bundle_type: str | None) -> None:
    fields = {} if bundle_type is None else {"type": bundle_type}
    document = {"resourceType": "Bundle", "entry": [entry(PATIENT), entry(OBSERVATION)]} | fields
    unpacked = unpack(json.dumps(document).encode())
    assert [json.loads(r.raw) for r in unpacked.resources] == [PATIENT, OBSERVATION]
    assert unpacked.root == "Bundle"
    assert unpacked.is_whole
    assert not unpacked.problems


def test_a_resource_travels_as_the_bytes_it_came_in() -> None:
    raw = b'{ "resourceType":"Observation",\n "id":"o1", "valueQuantity": {"value": 1.10} }'
    unpacked = unpack(b'{"resourceType":"Bundle","entry":[{"resource":' + raw + b"}]}")
    assert unpacked.resources[0].raw == raw
    assert unpack(raw).resources[0].raw == raw


def test_the_address_of_an_entry_travels_with_its_resource() -> None:
    document = bundle(entry(PATIENT, fullUrl="urn:uuid:1"), entry(OBSERVATION))
    assert [r.full_url for r in unpack(document).resources] == ["urn:uuid:1", ""]


@pytest.mark.parametrize("fields", [{"entry": []}, {"entry": None}, {}])
def test_a_bundle_without_entries_is_an_empty_answer(fields: dict[str, Any]) -> None:
    unpacked = unpack(json.dumps({"resourceType": "Bundle", "type": "searchset"} | fields).encode())
    assert unpacked.resources == ()
    assert unpacked.is_whole
    assert not unpacked.problems


@pytest.mark.parametrize(
    "empty",
    [
        pytest.param({"fullUrl": "urn:uuid:1"}, id="no resource"),
        pytest.param({"resource": None}, id="null"),
        pytest.param({"response": {"status": "201 Created"}}, id="a transaction's answer"),
        pytest.param({"request": {"method": "DELETE", "url": "Observation/o9"}}, id="a deletion"),
    ],
)
def test_an_entry_without_a_resource_is_passed_over(empty: Any) -> None:
    unpacked = unpack(bundle(empty, entry(PATIENT)))
    assert len(unpacked.resources) == 1
    assert not unpacked.problems
    assert unpacked.is_whole


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        pytest.param(17, "not an object", id="a number"),
        pytest.param("x", "not an object", id="a text"),
        pytest.param([], "not an object", id="a list"),
        pytest.param(None, "not an object", id="null"),
        pytest.param({"resource": 1}, "not a resource", id="resource: a number"),
        pytest.param({"resource": []}, "not a resource", id="resource: a list"),
        pytest.param({"resource": {}}, "not a resource", id="resource: empty"),
        pytest.param({"resource": {"id": "o1"}}, "not a resource", id="resource without type"),
        pytest.param({"resource": {"resourceType": 5}}, "not a resource", id="type: a number"),
    ],
)
def test_a_broken_entry_is_said_and_costs_no_other(broken: Any, what: str) -> None:
    unpacked = unpack(bundle(entry(PATIENT), broken, entry(OBSERVATION)))
    assert [json.loads(r.raw)["id"] for r in unpacked.resources] == ["p1", "o1"]
    (problem,) = unpacked.problems
    assert problem.where == "Bundle.entry[1]"
    assert problem.what.startswith(what)


@pytest.mark.parametrize("address", [5, None, {}, ["urn:uuid:1"]])
def test_a_resource_counts_though_its_address_is_malformed(address: Any) -> None:
    unpacked = unpack(bundle({"fullUrl": address, "resource": PATIENT}))
    assert [(r.full_url, json.loads(r.raw)) for r in unpacked.resources] == [("", PATIENT)]


def test_text_that_is_not_utf_8_costs_its_own_entry_only() -> None:
    broken = b'{"fullUrl":"\xff","resource":{"id":"\xfe","resourceType":"\xfd"}}'
    document = b'{"resourceType":"Bundle","entry":[%b,{"resource":%b}]}'
    unpacked = unpack(document % (broken, json.dumps(PATIENT).encode()))
    assert [json.loads(r.raw) for r in unpacked.resources] == [PATIENT]
    assert [p.where for p in unpacked.problems] == ["Bundle.entry[0]"]


def test_entries_that_are_no_list_are_said() -> None:
    unpacked = unpack(bundle(entry={"resource": PATIENT}))
    assert unpacked.resources == ()
    assert unpacked.problems == (Problem("Bundle.entry", "not a list"),)


def test_bundles_inside_a_bundle_are_taken_apart() -> None:
    inner = json.loads(bundle(entry(OBSERVATION), 5))
    document = bundle(entry(PATIENT), entry(inner), type="batch-response")
    assert ids(document) == ["p1", "o1"]
    assert unpack(document).problems[0].where == "Bundle.entry[1].resource.entry[1]"


def test_bundles_inside_bundles_end_somewhere() -> None:
    document = json.loads(bundle(entry(PATIENT)))
    for _ in range(40):
        document = json.loads(bundle(entry(document), entry(OBSERVATION)))
    unpacked = unpack(json.dumps(document).encode())
    assert len(unpacked.resources) == 4
    assert [p.what for p in unpacked.problems] == ["Bundles inside Bundles, too many levels"]


def test_further_pages_of_a_bundle_inside_are_said() -> None:
    inner = json.loads(bundle(link=[{"relation": "next", "url": "https://a.example/2"}]))
    unpacked = unpack(bundle(entry(inner)))
    assert [p.what for p in unpacked.problems] == ["a Bundle inside has further pages"]


@pytest.mark.parametrize(
    ("links", "next_url"),
    [
        pytest.param([{"relation": "self", "url": "a"}], None, id="no next"),
        pytest.param([{"relation": "self", "url": "a"}, {"relation": "next", "url": "b"}], "b"),
        pytest.param([{"relation": "next"}], "", id="next without address"),
        pytest.param([{"relation": "next", "url": 5}], "", id="next with a number"),
        pytest.param({"relation": "next", "url": "b"}, "", id="not a list: may hold a next"),
        pytest.param(None, None, id="null"),
        pytest.param([], None, id="empty"),
    ],
)
def test_the_next_page(links: Any, next_url: str | None) -> None:
    unpacked = unpack(bundle(entry(PATIENT), link=links))
    assert unpacked.next_url == next_url
    assert unpacked.is_whole == (next_url is None)
    assert len(unpacked.resources) == 1


@pytest.mark.parametrize(
    ("entries", "outcomes"),
    [
        pytest.param([entry(PATIENT), entry(ERROR)], 1, id="an error"),
        pytest.param([entry(ERROR), entry(ERROR)], 2, id="two errors"),
        pytest.param([entry(HINT, search={"mode": "outcome"})], 0, id="a warning is none"),
        pytest.param([entry({"resourceType": "OperationOutcome"})], 1, id="without issues"),
        pytest.param([{"response": {"status": "403 Forbidden"}}], 1, id="refused in a batch"),
        pytest.param([{"response": {"status": "200", "outcome": ERROR}}], 1, id="in a response"),
        pytest.param([{"response": {"status": "200", "outcome": HINT}}], 0, id="hint in response"),
        pytest.param([{"response": 5}], 0, id="a response that is none"),
    ],
)
def test_outcomes_that_report_an_error_are_counted(entries: list[Any], outcomes: int) -> None:
    unpacked = unpack(bundle(*entries))
    assert unpacked.outcomes == outcomes
    assert unpacked.is_whole == (outcomes == 0)
    assert all(b"OperationOutcome" not in resource.raw for resource in unpacked.resources)


@pytest.mark.parametrize("outcome", [ERROR, HINT])
def test_an_outcome_in_place_of_the_document_is_no_resource(outcome: Any) -> None:
    unpacked = unpack(json.dumps(outcome).encode())
    assert (unpacked.root, unpacked.resources, unpacked.outcomes) == ("OperationOutcome", (), 1)
    assert not unpacked.is_whole


def test_of_a_history_only_the_newest_version_is_kept() -> None:
    newest = OBSERVATION | {"status": "amended"}
    oldest = OBSERVATION | {"status": "final"}
    gone = {"request": {"method": "DELETE", "url": "Condition/c1"}}
    condition = entry({"resourceType": "Condition", "id": "c1"})
    document = bundle(entry(newest), gone, entry(oldest), condition, type="history")
    assert [json.loads(r.raw) for r in unpack(document).resources] == [newest]


def test_contained_resources_stay_in_the_resource_that_holds_them() -> None:
    order = {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "contained": [{"resourceType": "Medication", "id": "drug"}, ERROR],
        "medicationReference": {"reference": "#drug"},
    }
    unpacked = unpack(bundle(entry(order)))
    assert [json.loads(r.raw) for r in unpacked.resources] == [order]
    assert unpacked.outcomes == 0


def test_a_resource_with_elements_named_as_a_bundles_is_a_single_resource() -> None:
    linked = PATIENT | {"link": [{"other": {"reference": "Patient/p2"}, "type": "seealso"}]}
    listed = {"resourceType": "List", "id": "l1", "entry": [{"item": {"display": "x"}}]}
    for resource in (linked, listed):
        assert [json.loads(r.raw) for r in unpack(json.dumps(resource).encode()).resources] == [
            resource
        ]


def test_the_last_of_two_equal_keys_counts_as_in_every_later_reading() -> None:
    twice = (
        b'{"resourceType":"Bundle","entry":[],"entry":[{"resource":{"resourceType":"Patient"}}]}'
    )
    assert len(unpack(twice).resources) == 1
    assert len(json.loads(twice)["entry"]) == 1


@pytest.mark.parametrize("second", [b"5", b'"Patient"', b'"\xff"'])
def test_a_bundle_inside_that_is_of_two_types_is_said(second: bytes) -> None:
    two = b'{"resourceType":"Bundle","entry":[],"resourceType":' + second + b"}"
    unpacked = unpack(b'{"resourceType":"Bundle","entry":[{"resource":' + two + b"}]}")
    assert unpacked.resources == ()
    assert [p.where for p in unpacked.problems] == ["Bundle.entry[0].resource"]


def test_the_type_is_read_wherever_it_stands() -> None:
    late = b'{"id":"x","contained":[{"resourceType":"Patient"}],"resourceType":"OperationOutcome"}'
    unpacked = unpack(b'{"entry":[{"resource":' + late + b'}],"resourceType":"Bundle"}')
    assert (unpacked.resources, unpacked.outcomes) == ((), 1)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        pytest.param(b"", "not valid JSON", id="empty"),
        pytest.param(b"<html>secret</html>", "not valid JSON", id="HTML"),
        pytest.param(b'{"resourceType":"Bundle","entry":[{"re', "not valid JSON", id="cut short"),
        pytest.param(b'{"resourceType":"Patient"} secret', "not valid JSON", id="more behind it"),
        pytest.param(b'{"resourceType":"Patient","a":NaN}', "not valid JSON", id="NaN"),
        pytest.param(b'{"a":' * 9999 + b"1" + b"}" * 9999, "nested too deep", id="bottomless"),
        pytest.param(b'{"resourceType":"\xff"}', "not UTF-8", id="not UTF-8"),
        pytest.param(b"[]", "not a FHIR resource", id="a list"),
        pytest.param(b"5", "not a FHIR resource", id="a number"),
        pytest.param(b'{"secret":1}', "not a FHIR resource", id="another object"),
        pytest.param(
            b'{"resourceType":["secret"]}', "not a FHIR resource", id="a type that is none"
        ),
    ],
)
def test_a_document_that_is_no_fhir_json_is_unreadable(document: bytes, reason: str) -> None:
    with pytest.raises(UnreadableInput, match=reason) as caught:
        unpack(document)
    assert "secret" not in str(caught.value)


def test_problems_hold_no_text_of_the_chart() -> None:
    secret = {"resourceType": 1, "note": "canary-7"}
    unpacked = unpack(bundle(entry(secret), "canary-7", link="canary-7"))
    assert len(unpacked.problems) == 3
    assert "canary" not in " ".join(map(str, unpacked.problems))


def test_a_raw_piece_of_a_larger_document_can_be_unpacked() -> None:
    call = json.dumps({"prefetch": {"patient": PATIENT}}).encode()
    prefetch = msgspec.json.decode(call, type=dict[str, dict[str, msgspec.Raw]])["prefetch"]
    assert unpack(prefetch["patient"]).root == "Patient"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just("Bundle"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["resourceType", "entry", "resource", "link", "type", "id", "response"]
            ),
            inner,
            max_size=4,
        )
    ),
)


@given(JSON, JSON)
def test_any_json_is_taken_apart_or_refused(first: Any, second: Any) -> None:
    good = entry(PATIENT)
    unpacked = unpack(bundle(first, good, entry(second)))
    assert PATIENT in [json.loads(resource.raw) for resource in unpacked.resources]
    with contextlib.suppress(UnreadableInput):
        unpack(json.dumps(first).encode())


@given(st.integers(0, 400), st.binary(max_size=3))
def test_any_bytes_are_taken_apart_or_refused(at: int, noise: bytes) -> None:
    document = bundle(entry(PATIENT), entry(OBSERVATION, fullUrl="urn:uuid:1"))
    with contextlib.suppress(UnreadableInput):
        unpack(document[:at] + noise + document[at + 1 :])
