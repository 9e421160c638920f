"""Every dialect of response: codes and words → category and finding, by disease."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from charts import condition, patient
from charts.fhir import concept

from cds_service import shipped_knowledge
from cds_service.clinical.record import read_record
from cds_service.clinical.record.elements import CodeableConcept, Coding
from cds_service.clinical.record.observations import response_term
from cds_service.clinical.record.reader import Reader
from cds_service.knowledge.terms import LOINC, SNOMED

NCI = "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl"
OBDS = (
    "https://www.medizininformatik-initiative.de/fhir/ext/modul-onko/CodeSystem/"
    "mii-cs-onko-verlauf-gesamtbeurteilung"
)
KNOWLEDGE = shipped_knowledge()
CR, PR, MR = "complete-response", "partial-response", "minimal-response"
VGPR, SD, PD = "very-good-partial-response", "stable", "progression"
UPD, NE = "unconfirmed-progression", "not-evaluable"


def meaning(value: CodeableConcept, *systems: str) -> tuple[str, str] | None:
    reader = Reader(KNOWLEDGE, date(2024, 6, 1), systems=frozenset(systems))
    term = response_term(value, reader)
    return None if term is None else (term.category, term.finding)


@pytest.mark.parametrize(
    ("system", "code", "category", "finding"),
    [
        # mCODE condition status trend, the value set and its maximum
        (SNOMED, "268910001", "", "responding"),
        (SNOMED, "359746009", SD, ""),
        (SNOMED, "271299001", PD, ""),
        (SNOMED, "709137006", NE, ""),
        (SNOMED, "103338009", CR, "remission"),
        (SNOMED, "103337004", PR, "remission"),
        (SNOMED, "550991000124107", CR, "remission"),
        (SNOMED, "551001000124108", PR, "remission"),
        (SNOMED, "399409002", "", ""),
        (SNOMED, "281900007", CR, ""),
        (SNOMED, "260415000", CR, ""),
        # what the German oBDS values are translated to
        (SNOMED, "419835002", PD, ""),
        (SNOMED, "84190002", MR, ""),
        (SNOMED, "260388006", SD, ""),
        (SNOMED, "1259237005", PD, "relapse"),
        (SNOMED, "385432009", NE, ""),
        (SNOMED, "1287211007", NE, ""),
        # LOINC answers of RECIST
        (LOINC, "LA28366-5", CR, ""),
        (LOINC, "LA28369-9", PR, ""),
        (LOINC, "LA28371-5", SD, ""),
        (LOINC, "LA28370-7", PD, ""),
        (LOINC, "LA9348-9", NE, ""),
        # NCI Thesaurus
        (NCI, "C4870", CR, ""),
        (NCI, "C18058", PR, ""),
        (NCI, "C18213", SD, ""),
        (NCI, "C35571", PD, ""),
        (NCI, "C123618", VGPR, ""),
        (NCI, "C165202", NE, "mixed"),
        (NCI, "C62222", NE, ""),
        # oBDS
        (OBDS, "V", CR, "remission"),
        (OBDS, "R", CR, "remission"),
        (OBDS, "T", PR, "remission"),
        (OBDS, "B", MR, ""),
        (OBDS, "K", SD, ""),
        (OBDS, "P", PD, ""),
        (OBDS, "Y", PD, "relapse"),
        (OBDS, "D", NE, "mixed"),
        (OBDS, "U", NE, ""),
        (OBDS, "X", NE, ""),
    ],
)
def test_a_code_says_the_same_in_every_disease(
    system: str, code: str, category: str, finding: str
) -> None:
    value = CodeableConcept((Coding(system, code),))
    assert meaning(value) == (category, finding)
    assert meaning(value, "imwg-2016", "eln-2022") == (category, finding)


Said = str | tuple[str, str]
WORDS: dict[str, dict[str, Said]] = {
    "recist-1.1": {
        "CR": CR, "PR": PR, "SD": SD, "PD": PD, "NE": NE, "non-CR/non-PD": SD,
        "Complete response": CR, "Partial response": PR, "Stable disease": SD,
        "Progressive disease": PD, "Not evaluable": NE, "Mixed response": (NE, "mixed"),
        "Dissociated response": (NE, "mixed"), "Tumor progression": PD,
    },
    "irecist": {
        "iCR": CR, "iPR": PR, "iSD": SD, "iUPD": UPD, "iCPD": PD, "irCR": CR, "irPR": PR,
        "irSD": SD, "irPD": PD, "Immune unconfirmed progressive disease": UPD,
        "Immune confirmed progressive disease": PD, "Immune-related progressive disease": PD,
        "Pseudoprogression": UPD,
    },
    "lugano-2014": {
        "CMR": CR, "PMR": PR, "NMR": SD, "PMD": PD, "Complete metabolic response": CR,
        "Partial metabolic response": PR, "No metabolic response": SD,
        "Progressive metabolic disease": PD, "CRu": CR, "Complete radiologic response": CR,
    },
    "lyric": {"IR1": UPD, "IR(2)": UPD, "IR3": UPD, "Indeterminate response": UPD},
    "imwg-2016": {
        "sCR": CR, "CR": CR, "nCR": VGPR, "VGPR": VGPR, "PR": PR, "MR": MR, "SD": SD, "PD": PD,
        "Clinical relapse": (PD, "relapse"), "Relapse from CR": (PD, "relapse"),
        "No response": (SD, "no-response"), "Stringent complete response": CR,
    },
    "iwwm-11": {"VGPR": VGPR, "MR": MR, "Major response": PR, "No response": (SD, "no-response")},
    "eln-2022": {
        "CR": CR, "CRh": (CR, "remission"), "CRi": (CR, "remission"), "CRp": (CR, "remission"),
        "CR with incomplete hematologic recovery": (CR, "remission"),
        "Complete remission with partial hematologic recovery": (CR, "remission"),
        "CR without MRD": (CR, "remission"), "MLFS": PR, "Morphologic leukemia-free state": PR,
        "PR": PR, "No response": (SD, "no-response"), "Persistent disease": (SD, "no-response"),
        "Persistent leukemia": (SD, "no-response"), "Induction failure": (SD, "no-response"),
        "Refractory disease": (PD, "documented-refractory"),
        "Primary refractory": (PD, "documented-refractory"),
        "Relapse": (PD, "relapse"), "Morphologic relapse": (PD, "relapse"),
        "Treatment failure": (PD, "documented-refractory"),
    },
    "iwg-2006": {
        "CR": CR, "marrow CR": PR, "mCR": PR, "HI": MR, "HI-E": MR, "HI-P": MR, "HI-N": MR,
        "Hematologic improvement": MR, "No response": (SD, "no-response"), "CRL": CR,
    },
    "iwcll-2018": {
        "CR": CR, "CRi": (CR, "remission"), "nPR": PR, "PR": PR, "PR-L": PR,
        "Partial response with lymphocytosis": PR, "NR": (SD, "no-response"), "PD": PD,
    },
    "pcwg3": {
        "PSA progression": PD, "Radiographic progression": PD, "PSA response": ("", "responding"),
    },
    "gcig-ca125": {"CA-125 progression": PD, "CA-125 response": ("", "responding")},
    "rano-2.0": {"CR": CR, "PR": PR, "SD": SD, "PD": PD, "Preliminary PD": UPD, "Confirmed PD": PD},
    "choi": {"CR": CR, "PR": PR, "SD": SD, "PD": PD},
    "cheson-2003": {"CR": CR, "PR": PR, "SD": SD, "Relapse": (PD, "relapse")},
    "obds": {
        "Vollremission": (CR, "remission"), "Teilremission": (PR, "remission"),
        "keine Änderung": SD, "Rezidiv": (PD, "relapse"), "divergentes Geschehen": (NE, "mixed"),
    },
    "": {
        "Patient's condition improved": ("", "responding"), "Patient's condition stable": SD,
        "Patient's condition worsened": PD, "Patient condition undetermined": NE,
        "In full remission": (CR, "remission"), "In partial remission": (PR, "remission"),
        "in remission": ("", "remission"), "NED": CR, "  Complete   response ": CR,
        "Refractory": (PD, "documented-refractory"), "Recurrent disease": (PD, "relapse"),
        "Hematologic progression": PD, "Haematological progression": PD,
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("system", "word", "said"),
    [pytest.param(s, w, m, id=f"{s}: {w}") for s, words in WORDS.items() for w, m in words.items()],
)
def test_a_word_says_what_the_response_system_of_the_disease_means(
    system: str, word: str, said: Said
) -> None:
    expected = (said, "") if isinstance(said, str) else said
    assert meaning(CodeableConcept((), word), *filter(None, [system])) == expected


@pytest.mark.parametrize(
    ("word", "systems"),
    [
        pytest.param("MR", ["recist-1.1"], id="minimal or mixed response: nobody knows"),
        pytest.param("CMR", ["eln-2020"], id="metabolic, or molecular"),
        pytest.param("NR", ["recist-1.1"], id="no response, or not reported"),
        pytest.param("IR", ["recist-1.1"], id="LYRIC alone has it"),
        pytest.param("MLFS", ["lugano-2014"], id="no word of lymphoma"),
        pytest.param("no progression", ["recist-1.1"], id="the contrary of a word"),
        pytest.param("?PD", ["recist-1.1"], id="a doubt"),
        pytest.param("", ["recist-1.1"], id="nothing"),
    ],
)
def test_a_word_of_another_system_says_nothing(word: str, systems: list[str]) -> None:
    assert meaning(CodeableConcept((), word), *systems) is None


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        pytest.param((LOINC, "97509-4"), "disease-status", id="mCODE now"),
        pytest.param((LOINC, "88040-1"), "disease-status", id="mCODE STU 1"),
        pytest.param((LOINC, "21976-6"), "response-category", id="cancer outcome status"),
        pytest.param((NCI, "C111544"), "response-category", id="RECIST 1.1"),
        pytest.param((SNOMED, "396432002"), "disease-status", id="German oBDS"),
        pytest.param((SNOMED, "246450006"), "disease-status", id="progression"),
    ],
)
def test_statements_of_the_course_by_the_code_of_their_observation(
    code: tuple[str, str], kind: str
) -> None:
    said: dict[str, Any] = {
        "resourceType": "Observation", "id": "x", "status": "final",
        "subject": {"reference": "Patient/p1"}, "effectiveDateTime": "2024-05-01",
        "code": concept((*code, None)),
        "valueCodeableConcept": concept((SNOMED, "271299001", None)),
    }  # fmt: skip
    chart = [patient("p1"), condition("nsclc", onset="2023-05-01"), said]
    (statement,) = read_record(chart, date(2024, 6, 1), KNOWLEDGE).statements
    assert (statement.kind, statement.category) == (kind, PD)
