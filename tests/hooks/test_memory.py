"""What a clinician does with a card has an effect on the next one, told day by day over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import charts
import pytest
from typer.testing import CliRunner

from cds_service.audit.commands import audit_app
from cds_service.audit.database_store import DatabaseStore
from cds_service.audit.envelope import Process, Recorder
from cds_service.audit.log import DecisionLog, default_key_file, open_decision_log
from cds_service.audit.memory import Remembered, Sought
from cds_service.audit.pseudonyms import load_keys
from cds_service.clinical.advice.snooze import REASON_DAYS
from cds_service.errors import LogUnavailable
from cds_service.hooks.override_reasons import EXAMPLE_SET, OF_EXAMPLE_SET, OURS, REASONS
from hooks.calls import Resource, call, myeloma, prefetch_of
from hooks.serving import Entry, Served, issue_of, serving

FIRST = date(2026, 11, 21)
DR_A, DR_B, DR_C = (f"Practitioner/dr-{letter}" for letter in "abc")
ALL = {"restage", "biopsy", "trial-referral"}


class Calendar:
    """The service's clock, which stands at noon of a day until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(FIRST.year, FIRST.month, FIRST.day, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def go_to(self, days: int, hour: int = 12) -> None:
        """So many days after the first."""
        noon = datetime(FIRST.year, FIRST.month, FIRST.day, hour, tzinfo=UTC)
        self.now = noon + timedelta(days=days)


@dataclass
class Clinic:
    """One patient's chart, opened and answered over the days."""

    served: Served
    calendar: Calendar
    calls: int = 0

    async def opens(
        self,
        user: str = DR_A,
        chart: list[Resource] | None = None,
        patient: str = "p1",
        instance: str | None = None,
        **changes: Any,
    ) -> list[dict[str, Any]]:
        """The cards that this user is given."""
        self.calls += 1
        instance = instance or f"d1577c69-dfbe-44ad-ba6d-{self.calls:012d}"
        context = {"userId": user, "patientId": patient}
        body = call(
            prefetch_of(chart if chart is not None else myeloma()),
            context=context,
            hookInstance=instance,
            **changes,
        )
        answer = await self.served.hook(body)
        assert answer.status_code == 200, answer.text
        cards: list[dict[str, Any]] = answer.json()["cards"]
        return cards

    async def says(self, *entries: dict[str, Any]) -> None:
        answer = await self.served.feedback({"feedback": list(entries)})
        assert answer.status_code == 200, answer.text

    @property
    def silent(self) -> dict[str, str]:
        """The advice that the newest decision kept back, and by which word."""
        return {
            one["kind"]: one["suppressed"]
            for one in self.served.last()["advice"]
            if "suppressed" in one
        }

    @property
    def causes(self) -> set[str]:
        return {one.get("suppressedBy", "") for one in self.served.last()["advice"]} - {""}


def kinds(cards: list[dict[str, Any]]) -> set[str]:
    return {kind for card in cards for kind in card["extension"]["org.refractory-cds"]["advice"]}


def overridden(card: dict[str, Any], code: str | None = None, **members: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "card": card["uuid"],
        "outcome": "overridden",
        "outcomeTimestamp": "2026-11-21T12:00:00Z",
    }
    if code is not None:
        made["overrideReason"] = {"reason": {"code": code, "system": OURS}}
    return made | members


def accepted(card: dict[str, Any], *which: int) -> dict[str, Any]:
    chosen = [{"id": card["suggestions"][number]["uuid"]} for number in which]
    return overridden(card) | {"outcome": "accepted", "acceptedSuggestions": chosen}


@contextmanager
def opened(folder: Path, calendar: Calendar | None = None, **options: Any) -> Iterator[Clinic]:
    calendar = calendar or Calendar()
    with serving(folder, clock=calendar, **options) as served:
        yield Clinic(served, calendar)


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Clinic]:
    with opened(tmp_path) as made:
        yield made


# --- an override is silent for the days of its reason ------------------------------------------

DAYS = [
    ("already-done", 180),
    ("patient-declined", 180),
    ("not-applicable", 365),
    ("evidence-wrong", 90),
    ("disagree-with-criteria", 90),
    ("other-provider-managing", 90),
    ("palliative-focus", 90),
    ("remind-later", 30),
    ("other", 30),
    (None, 30),
    ("a-reason-of-the-clients-own", 30),
]


