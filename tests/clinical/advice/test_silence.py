"""Reasons S1 to S17 for silence: what brings each about, and what is one step short of it."""

from __future__ import annotations

from typing import Any, Final

import pytest
from clinical.advice.situations import AS_OF, CONDITION, caution, fact, situation, stands
from clinical.values import KNOWLEDGE, cancer, day, event, on, seen, value
from msgspec.structs import replace

from cds_service.clinical.advice import Advice, snoozed, without_ordered
from cds_service.clinical.advice.silence import SILENCE, Silence, silence_of, why_silent
from cds_service.clinical.advice.situation import (
    Accepted,
    AdviceKind,
    EarlierCards,
    Override,
    Returned,
    Situation,
)
from cds_service.clinical.record import Event, Request

REFRACTORY: Final = stands("possible-refractory", "criteria")
DONE, ORDERED, DECLINED = "recently-done", "already-ordered", "patient-declined"


def request(kind: str, when: str | None, state: str = "open", **more: Any) -> Request:
    return Request(
        f"ServiceRequest/{kind}-{when}", kind, on(when) if when else None,
        is_open=state == "open", is_completed=state == "completed", is_declined=state == "declined",
        **more,
    )  # fmt: skip


def study(kind: str, when: str, *regions: str) -> Event:
    return replace(event(kind, when), regions=frozenset(regions))


def row(
    name: str, id: str, kind: AdviceKind, expected: str | None, *args: Any, **chart: Any
) -> Any:
    return pytest.param(kind, expected, args, chart, id=f"{id}: {name}")


def override(until: str, **more: Any) -> EarlierCards:
    put: dict[str, Any] = {"line": 1, "on": day("2024-06-15"), "until": day(until)} | more
    return EarlierCards((Override(condition=CONDITION, kind="restage", **put),))


def returned(when: str, digest: str = "", **more: Any) -> EarlierCards:
    own = digest or situation(REFRACTORY).judged.evidence_digest
    return EarlierCards(returned=(Returned(CONDITION, 1, "restage", day(when), own, **more),))


def accepted(when: str, kind: AdviceKind = "restage", **more: Any) -> EarlierCards:
    return EarlierCards(accepted=(Accepted(CONDITION, 1, kind, day(when), **more),))


