"""Servers that the service reads with credentials of its own, as one TOML file names them.

    [[servers]]
    base = "https://ehr.example/fhir"
    client_id = "refractory-cds"
    key_file = "ehr.pem"           # PEM or JWK, beside this file; readable by its owner alone
    kid = "2026-1"
    alg = "ES384"                  # or RS384, which is the default
    scope = "system/*.rs"          # the default
    token_url = "https://ehr.example/oauth2/token"   # else .well-known/smart-configuration says

Source: SMART App Launch 2.2, Backend Services; client authentication by asymmetric key.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cds_service.errors import UsageError
from cds_service.fhir.allowed import AddressRules
from cds_service.fhir.assertions import Account, SigningKey, TokenOfServer
from cds_service.fhir.client import Transport
from cds_service.fhir.links import BaseUrl

OWNER_ONLY = 0o077
LARGEST_KEY = 64 * 1024
SMALLEST_RSA = 2048
KINDS: Mapping[str, type[RSAKey] | type[ECKey]] = {"RS384": RSAKey, "ES384": ECKey}


class _Named(BaseModel):
    model_config = ConfigDict(extra="forbid")

    base: str
    client_id: str = Field(min_length=1, max_length=500)
    key_file: Path
    kid: str = Field(min_length=1, max_length=500)
    alg: Literal["RS384", "ES384"] = "RS384"
    scope: str = Field(default="system/*.rs", pattern=r"^[\x21-\x7e]+( [\x21-\x7e]+)*$")
    token_url: str | None = None


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    servers: list[_Named]


@dataclass(frozen=True, slots=True)
class Credentials:
    """The token of each server that has one, by its base address."""

    servers: Mapping[str, TokenOfServer] = field(repr=False)

    def of(self, base: BaseUrl) -> TokenOfServer | None:
        """Where tokens for this very base come from; None where it has no credentials."""
        return self.servers.get(str(base))


def read_credentials(path: Path) -> tuple[Account, ...]:
    """The accounts of a file, with their keys; raises UsageError, which quotes nothing of a key.

    Two servers may share a key only where each names its `token_url`: else one of them could
    point at the token endpoint of the other, and be sent a token that opens that.
    """
    try:
        named = _File.model_validate(tomllib.loads(path.read_text("utf-8"))).servers
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise UsageError(f"{path}: not a TOML file") from None
    except ValidationError as error:
        where = ".".join(map(str, error.errors(include_input=False)[0]["loc"]))
        raise UsageError(f"{path}: {where} is missing or not as it should be") from None
    accounts = tuple(_account(one, path) for one in named)
    if len({account.base for account in accounts}) < len(accounts):
        raise UsageError(f"{path}: a server stands twice")
    shared = [(path.parent / one.key_file).resolve() for one in named]
    for one, file in zip(named, shared, strict=True):
        if one.token_url is None and shared.count(file) > 1:
            raise UsageError(f"{path}: servers that share a key need a token_url each")
    return accounts


def open_credentials(
    path: Path,
    rules: AddressRules,
    transport: Transport,
    *,
    new_id: Callable[[], str],
) -> Credentials:
    """The credentials of a file, ready to be used over these connections; raises UsageError."""
    return credentials_of(read_credentials(path), rules, transport, new_id=new_id)


def credentials_of(
    accounts: Iterable[Account],
    rules: AddressRules,
    transport: Transport,
    *,
    new_id: Callable[[], str],
) -> Credentials:
    """The same for accounts that have been read."""
    return Credentials(
        {str(a.base): TokenOfServer(a, rules, transport, new_id=new_id) for a in accounts}
    )


def _account(named: _Named, path: Path) -> Account:
    try:
        base = BaseUrl.parse(named.base)
        token_url = None if named.token_url is None else BaseUrl.parse(named.token_url)
    except ValueError as error:
        raise UsageError(f"{path}: an address is {error}") from None
    return Account(
        base=base,
        client_id=named.client_id,
        key=read_key(path.parent / named.key_file, named.alg),
        kid=named.kid,
        alg=named.alg,
        scope=named.scope,
        token_url=token_url,
    )


def read_key(path: Path, alg: str) -> SigningKey:
    """A private key, PEM or JWK, of the kind that `alg` signs with; raises UsageError."""
    try:
        if path.stat().st_mode & OWNER_ONLY:
            raise UsageError(f"{path}: others than its owner can read it; chmod 600")
        content = path.read_bytes()[: LARGEST_KEY + 1]
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    kind = KINDS[alg]
    try:
        is_jwk = content.lstrip().startswith(b"{")
        key = kind.import_key(json.loads(content) if is_jwk else content)
        is_fit = key.is_private and (
            key.curve_name == "P-384"
            if isinstance(key, ECKey)
            else key.raw_value.key_size >= SMALLEST_RSA
        )
    except (JoseError, ValueError, TypeError, KeyError):
        raise UsageError(f"{path}: no key that can be read, or not one for {alg}") from None
    if not is_fit:
        raise UsageError(f"{path}: not a private key that is fit for {alg}")
    return key