@pytest.mark.parametrize(("code", "days"), DAYS)
async def test_an_override_is_silent_to_its_last_day_and_awake_the_day_after(
    clinic: Clinic, code: str | None, days: int
) -> None:
    (card,) = await clinic.opens()
    await clinic.says(overridden(card, code))
    feedback = clinic.served.last()
    for day in (0, 1, days):
        clinic.calendar.go_to(day)
        assert await clinic.opens(DR_B) == []
        assert clinic.silent == dict.fromkeys(ALL, "overridden")
        assert clinic.causes == {feedback["eventId"]}
        assert clinic.served.last()["state"] == [feedback["eventId"]]
        assert clinic.served.last()["outcome"] == "all-suppressed"
    clinic.calendar.go_to(days + 1)
    cards = await clinic.opens(DR_B)
    assert "overridden" not in clinic.silent.values()
    # evidence of more than a year ago is no card of its own
    assert kinds(cards) == (set() if days == 365 else ALL)
    assert clinic.served.exit_code_of_verify() == 3


def test_every_reason_that_a_card_offers_is_in_that_table() -> None:
    assert set(REASONS) <= {code for code, _ in DAYS}
    assert {code: days for code, days in DAYS if code in REASON_DAYS} == REASON_DAYS


@pytest.mark.parametrize(
    ("system", "code", "days"),
    [
        pytest.param(EXAMPLE_SET, "patient-refuses", 180, id="CDS Hooks 3.0: declined"),
        pytest.param(EXAMPLE_SET, "action-completed", 180, id="CDS Hooks 3.0: done"),
        pytest.param(EXAMPLE_SET, "patient-ineligible", 365, id="CDS Hooks 3.0: not applicable"),
        pytest.param(EXAMPLE_SET, "does-not-align-latest-evidence", 90, id="CDS Hooks 3.0: 90"),
        pytest.param(EXAMPLE_SET, "too-costly-uncovered", 30, id="one that none of ours says"),
        pytest.param(EXAMPLE_SET, "not-applicable", 30, id="a code of ours in that system"),
        pytest.param("https://ehr.example", "not-applicable", 30, id="and in the client's own"),
        pytest.param(None, "not-applicable", 365, id="a code of ours without its system"),
    ],
)
async def test_reasons_of_other_systems(
    clinic: Clinic, system: str | None, code: str, days: int
) -> None:
    (card,) = await clinic.opens()
    reason = {"code": code} | ({"system": system} if system else {})
    await clinic.says(overridden(card, overrideReason={"reason": reason}))
    clinic.calendar.go_to(days)
    assert await clinic.opens(DR_B) == []
    clinic.calendar.go_to(days + 1)
    await clinic.opens(DR_B)
    assert "overridden" not in clinic.silent.values()


def test_what_says_the_same_as_a_reason_of_ours_names_one_of_ours() -> None:
    assert set(OF_EXAMPLE_SET.values()) <= set(REASON_DAYS)


# --- the day that counts -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "claimed",
    [
        pytest.param("2030-01-01T00:00:00Z", id="of the future"),
        pytest.param("1999-01-01T00:00:00Z", id="ancient"),
        pytest.param("9999-12-31T23:59:59Z", id="of the end of days"),
    ],
)
async def test_the_clients_clock_gains_nothing(clinic: Clinic, claimed: str) -> None:
    (card,) = await clinic.opens()
    clinic.calendar.go_to(5)
    await clinic.says(overridden(card, "remind-later", outcomeTimestamp=claimed))
    clinic.calendar.go_to(35)
    assert await clinic.opens(DR_B) == []
    clinic.calendar.go_to(36)
    assert kinds(await clinic.opens(DR_B)) == ALL


async def test_a_repeat_neither_prolongs_nor_ends_it(clinic: Clinic) -> None:
    (card,) = await clinic.opens()
    await clinic.says(overridden(card, "remind-later"), overridden(card, "remind-later"))
    first, second = clinic.served.entries()[-2:]
    assert second["duplicateOf"] == first["eventId"]
    clinic.calendar.go_to(20)
    await clinic.says(overridden(card, "remind-later", outcomeTimestamp="2026-12-11T00:00:00Z"))
    assert clinic.served.last()["duplicateOf"] == first["eventId"]
    assert await clinic.opens(DR_B) == []
    clinic.calendar.go_to(30)
    assert await clinic.opens(DR_B) == []
    assert clinic.causes == {first["eventId"]}
    clinic.calendar.go_to(31)
    assert kinds(await clinic.opens(DR_B)) == ALL


