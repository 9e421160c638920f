"""Drugs, markers, facts and amounts as the field writes them, from the ids of the files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Literal

from cds_service.clinical.wording import fact_in_words
from cds_service.knowledge.model import Agents
from cds_service.knowledge.terms import Terminology
from cds_service.quantities import format_decimal

GroupKind = Literal["class", "group", "modality"]

_WHOLE = {
    "adc": "antibody-drug conjugates",
    "bispecific": "bispecific antibodies",
    "cytotoxic": "cytotoxic drugs",
    "endocrine": "endocrine therapy",
    "immunotherapy": "immunotherapy",
    "targeted": "targeted drugs",
    "differentiating": "differentiating drugs",
    "immunomodulatory": "immunomodulatory drugs",
    "other": "other drugs",
    "endocrine-breast": "endocrine therapy of breast cancer",
    "bcg": "BCG",
    "platinum": "platinum",
    "androgen-deprivation": "androgen deprivation",
    "asparagine-depleter": "asparaginase preparations",
    "erythroid-maturation-agent": "erythroid maturation agents",
    "anti-angiogenic": "anti-angiogenic drugs",
    "til-therapy": "tumour-infiltrating lymphocytes",
    "gene-therapy": "gene therapy",
    "radioiodine": "radioiodine",
}
_PARTS = (
    ("cdk4-6", "CDK4/6"),
    ("cldn18-2", "CLDN18.2"),
    ("alk-ros1", "ALK/ROS1"),
    ("ros1-ntrk", "ROS1/NTRK"),
    ("bcr-abl-kit", "BCR-ABL/KIT"),
    ("bcr-abl", "BCR-ABL"),
    ("kit-pdgfra", "KIT/PDGFRA"),
    ("raf-mek", "RAF/MEK"),
    ("egfr-met", "EGFR/MET"),
    ("her2-her3", "HER2/HER3"),
    ("idh1-idh2", "IDH1/IDH2"),
    ("drd2-clpp", "DRD2/ClpP"),
    ("pd-1-ctla-4", "PD-1/CTLA-4"),
    ("pd-1-lag-3", "PD-1/LAG-3"),
    ("pd-1-vegf", "PD-1/VEGF"),
    ("kras-g12c", "KRAS G12C"),
    ("hif2a", "HIF-2α"),
    ("fgfr2b", "FGFR2b"),
    ("exon20", "exon 20"),
    ("folate-receptor-alpha", "folate receptor alpha"),
    ("tissue-factor", "tissue factor"),
    ("b7-h3", "B7-H3"),
    ("trop-2", "TROP-2"),
    ("nectin-4", "nectin-4"),
    ("pd-l1", "PD-L1"),
    ("pd-1", "PD-1"),
    ("ctla-4", "CTLA-4"),
    ("lag-3", "LAG-3"),
    ("car-t", "CAR-T"),
    ("tcr-t", "TCR-T"),
    ("non-covalent", "non-covalent"),
    ("bone-seeking", "bone-seeking"),
)
"""Parts of ids that keep a hyphen, or take a stroke; the longer before the shorter."""
_UPPER = re.compile(
    r"\b(?:akt|alk|adc|bcl2|bcma|braf|btk|ccr4|cd\d+b?|csf1r|dll3|dna|eef1a2|egfr|epcam|ezh2|fak|"
    r"fgfr|flt3|gd2|gnrh|gp100|gprc5d|hdac|her2|her3|idh[12]?|il2r|il6|jak|mek|met|mibg|mtor|ntrk|"
    r"parp|pdgfra|pi3k|psma|ret|serd|serm|slamf7|stamp|tki|vegf|vegfr2?|xpo1)\b"
)
_SPELT = {"MTOR": "mTOR", "EPCAM": "EpCAM", "GNRH": "GnRH", "MIBG": "MIBG"}
_SAME_IN_PLURAL = ("therapy", "deprivation", "trap", "bcg")

_UNITS = {
    "mg/(24.h)": "mg/24 h",
    "{ratio}": "",
    "10*9/L": "× 10⁹/L",
    "mL/min/{1.73_m2}": "mL/min/1.73 m²",
    "ug/L": "µg/L",
}
_PROCEDURES = {
    "stem-cell-transplant": "stem-cell transplant",
    "car-t-infusion": "CAR-T infusion",
    "paracentesis-or-drainage": "paracentesis or drainage",
    "surgery-resection": "surgery",
    "imaging-ct": "CT",
    "imaging-mri": "MRI",
    "imaging-pet": "PET",
    "imaging-bone-scan": "bone scan",
    "imaging-other": "other imaging",
}


def drug_group(name: str) -> str:
    """A class, group or modality in words, in the plural: "btk-inhibitor" is BTK inhibitors."""
    if name in _WHOLE:
        return _WHOLE[name]
    kept: list[str] = []
    for part, words in _PARTS:
        if re.search(rf"(?<![a-z0-9]){part}(?![a-z0-9])", name):
            name = re.sub(rf"(?<![a-z0-9]){part}(?![a-z0-9])", f"<{len(kept)}>", name)
            kept.append(words)
    name, _, generation = name.partition("-first-generation")
    after = ", first generation" if generation or _ else ""
    for number in ("second", "third"):
        name, told, _ = name.partition(f"-{number}-generation")
        after = f", {number} generation" if told else after
    is_anti = name.startswith("anti-")
    words = name.removeprefix("anti-").replace("-", " ")
    words = _UPPER.sub(lambda found: _spelt(found[0]), words)
    for place, part in enumerate(kept):
        words = words.replace(f"<{place}>", part)
    return _plural(f"anti-{words}" if is_anti else words) + after


def _spelt(word: str) -> str:
    return _SPELT.get(word.upper(), word.upper())


def _plural(words: str) -> str:
    last = words.rsplit(" ", 1)[-1]
    if last.lower() in _SAME_IN_PLURAL or last.endswith("s"):
        return words
    if last.endswith("y"):
        return f"{words[:-1]}ies"
    if words.startswith("anti-") and " " not in words:
        return f"{words} drugs"
    return f"{words} cells" if words.endswith("-T") else f"{words}s"


def kind_of_group(name: str, terms: Terminology) -> GroupKind:
    """At which level drugs.csv has this name; where it stands at two, the wider one."""
    drugs = terms.drugs.values()
    if any(drug.superclass == name for drug in drugs):
        return "modality"
    return "group" if any(drug.class_group == name for drug in drugs) else "class"


def one_of(names: Iterable[str], *, last: str = "or") -> str:
    """ "a, b or c"."""
    *before, final = list(names) or [""]
    return f"{', '.join(before)} {last} {final}" if before else final


def drugs_in_words(agents: Agents, every: str = "any drug") -> str:
    """The drugs that something speaks for; classes before single drugs."""
    if agents.every:
        return every
    groups = sorted({*agents.superclasses, *agents.groups, *agents.classes})
    return one_of([*(drug_group(name) for name in groups), *sorted(agents.drugs)])


def days(number: int) -> str:
    return "1 day" if number == 1 else f"{number} days"


def times(number: int, what: str) -> str:
    """ "1 cycle", "4 cycles"."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def share(value: Decimal) -> str:
    """A share as a percentage: 0.25 is 25 %."""
    return f"{format_decimal(value * 100)} %"


