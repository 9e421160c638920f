"""Next links: followed on the server they came from and below its base, whatever they look like."""

import pytest

from cds_service.fhir.links import BaseUrl

BASE = BaseUrl.parse("https://ehr.example/fhir")
PAGE = "https://ehr.example/fhir/Observation?patient=p1"


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("https://ehr.example/fhir", "https://ehr.example/fhir"),
        ("https://EHR.example:443/fhir/", "https://ehr.example/fhir"),
        ("http://ehr.example:80", "http://ehr.example"),
        ("http://127.0.0.1:8001/fhir", "http://127.0.0.1:8001/fhir"),
        ("https://[2001:DB8::1]/r4", "https://[2001:db8::1]/r4"),
        ("https://ehr.example/a/B-c_d~e=f", "https://ehr.example/a/B-c_d~e=f"),
    ],
)
def test_a_base_address_has_one_spelling(text: str, normal: str) -> None:
    assert str(BaseUrl.parse(text)) == normal


@pytest.mark.parametrize(
    ("link", "followed"),
    [
        pytest.param(f"{PAGE}&page=2", f"{PAGE}&page=2", id="absolute"),
        pytest.param("https://ehr.example/fhir?_getpages=1", None, id="the base itself"),
        pytest.param("https://EHR.EXAMPLE:443/fhir/x?p=2", None, id="another spelling"),
        pytest.param("?page=2", "https://ehr.example/fhir/Observation?page=2", id="a query"),
        pytest.param("Observation?page=2", "https://ehr.example/fhir/Observation?page=2"),
        pytest.param("/fhir/Observation?p=2", "https://ehr.example/fhir/Observation?p=2"),
        pytest.param("https://ehr.example/fhir//Observation?p=2", None, id="two slashes"),
        pytest.param("https://ehr.example/fhir/a#top", "https://ehr.example/fhir/a", id="fragment"),
        pytest.param(f"{PAGE}&code=a|b,c", f"{PAGE}&code=a|b,c", id="bars and commas"),
    ],
)
def test_a_link_on_the_same_server_and_base_is_followed(link: str, followed: str | None) -> None:
    assert BASE.next_page(PAGE, link) == (followed or link)


@pytest.mark.parametrize(
    "link",
    [
        "",
        "https://evil.example/fhir/Observation?page=2",
        "//evil.example/fhir/Observation",
        "http://ehr.example/fhir/Observation?page=2",
        "https://ehr.example:8443/fhir/Observation",
        "https://ehr.example:0/fhir/Observation",
        "https://ehr.example:x/fhir/Observation",
        "https://ehr.example.evil.example/fhir/Observation",
        "https://ehr.example@evil.example/fhir/Observation",
        "https://user:pw@ehr.example/fhir/Observation",
        "https://evil.example\\@ehr.example/fhir/Observation",
        "https://evil.example\\.ehr.example/fhir",
        "https://ehr.example/fhir2/Observation",
        "https://ehr.example/admin",
        "https://ehr.example/",
        "/admin",
        "../admin",
        "https://ehr.example/fhir/../admin",
        "https://ehr.example/fhir/..;/admin",
        "https://ehr.example/fhir/%2e%2e/admin",
        "https://ehr.example/fhir/%2E./admin",
        "https://ehr.example/fhir/x%2f..%2fadmin",
        "https://ehr.example/fhir/Observation\nHost: evil.example",
        " https://ehr.example/fhir/Observation",
        "https://ehr.exampłe/fhir/Observation",
        "https://[ehr.example/fhir",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "ftp://ehr.example/fhir/Observation",
    ],
)
def test_a_link_that_leads_away_is_not_followed(link: str) -> None:
    assert BASE.next_page(PAGE, link) is None


def test_a_server_at_the_root_owns_all_its_paths() -> None:
    root = BaseUrl.parse("https://ehr.example")
    assert root.next_page("https://ehr.example/Patient", "https://ehr.example/?p=2") is not None
    assert root.next_page("https://ehr.example/Patient", "https://ehr.example?p=2") is not None
