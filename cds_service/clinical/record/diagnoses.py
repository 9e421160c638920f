"""What a diagnosis says: its codes, the histology beside them, its words."""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace

from cds_service.clinical.record.elements import (
    CodeableConcept,
    Condition,
    Extension,
    several,
)
from cds_service.clinical.record.reader import Reader
from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.terms import (
    ICD10,
    ICD10CM,
    ICDO3,
    SNOMED,
    Code,
    ConditionTerm,
    Terminology,
)

MALIGNANT = re.compile(
    r"\b(cancer|(adeno)?carcinoma|lymphoma|leuk[a]?emia|myeloma|sarcoma|melanoma|malignan\w+)\b",
    re.IGNORECASE,
)
MALIGNANT_CODE = re.compile(r"C\d[0-9A-Z]")
"""How ICD codes of malignant neoplasms begin, in every modification of the tenth revision."""
SITE = re.compile(r"C\d\d")
PHRASE_ENDS = re.compile(r"[,;:()\[\]]|\s[-–—/]\s")
WORD = re.compile(r"[a-z]+|\?")
HISTOLOGY = "mcode-histology-morphology-behavior"
CARCINOMA = re.compile(r"8([0-4]\d|5[0-7])\d/3")
"""ICD-O-3 morphologies of malignant epithelial tumours, which the site tells apart."""


def with_histology(raw: Condition) -> CodeableConcept | None:
    """The diagnosis with the codes of its histology beside its own."""
    if not raw.extension:
        return raw.code
    told = [
        coding
        for extension in several(raw.extension, Extension)
        if (extension.url or "").endswith(HISTOLOGY) and extension.valueCodeableConcept
        for coding in extension.valueCodeableConcept.coding
    ]
    if raw.code is None or not told:
        return raw.code
    return CodeableConcept((*raw.code.coding, *told), raw.code.text)


def condition_term(
    concept: CodeableConcept | None, reader: Reader, places: Sequence[CodeableConcept] = ()
) -> ConditionTerm | None:
    """What a diagnosis says; of several codings the one that leaves least open.

    `places`: its body sites, which tell where a code only says that it is malignant.
    """
    if concept is None:
        return None
    return _term_at(concept, reader, places) if places else reader.once(concept, _term_at)


def _term_at(
    concept: CodeableConcept, reader: Reader, places: Sequence[CodeableConcept] = ()
) -> ConditionTerm | None:
    terms = reader.knowledge.terms
    codes = concept.codes()
    telling = [code for code in codes if code not in SAYS_NO_SITE]
    found = [term for code in telling if (term := terms.conditions.get(code)) is not None]
    if all(term.role in ("symptom", "complication") for term in found) and _is_worse_symptom(
        concept, reader
    ):
        return WORSE_SYMPTOM
    histology = [term for term in found if term.role == "morphology"]
    others = [term for term in found if term.role != "morphology"]
    if others:
        best = min(others, key=lambda term: (_ROLE_RANK.get(term.role, 9), len(term.alternatives)))
        return _as_said(_narrowed(best, histology), concept, reader)
    said = disease_said(concept, reader)
    is_somewhere = len(telling) < len(codes)
    if is_somewhere and not said and (placed := _of_place(places, histology, terms)) is not None:
        return placed
    if any(terms.procedures.get(code) == "hospice" for code in codes):
        return IN_HOSPICE
    if (named := _by_histology(histology, codes, terms)) is not None:
        return named
    if said:
        return ConditionTerm(said, "primary", "active")
    return MALIGNANT_SOMEWHERE if is_somewhere else None


SAYS_NO_SITE = frozenset(
    (SNOMED, code) for code in ("363346000", "372087000", "443961001", "722688002")
)
"""Malignant neoplasm, primary malignant neoplasm, adenocarcinoma, carcinoma: of any organ."""
MALIGNANT_SOMEWHERE = ConditionTerm("other-solid", "primary", "active")
NOT_THE_ORGAN = re.compile(r"\(.*?\)|\b(?:left|right|bilateral|both|entire|structure|of|the)\b")
WORSE_SYMPTOM = ConditionTerm("", "symptom", "worsening")
IN_HOSPICE = ConditionTerm("", "hospice", "hospice")


def _of_place(
    places: Sequence[CodeableConcept], histology: Sequence[ConditionTerm], terms: Terminology
) -> ConditionTerm | None:
    """A malignant neoplasm by its histology, else by its one body site; None if neither tells."""
    sure = next((h for h in histology if h.disease and not h.alternatives), None)
    if sure is not None:
        return replace(sure, role="primary")
    sites = {_icd10_of(place, terms) for place in places}
    term = terms.conditions.get((ICD10CM, sites.pop())) if len(sites) == 1 else None
    return None if term is None else _narrowed(term, histology)


def _icd10_of(place: CodeableConcept, terms: Terminology) -> str:
    """How the codes of a primary cancer of that place begin; empty where that leaves much open."""
    for code in place.codes():
        if (start := terms.body_sites.get(code)) is not None:
            return start
    names = (" ".join(NOT_THE_ORGAN.sub(" ", text.lower()).split()) for text in place.texts())
    return next(
        (terms.body_site_words[name] for name in names if name in terms.body_site_words), ""
    )


def _narrowed(term: ConditionTerm, histology: Sequence[ConditionTerm]) -> ConditionTerm:
    """A diagnosis as the histology beside it settles it: which disease, which subtype of it."""
    candidates = (term.disease, *term.alternatives)
    said = {h.disease for h in histology if not h.alternatives} & set(candidates)
    if term.alternatives and len(said) == 1:
        term = replace(term, disease=said.pop(), alternatives=())
    subtypes = {h.subtype for h in histology if h.disease in (term.disease, "")} - {""}
    if term.subtype or len(subtypes) != 1:
        return term
    return replace(term, subtype=subtypes.pop())


