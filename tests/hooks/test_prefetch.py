"""What a client prefetched, did not prefetch, or prefetched badly: read, completed, or refused."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import charts
import httpx
import pytest

from cds_service.demo.fhir_server_faults import Fault
from cds_service.hooks.card_text import not_seen
from hooks.calls import (
    KEYS,
    OPTIONAL,
    REQUIRED,
    TYPE_OF,
    bundle,
    call,
    myeloma,
    outcome,
    prefetch_of,
    quiet,
)
from hooks.serving import EHR, Served, issue_of, serving


def cards_but_ids(answer: Any) -> list[tuple[str, str]]:
    assert answer.status_code == 200, answer.text
    return [(card["summary"], card["detail"]) for card in answer.json()["cards"]]


async def expected(served: Served) -> list[tuple[str, str]]:
    """The cards of the whole chart, for comparison."""
    cards = cards_but_ids(await served.hook(call(prefetch_of(myeloma()))))
    assert len(cards) == 1
    served.wire.asked.clear()
    return cards


# --- full, partial, none ------------------------------------------------------------------------


async def test_a_full_prefetch_is_answered_without_a_word_to_the_fhir_server(
    served: Served,
) -> None:
    answer = await served.hook(call(prefetch_of(myeloma()), fhirServer=EHR))
    assert len(cards_but_ids(answer)) == 1
    assert served.wire.asked == []


async def test_the_four_required_keys_are_enough(served: Served) -> None:
    answer = await served.hook(call(prefetch_of(myeloma(), keys=REQUIRED)))
    assert len(cards_but_ids(answer)) == 1
    missing = served.last()["inputsMissing"]
    assert missing == [{"code": "omitted", "key": key} for key in sorted(OPTIONAL)]
    ((_, detail),) = cards_but_ids(answer)
    assert "Not seen: allergies, " in detail
    assert " (not sent, and no FHIR server to ask)." in detail
    assert served.last().get("issues") is None


@pytest.mark.parametrize(
    "prefetch",
    [pytest.param(None, id="no prefetch at all"), pytest.param({}, id="an empty prefetch")],
)
async def test_without_a_prefetch_the_whole_chart_is_read(
    served: Served, prefetch: dict[str, Any] | None
) -> None:
    whole = await expected(served)
    assert cards_but_ids(await served.hook(call(prefetch, fhirServer=EHR))) == whole
    assert served.wire.kinds == sorted(TYPE_OF.values())
    assert served.last().get("inputsMissing") is None


async def test_a_prefetch_that_is_null_is_one_that_is_missing(served: Served) -> None:
    body = call(fhirServer=EHR) | {"prefetch": None}
    assert len(cards_but_ids(await served.hook(body))) == 1
    assert len(served.wire.asked) == len(KEYS)


@pytest.mark.parametrize("key", KEYS)
async def test_one_key_that_is_missing_is_read_and_the_rest_is_not(
    served: Served, key: str
) -> None:
    whole = await expected(served)
    prefetch = prefetch_of(myeloma())
    del prefetch[key]
    assert cards_but_ids(await served.hook(call(prefetch, fhirServer=EHR))) == whole
    assert served.wire.kinds == [TYPE_OF[key]]
    assert served.last().get("inputsMissing") is None


async def test_all_optional_keys_that_are_missing_are_read_side_by_side(tmp_path: Path) -> None:
    with serving(tmp_path, chart=myeloma(), faults=[Fault("slow", seconds=0.4)]) as served:
        whole = await expected(served)
        began = time.perf_counter()
        answer = await served.hook(call(prefetch_of(myeloma(), keys=REQUIRED), fhirServer=EHR))
        assert time.perf_counter() - began < 1.2
        assert cards_but_ids(answer) == whole
        assert served.wire.kinds == sorted(TYPE_OF[key] for key in OPTIONAL)


NOT_GIVEN = [
    pytest.param(Fault("slow", seconds=30, on="Procedure"), id="too slow"),
    pytest.param(Fault("status", status=500, on="Procedure"), id="fails"),
    pytest.param(Fault("html", on="Procedure"), id="no FHIR"),
]


@pytest.mark.parametrize("keys", [REQUIRED, ()], ids=["required prefetched", "all is read"])
@pytest.mark.parametrize("fault", NOT_GIVEN)
async def test_an_optional_key_that_cannot_be_read_costs_little_time_and_the_card_says_so(
    tmp_path: Path, fault: Fault, keys: tuple[str, ...]
) -> None:
    settings = {"fhir_seconds": 2.0}
    with serving(tmp_path, chart=myeloma(), faults=[fault], settings=settings) as served:
        began = time.perf_counter()
        answer = await served.hook(call(prefetch_of(myeloma(), keys=keys), fhirServer=EHR))
        assert time.perf_counter() - began < 1.6, "optional keys have 40 % of the time"
        ((_, detail),) = cards_but_ids(answer)
        assert "Not seen: procedures (the FHIR server did not answer with them)." in detail
        assert served.last()["inputsMissing"] == [{"key": "procedures", "code": "search-failed"}]
        assert served.last()["issues"] == {"not-read": 1}


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        pytest.param((), "", id="all there"),
        pytest.param((("procedures", "null"),), "", id="null was looked up"),
        pytest.param(
            (("procedures", "denied"),),
            "Not seen: procedures (the FHIR server refused).",
            id="one",
        ),
        pytest.param(
            (("diagnosticReports", "omitted"), ("procedures", "omitted")),
            "Not seen: diagnostic reports, procedures (not sent, and no FHIR server to ask).",
            id="two for one reason",
        ),
        pytest.param(
            (("medications", "search-failed"), ("serviceRequests", "paging-cut")),
            "Not seen: medications that orders point at (the FHIR server did not answer with "
            "them); service requests (sent in part only).",
            id="two for two reasons",
        ),
    ],
)
def test_what_was_not_seen_is_said_by_its_reason(
    missing: tuple[tuple[str, str], ...], said: str
) -> None:
    assert not_seen(missing) == said


@pytest.mark.parametrize("key", REQUIRED)
async def test_one_required_key_that_is_missing_without_a_server_is_412_and_named(
    served: Served, key: str
) -> None:
    prefetch = prefetch_of(myeloma())
    del prefetch[key]
    answer = await served.hook(call(prefetch))
    assert answer.status_code == 412
    issue = issue_of(answer)
    assert issue["code"] == "required"
    assert key in issue["diagnostics"]
    assert served.last()["outcome"] == "data-unavailable"


async def test_keys_and_members_that_nobody_asked_for_are_ignored(served: Served) -> None:
    whole = await expected(served)
    prefetch = prefetch_of(myeloma()) | {"encounters": bundle(), "x": 5, "y": None, "": "?"}
    body = call(prefetch, extension={"com.example": {"a": None}}, unknown=[1, {}])
    body["context"] |= {"launch": "abc", "encounterId": None}
    assert cards_but_ids(await served.hook(body)) == whole


# --- what does not count as fetched -------------------------------------------------------------

NEXT = [{"relation": "next", "url": f"{EHR}/Observation?_page=2"}]


def outcome_in_place(_: Any) -> Any:
    return outcome()


def outcome_that_only_warns_in_place(_: Any) -> Any:
    return outcome("warning")


def outcome_inside(value: Any) -> Any:
    entries = value["entry"] if value["resourceType"] == "Bundle" else [{"resource": value}]
    return bundle() | {"entry": [*entries, {"resource": outcome(), "search": {"mode": "outcome"}}]}


def next_page(value: Any) -> Any:
    entries = value["entry"] if value["resourceType"] == "Bundle" else [{"resource": value}]
    return bundle() | {"entry": entries[:1], "link": NEXT}


def failed_entry(value: Any) -> Any:
    return bundle() | {
        "type": "batch-response",
        "entry": [{"response": {"status": "403 Forbidden", "outcome": outcome()}}],
    }


NOT_WHOLE = [
    pytest.param(outcome_in_place, "operation-outcome", id="an OperationOutcome in its place"),
    pytest.param(
        outcome_that_only_warns_in_place, "operation-outcome", id="a mere warning in its place"
    ),
    pytest.param(outcome_inside, "operation-outcome", id="an OperationOutcome in the Bundle"),
    pytest.param(next_page, "paging-cut", id="a first page"),
    pytest.param(failed_entry, "operation-outcome", id="an answer of a batch that failed"),
]


@pytest.mark.parametrize(("spoil", "why"), NOT_WHOLE)
@pytest.mark.parametrize("key", KEYS)
async def test_what_did_not_come_whole_is_read_from_the_server(
    served: Served, key: str, spoil: Callable[[Any], Any], why: str
) -> None:
    whole = await expected(served)
    prefetch = prefetch_of(myeloma())
    prefetch[key] = spoil(prefetch[key])
    assert cards_but_ids(await served.hook(call(prefetch, fhirServer=EHR))) == whole
    assert served.wire.kinds == [TYPE_OF[key]]
    assert served.last().get("inputsMissing") is None


@pytest.mark.parametrize(("spoil", "why"), NOT_WHOLE)
@pytest.mark.parametrize("key", REQUIRED)
async def test_what_is_required_and_did_not_come_whole_is_412_without_a_server(
    served: Served, key: str, spoil: Callable[[Any], Any], why: str
) -> None:
    prefetch = prefetch_of(myeloma())
    prefetch[key] = spoil(prefetch[key])
    answer = await served.hook(call(prefetch))
    assert answer.status_code == 412
    assert key in issue_of(answer)["diagnostics"]


@pytest.mark.parametrize(("spoil", "why"), NOT_WHOLE)
@pytest.mark.parametrize("key", OPTIONAL)
async def test_what_is_optional_and_did_not_come_whole_is_done_without_and_said(
    served: Served, key: str, spoil: Callable[[Any], Any], why: str
) -> None:
    prefetch = prefetch_of(myeloma())
    prefetch[key] = spoil(prefetch[key])
    await assert_done_without(served, call(prefetch), key, why)


@pytest.mark.parametrize(
    ("server", "status", "why"),
    [
        pytest.param(EHR, 500, "search-failed", id="the server fails"),
        pytest.param(EHR, 403, "denied", id="the token does not go so far"),
        pytest.param("http://10.0.0.1/fhir", 200, "paging-cut", id="an address we do not go to"),
    ],
)
async def test_what_is_optional_and_cannot_be_read_either_is_done_without_and_said(
    tmp_path: Path, server: str, status: int, why: str
) -> None:
    with serving(tmp_path, faults=[Fault("status", status=status)]) as served:
        for key in OPTIONAL:
            prefetch = prefetch_of(myeloma())
            prefetch[key] = next_page(prefetch[key])
            await assert_done_without(served, call(prefetch, fhirServer=server), key, why)


async def assert_done_without(served: Served, body: dict[str, Any], key: str, why: str) -> None:
    ((_, detail),) = cards_but_ids(await served.hook(body))
    decision = served.last()
    assert {"key": key, "code": why} in decision["inputsMissing"]
    assert decision["issues"] == {"not-read": 1}
    assert "Not seen: " in detail
    assert "could not be used" not in detail


async def test_a_bundle_that_only_warns_is_whole(served: Served) -> None:
    prefetch = prefetch_of(myeloma())
    for level in ("warning", "information"):
        prefetch["observations"]["entry"].append({"resource": outcome(level, "informational")})
    assert len(cards_but_ids(await served.hook(call(prefetch)))) == 1


# --- null, empty, odd shapes --------------------------------------------------------------------


@pytest.mark.parametrize("key", KEYS)
async def test_null_was_looked_up_and_is_empty_so_nobody_asks_again(
    served: Served, key: str
) -> None:
    prefetch = prefetch_of(myeloma()) | {key: None}
    answer = await served.hook(call(prefetch, fhirServer=EHR))
    assert answer.status_code == 200
    assert served.wire.asked == []
    assert served.last()["inputsMissing"] == [{"code": "null", "key": key}]
    has_card = key not in ("conditions", "medicationRequests", "observations")
    assert bool(answer.json()["cards"]) == has_card or key == "medicationRequests"


async def test_a_chart_of_nothing_but_nulls_is_an_answer_with_its_reason(served: Served) -> None:
    answer = await served.hook(call(dict.fromkeys(KEYS)))
    assert (answer.status_code, answer.json()) == (200, {"cards": []})
    assert served.last()["outcome"] == "no-cancer"


EMPTY = [
    pytest.param({"resourceType": "Bundle"}, id="a Bundle of nothing but its type"),
    pytest.param(bundle(), id="entry []"),
    pytest.param(bundle() | {"entry": None}, id="entry null"),
    pytest.param(bundle() | {"total": 0, "link": []}, id="total 0"),
    pytest.param(bundle() | {"entry": [{}]}, id="an entry without anything"),
    pytest.param(
        bundle() | {"entry": [{"fullUrl": "urn:uuid:x", "search": {"mode": "match"}}]},
        id="an entry without resource",
    ),
    pytest.param(bundle() | {"entry": [{"resource": None}]}, id="an entry with null"),
    pytest.param(
        bundle() | {"link": [{"relation": "self", "url": "x"}]}, id="a link that is not next"
    ),
]


@pytest.mark.parametrize("empty", EMPTY)
@pytest.mark.parametrize("key", KEYS)
async def test_an_empty_bundle_is_empty_and_whole(
    served: Served, key: str, empty: dict[str, Any]
) -> None:
    answer = await served.hook(call(prefetch_of(myeloma()) | {key: empty}, fhirServer=EHR))
    assert answer.status_code == 200
    assert served.wire.asked == []
    assert served.last().get("inputsMissing") is None


async def test_the_patient_may_come_in_a_bundle_as_well(served: Served) -> None:
    whole = await expected(served)
    prefetch = prefetch_of(myeloma())
    prefetch["patient"] = bundle(prefetch["patient"])
    assert cards_but_ids(await served.hook(call(prefetch))) == whole


async def test_bundles_inside_bundles_are_opened(served: Served) -> None:
    whole = await expected(served)
    prefetch = prefetch_of(myeloma())
    prefetch["observations"] = bundle(bundle(prefetch["observations"]))
    assert cards_but_ids(await served.hook(call(prefetch))) == whole


async def test_a_resource_counts_under_whatever_key_it_came(served: Served) -> None:
    whole = await expected(served)
    prefetch = prefetch_of(myeloma())
    prefetch["conditions"], prefetch["observations"] = (
        prefetch["observations"],
        prefetch["conditions"],
    )
    prefetch["procedures"]["entry"].append({"resource": {"resourceType": "Provenance"}})
    assert cards_but_ids(await served.hook(call(prefetch))) == whole


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(5, id="a number"),
        pytest.param("Bundle", id="a text"),
        pytest.param([], id="an array"),
        pytest.param(True, id="a boolean"),
        pytest.param({}, id="an object without resourceType"),
        pytest.param({"resourceType": None}, id="resourceType null"),
        pytest.param({"resourceType": 5}, id="resourceType a number"),
    ],
)
@pytest.mark.parametrize("key", ["patient", "observations", "procedures"])
async def test_what_is_no_resource_at_all_is_400_with_the_key(
    served: Served, key: str, value: Any
) -> None:
    answer = await served.hook(call(prefetch_of(myeloma()) | {key: value}, fhirServer=EHR))
    assert answer.status_code == 400
    assert issue_of(answer)["expression"] == [f"prefetch.{key}"]
    assert served.last()["eventType"] == "request-refused"


# --- what holds nothing that counts -------------------------------------------------------------


def one_alone(value: Any) -> Any:
    return value["entry"][0]["resource"]


def with_entries(entries: Any, **members: Any) -> Callable[[Any], Any]:
    return lambda _: bundle() | {"entry": entries} | members


def of_nobody_else(value: Any) -> Any:
    """The same Bundle, each resource another patient's."""
    return bundle(*(of_another(entry["resource"]) for entry in value["entry"]))


