"""What is known of the tumour beside its response: receptors and mutations, each with its value."""

from __future__ import annotations

from datetime import date

from cds_service.clinical.record import Cancer, Record
from cds_service.knowledge.model import Disease, Knowledge

_SETTLED = ("positive", "negative")  # the first one wins


def known_facts(
    record: Record, cancer: Cancer, knowledge: Knowledge, until: date = date.max
) -> frozenset[str]:
    """Facts with a result that settles them, by name and by value too ("her2=negative").

    Of stages and grades the latest value up to a day holds ("grade=high"), and all of that day.
    A fact that stands for several (`derived_facts`) is positive where one of them is, and negative
    where one of them is and none is positive.
    """
    told = {(fact.name, fact.value) for fact in record.facts}
    for word in cancer.subtypes:
        words = _SUBTYPES.get(word, (word,))
        told |= {_RECEPTORS.get(each, (each, "positive")) for each in words}
        if word not in _SUBTYPES and word not in _RECEPTORS:
            told.add(("histology", "positive"))
    for name, parts in knowledge.derived_facts.items():
        values = {value for part, value in told if part in (name, *parts)}
        value = next((v for v in _SETTLED if v in values), "")
        told = {(part, v) for part, v in told if part != name} | {(name, value)}
    sure = {(name, value) for name, value in told if value in _SETTLED}
    named = frozenset(name for name, _ in sure) | {f"{name}={value}" for name, value in sure}
    return named | _latest_grades(record, until)


def _latest_grades(record: Record, until: date) -> frozenset[str]:
    """Facts of degree rather than of yes or no, each by its latest value; undated is earliest."""
    graded = [
        (fact, fact.on.last if fact.on is not None else date.min)
        for fact in record.facts
        if fact.value and fact.value not in _SETTLED
        if fact.on is None or fact.on.first <= until
    ]
    latest: dict[str, date] = {}
    for fact, day in graded:
        latest[fact.name] = max(latest.get(fact.name, date.min), day)
    return frozenset(f"{f.name}={f.value}" for f, day in graded if day == latest[f.name])


def unknown_facts(record: Record, disease: Disease, knowledge: Knowledge) -> tuple[str, ...]:
    """Facts that guide treatment of the disease and that the chart tells nothing of."""
    told = {fact.name for fact in record.facts}
    return tuple(
        name
        for name in disease.guides_treatment
        if told.isdisjoint((name, *knowledge.derived_facts.get(name, ())))
    )


_RECEPTORS = {
    f"{name}-{short}": (name, value)
    for name in ("hr", "er", "pr", "her2")
    for short, value in (("pos", "positive"), ("neg", "negative"))
}
_SUBTYPES = {
    "hr-pos-her2-neg": ("hr-pos", "her2-neg"),
    "hr-pos-her2-pos": ("hr-pos", "her2-pos"),
    "hr-neg-her2-pos": ("hr-neg", "her2-pos"),
    "tnbc": ("hr-neg", "her2-neg"),
}
