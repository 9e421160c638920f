"""What a code or a word of a chart means in oncology: the rows of the terminology tables, frozen.

The tables stand in `data/terms/*.csv`; `terms_load.py` reads them into one `Terminology`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Generic, TypeVar

from cds_service.knowledge.terms_names import MedicationNames

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
ICD10GM = "http://fhir.de/CodeSystem/bfarm/icd-10-gm"
ICD10PCS = "http://www.cms.gov/Medicare/Coding/ICD10"
ICDO3 = "http://terminology.hl7.org/CodeSystem/icd-o-3"
UCUM = "http://unitsofmeasure.org"

SAME_SYSTEM = {
    "https://www.nlm.nih.gov/research/umls/rxnorm": RXNORM,
    "http://www.nlm.nih.gov/research/umls/rxnorm/": RXNORM,
    "http://purl.bioontology.org/ontology/RXNORM": RXNORM,
    "https://www.whocc.no/atc": ATC,
    "http://www.whocc.no/atc/": ATC,
    "http://whocc.no/atc": ATC,
    "https://www.whocc.no/atc_ddd_index": ATC,
    "http://www.whocc.no/atc_ddd_index": ATC,
    "https://www.whocc.no/atc_ddd_index/": ATC,
    "http://www.whocc.no/atc_ddd_index/": ATC,
    "https://atcddd.fhi.no/atc": ATC,
    "http://fhir.de/CodeSystem/bfarm/atc": ATC,
    "http://fhir.de/CodeSystem/dimdi/atc": ATC,
    "urn:oid:2.16.840.1.113883.6.88": RXNORM,
    "urn:oid:2.16.840.1.113883.6.73": ATC,
    "urn:oid:2.16.840.1.113883.6.1": LOINC,
    "urn:oid:2.16.840.1.113883.6.96": SNOMED,
    "urn:oid:2.16.840.1.113883.6.90": ICD10CM,
    "urn:oid:2.16.840.1.113883.6.3": ICD10,
    "http://fhir.de/CodeSystem/dimdi/icd-10-gm": ICD10GM,
    "urn:oid:2.16.840.1.113883.6.43.1": ICDO3,
    "urn:oid:2.16.840.1.113883.6.4": ICD10PCS,
    "http://terminology.hl7.org/CodeSystem/icd10PCS": ICD10PCS,
    "http://hl7.org/fhir/sid/icd-10-pcs": ICD10PCS,
}
"""Other names of a code system that charts write → its canonical URL."""

Code = tuple[str, str]
"""A code system's canonical URL and a code of it."""


@dataclass(frozen=True, slots=True)
class Drug:
    """An antineoplastic agent, by its generic name.

    `drug_class` is the mechanism, `class_group` the coarser group across which refractoriness is
    carried, `superclass` the modality (cytotoxic, endocrine, immunotherapy, …).
    `backbone_equivalents` never start a new line by themselves; `toxicity_equivalents` do not
    where the swap was for intolerance and no progression lies between. `treats`: the diseases in
    which a drug with another everyday use is an agent (octreotide, megestrol); empty for any.
    `has_other_uses`: it treats diseases that are no cancer, too, for years; `alone_in` are the
    cancers that it treats by itself.
    """

    name: str
    drug_class: str
    class_group: str
    superclass: str
    routes: frozenset[str]
    backbone_equivalents: frozenset[str] = frozenset()
    toxicity_equivalents: frozenset[str] = frozenset()
    treats: frozenset[str] = frozenset()
    has_other_uses: bool = False
    alone_in: frozenset[str] = frozenset()

    def may_treat(self, diseases: Iterable[str]) -> bool:
        """Whether it can be an agent against one of the diseases, rather than something else."""
        return not self.treats or not self.treats.isdisjoint(diseases)

    @property
    def is_corticosteroid(self) -> bool:
        return self.superclass == "corticosteroid"

    @property
    def is_supportive(self) -> bool:
        """Whether it accompanies treatment in every disease but those that name it an agent."""
        return self.superclass == "supportive"


@dataclass(frozen=True, slots=True)
class SupportiveDrug:
    """A drug that accompanies cancer therapy, or has nothing to do with it."""

    name: str
    category: str


@dataclass(frozen=True, slots=True)
class DrugTerm:
    """What one medication code or name stands for.

    `drugs` are generic names of antineoplastics (keys of `Terminology.drugs`), `supportive` of
    supportive drugs; a combination product has several. `systemic` is False for topical,
    ophthalmic, nasal and the like.
    """

    drugs: tuple[str, ...]
    supportive: tuple[str, ...] = ()
    systemic: bool = True


@dataclass(frozen=True, slots=True)
class Regimen:
    """A named combination; optional components neither help nor hinder its recognition."""

    name: str
    components: frozenset[str]
    optional: frozenset[str]
    diseases: frozenset[str]
    cycle_days: int | None
    aliases: tuple[str, ...] = ()
    steroids: frozenset[str] = frozenset()
    """Corticosteroids among the components."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A UCUM code; one of it is `factor` of `kind`, the code that its dimension is counted in.

    `knowledge check` compares each factor with what a UCUM library makes of the two codes. Codes
    of different kinds convert only by a fact about an analyte (its molar mass, its assay).
    """

    code: str
    kind: str
    factor: Decimal