NOT_HAD = [
    pytest.param(one_alone, "malformed", id="one resource in place of a Bundle"),
    pytest.param(lambda _: charts.patient(), "malformed", id="a Patient in its place"),
    pytest.param(lambda _: {"resourceType": "Parameters"}, "malformed", id="Parameters"),
    pytest.param(with_entries({}), "malformed", id="an object in place of the entries"),
    pytest.param(with_entries("x"), "malformed", id="a text in place of the entries"),
    pytest.param(with_entries(["x", 5, None]), "malformed", id="entries that are no objects"),
    pytest.param(with_entries([{"resource": "x"}]), "malformed", id="a resource that is none"),
    pytest.param(
        with_entries([{"fullUrl": "x"}] * 3, total=3), "paging-cut", id="entries without resources"
    ),
    pytest.param(with_entries([], total=3), "paging-cut", id="a total, and no entries"),
    pytest.param(of_nobody_else, "other-patient", id="of another patient alone"),
]
BUNDLES = [key for key in KEYS if key != "patient"]


@pytest.mark.parametrize(("spoil", "why"), NOT_HAD)
@pytest.mark.parametrize("key", BUNDLES)
async def test_a_key_that_holds_nothing_that_counts_is_read_from_the_server(
    served: Served, key: str, spoil: Callable[[Any], Any], why: str
) -> None:
    whole = await expected(served)
    prefetch = prefetch_of(myeloma())
    prefetch[key] = spoil(prefetch[key])
    assert cards_but_ids(await served.hook(call(prefetch, fhirServer=EHR))) == whole
    assert served.wire.kinds == [TYPE_OF[key]]
    assert served.last().get("issues") is None


