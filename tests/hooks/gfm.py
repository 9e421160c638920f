"""GitHub Flavored Markdown as a client renders it: what of a text becomes more than text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token

_GFM = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
"""HTML let through, as GFM does; its autolinks of bare addresses are looked for below."""

AUTOLINK = re.compile(
    r"(?:^|[\s*_~(])(?:https?://|ftp://|www\.)[A-Za-z0-9]"
    r"|[A-Za-z0-9._+-]+@[A-Za-z0-9_-]+\.[A-Za-z]",
    re.IGNORECASE,
)
"""GFM 0.29, section 6.9: bare addresses that become links."""


def shape_of(markdown: str) -> list[str]:
    """The structure that a text renders to, without its words."""
    return [_kind(token) for token in _flat(_GFM.parse(markdown)) if token.type != "text"]


def words_of(markdown: str) -> str:
    """The words that are left when all markup is rendered."""
    parts = (token.content for token in _flat(_GFM.parse(markdown)) if token.type == "text")
    return "\n".join(parts)


def dangers_of(markdown: str) -> list[str]:
    """Everything in a text that a client would make a link, an image, code or HTML of."""
    made = [kind for kind in shape_of(markdown) if kind not in HARMLESS]
    return made + [f"autolink {found[0]!r}" for found in AUTOLINK.finditer(words_of(markdown))]


HARMLESS = frozenset(
    {
        "p", "/p", "ul", "/ul", "li", "/li", "strong", "/strong", "em", "/em", "inline",
    }
)  # fmt: skip


def html_of(markdown: str) -> str:
    return str(_GFM.render(markdown))


def _kind(token: Token) -> str:
    name = token.tag if token.tag and token.type.endswith(("_open", "_close")) else token.type
    return f"/{name}" if token.nesting < 0 else name


def _flat(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _flat(token.children or [])
