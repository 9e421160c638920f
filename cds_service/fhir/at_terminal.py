"""How commands reach a FHIR server: with a token out of a file, so that none stands on a command
line, or with the service's own credentials for that server."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import stamina

from cds_service.errors import UnreadableInput
from cds_service.fhir.allowed import AddressRules
from cds_service.fhir.assertions import TokenOfServer
from cds_service.fhir.client import FhirClient, FhirLimits, open_connections
from cds_service.fhir.credentials import open_credentials
from cds_service.fhir.links import BaseUrl

SECONDS = 60.0
"""Time for one read, or all of one chart: nobody waits for it with a chart open."""
_CONNECT_SECONDS = 5.0


def client_at_terminal(
    base: str, token_file: Path | None, credentials_file: Path | None
) -> FhirClient:
    """A client for this server. Raises UnreadableInput for a token that cannot be read, and
    FhirError for an address that is none."""
    stamina.instrumentation.set_on_retry_hooks(())  # a second try is no news at a terminal
    token = read_token(token_file)
    own = None if token else _own_token(base, credentials_file)
    limits = FhirLimits(seconds=SECONDS, connect_seconds=_CONNECT_SECONDS)
    return FhirClient(base, token or own, limits=limits)


def read_token(file: Path | None) -> str | None:
    """The token in a file, None without one; raises UnreadableInput."""
    if file is None:
        return None
    try:
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise UnreadableInput(f"{file}: the token cannot be read") from None


def _own_token(base: str, file: Path | None) -> TokenOfServer | None:
    """The service's own access to this server, where the credentials file names it."""
    if file is None:
        return None
    try:
        address = BaseUrl.parse(base)
    except ValueError:
        return None  # the client says what is wrong with it
    rules = AddressRules.listed([base], loopback_ok=True)
    own = open_credentials(file, rules, open_connections(), new_id=lambda: str(uuid4()))
    return own.of(address)
