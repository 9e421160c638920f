"""What a medication's codes and words name, and what they do not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cds_service.knowledge
from cds_service.clinical.record.drug_names import Recognised, recognise_medication
from cds_service.knowledge.terms import ATC, RXNORM, Terminology
from cds_service.knowledge.terms_load import load_terminology

TERMS = load_terminology(Path(next(iter(cds_service.knowledge.__path__))) / "data" / "terms")
R_CHOP = ("cyclophosphamide", "doxorubicin", "prednisone", "rituximab", "vincristine")
NDC = "http://hl7.org/fhir/sid/ndc"


@pytest.fixture(scope="module")
def terms() -> Terminology:
    return TERMS


def read(*texts: str) -> Recognised:
    return recognise_medication([], texts, TERMS)


# --- codes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codings", "texts", "drugs", "supportive"),
    [
        pytest.param([(RXNORM, "40048")], [], ("carboplatin",), (), id="ingredient"),
        pytest.param([(RXNORM, "597195")], [], ("carboplatin",), (), id="product"),
        pytest.param(
            [("urn:oid:2.16.840.1.113883.6.88", "40048")], [], ("carboplatin",), (), id="RxNorm OID"
        ),
        pytest.param([("http://www.whocc.no/atc", "L01XA02")], [], ("carboplatin",), (), id="ATC"),
        pytest.param(
            [(ATC, "L01XA01"), (RXNORM, "40048")], [], ("carboplatin",), (), id="RxNorm before ATC"
        ),
        pytest.param(
            [(NDC, "00000-0000"), (RXNORM, "2555")],
            [],
            ("cisplatin",),
            (),
            id="another system first",
        ),
        pytest.param(
            [(RXNORM, "2555")], ["carboplatin"], ("cisplatin",), (), id="a code before a text"
        ),
        pytest.param(
            [(RXNORM, "2382605")], [], ("pertuzumab", "trastuzumab"), (), id="a combination brand"
        ),
        pytest.param([(RXNORM, "26225")], [], (), ("ondansetron",), id="supportive drug"),
        pytest.param([(RXNORM, "8640")], [], ("prednisone",), ("prednisone",), id="steroid: both"),
        pytest.param(
            [(RXNORM, "224905")],
            ["ado-trastuzumab emtansine 160 mg"],
            ("trastuzumab emtansine",),
            (),
            id="a conjugate under the antibody's code",
        ),
        pytest.param(
            [(RXNORM, "3639")],
            ["DOXOrubicin, liposomal 20 mg"],
            ("doxorubicin liposomal",),
            (),
            id="liposomal under the plain code",
        ),
        pytest.param(
            [(ATC, "L01CD01")], ["Abraxane"], ("nab-paclitaxel",), (), id="brand tells the form"
        ),
        pytest.param(
            [(RXNORM, "3639")], ["doxorubicin 50 mg"], ("doxorubicin",), (), id="plain stays plain"
        ),
        pytest.param(
            [(RXNORM, "40048"), (RXNORM, "56946")],
            [],
            ("carboplatin", "paclitaxel"),
            (),
            id="two drugs in one concept",
        ),
    ],
)
def test_a_coded_medication_is_what_its_code_says(
    codings: list[tuple[str, str]],
    texts: list[str],
    drugs: tuple[str, ...],
    supportive: tuple[str, ...],
    terms: Terminology,
) -> None:
    found = recognise_medication(codings, texts, terms)
    assert (found.drugs, found.supportive, found.how) == (drugs, supportive, "code")


def test_an_unknown_code_leaves_the_text_to_say_it(terms: Terminology) -> None:
    found = recognise_medication([(RXNORM, "99999999")], ["cisplatin 50 mg"], terms)
    assert (found.drugs, found.how) == (("cisplatin",), "text")


def test_a_topical_product_is_not_systemic(terms: Terminology) -> None:
    assert not recognise_medication([(RXNORM, "224945")], [], terms).systemic  # Efudex


# --- drugs in words -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "drugs"),
    [
        pytest.param("letrozole 2.5 MG Oral Tablet", ("letrozole",), id="RxNorm's own style"),
        pytest.param("doxorubicin hydrochloride", ("doxorubicin",), id="salt"),
        pytest.param(
            "tamoxifen citrate 20 mg tab daily", ("tamoxifen",), id="salt, form, schedule"
        ),
        pytest.param("CISPLATIN 1 MG/ML IV SOLN", ("cisplatin",), id="capitals"),
        pytest.param("Keytruda 200 mg IV q3w for NSCLC", ("pembrolizumab",), id="brand, why"),
        pytest.param(
            "leuprolide acetate (Lupron Depot) 22.5 mg", ("leuprolide",), id="brand again"
        ),
        pytest.param("trastuzumab-dkst 420 mg", ("trastuzumab",), id="biosimilar suffix"),
        pytest.param("Rituxan Hycela", ("rituximab",), id="subcutaneous brand"),
        pytest.param("5-FU 400 mg/m2 bolus", ("fluorouracil",), id="5-FU"),
        pytest.param("5FU", ("fluorouracil",), id="5FU in one word"),
        pytest.param("HD-MTX 3 g/m2", ("methotrexate",), id="high-dose methotrexate"),
        pytest.param("T-DM1 3.6 mg/kg", ("trastuzumab emtansine",), id="T-DM1"),
        pytest.param("T-DXd", ("trastuzumab deruxtecan",), id="T-DXd"),
        pytest.param("Dara 1800 mg SC", ("daratumumab",), id="Dara"),
        pytest.param("len 25 mg d1-21", ("lenalidomide",), id="len"),
        pytest.param("TAS-102", ("trifluridine-tipiracil",), id="a name with a number"),
        pytest.param("177Lu-PSMA-617", ("lutetium-177 vipivotide tetraxetan",), id="radioligand"),
        pytest.param("Xofigo", ("radium-223 dichloride",), id="radium"),
        pytest.param("axi-cel", ("axicabtagene ciloleucel",), id="CAR-T"),
        pytest.param("BCG intravesical", ("bcg live",), id="BCG into the bladder"),
        # the longest name wins
        pytest.param("nab-paclitaxel", ("nab-paclitaxel",), id="not paclitaxel"),
        pytest.param("paclitaxel protein-bound 100 mg", ("nab-paclitaxel",), id="protein-bound"),
        pytest.param("irinotecan liposomal", ("irinotecan liposomal",), id="not irinotecan"),
        pytest.param(
            "irinotecan (liposome) 70 mg/m2", ("irinotecan liposomal",), id="form in brackets"
        ),
        pytest.param("liposomal doxorubicin", ("doxorubicin liposomal",), id="form first"),
        pytest.param(
            "doxorubicin HCl 2 mg/ml liposomal inj", ("doxorubicin liposomal",), id="dose between"
        ),
        pytest.param("trastuzumab deruxtecan", ("trastuzumab deruxtecan",), id="not trastuzumab"),
        pytest.param(
            "fam-trastuzumab deruxtecan-nxki 100 mg", ("trastuzumab deruxtecan",), id="US name"
        ),
        pytest.param("prednisolone 5 mg", ("prednisolone",), id="not prednisone"),
        pytest.param("azacitidine 300 mg oral tablet", ("oral azacitidine",), id="by its form"),
        pytest.param("azacitidine 75 mg/m2 SC", ("azacitidine",), id="by injection"),
        pytest.param("Opdualag", ("nivolumab-relatlimab",), id="fixed combination"),
        pytest.param("Phesgo", ("pertuzumab", "trastuzumab"), id="brand of two"),
        # several drugs
        pytest.param(
            "carboplatin AUC 5 / paclitaxel 175 mg/m2", ("carboplatin", "paclitaxel"), id="doublet"
        ),
        pytest.param(
            "carboplatin + pemetrexed + pembrolizumab",
            ("carboplatin", "pembrolizumab", "pemetrexed"),
            id="triplet",
        ),
        pytest.param("carbo/taxol", ("carboplatin", "paclitaxel"), id="short and brand"),
        pytest.param("Ven/Aza", ("azacitidine", "venetoclax"), id="two short names"),
        pytest.param("ipi-nivo", ("ipilimumab", "nivolumab"), id="joined short names"),
        pytest.param(
            "dara/len/dex", ("daratumumab", "dexamethasone", "lenalidomide"), id="three short"
        ),
        pytest.param("gem/Abraxane", ("gemcitabine", "nab-paclitaxel"), id="short with brand"),
        pytest.param("capecitabine dose level -1", ("capecitabine",), id="a level of dose"),
        pytest.param("docetaxel non-alcohol formula", ("docetaxel",), id="what it does not hold"),
        # as other languages spell them
        pytest.param("Dexamethason 40 mg p.o.", ("dexamethasone",), id="German, without an e"),
        pytest.param("Methotrexat 25 mg i.v.", ("methotrexate",), id="German methotrexate"),
        pytest.param("Lenalidomid 25 mg", ("lenalidomide",), id="German, of a family"),
        pytest.param("Cisplatine 75 mg/m2", ("cisplatin",), id="French, with an e"),
        pytest.param("Doxorubicine", ("doxorubicin",), id="French, of a family"),
        pytest.param("Épirubicine 100 mg/m2", ("epirubicin",), id="French, with its accent"),
        pytest.param("Doxorubicine liposomale", ("doxorubicin liposomal",), id="not doxorubicin"),
        pytest.param("Irinotécan liposomal", ("irinotecan liposomal",), id="not irinotecan either"),
    ],
)
def test_words_name_the_drug(text: str, drugs: tuple[str, ...]) -> None:
    found = read(text)
    assert (found.drugs, found.how) == (drugs, "text")


@pytest.mark.parametrize(
    ("text", "drugs"),
    [
        pytest.param("R-CHOP", R_CHOP, id="R-CHOP"),
        pytest.param("R-CHOP cycle 3", R_CHOP, id="with its cycle"),
        pytest.param("r-chop-21 c4d1", R_CHOP, id="a long acronym in small letters"),
        pytest.param("FOLFOX", ("fluorouracil", "oxaliplatin"), id="FOLFOX"),
        pytest.param(
            "mFOLFOX6 + bevacizumab",
            ("bevacizumab", "fluorouracil", "oxaliplatin"),
            id="added drug",
        ),
        pytest.param(
            "FOLFOX without bevacizumab", ("fluorouracil", "oxaliplatin"), id="a drug left out"
        ),
        pytest.param("VRd", ("bortezomib", "dexamethasone", "lenalidomide"), id="VRd"),
        pytest.param("D-Rd", ("daratumumab", "dexamethasone", "lenalidomide"), id="D-Rd is not Rd"),
        pytest.param(
            "VRd + daratumumab",
            ("bortezomib", "daratumumab", "dexamethasone", "lenalidomide"),
            id="acronym and drug",
        ),
        pytest.param("AC", ("cyclophosphamide", "doxorubicin"), id="AC alone"),
        pytest.param("AC cycle 2", ("cyclophosphamide", "doxorubicin"), id="AC with its cycle"),
        pytest.param("AC-T", ("cyclophosphamide", "doxorubicin", "paclitaxel"), id="AC-T"),
        pytest.param("AC-D", ("cyclophosphamide", "docetaxel", "doxorubicin"), id="AC-D"),
        pytest.param(
            "AC followed by paclitaxel",
            ("cyclophosphamide", "doxorubicin", "paclitaxel"),
            id="sequence in words",
        ),
        pytest.param("7+3 induction", ("cytarabine", "daunorubicin"), id="a name of numbers"),
        pytest.param(
            "7+3 + midostaurin", ("cytarabine", "daunorubicin", "midostaurin"), id="7+3 and more"
        ),
        pytest.param("MP", ("melphalan", "prednisone"), id="MP alone"),
        pytest.param("GC d1, d8 q21d", ("cisplatin", "gemcitabine"), id="GC with its schedule"),
        pytest.param("DA-EPOCH-R", tuple(sorted({*R_CHOP, "etoposide"})), id="letters turned"),
    ],
)
def test_a_regimen_names_its_drugs(text: str, drugs: tuple[str, ...]) -> None:
    found = read(text)
    assert (found.drugs, found.how) == (drugs, "regimen")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("   ", id="blanks"),
        pytest.param("vitamin D", id="vitamin D is no dexamethasone"),
        pytest.param("Paxlovid", id="Paxlovid is no paclitaxel"),
        pytest.param("TPN", id="parenteral nutrition"),
        pytest.param("carbo-loading", id="a meal"),
        pytest.param("carbohydrate drink", id="inside a word"),
        pytest.param("cisplatinum-like", id="a longer word"),
        pytest.param("methotrexate level", id="a laboratory test"),
        pytest.param("vincristine liposomale", id="a form of another language"),
        pytest.param("MTX level 24 h", id="a laboratory test, abbreviated"),
        pytest.param("Taxol allergy", id="an allergy"),
        pytest.param("allergic to carboplatin", id="an allergy in other words"),
        pytest.param("BCG vaccine", id="a vaccine"),
        pytest.param("no prior rituximab", id="denied"),
        pytest.param("chemotherapy", id="no drug said"),
        pytest.param("CAR-T", id="no product said"),
        pytest.param("TKI", id="a class"),
        pytest.param("interferon", id="which interferon?"),
        pytest.param("aromatase inhibitor", id="which inhibitor?"),
        pytest.param("AI", id="aromatase inhibitor or a sarcoma regimen"),
        pytest.param("TC", id="two regimens are called TC"),
        pytest.param("TP", id="two regimens are called TP"),
        pytest.param("ac", id="before meals"),
        pytest.param("Ac", id="not in its capitals"),
        pytest.param("AC and surgery", id="an ambiguous acronym among other words"),
        pytest.param("AC/T", id="joined to something unknown"),
        pytest.param("Ice", id="frozen water"),
        pytest.param("ICE chips", id="frozen water in capitals"),
        pytest.param("chop", id="an ordinary word"),
        pytest.param("FP 110 mcg", id="fluticasone"),
        pytest.param("Dara Smith", id="a name"),
        pytest.param("gem of a patient", id="a weak name in a sentence"),
        pytest.param("lisinopril 10 MG Oral Tablet", id="another drug"),
        pytest.param("COVID-19 vaccine", id="looks like a study code"),
    ],
)
def test_what_names_no_antineoplastic_is_reported_and_not_guessed(text: str) -> None:
    found = read(text)
    assert (found.drugs, found.supportive, found.how) == ((), (), "none")
    assert found.text == text.strip()
    assert not found.investigational


@pytest.mark.parametrize(
    ("text", "drugs", "supportive"),
    [
        pytest.param("Zometa 4 mg", (), ("zoledronic acid",), id="bone agent"),
        pytest.param("5-FU/leucovorin", ("fluorouracil",), ("leucovorin",), id="modulator"),
        pytest.param(
            "ondansetron for cisplatin-induced nausea", (), ("ondansetron",), id="cause, not drug"
        ),
        pytest.param(
            "dexamethasone 20 mg 30 min prior to paclitaxel",
            ("dexamethasone",),
            ("dexamethasone",),
            id="premedication",
        ),
        pytest.param(
            "cyclophosphamide in sodium chloride 0.9% 250 mL",
            ("cyclophosphamide",),
            ("sodium chloride",),
            id="diluent",
        ),
    ],
)
def test_supportive_drugs_are_told_apart(
    text: str, drugs: tuple[str, ...], supportive: tuple[str, ...]
) -> None:
    found = read(text)
    assert (found.drugs, found.supportive) == (drugs, supportive)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("fluorouracil 5% cream", id="skin"),
        pytest.param("bevacizumab 1.25 mg intravitreal", id="eye"),
        pytest.param("dexamethasone ophthalmic drops", id="eye drops"),
    ],
)
def test_a_local_form_is_not_systemic(text: str) -> None:
    assert read(text).drugs
    assert not read(text).systemic


@pytest.mark.parametrize(
    ("text", "drugs"),
    [
        pytest.param("study drug", (), id="in words"),
        pytest.param("StudyDrugX", (), id="glued together"),
        pytest.param("Investigational agent, blinded", (), id="blinded"),
        pytest.param("IMP 100 mg", (), id="IMP"),
        pytest.param("ABC-1234", (), id="a sponsor's code"),
        pytest.param("ABC-1234 100 mg tablet", (), id="a sponsor's code with a dose"),
        pytest.param("NCT01234567", (), id="a registry's number"),
        pytest.param("pembrolizumab or placebo", (), id="perhaps the placebo"),
        pytest.param(
            "carboplatin + paclitaxel + pembrolizumab/placebo (blinded)",
            ("carboplatin", "paclitaxel"),
            id="the open drugs are known",
        ),
        pytest.param("pembrolizumab (investigational)", ("pembrolizumab",), id="open label"),
    ],
)
def test_a_study_drug_is_flagged_and_not_guessed(text: str, drugs: tuple[str, ...]) -> None:
    found = read(text)
    assert found.investigational
    assert found.drugs == drugs


def test_a_known_drug_with_some_number_is_no_study_drug() -> None:
    assert not read("cisplatin REF-12345").investigational


@pytest.mark.parametrize(
    ("texts", "drugs"),
    [
        pytest.param(["cisplatin", "CISplatin 50 mg"], ("cisplatin",), id="the same twice"),
        pytest.param(["carboplatin", "paclitaxel"], ("carboplatin", "paclitaxel"), id="both"),
        pytest.param(["Infusion 7", "docetaxel"], ("docetaxel",), id="one that says nothing"),
        pytest.param(
            ["paclitaxel", "nab-paclitaxel (Abraxane)"], ("nab-paclitaxel",), id="the fuller name"
        ),
        pytest.param(
            ["trastuzumab", "trastuzumab emtansine"], ("trastuzumab emtansine",), id="conjugate"
        ),
    ],
)
def test_several_texts_of_one_medication_speak_together(
    texts: list[str], drugs: tuple[str, ...]
) -> None:
    assert read(*texts).drugs == drugs
    assert read(*reversed(texts)).drugs == drugs


def test_what_of_the_words_was_not_recognised_is_kept() -> None:
    assert read("Keytruda 200 mg for NSCLC").text == "NSCLC"


# --- the whole table ------------------------------------------------------------------------


def test_every_name_of_the_drug_tables_is_recognised_as_itself(terms: Terminology) -> None:
    for name, term in terms.drug_names.items():
        found = read(name)
        assert (found.drugs, found.supportive) == (term.drugs, term.supportive), name


def test_every_name_of_a_regimen_gives_its_components_or_is_shared(terms: Terminology) -> None:
    for regimen in terms.regimens.values():
        for name in (regimen.name, *regimen.aliases):
            drugs = set(read(name).drugs)
            if name.lower() in terms.regimen_names:
                assert regimen.components <= drugs <= regimen.components | regimen.optional, name
            else:
                assert not drugs, name


# --- any string -----------------------------------------------------------------------------


@given(st.text(max_size=200))
def test_no_string_raises(text: str) -> None:
    found = read(text)
    assert found.how in ("code", "text", "regimen", "none")


@given(st.sampled_from(sorted(TERMS.drugs)), st.text(alphabet="abcdefghij", min_size=1, max_size=5))
def test_a_name_glued_to_letters_is_another_word(drug: str, letters: str) -> None:
    assert drug not in read(f"{letters}{drug}{letters}").drugs or " " in drug or "-" in drug


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a" * 10_000, id="one long word"),
        pytest.param("a " * 5_000, id="many short words"),
        pytest.param("1 " * 5_000, id="nothing but doses"),
        pytest.param("trastuzumab " * 900, id="one name over and over"),
        pytest.param("doxorubicin 2 2 2 2 2 2 2 " * 400, id="names that may go on"),
        pytest.param("7+3 " * 2_500, id="an acronym of numbers over and over"),
        pytest.param("ABC-" * 2_500, id="the start of a study code"),
        pytest.param("İ" * 10_000, id="a letter that grows in small letters"),
        pytest.param("\x00" * 10_000, id="no letters at all"),
    ],
)
def test_ten_kilobytes_of_anything_are_read_at_once(text: str) -> None:
    begun = time.perf_counter()
    read(text)
    assert time.perf_counter() - begun < 0.5