def unit_in_words(unit: str) -> str:
    return _UNITS.get(unit, unit.replace("[IU]", "IU"))


def marker_name(marker: str, terms: Terminology) -> str:
    """A marker within a sentence: "Monoclonal protein, serum" is monoclonal protein (serum)."""
    known = terms.markers.get(marker)
    if known is None:
        return marker
    name, _, where = known.name.partition(", ")
    is_word = name[:1].isupper() and name[1:2].islower()
    name = name[0].lower() + name[1:] if is_word else name
    return f"{name} ({where})" if where else name


def amount(value: Decimal, marker: str, terms: Terminology) -> str:
    """A value of a marker with its unit."""
    known = terms.markers.get(marker)
    return f"{format_decimal(value)} {unit_in_words(known.unit) if known else ''}".strip()


def difference(value: Decimal, marker: str, terms: Terminology) -> str:
    """How far apart two values are: those of a percentage are percentage points apart."""
    known = terms.markers.get(marker)
    if known is not None and known.unit == "%":
        return f"{format_decimal(value)} percentage points"
    return amount(value, marker, terms)


def fact(name: str) -> str:
    """A fact, perhaps with its value: "her2=negative" is HER2 negative."""
    told, _, value = name.partition("=")
    if told.endswith("-category") and value:
        return f"{told[0].upper()}{value[1:]}"  # "t-category=tis" is Tis
    if told == "grade" and value:
        return f"{value} grade"
    return " ".join(filter(None, (fact_in_words(told), value.replace("-", " "))))


def procedure(kind: str) -> str:
    return _PROCEDURES.get(kind, kind.replace("-", " "))
