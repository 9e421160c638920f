"""compose.postgresql.yaml: the same service with its log in a database of its own."""

from __future__ import annotations

import re
from typing import Any

import yaml

from cds_service.audit.address import PostgresAddress
from cds_service.settings import Settings
from deploy.dockerfile import DEPLOY

TEXT = (DEPLOY / "compose.postgresql.yaml").read_text("utf-8")
BASE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
OVER: dict[str, Any] = yaml.safe_load(TEXT)


def test_its_settings_exist_and_the_address_is_one() -> None:
    named = set(re.findall(r"REFRACTORY_CDS_([A-Z_]*[A-Z])", TEXT))
    assert {name.lower() for name in named} <= Settings.model_fields.keys()
    environment = OVER["services"]["refractory-cds"]["environment"]
    assert PostgresAddress(environment["REFRACTORY_CDS_AUDIT_URL"])
    keys = {"KEY_FILE", "DATA_KEY_FILE", "SIGNING_KEY_FILE"}
    base = BASE["services"]["refractory-cds"]["environment"]
    assert {f"REFRACTORY_CDS_AUDIT_{name}" for name in keys} <= base.keys()


def test_what_it_adds_may_do_nothing_it_need_not_and_stands_apart() -> None:
    for name in ("log-migrate", "log-db"):
        service = OVER["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["networks"] == ["log-db"]
        assert "ports" not in service
    assert OVER["networks"] == {"log-db": {"internal": True}}


def test_images_are_those_of_the_other_file_and_no_password_is_in_it() -> None:
    services = BASE["services"]
    assert OVER["services"]["log-db"]["image"] == services["fhir-db"]["image"]
    assert OVER["services"]["log-migrate"]["image"] == services["refractory-cds"]["image"]
    assert re.findall(r"PASSWORD\w*: (.*)", TEXT) == ["/run/secrets/log-db-password"]


def test_the_service_waits_for_its_tables_and_keeps_its_volumes() -> None:
    service, base = OVER["services"]["refractory-cds"], BASE["services"]["refractory-cds"]
    assert set(base["volumes"]) < set(service["volumes"])
    assert set(base["networks"]) < set(service["networks"])
    waits = {"log-migrate": {"condition": "service_completed_successfully"}}
    assert service["depends_on"] == waits
