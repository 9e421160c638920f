"""The demo's FHIR server: what FHIR R4, the CDS Hooks Sandbox and our own client ask of it."""

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.operationoutcome import OperationOutcome

from cds_service.demo.fhir_server import create_fhir_app
from cds_service.demo.fhir_server_parameters import PARAMETERS

BASE = "http://demo.test/fhir"
LOINC = "http://loinc.org"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"


def concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code} if system else {"code": code}]}


def observation(rid: str, code: str, when: str | None, **fields: Any) -> dict[str, Any]:
    made = {
        "resourceType": "Observation",
        "id": rid,
        "status": "final",
        "subject": {"reference": "Patient/p1"},
        "code": concept(LOINC, code),
    }
    return made | ({"effectiveDateTime": when} if when else {}) | fields


PATIENTS = [
    {
        "resourceType": "Patient",
        "id": "p1",
        "meta": {"lastUpdated": "2026-01-01T10:00:00Z"},
        "identifier": [{"system": "urn:oid:1.2", "value": "MRN-1"}],
        "name": [{"family": "Müller-Lüdenscheidt", "given": ["Ann", "Beth"]}],
        "birthDate": "1950-03-01",
        "gender": "female",
    },
    {
        "resourceType": "Patient",
        "id": "p2",
        "meta": {"lastUpdated": "2026-02-01T10:00:00Z"},
        "name": [{"text": "Zoe Annan"}],
        "active": True,
    },
]
OBSERVATIONS = [
    observation("year", "1-1", "2024"),
    observation("june", "1-1", "2024-06"),
    observation("day", "2-2", "2024-06-15", category=[concept(CATEGORY, "laboratory")]),
    observation("noon", "2-2", "2024-06-15T12:00:00Z", status="preliminary"),
    observation("zone", "3-3", "2024-06-15T23:30:00-02:00"),
    observation("undated", "3-3", None) | {"code": concept("", "local")},
    observation("spell", "3-3", None, effectivePeriod={"start": "2024-06-10", "end": "2024-06-20"}),
    observation("other", "1-1", "2024-06-15", subject={"reference": "Patient/p2"}),
]
CONDITION = {
    "resourceType": "Condition",
    "id": "c1",
    "subject": {"reference": "Patient/p1"},
    "clinicalStatus": concept("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
    "onsetDateTime": "2020-01-01",
    "recordedDate": "2020-02-01",
}
ORDER = {
    "resourceType": "MedicationRequest",
    "id": "m1",
    "status": "active",
    "intent": "order",
    "subject": {"reference": "Patient/p1"},
    "authoredOn": "2024-01-05",
    "medicationCodeableConcept": concept("http://www.nlm.nih.gov/research/umls/rxnorm", "1"),
}
PROCEDURE = {
    "resourceType": "Procedure",
    "id": "s1",
    "status": "completed",
    "subject": {"reference": "Patient/p1"},
    "performedPeriod": {"start": "2024-03-01"},
}


def bundle(*resources: Any, **fields: Any) -> dict[str, Any]:
    entries = [{"resource": resource} for resource in resources]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries} | fields


CHART = json.dumps(bundle(*PATIENTS, *OBSERVATIONS, CONDITION, ORDER, PROCEDURE)).encode()

Ask = Callable[..., httpx.AsyncClient]


def asking(**server: Any) -> httpx.AsyncClient:
    options: dict[str, Any] = {"prefix": "/fhir", "clock": lambda: datetime(2026, 5, 1, tzinfo=UTC)}
    app = create_fhir_app([CHART], **(options | server))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=BASE)


@pytest.fixture
async def server() -> AsyncIterator[httpx.AsyncClient]:
    async with asking() as client:
        yield client


def found(answer: httpx.Response) -> list[str]:
    """The ids of a searchset's matches, which has to be valid FHIR and count them rightly."""
    assert answer.status_code == 200, answer.text
    Bundle.model_validate(answer.json())
    entries = answer.json().get("entry", [])
    matches = [entry for entry in entries if entry["search"]["mode"] == "match"]
    for entry in matches:
        resource = entry["resource"]
        assert entry["fullUrl"] == f"{BASE}/{resource['resourceType']}/{resource['id']}"
    return [entry["resource"]["id"] for entry in matches]


