"""The codes that the builders write: few, usual, and the ones that EHRs really send."""

from typing import Final

SNOMED: Final = "http://snomed.info/sct"
LOINC: Final = "http://loinc.org"
ICD10: Final = "http://hl7.org/fhir/sid/icd-10-cm"
RXNORM: Final = "http://www.nlm.nih.gov/research/umls/rxnorm"
UCUM: Final = "http://unitsofmeasure.org"
AJCC: Final = "http://cancerstaging.org"
HL7: Final = "http://terminology.hl7.org/CodeSystem/"
MCODE: Final = "http://hl7.org/fhir/us/mcode/StructureDefinition/"
OBDS: Final = (
    "https://www.medizininformatik-initiative.de/fhir/ext/modul-onko/CodeSystem/"
    "mii-cs-onko-verlauf-gesamtbeurteilung"
)

# disease id → SNOMED CT, ICD-10-CM, display
CANCERS: Final = {
    "al-amyloid": ("23132008", "E85.81", "Light chain (AL) amyloidosis"),
    "anaplastic-thyroid": ("255031003", "C73", "Anaplastic thyroid carcinoma"),
    "cervical": ("363354003", "C53.9", "Malignant tumor of cervix"),
    "cholangiocarcinoma": ("312104005", "C22.1", "Cholangiocarcinoma of biliary tract"),
    "cns-lymphoma": ("734066005", "C83.390", "Primary central nervous system lymphoma"),
    "endometrial": ("254878006", "C54.1", "Endometrial carcinoma"),
    "esophageal": ("363402007", "C15.9", "Malignant tumor of esophagus"),
    "head-neck": ("716659002", "C10.9", "Squamous cell carcinoma of head and neck"),
    "marginal-zone-lymphoma": ("447100004", "C88.40", "Marginal zone lymphoma"),
    "mesothelioma": ("254645002", "C45.0", "Malignant mesothelioma of pleura"),
    "neuroblastoma": ("432328008", "C74.90", "Neuroblastoma"),
    "neuroendocrine": ("255046005", "C7A.8", "Neuroendocrine tumor"),
    "other-heme": ("118613001", "C91.40", "Hairy cell leukemia"),
    "other-solid": ("253001006", "C4A.9", "Merkel cell carcinoma"),
    "peripheral-t-cell-lymphoma": ("109977009", "C84.40", "Peripheral T-cell lymphoma"),
    "all": ("91857003", "C91.00", "Acute lymphoblastic leukemia"),
    "aml": ("91861009", "C92.00", "Acute myeloid leukemia"),
    "breast": ("254837009", "C50.919", "Malignant neoplasm of breast"),
    "cll": ("92814006", "C91.10", "Chronic lymphoid leukemia, disease"),
    "cml": ("92818009", "C92.10", "Chronic myeloid leukemia"),
    "colorectal": ("363406005", "C18.9", "Malignant neoplasm of colon"),
    "dlbcl": ("109969005", "C83.30", "Diffuse large B-cell lymphoma"),
    "et": ("109994006", "D47.3", "Essential thrombocythemia"),
    "follicular-lymphoma": ("308121000", "C82.90", "Follicular non-Hodgkin's lymphoma"),
    "gastric": ("363349007", "C16.9", "Malignant tumor of stomach"),
    "germ-cell": ("363449006", "C62.90", "Malignant tumor of testis"),
    "gist": ("420120006", "C49.A0", "Gastrointestinal stromal tumor"),
    "glioma": ("393563007", "C71.9", "Glioblastoma multiforme"),
    "gtn": ("417570003", "C58", "Gestational choriocarcinoma"),
    "hcc": ("109841003", "C22.0", "Liver cell carcinoma"),
    "hodgkin": ("118599009", "C81.90", "Hodgkin's disease"),
    "mantle-cell": ("443487006", "C83.10", "Mantle cell lymphoma"),
    "mds": ("109995007", "D46.9", "Myelodysplastic syndrome"),
    "melanoma": ("372244006", "C43.9", "Malignant melanoma"),
    "mf": ("307651005", "D47.4", "Myelofibrosis"),
    "multiple-myeloma": ("109989006", "C90.00", "Multiple myeloma"),
    "nsclc": ("254637007", "C34.90", "Non-small cell lung cancer"),
    "ovarian": ("363443007", "C56.9", "Malignant neoplasm of ovary"),
    "pancreatic": ("363418001", "C25.9", "Malignant tumor of pancreas"),
    "prostate": ("399068003", "C61", "Malignant neoplasm of prostate"),
    "pv": ("109992005", "D45", "Polycythemia vera"),
    "rcc": ("254915003", "C64.9", "Clear cell carcinoma of kidney"),
    "sclc": ("254632001", "C34.90", "Small cell carcinoma of lung"),
    "soft-tissue-sarcoma": ("424952003", "C49.9", "Sarcoma of soft tissue"),
    "thyroid-differentiated": ("255029007", "C73", "Papillary thyroid carcinoma"),
    "urothelial": ("399326009", "C67.9", "Malignant neoplasm of urinary bladder"),
    "waldenstrom": ("190818004", "C88.00", "Waldenstrom macroglobulinemia"),
}

