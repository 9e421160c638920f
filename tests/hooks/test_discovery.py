"""Discovery: always there, and with nothing in it that a client of CDS Hooks 2.0 cannot use."""

from __future__ import annotations

import re

import pytest

from hooks.calls import KEYS, REQUIRED, SERVICE
from hooks.serving import Served, issue_of

SUPPORTED = re.compile(r"[A-Z][A-Za-z]+(/\{\{context\.patientId\}\}|\?[^?]+)")


async def test_discovery_names_one_service_for_each_hook_with_all_that_a_client_needs(
    served: Served,
) -> None:
    answer = await served.http.get("/cds-services")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json()) == {"services"}
    services = answer.json()["services"]
    assert [(one["id"], one["hook"]) for one in services] == [
        (SERVICE, "patient-view"),
        ("refractory-status-order-select", "order-select"),
        ("refractory-status-order-sign", "order-sign"),
    ]
    for service in services:
        assert {"hook", "id", "description", "title", "prefetch", "usageRequirements"} <= set(
            service
        )
        assert all(service.values())
        assert (service["version"], service["hookVersion"]) == ("2.0.1", "1.0")
        assert re.fullmatch(r"[a-z0-9-]+", service["id"])
    assert len({one["id"] for one in services}) == len(services)


async def test_the_prefetch_has_the_four_keys_of_the_contract_and_optional_ones(
    served: Served,
) -> None:
    for service in (await served.http.get("/cds-services")).json()["services"]:
        assert set(REQUIRED) <= set(service["prefetch"])
        assert set(service["prefetch"]) == set(KEYS)


async def test_every_template_keeps_to_what_clients_support_widely(served: Served) -> None:
    services = (await served.http.get("/cds-services")).json()["services"]
    for template in {text for service in services for text in service["prefetch"].values()}:
        assert SUPPORTED.fullmatch(template), "relative, a read or a search of one type"
        assert re.findall(r"\{\{(.*?)\}\}", template) == ["context.patientId"]
        names = [pair.partition("=")[0] for pair in template.partition("?")[2].split("&") if pair]
        assert len(names) == len(set(names)), "a client may join a parameter that stands twice"
        for name in names:
            assert not name.startswith(("_include", "_revinclude", "_has"))
            assert ":" not in name
            assert "." not in name


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="nothing said"),
        pytest.param({"Authorization": "Bearer e30.e30.e30"}, id="a client that signs its calls"),
        pytest.param({"Accept": "text/html"}, id="a browser"),
        pytest.param({"Accept": "application/json+fhir"}, id="an obsolete media type"),
    ],
)
async def test_discovery_answers_whoever_asks(served: Served, headers: dict[str, str]) -> None:
    answer = await served.http.get("/cds-services", headers=headers)
    assert (answer.status_code, len(answer.json()["services"])) == (200, 3)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param("/cds-services/", 404, id="trailing slash"),
        pytest.param("/cds-services//", 404, id="two slashes"),
        pytest.param("/cds-services/refractory-status", 405, id="a service by GET"),
        pytest.param("/cds-services/refractory-status/", 404, id="a service with a slash"),
        pytest.param("/cds-services/other", 404, id="no such service"),
        pytest.param("/CDS-SERVICES", 404, id="capital letters"),
        pytest.param("/%00", 404, id="a zero byte"),
        pytest.param("/" + "a" * 5000, 404, id="a long path"),
        pytest.param("/cds-services/%F0%9F%92%8A", 404, id="beyond ASCII"),
        pytest.param("/cds-services/..%2f..%2fetc%2fpasswd", 404, id="a way out"),
    ],
)
async def test_any_other_address_is_an_outcome_and_never_a_redirect(
    served: Served, path: str, status: int
) -> None:
    answer = await served.http.get(path)
    assert answer.status_code == status
    assert "location" not in answer.headers
    assert issue_of(answer)["code"] in ("not-found", "not-supported")
    for part in ("passwd", "other", "aaaa"):
        assert part not in answer.text


async def test_the_bare_address_is_the_page_of_the_api(served: Served) -> None:
    bare, page = await served.http.get("/"), await served.http.get("/docs")
    assert (bare.status_code, bare.text) == (200, page.text)
    assert bare.headers["content-security-policy"] == page.headers["content-security-policy"]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "OPTIONS", "BREW"])
async def test_a_method_that_is_not_taken_is_said_with_those_that_are(
    served: Served, method: str
) -> None:
    for path, allowed in (
        ("/cds-services", "GET"),
        (f"/cds-services/{SERVICE}", "POST"),
        (f"/cds-services/{SERVICE}/feedback", "POST"),
        ("/api/assess", "POST"),
        ("/healthz", "GET"),
    ):
        answer = await served.http.request(method, path)
        assert answer.status_code == 405
        assert allowed in answer.headers["allow"]
        assert issue_of(answer)["code"] == "not-supported"


async def test_a_call_to_a_service_that_does_not_exist_is_not_found(served: Served) -> None:
    for path in ("/cds-services/other", f"/cds-services/{SERVICE}/", "/cds-services"):
        answer = await served.post(path, {"hook": "patient-view"})
        assert answer.status_code in (404, 405)
        issue_of(answer)