def refused(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("application/fhir+json")
    outcome = OperationOutcome.model_validate(answer.json())
    assert [issue.code for issue in outcome.issue] == [code]


# Capabilities and reading


async def test_its_capability_statement_is_valid_and_of_r4(server: httpx.AsyncClient) -> None:
    answer = await server.get("/metadata")
    CapabilityStatement.model_validate(answer.json())
    assert answer.json()["fhirVersion"] == "4.0.1"
    assert answer.json()["implementation"]["url"] == BASE


@pytest.mark.parametrize("kind", sorted(PARAMETERS))
async def test_every_search_parameter_it_names_is_understood(
    kind: str, server: httpx.AsyncClient
) -> None:
    statement = (await server.get("/metadata")).json()
    (capability,) = [c for c in statement["rest"][0]["resource"] if c["type"] == kind]
    for parameter in capability["searchParam"]:
        value = "2024" if parameter["type"] == "date" else "x"
        strict = {"Prefer": "handling=strict"}
        answer = await server.get(f"/{kind}", params={parameter["name"]: value}, headers=strict)
        assert answer.status_code == 200, parameter


async def test_a_resource_is_served_as_the_bytes_it_was_loaded_with() -> None:
    raw = b'{"resourceType":"Observation", "id":"o1",\n "valueQuantity": {"value": 1.10}}'
    async with asking() as server:
        await server.get("/metadata")
    app = create_fhir_app([b'{"resourceType":"Bundle","entry":[{"resource":' + raw + b"}]}"])
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://demo.test"
    ) as server:
        assert (await server.get("/Observation/o1")).content == raw
        assert raw in (await server.get("/Observation")).content


async def test_a_resource_that_is_not_there(server: httpx.AsyncClient) -> None:
    refused(await server.get("/Patient/p9"), 404, "not-found")
    refused(await server.get("/Nonsense/p1"), 404, "not-found")
    refused(await server.get("/Nonsense"), 404, "not-found")
    refused(await server.get("/Patient/p1/_history/1"), 404, "not-found")
    refused(await server.post("/_services/smart/Launch", json={}), 404, "not-found")
    refused(await server.delete("/Patient/p1"), 405, "not-supported")


# Searching


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("Patient", ["p1", "p2"]),
        ("Patient?_id=p2,p1", ["p2", "p1"]),
        ("Patient?identifier=urn:oid:1.2|MRN-1", ["p1"]),
        ("Patient?identifier=MRN-1", ["p1"]),
        ("Patient?identifier=urn:oid:1.2|", ["p1"]),
        ("Patient?identifier=|MRN-1", []),
        ("Patient?name=ann", ["p1", "p2"]),
        ("Patient?name=MULLER", ["p1"]),
        ("Patient?name=nan", []),
        ("Patient?name:contains=nan", ["p2"]),
        ("Patient?name:exact=beth", ["p1"]),
        ("Patient?family=mull", ["p1"]),
        ("Patient?birthdate=lt1951", ["p1"]),
        ("Patient?gender=female", ["p1"]),
        ("Patient?_lastUpdated=ge2026-01-15", ["p2"]),
        ("Observation?patient=p2", ["other"]),
        ("Observation?patient=Patient/p2", ["other"]),
        (f"Observation?patient={BASE}/Patient/p2", ["other"]),
        ("Observation?subject=Patient/p2", ["other"]),
        ("Observation?subject:Patient=p2", ["other"]),
        ("Observation?patient=p9", []),
        ("Observation?patient=Group/p1", []),
        ("Observation?patient=p1&code=1-1", ["year", "june"]),
        (f"Observation?patient=p1&code={LOINC}|1-1", ["year", "june"]),
        ("Observation?patient=p1&code=http://snomed.info/sct|1-1", []),
        ("Observation?patient=p1&code=|local", ["undated"]),
        ("Observation?patient=p1&code=local,2-2", ["undated", "day", "noon"]),
        ("Observation?code=2-2&code=1-1", []),
        ("Observation?category=laboratory", ["day"]),
        (f"Observation?category={CATEGORY}|laboratory", ["day"]),
        ("Observation?status=preliminary", ["noon"]),
        ("Observation?patient=p1&status=final,preliminary&code=2-2", ["day", "noon"]),
        ("Condition?patient=p1&clinical-status=active", ["c1"]),
        ("Condition?clinical-status=resolved", []),
        ("Condition?onset-date=2020-01-01", ["c1"]),
        ("Condition?recorded-date=gt2020-01-15", ["c1"]),
        ("MedicationRequest?patient=p1&status=active&intent=order&authoredon=le2024-01-05", ["m1"]),
        ("MedicationRequest?code=1", ["m1"]),
        ("Procedure?date=ge2025", ["s1"]),
        ("Procedure?date=2024", []),
        ("DiagnosticReport?patient=p1", []),
    ],
)
async def test_a_search_finds_what_fhir_says(
    query: str, ids: list[str], server: httpx.AsyncClient
) -> None:
    strict = {"Prefer": "handling=strict"}
    answer = await server.get(f"/{query}", headers=strict)
    assert sorted(found(answer)) == sorted(ids)
    assert answer.json()["total"] == len(ids)
    kind, _, form = query.partition("?")
    headers = strict | {"Content-Type": "application/x-www-form-urlencoded"}
    posted = await server.post(f"/{kind}/_search", content=form, headers=headers)
    assert posted.json() == answer.json()