@pytest.mark.parametrize(("spoil", "why"), NOT_HAD)
@pytest.mark.parametrize("key", BUNDLES)
async def test_without_a_server_it_is_412_where_it_is_needed_and_said_where_it_is_not(
    served: Served, key: str, spoil: Callable[[Any], Any], why: str
) -> None:
    prefetch = prefetch_of(myeloma())
    prefetch[key] = spoil(prefetch[key])
    if key in OPTIONAL:
        await assert_done_without(served, call(prefetch), key, why)
        return
    answer = await served.hook(call(prefetch))
    assert answer.status_code == 412
    assert issue_of(answer)["diagnostics"].startswith(f"{key} ")
    assert served.last()["outcome"] == "data-unavailable"


NO_PATIENT = [
    pytest.param(charts.patient("p2"), id="another patient"),
    pytest.param({"resourceType": "Patient"}, id="a Patient without an id"),
    pytest.param(bundle(charts.patient("p2")), id="another patient in a Bundle"),
    pytest.param(charts.ecog(1, "2026-01-01"), id="an Observation of this patient"),
]


@pytest.mark.parametrize("value", NO_PATIENT)
async def test_what_is_not_this_patient_is_no_patient(served: Served, value: Any) -> None:
    whole = await expected(served)
    prefetch = prefetch_of(myeloma()) | {"patient": value}
    answer = await served.hook(call(prefetch))
    assert answer.status_code == 412
    assert issue_of(answer)["diagnostics"].startswith("patient ")
    assert cards_but_ids(await served.hook(call(prefetch, fhirServer=EHR))) == whole