@dataclass(frozen=True, slots=True)
class Marker:
    """A laboratory quantity that rules read.

    `factors`: for each spelling of a unit that may be converted, how many of the canonical `unit`
    it is. `conversions`: what of that is a fact about the analyte and not of the units' dimension.
    `use`: `response` may take part in a rule, `supportive` only supports, `validity` decides
    whether another marker can be read. `kind`: the contract's evidence kind.
    """

    id: str
    name: str
    unit: str
    factors: Mapping[str, Decimal]
    typical_uln: Decimal | None
    use: str
    kind: str
    diseases: frozenset[str]
    conversions: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class ConditionTerm:
    """What a diagnosis code says.

    `disease`: an id, or empty. `role`: primary, secondary, in-situ, uncertain-behaviour, history,
    marker, status, treatment, hospice, toxicity, adherence, patient-choice, symptom,
    complication, morphology. `status`: active, in-remission, not-in-remission, in-relapse,
    refractory, metastatic, nodal, hormone-resistant, hormone-sensitive, accelerated-phase,
    blast-phase, or a tag of a role. `alternatives`: other diseases that the code leaves open.
    `subtype`: what the code states of receptors (breast), histology (sarcoma) or kind, else empty.
    """

    disease: str
    role: str
    status: str
    alternatives: tuple[str, ...] = ()
    subtype: str = ""


@dataclass(frozen=True, slots=True)
class ResponseTerm:
    """What a value of a disease-status or response observation says.

    `category`: complete-response, very-good-partial-response, partial-response,
    minimal-response, stable, progression, unconfirmed-progression, not-evaluable, or empty.
    `finding`: relapse, remission, responding, no-response, documented-refractory, mixed, or
    empty. `criteria`: the response system, "clinician" for a judgement, "generic" for the words
    of a category that names no system. `by`: the kind of evidence that the value itself names
    ("PSA progression" rests on a marker), else empty.
    """

    category: str
    finding: str
    criteria: str
    by: str = ""


Meaning = TypeVar("Meaning")


@dataclass(frozen=True, slots=True)
class CodeTable(Generic[Meaning]):
    """Codes, and beginnings of codes, with what they mean."""

    exact: Mapping[Code, Meaning]
    starts: Mapping[str, Mapping[int, Mapping[str, Meaning]]]
    """System → length → beginning of a code → meaning, the longest first."""

    def get(self, code: Code) -> Meaning | None:
        """A code's own meaning, else that of its longest beginning that has one."""
        own = self.exact.get(code)
        if own is not None:
            return own
        system, text = code
        starts = self.starts.get(system)
        if starts is not None:
            for length, of in starts.items():
                meaning = of.get(text[:length])
                if meaning is not None:
                    return meaning
        return None

    def meanings(self) -> Iterator[Meaning]:
        yield from self.exact.values()
        for lengths in self.starts.values():
            for of in lengths.values():
                yield from of.values()


@dataclass(frozen=True, slots=True)
class Terminology:
    """Every table, indexed by what a chart holds."""

    drugs: Mapping[str, Drug]
    supportive: Mapping[str, SupportiveDrug]
    drug_codes: Mapping[Code, DrugTerm]
    """RxNorm ingredient and product codes, and ATC."""
    drug_names: Mapping[str, DrugTerm]
    """Lower-case generic names, brands, salt forms, abbreviations."""
    regimens: Mapping[str, Regimen]
    """By name, in the order of the table."""
    regimens_of: Mapping[str, tuple[Regimen, ...]]
    """Disease → its regimens, in the order of the table."""
    regimen_names: Mapping[str, str]
    """Lower-case names and aliases → regimen name, where exactly one regimen has it."""
    units: Mapping[str, Unit]
    """UCUM codes and other spellings → the unit that is meant."""
    markers: Mapping[str, Marker]
    marker_codes: Mapping[Code, str]
    """LOINC → marker id."""
    marker_names: Mapping[str, str]
    """Lower-case text of an observation's code → marker id, for markers without a sure code."""
    conditions: CodeTable[ConditionTerm]
    body_sites: CodeTable[str]
    """Body structure → the beginning of the ICD-10 codes of a primary cancer there, where a site
    leaves little open."""
    body_site_words: Mapping[str, str]
    """The same by the name of the site in lower case, without its side."""
    observation_kinds: Mapping[Code, str]
    """Observation.code → disease-status, response-category, tumour-size, performance-status …"""
    responses: Mapping[Code, ResponseTerm]
    response_words: Mapping[str, tuple[ResponseTerm, ...]]
    """Lower-case wording → what it says, by response system where systems differ."""
    stop_reasons: Mapping[Code, str]
    """Reason codes → progression, toxicity, completed, patient-choice, adherence, death, other."""
    stop_reason_words: Mapping[str, str]
    procedures: CodeTable[str]
    """Procedure and order codes → biopsy, imaging-ct, radiotherapy, surgery-resection, ablation,
    stem-cell-transplant, car-t-infusion, trial-referral … (`PROCEDURE_KINDS` of the loader)."""
    procedure_words: Mapping[str, str]
    """Lower-case phrase that a procedure's text contains → kind, longest phrase first."""
    facts: Mapping[Code, str]
    """Observation codes of facts about the patient or the tumour → er, pr, her2, ecog,
    stage-group … (`FACTS` of the loader)."""
    observation_names: Mapping[str, tuple[str, str]]
    """Lower-case text of an observation's code → "marker" or "fact", and its id: for those without
    a sure code."""
    fact_values: Mapping[Code, str]
    """Codes that are the value of a fact → positive, negative, stage-iv …"""
    fact_words: Mapping[str, str]
    """Lower-case wordings of such values."""
    medication_names: MedicationNames
    """`drug_names` and the regimens as a compiled search, for `clinical/record/drug_names.py`."""
