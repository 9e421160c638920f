"""What a conformance tester asks of discovery, prefetch, errors and browsers, beyond the cards.

The numbers are those of the requirements on a CDS Hooks service (2.0.1, 3.0 ready): 2 discovery,
4 templates, 5 prefetch, 7 replies, 9 security.
"""

from __future__ import annotations

import random
import re
from typing import Any

import charts
import pytest

from hooks.calls import KEYS, REQUIRED, SERVICE, Resource, bundle, call, myeloma, prefetch_of
from hooks.card_rules import faults_of
from hooks.serving import EHR, Served, issue_of

SANDBOX = "https://sandbox.cds-hooks.org"
HOOK = f"/cds-services/{SERVICE}"
GETS = ("/cds-services", "/healthz", "/readyz", "/metrics", "/docs", "/openapi.json")
POSTS = (HOOK, f"{HOOK}/feedback", "/api/assess")

# --- discovery and templates ---------------------------------------------------------------------

FIELD = r"\{\{context\.(?:patientId|userId|encounterId)\}\}"
VALUE = rf"(?:{FIELD}|[A-Za-z0-9.:/|,%_-]+)"
PARAMETER = rf"(?:[a-z][a-z-]*(?::in)?|_count|_sort)={VALUE}"
TEMPLATE = re.compile(
    rf"(?P<type>[A-Z][A-Za-z]+)(?:/{FIELD}|\?(?P<query>{PARAMETER}(?:&{PARAMETER})*))"
)
"""4.1 to 4.5: an instance read or a search of one type, without a host or a leading slash; tokens
of first-level fields; equality, `:in`, `_count` and `_sort` alone."""
DATE = re.compile(r"(?:eq|lt|gt|ge|le)?\d{4}-\d{2}-\d{2}")


async def offered(served: Served) -> list[dict[str, Any]]:
    services: list[dict[str, Any]] = (await served.http.get("/cds-services")).json()["services"]
    return services


async def test_2_3_to_2_7_a_service_says_all_that_there_is_to_say(served: Served) -> None:
    for service in await offered(served):
        assert set(service) <= {
            "hook", "id", "title", "description", "prefetch", "usageRequirements", "version",
            "hookVersion",
        }  # fmt: skip
        assert re.fullmatch(r"\d+\.\d+\.\d+", service["version"])
        assert re.fullmatch(r"\d+\.\d+", service["hookVersion"])
        for text in ("hook", "id", "title", "description", "usageRequirements"):
            assert service[text].strip() == service[text] != ""
        assert len(service["description"]) > 80
    (ours,) = [service for service in await offered(served) if service["id"] == SERVICE]
    assert (ours["version"], ours["hookVersion"], ours["hook"]) == ("2.0.1", "1.0", "patient-view")


async def test_4_1_to_4_8_every_template_is_of_the_widely_supported_grammar(
    served: Served,
) -> None:
    for service in await offered(served):
        for key, template in service["prefetch"].items():
            found = TEMPLATE.fullmatch(template)
            assert found, (key, template)
            if found["query"]:
                names = [pair.partition("=")[0] for pair in found["query"].split("&")]
                assert len(set(names)) == len(names)
                assert "{{context.patientId}}" in template, "of this patient only"


@pytest.mark.parametrize(
    "template",
    [
        "/Patient/{{context.patientId}}", "https://ehr.example/Patient/{{context.patientId}}",
        "Patient", "Patient?", "Patient/", "Patient?_id={{context.draftOrders.id}}",
        "Patient?_id={{ context.patientId }}", "Condition?patient={{patientId}}",
        "Condition?patient={{context.patientId}}&code:not=x", "Condition?_has:x:y:z=1",
        "Condition?patient={{context.patientId}}&_include=Condition:subject",
        "Condition?patient={{context.patientId}}&patient.name=x",
        "Condition?patient={{context.patientId}}&", "Condition?patient={{today()}}",
        "metadata", "Patient/{{context.patientId}}/_history",
    ],
)  # fmt: skip
def test_the_grammar_refuses_what_it_should(template: str) -> None:
    assert TEMPLATE.fullmatch(template) is None


# --- prefetch ------------------------------------------------------------------------------------


