"""What a process tells the decision log when it starts: the knowledge that decides from now on,
settings that are not those of the last start, and that it serves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import CancelledError

import orjson

from cds_service.audit import Event, Versions, service_started_event
from cds_service.audit.approvals import standing_of, with_approval
from cds_service.audit.canonical import Json, digest
from cds_service.audit.configuration import Configuration, config_changed
from cds_service.audit.packages import activation
from cds_service.audit.reading import open_reader
from cds_service.audit.signing_keys import default_signing_key_file
from cds_service.audit.watching import Verified, Watch, Watching
from cds_service.errors import AuditError, LogUnavailable
from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.package import package_of
from cds_service.operations_log import log_event
from cds_service.service import Service
from cds_service.settings import Settings

_PREFIX = "REFRACTORY_CDS_"
_PATIENCE_SECONDS = 60.0
_FILES_READ = ("site_file", "clients_file")


def config_digest(settings: Settings) -> str:
    """A digest of all settings in force, for the log. There are no secrets among them."""
    return digest(orjson.dumps(settings.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS))


def configuration_of(settings: Settings, knowledge: Knowledge) -> Configuration:
    """Each setting by its name, the files that settings name by their content, and each number of
    the site: as digests. What is switched off stands by its name."""
    values = settings.model_dump(mode="json")
    parts = {f"{_PREFIX}{name.upper()}": _digest(value) for name, value in values.items()}
    for name in _FILES_READ:
        if (path := getattr(settings, name)) is not None and path.is_file():
            parts[f"content of {_PREFIX}{name.upper()}"] = digest(path.read_bytes())
    for number in knowledge.site_numbers:
        parts[f"site file: {number.where}"] = _digest(str(number))
    return Configuration(config_digest(settings), parts, tuple(knowledge.switched_off))


def demand_approval(settings: Settings, knowledge: Knowledge) -> None:
    """Raise AuditError where knowledge needs an approval by the settings and the log has none."""
    if settings.knowledge_approval != "required":
        return
    with open_reader(settings.audit_address) as reader:
        standing, _ = standing_of(reader, knowledge.digest)
    if standing == "none":
        raise AuditError(
            f"nobody has approved of knowledge {knowledge.version} ({knowledge.digest}):"
            " audit approve-knowledge"
        )


def told_at_start(settings: Settings, knowledge: Knowledge, versions: Versions) -> Iterator[Event]:
    """The entries of a start, in their order; the first two only where something is new."""
    configuration = configuration_of(settings, knowledge)
    if (activated := _activated(settings, knowledge)) is not None:
        yield activated
    with open_reader(settings.audit_address, settings.audit_data_key_file) as reader:
        changed = config_changed(reader, configuration)
    if changed is not None:
        yield changed
    yield service_started_event(
        versions, settings=_that_hide_advice(settings, knowledge), kept=configuration.sealed()
    )


def _activated(settings: Settings, knowledge: Knowledge) -> Event | None:
    """What the log is told of the knowledge that decides from now on, with all of it the first
    time, so that a decision can be replayed when the knowledge has moved on."""
    package = package_of(knowledge, site=settings.site_file)
    event = activation(settings.audit_address, knowledge.version, knowledge.digest, package)
    if event is None:
        return None
    with open_reader(settings.audit_address) as reader:
        standing, approved_in = standing_of(reader, knowledge.digest)
    if standing == "none":
        log_event("knowledge.not-approved", level=logging.WARNING, knowledge=knowledge.version)
    return with_approval(event, standing, approved_in)


def _that_hide_advice(settings: Settings, knowledge: Knowledge) -> Mapping[str, Json]:
    off: list[Json] = list(knowledge.switched_off)
    return {
        "fhirServers": len(settings.fhir_servers),
        "jwt": "required" if settings.checks_tokens else "off",
        **({"switchedOff": off} if off else {}),
    }


def _digest(value: object) -> str:
    return digest(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))


def watch_log(service: Service, settings: Settings) -> Watch | None:
    """What verifies the log while it is served. Its entries go the way of all others."""
    key_file = settings.audit_signing_key_file or default_signing_key_file(settings.audit_address)
    if not settings.audit_verify_seconds or not key_file.exists():
        return None
    loop = asyncio.get_running_loop()

    def record(event: Event) -> None:
        if loop.is_closed():
            raise LogUnavailable("the service has stopped")
        put = asyncio.run_coroutine_threadsafe(service.log.append(event), loop)
        try:
            put.result(_PATIENCE_SECONDS)
        except (TimeoutError, CancelledError):
            raise LogUnavailable("the decision log does not answer in time") from None

    def tell(verified: Verified) -> None:
        service.log_state.verified = verified

    watching = Watching(
        db=settings.audit_address,
        seconds=settings.audit_verify_seconds,
        lock_file=key_file,
        anchor_file=settings.audit_anchor_file,
        clock=service.clock,
    )
    return Watch(watching, record, tell)
