"""compose.yaml: pinned images, hardened services, settings that exist, things that are there."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from cds_service.fhir.allowed import AddressRules
from cds_service.settings import Settings
from cds_service.version import __version__
from deploy.dockerfile import DEPLOY, ROOT, read_dockerfile

TEXT = (DEPLOY / "compose.yaml").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONE_SHOT = {"fixtures"}
PREFIX = "REFRACTORY_CDS_"

each_service = pytest.mark.parametrize("name", sorted(SERVICES))


@each_service
def test_an_image_is_pinned_or_built_here(name: str) -> None:
    service = SERVICES[name]
    if "build" in service:
        assert service["image"] == f"refractory-cds:{__version__}"
        folder = (DEPLOY / service["build"]["context"]).resolve()
        assert folder == ROOT
        assert (folder / service["build"]["dockerfile"]).is_file()
    else:
        assert re.fullmatch(r"[a-z/]+:v?\d[\w.-]+@sha256:[0-9a-f]{64}", service["image"])


@each_service
def test_a_service_may_do_nothing_it_need_not(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    user = service.get("user") or read_dockerfile().stages[-1].only("USER").text
    assert int(user.split(":")[0]) > 0
    assert not {"privileged", "cap_add", "network_mode", "pid", "devices"} & service.keys()


@each_service
def test_ports_are_open_to_this_machine_only(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", ()))


@each_service
def test_what_runs_on_is_watched_and_what_waits_can_be_waited_for(name: str) -> None:
    service = SERVICES[name]
    assert ("test" in service["healthcheck"]) is (name not in ONE_SHOT)
    assert service["restart"] == ("no" if name in ONE_SHOT else "unless-stopped")
    for other, how in service.get("depends_on", {}).items():
        assert how == {"condition": "service_healthy"}
        assert "test" in SERVICES[other]["healthcheck"]


@each_service
def test_volumes_and_networks_are_there(name: str) -> None:
    service = SERVICES[name]
    assert set(service["networks"]) <= COMPOSE["networks"].keys()
    for volume in service.get("volumes", ()):
        source, target, *options = volume.split(":")
        assert target.startswith("/")
        if source.startswith("."):
            assert (DEPLOY / source).resolve().is_dir()
            assert options == ["ro"]
        else:
            assert source in COMPOSE["volumes"]


def test_services_that_share_a_network_are_those_that_talk() -> None:
    def of(network: str) -> set[str]:
        return {name for name, service in SERVICES.items() if network in service["networks"]}

    assert of("fhir-db") == {"fhir", "fhir-db"}
    assert of("fhir") == {"fhir", "fixtures", "refractory-cds"}
    assert COMPOSE["networks"]["fhir-db"] == {"internal": True}


def test_the_service_starts_with_these_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = SERVICES["refractory-cds"]["environment"]
    for name, value in environment.items():
        assert isinstance(value, str)
        monkeypatch.setenv(name, value)
    settings = Settings(_env_file=None)  # type: ignore[call-arg] # pydantic-settings' own
    for name in environment:
        assert name.removeprefix(PREFIX).lower() in Settings.model_fields
    rules = AddressRules.listed(settings.fhir_servers)
    assert rules.check("http://fhir:8080/fhir/")
    mounted = [v.split(":")[1] for v in SERVICES["refractory-cds"]["volumes"]]
    assert {str(settings.audit_db.parent), str(settings.audit_key_file)} <= {
        mounted[0],
        f"{mounted[1]}/pseudonym-key",
    }


def test_tokens_are_off_only_where_nobody_else_can_call() -> None:
    """Without a clients file the service would not start, and off is for invented patients."""
    service = SERVICES["refractory-cds"]
    assert service["environment"][f"{PREFIX}JWT"] == "off"
    assert f"{PREFIX}CLIENTS_FILE" not in service["environment"]
    assert service["ports"] == ["127.0.0.1:8000:8000"]


def test_there_is_no_password_in_it() -> None:
    words = re.findall(r"PASSWORD: (.*)", TEXT)
    assert len(words) == 2
    assert all(word.startswith("${FHIR_DB_PASSWORD:?") for word in words)


@pytest.mark.parametrize("name", ["README.md", "compose.yaml", "Dockerfile"])
def test_every_setting_that_is_named_exists(name: str) -> None:
    named = set(re.findall(rf"{PREFIX}([A-Z_]*[A-Z])", (DEPLOY / name).read_text("utf-8")))
    assert named
    assert {setting.lower() for setting in named} <= Settings.model_fields.keys()