async def test_a_total_beside_entries_is_nothing_to_complain_of(served: Served) -> None:
    whole = await expected(served)
    for total in (99, 0, 1, -1, 1.5, "many", None):
        prefetch = prefetch_of(myeloma())
        prefetch["observations"]["total"] = total
        assert cards_but_ids(await served.hook(call(prefetch))) == whole, total


async def test_a_patient_named_by_the_address_of_an_entry_is_this_patient(served: Served) -> None:
    urn = "urn:uuid:0b2f8ae2-6e8e-4bd4-8d3e-3f0f9b6f8d11"
    prefetch = prefetch_of(myeloma())
    whole = await expected(served)
    prefetch["patient"] = bundle() | {
        "entry": [{"fullUrl": urn, "resource": prefetch["patient"]}],
    }
    for key in BUNDLES:
        for entry in prefetch[key]["entry"]:
            owner = "subject" if "subject" in entry["resource"] else "patient"
            entry["resource"][owner] = {"reference": urn}
    assert cards_but_ids(await served.hook(call(prefetch))) == whole


async def test_a_server_that_gives_only_others_is_412(tmp_path: Path) -> None:
    """It passes over `patient=`, and this patient is not among those it gives."""
    foreign = [of_another(r) for r in myeloma() if r["resourceType"] == "Observation"]

    class Server(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            body = json.dumps(bundle(*foreign)).encode()
            return httpx.Response(200, stream=httpx.ByteStream(body))

    prefetch = prefetch_of(myeloma())
    del prefetch["observations"]
    with serving(tmp_path, transport=Server()) as served:
        answer = await served.hook(call(prefetch, fhirServer=EHR))
        assert answer.status_code == 412
        assert "Observation" in issue_of(answer)["diagnostics"]


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(bundle() | {"total": 221}, id="a total, and no entries"),
        pytest.param(bundle() | {"entry": "x"}, id="a text in place of the entries"),
    ],
)
async def test_a_server_whose_answer_holds_nothing_that_counts_is_412(
    tmp_path: Path, page: Any
) -> None:
    class Server(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, stream=httpx.ByteStream(json.dumps(page).encode()))

    prefetch = prefetch_of(myeloma())
    del prefetch["conditions"]
    with serving(tmp_path, transport=Server()) as served:
        answer = await served.hook(call(prefetch, fhirServer=EHR))
        assert answer.status_code == 412
        assert "Condition" in issue_of(answer)["diagnostics"]