async def test_a_hundred_repeats_do_not_push_another_override_out_of_memory(
    clinic: Clinic,
) -> None:
    (card,) = await clinic.opens()
    (again,) = await clinic.opens(DR_B)
    await clinic.says(overridden(card, "not-applicable"))
    await clinic.says(*[overridden(again, "other") for _ in range(150)])
    clinic.calendar.go_to(100)
    assert await clinic.opens(DR_B) == []
    assert clinic.silent == dict.fromkeys(ALL, "overridden")


@pytest.mark.parametrize("order", [1, -1], ids=["short first", "long first"])
async def test_of_two_reasons_on_one_card_the_longer_holds_in_whatever_order(
    clinic: Clinic, order: int
) -> None:
    (card,) = await clinic.opens()
    entries = [overridden(card, "remind-later"), overridden(card, "patient-declined")]
    await clinic.says(*entries[::order])
    clinic.calendar.go_to(180)
    assert await clinic.opens(DR_B) == []
    clinic.calendar.go_to(181)
    assert kinds(await clinic.opens(DR_B)) == ALL


# --- new evidence wakes ------------------------------------------------------------------------


async def test_evidence_of_a_later_day_wakes_it(clinic: Clinic) -> None:
    (card,) = await clinic.opens()
    await clinic.says(overridden(card, "not-applicable"))
    clinic.calendar.go_to(9)
    newer = [*myeloma(), charts.disease_status("progression", "2026-11-29", by="imaging")]
    assert kinds(await clinic.opens(chart=newer)) == ALL
    assert clinic.served.last().get("state") is None


@pytest.mark.parametrize(
    ("found_on", "is_awake"),
    [
        pytest.param("2026-11-02", False, id="the day of the card's evidence"),
        pytest.param("2026-11-03", True, id="the day after, before the card was returned"),
    ],
)
async def test_new_is_what_is_later_than_the_evidence_on_the_card(
    clinic: Clinic, found_on: str, is_awake: bool
) -> None:
    """A scan of before the override that is reported after it is news to who set the card aside."""
    (card,) = await clinic.opens()
    await clinic.says(overridden(card, "not-applicable"))
    clinic.calendar.go_to(3)
    late = charts.disease_status("progression", found_on, by="imaging", id="late")
    assert bool(await clinic.opens(DR_B, [*myeloma(), late])) is is_awake


async def test_evidence_that_came_between_card_and_feedback_wakes_it(clinic: Clinic) -> None:
    """An override that reaches the service late says nothing of what the card did not show."""
    (card,) = await clinic.opens()
    clinic.calendar.go_to(10)
    await clinic.says(overridden(card, "not-applicable"))
    between = [*myeloma(), charts.disease_status("progression", "2026-11-25", by="imaging")]
    assert kinds(await clinic.opens(DR_B, between)) == ALL


async def test_a_worse_status_on_evidence_of_the_same_day_wakes_it(clinic: Clinic) -> None:
    """A single rise of the marker, set aside; then the clinician records progression that day."""
    progression = charts.disease_status("progression", "2026-11-02", by="imaging")["id"]
    rising = [
        *(one for one in myeloma() if one.get("id") != progression),
        charts.marker("m-protein", "2026-05-02", 1.0),
        charts.marker("m-protein", "2026-11-02", 2.5),
    ]
    (card,) = await clinic.opens(chart=rising)
    assert card["extension"]["org.refractory-cds"]["status"] == "progressing"
    await clinic.says(overridden(card, "not-applicable"))
    assert await clinic.opens(DR_B, rising) == []
    recorded = [*rising, charts.disease_status("progression", "2026-11-02", by="imaging")]
    (again,) = await clinic.opens(DR_B, recorded)
    assert again["extension"]["org.refractory-cds"]["status"] == "possible-refractory"
    assert "overridden" not in clinic.silent.values()


# --- whom it concerns --------------------------------------------------------------------------


