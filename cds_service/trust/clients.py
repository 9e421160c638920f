"""The file of known clients: whose tokens are taken, with which keys, for what.

[[clients]]
iss            = "https://ehr.example.org"
jwks_url       = "https://ehr.example.org/cds/jwks.json"   # or jwks_file, or jku
algorithms     = ["ES384"]
tenants        = ["north", "south"]
fhir_servers   = ["https://fhir.example.org/r4"]
calls_a_minute = 1200
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from cds_service.errors import UsageError
from cds_service.fhir.allowed import AddressRules
from cds_service.fhir.links import BaseUrl
from cds_service.trust.jwks import DEFAULT_ALGORITHMS, LONGEST_ID, read_keys

DEFAULT_LIFE = 300
DEFAULT_KEYS_AGE = 600
HOUR = 3600


@dataclass(frozen=True, slots=True)
class KnownClient:
    """One client that may call. Seconds are whole; None means no list, so no such bound."""

    iss: str
    algorithms: frozenset[str] = frozenset(DEFAULT_ALGORITHMS)
    jwks_file: Path | None = None
    jwks_url: str | None = None
    jku: frozenset[str] = frozenset()
    tenants: frozenset[str] | None = None
    most_seconds: int = DEFAULT_LIFE
    keys_seconds: int = DEFAULT_KEYS_AGE
    fhir_rules: AddressRules | None = None
    calls_a_minute: int | None = None

    @property
    def key_addresses(self) -> frozenset[str]:
        """Every address that its keys may be read from."""
        return self.jku | ({self.jwks_url} if self.jwks_url else set())


Clients = Mapping[str, KnownClient]
"""By issuer."""

_Text = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_ID)]
_Iss = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,256}$")]
_Address = Annotated[str, StringConstraints(min_length=1, max_length=2048)]
_Whole = Annotated[int, Field(strict=True)]


class _Client(BaseModel):
    """A table of the file as it is written."""

    model_config = ConfigDict(extra="forbid")

    iss: _Iss
    jwks_file: Annotated[Path, Field()] | None = None
    jwks_url: _Address | None = None
    jku: Annotated[tuple[_Address, ...], Field(min_length=1)] | None = None
    algorithms: Annotated[
        tuple[Literal["ES384", "RS384", "ES256", "RS256"], ...], Field(min_length=1)
    ] = DEFAULT_ALGORITHMS  # type: ignore[assignment] # its members are such words
    tenants: Annotated[tuple[_Text, ...], Field(min_length=1)] | None = None
    most_seconds: Annotated[_Whole, Field(ge=1, le=HOUR)] = DEFAULT_LIFE
    keys_seconds: Annotated[_Whole, Field(ge=60, le=24 * HOUR)] = DEFAULT_KEYS_AGE
    fhir_servers: Annotated[tuple[_Address, ...], Field(min_length=1)] | None = None
    calls_a_minute: Annotated[_Whole, Field(ge=1)] | None = None


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    clients: Annotated[tuple[_Client, ...], Field(min_length=1)]


def load_clients(file: Path) -> Clients:
    """The clients of this file; raises UsageError with file, path and reason."""
    try:
        table = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as fault:
        raise UsageError(f"{file}: {getattr(fault, 'strerror', None) or 'not UTF-8'}") from None
    except tomllib.TOMLDecodeError as fault:
        raise UsageError(f"{file}: {fault}") from None
    try:
        read = _File.model_validate(table)
    except ValidationError as fault:
        first = fault.errors(include_url=False, include_input=False)[0]
        raise UsageError(f"{file}: {_path(first['loc'])}: {first['msg']}") from None
    clients: dict[str, KnownClient] = {}
    for number, one in enumerate(read.clients):
        where = f"clients[{number}]"
        if one.iss in clients:
            raise UsageError(f"{file}: {where}.iss: stands there twice")
        try:
            clients[one.iss] = _client(one, file.parent)
        except _Wrong as wrong:
            raise UsageError(f"{file}: {where}{wrong}") from None
    return clients


def required_clients(file: Path | None) -> Clients:
    """The clients where tokens are required; raises UsageError where nobody could have one."""
    if file is None:
        raise UsageError(
            "REFRACTORY_CDS_JWT: tokens are required, but REFRACTORY_CDS_CLIENTS_FILE names "
            "nobody who could have one"
        )
    return load_clients(file)


class _Wrong(Exception):
    def __init__(self, member: str, reason: str) -> None:
        super().__init__(f".{member}: {reason}" if member else f": {reason}")


def _client(one: _Client, folder: Path) -> KnownClient:
    if one.jwks_file is not None and one.jwks_url is not None:
        raise _Wrong("", "jwks_file and jwks_url: one of them, not both")
    if one.jwks_file is None and one.jwks_url is None and one.jku is None:
        raise _Wrong("", "no keys: name jwks_file, jwks_url or jku")
    if one.jwks_url is not None:
        _check_key_address("jwks_url", one.jwks_url)
    for number, address in enumerate(one.jku or ()):
        _check_key_address(f"jku[{number}]", address)
    file = folder / one.jwks_file if one.jwks_file is not None else None
    if file is not None:
        _check_key_file(file, one)
    return KnownClient(
        iss=one.iss,
        algorithms=frozenset(one.algorithms),
        jwks_file=file,
        jwks_url=one.jwks_url,
        jku=frozenset(one.jku or ()),
        tenants=frozenset(one.tenants) if one.tenants is not None else None,
        most_seconds=one.most_seconds,
        keys_seconds=one.keys_seconds,
        fhir_rules=_fhir_rules(one.fhir_servers),
        calls_a_minute=one.calls_a_minute,
    )


def _fhir_rules(bases: tuple[str, ...] | None) -> AddressRules | None:
    for number, base in enumerate(bases or ()):
        try:
            BaseUrl.parse(base)
        except ValueError as fault:
            raise _Wrong(f"fhir_servers[{number}]", str(fault)) from None
    return None if bases is None else AddressRules.listed(bases)


def _check_key_address(member: str, address: str) -> None:
    """Keys come over TLS, or from this machine: whoever can change them can call as the client."""
    try:
        base = BaseUrl.parse(address)
    except ValueError as fault:
        raise _Wrong(member, str(fault)) from None
    if base.scheme != "https" and not _is_this_machine(base.host):
        raise _Wrong(member, "keys are read by https only")


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _check_key_file(file: Path, one: _Client) -> None:
    try:
        keys = read_keys(file.read_bytes(), is_own_file=True)
    except OSError as fault:
        raise _Wrong("jwks_file", f"{file.name}: {fault.strerror}") from None
    except ValueError as fault:
        raise _Wrong("jwks_file", f"{file.name}: {_reason(fault)}") from None
    if not any(algorithm in one.algorithms for _, algorithm in keys):
        raise _Wrong("jwks_file", f"{file.name}: no key for {', '.join(one.algorithms)}")


def _reason(fault: ValueError) -> str:
    """Why a file is not read, without quoting it: what stands there may be a private key."""
    return "not JSON in UTF-8" if type(fault) is not ValueError else str(fault)


def _path(parts: tuple[Any, ...]) -> str:
    """A path as `clients[0].jku[1]`."""
    told = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return told.lstrip(".") or "the file"