def empty_in_some_way(source: random.Random) -> Any:
    return source.choice(
        [
            None,
            {"resourceType": "Bundle", "type": "searchset"},
            {"resourceType": "Bundle", "type": "searchset", "entry": []},
            {"resourceType": "Bundle", "type": "searchset", "total": 0, "entry": None},
            {"resourceType": "Bundle", "entry": [{"fullUrl": "urn:x"}, {"search": {}}]},
        ]
    )


@pytest.mark.parametrize("seed", range(40))
async def test_1_2_and_5_1_to_5_9_any_subset_of_any_form_is_a_clean_answer(
    served: Served, seed: int
) -> None:
    """Each key there, missing, or empty in one of its ways: 200 without a fault, or 412."""
    source = random.Random(seed)  # noqa: S311
    prefetch = prefetch_of(myeloma())
    for key in KEYS:
        fate = source.random()
        if fate < 0.2:
            del prefetch[key]
        elif fate < 0.5 and key != "patient":
            prefetch[key] = empty_in_some_way(source)
    answer = await served.hook(call(prefetch))
    if set(REQUIRED) <= set(prefetch):
        assert answer.status_code == 200, answer.text
        assert faults_of(answer.json()) == []
    else:
        assert answer.status_code == 412
        assert issue_of(answer)["code"] == "required"


OF_ANOTHER: dict[str, Any] = {
    "a contained patient": {
        "subject": {"reference": "#p"},
        "contained": [{"resourceType": "Patient", "id": "p"}],
    },
    "a contained patient of the same id": {
        "subject": {"reference": "#p1"},
        "contained": [{"resourceType": "Patient", "id": "p1"}],
    },
    "another patient": {"subject": {"reference": "Patient/p2"}},
    "another server's patient": {"subject": {"reference": "https://other.example/fhir/Patient/p2"}},
    "a longer id": {"subject": {"reference": "Patient/p1x"}},
    "a way round": {"subject": {"reference": "Patient/../Patient/p2"}},
}


@pytest.mark.parametrize("who", OF_ANOTHER)
async def test_5_10_and_8_5_what_is_of_another_patient_is_left_out(
    served: Served, who: str
) -> None:
    """The only progression is somebody else's, so there is nothing to say."""
    worse = charts.disease_status("progression", "2026-11-02", by="imaging") | OF_ANOTHER[who]
    chart: list[Resource] = [
        charts.patient(),
        charts.condition("multiple-myeloma", onset="2025-12-01"),
        charts.order("lenalidomide", "2026-01-05"),
        charts.disease_status("stable", "2026-05-02", by="imaging"),
        worse,
    ]
    answer = await served.hook(call(prefetch_of(chart)))
    assert answer.json() == {"cards": []}
    assert served.last()["issues"] == {"other-patient": 1}


@pytest.mark.parametrize(("severity", "status"), [("warning", 200), ("information", 200),
                                                  ("error", 412), ("fatal", 412)])  # fmt: skip
async def test_5_4_an_outcome_beside_the_entries_costs_the_key_where_it_is_an_error(
    served: Served, severity: str, status: int
) -> None:
    prefetch = prefetch_of(myeloma())
    issue = {"severity": severity, "code": "processing", "diagnostics": "canary"}
    outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
    prefetch["observations"]["entry"].append({"resource": outcome, "search": {"mode": "outcome"}})
    answer = await served.hook(call(prefetch))
    assert answer.status_code == status
    assert "canary" not in answer.text


@pytest.mark.parametrize("end", ["", "/", "//"])
async def test_3_3_a_fhir_server_with_and_without_a_final_slash_is_the_same(
    served: Served, end: str
) -> None:
    answer = await served.hook(call(fhirServer=EHR + end))
    assert answer.status_code == (412 if end == "//" else 200), answer.text
    assert {"//" in request.url.path for request in served.wire.asked} <= {False}


# --- methods, addresses, browsers ----------------------------------------------------------------


