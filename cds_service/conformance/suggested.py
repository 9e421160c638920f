"""7: suggestions, their actions, and links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from cds_service.conformance.answered import odd_uuids
from cds_service.conformance.deployment import Deployment
from cds_service.conformance.replies import is_text, objects
from cds_service.conformance.requirement import NotChecked, Requirement

ACTIONS = ("create", "update", "delete")
REFERENCE = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}")

Named = list[tuple[str, dict[str, Any]]]


def suggestions_of(d: Deployment) -> Named:
    """Every suggestion, and where it stands; raises NotChecked without any."""
    found = [
        (f"{where}, suggestions[{position}]", one)
        for where, card in d.cards()
        for position, one in enumerate(objects(card.get("suggestions")))
    ]
    if not found:
        raise NotChecked("no card has a suggestion")
    return found


def actions_of(d: Deployment) -> Named:
    """Every action of a suggestion; raises NotChecked without any."""
    found = [
        (f"{where}, actions[{position}]", one)
        for where, suggestion in suggestions_of(d)
        for position, one in enumerate(objects(suggestion.get("actions")))
    ]
    if not found:
        raise NotChecked("no suggestion has an action")
    return found


def links_of(d: Deployment) -> Named:
    """Every link; raises NotChecked without any."""
    found = [
        (f"{where}, links[{position}]", one)
        for where, card in d.cards()
        for position, one in enumerate(objects(card.get("links")))
    ]
    if not found:
        raise NotChecked("no card has a link")
    return found


def _label(d: Deployment) -> Iterator[str]:
    for where, one in suggestions_of(d):
        if not isinstance(one.get("label"), str):
            yield f"{where} has no label"


def _uuids(d: Deployment) -> Iterator[str]:
    found = [(where, one["uuid"]) for where, one in suggestions_of(d) if "uuid" in one]
    if not found:
        raise NotChecked("no suggestion has a uuid")
    yield from odd_uuids(found)


def _recommended(d: Deployment) -> Iterator[str]:
    for where, one in suggestions_of(d):
        if not isinstance(one.get("isRecommended", False), bool):
            yield f"{where}: isRecommended is neither true nor false"
    for where, card in d.cards():
        named = [s for s in objects(card.get("suggestions")) if s.get("isRecommended") is True]
        if len(named) > 1 and card.get("selectionBehavior") != "any":
            yield f"{where}: {len(named)} recommended, of which one can be chosen"


def _actions(d: Deployment) -> Iterator[str]:
    for where, one in suggestions_of(d):
        actions = one.get("actions", [])
        if not isinstance(actions, list) or len(objects(actions)) != len(actions):
            yield f"{where}: actions is no list of objects"


def _action_behaviour(d: Deployment) -> Iterator[str]:
    for where, one in suggestions_of(d):
        if "actionSelectionBehavior" in one:
            yield f"{where} has actionSelectionBehavior, unasked"


def _types(d: Deployment) -> Iterator[str]:
    for where, action in actions_of(d):
        if action.get("type") not in ACTIONS:
            yield f"{where}: type {action.get('type')}"


def _descriptions(d: Deployment) -> Iterator[str]:
    for where, action in actions_of(d):
        if not isinstance(action.get("description"), str):
            yield f"{where} has no description"


def _resources(d: Deployment) -> Iterator[str]:
    for where, action in actions_of(d):
        kind, resource = action.get("type"), action.get("resource")
        if kind not in ("create", "update"):
            continue
        if not isinstance(resource, dict) or not is_text(resource.get("resourceType")):
            yield f"{where}: {kind} without a resource"
        elif kind == "update" and not is_text(resource.get("id")):
            yield f"{where}: update of a resource without id"


def _deletions(d: Deployment) -> Iterator[str]:
    found = [(where, a) for where, a in actions_of(d) if a.get("type") == "delete"]
    if not found:
        raise NotChecked("no action deletes")
    for where, action in found:
        name = action.get("resourceId")
        if not isinstance(name, str) or not REFERENCE.fullmatch(name):
            yield f"{where}: delete without a resourceId of the form Type/id"
        if "resource" in action:
            yield f"{where}: delete with a resource"


def _links(d: Deployment) -> Iterator[str]:
    for where, card in d.cards():
        listed = card.get("links", [])
        if not isinstance(listed, list) or len(objects(listed)) != len(listed):
            yield f"{where}: links is no list of objects"
    for where, link in links_of(d):
        for member in ("label", "url"):
            if not isinstance(link.get(member), str):
                yield f"{where} has no {member}"
        if link.get("type") not in ("absolute", "smart"):
            yield f"{where}: type {link.get('type')}"


def _smart(d: Deployment) -> Iterator[str]:
    for where, link in links_of(d):
        url = link.get("url")
        if link.get("type") == "smart" and isinstance(url, str):
            for parameter in ("launch=", "iss="):
                if parameter in url.partition("?")[2]:
                    yield f"{where}: a SMART link with {parameter[:-1]}"


def _app_context(d: Deployment) -> Iterator[str]:
    for where, link in links_of(d):
        if "appContext" in link and not isinstance(link["appContext"], str):
            yield f"{where}: appContext is no text"


def _autolaunch(d: Deployment) -> Iterator[str]:
    for where, link in links_of(d):
        if not isinstance(link.get("autolaunchable", False), bool):
            yield f"{where}: autolaunchable is neither true nor false"


CHECKS = (
    Requirement("7.30", "SHALL", "Each suggestion has a `label`.", _label),
    Requirement("7.31", "SHALL", "The `uuid` of a suggestion is a UUID, and its own.", _uuids),
    Requirement(
        "7.32", "SHALL", "Several are recommended only where several can be chosen.", _recommended
    ),
    Requirement("7.33", "SHALL", "`actions`, where given, is a list of objects.", _actions),
    Requirement(
        "7.34", "SHALL", "`actionSelectionBehavior` is not used unasked.", _action_behaviour
    ),
    Requirement("7.35", "SHALL", "An action creates, updates or deletes.", _types),
    Requirement("7.36", "SHALL", "Each action has a `description`.", _descriptions),
    Requirement(
        "7.37", "SHALL", "What is created or updated is there, as a whole resource.", _resources
    ),
    Requirement("7.38", "SHOULD", "What is deleted is named as `Type/id`.", _deletions),
    Requirement("7.40", "SHALL", "Each link has `label`, `url` and a `type`.", _links),
    Requirement("7.41", "SHALL", "A SMART link leaves launch parameters to the client.", _smart),
    Requirement("7.42", "SHALL", "`appContext`, where given, is a text.", _app_context),
    Requirement("7.43", "SHALL", "`autolaunchable`, where given, is a boolean.", _autolaunch),
)  # fmt: skip
