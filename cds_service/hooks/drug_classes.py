"""Classes of drugs as an oncologist writes them: "anti-cd38-antibody" is the anti-CD38 antibody."""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise

_GENERATION = re.compile(r"(?P<what>.+)-(?P<which>first|second|third|fourth)-generation")
_PREFIXES = frozenset({"anti", "non", "pan"})
_WRITTEN = {"epcam": "EpCAM", "gnrh": "GnRH", "gp100": "gp100", "mtor": "mTOR", "napi2b": "NaPi2b",
            "p53": "p53"}  # fmt: skip
_ABBREVIATIONS = frozenset(
    [
        "abl", "adc", "akt", "alk", "ar", "atr", "bcg", "bcma", "bcr", "bet", "braf", "btk", "ca",
        "car", "cdk", "clpp", "ctla", "dna", "ebv", "egfr", "er", "fak", "fgfr", "gpnmb", "hdac",
        "hgf", "iap", "jak", "kit", "kras", "lag", "liv", "mek", "met", "mibg", "nae", "ntrk",
        "parp", "pd", "pdgfra", "pkc", "prame", "psma", "raf", "ras", "ret", "serd", "serm", "src",
        "stamp", "t", "tcr", "tgf", "tigit", "til", "tim", "tki", "trail", "trop", "vegf", "vegfr",
    ]
)  # fmt: skip


@cache
def drug_class_in_words(drug_class: str) -> str:
    """The id of a class in words, without an article.

    Abbreviations and names of targets are written large and keep their hyphen among each other,
    the number of a sibling target follows a stroke (CDK4/6), a generation comes first.
    """
    if found := _GENERATION.fullmatch(drug_class):
        return f"{found['which']}-generation {drug_class_in_words(found['what'])}"
    parts = drug_class.split("-")
    text = _part(parts[0])
    for before, part in pairwise(parts):
        text += _between(before, part) + _part(part)
    return text


def _part(part: str) -> str:
    return _WRITTEN.get(part, part.upper() if _is_large(part) else part)


def _is_large(part: str) -> bool:
    has_number = any(char.isdigit() for char in part) and not part.isdigit()
    return part in _ABBREVIATIONS or part in _WRITTEN or has_number


def _between(before: str, part: str) -> str:
    if part.isdigit():
        is_target = before.isdigit() or before[-1].isdigit()
        return ("." if before.startswith("cldn") else "/") if is_target else "-"
    is_name = _is_large(before) or before.isdigit()
    return "-" if before in _PREFIXES or (is_name and _is_large(part)) else " "
