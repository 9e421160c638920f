"""What merely deserves a look: sources that nothing cites, numbers that no sentence names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cds_service.knowledge.check_references import Fault
from cds_service.knowledge.model import Disease, Early, Knowledge, MarkerRule, Rule, Target, Told

PUBLISHED = frozenset("CGT")
OPERATIONAL = frozenset({"operational-default"})
"""The source of numbers that no publication gives."""
NUMBER_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def check_warnings(knowledge: Knowledge) -> Iterator[Fault]:
    """Everything that holds together, and yet may not be what was meant."""
    named = list(_named(knowledge))
    cited = {key for _, told in named for key in told.cites}
    unused = sorted(knowledge.citations.keys() - cited)
    if unused:
        yield Fault("citations.toml", f"{len(unused)} cited by no rule: {', '.join(unused)}")
    for where, told in named:
        if told.origin in PUBLISHED and OPERATIONAL.issuperset(told.cites):
            yield Fault(where, f"has origin {told.origin}, and no published source")
    unsaid = [
        f"{disease.id} {number}"
        for disease in knowledge.diseases.values()
        if (number := sum(not _says_minimum(rule) for rule in disease.rules))
    ]
    if unsaid:
        what = "sentences that do not name their least exposure"
        yield Fault("diseases", f"{what}: {', '.join(unsaid)}")
    for disease in knowledge.diseases.values():
        yield from _of_disease(disease, knowledge)


def _named(knowledge: Knowledge) -> Iterator[tuple[str, Told | Early]]:
    """Everything that cites, and what to call it."""
    yield from ((rule.id, rule) for rule in knowledge.shared_rules)
    for disease in knowledge.diseases.values():
        yield from ((told.id, told) for told in disease.told)
        yield from ((f"{disease.id}: {early.flag}", early) for early in disease.early)


def _of_disease(disease: Disease, knowledge: Knowledge) -> Iterator[Fault]:
    for told in disease.told:
        for days in _days_of(told):
            if str(days) not in told.says:
                yield Fault(told.id, f"its sentence does not name its {days} days")
    for name in sorted(disease.covers & knowledge.diseases.keys()):
        yield Fault(disease.id, f"covers {name!r}, which has a definition of its own")
    for rule in disease.marker_rules:
        marker = knowledge.terms.markers.get(rule.marker)
        if marker is not None and disease.id not in marker.diseases:
            yield Fault(rule.id, f"markers.csv does not list {disease.id} for {marker.id}")


def _days_of(told: Told) -> list[int]:
    """The numbers of days that a reader would look for in the sentence."""
    if isinstance(told, Rule):
        return [days for days in (told.days, told.after_days) if days]
    if isinstance(told, Target):
        return [told.from_day]
    return [told.confirm_days] if isinstance(told, MarkerRule) and told.confirm_days else []


def _says_minimum(rule: Rule) -> bool:
    """Whether a sentence names one of the numbers of adequate exposure, in digits or in words."""
    if rule.minimum is None:
        return True
    asked = [rule.minimum.days, rule.minimum.cycles, rule.minimum.doses]
    words = set(re.findall(r"\w+", rule.says.lower()))
    forms = {str(n) for n in asked if n}
    forms |= {NUMBER_WORDS[n] for n in asked if 0 < n < len(NUMBER_WORDS)}
    return not forms or bool(words & forms)