# site → SNOMED CT, ICD-10-CM
METASTASES: Final = {
    "adrenal": ("94161006", "C79.70"),
    "bone": ("94222008", "C79.51"),
    "brain": ("94225005", "C79.31"),
    "liver": ("94381002", "C78.7"),
    "lung": ("94391008", "C78.00"),
    "lymph-node": ("94392001", "C77.9"),
    "peritoneum": ("836274002", "C78.6"),
}

NCIT: Final = "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl"

# the points of the Deauville scale, one to five
DEAUVILLE: Final = ("C99728", "C99747", "C99748", "C99749", "C99750")

# how a tumour was measured (mCODE, Tumor Size Method)
METHODS: Final = {
    "CT": "77477000",
    "MRI": "113091000",
    "PET": "82918005",
    "examination": "5880005",
    "pathology": "787377000",
}

BODY_SITES: Final = {
    "adrenal": "23451007",
    "bone": "272673000",
    "brain": "12738006",
    "heart": "80891009",
    "kidney": "64033007",
    "liver": "10200004",
    "lung": "39607008",
    "lymph-node": "59441001",
    "peritoneum": "15425007",
}

# generic name → RxNorm ingredient; "" where RxNorm has none and EHRs send a text
DRUGS: Final = {
    "abemaciclib": "1946825",
    "abiraterone": "1100072",
    "anastrozole": "84857",
    "asciminib": "",
    "axicabtagene ciloleucel": "1987398",
    "bendamustine": "134547",
    "bevacizumab": "253337",
    "bortezomib": "358258",
    "bosutinib": "1307619",
    "capecitabine": "194000",
    "carboplatin": "40048",
    "carfilzomib": "1302966",
    "carmustine": "2105",
    "cetuximab": "318341",
    "ciltacabtagene autoleucel": "2594775",
    "cisplatin": "2555",
    "cyclophosphamide": "3002",
    "cytarabine": "3041",
    "daratumumab": "1721947",
    "daratumumab-hyaluronidase": "2372199",
    "dasatinib": "475342",
    "denosumab": "993449",
    "dexamethasone": "3264",
    "docetaxel": "72962",
    "doxorubicin": "3639",
    "doxorubicin liposomal": "466523",
    "durvalumab": "1919503",
    "enzalutamide": "1307298",
    "etoposide": "4179",
    "exemestane": "258494",
    "filgrastim": "68442",
    "fludarabine": "24698",
    "fluorouracil": "4492",
    "fulvestrant": "282357",
    "gemcitabine": "12574",
    "glofitamab": "2639782",
    "goserelin": "50610",
    "ifosfamide": "5657",
    "imatinib": "282388",
    "irinotecan": "51499",
    "lenalidomide": "342369",
    "letrozole": "72965",
    "leucovorin": "6313",
    "leuprolide": "42375",
    "melphalan": "6718",
    "methotrexate": "6851",
    "nab-paclitaxel": "486610",
    "nilotinib": "662281",
    "nivolumab": "1597876",
    "olaparib": "1597582",
    "ondansetron": "26225",
    "osimertinib": "1721560",
    "oxaliplatin": "32592",
    "paclitaxel": "56946",
    "palbociclib": "1601374",
    "pembrolizumab": "1547545",
    "pemetrexed": "68446",
    "pertuzumab": "1298944",
    "polatuzumab vedotin": "2174090",
    "pomalidomide": "1369713",
    "prednisone": "8640",
    "rituximab": "121191",
    "tamoxifen": "10324",
    "trastuzumab": "224905",
    "trastuzumab deruxtecan": "2267574",
    "trastuzumab emtansine": "1371041",
    "trastuzumab-dkst": "2103478",
    "vincristine": "11202",
    "vinorelbine": "39541",
}

INTENTS: Final = {"curative": "373808002", "palliative": "363676003"}

ROUTES: Final = {
    "intrathecal": "72607000",
    "intravesical": "372471009",
    "intravenous": "47625008",
    "oral": "26643006",
    "subcutaneous": "34206005",
}

