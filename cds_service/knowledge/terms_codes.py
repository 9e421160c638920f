"""Whether a code can be a code of its system: its form, and its check digit if it has one."""

from __future__ import annotations

import re

from cds_service.knowledge.terms import (
    ATC,
    ICD10,
    ICD10CM,
    ICD10GM,
    ICD10PCS,
    ICDO3,
    LOINC,
    RXNORM,
    SNOMED,
)
from cds_service.knowledge.terms_table import Row

TEXT = "text"
"""Stands for a code system where a row holds a wording."""

SYSTEM_NAMES = {
    "rxnorm": RXNORM,
    "atc": ATC,
    "loinc": LOINC,
    "snomed": SNOMED,
    "icd-10-cm": ICD10CM,
    "icd-10": ICD10,
    "icd-10-gm": ICD10GM,
    "icd-o-3": ICDO3,
    "icd-10-pcs": ICD10PCS,
    "hcpcs": "urn:oid:2.16.840.1.113883.6.285",
    "nci": "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl",
    TEXT: TEXT,
}

_ICD10_FORM = re.compile(r"[A-Z]\d[0-9A-Z](\.[0-9A-Z]{1,4})?")
_FORMS = {
    RXNORM: re.compile(r"[1-9]\d{0,7}"),
    ATC: re.compile(r"[A-Z]\d{2}[A-Z]{2}\d{2}"),
    ICD10CM: _ICD10_FORM,
    ICD10: _ICD10_FORM,
    ICD10GM: _ICD10_FORM,
    LOINC: re.compile(r"(LA)?\d{1,6}-\d"),
}

# Verhoeff's scheme over the dihedral group of ten: the product, and the permutations by place.
_PRODUCT = (
    "0123456789",
    "1234067895",
    "2340178956",
    "3401289567",
    "4012395678",
    "5987604321",
    "6598710432",
    "7659821043",
    "8765932104",
    "9876543210",
)
_PERMUTED = (
    "0123456789",
    "1576283094",
    "5803796142",
    "8916043527",
    "9453126870",
    "4286573901",
    "2793806415",
    "7046913258",
)
# One look-up a digit: the running value `v` and the character `c` at place `p` give the next value.
# Three rounds of the eight permutations reach the 18 digits that a SNOMED CT code may have.
_STEPS = (
    tuple(
        tuple(
            bytes(48) + bytes(int(_PRODUCT[v][int(_PERMUTED[p][d])]) for d in range(10))
            for v in range(10)
        )
        for p in range(8)
    )
    * 3
)


def is_snomed_code(code: str) -> bool:
    """Whether the last digit is the Verhoeff check digit of the others.

    Source: SNOMED CT Technical Implementation Guide, SCTID check-digit.
    """
    value = 0
    for step, digit in zip(_STEPS, reversed(code.encode()), strict=False):
        value = step[value][digit]
    return value == 0


def is_loinc_code(code: str) -> bool:
    """Whether the digit after the hyphen is the Luhn check digit of what stands before it.

    The letters of an answer code ("LA6576-8") weigh by where they stand, so by the number of
    digits. Source: LOINC Users' Guide, check digit; the letters' weight is read off the codes.
    """
    digits, _, check = code.removeprefix("LA").partition("-")
    total = 0 if digits == code.partition("-")[0] else (5 if len(digits) % 2 == 0 else 8)
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return (total + int(check)) % 10 == 0


def read_system(row: Row) -> str:
    """The canonical URL of the row's code system, or `TEXT`."""
    name = row.text("system")
    if name in SYSTEM_NAMES:
        return SYSTEM_NAMES[name]
    if "://" not in name and not name.startswith("urn:"):
        raise row.refuse("system", f"{name!r} is neither a URL nor a system we name")
    return name


def check_code(row: Row, column: str, system: str, code: str, *, part: bool = False) -> str:
    """The code itself, after its form and check digit held; `part` for the start of a code."""
    if system == SNOMED:
        if not code.isdigit() or not 6 <= len(code) <= 18 or not is_snomed_code(code):
            raise row.refuse(column, f"the check digit of SNOMED CT {code} is wrong")
        return code
    form = None if part else _FORMS.get(system)
    if form is not None and form.fullmatch(code) is None:
        raise row.refuse(column, f"{code!r} is no code of {system}")
    if system == LOINC and not is_loinc_code(code):
        raise row.refuse(column, f"the check digit of LOINC {code} is wrong")
    if system == TEXT and code != code.lower():
        raise row.refuse(column, f"{code!r} is not in lower case")
    return code
