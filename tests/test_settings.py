"""Settings: read from the environment or a file, and a wrong one is named in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cds_service.commands.setting import read_settings
from cds_service.errors import UsageError
from cds_service.settings import Settings

GIVEN: dict[str, tuple[str, Any]] = {
    "audit_db": ("/srv/log.db", Path("/srv/log.db")),
    "audit_url": ("postgresql://w@db/log", "postgresql://w@db/log"),
    "audit_key_file": ("/keys/log.key", Path("/keys/log.key")),
    "audit_data_key_file": ("/keys/data.key", Path("/keys/data.key")),
    "audit_signing_key_file": ("/keys/signing-key", Path("/keys/signing-key")),
    "audit_anchor_file": ("/far/anchor.txt", Path("/far/anchor.txt")),
    "audit_checkpoint_seconds": ("5", 5.0),
    "audit_checkpoint_events": ("10", 10),
    "audit_spool": ("off", "off"),
    "audit_spool_mib": ("16", 16),
    "audit_spool_hours": ("8", 8.0),
    "audit_seconds": ("2", 2.0),
    "audit_keep_requests": ("false", False),
    "site_file": ("/srv/site.toml", Path("/srv/site.toml")),
    "audit_verify_seconds": ("60", 60.0),
    "audit_purge": ("true", True),
    "audit_keep_contents_months": ("24", 24),
    "audit_keep_entries_months": ("120", 120),
    "audit_two_persons": ("true", True),
    "knowledge_approval": ("required", "required"),
    "fhir_servers": ('["https://ehr.example/fhir"]', ("https://ehr.example/fhir",)),
    "allow_loopback": ("true", True),
    "fhir_seconds": ("2.5", 2.5),
    "fhir_credentials_file": ("/srv/fhir.toml", Path("/srv/fhir.toml")),
    "max_body_mib": ("4", 4),
    "cors_origins": ("[]", ()),
    "public_url": ("https://cds.example", "https://cds.example"),
    "jwt": ("required", "required"),
    "clients_file": ("/srv/clients.toml", Path("/srv/clients.toml")),
    "calls_a_minute": ("120", 120),
    "calls_at_once": ("8", 8),
    "recent_charts_mib": ("8", 8),
    "log_level": ("warning", "warning"),
}


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, and none of our variables set."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(variable(name), raising=False)


def variable(name: str) -> str:
    return f"REFRACTORY_CDS_{name.upper()}"


def test_every_setting_is_tried_here() -> None:
    assert set(GIVEN) == set(Settings.model_fields)


@pytest.mark.parametrize("name", GIVEN)
def test_a_setting_comes_from_the_environment_or_from_a_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, value = GIVEN[name]
    assert getattr(read_settings(), name) == Settings.model_fields[name].default != value
    (tmp_path / ".env").write_text(f"{variable(name)}={text}\nPATH=x\nREFRACTORY_CDS_OTHER=1\n")
    assert getattr(read_settings(), name) == value
    (tmp_path / ".env").unlink()
    monkeypatch.setenv(variable(name), text)
    assert getattr(read_settings(), name) == value


def test_the_environment_goes_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("REFRACTORY_CDS_MAX_BODY_MIB=1\n")
    monkeypatch.setenv("REFRACTORY_CDS_MAX_BODY_MIB", "2")
    assert read_settings().max_body_mib == 2
    assert read_settings().max_body_bytes == 2 * 1024 * 1024


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        pytest.param("audit_keep_requests", "canary", "a valid boolean", id="no boolean"),
        pytest.param("allow_loopback", "", "a valid boolean", id="an empty boolean"),
        pytest.param("fhir_seconds", "0", "greater than 0", id="no time"),
        pytest.param("fhir_seconds", "-1", "greater than 0", id="less than no time"),
        pytest.param("fhir_seconds", "inf", "a finite number", id="for ever"),
        pytest.param("fhir_seconds", "nan", "a finite number", id="not a number"),
        pytest.param("max_body_mib", "0", "greater than 0", id="no body"),
        pytest.param("max_body_mib", "1.5", "a valid integer", id="no whole number"),
        pytest.param("max_body_mib", "canary", "a valid integer", id="no number"),
        pytest.param("fhir_servers", "https://canary.example", "as JSON", id="no list"),
        pytest.param("fhir_servers", '{"canary": 1}', "a valid tuple", id="an object"),
        pytest.param("fhir_servers", "[5]", "a valid string", id="no text in a list"),
        pytest.param("fhir_servers", '["canary"]', "not a plain http or https", id="no address"),
        pytest.param(
            "fhir_servers", '["https://user:canary@x.example"]', "not a plain", id="a password"
        ),
        pytest.param("cors_origins", "*", "as JSON", id="a star"),
        pytest.param("public_url", "javascript:canary", "should match", id="another scheme"),
    ],
)
def test_a_wrong_setting_is_one_line_with_its_name_and_without_its_value(
    name: str, text: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable(name), text)
    with pytest.raises(UsageError) as caught:
        read_settings()
    complaint = str(caught.value)
    assert complaint.startswith(f"{variable(name)}: ")
    assert said in complaint
    assert "canary" not in complaint
    assert len(complaint.splitlines()) == 1


def test_settings_do_not_change_while_the_service_runs() -> None:
    with pytest.raises(ValueError, match="frozen"):
        read_settings().max_body_mib = 1