# --- whose resources, and which of them are sound -----------------------------------------------


def of_another(resource: dict[str, Any]) -> dict[str, Any]:
    key = next((k for k in ("subject", "patient", "individual") if k in resource), "")
    other = resource | {"id": f"foreign-{resource['id']}"}
    return other | ({key: {"reference": "Patient/p2"}} if key in resource else {})


async def test_resources_of_another_patient_are_left_out_and_counted(served: Served) -> None:
    whole = await expected(served)
    foreign = [of_another(r) for r in myeloma() if r["resourceType"] != "Patient"]
    foreign.append(of_another(charts.disease_status("full-remission", "2026-11-20")))
    answer = await served.hook(call(prefetch_of([*myeloma(), *foreign])))
    assert served.last()["issues"] == {"other-patient": len(foreign)}
    ((summary, detail),) = cards_but_ids(answer)
    assert summary == whole[0][0]
    assert f"{len(foreign)} entries of the chart could not be used." in detail
    assert "foreign-" not in answer.text
    assert set(served.last()["inputsByType"].values()) <= {1, 2}


async def test_a_chart_of_somebody_else_alone_is_no_chart(served: Served) -> None:
    body = call(prefetch_of(myeloma()))
    body["context"]["patientId"] = "p9"
    answer = await served.hook(body)
    assert answer.status_code == 412
    assert issue_of(answer)["diagnostics"].startswith("patient holds nothing of this patient")


