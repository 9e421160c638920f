"""Text out of a chart, made safe at the moment it becomes GitHub Flavored Markdown.

GFM lets HTML through and makes links of bare addresses; a chart's text does neither here.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST = 240
_SPECIAL = re.compile(r"([\\`*_\[\]|~>])")
"""What has a meaning inside a line; no text of a chart ever stands at the start of one."""
_UNSAFE = re.compile(r"[&<\\`*_\[\]|~>@]|://|www|mailto:", re.IGNORECASE)
_ADDRESS = re.compile(r"(://|www|@|mailto:)", re.IGNORECASE)
BREAK = "\u200b"
"""Zero-width space: keeps an address from being read as a link."""


def plain(text: str, longest: int = LONGEST) -> str:
    """The text without control and direction characters, on one line, cut at `longest`."""
    one_line = " ".join((text if text.isprintable() else _without_controls(text)).split())
    return one_line if len(one_line) <= longest else f"{one_line[: longest - 1]}…"


def _without_controls(text: str) -> str:
    return "".join(
        " " if char in "\t\n\r" else char
        for char in text
        if char in "\t\n\r" or unicodedata.category(char) not in ("Cc", "Cf", "Co", "Cs", "Cn")
    )


def escaped(text: str, longest: int = LONGEST) -> str:
    """The text as Markdown that renders as nothing but itself."""
    safe = plain(text, longest)
    if _UNSAFE.search(safe) is None:
        return safe
    safe = safe.replace("&", "&amp;").replace("<", "&lt;")
    return _ADDRESS.sub(lambda match: f"{match[0][0]}{BREAK}{match[0][1:]}", _escape(safe))


def _escape(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)
