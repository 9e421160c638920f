"""Every setting, with its sentence for the README. Read once, at the start of a process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from cds_service.errors import UsageError
from cds_service.fhir.links import BaseUrl

if TYPE_CHECKING:
    from cds_service.audit.address import Address, PostgresAddress

MIB = 1024 * 1024


class Settings(BaseSettings):
    """Environment variables `REFRACTORY_CDS_…`, or the same names in a `.env` file."""

    model_config = SettingsConfigDict(
        env_prefix="REFRACTORY_CDS_", env_file=".env", extra="ignore", frozen=True
    )

    audit_db: Path = Field(
        default=Path("var/decisions.db"),
        description="File of the decision log (SQLite). Not on a network file system.",
    )
    audit_url: str | None = Field(
        default=None,
        pattern=r"^postgres(ql)?://",
        description="Address of a decision log in PostgreSQL, `postgresql://role@host/database`, "
        "in place of the file: for several hosts. Without a password: that stands in a password "
        "file (`PGPASSFILE`, or `?passfile=…`). The three key files and the spool have to be named "
        "then (docs/postgresql.md).",
    )
    audit_key_file: Path | None = Field(
        default=None,
        description="File of the key for patient pseudonyms; beside the decision log by default, "
        "better on another disk.",
    )
    audit_data_key_file: Path | None = Field(
        default=None,
        description="File of the key that patients' data keys are wrapped with, mode 0600; beside "
        "the decision log by default, better on another disk, and in another backup.",
    )
    audit_signing_key_file: Path | None = Field(
        default=None,
        description="File of the key that signs checkpoints of the decision log, mode 0600; beside "
        "the log by default, better where who administers the log cannot read it.",
    )
    audit_anchor_file: Path | None = Field(
        default=None,
        description="File that each checkpoint is added to, out of the reach of who administers "
        "the log: append-only, on another host. Unset: nothing vouches for the end of the log.",
    )
    audit_checkpoint_seconds: float = Field(
        default=60.0,
        gt=0,
        allow_inf_nan=False,
        description="Time from one checkpoint of the decision log to the next, while there is "
        "something new.",
    )
    audit_checkpoint_events: int = Field(
        default=1_000,
        gt=0,
        description="Entries after which a checkpoint is made in any case.",
    )
    audit_spool: Path | Literal["off"] | None = Field(
        default=None,
        description="Folder on a local disk for entries that the decision log cannot take, until "
        "it can; `off` for none. Beside the log by default, better on another disk: a full one "
        "takes neither.",
    )
    audit_spool_mib: int = Field(
        default=256,
        gt=0,
        description="Most that one process spools, in MiB; beyond it calls get 503.",
    )
    audit_spool_hours: float = Field(
        default=72.0,
        gt=0,
        allow_inf_nan=False,
        description="How old what is spooled may get; beyond it calls get 503.",
    )
    audit_seconds: float = Field(
        default=5.0,
        gt=0,
        allow_inf_nan=False,
        description="How long an answer waits for the decision log, before its entry is spooled "
        "or, without a spool, the call gets 503.",
    )
    audit_keep_requests: bool = Field(
        default=True,
        description="Keep request bodies in the decision log, so that a decision can be replayed; "
        "otherwise only their digests.",
    )
    audit_verify_seconds: float = Field(
        default=3600.0,
        ge=0,
        allow_inf_nan=False,
        description="Time from one verification of the decision log by the service to the next: of "
        "what is new, and once a day of all. 0: never.",
    )
    audit_purge: bool = Field(
        default=False,
        description="Whether `audit purge --yes` may remove what is past its time "
        "(docs/auditor.md). The service itself never does.",
    )
    audit_keep_contents_months: int = Field(
        default=12,
        description="Months for which the decision log keeps what charts and cards said, where it "
        "is purged; at least 6.",
    )
    audit_keep_entries_months: int = Field(
        default=72,
        description="Months for which it keeps whom an entry is about, and why it was read; at "
        "least 6. Envelopes stay.",
    )
    audit_two_persons: bool = Field(
        default=False,
        description="Whether `audit` names a patient only where another account has asked for the "
        "same within a day.",
    )
    site_file: Path | None = Field(
        default=None,
        description="File of operational numbers that this site wants otherwise "
        "(docs/knowledge/site.md). Version and digest of the knowledge tell of it.",
    )
    knowledge_approval: Literal["required", "recorded"] = Field(
        default="recorded",
        description="What becomes of clinical knowledge, also by a new site file, that the "
        "decision log has not seen and nobody approved (`audit approve-knowledge`): with "
        "`recorded` it decides, and the log says that; with `required` the service does not start.",
    )
    fhir_servers: tuple[str, ...] = Field(
        default=(),
        description="Base URLs that a client may name as `fhirServer`, as a JSON list. Empty: any "
        "public https server, none on a private network.",
    )
    allow_loopback: bool | None = Field(
        default=None,
        description="Also read FHIR servers on this machine, by plain http too. Unset: only while "
        "`serve` itself listens on this machine alone and `FHIR_SERVERS` is empty; say `false` "
        "behind a proxy.",
    )
    fhir_seconds: float = Field(
        default=5.0,
        gt=0,
        allow_inf_nan=False,
        description="Time for all that is read from a client's FHIR server, together.",
    )
    fhir_credentials_file: Path | None = Field(
        default=None,
        description="TOML file of FHIR servers that this service reads with credentials of its own "
        "(SMART Backend Services) where a call brings no token (docs/ehr.md).",
    )
    max_body_mib: int = Field(
        default=16,
        gt=0,
        description="Largest request body that is read, in MiB; larger ones get 413.",
    )
    cors_origins: tuple[str, ...] = Field(
        default=("https://sandbox.cds-hooks.org", "http://localhost:8080"),
        description="Origins of browser clients, as a JSON list; the CDS Hooks Sandbox by default.",
    )
    public_url: str = Field(
        default="",
        pattern=r"^(https?://\S+)?$",
        description="Where clients reach this service; cards then link to the page of their "
        "rule set, and tokens have to name it as their audience.",
    )
    jwt: Literal["required", "off"] | None = Field(
        default=None,
        description="Whether callers are known by a token (`required`) or by nothing (`off`). "
        "Unset: required where `CLIENTS_FILE` is set; off where `serve` listens on this machine "
        "alone; elsewhere `serve` does not start.",
    )
    clients_file: Path | None = Field(
        default=None,
        description="File of the clients that may call, with their keys (docs/ehr.md).",
    )
    calls_a_minute: int | None = Field(
        default=None,
        gt=0,
        description="Calls a minute of one client, or without tokens of one address; feedback "
        "counts apart. Unset: 6000, and no limit for callers on this machine.",
    )
    calls_at_once: int = Field(
        default=64,
        gt=0,
        description="Calls that one process answers at a time; a few more wait, then get 503.",
    )
    recent_charts_mib: int = Field(
        default=16,
        ge=0,
        description="Charts that a process keeps in memory for a quarter of an hour, in MiB: one "
        "that is opened again unchanged is not read again. 0 keeps none.",
    )
    log_level: str = Field(
        default="info", description="Level of the operations log on standard error."
    )

    @field_validator("fhir_servers")
    @classmethod
    def _are_addresses(cls, bases: tuple[str, ...]) -> tuple[str, ...]:
        for base in bases:
            BaseUrl.parse(base)
        return bases

    @model_validator(mode="after")
    def _keeps_long_enough(self) -> Settings:
        if self.model_fields_set & {"audit_keep_contents_months", "audit_keep_entries_months"}:
            _refuse_short(self.audit_keep_contents_months, self.audit_keep_entries_months)
        return self

    @field_validator("audit_url")
    @classmethod
    def _has_no_password(cls, url: str | None) -> str | None:
        try:
            return url and _postgres(url).url
        except UsageError as error:
            raise ValueError(str(error)) from None

    @property
    def audit_address(self) -> Address:
        """Where the decision log lies."""
        return _postgres(self.audit_url) if self.audit_url else self.audit_db

    @property
    def checks_tokens(self) -> bool:
        """Whether callers need a token; where nothing is said, whether any client is known."""
        return self.jwt == "required" or (self.jwt is None and self.clients_file is not None)

    @property
    def trust_place(self) -> Address:
        """Where workers remember tokens and calls: beside the decision log, or in its database."""
        if self.audit_url:
            return self.audit_address
        return self.audit_db.with_name(self.audit_db.name + ".trust")

    @property
    def max_body_bytes(self) -> int:
        return self.max_body_mib * MIB


def _postgres(url: str) -> PostgresAddress:
    """Loaded where it is used: most commands have nothing to do with the decision log."""
    from cds_service.audit.address import PostgresAddress

    return PostgresAddress(url)


def _refuse_short(contents_months: int, entries_months: int) -> None:
    """The same, for the few sites that say how long: ValueError where that is too short."""
    from cds_service.audit.retention import Retention

    try:
        Retention(contents_months, entries_months)
    except UsageError as error:
        raise ValueError(str(error)) from None
