"""11: what strict clients, such as the CRD test kit, look for beyond a plain reading."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cds_service.conformance.called import good_call
from cds_service.conformance.deployment import Deployment
from cds_service.conformance.replies import objects, walk
from cds_service.conformance.requirement import Requirement
from cds_service.conformance.suggested import links_of

URI = re.compile(
    r"https?://([A-Za-z0-9\-._~%!$&'()*+,;=:]*@)?([A-Za-z0-9\-.]+|\[[0-9A-Fa-f:.]+\])(:\d+)?"
    r"(/([A-Za-z0-9\-._~:/@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*)?"
    r"(\?([A-Za-z0-9\-._~:/?@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*)?"
    r"(#([A-Za-z0-9\-._~:/?@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*)?"
)
"""RFC 3986, for http and https with a host."""


def _topic(d: Deployment) -> Iterator[str]:
    for where, card in d.cards():
        source = card.get("source")
        if isinstance(source, dict) and "topic" not in source:
            yield f"{where}: source has no topic"


def _blank(d: Deployment) -> Iterator[str]:
    for reply in d.answers():
        for path, _, value in walk(reply.json, reply.what, not_into=frozenset()):
            if isinstance(value, str) and value and not value.strip():
                yield f"{path} holds blanks only"


def _links(d: Deployment) -> Iterator[str]:
    for where, link in links_of(d):
        url = link.get("url")
        if isinstance(url, str) and not URI.fullmatch(url):
            yield f"{where}: the url is none by RFC 3986"


def _app_context(d: Deployment) -> Iterator[str]:
    for where, link in links_of(d):
        if "appContext" in link and link.get("type") == "absolute":
            yield f"{where}: appContext on an absolute link"


def _one_kind(d: Deployment) -> Iterator[str]:
    for where, card in d.cards():
        kinds = {str(link.get("type")) for link in objects(card.get("links"))}
        if {"absolute", "smart"} <= kinds:
            yield f"{where}: absolute and SMART links on one card"
        if "type" in card:
            yield f"{where}: a member type, as of an action"


def _plain_request(d: Deployment) -> Iterator[str]:
    for service in d.answering():
        for what, headers in (
            ("any type accepted", {"Accept": "*/*"}),
            ("JSON with a charset", {"Content_Type": "application/json; charset=utf-8"}),
        ):
            reply = d.hook(service, good_call(service), what, **headers)
            if not reply.is_good:
                yield str(reply)


CHECKS = (
    Requirement("11.1", "own", "Each source has a topic.", _topic),
    Requirement("11.3", "own", "No text is made of blanks only.", _blank),
    Requirement("11.4", "own", "Links are addresses to a strict parser, too.", _links),
    Requirement("11.5", "own", "Only SMART links have an `appContext`.", _app_context),
    Requirement("11.11", "own", "A card does not mix kinds of links.", _one_kind),
    Requirement(
        "11.12", "own", "Headers of a request may have every usual form.", _plain_request
    ),
)  # fmt: skip
