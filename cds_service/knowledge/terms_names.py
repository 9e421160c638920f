"""Known names in what somebody typed: word by word, the longest first, in one pass."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_WORD = re.compile(r"[^\W_]+")
# A dose, a strength, a cycle, a day or an interval: "400mg", "177", "c1d8", "q3w", "x6", "auc5".
_MEASURE = re.compile(r"\d[^\W_]*|(?:auc|wk|[cdqx])\d[^\W_]*")
_JOINED = re.compile(r"[^\W_]|[-+/&]")  # "AC-D" and "D-Rd" are not AC and Rd
_NEW_ITEM = frozenset(";+&\n")
_MOST_FILLERS = 8  # "doxorubicin hydrochloride 2 mg/ml, 10 ml liposomal": more is another drug


@dataclass(frozen=True, slots=True)
class Name:
    """What a name stands for: drugs, and perhaps the regimen that they make.

    A `weak` name ("len", "carbo", "MP") means its drug only in a text that holds nothing else
    than names, doses, forms and the like. `investigational` names no drug: it says that what is
    given is under study. A name of nothing at all is a filler of several words ("dose level").
    """

    drugs: tuple[str, ...] = ()
    supportive: tuple[str, ...] = ()
    regimen: str = ""
    weak: bool = False
    investigational: bool = False


@dataclass(slots=True)
class Node:
    """One word of the names that share their beginning."""

    following: dict[str, Node] = field(default_factory=dict)
    name: Name | None = None


@dataclass(frozen=True, slots=True)
class Word:
    """A run of letters and digits, where it stands, and what separates it from the one before."""

    text: str
    start: int
    end: int
    begins_item: bool
    after_comma: bool


@dataclass(frozen=True, slots=True)
class Found:
    """A name and the words `first` up to, not including, `end` that it takes."""

    name: Name
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class MedicationNames:
    """Every name of a drug or regimen, compiled for reading medication texts.

    `tree` holds the names by their lower-case words; `exact`, by its first word as written, each
    acronym that counts only as the whole text and in its own capitals; `fuller` for a drug the
    words that would make it another one ("emtansine" for trastuzumab). The rest are kinds of
    words, all lower-case: `filler` (doses, forms, routes, schedules), `disqualifying` (a text
    about a level or an allergy), `not_before` and `not_after` (the drug beside them is not
    given), `local` (not a systemic route). `telling` has of each name in the tree a word that
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
    telling: frozenset[str]

    def may_name(self, text: str) -> bool:
        """Whether a text can hold a name at all; most medications of a chart can be passed over."""
        return any(
            word.lower() in self.telling or word in self.exact for word in _WORD.findall(text)
        )

    def is_filler(self, word: str) -> bool:
        return word in self.filler or _MEASURE.fullmatch(word) is not None

    def find(self, words: Sequence[Word]) -> tuple[Found, ...]:
        """The names in `words` from left to right, none overlapping, each as long as can be.

        Linear in the number of words: a name has few words, and few fillers may part them.
        """
        found = []
        at = 0
        while at < len(words):
            longest = self._name_from(words, at)
            if longest is not None:
                found.append(longest)
                at = longest.end
            else:
                at += 1
        return tuple(found)

    def find_acronym(self, text: str, words: Sequence[Word]) -> Found | None:
        """The acronym that is the whole text but for doses, cycles and the like.

        "AC cycle 2" and "7+3 induction" have one; "AC and surgery" and "ac" have none.
        """
        for first, word in enumerate(words):
            for acronym, name in self.exact.get(text[word.start : word.end], ()):
                end = word.start + len(acronym)
                joined = text[end : end + 1] + text[max(word.start - 1, 0) : word.start]
                if not text.startswith(acronym, word.start) or _JOINED.search(joined) is not None:
                    continue
                past = first + sum(word.start <= other.start < end for other in words[first:])
                others = (*words[:first], *words[past:])
                if all(self.is_filler(other.text) for other in others):
                    return Found(name, first, past)
                return None
            if not self.is_filler(word.text):
                return None
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
    """The words of a text in lower case, in order."""
    words = []
    end = 0
    for match in _WORD.finditer(text):
        between = text[end : match.start()]
        end = match.end()
        words.append(
            Word(
                match.group().lower(),
                match.start(),
                end,
                not _NEW_ITEM.isdisjoint(between),
                "," in between,
            )
        )
    return tuple(words)


def bare_words(text: str) -> list[str]:
    """The words of a text as the tree has them, without their places."""
    return _WORD.findall(text.lower())


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