@pytest.mark.parametrize(
    ("date", "ids"),
    [
        pytest.param("2024", {"year", "june", "day", "noon", "zone", "spell"}, id="year"),
        pytest.param("eq2024-06", {"june", "day", "noon", "zone", "spell"}, id="month"),
        pytest.param("2024-06-15", {"day", "noon"}, id="day; zone is the 16th in UTC"),
        pytest.param("2024-06-16", {"zone"}, id="the day in UTC"),
        pytest.param("2024-06-15T12:00:00Z", {"noon"}, id="second"),
        pytest.param("2024-06-15T14:00:00+02:00", {"noon"}, id="another zone"),
        pytest.param("gt2024-06-15", {"year", "june", "zone", "spell"}, id="gt"),
        pytest.param("ge2024-06-15", {"year", "june", "day", "noon", "zone", "spell"}, id="ge"),
        pytest.param("lt2024-06-15", {"year", "june", "spell"}, id="lt"),
        pytest.param("le2024-06-15", {"year", "june", "day", "noon", "spell"}, id="le"),
        pytest.param("gt2025", set(), id="later"),
        pytest.param("ge2024-06-21,lt2024-06-02", {"year", "june"}, id="one or the other"),
        pytest.param("ge2024-06-20", {"year", "june", "spell"}, id="a period that ends on it"),
        pytest.param("le2024-06-10", {"year", "june", "spell"}, id="a period that starts on it"),
    ],
)
async def test_dates_are_compared_as_intervals(
    date: str, ids: set[str], server: httpx.AsyncClient
) -> None:
    answer = await server.get("/Observation", params={"patient": "p1", "date": date})
    assert set(found(answer)) == ids


async def test_two_bounds_are_both_held(server: httpx.AsyncClient) -> None:
    query = "/Observation?patient=p1&date=ge2024-06-15&date=le2024-06-15"
    assert set(found(await server.get(query))) == {"year", "june", "day", "noon", "spell"}


@pytest.mark.parametrize(
    ("sort", "first", "last"),
    [
        ("date", "year", "undated"),
        ("-date", "year", "undated"),
        ("_id", "day", "zone"),
        ("-_id", "zone", "day"),
    ],
)
async def test_results_are_sorted_with_the_undated_last(
    sort: str, first: str, last: str, server: httpx.AsyncClient
) -> None:
    ids = found(await server.get(f"/Observation?patient=p1&_sort={sort}"))
    assert (ids[0], ids[-1]) == (first, last)


async def test_patients_are_sorted_by_their_update(server: httpx.AsyncClient) -> None:
    assert found(await server.get("/Patient?_sort=-_lastUpdated")) == ["p2", "p1"]


