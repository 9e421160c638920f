"""Entries of the log as FHIR: AuditEvents without names, or whole Bundles for one recipient.

Each resource of ours goes through the models of `fhir.resources` before it leaves.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

from cds_service.audit.audit_events import Frame, audit_event
from cds_service.audit.fhir_codes import Json
from cds_service.audit.identified import bundle_of
from cds_service.audit.reading import LogReader, StoredEvent
from cds_service.audit.searching import in_batches, what_followed
from cds_service.errors import AuditError

_ENCRYPTION = "A256GCM"


def pseudonymous_lines(reader: LogReader, events: Iterable[StoredEvent]) -> Iterator[bytes]:
    """One AuditEvent a line, made of envelopes alone."""
    from fhir.resources.R4B.auditevent import AuditEvent  # slow to load, and needed here only

    log_id, _ = reader.first_link()
    frame = Frame.of(log_id)
    for event in events:
        made = audit_event(event, frame)
        AuditEvent.model_validate(made)
        yield _line(made)


def identified_lines(reader: LogReader, events: Iterable[StoredEvent]) -> Iterator[bytes]:
    """One Bundle a line, with the patient, the resources that were used, and the cards."""
    from fhir.resources.R4B import get_fhir_model_class

    log_id, _ = reader.first_link()
    for batch in in_batches(events):
        followed = what_followed(reader, batch)
        for event in batch:
            bundle, ours = bundle_of(reader, event, log_id, followed.get(event.event_id, ()))
            for resource in ours:
                get_fhir_model_class(resource["resourceType"]).model_validate(resource)
            yield bundle + b"\n"


def _line(resource: Json) -> bytes:
    return json.dumps(resource, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whose key opens an export that names patients; `thumbprint` is that key's (RFC 7638)."""

    key: ECKey | RSAKey | OKPKey
    thumbprint: str

    @classmethod
    def of_file(cls, path: Path) -> Recipient:
        """The public key in a JWK or PEM file; AuditError where there is none to encrypt to."""
        try:
            text = path.read_text(encoding="utf-8")
            key = _imported(text)
        except OSError as error:
            raise AuditError(f"{path}: {error.strerror}") from error
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise AuditError(f"{path}: no public key (JWK, or PEM of EC, RSA or X25519)") from error
        if key.is_private:
            raise AuditError(f"{path}: a private key; give the recipient's public one")
        return cls(key, key.thumbprint())

    def encrypt(self, content: bytes) -> bytes:
        """The content as a compact JWE that only the recipient can open. Source: RFC 7516."""
        is_rsa = isinstance(self.key, RSAKey)
        header = {
            "alg": "RSA-OAEP-256" if is_rsa else "ECDH-ES+A256KW",
            "enc": _ENCRYPTION,
            "kid": self.thumbprint,
            "cty": "application/fhir+ndjson",
        }
        allowed = [header["alg"], _ENCRYPTION]
        return jwe.encrypt_compact(header, content, self.key, algorithms=allowed).encode()


def _imported(text: str) -> ECKey | RSAKey | OKPKey:
    if not text.lstrip().startswith("{"):
        for kind in (ECKey, RSAKey, OKPKey):
            try:
                return kind.import_key(text)
            except (JoseError, ValueError, TypeError):
                continue
        raise ValueError("no key")
    members = json.loads(text)
    if members["kty"] not in ("EC", "RSA", "OKP"):
        raise ValueError("no public key")
    key: Any = JWKRegistry.import_key(members)
    return key  # type: ignore[no-any-return]
