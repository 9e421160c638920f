"""Which drugs a medication names: by its codes, or else by what was typed. Never by a guess."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

import msgspec

from cds_service.knowledge.terms import ATC, RXNORM, SAME_SYSTEM, DrugTerm, Terminology
from cds_service.knowledge.terms_names import (
    PLACEBO,
    Found,
    MedicationNames,
    Word,
    words_of,
)

# A sponsor's "ABC-1234"; a registry's "NCT01234567", "IMP", and "StudyDrugX" with what is glued on.
_STUDY_CODE = re.compile(r"(?<![\w-])(?!(?:NDC|LOT|ICD|REF|RX|COVID)-)[A-Z]{2,5}-\d{3,7}(?![\w-])")
_STUDY_MARK = re.compile(
    r"(?<!\w)(?:(?:NCT\d{8}|IMP)(?![\w-])|[Ss]tudy ?[Dd]rug|[Tt]rial ?[Dd]rug)"
)
_SMALL = frozenset({"to", "the", "of", "for", "a", "any", "each"})
_SURE_CAPITALS = 4
_PARTING = re.compile(r"[,;/+&]")
_PLACEBO = "placebo"
_BESIDE_PLACEBO = frozenset({"or", "vs", "versus", "matching", "matched"}) | _SMALL


class Recognised(msgspec.Struct, frozen=True, gc=False):
    """What a medication is, as far as it can be told.

    `drugs` are generic names of antineoplastics, `supportive` of supportive drugs, each sorted;
    a drug of both tables (a steroid) is in both. `how`: code, text, regimen, or none. `text` is
    what of the words was not recognised. `investigational`: a study drug, a placebo perhaps;
    a drug that may be the placebo instead is not in `drugs`.
    """

    drugs: tuple[str, ...]
    supportive: tuple[str, ...]
    systemic: bool
    how: str
    investigational: bool
    text: str


class _Read(msgspec.Struct, frozen=True, gc=False):
    """What one text says; `names` in the order in which they stand."""

    names: tuple[Found, ...]
    local: bool
    investigational: bool
    rest: str
    accompanies: bool = False
    """It says that what can be supportive care is."""

    @property
    def drugs(self) -> set[str]:
        return {
            drug
            for found in self.names
            for drug in found.name.drugs
            if not (self.accompanies and drug in found.name.supportive)
        }

    @property
    def supportive(self) -> set[str]:
        return {drug for found in self.names for drug in found.name.supportive}


def recognise_medication(
    codings: Sequence[tuple[str, str]], texts: Sequence[str], terms: Terminology
) -> Recognised:
    """The drugs that a medication's codings, given as (system, code), or its texts name.

    RxNorm comes before ATC, and a code before any text. A text is asked about a coded drug only
    where its words can make it another one: liposomal forms and antibody conjugates are charted
    under the code of the plain drug. A text that no name explains gives `how` "none".
    """
    term = _coded(codings, terms)
    if term is None:
        return _from_texts(texts, terms.medication_names)
    drugs = term.drugs
    fuller = terms.medication_names.fuller
    for drug in drugs:
        if drug in fuller:
            drugs = _fuller(drugs, texts, terms.medication_names)
            break
    return Recognised(drugs, term.supportive, term.systemic, "code", False, "")


def _coded(codings: Sequence[tuple[str, str]], terms: Terminology) -> DrugTerm | None:
    """What the codes say together; ATC is asked only where no RxNorm code is known."""
    for asked in (RXNORM, ATC):
        found: DrugTerm | None = None
        for system, code in codings:
            if SAME_SYSTEM.get(system, system) != asked:
                continue
            term = terms.drug_codes.get((asked, code))
            if term is not None and found is not None and term != found:
                found = _both(found, term)
            elif term is not None:
                found = term
        if found is not None:
            return found
    return None


def _both(one: DrugTerm, other: DrugTerm) -> DrugTerm:
    drugs = _without_parts({*one.drugs, *other.drugs})
    supportive = {*one.supportive, *other.supportive}
    return DrugTerm(drugs, tuple(sorted(supportive)), one.systemic and other.systemic)


def _fuller(
    drugs: tuple[str, ...], texts: Sequence[str], names: MedicationNames
) -> tuple[str, ...]:
    """The coded drugs, those replaced that a text calls by a longer name."""
    telling = [word for drug in drugs for word in names.fuller.get(drug, ())]
    lowered = [text.lower() for text in texts]
    if not any(word in text for text in lowered for word in telling):
        return drugs
    said = {drug for text in texts for drug in _read(text, names).drugs}
    longer = {drug for drug in said if any(_is_part(known, drug) for known in drugs)}
    return _without_parts({*drugs, *longer})


def _is_part(name: str, longer: str) -> bool:
    return name != longer and set(re.split(r"[ -]", name)) < set(re.split(r"[ -]", longer))


def _without_parts(drugs: set[str]) -> tuple[str, ...]:
    """The drugs, sorted, without those whose name is part of another's ("paclitaxel")."""
    return tuple(
        sorted(drug for drug in drugs if not any(_is_part(drug, other) for other in drugs))
    )