async def test_another_patient_of_the_same_client_is_not_concerned(clinic: Clinic) -> None:
    (card,) = await clinic.opens()
    await clinic.says(overridden(card, "not-applicable"))
    other = json.loads(json.dumps(myeloma()).replace('"p1"', '"p2"').replace("/p1", "/p2"))
    assert kinds(await clinic.opens(chart=other, patient="p2")) == ALL


async def test_the_same_id_on_another_server_is_another_patient(clinic: Clinic) -> None:
    (card,) = await clinic.opens(fhirServer="https://ehr.example/fhir")
    await clinic.says(overridden(card, "not-applicable"))
    assert kinds(await clinic.opens(DR_B, fhirServer="https://other.example/fhir")) == ALL
    assert await clinic.opens(DR_B, fhirServer="https://ehr.example/fhir/") == []


async def test_a_server_that_no_patient_can_be_told_by_is_refused(clinic: Clinic) -> None:
    address = "https://ehr.example\x1f/fhir"
    answer = await clinic.served.hook(call(prefetch_of(myeloma()), fhirServer=address))
    assert answer.status_code == 400
    assert issue_of(answer)["expression"] == ["fhirServer"]


async def test_another_condition_is_not_concerned(clinic: Clinic) -> None:
    (card,) = await clinic.opens()
    await clinic.says(overridden(card, "not-applicable"))
    renamed = json.loads(json.dumps(myeloma()).replace('"multiple-myeloma"', '"another"'))
    assert kinds(await clinic.opens(DR_B, renamed)) == ALL


async def test_the_next_line_is_not_concerned(clinic: Clinic) -> None:
    (card,) = await clinic.opens()
    await clinic.says(overridden(card, "not-applicable"))
    clinic.calendar.go_to(150)
    second = [
        *myeloma(),
        charts.order("pomalidomide", "2026-12-01"),
        *charts.given("pomalidomide", ["2026-12-01", "2026-12-29", "2027-01-26", "2027-02-23"]),
        charts.disease_status("progression", "2027-03-20", by="imaging"),
    ]
    cards = await clinic.opens(chart=second)
    assert [one["extension"]["org.refractory-cds"]["line"] for one in cards] == [2]


async def test_feedback_on_an_unknown_card_has_no_effect(clinic: Clinic) -> None:
    await clinic.opens()
    nobodys = {"uuid": "9c1dbd52-1ac5-4bd1-a8ea-5b0d4bbd5f05"}
    await clinic.says(overridden(nobodys, "not-applicable"))
    stored = clinic.served.last()
    assert (stored["orphan"], stored.get("patientPseudonym")) == ("unknown-card", None)
    assert kinds(await clinic.opens(DR_B)) == ALL


async def test_it_is_the_same_for_every_worker(tmp_path: Path) -> None:
    calendar = Calendar()
    with opened(tmp_path, calendar) as one, opened(tmp_path, calendar) as other:
        (card,) = await one.opens()
        assert kinds(await other.opens(DR_B)) == ALL
        await other.says(overridden(card, "remind-later"))
        for worker in (one, other):
            assert await worker.opens(DR_B) == []
            assert worker.silent == dict.fromkeys(ALL, "overridden")


async def test_a_service_that_is_started_again_remembers(tmp_path: Path) -> None:
    with opened(tmp_path) as before:
        (card,) = await before.opens()
        await before.says(overridden(card, "remind-later"))
    with opened(tmp_path) as after:
        assert await after.opens(DR_B) == []


# --- a suggestion is taken up ------------------------------------------------------------------


async def test_an_accepted_suggestion_counts_as_ordered_and_the_others_stand(
    clinic: Clinic,
) -> None:
    (card,) = await clinic.opens()
    await clinic.says(accepted(card, 0))
    feedback = clinic.served.last()
    assert feedback["onCard"]["accepted"] == ["restage"]
    clinic.calendar.go_to(42)
    assert kinds(await clinic.opens(DR_B)) == {"biopsy", "trial-referral"}
    assert clinic.silent == {"restage": "already-ordered"}
    assert clinic.causes == {feedback["eventId"]}
    clinic.calendar.go_to(43)
    assert kinds(await clinic.opens(DR_C)) == ALL


