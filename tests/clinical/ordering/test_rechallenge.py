"""A drafted drug, or one of its class, to which a line is possibly refractory: said, or not."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Final

import charts
import pytest
from clinical.ordering.drafted import AS_OF, assessed, draft, read, told, warned
from clinical.values import KNOWLEDGE

from cds_service.clinical.advice import EarlierCards, Override
from cds_service.clinical.ordering import order_warnings

Chart = list[dict[str, Any]]
HOSPICE: Final = {
    "resourceType": "Procedure",
    "id": "hospice",
    "status": "completed",
    "code": {"coding": [{"system": "http://snomed.info/sct", "code": "305336008"}]},
    "subject": {"reference": "Patient/p1"},
    "performedDateTime": "2026-11-10",
}
NOTHING: Final = list[tuple[str, int, list[str]]]()


def again(line: int, *drugs: str) -> list[tuple[str, int, list[str]]]:
    return [("rechallenge", line, list(drugs))]


def myeloma(**of_patient: Any) -> Chart:
    """Progression on lenalidomide with dexamethasone, on 2 November."""
    return [
        charts.patient(**of_patient),
        charts.condition("multiple-myeloma", onset="2025-12-01"),
        charts.order("lenalidomide", "2026-01-05"),
        charts.order("dexamethasone", "2026-01-05"),
        charts.disease_status("stable", "2026-05-02", by="imaging"),
        charts.disease_status("progression", "2026-11-02", by="imaging"),
    ]


def two_lines(second: str, *more: dict[str, Any]) -> Chart:
    """Progression on lenalidomide in 2024, then another drug, ongoing."""
    return [
        charts.patient(),
        charts.condition("multiple-myeloma", onset="2023-12-01"),
        charts.order("lenalidomide", "2024-01-05", "2024-11-05"),
        charts.order("dexamethasone", "2024-01-05", "2024-11-05"),
        charts.disease_status("stable", "2024-05-02", by="imaging"),
        charts.disease_status("progression", "2024-11-02", by="imaging"),
        charts.order(second, "2025-06-10"),
        *more,
    ]


def responded(on: str) -> dict[str, Any]:
    return charts.response("PR", on)


def prostate() -> Chart:
    return [
        charts.patient(gender="male"),
        charts.condition("prostate", onset="2024-01-01", stage="4"),
        charts.order("leuprolide", "2024-02-01"),
        charts.order("enzalutamide", "2025-03-01"),
        charts.disease_status("stable", "2025-09-01", by="imaging"),
        charts.disease_status("progression", "2026-11-02", by="imaging"),
    ]


def colon() -> Chart:
    drugs = ("fluorouracil", "oxaliplatin", "bevacizumab")
    return [
        charts.patient(),
        charts.condition("colorectal", onset="2025-12-01", stage="4"),
        *(charts.order(drug, "2026-01-05", "2026-11-01") for drug in drugs),
        charts.disease_status("stable", "2026-05-02", by="imaging"),
        charts.disease_status("progression", "2026-11-02", by="imaging"),
    ]


@pytest.mark.parametrize(
    ("chart", "drugs", "expected"),
    [
        pytest.param(myeloma(), ["lenalidomide"], again(1, "lenalidomide"), id="the same drug"),
        pytest.param(myeloma(), ["pomalidomide"], again(1, "pomalidomide"), id="its class"),
        pytest.param(myeloma(), ["bortezomib"], NOTHING, id="another class"),
        pytest.param(myeloma(), ["dexamethasone"], NOTHING, id="a corticosteroid of the line"),
        pytest.param(myeloma(), ["ondansetron"], NOTHING, id="supportive"),
        pytest.param(
            myeloma(), ["lenalidomide", "pomalidomide"], again(1, "lenalidomide", "pomalidomide"),
            id="several drugs of the drafts on one card",
        ),
        pytest.param(myeloma(), ["VRd"], again(1, "lenalidomide"), id="in a regimen"),
        pytest.param(myeloma(), ["docetaxel"], NOTHING, id="of no use against this cancer"),
        pytest.param(
            two_lines("bortezomib"), ["lenalidomide"], again(1, "lenalidomide"), id="a past line"
        ),
        pytest.param(
            two_lines("lenalidomide"), ["lenalidomide"], NOTHING, id="what the patient is on again"
        ),
        pytest.param(
            two_lines("pomalidomide"), ["pomalidomide"], NOTHING,
            id="another of the class, tried since",
        ),
        pytest.param(
            two_lines("pomalidomide", responded("2025-09-01")), ["thalidomide"], NOTHING,
            id="a response to the class since",
        ),
        pytest.param(
            two_lines("pomalidomide", responded("2025-09-01")), ["lenalidomide"],
            again(1, "lenalidomide"), id="a response to the class since, but the drug itself",
        ),
        pytest.param(
            [*myeloma(), responded("2026-11-15")], ["lenalidomide"], NOTHING,
            id="a later response took the label back",
        ),
        pytest.param(myeloma(born="2009-01-01"), ["lenalidomide"], NOTHING, id="no label under 18"),
        pytest.param(prostate(), ["enzalutamide"], again(2, "enzalutamide"), id="no backbone"),
        pytest.param(prostate(), ["leuprolide"], NOTHING, id="androgen deprivation goes on"),
        pytest.param(prostate(), ["goserelin"], NOTHING, id="another of it does too"),
        pytest.param(colon(), ["oxaliplatin"], again(1, "oxaliplatin"), id="oxaliplatin again"),
        pytest.param(colon(), ["FOLFIRI"], NOTHING, id="a fluoropyrimidine goes on"),
        pytest.param(colon(), ["bevacizumab"], NOTHING, id="bevacizumab goes on"),
        pytest.param(colon(), ["ramucirumab"], NOTHING, id="another against VEGF goes on"),
        pytest.param(colon(), ["regorafenib"], NOTHING, id="a sibling that is meant for after it"),
    ],
)  # fmt: skip
def test_when_a_draft_is_a_rechallenge(
    chart: Chart, drugs: list[str], expected: list[tuple[str, int, list[str]]]
) -> None:
    drafts = [draft(drug, id=f"request-{n}") for n, drug in enumerate(drugs)]
    assert told(warned(chart, *drafts)) == expected
    assert told(warned(chart, *reversed(drafts))) == expected


def test_the_lines_that_the_rows_rest_on_are_possibly_refractory() -> None:
    """Else nothing above would be silent for the reason that its row gives."""
    refractory = {
        "multiple-myeloma": {"lenalidomide"},
        "prostate": {"enzalutamide"},
        "colorectal": {"bevacizumab", "fluorouracil", "oxaliplatin"},
    }
    for chart in (myeloma(), prostate(), colon()):
        (cancer,) = assessed(chart).cancers
        status = cancer.judged[-1].status
        assert status.status == "possible-refractory"
        assert refractory[cancer.disease.id] <= set(status.refractory_to)


def test_a_sibling_by_mouth_is_silent_once_but_not_when_it_is_given_again() -> None:
    chart = [
        *colon(),
        charts.order("regorafenib", "2026-11-08"),
    ]
    later = [
        *chart[:-1],
        charts.order("regorafenib", "2026-11-08", "2027-03-01"),
        charts.disease_status("progression", "2027-03-02", by="imaging"),
    ]
    assert told(warned(chart, draft("fruquintinib"))) == NOTHING
    assert told(warned(later, draft("regorafenib"), as_of=date(2027, 3, 10))) == again(
        2, "regorafenib"
    )


@pytest.mark.parametrize(
    ("reason", "is_said"),
    [
        pytest.param({}, True, id="no reason"),
        pytest.param(
            {"reasonReference": [{"reference": "Condition/multiple-myeloma"}]}, True, id="this"
        ),
        pytest.param({"reasonReference": [{"reference": "Condition/skin"}]}, False, id="no cancer"),
        pytest.param({"reasonReference": [{"reference": "Condition/breast"}]}, False, id="another"),
        pytest.param(
            {"reasonReference": [{"reference": "Condition/nobody-knows"}]}, True, id="unknown"
        ),
        pytest.param(
            {"reasonCode": [{"coding": [
                {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "C50.911"}]}]},
            False, id="a code of another cancer",
        ),
        pytest.param(
            {"reasonCode": [{"coding": [
                {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "C90.00"}]}]},
            True, id="a code of this one",
        ),
    ],
)  # fmt: skip
def test_the_reason_of_a_draft_says_which_cancer_it_is_for(
    reason: dict[str, Any], is_said: bool
) -> None:
    focus = {"focus": [{"reference": "Condition/multiple-myeloma"}]}
    chart = [
        *(one | (focus if one["resourceType"] == "Observation" else {}) for one in myeloma()),
        charts.condition("breast", onset="2026-08-01"),
        charts.problem("Erythema nodosum leprosum", code="238437005", id="skin"),
    ]
    found = told(warned(chart, draft("lenalidomide", **reason)))
    assert found == (again(1, "lenalidomide") if is_said else NOTHING)


@pytest.mark.parametrize(
    ("chart", "word"),
    [
        pytest.param(myeloma(deceased="2026-11-10"), "deceased", id="S1"),
        pytest.param([*myeloma(), HOSPICE], "hospice", id="S2"),
    ],
)
def test_who_has_died_or_is_in_hospice_care_gets_no_card_and_the_log_says_why(
    chart: Chart, word: str
) -> None:
    (warning,) = warned(chart, draft("lenalidomide"))
    assert [named.silence.word for named in warning.named] == [word]
    assert warning.shown == ()


SET_ASIDE: Final = Override(
    "Condition/multiple-myeloma", 1, "rechallenge:lenalidomide", AS_OF - timedelta(days=10),
    AS_OF + timedelta(days=80), "possible-refractory", "criteria",
)  # fmt: skip


def override(**changes: Any) -> EarlierCards:
    members = {name: getattr(SET_ASIDE, name) for name in ("condition", "line", "kind", "on",
               "until", "status", "confidence")}  # fmt: skip
    return EarlierCards((Override(**members | changes),))


@pytest.mark.parametrize(
    ("drug", "earlier", "is_silent"),
    [
        pytest.param("lenalidomide", override(), True, id="the same drug"),
        pytest.param("pomalidomide", override(), False, id="only the class"),
        pytest.param(
            "pomalidomide", override(kind="rechallenge:immunomodulatory-drug"), True, id="the class"
        ),
        pytest.param(
            "thalidomide", override(kind="rechallenge:immunomodulatory-drug"), True,
            id="another of the class",
        ),
        pytest.param(
            "lenalidomide", override(kind="rechallenge:immunomodulatory-drug"), False,
            id="the class does not stand for the drug itself",
        ),
        pytest.param("lenalidomide", override(kind="restage"), False, id="other advice"),
        pytest.param("lenalidomide", override(line=2), False, id="another line"),
        pytest.param("lenalidomide", override(condition="Condition/x"), False, id="another cancer"),
        pytest.param("lenalidomide", override(until=AS_OF), True, id="the last day"),
        pytest.param(
            "lenalidomide", override(until=AS_OF - timedelta(days=1)), False, id="a day later"
        ),
        pytest.param("lenalidomide", override(on=date(2026, 11, 2)), True, id="evidence that day"),
        pytest.param("lenalidomide", override(on=date(2026, 11, 1)), False, id="newer evidence"),
        pytest.param("lenalidomide", override(status="progressing"), False, id="it stands worse"),
        pytest.param("lenalidomide", override(confidence="signal"), False, id="it is surer"),
    ],
)  # fmt: skip
def test_what_a_clinician_set_aside_is_silent_for_that_line_and_drug(
    drug: str, earlier: EarlierCards, is_silent: bool
) -> None:
    (warning,) = warned(myeloma(), draft(drug), earlier=earlier)
    assert [named.silence.word for named in warning.named] == ["overridden" if is_silent else None]


def test_one_drug_of_a_card_can_be_silent_and_the_other_not() -> None:
    drafts = (draft("lenalidomide", id="a"), draft("pomalidomide", id="b"))
    assert told(warned(myeloma(), *drafts, earlier=override())) == again(1, "pomalidomide")


def test_a_draft_changes_nothing_of_the_assessment() -> None:
    found = assessed(myeloma())
    before = (found.cancers, found.issues)
    order_warnings(found, read(draft("lenalidomide"), draft("carfilzomib", id="x")), KNOWLEDGE)
    assert (found.cancers, found.issues) == before


def test_the_latest_of_several_refractory_lines_speaks_and_names_the_others() -> None:
    chart = two_lines(
        "bortezomib",
        charts.order("lenalidomide", "2025-06-10"),
        charts.disease_status("stable", "2025-12-01", by="imaging"),
        charts.disease_status("progression", "2026-11-02", by="imaging"),
    )
    (warning,) = warned(chart, draft("lenalidomide"))
    assert warning.judged.line.number == 2
    assert [named.also_on for named in warning.named] == [(1,)]
