"""The words that the columns of the terminology tables may hold."""

from __future__ import annotations


def _one_of(words: str, *, or_nothing: bool = False) -> frozenset[str]:
    return frozenset(words.split()) | ({""} if or_nothing else set())


ROUTES = _one_of(
    "implant im intra-arterial intralesional intraperitoneal intravesical it iv nasal oral sc"
    " topical"
)
SUPERCLASSES = _one_of(
    "adc bispecific cellular-therapy corticosteroid cytotoxic differentiating endocrine"
    " immunomodulatory immunotherapy other radioligand supportive targeted"
)
WORD_MEANINGS = _one_of(
    "filler disqualifying not-before not-after local accompanying investigational"
)
ROLES = _one_of(
    "primary secondary in-situ uncertain-behaviour history marker status treatment hospice"
    " toxicity adherence patient-choice symptom complication morphology"
)
STATUSES = _one_of(
    # of a disease
    "active in-remission not-in-remission in-relapse refractory metastatic nodal unknown-primary"
    " hormone-resistant hormone-sensitive accelerated-phase blast-phase"
    # of a role that is no disease
    " history follow-up raised rising receptor palliative-care hospice do-not-resuscitate"
    " chemotherapy-encounter immunotherapy-encounter radiotherapy-encounter"
    " history-of-chemotherapy history-of-immunosuppression bone-marrow-transplant"
    " stem-cell-transplant car-t-history adverse-effect nonadherence nonadherence-financial"
    " nonadherence-intentional nonadherence-unintentional declined cancer-pain"
    " malignant-ascites malignant-effusion",
    or_nothing=True,
)
SUBTYPES = _one_of(
    # receptors of breast cancer
    "hr-pos-her2-neg hr-pos-her2-pos hr-neg-her2-pos tnbc"
    " hr-pos hr-neg her2-pos her2-neg er-pos er-neg pr-pos pr-neg"
    # carcinoma in situ of the urothelium; a deletion in myelodysplasia
    " cis del5q adenocarcinoma"
    # histologies of sarcoma
    " alveolar-soft-part-sarcoma angiosarcoma clear-cell-sarcoma dermatofibrosarcoma"
    " desmoplastic-small-round-cell-tumour endometrial-stromal-sarcoma epithelioid-sarcoma"
    " ewing-sarcoma fibrosarcoma kaposi leiomyosarcoma liposarcoma nerve-sheath-tumour"
    " other-sarcoma pecoma phyllodes-tumour pleomorphic-sarcoma rhabdomyosarcoma"
    " solitary-fibrous-tumour synovial-sarcoma",
    or_nothing=True,
)
CATEGORIES = _one_of(
    "complete-response very-good-partial-response partial-response minimal-response stable"
    " progression unconfirmed-progression not-evaluable",
    or_nothing=True,
)
FINDINGS = _one_of(
    "relapse remission responding no-response documented-refractory transformation mixed",
    or_nothing=True,
)
CRITERIA = _one_of(
    "clinician generic cdisc recist-1.1 irecist lugano lyric imwg iwwm eln iwcll iwg gcig pcwg3"
    " rano obds"
)
STOP_REASONS = _one_of("progression toxicity completed patient-choice adherence death other")
OBSERVATION_KINDS = _one_of(
    "disease-status response-category component tumour-size performance-status"
)
PRIMARY_SITES = _one_of("C15 C16 C18 C20 C25 C50 C53 C54 C56 C61 C62 C64 C67 C73")
MARKER_USES = _one_of("response supportive validity")
EVIDENCE_KINDS = _one_of("tumour-marker haematology molecular")
PROCEDURE_KINDS = _one_of(
    "biopsy bone-marrow-examination imaging-ct imaging-mri imaging-pet imaging-bone-scan"
    " imaging-other radiotherapy surgery-resection ablation embolisation stem-cell-transplant"
    " car-t-infusion leukapheresis paracentesis-or-drainage molecular-test trial-referral"
    " palliative-referral hospice specialist-referral phlebotomy"
)
VARIANT_GENES = _one_of(
    "abl1 asxl1 bcl2 brca1 brca2 btk calr cebpa esr1 fgfr2 fgfr3 flt3 idh1 idh2 jak2 kit kmt2a met"
    " mpl npm1 ntrk1 ntrk2 ntrk3 pdgfra pik3ca plcg2 ret ros1 runx1 sf3b1 tp53"
)
FACTS = _one_of(
    "er pr her2 ras kras nras braf msi egfr alk pdl1 variant ecog karnofsky stage-group"
    " t-category n-category m-category hospice grade deauville histology measurable-disease"
    " transfusion-dependence rai-avidity adenocarcinoma del5q flt3-itd abl1-t315i egfr-t790m"
    " kit-exon-9 kit-exon-11 kit-exon-13 kit-exon-17 pdgfra-d842v"
) | {f"variant-{gene}" for gene in VARIANT_GENES}
FACT_VALUES = _one_of(
    "positive negative equivocal stage-0 stage-i stage-ii stage-iii stage-iv"
    " msi-high msi-low mss tis ta t0 t1 t2 t3 t4 n0 n1 n2 n3 m0 m1 low intermediate high"
    " yes no 0 1 2 3 4 5"
)