async def test_an_accepted_referral_counts_for_180_days(clinic: Clinic) -> None:
    (card,) = await clinic.opens()
    await clinic.says(accepted(card, 2))
    clinic.calendar.go_to(180)
    assert kinds(await clinic.opens(DR_B)) == {"restage", "biopsy"}
    clinic.calendar.go_to(181)
    assert kinds(await clinic.opens(DR_C)) == ALL


@pytest.mark.parametrize("order", [1, -1], ids=["accepted last", "accepted first"])
async def test_what_was_taken_up_is_not_set_aside_whichever_was_said_first(
    clinic: Clinic, order: int
) -> None:
    """One suggestion taken up, the card dismissed: the rest of it is set aside."""
    (card,) = await clinic.opens()
    await clinic.says(*[overridden(card, "patient-declined"), accepted(card, 0)][::order])
    assert await clinic.opens(DR_B) == []
    assert clinic.silent == {
        "restage": "already-ordered", "biopsy": "overridden", "trial-referral": "overridden",
    }  # fmt: skip
    clinic.calendar.go_to(43)
    assert kinds(await clinic.opens(DR_B)) == {"restage"}


async def test_a_suggestion_of_another_card_is_not_taken_up(clinic: Clinic) -> None:
    (card,) = await clinic.opens()
    wrong = accepted(card, 0) | {
        "acceptedSuggestions": [{"id": "9c1dbd52-1ac5-4bd1-a8ea-5b0d4bbd5f05"}]
    }
    await clinic.says(wrong)
    assert kinds(await clinic.opens(DR_B)) == ALL


# --- the same card again -----------------------------------------------------------------------


async def test_the_same_card_is_not_given_to_the_same_user_for_seven_days(clinic: Clinic) -> None:
    await clinic.opens()
    decision = clinic.served.last()["decisionId"]
    assert kinds(await clinic.opens()) == ALL, "the same day it is given again"
    same_day = clinic.served.last()["decisionId"]
    for day in (1, 7):
        clinic.calendar.go_to(day)
        assert await clinic.opens() == []
        assert clinic.silent == dict.fromkeys(ALL, "unchanged")
        (cause,) = clinic.causes
        assert cause in (decision, same_day)
        assert clinic.served.last()["state"] == [cause]
    clinic.calendar.go_to(8)
    assert kinds(await clinic.opens()) == ALL


async def test_another_clinician_has_not_been_given_it(clinic: Clinic) -> None:
    await clinic.opens(DR_A)
    clinic.calendar.go_to(1)
    assert kinds(await clinic.opens(DR_B)) == ALL
    clinic.calendar.go_to(2)
    assert await clinic.opens(DR_A) == []
    assert await clinic.opens(DR_B) == []


async def test_a_user_who_is_the_patient_is_always_given_it(clinic: Clinic) -> None:
    await clinic.opens("Patient/p1")
    clinic.calendar.go_to(1)
    assert kinds(await clinic.opens("Patient/p1")) == ALL


async def test_any_change_of_the_evidence_makes_it_another_card(clinic: Clinic) -> None:
    await clinic.opens()
    clinic.calendar.go_to(1)
    late = charts.disease_status("progression", "2026-11-02", by="imaging", id="late")
    assert kinds(await clinic.opens(chart=[*myeloma(), late])) == ALL


async def test_the_same_call_again_is_answered_again_past_midnight_too(clinic: Clinic) -> None:
    """A client that lost the answer asks again, with the same hookInstance."""
    instance = "d1577c69-dfbe-44ad-ba6d-3e05e953b2eb"
    clinic.calendar.go_to(0, hour=23)
    await clinic.opens(instance=instance)
    clinic.calendar.go_to(1, hour=0)
    assert kinds(await clinic.opens(instance=instance.upper())) == ALL


async def test_an_answer_that_did_not_leave_gave_nobody_a_card(tmp_path: Path) -> None:
    from cds_service.audit import delivery_event

    with opened(tmp_path) as clinic:
        await clinic.opens()
        decision = clinic.served.last()["decisionId"]
        await clinic.served.log.append(delivery_event(decision, cause="client-gone"))
        clinic.calendar.go_to(1)
        assert kinds(await clinic.opens()) == ALL


# --- where nothing is remembered ---------------------------------------------------------------


