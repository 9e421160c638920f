"""The terminology tables: what they say of everyday codes, and what the loader refuses."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

import cds_service.knowledge
from cds_service import shipped_knowledge
from cds_service.knowledge.terms import (
    ICD10,
    ICD10CM,
    ICD10GM,
    ICD10PCS,
    LOINC,
    RXNORM,
    SNOMED,
    ConditionTerm,
    Terminology,
)
from cds_service.knowledge.terms_load import load_terminology
from cds_service.quantities import Quantity

TABLES = Path(next(iter(cds_service.knowledge.__path__))) / "data" / "terms"
DISEASES = frozenset(
    {
        "nsclc",
        "sclc",
        "breast",
        "ovarian",
        "prostate",
        "colorectal",
        "gastric",
        "pancreatic",
        "hcc",
        "rcc",
        "urothelial",
        "melanoma",
        "germ-cell",
        "thyroid-differentiated",
        "gtn",
        "glioma",
        "soft-tissue-sarcoma",
        "gist",
        "multiple-myeloma",
        "dlbcl",
        "follicular-lymphoma",
        "hodgkin",
        "mantle-cell",
        "cll",
        "waldenstrom",
        "aml",
        "all",
        "cml",
        "mds",
        "pv",
        "et",
        "mf",
        "head-neck",
        "endometrial",
        "cervical",
        "cholangiocarcinoma",
        "neuroendocrine",
        "esophageal",
        "mesothelioma",
        "neuroblastoma",
        "peripheral-t-cell-lymphoma",
        "marginal-zone-lymphoma",
        "al-amyloid",
        "anaplastic-thyroid",
        "cns-lymphoma",
        "other-solid",
        "other-heme",
    }
)


@pytest.fixture(scope="module")
def terms() -> Terminology:
    return load_terminology(TABLES)


# --- what stands in the tables --------------------------------------------------------------


def test_every_disease_named_in_a_table_is_one_of_the_dossier(terms: Terminology) -> None:
    named = {d for regimen in terms.regimens.values() for d in regimen.diseases}
    named |= {d for marker in terms.markers.values() for d in marker.diseases}
    conditions = list(terms.conditions.meanings())
    named |= {term.disease for term in conditions if term.disease}
    named |= {d for term in conditions for d in term.alternatives}
    assert named <= DISEASES


def test_every_drug_of_every_regimen_exists(terms: Terminology) -> None:
    for regimen in terms.regimens.values():
        assert regimen.components <= terms.drugs.keys(), regimen.name
        assert regimen.optional <= terms.drugs.keys() | terms.supportive.keys(), regimen.name


def test_equivalence_of_drugs_holds_both_ways(terms: Terminology) -> None:
    for drug in terms.drugs.values():
        for other in drug.backbone_equivalents:
            assert drug.name in terms.drugs[other].backbone_equivalents
        for other in drug.toxicity_equivalents:
            assert drug.name in terms.drugs[other].toxicity_equivalents


@pytest.mark.parametrize(
    ("drug", "drug_class", "group"),
    [
        pytest.param("carboplatin", "platinum", "platinum", id="ovarian and sclc windows"),
        pytest.param("lenalidomide", "immunomodulatory-drug", "immunomodulatory-drug", id="IMiD"),
        pytest.param("bortezomib", "proteasome-inhibitor", "proteasome-inhibitor", id="PI"),
        pytest.param("isatuximab", "anti-cd38-antibody", "anti-cd38-antibody", id="anti-CD38"),
        pytest.param("teclistamab", "bcma-cd3-bispecific", "anti-bcma", id="BCMA across modality"),
        pytest.param("rituximab", "anti-cd20-antibody", "anti-cd20", id="anti-CD20"),
        pytest.param("pirtobrutinib", "non-covalent-btk-inhibitor", "btk-inhibitor", id="BTK"),
        pytest.param("venetoclax", "bcl2-inhibitor", "bcl2-inhibitor", id="BCL2"),
        pytest.param("asciminib", "bcr-abl-stamp-inhibitor", "bcr-abl-tki", id="CML"),
        pytest.param("nivolumab", "anti-pd-1", "checkpoint-inhibitor", id="ICI"),
        pytest.param("letrozole", "aromatase-inhibitor", "endocrine-breast", id="AI"),
        pytest.param("palbociclib", "cdk4-6-inhibitor", "cdk4-6-inhibitor", id="CDK4/6"),
        pytest.param("trastuzumab deruxtecan", "her2-adc", "anti-her2", id="HER2 ADC"),
        pytest.param("leuprolide", "gnrh-agonist", "androgen-deprivation", id="ADT"),
        pytest.param(
            "enzalutamide",
            "androgen-receptor-inhibitor",
            "androgen-receptor-pathway-inhibitor",
            id="ARPI",
        ),
        pytest.param("olaparib", "parp-inhibitor", "parp-inhibitor", id="PARP"),
        pytest.param("osimertinib", "egfr-tki-third-generation", "egfr-tki", id="EGFR"),
        pytest.param(
            "olaratumab",
            "anti-pdgfra-antibody",
            "anti-pdgfra-antibody",
            id="olaratumab blocks PDGFRA and is no checkpoint inhibitor",
        ),
    ],
)
def test_a_drug_stands_in_the_class_that_its_diseases_read(
    drug: str, drug_class: str, group: str, terms: Terminology
) -> None:
    found = terms.drugs[drug]
    assert (found.drug_class, found.class_group) == (drug_class, group)


def test_a_steroid_is_in_both_tables(terms: Terminology) -> None:
    assert terms.drugs["prednisone"].is_corticosteroid
    assert terms.drug_codes[RXNORM, "8640"].supportive == ("prednisone",)


def test_a_transplant_drug_is_not_an_antineoplastic(terms: Terminology) -> None:
    assert terms.drug_codes[RXNORM, "977428"].drugs == ()  # Zortress, everolimus
    assert terms.drug_codes[RXNORM, "35302"].drugs == ()  # sirolimus


# --- conditions -----------------------------------------------------------------------------


def look_up(system: str, code: str, terms: Terminology) -> ConditionTerm:
    found = terms.conditions.get((system, code))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("system", "code", "disease", "role", "status"),
    [
        pytest.param(SNOMED, "109989006", "multiple-myeloma", "primary", "active", id="myeloma"),
        pytest.param(SNOMED, "254637007", "nsclc", "primary", "active", id="NSCLC"),
        pytest.param(SNOMED, "254837009", "breast", "primary", "active", id="breast"),
        pytest.param(SNOMED, "363443007", "ovarian", "primary", "active", id="ovary"),
        pytest.param(SNOMED, "363406005", "colorectal", "primary", "active", id="colon"),
        pytest.param(SNOMED, "399068003", "prostate", "primary", "active", id="prostate"),
        pytest.param(SNOMED, "92818009", "cml", "primary", "active", id="CML"),
        pytest.param(SNOMED, "109969005", "dlbcl", "primary", "active", id="DLBCL"),
        pytest.param(ICD10CM, "C90.00", "multiple-myeloma", "primary", "not-in-remission", id="0"),
        pytest.param(ICD10CM, "C90.01", "multiple-myeloma", "primary", "in-remission", id="1"),
        pytest.param(ICD10CM, "C90.02", "multiple-myeloma", "primary", "in-relapse", id="2"),
        pytest.param(ICD10CM, "C9002", "multiple-myeloma", "primary", "in-relapse", id="no dot"),
        pytest.param(ICD10CM, "C92.12", "cml", "primary", "in-relapse", id="CML in relapse"),
        pytest.param(ICD10CM, "C50.911", "breast", "primary", "active", id="longer than its start"),
        pytest.param(ICD10CM, "C77.3", "", "secondary", "nodal", id="nodes are no distant spread"),
        pytest.param(ICD10CM, "C78.7", "", "secondary", "active", id="liver metastasis"),
        pytest.param(ICD10CM, "C79.51", "", "secondary", "active", id="bone metastasis"),
        pytest.param(ICD10CM, "C80.1", "other-solid", "primary", "unknown-primary", id="CUP"),
        pytest.param(SNOMED, "94181007", "", "secondary", "nodal", id="axillary nodes"),
        pytest.param(SNOMED, "94222008", "", "secondary", "active", id="SNOMED bone metastasis"),
        pytest.param(
            SNOMED, "440422002", "multiple-myeloma", "uncertain-behaviour", "active", id="smoulder"
        ),
        pytest.param(
            SNOMED, "441313008", "multiple-myeloma", "uncertain-behaviour", "active", id="indolent"
        ),
        pytest.param(
            SNOMED, "277577000", "multiple-myeloma", "uncertain-behaviour", "active", id="MGUS"
        ),
        pytest.param(SNOMED, "95210003", "multiple-myeloma", "primary", "active", id="PCL"),
        pytest.param(SNOMED, "827162007", "germ-cell", "primary", "active", id="immature teratoma"),
        pytest.param(SNOMED, "254863004", "other-solid", "primary", "active", id="granulosa cell"),
        pytest.param(
            SNOMED, "254844000", "soft-tissue-sarcoma", "primary", "active", id="phyllodes"
        ),
        pytest.param(
            SNOMED, "721576006", "soft-tissue-sarcoma", "primary", "active", id="angiosarc"
        ),
        pytest.param(SNOMED, "278052009", "other-heme", "primary", "active", id="breast lymphoma"),
        pytest.param(
            SNOMED, "254627002", "neuroendocrine", "primary", "active", id="lung carcinoid"
        ),
        pytest.param(SNOMED, "707670009", "other-solid", "primary", "active", id="pleuropulmonary"),
        pytest.param(SNOMED, "94104001", "other-solid", "primary", "active", id="trachea"),
        pytest.param(SNOMED, "276822007", "melanoma", "primary", "active", id="rectal melanoma"),
        pytest.param(SNOMED, "766979005", "other-solid", "primary", "active", id="rectal squamous"),
        pytest.param(
            SNOMED, "1197354001", "soft-tissue-sarcoma", "primary", "active", id="colon sarc"
        ),
        pytest.param(
            SNOMED, "399590005", "other-solid", "primary", "active", id="prostate squamous"
        ),
        pytest.param(
            SNOMED, "396198006", "neuroendocrine", "primary", "active", id="small cell prostate"
        ),
        pytest.param(SNOMED, "427492003", "prostate", "primary", "hormone-resistant", id="CRPC"),
        pytest.param(
            SNOMED, "369472002", "prostate", "primary", "active", id="growth into bladder"
        ),
        pytest.param(SNOMED, "734066005", "cns-lymphoma", "primary", "active", id="CNS DLBCL"),
        pytest.param(
            SNOMED, "93144003", "other-heme", "primary", "active", id="hairy cell in a node"
        ),
        pytest.param(
            SNOMED, "413448000", "", "morphology", "active", id="a morphology, no disease"
        ),
    ],
)
def test_a_diagnosis_code_names_its_disease(
    system: str, code: str, disease: str, role: str, status: str, terms: Terminology
) -> None:
    found = look_up(system, code, terms)
    assert (found.disease, found.role, found.status) == (disease, role, status)


@pytest.mark.parametrize(
    ("system", "code", "subtype"),
    [
        pytest.param(ICD10CM, "Z17.0", "er-pos", id="ER+"),
        pytest.param(ICD10CM, "Z17.1", "er-neg", id="ER-"),
        pytest.param(ICD10CM, "Z17.22", "pr-neg", id="PR-"),
        pytest.param(ICD10CM, "Z17.31", "her2-pos", id="HER2+"),
        pytest.param(ICD10CM, "Z17.411", "hr-pos-her2-neg", id="HR+ HER2-"),
        pytest.param(ICD10CM, "Z17.421", "tnbc", id="HR- HER2- is triple negative"),
        pytest.param(SNOMED, "706970001", "tnbc", id="SNOMED triple negative"),
        pytest.param(SNOMED, "427685000", "her2-pos", id="SNOMED HER2+"),
        pytest.param(SNOMED, "417181009", "hr-pos", id="SNOMED HR+"),
        pytest.param(SNOMED, "416053008", "er-pos", id="ER+ tumour"),
        pytest.param(SNOMED, "254837009", "", id="plain breast cancer says nothing"),
    ],
)
def test_a_breast_code_says_what_it_says_of_receptors(
    system: str, code: str, subtype: str, terms: Terminology
) -> None:
    assert look_up(system, code, terms).subtype == subtype


@pytest.mark.parametrize(
    ("code", "alternatives"),
    [
        pytest.param("426336007", ("other-heme",), id="solitary plasmacytoma is left open"),
        pytest.param("363358000", ("sclc",), id="lung cancer without histology is left open"),
        pytest.param("254626006", (), id="adenocarcinoma of lung is settled"),
        pytest.param("707458004", (), id="pleomorphic carcinoma is non-small-cell"),
    ],
)
def test_a_code_that_does_not_settle_the_disease_says_so(
    code: str, alternatives: tuple[str, ...], terms: Terminology
) -> None:
    assert look_up(SNOMED, code, terms).alternatives == alternatives


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("315058005", id="Lynch syndrome is a predisposition"),
        pytest.param("771080008", id="hereditary ovarian cancer syndrome is a predisposition"),
    ],
)
def test_a_predisposition_is_no_cancer(code: str, terms: Terminology) -> None:
    assert terms.conditions.get((SNOMED, code)) is None


# --- markers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "marker", "kind"),
    [
        pytest.param("2857-1", "psa", "tumour-marker", id="PSA"),
        pytest.param("2986-8", "testosterone", "tumour-marker", id="testosterone"),
        pytest.param("10334-1", "ca-125", "tumour-marker", id="CA-125"),
        pytest.param("33358-3", "m-protein-serum", "haematology", id="serum M-protein"),
        pytest.param("42482-0", "m-protein-urine-24h", "haematology", id="urine M-protein"),
        pytest.param("36916-5", "flc-kappa", "haematology", id="free kappa"),
        pytest.param("11118-7", "plasma-cells-marrow-percent", "haematology", id="plasma cells"),
        pytest.param("11150-0", "blasts-marrow-percent", "haematology", id="marrow blasts"),
        pytest.param("69380-4", "bcr-abl-is", "molecular", id="BCR::ABL1 on the IS"),
    ],
)
def test_a_result_code_names_its_marker(
    code: str, marker: str, kind: str, terms: Terminology
) -> None:
    assert terms.marker_codes[LOINC, code] == marker
    assert terms.markers[marker].kind == kind


@pytest.mark.parametrize(
    "name",
    [
        "waldenström's macroglobulinemia",
        "waldenstrom's macroglobulinaemia",
        "lymphoplasmacytic lymphoma",
    ],
)
def test_waldenstrom_macroglobulinaemia_has_many_spellings(name: str) -> None:
    assert shipped_knowledge().disease_names[name] == "waldenstrom"


@pytest.mark.parametrize(
    "name",
    [
        "bone marrow blasts",
        "bone marrow blast %",
        "blasts/100 cells in bone marrow",
        "myeloblasts/100 cells in bone marrow",
    ],
)
def test_a_count_of_marrow_blasts_is_known_by_its_words(name: str, terms: Terminology) -> None:
    assert terms.observation_names[name] == ("marker", "blasts-marrow-percent")


def test_myeloblasts_alone_may_be_of_the_blood(terms: Terminology) -> None:
    assert "myeloblasts" not in terms.observation_names


def test_basophils_are_not_read_as_blasts(terms: Terminology) -> None:
    assert (LOINC, "26445-7") not in terms.marker_codes  # circulates as myeloblasts


def test_a_transcript_ratio_without_the_scale_is_not_read(terms: Terminology) -> None:
    assert (LOINC, "46434-7") not in terms.marker_codes
    assert Quantity(Decimal("0.01"), "{ratio}").to("%", terms.markers["bcr-abl-is"].factors) is None


@pytest.mark.parametrize(
    ("marker", "value", "unit", "canonical"),
    [
        pytest.param("psa", "4", "µg/L", "4", id="micro sign"),
        pytest.param("psa", "4", "μg/L", "4", id="Greek mu"),
        pytest.param("psa", "4", "mcg/L", "4", id="mcg"),
        pytest.param("ca-125", "70", "kU/L", "70", id="kU/L"),
        pytest.param("m-protein-serum", "12", "g/L", "1.2", id="g/L"),
        pytest.param("m-protein-serum", "1200", "mg/dL", "1.2", id="mg/dL"),
        pytest.param("m-protein-urine-24h", "200", "mg/24h", "200", id="mg/24h"),
        pytest.param("m-protein-urine-24h", "0.2", "g/(24.h)", "200", id="g in 24 h"),
        pytest.param("flc-kappa", "10", "mg/dL", "100", id="free chains in mg/dL"),
        pytest.param("flc-ratio", "1.2", "", "1.2", id="a ratio needs no unit"),
        pytest.param("testosterone", "1.7", "nmol/L", "49.028", id="castrate limit"),
        pytest.param("platelets", "90", "K/uL", "90", id="K/uL"),
        pytest.param("platelets", "90", "x10E9/L", "90", id="x10E9/L"),
        pytest.param("platelets", "90000", "/uL", "90", id="per microlitre"),
        pytest.param("hemoglobin", "100", "g/L", "10.0", id="haemoglobin in g/L"),
    ],
)
def test_a_value_is_converted_to_the_markers_unit(
    marker: str, value: str, unit: str, canonical: str, terms: Terminology
) -> None:
    known = terms.markers[marker]
    converted = Quantity(Decimal(value), unit).to(known.unit, known.factors)
    assert converted is not None
    assert converted.value == Decimal(canonical)


@pytest.mark.parametrize(
    ("marker", "unit"),
    [
        pytest.param("psa", "U/mL", id="arbitrary units of a mass"),
        pytest.param("ca-125", "ng/mL", id="mass of an arbitrary unit"),
        pytest.param("he4", "ng/mL", id="mass of a substance"),
        pytest.param("platelets", "%", id="share of a count"),
    ],
)
def test_a_unit_of_another_kind_is_not_converted(
    marker: str, unit: str, terms: Terminology
) -> None:
    known = terms.markers[marker]
    assert Quantity(Decimal(1), unit).to(known.unit, known.factors) is None


def test_a_marker_without_a_sure_code_only_supports(terms: Terminology) -> None:
    coded = set(terms.marker_codes.values())
    derived = {"flc-difference"}  # kappa minus lambda, both coded
    for marker in terms.markers.values():
        assert marker.id in coded | derived or marker.use == "supportive", marker.id


# --- statements, reasons, procedures, facts ---------------------------------------------------


@pytest.mark.parametrize(
    ("words", "criteria", "category", "finding"),
    [
        pytest.param("pd", "generic", "progression", "", id="PD"),
        pytest.param("iupd", "irecist", "unconfirmed-progression", "", id="iUPD"),
        pytest.param("vgpr", "imwg", "very-good-partial-response", "", id="VGPR"),
        pytest.param("cri", "eln", "complete-response", "remission", id="CRi"),
        pytest.param("relapse", "generic", "progression", "relapse", id="relapse in any disease"),
        pytest.param("refractory", "generic", "progression", "documented-refractory", id="word"),
        pytest.param("no response", "iwcll", "stable", "no-response", id="CLL non-response"),
        pytest.param("mixed response", "generic", "not-evaluable", "mixed", id="mixed"),
    ],
)
def test_response_words_mean_what_their_criteria_say(
    words: str, criteria: str, category: str, finding: str, terms: Terminology
) -> None:
    found = next(term for term in terms.response_words[words] if term.criteria == criteria)
    assert (found.category, found.finding) == (category, finding)


@pytest.mark.parametrize(
    ("code", "category"),
    [
        pytest.param((SNOMED, "271299001"), "progression", id="mCODE worsened"),
        pytest.param((SNOMED, "359746009"), "stable", id="mCODE stable"),
        pytest.param((SNOMED, "268910001"), "", id="improved is a direction, no category"),
        pytest.param((LOINC, "LA28370-7"), "progression", id="LOINC answer"),
    ],
)
def test_a_coded_status_has_its_category(
    code: tuple[str, str], category: str, terms: Terminology
) -> None:
    assert terms.responses[code].category == category


@pytest.mark.parametrize(
    ("word", "criteria"),
    [
        pytest.param("stable disease", {"generic"}, id="a category, of no system"),
        pytest.param("sd", {"generic"}, id="its acronym"),
        pytest.param("condition stable", {"clinician"}, id="a judgement"),
        pytest.param("worsened", {"clinician"}, id="a direction"),
        pytest.param("nmr", {"lugano"}, id="a category of one system"),
    ],
)
def test_a_word_is_a_category_or_a_judgement(
    word: str, criteria: set[str], terms: Terminology
) -> None:
    assert {term.criteria for term in terms.response_words[word]} == criteria


def test_a_value_may_name_the_marker_that_it_rests_on(terms: Terminology) -> None:
    said = {word for word, read in terms.response_words.items() if read[0].by == "marker"}
    assert said == {
        "psa progression",
        "psa progressive disease",
        "psa response",
        "ca-125 progression",
        "ca125 progression",
        "ca-125 response",
        "biochemical progression",
        "biochemical recurrence",
        "biochemical relapse",
    }


@pytest.mark.parametrize("system", [ICD10, ICD10GM])
def test_modifications_of_icd_10_share_neoplasms_and_nothing_else(
    system: str, terms: Terminology
) -> None:
    shared = {code for of, code in terms.conditions.exact if of == system}
    shared |= {code for of in terms.conditions.starts[system].values() for code in of}
    assert {code[0] for code in shared} == {"C", "D", "Z"}
    assert {code[:3] for code in shared if code[0] == "Z"} == {"Z85"}
    assert terms.conditions.get((ICD10CM, "Z51.5")) != terms.conditions.get((system, "Z51.5"))


def test_both_ways_to_give_a_stop_reason_are_known(terms: Terminology) -> None:
    assert terms.stop_reasons[SNOMED, "266721009"] == "progression"
    assert terms.stop_reasons[SNOMED, "407563006"] == "toxicity"
    assert terms.stop_reason_words["treatment completed"] == "completed"
    assert terms.stop_reason_words["patient declined"] == "patient-choice"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        pytest.param((SNOMED, "702475000"), "trial-referral", id="referral to clinical trial"),
        pytest.param((SNOMED, "418023006"), "imaging-ct", id="CT CAP"),
        pytest.param((LOINC, "72254-6"), "imaging-ct", id="CT CAP as a report"),
        pytest.param((LOINC, "24587-8"), "imaging-mri", id="brain MRI"),
        pytest.param((SNOMED, "450436003"), "imaging-pet", id="PET-CT"),
        pytest.param((SNOMED, "234326005"), "bone-marrow-examination", id="marrow"),
        pytest.param((SNOMED, "86273004"), "biopsy", id="biopsy"),
        pytest.param((SNOMED, "1217123003"), "radiotherapy", id="mCODE course summary"),
        pytest.param((SNOMED, "234336002"), "stem-cell-transplant", id="transplant"),
        pytest.param((SNOMED, "306237005"), "palliative-referral", id="palliative care"),
        pytest.param((SNOMED, "305336008"), "hospice", id="hospice"),
        pytest.param((SNOMED, "103696004"), "specialist-referral", id="specialist"),
        pytest.param((ICD10PCS, "30233Y0"), "stem-cell-transplant", id="by the start of its code"),
        pytest.param((ICD10PCS, "DB020ZZ"), "radiotherapy", id="a whole section of codes"),
        pytest.param((ICD10PCS, "30233N1"), None, id="transfusion of red cells"),
        pytest.param((ICD10PCS, "3023"), None, id="less than the start"),
    ],
)
def test_a_procedure_code_has_its_kind(
    code: tuple[str, str], kind: str | None, terms: Terminology
) -> None:
    assert terms.procedures.get(code) == kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        pytest.param("Stereotactic body radiotherapy to right adrenal", "radiotherapy", id="SBRT"),
        pytest.param("autologous stem cell transplant", "stem-cell-transplant", id="ASCT"),
        pytest.param("CT chest abdomen pelvis", "imaging-ct", id="CT"),
        pytest.param("CT guided core biopsy of liver", "biopsy", id="not the CT that guided it"),
        pytest.param("Ultrasound guided paracentesis", "paracentesis-or-drainage", id="drainage"),
        pytest.param("Bone marrow biopsy and aspirate", "bone-marrow-examination", id="marrow"),
        pytest.param("FDG PET/CT skull base to thigh", "imaging-pet", id="PET/CT is no CT"),
        pytest.param("CAR-T infusion (axi-cel)", "car-t-infusion", id="CAR-T"),
        pytest.param("Referral to palliative medicine", "palliative-referral", id="palliative"),
        pytest.param("Influenza immunisation, effect of", "", id="ct of inside a word"),
        pytest.param("Pentacel vaccination", "", id="tace inside a word"),
    ],
)
def test_a_procedure_in_words_is_recognised_by_its_longest_phrase(
    text: str, kind: str, terms: Terminology
) -> None:
    found = (k for phrase, k in terms.procedure_words.items() if phrase in text.lower())
    assert next(found, "") == kind


def test_facts_and_their_values_are_known(terms: Terminology) -> None:
    assert terms.facts[LOINC, "16112-5"] == "er"
    assert terms.facts[LOINC, "48676-1"] == "her2"
    assert terms.facts[LOINC, "89247-1"] == "ecog"
    assert terms.facts[LOINC, "21908-9"] == "stage-group"
    assert terms.facts[LOINC, "45755-6"] == "hospice"
    assert terms.fact_values[SNOMED, "10828004"] == "positive"
    assert terms.fact_values[LOINC, "LA6577-6"] == "negative"
    assert terms.fact_values[SNOMED, "258228008"] == "stage-iv"
    assert terms.fact_words["stage ivb"] == "stage-iv"
