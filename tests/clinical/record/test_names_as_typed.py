"""Names of drugs as clinicians, pharmacies and registries type them, and the drugs they mean."""

from __future__ import annotations

import pytest

from cds_service import shipped_knowledge
from cds_service.clinical.record.drug_names import Recognised, recognise_medication


def read(*texts: str) -> Recognised:
    return recognise_medication([], texts, shipped_knowledge().terms)


def names(table: str) -> list[tuple[str, tuple[str, ...]]]:
    """The rows "text | drug; drug" of a table; nothing after the bar is no drug."""
    rows = [line.rsplit("|", 1) for line in table.strip().splitlines()]
    return [
        (text.strip(), tuple(sorted(d.strip() for d in drugs.split(";") if d.strip())))
        for text, drugs in rows
    ]


DOSE_AND_FORM = """
Carboplatin AUC 5 IV                                    | carboplatin
pembrolizumab 200 mg/8 mL                               | pembrolizumab
capecitabine tabs 500mg                                 | capecitabine
inj. Docetaxel                                          | docetaxel
Zoladex 3.6 mg implant                                  | goserelin
Docetaxel 75 mg/m² IV q3w x 6                           | docetaxel
Nivolumab 480mg q4w (maintenance)                       | nivolumab
DOXOrubicin HCl liposome injection 2 mg/mL              | doxorubicin liposomal
Fluorouracil IV Continuous infusion over 46 hours       | fluorouracil
Erbitux + RT                                            | cetuximab
"""
SALTS_AND_SUFFIXES = """
irinotecan hydrochloride                                | irinotecan
imatinib mesylate                                       | imatinib
abiraterone acetate                                     | abiraterone
pemetrexed disodium                                     | pemetrexed
trastuzumab-dkst (Ogivri)                               | trastuzumab
bevacizumab-awwb 400mg/16ml                             | bevacizumab
Trastuzumab-Biosimilar                                  | trastuzumab
daratumumab and hyaluronidase-fihj                      | daratumumab
pertuzumab-trastuzumab-hyaluronidase-zzxf               | pertuzumab; trastuzumab
"""
THE_BRAND_TELLS_THE_FORM = """
PACLitaxel (Abraxane)                                   | nab-paclitaxel
paclitaxel 100 MG Injection [Abraxane]                  | nab-paclitaxel
doxorubicin (Doxil)                                     | doxorubicin liposomal
irinotecan (Onivyde)                                    | irinotecan liposomal
Trastuzumab Injection [Enhertu]                         | trastuzumab deruxtecan
doxorubicin, Doxil                                      | doxorubicin; doxorubicin liposomal
PEG-asparaginase                                        | pegaspargase
nab-rapamycin                                           | nab-sirolimus
"""
SHORT_NAMES = """
5-FU                                                    | fluorouracil
5 FU                                                    | fluorouracil
MTX                                                     | methotrexate
VCR                                                     | vincristine
L-PAM                                                   | melphalan
CDDP 75 mg/m2                                           | cisplatin
BCNU + etoposide (for myeloablation)                    | carmustine; etoposide
T-DM1                                                   | trastuzumab emtansine
T-DXd                                                   | trastuzumab deruxtecan
ATRA + Idarubicin                                       | idarubicin; tretinoin
VP16                                                    | etoposide
CPT11                                                   | irinotecan
IL2                                                     | aldesleukin
S-1 + Oxaliplatin (gastric)                             | oxaliplatin; tegafur-gimeracil-oteracil
"""
OTHER_LANGUAGES = """
Doxorubicinum                                           | doxorubicin
Docetaxelum                                             | docetaxel
oxaliplatinum+5 fluorouracilum                          | fluorouracil; oxaliplatin
Cyclophosphamidum                                       | cyclophosphamide
Imatinibum                                              | imatinib
Cisplatine                                              | cisplatin
5-Fluorouracile                                         | fluorouracil
Méthotrexate                                            | methotrexate
Hydroxycarbamid 500 mg Kapseln                          | hydroxyurea
Gemcitabin 1000 mg Infusionslösung                      | gemcitabine
Enzalutamid 160 mg                                      | enzalutamide
ciclofosfamida                                          | cyclophosphamide
vincristina                                             | vincristine
Metotrexato                                             | methotrexate
Anastrozolo                                             | anastrozole
trastuzumabe entansina                                  | trastuzumab emtansine
acetato de abiraterona 250 mg                           | abiraterone
"""
SPONSORS_CODES = """
MK-3475                                                 | pembrolizumab
BMS-936558                                              | nivolumab
AZD9291                                                 | osimertinib
AZD 2281                                                | olaparib
PS-341                                                  | bortezomib
CC5013                                                  | lenalidomide
"""
COMBINATION_PRODUCTS = """
Lonsurf                                                 | trifluridine-tipiracil
Inqovi                                                  | decitabine-cedazuridine
Akeega                                                  | abiraterone; niraparib
Phesgo                                                  | pertuzumab; trastuzumab
Opdualag                                                | nivolumab-relatlimab
Vyxeos                                                  | daunorubicin-cytarabine liposomal
"""
NOT_EVERY_DAY = """
TICE BCG                                                | bcg live
BCG-medac                                               | bcg live
radioactive iodine 100 mCi                              | sodium iodide i-131
I-131                                                   | sodium iodide i-131
MAb I-131                                               |
131I-MIBG                                               | iobenguane i-131
177Lu-DOTATATE                                          | lutetium-177 dotatate
Lu-177-PSMA-617                                         | lutetium-177 vipivotide tetraxetan
177Lu-PSMA-I&T                                          | lutetium-177 zadavotide guraxetan
Xofigo                                                  | radium-223 dichloride
Interferon alpha                                        | interferon alfa
interferon                                              |
Besremi                                                 | ropeginterferon alfa-2b
Hexamethylmelamine                                      | altretamine
Amnolake (tamibarotene)                                 | tamibarotene
Mepact                                                  | mifamurtide
Elzonris                                                | tagraxofusp
Komzifti                                                | ziftomenib
Ibtrozi                                                 | taletrectinib
Inluriyo                                                | imlunestrant
"""
TRIAL_ARMS = """
carboplatin + paclitaxel + placebo                      | carboplatin; paclitaxel
placebo + letrozole                                     | letrozole
letrozole and placebo                                   | letrozole
pembrolizumab or placebo                                |
Avastin/bevacizumab/placebo                             |
BEVACIZUMAB (AVASTIN)/PLACEBO PROVIDED BY STUDY         |
placebo                                                 |
"""


