"""Known names in what somebody typed: word by word, the longest first, in one pass."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

_WORD = re.compile(r"[^\W_]+")
# A dose, a strength, a cycle, a day or an interval: "400mg", "177", "c1d8", "q3w", "x6", "auc5".
_MEASURE = re.compile(r"\d[^\W_]*|(?:auc|wk|[cdqx])\d[^\W_]*")
_JOINED = re.compile(r"[^\W_]|[-+/&]")  # "AC-D" and "D-Rd" are not AC and Rd
_NEW_ITEM = frozenset(";+&\n→>")
_ITEM_WORDS = frozenset({"then", "followed", "plus", "and"})
_RUN = re.compile(r"\d+|[^\W\d_]+")
_BRACKETS = {"(": 1, "[": 1, ")": -1, "]": -1}
_MOST_FILLERS = 8  # "doxorubicin hydrochloride 2 mg/ml, 10 ml liposomal": more is another drug


@dataclass(frozen=True, slots=True)
class Name:
    """What a name stands for: drugs, and perhaps the regimen that they make.

    A `weak` name ("len", "carbo", "MP") means its drug only in a text that holds nothing else
    than names, doses, forms and the like. `investigational` names no drug: it says that what is
    given is under study, `placebo` that it may be nothing. A name of nothing at all is a filler of
    several words ("dose level").
    """

    drugs: tuple[str, ...] = ()
    supportive: tuple[str, ...] = ()
    regimen: str = ""
    weak: bool = False
    investigational: bool = False
    placebo: bool = False


PLACEBO = Name(investigational=True, placebo=True)
"""A placebo: no drug by itself, a blinded one beside a drug."""


@dataclass(slots=True)
class Node:
    """One word of the names that share their beginning."""

    following: dict[str, Node] = field(default_factory=dict)
    name: Name | None = None


class Word(msgspec.Struct, gc=False):
    """A run of letters and digits, where it stands, and what separates it from the one before.

    `is_aside`: it stands in brackets.
    """

    text: str
    start: int
    end: int
    begins_item: bool
    after_comma: bool
    is_aside: bool = False


class Found(msgspec.Struct, gc=False):
    """A name and the words `first` up to, not including, `end` that it takes."""

    name: Name
    first: int
    end: int
    is_acronym: bool = False


@dataclass(frozen=True, slots=True)
class MedicationNames:
    """Every name of a drug or regimen, compiled for reading medication texts.

    `tree` holds the names by their lower-case words; `exact`, by its first word as written, each
    acronym that counts only in its own capitals, as the whole text or as an item of it; `fuller`
    for a drug the words that would make it another one ("emtansine" for trastuzumab). The rest
    are kinds of words, all lower-case: `filler` (doses, forms, routes, schedules),
    `disqualifying` (a text about a level or an allergy), `not_before` and `not_after` (the drug
    beside them is not given), `local` (not a systemic route), `accompanying` (what can be both is
    given as supportive care: "premedication"). `telling` has of each name in the tree a word that
    every text with that name holds.
    """

    tree: Node
    exact: Mapping[str, tuple[tuple[str, Name], ...]]
    fuller: Mapping[str, tuple[str, ...]]
    filler: frozenset[str]
    disqualifying: frozenset[str]
    not_before: frozenset[str]
    not_after: frozenset[str]
    local: frozenset[str]
    accompanying: frozenset[str]
    telling: frozenset[str]

    def may_name(self, text: str) -> bool:
        """Whether a text can hold a name at all; most medications of a chart can be passed over."""
        return any(fold(word) in self.telling or word in self.exact for word in _WORD.findall(text))

    def is_filler(self, word: str) -> bool:
        return word in self.filler or _MEASURE.fullmatch(word) is not None

    def find(self, text: str, words: Sequence[Word]) -> tuple[Found, ...]:
        """The names in `words` from left to right, none overlapping, each as long as can be.

        Linear in the number of words: a name has few words, and few fillers may part them.
        """
        found: list[Found] = []
        at = 0
        begins = True  # an item of the text, but for fillers
        while at < len(words):
            word = words[at]
            begins = begins or word.begins_item or word.text in _ITEM_WORDS
            longest = self._name_from(words, at)
            acronym = self._acronym_from(text, words, at) if begins else None
            if acronym is not None and (longest is None or acronym.end >= longest.end):
                longest = acronym
            if longest is not None:
                found.append(longest)
                at = longest.end
                begins = False
            else:
                begins = begins and self.is_filler(word.text)
                at += 1
        return tuple(found)

    def _acronym_from(self, text: str, words: Sequence[Word], first: int) -> Found | None:
        """The acronym that begins with this word, joined to nothing else: "AC", but not "AC/T"."""
        word = words[first]
        for acronym, name in self.exact.get(text[word.start : word.end], ()):
            end = word.start + len(acronym)
            joined = text[end : end + 1] + text[max(word.start - 1, 0) : word.start]
            if text.startswith(acronym, word.start) and _JOINED.search(joined) is None:
                past = first + 1
                while past < len(words) and words[past].start < end:
                    past += 1
                return Found(name, first, past, is_acronym=True)
        return None

    def _name_from(self, words: Sequence[Word], first: int) -> Found | None:
        node = self.tree.following.get(words[first].text)
        if node is None:
            return None
        longest = None if node.name is None else Found(node.name, first, first + 1)
        fillers = 0
        for at in range(first + 1, len(words)):
            word = words[at]
            if not node.following or word.begins_item:
                break
            step = node.following.get(word.text)
            if step is not None and not (fillers and word.after_comma):
                node = step
                if node.name is not None:
                    longest = Found(node.name, first, at + 1)
            elif self.is_filler(word.text) and fillers < _MOST_FILLERS:
                fillers += 1
            else:
                break
        return longest


def words_of(text: str) -> tuple[Word, ...]:
    """The words of a text in lower case and without accents, in order."""
    words = []
    end = 0
    depth = 0
    has_brackets = "(" in text or "[" in text
    for match in _WORD.finditer(text):
        between = text[end : match.start()]
        end = match.end()
        if has_brackets:
            depth = max(0, depth + sum(_BRACKETS.get(mark, 0) for mark in between))
        words.append(
            Word(
                fold(match.group()),
                match.start(),
                end,
                not _NEW_ITEM.isdisjoint(between) and between != "&",  # "PSMA-I&T" is one name
                "," in between,
                depth > 0,
            )
        )
    return tuple(words)


def bare_words(text: str) -> list[str]:
    """The words of a text as the tree has them, without their places."""
    if text.isalpha() and text.isascii():
        return [text.lower()]
    return [fold(word) for word in _WORD.findall(text)]


def fold(word: str) -> str:
    """A word in lower case and without accents: "Épirubicine" is "epirubicine"."""
    lowered = word.lower()
    if lowered.isascii():
        return lowered
    parts = unicodedata.normalize("NFKD", lowered)
    return "".join(part for part in parts if not unicodedata.combining(part))


def spelt_apart(words: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Other ways to write a name of letters and digits: "vp 16" is "vp16", "cc5013" is "cc 5013".

    Nothing for a name without digits, for one of more than three words, or for digits alone.
    """
    whole = "".join(words)
    if len(words) > 3 or whole.isalpha():
        return ()
    pieces = tuple(_RUN.findall(whole))
    if len(pieces) not in (2, 3) or not any(map(str.isalpha, pieces)):
        return ()
    return tuple(way for way in ((whole,), pieces) if way != tuple(words))


def add_name(tree: Node, words: Sequence[str], name: Name) -> None:
    """Put a name into the tree by its lower-case words, unless they already have one."""
    node = tree
    for word in words:
        step = node.following.get(word)
        if step is None:
            step = node.following[word] = Node()
        node = step
    if node.name is None:
        node.name = name