async def test_pages_follow_one_another_to_the_end(server: httpx.AsyncClient) -> None:
    answer = await server.get("/Observation?patient=p1&_count=3&_sort=_id")
    pages = [found(answer)]
    while links := [x["url"] for x in answer.json()["link"] if x["relation"] == "next"]:
        assert "patient" not in links[0]
        answer = await server.get(links[0])
        assert answer.json()["total"] == 7
        pages.append(found(answer))
    assert [len(page) for page in pages] == [3, 3, 1]
    ids = [rid for page in pages for rid in page]
    assert ids == sorted(ids)


async def test_a_page_link_that_is_none_of_ours(server: httpx.AsyncClient) -> None:
    for link in ("x", "e30=", "WzEsMl0=", "ü"):
        refused(await server.get("/Observation", params={"_page": link}), 400, "invalid")


@pytest.mark.parametrize("query", ["_summary=count", "_count=0"])
async def test_only_the_count_can_be_asked_for(query: str, server: httpx.AsyncClient) -> None:
    answer = await server.get(f"/Observation?patient=p1&{query}")
    assert found(answer) == []
    assert answer.json()["total"] == 7
    assert "entry" not in answer.json()


async def test_the_total_can_be_left_out(server: httpx.AsyncClient) -> None:
    assert "total" not in (await server.get("/Observation?_total=none")).json()
    assert (await server.get("/Observation?_total=accurate")).json()["total"] == 8


@pytest.mark.parametrize("name", ["made-up", "_include", "patient.name", "_sort", "_summary"])
async def test_what_is_not_supported_is_ignored_and_said(
    name: str, server: httpx.AsyncClient
) -> None:
    answer = await server.get("/Observation", params={"patient": "p2", name: "x"})
    assert found(answer) == ["other"]
    assert answer.json()["total"] == 1
    outcome = answer.json()["entry"][-1]
    assert outcome["search"] == {"mode": "outcome"}
    OperationOutcome.model_validate(outcome["resource"])
    assert name in outcome["resource"]["issue"][0]["diagnostics"]
    assert answer.json()["link"] == [{"relation": "self", "url": f"{BASE}/Observation?patient=p2"}]
    strict = {"Prefer": "return=minimal; handling=strict"}
    refused(await server.get("/Observation", params={name: "x"}, headers=strict), 400, "invalid")


@pytest.mark.parametrize(
    "query",
    [
        "code:not=1-1",
        "code:in=x",
        "patient=",
        "date=yesterday",
        "date=ap2024",
        "date=2024-02-30",
        "date=9999-12-31",
        "_count=many",
        "_count=-1",
    ],
)
async def test_a_search_without_a_sensible_reading_is_refused(
    query: str, server: httpx.AsyncClient
) -> None:
    refused(await server.get(f"/Observation?{query}"), 400, "invalid")


# As the Sandbox asks


async def test_the_sandbox_gets_through_its_start(server: httpx.AsyncClient) -> None:
    browser = {"Origin": "https://sandbox.cds-hooks.org", "Accept": "application/json+fhir"}
    for path in ("/metadata", "/Patient", "/Patient/p1", "/Condition?patient=p1"):
        answer = await server.get(path, headers=browser)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "*"
    assert (await server.get("/Patient")).json()["total"] == 2


async def test_errors_can_be_read_by_a_browser_too(server: httpx.AsyncClient) -> None:
    browser = {"Origin": "https://sandbox.cds-hooks.org"}
    for path in ("/Patient/p9", "/Nonsense", "/Observation?date=x", "/a/b/c/d"):
        answer = await server.get(path, headers=browser)
        assert answer.headers["access-control-allow-origin"] == "*"


async def test_a_failure_of_its_own_can_be_read_by_a_browser_too() -> None:
    def broken() -> str:
        raise RuntimeError("canary")

    async with asking(new_id=broken) as server:
        browser = {"Origin": "https://sandbox.cds-hooks.org"}
        answer = await server.post("/Patient", json=PATIENTS[0], headers=browser)
    refused(answer, 500, "exception")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "canary" not in answer.text