def _from_texts(texts: Sequence[str], names: MedicationNames) -> Recognised:
    read = [_read(text, names) for text in dict.fromkeys(texts) if text.strip()]
    telling = [each for each in read if each.names]
    drugs = set().union(*(each.drugs for each in telling))
    if len(telling) > 1:
        drugs = set(_without_parts(drugs))
    is_regimen = any(found.name.regimen for each in telling for found in each.names)
    return Recognised(
        tuple(sorted(drugs)),
        tuple(sorted(set().union(*(each.supportive for each in telling)))),
        not any(each.local for each in read),
        "regimen" if is_regimen else "text" if telling else "none",
        any(each.investigational for each in read),
        "; ".join(dict.fromkeys(each.rest for each in telling or read if each.rest)),
    )


def _read(text: str, names: MedicationNames) -> _Read:
    """The names of one text that say what is given."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)  # an accent of its own would end the word
    if not names.may_name(text):
        return _Read((), False, _is_of_a_study(text, is_named=False), text.strip())
    words = words_of(text)
    found = names.find(text, words)
    unexplained = _unexplained(found, words, names)
    if any(word.text in names.disqualifying for word in unexplained):
        kept: tuple[Found, ...] = ()
    else:
        is_explained = all(word.is_aside for word in unexplained)
        kept = tuple(each for each in found if _is_sure(each, text, words, is_explained))
        kept = _without_glosses(_given(kept, words, names), words)
        kept = _by_fullest_name(kept, text, words)
    is_placebo_alone = not unexplained and all(each.name == PLACEBO for each in found)
    investigational = not is_placebo_alone and (
        any(each.name.investigational for each in found)
        or _is_of_a_study(text, is_named=bool(kept))
    )
    plain = [each for each in found if not (each.name.drugs or each.name.supportive)]
    if len(kept) + len(plain) < len(found):
        unexplained = _unexplained((*kept, *plain), words, names)
    return _Read(
        kept,
        any(word.text in names.local for word in words),
        investigational,
        " ".join(text[word.start : word.end] for word in unexplained) if kept else text.strip(),
        any(word.text in names.accompanying for word in words),
    )


def _is_sure(found: Found, text: str, words: Sequence[Word], is_explained: bool) -> bool:
    """Whether a name means its drugs in this text.

    An acronym and a weak name do only where nothing outside brackets is left unexplained, a short
    regimen's name only as acronyms are written; four capitals ("FLOT") are enough.
    """
    if found.is_acronym:
        return is_explained
    if not found.name.weak:
        return True
    if found.name.regimen:
        written = text[words[found.first].start : words[found.end - 1].end]
        if sum(map(str.isupper, written)) >= _SURE_CAPITALS:
            return True
        return is_explained and not text.islower()
    return is_explained


def _given(
    found: Sequence[Found], words: Sequence[Word], names: MedicationNames
) -> tuple[Found, ...]:
    """The names that stand for drugs that are given.

    Not those beside words that take them back ("prior to paclitaxel", "cisplatin-induced"), nor
    by any name a drug that may be the placebo instead ("Avastin (bevacizumab) or placebo").
    """
    telling = [each for each in found if each.name.drugs or each.name.supportive]
    has_placebo = any(each.name is PLACEBO for each in found)
    blinded = {
        drug
        for each in telling
        if has_placebo and _is_beside_placebo(each, words)
        for drug in (*each.name.drugs, *each.name.supportive)
    }
    return tuple(
        each
        for each in telling
        if _word_before(each, words, _SMALL) not in names.not_after
        and (words[each.end].text if each.end < len(words) else "") not in names.not_before
        and blinded.isdisjoint((*each.name.drugs, *each.name.supportive))
    )


def _without_glosses(found: tuple[Found, ...], words: Sequence[Word]) -> tuple[Found, ...]:
    """The names without those that only comment on drugs that are named beside them.

    "Docetaxel + trastuzumab (AC-THP)" names two drugs, "atezolizumab (ETOP 9-15)" names one; "TCH
    (paclitaxel, carboplatin, trastuzumab)" says itself which drugs it means.
    """
    if not any(words[each.first].is_aside for each in found):
        return found
    outside = {d for each in found if not words[each.first].is_aside for d in each.name.drugs}
    listed = {
        drug
        for each in found
        if words[each.first].is_aside and not each.name.regimen
        for drug in (*each.name.drugs, *each.name.supportive)
    }
    return tuple(
        each
        for each in found
        if not (outside and _is_gloss(each, words))
        and (
            words[each.first].is_aside
            or not each.name.regimen
            or len(listed) < len(each.name.drugs)
        )
    )


def _by_fullest_name(
    found: tuple[Found, ...], text: str, words: Sequence[Word]
) -> tuple[Found, ...]:
    """The names without a plain one whose brand beside it tells the form: "paclitaxel (Abraxane)".

    Beside it is in brackets, or with nothing between that could part two drugs.
    """
    plain = set()
    for one, other in pairwise(found):
        between = text[words[one.end - 1].end : words[other.first].start]
        is_beside = words[one.first].is_aside != words[other.first].is_aside or (
            other.first == one.end and _PARTING.search(between) is None
        )
        for name, longer in ((one.name, other.name), (other.name, one.name)):
            fuller = (*longer.drugs, *longer.supportive)
            if is_beside and any(_is_part(drug, full) for drug in name.drugs for full in fuller):
                plain.add(name)
    return tuple(each for each in found if each.name not in plain) if plain else found


def _is_gloss(found: Found, words: Sequence[Word]) -> bool:
    return words[found.first].is_aside and (bool(found.name.regimen) or found.name.weak)


def _is_of_a_study(text: str, *, is_named: bool) -> bool:
    """Whether a text marks a study drug; a bare sponsor's code says so only of an unknown one."""
    if _STUDY_MARK.search(text) is not None:
        return True
    return not is_named and "-" in text and _STUDY_CODE.search(text) is not None


def _unexplained(
    found: Sequence[Found], words: Sequence[Word], names: MedicationNames
) -> list[Word]:
    taken = {at for each in found for at in range(each.first, each.end)}
    return [
        word
        for at, word in enumerate(words)
        if at not in taken and not names.is_filler(word.text) and word.text not in names.local
    ]


def _is_beside_placebo(found: Found, words: Sequence[Word]) -> bool:
    """Whether a placebo may be given instead: "X or placebo", but not "X + placebo"."""
    at = found.end
    while at < len(words) and not words[at].begins_item:
        if words[at].text == _PLACEBO:
            return True
        if words[at].text not in _BESIDE_PLACEBO:
            break
        at += 1
    at = found.first
    while at > 0 and not words[at].begins_item:
        at -= 1
        if words[at].text == _PLACEBO:
            return True
        if words[at].text not in _BESIDE_PLACEBO:
            break
    return False


def _word_before(found: Found, words: Sequence[Word], passed: frozenset[str]) -> str:
    at = found.first - 1
    while at >= 0 and words[at].text in passed:
        at -= 1
    return words[at].text if at >= 0 else ""
