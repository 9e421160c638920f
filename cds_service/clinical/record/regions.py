"""Which parts of the body a study or an order covers, as far as its words and codes say."""

from __future__ import annotations

import re
from collections.abc import Iterable

WHOLE_BODY = "whole-body"

_WORDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("chest", ("chest", "thorax", "thoracic", "lung", "c/a/p", "ct cap", "ct tap")),
    (
        "abdomen",
        ("abdom", "liver", "hepat", "pancrea", "adrenal", "spleen", "c/a/p", "ct cap", "ct tap"),
    ),
    ("pelvis", ("pelvi", "prostate", "c/a/p", "ct cap", "ct tap")),
    ("brain", ("brain", "head", "cerebr", "cranial", "intracranial")),
    ("neck", ("neck", "cervical region", "thyroid")),
    ("spine", ("spine", "spinal")),
    ("breast", ("breast", "mammogra")),
    ("limb", ("knee", "shoulder", "wrist", "ankle", "foot", "hand", "elbow", "femur", "humerus")),
    (
        WHOLE_BODY,
        ("whole body", "whole-body", "pet", "positron emission", "bone scan", "scintigra"),
    ),
)
"""Words of a study's name by the region that they mean. A study may cover several."""
_SAID = tuple((region, re.compile("|".join(map(re.escape, words)))) for region, words in _WORDS)

_CODES = {
    "418023006": ("chest", "abdomen", "pelvis"),
    "450436003": (WHOLE_BODY,),
    "24627-2": ("chest",),
    "24628-0": ("chest",),
    "72254-6": ("chest", "abdomen", "pelvis"),
    "36813-4": ("abdomen", "pelvis"),
    "24587-8": ("brain",),
}
"""Codes that cards of ours put on orders, and their kin: SNOMED CT and LOINC, no code twice."""


def regions_of(texts: Iterable[str], codes: Iterable[tuple[str, str]] = ()) -> frozenset[str]:
    """Regions that the words or codes of a study name; empty where they tell none."""
    said = " ; ".join(texts).lower()
    found = {region for region, words in _SAID if words.search(said)} if said else set()
    for _, code in codes:
        found.update(_CODES.get(code, ()))
    return frozenset(found)