OTHER: Final = replace(cancer("breast"), condition="Condition/c2", conditions=("Condition/c2",))
CASES: Final = [
    row("nothing speaks against it", "none", "restage", None),
    # S1, S2
    row("died", "S1", "supportive-care", "deceased", is_deceased=True),
    row("in hospice care", "S2", "supportive-care", "hospice", is_in_hospice=True),
    # S3
    row("palliative care on record: not again", "S3", "supportive-care", ORDERED,
        cautions=(caution("palliative-care"),)),
    row("palliative care on record: all else stands", "S3", "trial-referral", None,
        cautions=(caution("palliative-care"),)),
    row("palliative referral 180 days ago", "S3", "supportive-care", ORDERED,
        requests=(request("palliative-referral", "2024-01-02"),)),
    row("palliative referral 181 days ago", "S3", "supportive-care", None,
        requests=(request("palliative-referral", "2024-01-01"),)),
    # S5
    row("images on the day of the progression", "S5", "restage", DONE,
        events=(event("imaging-ct", "2024-06-01"),)),
    row("images 42 days ago, before the progression", "S5", "restage", DONE,
        events=(event("imaging-ct", "2024-05-19"),)),
    row("images 43 days ago", "S5", "restage", None, events=(event("imaging-ct", "2024-05-18"),)),
    row("images since the progression, 60 days ago", "S5", "restage", DONE, as_of="2024-08-01",
        events=(event("imaging-ct", "2024-06-02"),)),
    row("a glioma's images count for 28 days", "S5", "restage", None,
        advice={"restage_recent_days": 28}, events=(event("imaging-mri", "2024-05-31"),)),
    row("images of the same region", "S5", "restage", DONE,
        events=(study("imaging-ct", "2024-06-10", "chest"),)),
    row("images of another region", "S5", "restage", None,
        events=(study("imaging-mri", "2024-06-10", "brain"),)),
    row("images of the whole body", "S5", "restage", DONE,
        events=(study("imaging-pet", "2024-06-10", "limb"),)),
    row("images of a region that is not told", "S5", "restage", DONE,
        events=(study("imaging-mri", "2024-06-10"),)),
    row("images for another cancer", "S5", "restage", None, others=(OTHER,),
        events=(event("imaging-ct", "2024-06-10", None, "Condition/c2"),)),
    row("images ordered 42 days ago", "S5", "restage", ORDERED,
        requests=(request("imaging-ct", "2024-05-19"),)),
    row("images ordered 43 days ago", "S5", "restage", None,
        requests=(request("imaging-ct", "2024-05-18"),)),
    row("an order without a date", "S5", "restage", ORDERED,
        requests=(request("imaging-ct", None),)),
    row("an order that was carried out", "S5", "restage", DONE,
        requests=(request("imaging-ct", "2024-06-10", "completed"),)),
    row("images of another region ordered", "S5", "restage", None,
        requests=(request("imaging-mri", "2024-06-20", regions=frozenset({"brain"})),)),
    row("a marker is the restaging, 30 days old", "S5", "restage", DONE, "cml",
        measurements=(value("bcr-abl-is", "2024-05-31", "12"),)),
    row("a marker is the restaging, 31 days old", "S5", "restage", None, "cml",
        measurements=(value("bcr-abl-is", "2024-05-30", "12"),)),
    row("images are no answer where a marker is", "S5", "restage", None, "cml",
        events=(event("imaging-ct", "2024-06-10"),)),
    # S6
    row("biopsy on the day of the progression", "S6", "biopsy", DONE,
        events=(event("biopsy", "2024-06-01"),)),
    row("biopsy the day before", "S6", "biopsy", None, events=(event("biopsy", "2024-05-31"),)),
    row("plasma since", "S6", "biopsy", DONE, events=(event("molecular-test", "2024-06-10"),)),
    row("marrow since", "S6", "biopsy", DONE,
        events=(event("bone-marrow-examination", "2024-06-10"),)),
    row("a sample that calls itself insufficient", "S6", "biopsy", None,
        events=(event("biopsy", "2024-06-10"),),
        cautions=(caution("insufficient-sample", "2024-06-10", "Procedure/biopsy-2024-06-10"),)),
    row("a report of 30 days later calls it so", "S6", "biopsy", None, as_of="2024-07-20",
        events=(event("biopsy", "2024-06-10"),),
        cautions=(caution("insufficient-sample", "2024-07-10", "DiagnosticReport/r1"),)),
    row("a report of 31 days later speaks of another", "S6", "biopsy", DONE, as_of="2024-07-20",
        events=(event("biopsy", "2024-06-09"),),
        cautions=(caution("insufficient-sample", "2024-07-10", "DiagnosticReport/r1"),)),
    row("taken again after an insufficient one", "S6", "biopsy", DONE,
        events=(event("biopsy", "2024-06-10"), event("biopsy", "2024-06-20")),
        cautions=(caution("insufficient-sample", "2024-06-12", "DiagnosticReport/r1"),)),
    row("biopsy ordered", "S6", "biopsy", ORDERED, requests=(request("biopsy", "2024-06-20"),)),
    # S7
    row("referral 180 days ago", "S7", "trial-referral", ORDERED,
        requests=(request("trial-referral", "2024-01-02"),)),
    row("referral 181 days ago", "S7", "trial-referral", None,
        requests=(request("trial-referral", "2024-01-01"),)),
    row("referral done 180 days ago", "S7", "trial-referral", DONE,
        requests=(request("trial-referral", "2024-01-02", "completed"),)),
    row("on a study of this cancer", "S7", "trial-referral", ORDERED,
        requests=(request("trial-referral", None, diseases=("nsclc",)),)),
    row("on a study of whatever it is", "S7", "trial-referral", ORDERED,
        requests=(request("trial-referral", None),)),
    row("on a study of another cancer", "S7", "trial-referral", None,
        requests=(request("trial-referral", None, diseases=("breast",)),)),
    # S8
    row("the next line has started", "S8", "restage", "next-line-started", is_latest=False),
    row("what was done comes before that", "S8", "restage", DONE, is_latest=False,
        events=(event("imaging-ct", "2024-06-10"),)),
    # S9
    row("set aside, last day", "S9", "restage", "overridden", earlier=override(AS_OF)),
    row("set aside, the day after", "S9", "restage", None, earlier=override("2024-06-29")),
    row("set aside: another advice stands", "S9", "biopsy", None, earlier=override(AS_OF)),
    row("set aside on another line", "S9", "restage", None, earlier=override(AS_OF, line=2)),
    row("newer evidence opens it", "S9", "restage", None, earlier=override(AS_OF),
        evidence=(seen("progression", "2024-06-16"),)),
    row("evidence of that day does not", "S9", "restage", "overridden", earlier=override(AS_OF),
        evidence=(seen("progression", "2024-06-15"),)),
    row("a worse status opens it", "S9", "restage", None,
        earlier=override(AS_OF, status="progressing", confidence="criteria")),
    row("a surer one too", "S9", "restage", None,
        earlier=override(AS_OF, status="possible-refractory", confidence="signal")),
    row("the same status does not", "S9", "restage", "overridden",
        earlier=override(AS_OF, status="possible-refractory", confidence="criteria")),
    row("evidence of before the override, not on its card, opens it", "S9", "restage", None,
        earlier=override(AS_OF, evidence_on=day("2024-06-01")),
        evidence=(seen("progression", "2024-06-10"),)),
    row("the card's own evidence does not, whatever its day", "S9", "restage", "overridden",
        earlier=override(AS_OF, evidence_on=day("2024-06-20")),
        evidence=(seen("progression", "2024-06-20"),)),
    row("no evidence is no news", "S9", "restage", "overridden", earlier=override(AS_OF),
        evidence=()),
    # S10
    row("taken up 42 days ago", "S10", "restage", ORDERED, earlier=accepted("2024-05-19"),
        evidence=(seen("progression", "2024-05-01"),)),
    row("taken up 43 days ago", "S10", "restage", None, earlier=accepted("2024-05-18"),
        evidence=(seen("progression", "2024-05-01"),)),
    row("taken up, the order was revoked", "S10", "restage", None, earlier=accepted("2024-06-10"),
        requests=(request("imaging-ct", "2024-06-10", "revoked"),)),
    row("taken up, newer evidence", "S10", "restage", None, earlier=accepted("2024-06-10"),
        evidence=(seen("progression", "2024-06-11"),)),
    row("taken up, evidence that its card did not have", "S10", "restage", None,
        earlier=accepted("2024-06-10", evidence_on=day("2024-06-01")),
        evidence=(seen("progression", "2024-06-05"),)),
    row("taken up, the order of the card's day was revoked", "S10", "restage", None,
        earlier=accepted("2024-06-12", returned_on=day("2024-06-10")),
        requests=(request("imaging-ct", "2024-06-10", "revoked"),)),
    row("taken up, an order of before the card was revoked", "S10", "restage", ORDERED,
        earlier=accepted("2024-06-12", returned_on=day("2024-06-11")),
        requests=(request("imaging-ct", "2024-06-10", "revoked"),)),
    row("another advice was taken up", "S10", "biopsy", None, earlier=accepted("2024-06-10")),
    # S11
    row("declined 180 days ago", "S11", "biopsy", DECLINED,
        requests=(request("biopsy", "2024-01-02", "declined"),)),
    row("declined 181 days ago", "S11", "biopsy", None,
        requests=(request("biopsy", "2024-01-01", "declined"),)),
    row("declined biopsy: restaging stands", "S11", "restage", None,
        requests=(request("biopsy", "2024-06-10", "declined"),)),
    row("declined all investigations", "S11", "biopsy", DECLINED,
        cautions=(caution("refusal", "2024-01-02"),)),
    row("declined all investigations: no trial", "S11", "trial-referral", DECLINED,
        cautions=(caution("refusal", "2024-01-02"),)),
    row("declined all investigations: confirmation stands", "S11", "confirm-progression", None,
        cautions=(caution("refusal", "2024-01-02"),)),
    row("declined all investigations 181 days ago", "S11", "biopsy", None,
        cautions=(caution("refusal", "2024-01-01"),)),
    # S15
    row("the same card 7 days ago", "S15", "restage", "unchanged", earlier=returned("2024-06-23")),
    row("the same card 8 days ago", "S15", "restage", None, earlier=returned("2024-06-22")),
    row("another card 7 days ago", "S15", "restage", None, earlier=returned("2024-06-23", "other")),
    row("the same card the same day", "S15", "restage", None, earlier=returned(AS_OF)),
    row("as it stood then", "S15", "restage", "unchanged",
        earlier=returned("2024-06-23", status="possible-refractory", confidence="criteria")),
    row("it stood otherwise then", "S15", "restage", None,
        earlier=returned("2024-06-23", status="progressing", confidence="criteria")),
    row("it was less sure then", "S15", "restage", None,
        earlier=returned("2024-06-23", status="possible-refractory", confidence="signal")),
    # S17
    row("latest evidence 365 days old", "S17", "restage", None, as_of="2025-06-01"),
    row("latest evidence 366 days old", "S17", "restage", "stale", as_of="2025-06-02"),
    row("no evidence is not old evidence", "S17", "restage", None, evidence=()),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "expected", "args", "chart"), CASES)