NO_RESOURCE: list[Any] = [
    pytest.param({"resourceType": 5}, id="a resourceType that is a number"),
    pytest.param({"id": "x"}, id="no resourceType"),
    pytest.param("text", id="a text"),
    pytest.param([1], id="an array"),
    pytest.param({"resourceType": "Observation", "id": 5}, id="an id that is a number"),
    pytest.param({"resourceType": "Observation", "code": "x"}, id="a code that is a text"),
    pytest.param(
        charts.disease_status("stable", "2026-11-03") | {"code": []}, id="a code that is an array"
    ),
    pytest.param(
        charts.disease_status("stable", "2026-11-03") | {"effectiveDateTime": 20261103},
        id="a date that is a number",
    ),
    pytest.param(charts.disease_status("stable", "2026-11-03") | {"status": None}, id="no status"),
]


@pytest.mark.parametrize("faulty", NO_RESOURCE)
async def test_a_faulty_resource_costs_itself_and_is_counted(served: Served, faulty: Any) -> None:
    ((summary, _),) = await expected(served)
    prefetch = prefetch_of(myeloma())
    prefetch["observations"]["entry"].insert(0, {"resource": faulty})
    ((still, detail),) = cards_but_ids(await served.hook(call(prefetch)))
    assert still == summary
    assert served.last()["issues"] == {"invalid-resource": 1}
    assert "1 entry of the chart could not be used." in detail


@pytest.mark.parametrize("entry", [5, "text", [], None])
async def test_an_entry_that_is_no_object_costs_itself_and_is_counted(
    served: Served, entry: Any
) -> None:
    ((summary, _),) = await expected(served)
    prefetch = prefetch_of(myeloma())
    prefetch["observations"]["entry"].insert(0, entry)
    ((still, _),) = cards_but_ids(await served.hook(call(prefetch)))
    assert still == summary
    assert served.last()["issues"] == {"invalid-resource": 1}


async def test_a_broken_entry_on_the_fhir_server_is_counted_as_well(tmp_path: Path) -> None:
    faulty = {"resourceType": "Observation", "id": "o1", "code": "x"}
    faulty["subject"] = {"reference": "Patient/p1"}  # type: ignore[assignment]
    with serving(tmp_path, chart=[*myeloma(), faulty]) as served:
        answer = await served.hook(call(fhirServer=EHR))
        assert len(cards_but_ids(answer)) == 1
        assert served.last()["issues"] == {"invalid-resource": 1}


# --- values that charts really hold -------------------------------------------------------------

ODD_DATES = [
    pytest.param("2026-02-30", "invalid-date", id="a day that does not exist"),
    pytest.param("2026-13-01", "invalid-date", id="a month that does not exist"),
    pytest.param("0000-01-01", "invalid-date", id="the year 0"),
    pytest.param("26-11-02", "invalid-date", id="two digits for a year"),
    pytest.param("02.11.2026", "invalid-date", id="a German date"),
    pytest.param("yesterday", "invalid-date", id="a word"),
    pytest.param("2026-11-02 08:00", "invalid-date", id="a space for the T"),
    pytest.param("２０２６-11-02", None, id="wide digits"),
    pytest.param("9999-12-31", "future-date", id="the end of time"),
    pytest.param("2026-11-22", "future-date", id="tomorrow"),
    pytest.param("0001-01-01", "impossible-date", id="the beginning of time"),
    pytest.param("1900-01-01", "impossible-date", id="before the birth"),
]