def _as_said(term: ConditionTerm, concept: CodeableConcept, reader: Reader) -> ConditionTerm:
    """A diagnosis whose code leaves a disease open that its words name.

    A code of what has no definition of its own leaves open every disease of its family.
    """
    candidates = (term.disease, *term.alternatives)
    if term.role != "primary" or not (term.alternatives or _is_open(term.disease)):
        return term
    said = disease_said(concept, reader)
    if said is None or said == term.disease:
        return term
    family = {reader.knowledge.diseases[name].family for name in candidates if _is_open(name)}
    if said in term.alternatives or reader.knowledge.diseases[said].family in family:
        status = "active" if term.status == "unknown-primary" else term.status
        return replace(term, disease=said, alternatives=(), status=status)
    return term


def _is_open(disease: str) -> bool:
    return disease.startswith("other-")


def disease_said(concept: CodeableConcept, reader: Reader) -> str | None:
    """The one disease that the words of a diagnosis name; None where they name none or several."""
    named: set[str] = set()
    for text in dict.fromkeys(concept.texts()):
        named |= _diseases_named(text, reader)
    return named.pop() if len(named) == 1 else None


@dataclass(frozen=True, slots=True)
class _Words:
    """The words of a diagnosis, as they are asked for."""

    doubt: frozenset[str]
    stage: frozenset[str]
    worsening: re.Pattern[str]
    symptom: re.Pattern[str]


def _words(knowledge: Knowledge) -> _Words:
    words = knowledge.words
    return _Words(
        frozenset(words["doubt"]),
        frozenset(words["stage"]),
        re.compile("|".join(map(re.escape, words["worsening"])) or r"\b\B"),
        re.compile("|".join(map(re.escape, words["symptom"])) or r"\b\B"),
    )


def _diseases_named(text: str, reader: Reader) -> set[str]:
    """The diseases whose names stand in a text as a phrase of their own, but for stage and side.

    A word of doubt, of denial or of the past anywhere in the text silences all of it.
    """
    lowered = text.lower()
    known = reader.knowledge.disease_names.get(lowered.strip())
    if known is not None:
        return {known}
    words = reader.knowledge.plan(_words)
    if not words.doubt.isdisjoint(WORD.findall(lowered)):
        return set()
    found = set()
    for phrase in PHRASE_ENDS.split(lowered):
        disease = _disease_of(phrase.split(), words.stage, reader)
        if disease is not None:
            found.add(disease)
    return found


def _disease_of(phrase: list[str], stage: Set[str], reader: Reader) -> str | None:
    names = reader.knowledge.disease_names
    first, end = 0, len(phrase)
    while first < end:
        disease = names.get(" ".join(phrase[first:end]))
        if disease is not None:
            return disease
        if phrase[first] in stage:
            first += 1
        elif phrase[end - 1] in stage:
            end -= 1
        else:
            return None
    return None


def _by_histology(
    histology: Sequence[ConditionTerm], codes: Sequence[Code], terms: Terminology
) -> ConditionTerm | None:
    """The cancer that ICD-O-3 names: by a morphology of one disease, else by morphology and site.

    A site without a morphology is no diagnosis: it does not say that the tumour is malignant.
    """
    named = [term for term in histology if term.disease]
    sure = next((term for term in named if not term.alternatives), None)
    if sure is not None:
        return replace(sure, role="primary")
    of_site = _by_site(codes, terms)
    if of_site is not None:
        return _narrowed(of_site, histology)
    return replace(named[0], role="primary") if named else None


def _by_site(codes: Sequence[Code], terms: Terminology) -> ConditionTerm | None:
    """The carcinoma of an ICD-O-3 site: these sites are numbered as in ICD-10."""
    of_tumour = [code for system, code in codes if system == ICDO3]
    if not any(CARCINOMA.fullmatch(code) for code in of_tumour):
        return None
    sites = (terms.conditions.get((ICD10, code)) for code in of_tumour if SITE.match(code))
    return next((term for term in sites if term is not None and term.role == "primary"), None)


def _is_worse_symptom(concept: CodeableConcept, reader: Reader) -> bool:
    """Whether it is a symptom, not the disease, that is called refractory or worsening."""
    words = reader.knowledge.plan(_words)
    return any(
        words.worsening.search(text) and words.symptom.search(text)
        for text in map(str.lower, concept.texts())
    )


_ROLE_RANK = {"primary": 0, "secondary": 1, "history": 2, "in-situ": 3, "morphology": 8}


def note_unknown_cancer(concept: CodeableConcept | None, reference: str, reader: Reader) -> None:
    if concept is not None and reader.once(concept, _is_like_a_cancer):
        reader.note(
            "warning",
            "unrecognised-condition",
            reference,
            "reads like a cancer, but none of its codes or words is known; left out",
        )


def _is_like_a_cancer(concept: CodeableConcept, _: Reader) -> bool:
    """Whether codes or words that name no known cancer read like one."""
    codes, texts = concept.codes(), concept.texts()
    return any(map(_is_of_a_tumour, codes)) or any(map(MALIGNANT.search, texts))


def _is_of_a_tumour(code: Code) -> bool:
    """Whether a code that names no cancer here has the look of one, in ICD-O-3 or ICD-10."""
    system, text = code
    if system == ICDO3:
        return not text.endswith(("/0", "/1", "/2"))
    return "icd" in system.lower() and MALIGNANT_CODE.match(text) is not None
