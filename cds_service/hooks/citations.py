"""The papers behind a card: in words where a rule is told, as a link below."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from cds_service.hooks.markdown import escaped
from cds_service.knowledge.model import Citation, Knowledge

_PAPER = re.compile(r"(?P<who>.+?)\. .+[.?] (?P<where>[^.?]+ \d{4};.+)")
"""Authors, title and place of a paper, as `citations.toml` writes them."""


def label_of(key: str) -> str:
    """A paper by author and year, as its link is labelled: "Rajkumar 2011"."""
    return key.replace("-", " ").title()


class CitationsOfACard:
    """Each paper with its authors and place the first time, by author and year from then on.

    The title is left out where the card links to the paper; what has no link is cited whole.
    """

    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge
        self._named: set[str] = set()

    def named(self, keys: Iterable[str]) -> Iterator[str]:
        """These citations as Markdown; what the knowledge does not hold is passed over."""
        for key in keys:
            if citation := self._knowledge.citations.get(key):
                is_known = key in self._named and bool(citation.doi)
                self._named.add(key)
                yield label_of(key) if is_known else _short(citation)


@lru_cache(512)  # of texts of the knowledge, none of a chart
def _short(citation: Citation) -> str:
    text = citation.text.rstrip(".")
    paper = _PAPER.fullmatch(text) if citation.doi else None
    return escaped(f"{paper['who']}. {paper['where']}" if paper else text, longest=400)