# why a drug was stopped (mCODE treatment termination reasons)
STOP_REASONS: Final = {
    "completed": ("182992009", "Treatment completed"),
    "cost": ("160932005", "Financial problem"),
    "no-response": ("266721009", "No response to treatment"),
    "nonadherence": ("7058009", "Noncompliance with treatment"),
    "refusal": ("105480006", "Refusal of treatment by patient"),
    "toxicity": ("407563006", "Treatment not tolerated"),
}

# clinician's disease status (mCODE)
DISEASE_STATUS: Final = {
    "full-remission": ("103338009", "In full remission"),
    "improved": ("268910001", "Patient's condition improved"),
    "partial-remission": ("103337004", "In partial remission"),
    "progression": ("271299001", "Patient's condition worsened"),
    "recurrence": ("1259237005", "Recurrent malignant neoplasm"),
    "stable": ("359746009", "Patient's condition stable"),
    "undetermined": ("709137006", "Patient condition undetermined"),
}

EVIDENCE_TYPES: Final = {
    "examination": ("5880005", "Clinical examination"),
    "imaging": ("363679005", "Imaging"),
    "laboratory": ("386344002", "Laboratory data interpretation"),
    "marker": ("250724005", "Tumor marker measurement"),
    "pathology": ("108257001", "Anatomic pathology procedure"),
}

# RECIST categories as LOINC answers; every other category travels as text
RESPONSES: Final = {
    "CR": ("LA28366-5", "Complete response"),
    "PD": ("LA28370-7", "Progressive disease"),
    "PR": ("LA28369-9", "Partial response"),
    "SD": ("LA28371-5", "Stable disease"),
}

# analyte → LOINC (empty: in words alone), display, usual UCUM unit
MARKERS: Final = {
    "afp": ("1834-1", "Alpha-1-Fetoprotein [Mass/volume] in Serum or Plasma", "ng/mL"),
    "beta-hcg": ("21198-7", "Choriogonadotropin.beta subunit [Units/volume] in Serum", "[IU]/L"),
    "bilirubin": ("1975-2", "Bilirubin.total [Mass/volume] in Serum or Plasma", "mg/dL"),
    "blasts-blood": ("709-6", "Blasts/100 leukocytes in Blood by Manual count", "%"),
    "blasts-marrow": ("11150-0", "Blasts/cells in Bone marrow", "%"),
    "ca-125": ("10334-1", "Cancer Ag 125 [Units/volume] in Serum or Plasma", "U/mL"),
    "ca-15-3": ("6875-9", "Cancer Ag 15-3 [Units/volume] in Serum or Plasma", "U/mL"),
    "ca-19-9": ("24108-3", "Cancer Ag 19-9 [Units/volume] in Serum or Plasma", "U/mL"),
    "ca-27-29": ("17842-6", "Cancer Ag 27-29 [Units/volume] in Serum or Plasma", "U/mL"),
    "cea": ("2039-6", "Carcinoembryonic Ag [Mass/volume] in Serum or Plasma", "ng/mL"),
    "cyfra-21-1": ("25390-6", "Cytokeratin 19 [Mass/volume] in Serum or Plasma", "ng/mL"),
    "flc-kappa": ("36916-5", "Kappa light chains.free [Mass/volume] in Serum", "mg/L"),
    "flc-lambda": ("33944-0", "Lambda light chains.free [Mass/volume] in Serum", "mg/L"),
    "flc-ratio": ("48378-4", "Kappa/lambda light chains.free [Mass Ratio] in Serum", "{ratio}"),
    "hcg": ("19080-1", "Choriogonadotropin [Units/volume] in Serum or Plasma", "[IU]/L"),
    "hematocrit": ("4544-3", "Hematocrit [Volume Fraction] of Blood", "%"),
    "hemoglobin": ("718-7", "Hemoglobin [Mass/volume] in Blood", "g/dL"),
    "igm": ("2472-9", "IgM [Mass/volume] in Serum or Plasma", "g/L"),
    "leukocytes": ("6690-2", "Leukocytes [#/volume] in Blood", "10*9/L"),
    "lymphocytes": ("731-0", "Lymphocytes [#/volume] in Blood", "10*9/L"),
    "m-protein": ("33358-3", "Protein.monoclonal [Mass/volume] in Serum or Plasma", "g/dL"),
    "m-protein-urine": ("42482-0", "Protein.monoclonal [Mass/time] in 24 hour Urine", "mg/(24.h)"),
    "mrd": ("", "Measurable residual disease", "%"),
    "plasma-cells-blood": ("30458-4", "Plasma cells [#/volume] in Blood", "10*9/L"),
    "plasma-cells-marrow": ("11118-7", "Plasma cells/cells in Bone marrow", "%"),
    "platelets": ("777-3", "Platelets [#/volume] in Blood", "10*9/L"),
    "psa": ("2857-1", "Prostate specific Ag [Mass/volume] in Serum or Plasma", "ng/mL"),
    "spleen-palpable": ("", "Spleen below left costal margin", "cm"),
    "spleen-volume": ("", "Spleen volume", "mL"),
    "testosterone": ("2986-8", "Testosterone [Mass/volume] in Serum or Plasma", "ng/dL"),
    "testosterone-molar": ("14913-8", "Testosterone [Moles/volume] in Serum or Plasma", "nmol/L"),
    "thyroglobulin": ("3013-0", "Thyroglobulin [Mass/volume] in Serum or Plasma", "ng/mL"),
    "thyroglobulin-antibody": ("8098-6", "Thyroglobulin Ab [Units/volume] in Serum", "[IU]/mL"),
}