async def test_assessing_a_bundle_has_no_memory(clinic: Clinic) -> None:
    (card,) = await clinic.opens()
    await clinic.says(overridden(card, "not-applicable"))
    bundle = {"resourceType": "Bundle", "type": "collection"}
    entries = [{"resource": one} for one in myeloma()]
    answer = await clinic.served.assess(bundle | {"entry": entries}, asOf="2026-11-21")
    advice = answer.json()["cancers"][0]["advice"]
    assert {one["kind"] for one in advice if one["suppressed"] is None} == ALL


class Forgetful:
    """A memory that cannot be asked."""

    def earlier(self, _: Sought) -> list[Remembered]:
        raise LogUnavailable("the decision log cannot be read: disk I/O error")

    def close(self) -> None: ...


async def test_a_log_that_cannot_be_read_is_503_and_no_card(
    tmp_path: Path, said: Callable[[], str]
) -> None:
    """What was set aside is not known: to show it again would be a guess."""
    path = tmp_path / "decisions.db"
    open_decision_log(path).close()
    keys = load_keys(default_key_file(path))
    store = DatabaseStore(path, Recorder(keys=keys, process=Process.this()))
    with serving(tmp_path, log=DecisionLog(store, memory=Forgetful())) as served:
        answer = await served.hook(call(prefetch_of(myeloma())))
        assert answer.status_code == 503
        assert issue_of(answer)["code"] == "no-store"
        stored = served.last()
        assert (stored["outcome"], stored["errorClass"]) == ("failed", "LogUnavailable")
    assert "log.unavailable" in said()


async def test_erasing_the_patient_erases_the_memory(tmp_path: Path) -> None:
    with opened(tmp_path) as clinic:
        (card,) = await clinic.opens()
        await clinic.says(overridden(card, "not-applicable"))
        erased = CliRunner().invoke(
            audit_app,
            ["erase", "--db", str(clinic.served.db), "--patient", "p1", "--ground", "asked for"],
        )
        assert erased.exit_code == 0, erased.output
        assert kinds(await clinic.opens(DR_B)) == ALL
        assert clinic.served.exit_code_of_verify() == 3


# --- what stands in the log --------------------------------------------------------------------


def cards_of(entry: Entry) -> list[dict[str, Any]]:
    cards: list[dict[str, Any]] = entry["cards"]
    return cards


async def test_a_card_says_in_codes_what_it_was_about_and_nothing_of_the_chart(
    clinic: Clinic,
) -> None:
    chart = json.loads(json.dumps(myeloma()).replace('"multiple-myeloma"', '"canary-condition"'))
    chart.append(
        charts.disease_status("progression", "2026-11-02", by="imaging", id="canary-evidence")
    )
    (card,) = await clinic.opens(chart=chart)
    (kept,) = cards_of(clinic.served.last())
    assert {name: kept[name] for name in ("disease", "line", "status", "confidence")} == {
        "disease": "multiple-myeloma", "line": 1, "status": "possible-refractory",
        "confidence": "criteria",
    }  # fmt: skip
    assert kept["suggested"] == kept["advice"]
    assert kept["suggestions"] == [one["uuid"] for one in card["suggestions"]]
    reason = {"reason": {"code": "other", "system": OURS}, "userComment": "canary-comment"}
    await clinic.says(overridden(card, overrideReason=reason))
    await clinic.opens(DR_B, chart)
    searchable = clinic.served.searchable()
    for told in ("canary", "2026-11-02", "Condition/", "Observation/"):
        assert told not in searchable


async def test_feedback_is_found_by_patient_and_reason(clinic: Clinic) -> None:
    from cds_service.audit.listing import Wanted
    from cds_service.audit.reading import open_reader

    (card,) = await clinic.opens()
    pseudonym = clinic.served.last()["patientPseudonym"]
    await clinic.says(overridden(card, "evidence-wrong"), accepted(card, 0))
    with open_reader(clinic.served.db) as reader:

        def found(**having: str) -> list[str]:
            terms = {name: [value] for name, value in having.items()}
            page = reader.page(Wanted(event_type=None, having=terms))
            return [event.event_type for event in page]

        assert found(patient=pseudonym) == ["feedback", "feedback", "decision"]
        assert found(reason="evidence-wrong") == ["feedback"]
        assert found(feedback=pseudonym) == ["feedback", "feedback"]