def test_why_an_advice_is_silent(
    kind: AdviceKind, expected: str | None, args: Any, chart: Any
) -> None:
    assert why_silent(kind, situation(REFRACTORY, *args, **chart)) == expected


def test_reasons_are_asked_in_the_order_of_the_list() -> None:
    """All of them at once: the first is said; taken away one by one, each is said in its turn."""
    everything: dict[str, Any] = {
        "is_deceased": True,
        "is_in_hospice": True,
        "events": (event("imaging-ct", "2025-01-02"),),
        "requests": (
            request("imaging-ct", "2025-07-10"),
            request("imaging-pet", "2025-07-10", "declined"),
        ),
        "is_latest": False,
        "earlier": EarlierCards(
            (Override(CONDITION, 1, "restage", day("2025-07-10"), day("2025-12-31")),),
            returned("2025-07-10").returned,
        ),
        "as_of": "2025-07-11",
    }
    said = []
    kept: list[tuple[str, Any]] = [
        ("is_deceased", False),
        ("is_in_hospice", False),
        ("events", ()),
        ("requests", (request("imaging-pet", "2025-07-10", "declined"),)),
        ("is_latest", True),
        ("earlier", returned("2025-07-10")),
        ("requests", ()),
        ("earlier", EarlierCards()),
    ]
    for member, less in [*kept, ("as_of", "2025-07-11")]:
        said.append(why_silent("restage", situation(REFRACTORY, **everything)))
        everything[member] = less
    assert said == [
        "deceased", "hospice", DONE, ORDERED, "next-line-started", "overridden", DECLINED,
        "unchanged", "stale",
    ]  # fmt: skip


