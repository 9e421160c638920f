"""The kind of a procedure in words is that of the first phrase of the table that they contain."""

from __future__ import annotations

import random

import pytest

from cds_service import shipped_knowledge
from cds_service.clinical.record.elements import CodeableConcept
from cds_service.clinical.record.procedures import kind_of

KNOWLEDGE = shipped_knowledge()
WORDS = KNOWLEDGE.terms.procedure_words


def looked_through(text: str) -> str:
    return next((kind for phrase, kind in WORDS.items() if phrase in text.lower()), "")


@pytest.mark.parametrize("text", ["", "x", "MR", "lipid panel", "of the", "CT CAP of ct cap"])
def test_a_text_of_any_length_is_looked_through(text: str) -> None:
    assert kind_of(CodeableConcept(text=text), KNOWLEDGE) == looked_through(text)


def test_phrases_are_found_beside_and_within_each_other() -> None:
    source = random.Random(4)  # noqa: S311
    phrases = list(WORDS)
    for _ in range(2_000):
        said = source.sample(phrases, source.randint(1, 3))
        text = source.choice((" ", "", " and ")).join(said)
        text = text[source.randint(0, 2) :].upper()
        assert kind_of(CodeableConcept(text=text), KNOWLEDGE) == looked_through(text)
    assert all(kind_of(CodeableConcept(text=phrase), KNOWLEDGE) for phrase in phrases)
