"""4: prefetch templates, read strictly: what every client can fill."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

from cds_service.conformance.deployment import Deployment
from cds_service.conformance.replies import is_text
from cds_service.conformance.requirement import NotChecked, Requirement

TOKEN = re.compile(r"\{\{(.*?)\}\}")
PATH = re.compile(r"context\.[A-Za-z][A-Za-z0-9]*(\.[A-Za-z][A-Za-z0-9]*)*")
USERS = frozenset(
    {"userPractitionerId", "userPractitionerRoleId", "userPatientId", "userRelatedPersonId"}
)
NEWER = re.compile(r"today\(\)|resolve\(\)|ofType\(|\||%|\.where\(")
"""What only a client of CDS Hooks 3.0 can work out."""
FIELDS = {
    "patient-view": frozenset({"userId", "patientId", "encounterId"}),
    "order-select": frozenset({"userId", "patientId", "encounterId"}),
    "order-sign": frozenset({"userId", "patientId", "encounterId"}),
    "order-dispatch": frozenset({"patientId", "performer", "dispatchedOrders"}),
    "encounter-start": frozenset({"userId", "patientId", "encounterId"}),
    "encounter-discharge": frozenset({"userId", "patientId", "encounterId"}),
    "appointment-book": frozenset({"userId", "patientId", "encounterId"}),
}
"""Fields of the context that a token may name, by hook."""
FORM = re.compile(r"[A-Z][A-Za-z]+(/[^/?&#\s]+|\?[^?#\s]+)?|\{\{context\.userId\}\}")
PLAIN = re.compile(r"[_A-Za-z][A-Za-z0-9\-]*(:in)?")
NEVER = frozenset({"_include", "_revinclude", "_has", "_filter", "_query", "_content", "_text"})
UNCOMMON = re.compile(r"(ne|sa|eb|ap)\d{4}")


def _templates(d: Deployment) -> list[tuple[str, str, str]]:
    """Where, hook and template of each; raises NotChecked without any."""
    found = [
        (f"{one.get('id')}, {key}", str(one.get("hook")), template)
        for one in d.services
        if isinstance(one.get("prefetch"), dict)
        for key, template in one["prefetch"].items()
        if is_text(template)
    ]
    if not found:
        raise NotChecked("discovery has no prefetch template")
    return found


def _tokens(d: Deployment) -> Iterator[tuple[str, str, str]]:
    for where, hook, template in _templates(d):
        for token in TOKEN.findall(template):
            yield where, hook, token


def _relative(d: Deployment) -> Iterator[str]:
    for where, _, template in _templates(d):
        if not FORM.fullmatch(TOKEN.sub("x", template)) and not FORM.fullmatch(template):
            yield f"{where} is no relative read or search"


def _token_form(d: Deployment) -> Iterator[str]:
    for where, _, template in _templates(d):
        if "{" in TOKEN.sub("", template) or "}" in TOKEN.sub("", template):
            yield f"{where}: a brace that belongs to no token"
    for where, _, token in _tokens(d):
        is_newer, is_user = NEWER.search(token), token.startswith("user")
        if not (is_newer or is_user or PATH.fullmatch(token)):
            yield f"{where}: {{{{{token}}}}} is no path into the context"


def _token_fields(d: Deployment) -> Iterator[str]:
    for where, hook, token in _tokens(d):
        name = token.removeprefix("context.")
        known = FIELDS.get(hook)
        if known and PATH.fullmatch(token) and name not in known:
            yield f"{where}: {hook} has no token {token}"


def _users(d: Deployment) -> Iterator[str]:
    for where, _, token in _tokens(d):
        if token.startswith("user") and not NEWER.search(token) and token not in USERS:
            yield f"{where}: {token} is no identifier of a user"


def _common(d: Deployment) -> Iterator[str]:
    for where, _, template in _templates(d):
        query = TOKEN.sub("x", template).partition("?")[2]
        for parameter in filter(None, query.split("&")):
            name, _, value = parameter.partition("=")
            name = unquote(name)
            if name in NEVER or name.split(":")[0] in NEVER or not PLAIN.fullmatch(name):
                yield f"{where}: {name}"
            elif UNCOMMON.match(unquote(value)):
                yield f"{where}: {name} with the prefix {value[:2]}"


def _older_clients(d: Deployment) -> Iterator[str]:
    for where, _, token in _tokens(d):
        if NEWER.search(token):
            yield f"{where}: {{{{{token}}}}}"


CHECKS = (
    Requirement(
        "4.1", "SHALL", "Each template is a relative read, or a search of one type.", _relative
    ),
    Requirement("4.2", "SHALL", "Tokens hold a path to a field of the context.", _token_form),
    Requirement(
        "4.3", "SHALL", "Tokens name fields that the hook offers for that.", _token_fields
    ),
    Requirement("4.4", "SHALL", "User identifiers are of the four there are.", _users),
    Requirement(
        "4.5", "SHALL", "Searches use only what is widely supported.", _common
    ),
    Requirement(
        "4.6", "SHOULD", "No token needs a client of CDS Hooks 3.0.", _older_clients
    ),
)  # fmt: skip
