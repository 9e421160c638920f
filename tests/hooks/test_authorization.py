"""What the token of a call is good for: its patient, its life, its scheme, its scopes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from cds_service.demo.fhir_server_faults import Fault
from cds_service.hooks.authorization import Extent, Grant, extents_of
from hooks.calls import OPTIONAL, REQUIRED, TYPE_OF, bundle, call, myeloma, prefetch_of
from hooks.serving import EHR, Served, issue_of, serving

TOKEN = "canary-token-of-this-call"  # noqa: S105
NEEDED = "patient/Patient.rs patient/Condition.rs patient/MedicationRequest.rs "


def authorised(**members: Any) -> dict[str, Any]:
    given = {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 300, "subject": "us"}
    return {"fhirServer": EHR, "fhirAuthorization": given | members}


# --- scopes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "observations", "procedures"),
    [
        pytest.param("patient/Observation.read", "all", "none", id="1: one type"),
        pytest.param("user/*.read", "all", "all", id="1: every type"),
        pytest.param("patient/*.*", "all", "all", id="1: every type and right"),
        pytest.param("system/*.* openid", "all", "all", id="1: of a system"),
        pytest.param("patient/Observation.write", "none", "none", id="1: to write only"),
        pytest.param("patient/Observation.rs", "all", "none", id="2: read and search"),
        pytest.param("patient/Observation.cruds", "all", "none", id="2: all rights"),
        pytest.param("patient/Observation.s", "all", "none", id="2: search"),
        pytest.param("patient/Observation.r", "all", "none", id="2: read: the server decides"),
        pytest.param("patient/Observation.cud", "none", "none", id="2: to write only"),
        pytest.param("patient/*.rs", "all", "all", id="2: every type"),
        pytest.param(
            "patient/Observation.rs?category=x|laboratory", "part", "none", id="2: a category"
        ),
        pytest.param(
            "patient/Observation.rs?category=a patient/Observation.rs?category=b",
            "part", "none", id="2: two categories",
        ),
        pytest.param(
            "patient/Observation.rs?category=a patient/Observation.rs", "all", "none",
            id="2: a category, and all",
        ),
        pytest.param("patient/*.rs?_tag=x", "part", "part", id="2: a part of every type"),
        pytest.param("patient/*.c user/Procedure.read", "none", "all", id="both versions"),
        pytest.param("", "all", "all", id="no scope: just try"),
        pytest.param("openid fhirUser launch/patient", "all", "all", id="none of data: just try"),
        pytest.param("patient/Observation.x", "all", "all", id="another right: just try"),
        pytest.param("patient/Observation.sr", "all", "all", id="another order: just try"),
        pytest.param("patient/Procedure.rs a.vendor", "all", "all", id="of a vendor: just try"),
        pytest.param("Observation.read", "all", "all", id="no context: just try"),
    ],
)  # fmt: skip
def test_what_a_scope_covers(scope: str, observations: Extent, procedures: Extent) -> None:
    grant = Grant(TOKEN, extents_of(scope))
    found = (grant.extent_of("Observation"), grant.extent_of("Procedure"))
    assert found == (observations, procedures)
    assert TOKEN not in repr(grant)


@pytest.fixture
def server(tmp_path: Path) -> Any:
    with serving(tmp_path, chart=myeloma(), token=TOKEN) as served:
        yield served


async def test_an_optional_type_beyond_the_scope_is_not_asked_for_and_said(server: Served) -> None:
    scope = NEEDED + "patient/Observation.rs patient/Procedure.read"
    answer = await server.hook(call(**authorised(scope=scope)))
    assert answer.status_code == 200
    assert server.wire.kinds == sorted([*(TYPE_OF[key] for key in REQUIRED), "Procedure"])
    assert server.last()["inputsMissing"] == [
        {"key": key, "code": "denied"} for key in sorted(OPTIONAL) if key != "procedures"
    ]
    assert "(the FHIR server refused)" in answer.json()["cards"][0]["detail"]


@pytest.mark.parametrize("lacks", ["Patient", "Condition", "MedicationRequest", "Observation"])
async def test_a_required_type_beyond_the_scope_is_412(server: Served, lacks: str) -> None:
    types = ("Patient", "Condition", "MedicationRequest", "Observation")
    scope = " ".join(f"patient/{kind}.rs" for kind in types if kind != lacks)
    answer = await server.hook(call(**authorised(scope=scope)))
    assert answer.status_code == 412
    issue = issue_of(answer)
    assert issue["code"] == "forbidden"
    assert issue["diagnostics"].endswith(f"leaves out {lacks}")
    assert lacks not in server.wire.kinds


async def test_what_a_scope_covers_in_part_is_read_and_the_rest_said_to_be_unseen(
    server: Served,
) -> None:
    scope = NEEDED + "patient/*.rs patient/Observation.c"
    part = NEEDED + "patient/Observation.rs?category=laboratory patient/Procedure.rs"
    whole = await server.hook(call(**authorised(scope=scope)))
    assert server.last().get("inputsMissing") is None
    answer = await server.hook(call(**authorised(scope=part)))
    assert len(answer.json()["cards"]) == len(whole.json()["cards"]) == 1
    missing = {m["key"]: m["code"] for m in server.last()["inputsMissing"]}
    assert missing["observations"] == "granted-in-part"
    assert "observations (the token covers a part only)" in answer.json()["cards"][0]["detail"]


async def test_medications_beyond_the_scope_are_not_asked_for(tmp_path: Path) -> None:
    chart = myeloma()
    chart.append({
        "resourceType": "MedicationRequest", "id": "by-reference", "status": "active",
        "intent": "order", "authoredOn": "2026-01-05", "subject": {"reference": "Patient/p1"},
        "medicationReference": {"reference": "Medication/m1"},
    })  # fmt: skip
    chart.append({"resourceType": "Medication", "id": "m1", "code": {"text": "lenalidomide"}})
    with serving(tmp_path, chart=chart) as served:
        scope = NEEDED + "patient/Observation.rs"
        await served.hook(call(**authorised(scope=scope)))
        assert "Medication" not in served.wire.kinds
        assert {"key": "medications", "code": "denied"} in served.last()["inputsMissing"]
        await served.hook(call(**authorised(scope=scope + " patient/Medication.rs")))
        assert "Medication" in served.wire.kinds


# --- a token that is not for this call ------------------------------------------------------------

UNUSABLE = [
    pytest.param({"expires_in": 0}, "has expired", id="no second left"),
    pytest.param({"expires_in": -1}, "has expired", id="expired before"),
    pytest.param({"expires_in": "0"}, "has expired", id="as text"),
    pytest.param({"expires_in": " -300 "}, "has expired", id="as text, with spaces"),
    pytest.param({"expires_in": 0.0}, "has expired", id="with a point"),
    pytest.param({"token_type": "DPoP"}, "no Bearer token", id="bound to a key"),
    pytest.param({"token_type": "Basic"}, "no Bearer token", id="another scheme"),
    pytest.param({"token_type": ""}, "no Bearer token", id="no scheme"),
    pytest.param({"patient": "p2"}, "another patient", id="another patient"),
    pytest.param({"patient": "P1"}, "another patient", id="another case is another id"),
    pytest.param({"patient": ""}, "another patient", id="an empty patient"),
]


@pytest.mark.parametrize(("members", "why"), UNUSABLE)
async def test_a_token_that_is_not_for_this_call_is_not_used_and_the_call_is_412(
    server: Served, members: dict[str, Any], why: str
) -> None:
    answer = await server.hook(call(**authorised(**members)))
    assert answer.status_code == 412
    issue = issue_of(answer)
    assert issue["code"] == "forbidden"
    assert why in issue["diagnostics"]
    assert server.wire.asked == server.wire.statements == []
    assert server.last()["outcome"] == "data-unavailable"


@pytest.mark.parametrize(("members", "why"), UNUSABLE)
async def test_a_call_that_lacks_nothing_is_answered_all_the_same(
    server: Served, members: dict[str, Any], why: str
) -> None:
    answer = await server.hook(call(prefetch_of(myeloma()), **authorised(**members)))
    assert len(answer.json()["cards"]) == 1
    assert server.wire.asked == []
    assert server.last().get("inputsMissing") is None


async def test_what_is_optional_is_denied_by_a_token_that_is_not_for_this_call(
    server: Served,
) -> None:
    body = call(prefetch_of(myeloma(), keys=REQUIRED), **authorised(expires_in=0))
    assert len((await server.hook(body)).json()["cards"]) == 1
    assert server.wire.asked == []
    denied = [{"key": key, "code": "denied"} for key in sorted(OPTIONAL)]
    assert server.last()["inputsMissing"] == denied


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"expires_in": 1}, id="a second left"),
        pytest.param({"expires_in": "300"}, id="a number as text"),
        pytest.param({"expires_in": 299.5}, id="half a second"),
        pytest.param({"expires_in": None}, id="null"),
        pytest.param({"expires_in": "soon"}, id="a word says nothing"),
        pytest.param({"expires_in": {}}, id="an object says nothing"),
        pytest.param({"expires_in": True}, id="true says nothing"),
        pytest.param({"token_type": "bearer"}, id="small letters"),
        pytest.param({"token_type": "BEARER"}, id="capitals"),
        pytest.param({"patient": "p1"}, id="this patient"),
        pytest.param({"patient": None}, id="no patient"),
        pytest.param({"unknown": {"x": 1}}, id="a member of a later version"),
    ],
)
async def test_a_token_that_is_for_this_call_is_used(
    server: Served, members: dict[str, Any]
) -> None:
    answer = await server.hook(call(**authorised(**members)))
    assert len(answer.json()["cards"]) == 1
    seen = {request.headers.get("authorization") for request in server.wire.asked}
    assert seen == {f"Bearer {TOKEN}"}


# --- to its own server, and nowhere else --------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location", ["https://evil.example/fhir/Patient/p1", "//evil.example/x", "/elsewhere", ""]
)
async def test_a_redirect_gets_no_token(tmp_path: Path, status: int, location: str) -> None:
    asked: list[httpx.Request] = []

    class Redirecting(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            asked.append(request)
            return httpx.Response(status, headers={"location": location})

    with serving(tmp_path, transport=Redirecting()) as served:
        answer = await served.hook(call(**authorised()))
    assert answer.status_code == 412
    assert {request.url.host for request in asked} == {"ehr.example"}
    assert all(request.url.path.startswith("/fhir/") for request in asked)
    assert TOKEN not in answer.text


@pytest.mark.parametrize(
    "next_url",
    [
        "https://evil.example/fhir/Observation?page=2",
        "https://ehr.example:8443/fhir/Observation?page=2",
        "http://ehr.example/fhir/Observation?page=2",
        "https://ehr.example@evil.example/fhir/Observation?page=2",
        "https://ehr.example.evil.example/fhir/Observation?page=2",
        "//evil.example/fhir/Observation",
        "\\\\evil.example/fhir/Observation",
    ],
)
async def test_a_next_link_elsewhere_gets_no_token(tmp_path: Path, next_url: str) -> None:
    faults = [Fault("next", on="Observation", next_url=next_url)]
    with serving(tmp_path, chart=myeloma(), faults=faults) as served:
        answer = await served.hook(call(**authorised()))
        assert answer.status_code == 412
        assert served.wire.hosts_that_saw(TOKEN) == {"ehr.example"}
        assert {request.url.scheme for request in served.wire.asked} == {"https"}
        assert {request.url.port for request in served.wire.asked} == {None}


async def test_a_prefetch_whose_next_link_leads_elsewhere_is_read_from_its_own_server(
    tmp_path: Path,
) -> None:
    prefetch = prefetch_of(myeloma())
    prefetch["observations"] = bundle(
        link=[{"relation": "next", "url": "https://evil.example/fhir/Observation?page=2"}]
    )
    with serving(tmp_path, chart=myeloma(), token=TOKEN) as served:
        answer = await served.hook(call(prefetch, **authorised()))
        assert len(answer.json()["cards"]) == 1
        assert served.wire.hosts_that_saw(TOKEN) == {"ehr.example"}
