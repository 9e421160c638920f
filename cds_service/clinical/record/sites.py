"""Where a metastasis is: by the words of its diagnosis or its code, if they name one place."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cds_service.knowledge.terms import Code

_OF_METASTASIS = re.compile(
    r"^(?:secondary|metasta\w*)\b.*?\b(?:of|to|in)\s+(?:the\s+)?(?P<site>.+)$"
    r"|^(?P<first>[a-z ]+?)\s+metasta\w+(?: disease)?$"
)
_TAIL = re.compile(r"\s*(?:\(.*|,.*|\bfrom\b.*|\band\b.*|\bstructure\b.*)$")
_VAGUE = re.compile(
    r"\b(?:un\w+ed|unknown|multiple|other|sites?|disseminated|distant|primary|origin)\b"
)
_BY_ICD10 = {
    "C78.0": "lung",
    "C78.1": "mediastinum",
    "C78.2": "pleura",
    "C78.4": "small intestine",
    "C78.5": "large intestine",
    "C78.6": "peritoneum",
    "C78.7": "liver",
    "C79.0": "kidney",
    "C79.2": "skin",
    "C79.31": "brain",
    "C79.32": "meninges",
    "C79.51": "bone",
    "C79.6": "ovary",
    "C79.7": "adrenal gland",
    "C79.81": "breast",
}
"""Beginnings of codes of ICD-10-CM, and what they share with other modifications of ICD-10."""


def metastatic_site(texts: Iterable[str], codes: Iterable[Code], places: Iterable[str]) -> str:
    """The place of a metastasis in lower case: its body site, else its words, else its code.

    Empty where they name none, or several.
    """
    named = {place.strip().lower() for place in places} - {""}
    if named:
        return named.pop() if len(named) == 1 else ""
    for text in texts:
        site = _site_in(text.strip().lower())
        if site:
            return site
    starts = (code for system, code in codes if "icd-10" in system)
    found = {site for code in starts for start, site in _BY_ICD10.items() if code.startswith(start)}
    return found.pop() if len(found) == 1 else ""


def _site_in(text: str) -> str:
    match = _OF_METASTASIS.match(text)
    if match is None:
        return ""
    site = _TAIL.sub("", match["site"] or match["first"]).strip()
    return "" if not site or _VAGUE.search(site) else site
