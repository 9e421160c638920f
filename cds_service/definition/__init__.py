"""The knowledge in words, for whoever signs it off; a terminal and a page show the same ones.

sheet.py        one disease in the order of decision, and what it is made of
rules.py        rules, and early flags
markers.py      the course of a marker
goals.py        milestones and targets
composites.py   labels over several lines
lines.py        how lines of therapy are drawn
disease.py      what the definition is for, and what it advises
names.py        drugs, markers, facts and amounts, as the field writes them
members.py      members of a rule → sentences; none is left out, known here or not
counts.py       numbers by origin
"""

from cds_service.definition.counts import OriginCounts, count_numbers
from cds_service.definition.members import Point
from cds_service.definition.names import drug_group, kind_of_group
from cds_service.definition.sheet import (
    HOW_ORIGINS_COUNT,
    HOW_TO_READ,
    ORIGINS,
    UNVERIFIED,
    DrugGroupNamed,
    Entry,
    Section,
    Sheet,
    entry_of,
    groups_named,
    sheet_of,
)

__all__ = [
    "HOW_ORIGINS_COUNT",
    "HOW_TO_READ",
    "ORIGINS",
    "UNVERIFIED",
    "DrugGroupNamed",
    "Entry",
    "OriginCounts",
    "Point",
    "Section",
    "Sheet",
    "count_numbers",
    "drug_group",
    "entry_of",
    "groups_named",
    "kind_of_group",
    "sheet_of",
]
