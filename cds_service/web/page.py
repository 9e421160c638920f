"""GET /docs: the OpenAPI document as one page that runs nothing and asks no other host."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from fastapi import APIRouter, Request, Response

STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "pre{background:#f4f4f4;padding:1rem;overflow:auto}code{font-family:monospace}"
    "h2{border-top:1px solid #ccc;padding-top:1rem}"
)
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page_routes() -> APIRouter:
    """The page, made of the document of whatever application it stands in."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/")  # where somebody looks first who was given the address
    @routes.get("/docs")
    async def docs(request: Request) -> Response:
        return Response(
            page_of(request.app.openapi()),
            headers={"Content-Security-Policy": POLICY},
            media_type="text/html",
        )

    return routes


def page_of(document: Mapping[str, Any]) -> str:
    """The whole document as HTML; all of its text is escaped."""
    info = document["info"]
    title = escape(f"{info['title']} {info['version']}")
    body = "".join(
        part
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        for part in _operation(method, path, operation)
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body><h1>{title}</h1><p>{escape(info['description'])}</p>"
        '<p>For machines: <a href="/openapi.json">/openapi.json</a></p>'
        f"<ul>{''.join(_contents(document))}</ul>{_of_errors(document)}{body}</body></html>"
    )


def _contents(document: Mapping[str, Any]) -> Iterator[str]:
    for path, operations in document["paths"].items():
        for method in operations:
            route = f"<code>{escape(method.upper())} {escape(path)}</code>"
            yield f'<li><a href="#{_anchor(method, path)}">{route}</a></li>'


def _anchor(method: str, path: str) -> str:
    return escape(f"{method}{path}".replace("/", "-"))


def _of_errors(document: Mapping[str, Any]) -> str:
    """What every error looks like, once: all routes describe it alike."""
    described = [
        operation["responses"]["default"]
        for operations in document["paths"].values()
        for operation in operations.values()
        if "default" in operation["responses"]
    ]
    said = {"description": "An OperationOutcome, without anything of the request."}
    return "".join(_content("Every error", described[0] | said)) if described else ""


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f'<h2 id="{_anchor(method, path)}"><code>{escape(method.upper())} {escape(path)}'
    yield "</code></h2>"
    yield f"<p>{escape(operation['description'])}</p>"
    for parameter in operation.get("parameters", ()):
        said = parameter.get("description", "")
        yield f"<p>{escape(parameter['in'])} <code>{escape(parameter['name'])}</code>: "
        yield f"{escape(said)}</p>"
    if "requestBody" in operation:
        yield from _content("Request", operation["requestBody"])
    errors: list[str] = []
    for status, answer in operation["responses"].items():
        if not _is_of_errors(answer):
            yield from _content(status, answer)
        elif status != "default":
            said = escape(answer.get("description", ""))
            errors.append(f"<li><code>{escape(status)}</code> {said}</li>")
    if errors:
        yield f"<h3>Errors</h3><ul>{''.join(errors)}</ul>"


def _is_of_errors(answer: Mapping[str, Any]) -> bool:
    """Whether an answer is what every error is, an OperationOutcome."""
    examples = [content.get("example", {}) for content in answer.get("content", {}).values()]
    return any(example.get("resourceType") == "OperationOutcome" for example in examples)


def _content(what: str, described: Mapping[str, Any]) -> Iterator[str]:
    yield f"<h3>{escape(what)}</h3><p>{escape(described.get('description', ''))}</p>"
    for content in described.get("content", {}).values():
        members = "".join(_members(content.get("schema", {})))
        if members:
            yield f"<details><summary>members</summary>{members}</details>"
        if "example" in content:
            example = json.dumps(content["example"], indent=2, ensure_ascii=False)
            yield f"<pre>{escape(example)}</pre>"


def _members(shape: Mapping[str, Any]) -> Iterator[str]:
    """The members of an object, one a line, with those inside of them; none of anything else."""
    inside = _objects(shape)
    if not inside:
        return
    yield "<ul>"
    for name, member in inside.get("properties", {}).items():
        needed = "" if name in inside.get("required", ()) else ", optional"
        yield f"<li><code>{escape(name)}</code> {escape(_kind(member))}{needed}"
        yield from _members(member)
        yield "</li>"
    yield "</ul>"


def _objects(shape: Mapping[str, Any]) -> Mapping[str, Any]:
    """The one shape of an object that a shape is, lists, or may be; else none."""
    found = shape.get("items", shape)
    several = [one for one in found.get("anyOf", ()) if one.get("properties")]
    found = several[0] if len(several) == 1 else found
    return found if found.get("properties") else {}


def _kind(shape: Mapping[str, Any]) -> str:
    """What a member is, in a few words."""
    if "anyOf" in shape:
        return " or ".join(dict.fromkeys(_kind(one) for one in shape["anyOf"]))
    if "enum" in shape:
        return " | ".join(map(str, shape["enum"]))
    kind = str(shape.get("properties", {}).get("resourceType", {}).get("enum", [""])[0])
    if shape.get("type") == "array":
        return f"list of {_kind(shape.get('items', {}))}"
    words = {"string": shape.get("format", "text"), "object": kind or "object"}
    said = words.get(str(shape.get("type")), str(shape.get("type", "anything")))
    longest = f", at most {shape['maxLength']} characters" if "maxLength" in shape else ""
    return f"{said}{longest}"