@pytest.mark.parametrize(
    ("text", "drugs"),
    [
        pytest.param(*row, id=row[0])
        for table in (
            DOSE_AND_FORM,
            SALTS_AND_SUFFIXES,
            THE_BRAND_TELLS_THE_FORM,
            SHORT_NAMES,
            OTHER_LANGUAGES,
            SPONSORS_CODES,
            COMBINATION_PRODUCTS,
            NOT_EVERY_DAY,
            TRIAL_ARMS,
        )
        for row in names(table)
    ],
)
def test_a_name_means_its_drug(text: str, drugs: tuple[str, ...]) -> None:
    assert read(text).drugs == drugs


@pytest.mark.parametrize(
    ("text", "is_study_drug"),
    [
        pytest.param("placebo", False, id="a placebo is no drug"),
        pytest.param("Placebo tablet", False, id="nor are its tablets"),
        pytest.param("placebo (blinded)", True, id="perhaps the drug"),
        pytest.param("letrozole or placebo", True, id="one of the two"),
        pytest.param("ABC-1234 or placebo", True, id="an unknown one of the two"),
    ],
)
def test_a_placebo_alone_is_no_study_drug(text: str, is_study_drug: bool) -> None:
    found = read(text)
    assert (found.drugs, found.how) == ((), "none")
    assert found.investigational == is_study_drug


REGIMENS = """
FOLFOX                           | fluorouracil; oxaliplatin
mFOLFOX6                         | fluorouracil; oxaliplatin
FOLFIRI/cetuximab                | cetuximab; fluorouracil; irinotecan
FLOT                             | docetaxel; fluorouracil; oxaliplatin
FLOT + Durvalumab (MATTERHORN)   | docetaxel; durvalumab; fluorouracil; oxaliplatin
5-FU/LV                          | fluorouracil
TPF                              | cisplatin; docetaxel; fluorouracil
CROSS                            | carboplatin; paclitaxel
Carbo/Taxol                      | carboplatin; paclitaxel
carbo/pem/pembro                 | carboplatin; pembrolizumab; pemetrexed
gem/cis                          | cisplatin; gemcitabine
AC-T                             | cyclophosphamide; doxorubicin; paclitaxel
AC → T                           | cyclophosphamide; doxorubicin; paclitaxel
ddAC x 4 followed by weekly Taxol x 12 | cyclophosphamide; doxorubicin; paclitaxel
TCHP                             | carboplatin; docetaxel; pertuzumab; trastuzumab
FEC-T                            | cyclophosphamide; docetaxel; epirubicin; fluorouracil
ddMVAC                           | cisplatin; doxorubicin; methotrexate; vinblastine
EV/pembro                        | enfortumab vedotin; pembrolizumab
VDC/IE                           | cyclophosphamide; doxorubicin; etoposide; ifosfamide; vincristine
EDP-mitotane                     | cisplatin; doxorubicin; etoposide; mitotane
ABVD                             | bleomycin; dacarbazine; doxorubicin; vinblastine
COPP                             | cyclophosphamide; prednisone; procarbazine; vincristine
EPOCH                            | cyclophosphamide; doxorubicin; etoposide; prednisone; vincristine
R-ICE (salvage pre-transplant)   | carboplatin; etoposide; ifosfamide; rituximab
ICE + Brentuximab vedotin        | brentuximab vedotin; carboplatin; etoposide; ifosfamide
VRd                              | bortezomib; dexamethasone; lenalidomide
Dara-VRd                         | bortezomib; daratumumab; dexamethasone; lenalidomide
Dara-KRd                         | carfilzomib; daratumumab; dexamethasone; lenalidomide
Belantamab mafodotin + Pd        | belantamab mafodotin; dexamethasone; pomalidomide
7+3                              | cytarabine; daunorubicin
Quizartinib + 7+3 (QuANTUM-First) | cytarabine; daunorubicin; quizartinib
FLAG-Ida                         | cytarabine; fludarabine; idarubicin
Flu/Cy                           | cyclophosphamide; fludarabine
"""


