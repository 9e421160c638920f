"""What a definition is for and what it advises, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.definition.members import Point, Sentences, other_members
from cds_service.definition.names import days, drugs_in_words, fact, one_of, procedure
from cds_service.knowledge.model import AdviceTexts, Disease, Order
from cds_service.knowledge.terms import LOINC, SNOMED

SYSTEMS = {
    "recist-1.1": "RECIST 1.1",
    "irecist": "iRECIST",
    "lugano-2014": "Lugano 2014",
    "lyric": "LYRIC",
    "imwg-2016": "IMWG 2016",
    "eln-2020": "ELN 2020",
    "pcwg3": "PCWG3",
    "gcig-ca125": "GCIG (CA-125)",
    "mrecist": "mRECIST",
    "choi": "Choi",
    "rano-2010": "RANO 2010",
    "rano-2.0": "RANO 2.0",
    "inrc": "INRC",
    "ipcg": "IPCG",
    "marker-kinetics": "the course of the tumour marker",
    "iwcll-2018": "iwCLL 2018",
    "iwwm-11": "IWWM-11",
    "eln-2022": "ELN 2022",
    "eln-2024": "ELN 2024",
    "eln-mpn": "ELN (myeloproliferative neoplasms)",
    "iwg-2006": "IWG 2006",
    "iwg-2018": "IWG 2018",
    "iwg-2023": "IWG 2023",
    "iwg-mds": "IWG (myelodysplasia)",
    "iwg-mrt-2013": "IWG-MRT 2013",
}
SYSTEM_NAMES = {SNOMED: "SNOMED CT", LOINC: "LOINC"}
FAMILIES = {"solid": "solid tumour", "haematological": "blood cancer"}

_DISEASE: Sentences = {
    "supply_gap_days": (
        "Adherence",
        "Tablets not supplied for more than {} days put adherence in doubt.",
    ),
    "is_marker_disease": (
        "Evidence",
        "A tumour marker is the measure of this disease; it needs no imaging with it.",
    ),
    "is_adult_only": ("Patients", "Speaks for children too."),
    "returns_cards": ("Cards", "Switched off at this site: no card is returned."),
    "reads_sites": (
        "Evidence",
        "What is said of named organs lags behind the disease, and only supports.",
    ),
    "guides_treatment": (
        "Asked for",
        "Cards point out which of these is not on record: {}.",
    ),
}
_ADVICE: Sentences = {
    "restage_also": ("Restaging", "Besides: {}."),
    "confirm": ("Confirmation", "{}."),
    "biopsy_adds": ("Tissue", "Tissue answers no question of the definition."),
    "molecular": ("Molecular", "{}."),
    "trial": ("Trials", "{}."),
    "adherence": ("Adherence", "{}"),
    "is_urgent": ("Urgency", "Draft orders are urgent."),
    "may_warn": ("Urgency", "A card that is sure carries the indicator “warning”."),
    "urgent_when": ("Urgency", "Draft orders are urgent with: {}."),
    "warns_when": ("Urgency", "A card that is sure carries the indicator “warning” with: {}."),
    "marker_recent_days": ("Restaging", "A marker of the last {} days is recent."),
    "restage_regions": ("Restaging", "One of these regions has to be covered: {}."),
}


def scope_points(disease: Disease) -> Iterator[Point]:
    """For which patients and drugs the definition is, and when evidence is read."""
    said = {"id", "name", "family", "names", "response_systems", "lines", "rules", "advice",
            "agents", "restaging_interval_days", "marks", "marker_rules", "milestones", "targets",
            "composites", "covers", "subtypes", "slow_restaging", "slow_restaging_days", "early",
            "may_be_limited", "earliest_days", "guides_treatment",
            "transforms_into", "continued"}  # fmt: skip
    yield Point("Disease", f"{disease.name}, a {FAMILIES[disease.family]}.")
    if disease.names:
        yield Point("In words", f"Read as this disease: {one_of(sorted(disease.names))}.")
    if disease.covers:
        yield Point("Stands for", f"{one_of(sorted(disease.covers), last='and')}.")
    systems = one_of((SYSTEMS.get(name, name) for name in disease.response_systems), last="and")
    yield Point("Criteria", f"Responses are read by {systems}, and by a clinician's words.")
    if disease.subtypes:
        needed = "; or ".join(
            one_of((fact(name) for name in names), last="and") for names in disease.subtypes
        )
        yield Point("Subtype", f"Applies once the chart has: {needed}.")
    if disease.transforms_into:
        named = one_of(disease.transforms_into)
        yield Point("Transformation", f"Newer than it, this counts as what it has become: {named}.")
    if not disease.agents.is_empty:
        yield Point("Drugs", f"Used for it: {drugs_in_words(disease.agents)}.")
    if not disease.marks.is_empty:
        yield Point(
            "Drugs",
            "Where a code leaves the diagnosis open, these settle it:"
            f" {drugs_in_words(disease.marks)}.",
        )
    if disease.earliest_days:
        yield Point(
            "Too early",
            f"Where no rule says otherwise, progression before day {disease.earliest_days} of a"
            " line comes too early to be read.",
        )
    yield Point("Too old", _old(disease))
    yield Point("Few sites", _limited(disease))
    if disease.guides_treatment:
        asked = one_of((fact(name) for name in disease.guides_treatment), last="and")
        yield Point("Asked for", f"Cards point out which of these is not on record: {asked}.")
    yield from other_members(disease, said, _DISEASE)


def _old(disease: Disease) -> str:
    text = (
        f"Under therapy, evidence older than {days(disease.restaging_interval_days)} is called old"
    )
    if disease.slow_restaging_days or not disease.slow_restaging.is_empty:
        text += (
            f"; under {drugs_in_words(disease.slow_restaging)} alone, older than"
            f" {days(disease.slow_restaging_days)}"
        )
    return f"{text}."


def _limited(disease: Disease) -> str:
    if disease.may_be_limited:
        return "Progression at few sites while the rest is controlled withholds the label."
    return "A few growing sites are the disease, and withhold nothing."


def advice_points(advice: AdviceTexts) -> Iterator[Point]:
    """What may be suggested; what a card says comes from here word for word."""
    said = {"restage", "biopsy", "restage_recent_days", "restage_by"}
    yield Point("Restaging", f"{_order(advice.restage)}.")
    yield Point(
        "Restaging",
        f"Not suggested where it was done in the last {days(advice.restage_recent_days)}.",
    )
    answers: frozenset[str] = advice.restage_by
    if answers:
        kinds = one_of(procedure(kind) for kind in sorted(answers))
        yield Point("Restaging", f"Done means: {kinds}.")
    yield Point("Tissue", f"{_order(advice.biopsy)}.")
    for point in other_members(advice, said, _ADVICE):
        text = point.text[:1].upper() + point.text[1:]
        yield Point(point.label, text)


def _order(order: Order) -> str:
    """What a draft order asks for, and how it is coded."""
    codes = [
        f"{name}{SYSTEM_NAMES.get(coding[0], coding[0])} {coding[1]}"
        for name, coding in (("", order.code), ("category ", order.category))
        if coding is not None
    ]
    return f"{order.text} ({', '.join(codes)})" if codes else order.text
