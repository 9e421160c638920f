"""The regimen table, and the search for drug and regimen names that it completes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from cds_service.knowledge.terms import Regimen
from cds_service.knowledge.terms_drugs import Medications
from cds_service.knowledge.terms_names import (
    PLACEBO,
    MedicationNames,
    Name,
    Node,
    add_name,
    bare_words,
    fold,
    spelt_apart,
    words_of,
)
from cds_service.knowledge.terms_table import read_table
from cds_service.knowledge.terms_words import WORD_MEANINGS

_SHORTEST_SURE = 5  # letters and digits; "CHOP" may be a word, "FOLFOX" is none


def read_regimens(
    folder: Path, sources: Collection[str], found: Medications
) -> tuple[dict[str, Regimen], dict[str, tuple[str, ...]]]:
    """The regimens by name, and for each the acronyms that count only as a whole text."""
    known = found.drugs.keys() | found.supportive.keys()
    regimens: dict[str, Regimen] = {}
    acronyms: dict[str, tuple[str, ...]] = {}
    for row in read_table(
        folder,
        "regimens.csv",
        ("regimen", "components", "optional", "diseases", "cycle_days", "aliases", "acronyms"),
        sources,
    ):
        name = row.text("regimen")
        components = row.known("components", found.drugs)
        if not components:
            raise row.refuse("components", "is empty")
        if name in regimens:
            raise row.refuse("regimen", f"{name!r} stands twice")
        acronyms[name] = row.many("acronyms")
        regimens[name] = Regimen(
            name,
            components,
            row.known("optional", known),
            frozenset(row.many("diseases")),
            row.whole("cycle_days"),
            tuple(a for a in (*row.many("aliases"), *acronyms[name]) if a != name),
            frozenset(c for c in components if found.drugs[c].is_corticosteroid),
        )
    return regimens, acronyms


def by_disease(regimens: Mapping[str, Regimen]) -> dict[str, tuple[Regimen, ...]]:
    """The regimens of each disease, in their order."""
    found: dict[str, list[Regimen]] = {}
    for regimen in regimens.values():
        for disease in regimen.diseases:
            found.setdefault(disease, []).append(regimen)
    return {disease: tuple(own) for disease, own in found.items()}


def unshared_names(regimens: Mapping[str, Regimen]) -> dict[str, str]:
    """Lower-case names and aliases → the regimen, where exactly one has it."""
    owners: dict[str, set[str]] = {}
    for regimen in regimens.values():
        for name in (regimen.name, *regimen.aliases):
            owners.setdefault(name.lower(), set()).add(regimen.name)
    return {name: next(iter(having)) for name, having in owners.items() if len(having) == 1}


def compile_names(
    folder: Path,
    sources: Collection[str],
    found: Medications,
    regimens: Mapping[str, Regimen],
    acronyms: Mapping[str, tuple[str, ...]],
) -> MedicationNames:
    """The search over every name of a drug or regimen, with the words of medication_words.csv."""
    words = _read_words(folder, sources)
    by_words = _drug_names(found)
    for spelt, name in tuple(by_words.items()):
        if len(spelt) > 1 or not spelt[0].isalpha():
            for way in spelt_apart(spelt):
                by_words.setdefault(way, name)
    for phrase in words["investigational"]:
        name = PLACEBO if "placebo" in phrase else Name(investigational=True)
        by_words.setdefault(tuple(bare_words(phrase)), name)
    for phrase in words["filler"]:
        if " " in phrase:
            by_words.setdefault(tuple(bare_words(phrase)), Name())
    tree = Node()
    for spelt, name in by_words.items():
        add_name(tree, spelt, name)
    exact = _add_regimens(tree, by_words, regimens, acronyms)
    filler = frozenset(map(fold, words["filler"]))
    return MedicationNames(
        tree,
        exact,
        _fuller_words(found),
        filler,
        frozenset(map(fold, words["disqualifying"])),
        frozenset(map(fold, words["not-before"])),
        frozenset(map(fold, words["not-after"])),
        frozenset(map(fold, words["local"])),
        frozenset(map(fold, words["accompanying"])),
        frozenset(
            spelt[0]
            if spelt[0] not in filler
            else next((word for word in spelt if word not in filler), spelt[0])
            for spelt in by_words
        ),
    )


def _drug_names(found: Medications) -> dict[tuple[str, ...], Name]:
    """The names of the drug tables by their words; names of one drug share a value."""
    made: dict[tuple[int, bool], Name] = {}
    by_words = {}
    for text, term in found.names.items():
        key = (id(term), text in found.weak)
        name = made.get(key)
        if name is None:
            name = made[key] = Name(term.drugs, term.supportive, weak=key[1])
        by_words[tuple(bare_words(text))] = name
    return by_words


def _read_words(folder: Path, sources: Collection[str]) -> dict[str, set[str]]:
    words: dict[str, set[str]] = {meaning: set() for meaning in WORD_MEANINGS}
    for row in read_table(folder, "medication_words.csv", ("word", "meaning"), sources):
        word = row.text("word")
        meaning = row.one_of("meaning", WORD_MEANINGS)
        if word != word.lower():
            raise row.refuse("word", f"{word!r} is not in lower case")
        if len(bare_words(word)) != 1 and meaning not in ("filler", "investigational"):
            raise row.refuse("word", f"{word!r} is not one word")
        if word in words[meaning]:
            raise row.refuse("word", f"{word!r} stands twice")
        words[meaning].add(word)
    return words


def _add_regimens(
    tree: Node,
    by_words: dict[tuple[str, ...], Name],
    regimens: Mapping[str, Regimen],
    acronyms: Mapping[str, tuple[str, ...]],
) -> dict[str, tuple[tuple[str, Name], ...]]:
    """The acronyms that count only in their own capitals, by their first word, longest first.

    Every other name of a regimen is put into the tree. A name made of nothing but drug names is
    left out: the drugs say as much. A name that two regimens have is left out too, and so is one
    that is already a drug's.
    """
    exact: list[tuple[str, Name]] = []
    unshared = unshared_names(regimens)
    for owner, regimen in regimens.items():
        drugs = tuple(sorted(regimen.components))
        sure, weak = Name(drugs, regimen=owner), Name(drugs, regimen=owner, weak=True)
        own = {a.lower() for a in acronyms[owner]}
        for written in (owner, *regimen.aliases):
            text = written.lower()
            if text not in unshared:
                continue
            if text in own:
                exact.append((written, sure))
                continue
            spelt = tuple(bare_words(text))
            if spelt not in by_words and not _is_all_drugs(tree, spelt):
                by_words[spelt] = weak if sum(map(len, spelt)) < _SHORTEST_SURE else sure
                add_name(tree, spelt, by_words[spelt])
    by_word: dict[str, tuple[tuple[str, Name], ...]] = {}
    for acronym, name in sorted(exact, key=lambda pair: (-len(pair[0]), pair[0])):
        first = words_of(acronym)[0]
        word = acronym[first.start : first.end]
        by_word[word] = (*by_word.get(word, ()), (acronym, name))
    return by_word


def _is_all_drugs(tree: Node, spelt: Sequence[str]) -> bool:
    node = tree
    for word in spelt:
        step = node.following.get(word)
        if step is None and (node.name is not None):
            step = tree.following.get(word)
        if step is None:
            return False
        node = step
    return node.name is not None and not node.name.regimen


def _fuller_words(found: Medications) -> dict[str, tuple[str, ...]]:
    """For a drug, the words that make a text name a drug whose longer name holds its name.

    "emtansine", "kadcyla" and "enhertu" for trastuzumab, "liposomal" and "doxil" for doxorubicin.
    """
    words = {name: frozenset(bare_words(name)) for name in found.drugs}
    holding: dict[str, set[str]] = {}
    for name, own in words.items():
        for word in own:
            holding.setdefault(word, set()).add(name)
    longer = {
        name: set.intersection(*(holding[word] for word in own)) - {name}
        for name, own in words.items()
    }
    asked = {name for name, others in longer.items() if others}
    asked |= {other for others in longer.values() for other in others}
    spoken: dict[str, set[str]] = {name: set() for name in asked}
    for text, term in found.names.items():
        if len(term.drugs) == 1 and term.drugs[0] in asked:
            spoken[term.drugs[0]].update(bare_words(text))
    return {
        name: tuple(
            sorted(
                {word for other in others for word in spoken[other] if len(word) > 2} - spoken[name]
            )
        )
        for name, others in longer.items()
        if others
    }
