"""9: TLS, client tokens, and pages of other origins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import TypeAlias
from uuid import uuid4

from cds_service.conformance.called import good_call
from cds_service.conformance.calls import Offered
from cds_service.conformance.chart import new_patient
from cds_service.conformance.deployment import SANDBOX, Deployment
from cds_service.conformance.replies import Reply
from cds_service.conformance.requirement import NotChecked, Requirement
from cds_service.conformance.tokens import Signer

STRANGER = "https://conformance.invalid"
NO_KEY = "no --jwt-key to sign with"
Forge: TypeAlias = Callable[[Signer, str], str | None]
"""From a client and the address that is called to a token that is to be refused."""


def _tls(d: Deployment) -> Iterator[str]:
    if d.base.startswith("https://"):
        return
    if _is_loopback(d.host):
        raise NotChecked("plain http on this machine")
    yield "plain http"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _refuse(d: Deployment, forgeries: dict[str, Forge]) -> Iterator[str]:
    """Forged tokens, each on a complete call; yields those that are not refused with 401."""
    if d.signer is None:
        raise NotChecked(NO_KEY)
    for service in d.answering():
        for what, forge in forgeries.items():
            token = forge(d.signer, f"{d.base}/{service.path}")
            reply = _with_token(d, service, token, what)
            if reply.status != 401:
                yield str(reply)


def _with_token(d: Deployment, service: Offered, token: str | None, what: str) -> Reply:
    reply = d.ask("POST", service.path, f"{service.id}, {what}", good_call(service), token=token)
    d.once("refusals", list[Reply]).append(reply)
    return reply


def _needed(d: Deployment) -> Iterator[str]:
    yield from _refuse(
        d,
        {
            "no token": lambda *_: None,
            "a token that is none": lambda *_: f"no-token-{uuid4().hex}",
            "a token with a broken signature": lambda s, aud: _broken(s.token(aud)),
        },
    )


def _broken(token: str) -> str:
    said, _, signature = token.rpartition(".")
    return f"{said}.{signature[:-8]}{'A' * 8 if signature[-8:] != 'A' * 8 else 'B' * 8}"


def _audience(d: Deployment) -> Iterator[str]:
    yield from _refuse(
        d,
        {
            "a token for another service": lambda s, aud: s.token(f"{aud}-other"),
            "a token for discovery": lambda s, aud: s.token(aud.rpartition("/")[0]),
            "a token for nobody": lambda s, aud: s.token(aud, without="aud"),
        },
    )
    for service in d.answering():
        if d.signer is not None:
            address = f"{d.base}/{service.path}"
            token = d.signer.token([STRANGER, address])
            reply = d.ask(
                "POST", service.path, f"{service.id}, several audiences", good_call(service),
                token=token,
            )  # fmt: skip
            if not reply.is_good:
                yield str(reply)


def _algorithms(d: Deployment) -> Iterator[str]:
    yield from _refuse(
        d,
        {
            "a token without a signature": lambda s, aud: s.unsigned(aud),
            "a token signed by a shared secret": lambda s, aud: s.symmetric(aud),
        },
    )


def _clients(d: Deployment) -> Iterator[str]:
    yield from _refuse(
        d,
        {
            "a token of an unknown client": lambda s, aud: s.token(aud, iss=f"{STRANGER}/iss"),
            "a token with keys elsewhere": lambda s, aud: s.with_foreign_key().token(
                aud, header={"jku": f"{STRANGER}/jwks.json"}
            ),
        },
    )


def _keys(d: Deployment) -> Iterator[str]:
    yield from _refuse(
        d,
        {
            "a token by a foreign key": lambda s, aud: s.with_foreign_key().token(aud),
            "a token by a key nobody knows": lambda s, aud: s.with_foreign_key().token(
                aud, header={"kid": "conformance-unknown"}
            ),
        },
    )


def _times(d: Deployment) -> Iterator[str]:
    hour = 3600

    def past(signer: Signer, aud: str) -> str:
        now = int(signer.claims(aud)["iat"])
        return signer.token(aud, iat=now - 2 * hour, exp=now - hour)

    yield from _refuse(
        d,
        {
            "a token that has expired": past,
            "a token that never expires": lambda s, aud: s.token(aud, without="exp"),
            "a token without jti": lambda s, aud: s.token(aud, without="jti"),
        },
    )
    yield from _replayed(d)


def _replayed(d: Deployment) -> Iterator[str]:
    for service in d.answering():
        if d.signer is not None:
            token = d.signer.token(f"{d.base}/{service.path}", jti=64 * "a" + new_patient())
            first = d.ask(
                "POST", service.path, f"{service.id}, a token", good_call(service), token=token
            )
            if not first.is_good:
                yield str(first)
            reply = _with_token(d, service, token, "the same token again")
            if reply.status != 401:
                yield str(reply)


def _bare(d: Deployment) -> Iterator[str]:
    if d.signer is None:
        raise NotChecked(NO_KEY)
    for reply in d.once("refusals", list[Reply]):
        said = reply.content + repr(list(reply.headers.items())).encode()
        if any(token.encode() in said for token in d.sent_tokens):
            yield f"{reply.what}: the refusal repeats the token"


def _cross_origin(d: Deployment) -> Iterator[str]:
    origin = d.origin or SANDBOX
    header = d.get("cds-services", "discovery from a page", Origin=origin).headers
    if header.get("access-control-allow-origin") not in ("*", origin):
        if d.origin is None:
            raise NotChecked(f"pages of {SANDBOX} may not call it; name one that may by --origin")
        yield f"discovery: pages of {origin} may not call it"
        return
    for service in d.offered:
        for method, path in (
            ("GET", "cds-services"), ("POST", service.path), ("POST", f"{service.path}/feedback")
        ):  # fmt: skip
            yield from _preflight(d, origin, method, path)
        yield from _on_errors(d, service, origin)
    yield from _strangers(d)


def _preflight(d: Deployment, origin: str, method: str, path: str) -> Iterator[str]:
    reply = d.ask(
        "OPTIONS", path, f"preflight of {method} {path}", None,
        {"Origin": origin, "Access-Control-Request-Method": method,
         "Access-Control-Request-Headers": "authorization,content-type"}, token=None,
    )  # fmt: skip
    if not 200 <= reply.status < 300:
        yield str(reply)
        return
    if reply.headers.get("access-control-allow-origin") not in ("*", origin):
        yield f"{reply.what}: the page may not call"
    allowed = {h.strip().lower() for h in _listed(reply, "access-control-allow-headers")}
    for name in ("authorization", "content-type"):
        if name not in allowed:
            yield f"{reply.what}: {name} is not allowed by name"
    methods = {m.strip().upper() for m in _listed(reply, "access-control-allow-methods")}
    if method not in methods and "*" not in methods:
        yield f"{reply.what}: {method} is not allowed"


def _listed(reply: Reply, header: str) -> list[str]:
    return reply.headers.get(header, "").split(",")


def _on_errors(d: Deployment, service: Offered, origin: str) -> Iterator[str]:
    for what, path, body in (
        ("a malformed call", service.path, {}),
        ("a call without data", service.path, service.call(new_patient())),
        ("malformed feedback", f"{service.path}/feedback", {}),
        ("an unknown service", "cds-services/conformance-unknown", {}),
    ):
        reply = d.post(path, body, f"{service.id}, {what} from a page", Origin=origin)
        if reply.headers.get("access-control-allow-origin") not in ("*", origin):
            yield f"{reply}: the page cannot read it"


def _strangers(d: Deployment) -> Iterator[str]:
    header = d.get("cds-services", "discovery from a strange page", Origin=STRANGER).headers
    with_credentials = header.get("access-control-allow-credentials", "").lower() == "true"
    if with_credentials and header.get("access-control-allow-origin") in ("*", STRANGER):
        yield "any page may call it with credentials"


CHECKS = (
    Requirement("9.1", "SHALL", "Everything goes by TLS.", _tls),
    Requirement("9.2", "SHOULD", "A call without a good token is refused with 401.", _needed),
    Requirement(
        "9.4", "SHALL", "A token is for the address that is called, and only for that.", _audience
    ),
    Requirement("9.5", "SHALL", "No token unsigned, or signed by a shared secret.", _algorithms),
    Requirement("9.6", "SHOULD", "Clients, and where their keys are, are on a list.", _clients),
    Requirement("9.7", "SHALL", "Only keys of the client sign for it.", _keys),
    Requirement("9.8", "SHOULD", "A token has its time, and is used once.", _times),
    Requirement("9.9", "SHOULD", "A refusal does not repeat the token.", _bare),
    Requirement(
        "9.11", "SHOULD",
        "Pages may call it across origins: preflights, errors, and no credentials for all.",
        _cross_origin,
    ),
)  # fmt: skip