@pytest.mark.parametrize("path", GETS)
async def test_head_is_get_without_its_body(served: Served, path: str) -> None:
    head, get = await served.http.head(path), await served.http.get(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["content-type"] == get.headers["content-type"]


@pytest.mark.parametrize("path", POSTS)
async def test_head_of_what_takes_post_is_405(served: Served, path: str) -> None:
    answer = await served.http.head(path)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST"])
async def test_2_1_discovery_takes_get_and_head_alone(served: Served, method: str) -> None:
    answer = await served.http.request(method, "/cds-services")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    issue_of(answer)


@pytest.mark.parametrize("path", [*GETS, *POSTS, "/cds-services/other", "/nowhere"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_9_11_every_address_may_be_asked_for_by_a_browser_without_a_token(
    served: Served, path: str, method: str
) -> None:
    headers = {
        "Origin": SANDBOX,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization, content-type",
    }
    answer = await served.http.options(path, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == SANDBOX
    assert method in answer.headers["access-control-allow-methods"]
    allowed = {name.strip() for name in answer.headers["access-control-allow-headers"].split(",")}
    assert {"Authorization", "Content-Type"} <= allowed
    assert "*" not in allowed
    assert answer.headers["access-control-max-age"] == "600"
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://canary.example", "Access-Control-Request-Method": "POST"},
        {"Origin": SANDBOX, "Access-Control-Request-Method": "CANARY"},
        {"Origin": SANDBOX, "Access-Control-Request-Method": "POST",
         "Access-Control-Request-Headers": "x-canary"},
    ],
)  # fmt: skip
async def test_7_4_a_preflight_that_is_refused_is_an_outcome_too(
    served: Served, headers: dict[str, str]
) -> None:
    answer = await served.http.options(HOOK, headers=headers)
    assert answer.status_code == 400
    assert issue_of(answer)["code"] == "forbidden"
    assert "canary" not in answer.text.lower()
    assert "Origin" in answer.headers["vary"]


# --- errors repeat nothing -----------------------------------------------------------------------

CANARIES = {
    "X-Request-Id": "canary-1", "traceparent": "canary-2", "Authorization": "Bearer canary-3",
    "User-Agent": "canary-4", "Referer": "https://canary.example", "X-Forwarded-For": "canary-5",
    "Cookie": "canary=6", "Accept": "canary/7", "Accept-Language": "canary",
}  # fmt: skip
BODIES: dict[str, Any] = {
    "no JSON": "canary",
    "another hook": call(hook="canary"),
    "an id that is none": call(hookInstance="canary"),
    "a patient that is none": call(context={"userId": "Practitioner/1", "patientId": "canary/1"}),
    "a user that is none": call(context={"userId": "canary", "patientId": "p1"}),
    "no data": call({"canary": {"canary": "canary"}}),
    "a server that is none": call(fhirServer="gopher://canary.example/canary"),
    "a token alone": call(fhirAuthorization={"access_token": "canary", "token_type": "canary"}),
    "feedback that is none": {"feedback": [{"card": "canary", "outcome": "canary"}]},
    "a Bundle of nothing": bundle() | {"canary": "canary", "type": "canary"},
}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("path", [*POSTS, "/cds-services/canary", "/cds-services/canary/feedback",
                                  f"{HOOK}/canary", f"{HOOK}/feedback/canary"])  # fmt: skip
async def test_7_5_and_8_9_no_error_repeats_anything_of_its_request(
    served: Served, path: str, body: str
) -> None:
    names = {name.replace("-", "_"): value for name, value in CANARIES.items()}
    query = {"asOf": "canary", "explain": "canary"}
    answer = await served.post(path, BODIES[body], query, Origin=SANDBOX, **names)
    assert 400 <= answer.status_code < 500, answer.text
    issue_of(answer)
    assert answer.headers["access-control-expose-headers"] == "Retry-After"
    assert answer.headers["access-control-allow-origin"] == SANDBOX
    assert "canary" not in (answer.text + str(answer.headers)).lower()


async def test_8_9_the_labels_of_the_metrics_are_bounded(served: Served) -> None:
    """However many services, hooks, users and patients are named, no series is added."""

    async def series() -> set[str]:
        text = (await served.http.get("/metrics")).text
        return {line.rpartition(" ")[0] for line in text.splitlines() if line[:1] != "#"}

    async def ask(n: int) -> None:
        context = {"userId": f"Practitioner/canary{n}", "patientId": f"canary{n}"}
        await served.hook(call(dict.fromkeys(KEYS), context=context))
        await served.hook(call(hook=f"canary{n}"))
        await served.feedback({"feedback": []}, f"canary{n}")
        await served.post(f"/cds-services/canary{n}", {})
        await served.http.get(f"/canary{n}")

    await ask(0)
    before = await series()
    for n in range(1, 6):
        await ask(n)
    assert await series() == before
    assert not [line for line in before if "canary" in line]