@pytest.mark.parametrize(("day", "code"), ODD_DATES)
@pytest.mark.parametrize("where", ["observation", "order", "dose", "condition", "procedure"])
async def test_an_impossible_date_costs_what_it_dates_and_is_an_issue(
    served: Served, where: str, day: str, code: str | None
) -> None:
    odd: dict[str, Any] = {
        "observation": charts.disease_status("progression", day, id="odd"),
        "order": charts.order("bortezomib", day, id="odd"),
        "dose": charts.given("bortezomib", day, id="odd")[0],
        "condition": charts.condition("dlbcl", onset=day, abated=day, id="odd"),
        "procedure": charts.procedure("asct", day, id="odd"),
    }[where]
    answer = await served.hook(call(prefetch_of([*myeloma(), odd])))
    assert answer.status_code == 200, answer.text
    found = served.last().get("issues") or {}
    if code is not None and where != "condition":
        assert code in found


async def test_a_unit_that_cannot_be_compared_is_an_issue_and_no_number(served: Served) -> None:
    values = [
        charts.marker("m-protein", "2026-09-01", 1.0, unit="furlongs"),
        charts.marker("m-protein", "2026-10-01", 9.0, unit="furlongs"),
    ]
    answer = await served.hook(call(prefetch_of([*myeloma(), *values])))
    assert answer.status_code == 200
    assert served.last()["issues"] == {"unknown-unit": 2}
    assert "furlongs" not in answer.text


NUMBERS = [
    pytest.param("1e25", id="more digits than are reckoned with"),
    pytest.param("1e400", id="beyond a float"),
    pytest.param("1e999999", id="beyond a decimal"),
    pytest.param("1e999999999999", id="beyond any memory"),
    pytest.param("-1e30", id="far below zero"),
    pytest.param("1e-400", id="next to zero"),
    pytest.param("1e-999999999999", id="as next to zero as can be"),
    pytest.param("0." + "1" * 5000, id="5,000 decimals"),
    pytest.param("9" * 4000, id="4,000 digits"),
    pytest.param("-0.0", id="minus zero"),
    pytest.param("1E+2", id="an exponent in capitals"),
    pytest.param('"12"', id="a text"),
    pytest.param("true", id="a boolean"),
    pytest.param("null", id="null"),
    pytest.param("[1]", id="an array"),
    pytest.param("{}", id="an object"),
    pytest.param("9" * 5000, id="5,000 digits"),
]


@pytest.mark.parametrize("number", NUMBERS)
async def test_no_number_is_an_error_of_ours_wherever_it_stands(
    served: Served, number: str
) -> None:
    marker = [
        charts.marker("m-protein", f"2026-{month}-01", 12345, id=month) for month in ("02", "06")
    ]
    grade = charts.ecog(1, "2026-06-01")
    grade["valueQuantity"] = {"value": 12345}
    del grade["valueInteger"]
    supply = charts.order("lenalidomide", "2026-03-05", id="supply")
    supply["dispenseRequest"] = {
        "numberOfRepeatsAllowed": 12345,
        "expectedSupplyDuration": {"value": 12345, "code": "d"},
    }
    cycle = charts.order("lenalidomide", "2026-04-05", id="cycle")
    repeat = {"period": 12345, "periodUnit": "wk", "count": 12345}
    cycle["dosageInstruction"][0]["timing"]["repeat"] |= repeat | {
        "boundsDuration": {"value": 12345, "code": "a"}
    }
    integer = charts.ecog(12345, "2026-07-01", id="integer")
    limit = charts.marker("m-protein", "2026-08-01", 2.0, high=12345, id="limit")
    for extra in (marker, [grade], [supply], [cycle], [integer], [limit]):
        body = json.dumps(call(prefetch_of([*myeloma(), *extra])))
        assert "12345" in body
        answer = await served.hook(body.replace("12345", number))
        assert len(cards_but_ids(answer)) == 1


async def test_drugs_in_free_text_are_read_and_those_nobody_knows_are_an_issue(
    served: Served,
) -> None:
    whole = await expected(served)
    chart = [r for r in myeloma() if not r["resourceType"].startswith("Medication")]
    for name, day in (("Lenalidomide 25 mg PO caps", "05"), ("DEXAMETHASONE 40MG TAB", "05")):
        order = charts.order("lenalidomide", f"2026-01-{day}", id=name[:4])
        order["medicationCodeableConcept"] = {"text": name}
        chart.append(order)
    unknown = charts.order("lenalidomide", "2026-01-05", id="unknown")
    unknown["medicationCodeableConcept"] = {"text": "Zzyzximab 5 mg"}
    answer = await served.hook(call(prefetch_of([*chart, unknown])))
    ((summary, _),) = cards_but_ids(answer)
    assert summary == whole[0][0]
    assert served.last()["issues"] == {"unrecognised-drug": 1}
    assert "Zzyzximab" not in answer.text


