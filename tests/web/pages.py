"""A page as a reader's browser takes it apart: texts by anchor, links, and what it would load."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset({"meta", "br", "link", "img", "hr", "input"})


@dataclass
class Read(HTMLParser):
    """One page; `texts` holds, for each anchor, all text inside of what carries it."""

    page: str
    text: str = ""
    texts: dict[str, str] = field(default_factory=dict)
    anchors: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    attributes: list[str] = field(default_factory=list)
    open: list[tuple[str, str]] = field(default_factory=list)
    unclosed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.feed(self.page)
        self.unclosed += [tag for tag, _ in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self.attributes += told
        if "id" in told:
            self.anchors.append(told["id"])
        if "href" in told:
            self.links.append(told["href"])
        if tag in ("td", "th", "dd", "br"):
            self.text += " "
        if tag not in VOID:
            self.open.append((tag, told.get("id", "")))

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1][0] == tag:
            self.open.pop()
        else:
            self.unclosed.append(tag)

    def handle_data(self, data: str) -> None:
        if any(tag == "style" for tag, _ in self.open):
            return
        self.text += data
        for _, anchor in self.open:
            if anchor:
                self.texts[anchor] = self.texts.get(anchor, "") + data