async def test_a_preflight_is_answered(server: httpx.AsyncClient) -> None:
    asked = {
        "Origin": "https://sandbox.cds-hooks.org",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
        "Access-Control-Request-Private-Network": "true",
    }
    answer = await server.options("/_services/smart/Launch", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-headers"] == "authorization,content-type"
    assert answer.headers["access-control-allow-private-network"] == "true"


# Writing


async def test_a_resource_is_created_under_a_new_id_and_found() -> None:
    async with asking(new_id=lambda: "fresh") as server:
        code, value = '{"text":"x"}', '{"value":1.10}'
        body = '{"resourceType":"Observation","id":"mine","status":"final",'
        body += f'"code":{code},"valueQuantity":{value}}}'
        answer = await server.post("/Observation", content=body)
        assert answer.status_code == 201
        assert answer.headers["location"] == f"{BASE}/Observation/fresh"
        made = await server.get("/Observation/fresh")
        assert made.json()["id"] == "fresh"
        assert made.json()["meta"]["lastUpdated"] == "2026-05-01T00:00:00.000Z"
        assert '"value":1.10' in made.text
        assert found(await server.get("/Observation?_lastUpdated=2026-05-01")) == ["fresh"]


async def test_a_resource_is_replaced_and_found_by_its_new_values(
    server: httpx.AsyncClient,
) -> None:
    changed = observation("other", "9-9", "2025", subject={"reference": "Patient/p1"})
    assert (await server.put("/Observation/other", json=changed)).status_code == 200
    assert found(await server.get("/Observation?patient=p2")) == []
    assert found(await server.get("/Observation?code=9-9")) == ["other"]
    assert (await server.put("/Observation/new", json=changed | {"id": "new"})).status_code == 201


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        pytest.param("/Patient/p1", {"resourceType": "Patient", "id": "p2"}, 400, id="another id"),
        pytest.param("/Patient/p1", {"resourceType": "Patient"}, 400, id="no id"),
        pytest.param("/Patient/p1", {"resourceType": "Group", "id": "p1"}, 400, id="another type"),
        pytest.param("/Patient/p1", [], 400, id="no resource"),
        pytest.param("/Patient/p_1", {"resourceType": "Patient", "id": "p_1"}, 400, id="bad id"),
        pytest.param(
            "/Nonsense/n", {"resourceType": "Nonsense", "id": "n"}, 404, id="no such type"
        ),
    ],
)
async def test_what_cannot_be_kept_is_refused(
    path: str, body: Any, status: int, server: httpx.AsyncClient
) -> None:
    code = "invalid" if status == 400 else "not-found"
    refused(await server.put(path, json=body), status, code)


def put(resource: dict[str, Any], **entry: Any) -> dict[str, Any]:
    url = f"{resource['resourceType']}/{resource['id']}"
    return {"resource": resource, "request": {"method": "PUT", "url": url}} | entry


def post(resource: dict[str, Any], **entry: Any) -> dict[str, Any]:
    request = {"method": "POST", "url": resource["resourceType"]}
    return {"resource": resource, "request": request} | entry


@pytest.mark.parametrize("path", ["", "/"])
async def test_a_transaction_is_carried_out_with_its_references_resolved(path: str) -> None:
    ids = iter(["new-patient", "new-observation"])
    patient = {"resourceType": "Patient"}
    seen = observation("mine", "1-1", None, subject={"reference": "urn:uuid:aa"})
    unresolved = CONDITION | {"id": "c2", "subject": {"reference": "urn:uuid:nobody"}}
    entries = [post(patient, fullUrl="urn:uuid:aa"), post(seen), put(unresolved)]
    transaction = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    async with asking(new_id=lambda: next(ids)) as server:
        answer = await server.post(f"{BASE}{path}", json=transaction)
        assert answer.status_code == 200
        Bundle.model_validate(answer.json())
        assert answer.json()["type"] == "transaction-response"
        assert [entry["response"] for entry in answer.json()["entry"]] == [
            {"status": "201 Created", "location": "Patient/new-patient"},
            {"status": "201 Created", "location": "Observation/new-observation"},
            {"status": "201 Created", "location": "Condition/c2"},
        ]
        assert found(await server.get("/Observation?patient=new-patient")) == ["new-observation"]
        kept = (await server.get("/Condition/c2")).json()
        assert kept["subject"] == {"reference": "urn:uuid:nobody"}