# --- medications that stand apart ---------------------------------------------------------------

DRUG = {"resourceType": "Medication", "id": "len", "code": {"text": "lenalidomide"}}


def pointing(reference: str, **members: Any) -> list[dict[str, Any]]:
    """The myeloma chart, its lenalidomide ordered by reference."""
    chart = [r for r in myeloma() if r["resourceType"] != "MedicationAdministration"]
    for resource in chart:
        text = resource.get("medicationCodeableConcept", {}).get("text")
        if text == "lenalidomide":
            del resource["medicationCodeableConcept"]
            resource |= {"medicationReference": {"reference": reference}, **members}
    return chart


@pytest.mark.parametrize(
    ("reference", "extra"),
    [
        pytest.param("#m", {"contained": [DRUG | {"id": "m"}]}, id="contained"),
        pytest.param("Medication/len", {}, id="on the server"),
        pytest.param(f"{EHR}/Medication/len", {}, id="on the server, with its whole address"),
        pytest.param("Medication/len/_history/3", {}, id="on the server, in a version"),
    ],
)
async def test_a_medication_that_an_order_points_at_is_found(
    tmp_path: Path, reference: str, extra: dict[str, Any]
) -> None:
    with serving(tmp_path, chart=[DRUG]) as served:
        answer = await served.hook(call(prefetch_of(pointing(reference, **extra)), fhirServer=EHR))
        assert "lenalidomide" in cards_but_ids(answer)[0][1]
        assert served.last().get("issues") is None
        expected_asked = [] if extra else ["Medication"]
        assert served.wire.kinds == expected_asked


async def test_a_medication_that_came_along_is_not_asked_for(served: Served) -> None:
    prefetch = prefetch_of(pointing("Medication/len"))
    prefetch["medicationRequests"]["entry"].append(
        {"resource": DRUG, "search": {"mode": "include"}}
    )
    answer = await served.hook(call(prefetch, fhirServer=EHR))
    assert "lenalidomide" in cards_but_ids(answer)[0][1]
    assert served.wire.asked == []


@pytest.mark.parametrize(
    ("reference", "faults", "server"),
    [
        pytest.param("Medication/gone", [], EHR, id="the server does not know it"),
        pytest.param("Medication/len", [Fault("status", status=500)], EHR, id="the server fails"),
        pytest.param("Medication/len", [], None, id="no server is given"),
        pytest.param("https://evil.example/fhir/Medication/len", [], EHR, id="it lies elsewhere"),
        pytest.param("https://ehr.example/other/Medication/len", [], EHR, id="not below the base"),
        pytest.param("Medication/../Patient/p1", [], EHR, id="a way out of the type"),
        pytest.param("Medication/len&patient=p2", [], EHR, id="more parameters"),
        pytest.param("", [], EHR, id="an empty reference"),
    ],
)
async def test_a_medication_that_cannot_be_had_is_an_issue_of_its_order(
    tmp_path: Path, reference: str, faults: list[Fault], server: str | None
) -> None:
    with serving(tmp_path, chart=[DRUG], faults=faults) as served:
        answer = await served.hook(call(prefetch_of(pointing(reference)), fhirServer=server))
        assert answer.status_code == 200
        assert served.last()["issues"]["invalid-resource"] >= 1
        assert {request.url.host for request in served.wire.asked} <= {"ehr.example"}
        for request in served.wire.asked:
            assert request.url.path == "/fhir/Medication"
            assert "patient" not in request.url.params


# --- nothing to say -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chart", "reason"),
    [
        pytest.param(quiet(), "no-cancer", id="no cancer"),
        pytest.param([], "no-cancer", id="nothing"),
        pytest.param(
            [r for r in myeloma() if r["resourceType"] in ("Patient", "Condition")],
            "nothing-to-advise",
            id="a cancer without therapy",
        ),
        pytest.param(
            [charts.patient(deceased="2026-11-10"), *myeloma()[1:]],
            "all-suppressed",
            id="the patient has died",
        ),
    ],
)
async def test_nothing_to_say_is_an_empty_list_whose_reason_is_on_record(
    served: Served, chart: list[dict[str, Any]], reason: str
) -> None:
    answer = await served.hook(call(prefetch_of(chart)))
    assert (answer.status_code, answer.json()) == (200, {"cards": []})
    assert served.last()["outcome"] == reason