def test_every_reason_of_the_list_is_in_the_table_above() -> None:
    shown = {str(case.id).partition(":")[0] for case in CASES}
    assert {name for reason in SILENCE for name in reason.ids} <= shown


# --- S16 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("disease", "ordered", "held"),
    [
        pytest.param("nsclc", {"imaging-ct"}, {"restage"}, id="images on the screen"),
        pytest.param("nsclc", {"molecular-test"}, {"biopsy"}, id="plasma on the screen"),
        pytest.param("nsclc", {"trial-referral"}, {"trial-referral"}, id="a referral"),
        pytest.param("nsclc", {"radiotherapy"}, set(), id="something else"),
        pytest.param("nsclc", set(), set(), id="nothing"),
        pytest.param("cml", {"imaging-ct"}, set(), id="images do not answer a transcript"),
    ],
)
def test_what_is_being_ordered_is_not_suggested(
    disease: str, ordered: set[str], held: set[str]
) -> None:
    kinds: tuple[AdviceKind, ...] = ("restage", "biopsy", "trial-referral")
    advice = [Advice(kind, 1, "routine", "") for kind in kinds]
    silent = without_ordered(advice, KNOWLEDGE.disease(disease), ordered)
    assert {one.kind for one in silent if one.suppressed == ORDERED} == held
    assert len(silent) == 3