BAD_ENTRIES = [
    pytest.param(5, 400, id="not an object"),
    pytest.param({"resource": CONDITION}, 400, id="no request"),
    pytest.param({"request": {"method": "PUT", "url": "Patient/p1"}}, 400, id="no resource"),
    pytest.param(
        post(CONDITION) | {"request": {"method": "DELETE", "url": "Condition/c1"}}, 405, id="delete"
    ),
    pytest.param(
        post(CONDITION) | {"request": {"method": "PUT", "url": "Condition?code=1"}},
        412,
        id="conditional update",
    ),
    pytest.param(
        post(CONDITION)
        | {"request": {"method": "POST", "url": "Condition", "ifNoneExist": "code=1"}},
        412,
        id="conditional create",
    ),
]


@pytest.mark.parametrize(("entry", "status"), BAD_ENTRIES)
async def test_a_transaction_is_all_or_nothing(
    entry: Any, status: int, server: httpx.AsyncClient
) -> None:
    good = put(CONDITION | {"id": "c9"})
    transaction = {"resourceType": "Bundle", "type": "transaction", "entry": [good, entry]}
    answer = await server.post(BASE, json=transaction)
    assert answer.status_code == status
    assert answer.json()["issue"][0]["diagnostics"].startswith("Bundle.entry[1]: ")
    assert (await server.get("/Condition/c9")).status_code == 404


@pytest.mark.parametrize(("entry", "status"), BAD_ENTRIES)
async def test_in_a_batch_each_entry_stands_for_itself(
    entry: Any, status: int, server: httpx.AsyncClient
) -> None:
    good = put(CONDITION | {"id": "c9"})
    batch = {"resourceType": "Bundle", "type": "batch", "entry": [entry, good]}
    answer = await server.post(BASE, json=batch)
    Bundle.model_validate(answer.json())
    failed, done = (entry["response"] for entry in answer.json()["entry"])
    assert failed["status"] == str(status)
    OperationOutcome.model_validate(failed["outcome"])
    assert done["status"] == "201 Created"
    assert (await server.get("/Condition/c9")).status_code == 200


@pytest.mark.parametrize("body", ["", "[]", '{"resourceType":"Patient","type":"x"}', CHART])
async def test_what_is_no_transaction_is_refused(
    body: str | bytes, server: httpx.AsyncClient
) -> None:
    refused(await server.post(BASE, content=body), 400, "invalid")


async def test_fixtures_with_urns_are_loaded_as_a_transaction_would() -> None:
    entries = [
        {"fullUrl": "urn:uuid:aa", "resource": {"resourceType": "Patient", "id": "p7"}},
        {"resource": observation("o7", "1-1", None, subject={"reference": "urn:uuid:aa"})},
        {"resource": {"resourceType": "Basic", "id": "g1", "code": {"text": "x"}}},
    ]
    chart = json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries})
    app = create_fhir_app([chart.encode()], prefix="/fhir")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=BASE) as server:
        assert found(await server.get("/Observation?patient=p7")) == ["o7"]
        assert found(await server.get("/Basic")) == ["g1"]


# Tokens


async def test_with_a_token_nothing_but_metadata_is_open() -> None:
    async with asking(token="open-sesame") as server:  # noqa: S106
        assert (await server.get("/metadata")).status_code == 200
        for method, path in (("GET", "/Patient"), ("GET", "/Patient/p1"), ("POST", "/")):
            answer = await server.request(method, path, headers={"Authorization": "Bearer x"})
            refused(answer, 401, "login")
            assert answer.headers["www-authenticate"] == "Bearer"
        right = {"Authorization": "Bearer open-sesame"}
        assert (await server.get("/Patient/p1", headers=right)).status_code == 200