@pytest.mark.parametrize(("text", "drugs"), [pytest.param(*r, id=r[0]) for r in names(REGIMENS)])
def test_a_regimen_means_its_components(text: str, drugs: tuple[str, ...]) -> None:
    assert read(text).drugs == drugs


@pytest.mark.parametrize(
    ("text", "drugs"),
    [
        pytest.param(
            "Tucatinib + Trastuzumab emtansine (HER2CLIMB-02)",
            ("trastuzumab emtansine", "tucatinib"),
            id="a trial in brackets comments",
        ),
        pytest.param("PACLitaxel (AC-T)", ("paclitaxel",), id="so does the regimen of an order"),
        pytest.param("atezolizumab (ETOP 9-15)", ("atezolizumab",), id="and a short name"),
        pytest.param(
            "TCH (paclitaxel, carboplatin, trastuzumab)",
            ("carboplatin", "paclitaxel", "trastuzumab"),
            id="the drugs that it lists itself",
        ),
        pytest.param(
            "VRd (Velcade)",
            ("bortezomib", "dexamethasone", "lenalidomide"),
            id="a list that is not whole",
        ),
    ],
)
def test_what_stands_in_brackets_comments_on_the_rest(text: str, drugs: tuple[str, ...]) -> None:
    assert read(text).drugs == drugs


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("prednisone 10 mg PO AC", id="before meals"),
        pytest.param("PREDNISONE 10 MG PO AC", id="before meals, in capitals"),
        pytest.param("ondansetron 8 mg PO AC", id="an antiemetic before meals"),
        pytest.param("DS-8273a", id="a sponsor's code"),
        pytest.param("interferon 5000 IE", id="German units"),
        pytest.param("Td 0.5 mL IM", id="a vaccine"),
    ],
)
def test_letters_that_could_be_an_acronym_add_no_drug(text: str) -> None:
    assert set(read(text).drugs) <= {"prednisone"}


SUPPORTIVE = """
ondansetron 8 mg PO q8h prn      | ondansetron
Emend 125 mg                     | aprepitant
Neulasta 6 mg SC                 | pegfilgrastim
Pegfilgrastim (Peg G-CSF)        | pegfilgrastim
Zarzio                           | filgrastim
Grastofil                        | filgrastim
Zometa                           | zoledronic acid
clodronic acid                   | clodronate
Xgeva 120 mg                     | denosumab
leucovorin 400 mg/m2             | leucovorin
Folinate de calcium              | leucovorin
calcium levofolinate             | levoleucovorin
Calcium Foliatum                 | leucovorin
mesna 400mg                      | mesna
Uromitexan                       | mesna
dexrazoxane                      | dexrazoxane
Levetiracetam                    | levetiracetam
Synthroid                        | levothyroxine
Aldara                           | imiquimod
68Ga-PSMA-11                     | gallium-68 psma-11
I-123 MIBG                       | iobenguane i-123
dexamethasone 12 mg premedication | dexamethasone
premedication dexamethasone 8 mg IV prior to docetaxel | dexamethasone
Dexamethasone 4 mg for nausea    | dexamethasone
megestrol 400 mg for appetite    | megestrol
"""


@pytest.mark.parametrize(("text", "drugs"), [pytest.param(*r, id=r[0]) for r in names(SUPPORTIVE)])
def test_supportive_care_is_recognised_and_is_no_therapy(text: str, drugs: tuple[str, ...]) -> None:
    found = read(text)
    assert (found.drugs, found.supportive) == ((), drugs)