def test_an_advice_that_is_silent_keeps_its_own_reason() -> None:
    (kept,) = without_ordered(
        [Advice("restage", 1, "routine", "", "hospice")], KNOWLEDGE.disease("nsclc"), {"imaging-ct"}
    )
    assert kept.suppressed == "hospice"


# --- S9: how long -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "until"),
    [
        pytest.param("disagree-with-criteria", "2024-09-28", id="90 days for the same advice"),
        pytest.param("evidence-wrong", "2024-09-28", id="90 days, a review beside"),
        pytest.param(None, "2024-07-30", id="30 days without a reason"),
        pytest.param("other", "2024-07-30", id="30 days for no particular one"),
        pytest.param("made-up", "2024-07-30", id="30 days for one that nobody knows"),
        pytest.param("remind-later", "2024-07-30", id="30 days to be reminded"),
        pytest.param("already-done", "2024-12-27", id="180 days"),
        pytest.param("patient-declined", "2024-12-27", id="180 days too"),
        pytest.param("not-applicable", "2025-06-30", id="a year"),
    ],
)
def test_how_long_an_override_is_kept(reason: str | None, until: str) -> None:
    assert snoozed(CONDITION, 1, "restage", day(AS_OF), reason).until == day(until)


@pytest.mark.parametrize("turned", [1, -1], ids=["in order", "turned round"])
@pytest.mark.parametrize(
    ("earlier", "word", "source"),
    [
        pytest.param(
            (
                Override(CONDITION, 1, "restage", day("2024-06-15"), day("2024-07-01"), source="a"),
                Override(CONDITION, 1, "restage", day("2024-06-15"), day("2024-08-01"), source="b"),
                Override(CONDITION, 1, "biopsy", day("2024-06-15"), day("2024-09-01"), source="c"),
            ),
            "overridden", "b", id="the override that holds longest",
        ),
        pytest.param(
            (
                Accepted(CONDITION, 1, "restage", day("2024-06-20"), source="a"),
                Accepted(CONDITION, 1, "restage", day("2024-06-10"), source="b"),
            ),
            ORDERED, "a", id="the acceptance that holds longest",
        ),
    ],
)  # fmt: skip
def test_a_silence_names_the_earlier_card_that_it_lies_in(
    earlier: tuple[Any, ...], word: str, source: str, turned: int
) -> None:
    put = earlier[::turned]
    cards = EarlierCards(
        overrides=tuple(one for one in put if isinstance(one, Override)),
        accepted=tuple(one for one in put if isinstance(one, Accepted)),
    )
    silence = silence_of("restage", situation(REFRACTORY, earlier=cards))
    assert (silence.word, silence.source) == (word, source)


def test_a_silence_that_the_chart_explains_names_no_card() -> None:
    done = situation(REFRACTORY, earlier=override(AS_OF, source="a"),
                     events=(event("imaging-ct", "2024-06-10"),))  # fmt: skip
    silence = silence_of("restage", done)
    assert (silence.word, silence.source) == (DONE, "")
    assert silence_of("restage", situation(REFRACTORY)) == Silence()


def test_a_card_is_known_under_any_name_that_its_evidence_may_have() -> None:
    own = situation(REFRACTORY).judged.evidence_digest
    given = Returned(CONDITION, 1, "restage", day("2024-06-23"), f"new {own}", source="card")

    def silent(*names: str) -> Silence:
        cards = EarlierCards(
            returned=(given,), known_as=lambda digest: [f"{name} {digest}" for name in names]
        )
        return silence_of("restage", situation(REFRACTORY, earlier=cards))

    assert silent("old", "new") == Silence("unchanged", "card")
    assert silent("old") == Silence()


def test_facts_of_a_chart_do_not_silence_anything() -> None:
    told: Situation = situation(REFRACTORY, facts=(fact("her2", "negative"),))
    assert why_silent("biopsy", told) is None