RECEPTORS: Final = {
    "ER": ("16112-5", "Estrogen receptor [Interpretation] in Tissue"),
    "HER2": ("48676-1", "HER2 [Interpretation] in Tissue"),
    "PR": ("16113-3", "Progesterone receptor [Interpretation] in Tissue"),
    "KRAS": ("21702-6", "KRAS gene mutations found [Identifier] in Blood or Tissue"),
    "NRAS": ("21719-0", "NRAS gene mutations found [Identifier] in Blood or Tissue"),
}

# fact → LOINC (empty: in words alone), display
FACTS: Final = {
    "grade": ("33732-9", "Histology grade [Identifier] in Cancer specimen"),
    "rai-avidity": ("", "Radioiodine avidity"),
    "t-category": ("21905-5", "Primary tumor.clinical [Class] Cancer"),
}

# act → SNOMED CT (empty: in words alone), display, category
SURGERY: Final = "387713003"
RADIOTHERAPY: Final = "108290001"
PROCEDURES: Final = {
    "asct": ("425983008", "Autologous peripheral blood stem cell transplant", SURGERY),
    "biopsy": ("86273004", "Biopsy", "165197003"),
    "car-t": ("", "CAR-T cell infusion", "277132007"),
    "chemoradiation": ("1217123003", "Radiotherapy course of treatment", RADIOTHERAPY),
    "colectomy": ("43075005", "Partial resection of colon", SURGERY),
    "cystectomy": ("", "Cystectomy", SURGERY),
    "debulking": ("116028008", "Salpingo-oophorectomy", SURGERY),
    "gastrectomy": ("", "Gastrectomy", SURGERY),
    "hepatectomy": ("", "Hepatectomy", SURGERY),
    "hospice": ("305336008", "Admission to hospice", "277132007"),
    "lobectomy": ("173171007", "Lobectomy of lung", SURGERY),
    "lymphocyte-collection": ("", "Lymphocyte collection by apheresis", "277132007"),
    "mastectomy": ("69031006", "Excision of breast tissue", SURGERY),
    "nephrectomy": ("", "Nephrectomy", SURGERY),
    "orchiectomy": ("", "Orchiectomy", SURGERY),
    "pancreatectomy": ("", "Pancreatectomy", SURGERY),
    "paracentesis": ("86088003", "Abdominal paracentesis", "277132007"),
    "phlebotomy": ("", "Therapeutic phlebotomy", "277132007"),
    "prostatectomy": ("90470006", "Prostatectomy", SURGERY),
    "radiotherapy": ("1217123003", "Radiotherapy course of treatment", RADIOTHERAPY),
    "sbrt": ("1217123003", "Stereotactic body radiotherapy", RADIOTHERAPY),
    "stem-cell-collection": ("", "Stem cell collection by apheresis", "277132007"),
    "tace": ("", "Transarterial chemoembolization", "277132007"),
    "thyroidectomy": ("", "Thyroidectomy", SURGERY),
    "tumor-excision": ("", "Tumor excision", SURGERY),
    "wide-excision": ("", "Wide local excision", SURGERY),
}

REQUESTS: Final = {
    "biopsy": (SNOMED, "86273004", "Biopsy"),
    "ct": (SNOMED, "418023006", "Computed tomography of chest, abdomen and pelvis"),
    "palliative-care": (SNOMED, "306237005", "Referral to palliative care service"),
    "trial": (SNOMED, "702475000", "Referral to clinical trial"),
}
