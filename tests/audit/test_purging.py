"""What is past its time is removed by an entry that says so; the log verifies as before, and what
goes otherwise, or comes back, is found. The same is asked of a file and of a server."""

from __future__ import annotations

import hashlib
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from audit.samples import (
    Clock,
    Ids,
    a_recorder,
    a_store,
    administrator,
    an_event,
    card_id,
    data_keys_of,
    decision_id,
    envelopes,
    feedback_on,
    kinds,
    places,
    record,
    verified,
)
from cds_service.audit import Event, User, delivery_event, due, purging
from cds_service.audit.address import Address, PostgresAddress, connect
from cds_service.audit.database import Connection
from cds_service.audit.entries import (
    Reader,
    access_event,
    knowledge_activated_event,
    review_event,
)
from cds_service.audit.events import EventType
from cds_service.audit.findings import Kind
from cds_service.audit.holding import Holding
from cds_service.audit.holds import Hold, Scope, hold_event
from cds_service.audit.postgres.connection import PostgresConnection, connected
from cds_service.audit.purging import Account, purge
from cds_service.audit.reading import open_reader
from cds_service.audit.retention import Retention
from cds_service.audit.seal import PayloadPurged
from cds_service.errors import AuditError

THEN = datetime(2018, 6, 10, tzinfo=UTC)
"""Long before anything that a database's own clock may say."""
NOW = datetime(2019, 6, 10, 15, 30, tzinfo=UTC)
"""A year later, in the afternoon: what was recorded before THEN goes."""
BY = Reader(account="somebody", role="operator")
OF_DECISION = {"assessment", "identity", "inputs", "request", "response"}
CONTENTS = OF_DECISION - {"identity"}
Row = tuple[Any, ...]


def in_hands_of(where: Address, role: str) -> Address:
    """The log as this role of a server sees it; a file has no roles."""
    if isinstance(where, PostgresAddress):
        return PostgresAddress(where.url.replace("//service@", f"//{role}@"))
    return where


def purged(where: Address, **months: int) -> Account:
    return purge(
        in_hands_of(where, "retention"),
        Retention(**months),
        by=BY,
        data_keys=data_keys_of(where),
        clock=Clock(NOW),
    )


def what_is_due(where: Address) -> Account:
    return purging.due(where, Retention(), NOW)


def put(where: Address, at: datetime, *events: Event, **changes: Any) -> None:
    """These entries, recorded at about that time."""
    with closing(a_store(where, a_recorder(Clock(at), **changes))) as store:
        record(store, *events)


def tamper(where: Address, statement: str) -> None:
    """What an administrator does who leaves no guard missing."""
    if isinstance(where, PostgresAddress):
        whole = PostgresAddress(where.url.replace("//service@", "//postgres@"))
        with (
            closing(connected(whole, 5.0)) as db,
            closing(PostgresConnection(db, patience_seconds=5)) as wrapped,
        ):
            db.execute("SET session_replication_role = replica")
            wrapped.execute(statement)
        return
    with closing(sqlite3.connect(where)) as file:
        guards = file.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall()
        for name, _ in guards:
            file.execute(f"DROP TRIGGER {name}")
        file.execute(statement)
        for _, made in guards:
            file.execute(made)
        file.commit()


def rows(where: Address) -> list[Row]:
    with closing(connect(where, read_only=True)) as db:
        found = db.execute("SELECT * FROM payloads ORDER BY seq, name").fetchall()
    return [(seq, name, scheme, key, bytes(n), bytes(s)) for seq, name, scheme, key, n, s in found]


def left(where: Address, seq: int) -> set[str]:
    return {row[1] for row in rows(where) if row[0] == seq}


def of_type(where: Address, kind: str) -> list[dict[str, Any]]:
    return [one for one in envelopes(where) if one["eventType"] == kind]


def removals(where: Address) -> list[dict[str, Any]]:
    return [one for one in of_type(where, "purge") if "purged" in one]


def old_review(number: int) -> Event:
    reader = Reader(account="r", role="clinical-reviewer")
    of = {"decisionId": decision_id(number)}
    return review_event(reader, of, verdict="wrong", comment="SAID-IN-REVIEW")


@pytest.fixture
def log(where: Address) -> Address:
    """Entries 1 to 7 are old: three decisions, feedback and a review on the first, an access and a
    delivery between them. Entries 8 and 9 are of the day itself."""
    reading = access_event(
        Reader(account="a", role="auditor", reason="WHY"), command="list", query={}, rows=1
    )
    put(
        where,
        THEN - timedelta(days=1),
        an_event(1),
        feedback_on(card_id(1)),
        reading,
        an_event(2),
        old_review(1),
        delivery_event(decision_id(2)),
        an_event(3),
    )
    put(where, THEN, an_event(4), feedback_on(card_id(4)), make_id=Ids(after=50))
    return where


# --- what goes, and what stays ----------------------------------------------------------------


def test_what_charts_said_goes_and_envelopes_and_identities_stay(log: Address) -> None:
    before, whole = envelopes(log), rows(log)
    account = purged(log)
    assert {seq: left(log, seq) for seq in range(1, 10)} == {
        1: {"identity"}, 2: set(), 3: {"reason"}, 4: {"identity"}, 5: set(), 6: set(),
        7: {"identity"}, 8: OF_DECISION, 9: {"feedback"},
    }  # fmt: skip
    assert envelopes(log)[:9] == before
    gone = [row for row in whole if row not in rows(log)]
    contents, identities = account.shares
    assert (contents.entries, contents.payloads, identities.entries) == (5, len(gone), 0)
    assert contents.bytes == sum(len(row[4]) + len(row[5]) for row in gone)
    assert (contents.oldest, contents.newest) == (before[0]["recordedAt"], before[6]["recordedAt"])


def test_the_log_verifies_as_before_and_a_note_says_what_is_gone(log: Address) -> None:
    before = verified(log)
    purged(log)
    report = verified(log)
    assert (report.exit_code, kinds(report)) == (before.exit_code, set())
    assert places(report, Kind.PAYLOAD_PURGED) == [(1, 7)]


@pytest.mark.parametrize(
    ("at", "goes"),
    [
        pytest.param(THEN - timedelta(milliseconds=2), True, id="the last moment before the day"),
        pytest.param(THEN - timedelta(milliseconds=1), False, id="the first moment of the day"),
    ],
)
def test_a_year_is_counted_in_whole_days(where: Address, at: datetime, goes: bool) -> None:
    """The clock moves by a millisecond before it tells the time. After it, it was set back."""
    put(where, at, an_event(1))
    put(where, THEN - timedelta(days=9), an_event(2), make_id=Ids(after=50))
    purged(where)
    assert left(where, 1) == ({"identity"} if goes else OF_DECISION)
    assert left(where, 2) == {"identity"}


@pytest.mark.parametrize(
    ("months", "kept"),
    [
        pytest.param({"contents_months": 13}, OF_DECISION, id="contents are kept a month longer"),
        pytest.param({}, {"identity"}, id="a year"),
        pytest.param({"contents_months": 6, "entries_months": 12}, set(), id="identities, too"),
        pytest.param({"entries_months": 13}, {"identity"}, id="identities a month longer"),
    ],
)
def test_contents_and_identities_have_periods_of_their_own(
    where: Address, months: dict[str, int], kept: set[str]
) -> None:
    put(where, THEN - timedelta(days=1), an_event(1))
    purged(where, **months)
    assert left(where, 1) == kept


def test_after_the_second_period_reasons_of_readings_go_and_those_of_holds_stay(
    where: Address,
) -> None:
    who = Reader(account="a", role="auditor", reason="WHY")
    put(
        where,
        THEN - timedelta(days=1),
        access_event(who, command="show", query={}, rows=1),
        hold_event(who, "placed", scope=Scope(user="Practitioner/nobody")),
        knowledge_activated_event("2018.06.0", "sha256:" + "ab" * 32, b"{}"),
        an_event(1),
    )
    purged(where, contents_months=12, entries_months=12)
    assert [left(where, seq) for seq in (1, 2, 3, 4)] == [set(), {"reason"}, {"package"}, set()]
    report = verified(where)
    assert (kinds(report), places(report, Kind.PAYLOAD_PURGED)) == (set(), [(4, 4), (1, 4)])


def test_what_would_go_is_what_goes_and_looking_removes_nothing(log: Address) -> None:
    before = rows(log), len(envelopes(log))
    looked = what_is_due(log)
    assert (rows(log), len(envelopes(log))) == before
    assert purged(log).as_json() == looked.as_json()


def test_a_second_run_finds_nothing_and_says_so(log: Address) -> None:
    purged(log)
    before = rows(log), len(removals(log))
    account = purged(log)
    assert [share.entries for share in account.shares] == [0, 0]
    assert (rows(log), len(removals(log))) == before
    assert of_type(log, "purge")[-1]["result"]["contents"]["entries"] == 0


def test_the_entry_names_what_went_so_that_anybody_can_count_again(log: Address) -> None:
    before = envelopes(log)
    purged(log)
    (entry,) = removals(log)
    said = entry["purged"]
    assert said["runs"] == [[1, 7]]
    assert (said["part"], said["before"]) == ("contents", "2018-06-10T00:00:00.000000Z")
    lines = [
        f"{one['seq']} {name} {digest}\n"
        for one in before[:7]
        if one["eventType"] in said["types"]
        for name, digest in sorted(one["sealed"]["digests"].items())
        if name in said["names"]
    ]
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()
    assert (said["payloads"], said["digest"]) == (len(lines), f"sha256:{digest}")
    assert entry["reader"] == {"account": "somebody", "role": "operator"}


def test_a_payload_that_went_is_said_to_be_purged_and_when(log: Address) -> None:
    purged(log)
    with open_reader(log) as reader:
        event = reader.find("1")
        assert event
        with pytest.raises(PayloadPurged, match=r"purged by its age on 2019-06-10 \(entry 10\)"):
            reader.content(event, "response")


# --- holds ------------------------------------------------------------------------------------

SCOPES: list[Any] = [
    pytest.param(Scope(), {1, 2, 3, 4, 5, 6}, id="everybody"),
    pytest.param("decision 1", {1, 2, 4}, id="a patient: all that is about them"),
    pytest.param(Scope(user="Practitioner/dr-b"), {3, 6}, id="a clinician, also on nobody"),
    pytest.param(Scope(user="Practitioner/nobody"), set(), id="another clinician"),
    pytest.param(Scope(rule="multiple-myeloma.imwg-60-days"), {1, 2, 3, 4, 5, 6}, id="a rule"),
    pytest.param(Scope(rule="gtn.rise"), set(), id="another rule"),
    pytest.param(Scope(disease="multiple-myeloma"), {1, 2, 3, 4, 5, 6}, id="a disease"),
    pytest.param(
        Scope(since=THEN - timedelta(days=2)), {1, 2, 4, 5, 6}, id="times: also what was before"
    ),
    pytest.param(Scope(until=THEN - timedelta(days=2)), {1, 2, 3, 4}, id="times, up to then"),
    pytest.param(Scope(since=THEN), set(), id="later times"),
    pytest.param(
        Scope(user="Practitioner/dr-a", since=THEN - timedelta(days=2)), {1, 2, 4, 5}, id="both"
    ),
]


@pytest.mark.parametrize(("scope", "stays"), SCOPES)
def test_what_a_hold_covers_stays_and_is_counted(
    where: Address, scope: Any, stays: set[int]
) -> None:
    put(
        where,
        THEN - timedelta(days=9),
        an_event(1),
        feedback_on(card_id(1)),
        an_event(2, user=user("Practitioner/dr-b")),
    )
    on_nobody = an_event(6, patient_id=None, user=user("Practitioner/dr-b"))
    later = (an_event(3, patient_id="p1"), an_event(5), on_nobody)
    put(where, THEN - timedelta(days=1), *later, make_id=Ids(after=50))
    if scope == "decision 1":
        scope = Scope(pseudonym=envelopes(where)[0]["patientPseudonym"])
    put(where, NOW, hold_event(BY, "placed", scope=scope), make_id=Ids(after=70))
    before = rows(where)
    account = purged(where, contents_months=6, entries_months=6)
    after = {seq for seq in range(1, 7) if left(where, seq)}
    assert after == stays
    assert [row for row in before if row[0] in stays] == rows(where)
    assert account.held.total() == len(rows(where))
    assert kinds(verified(where)) == set()


@pytest.mark.parametrize(
    ("scope", "is_kept"),
    [
        ({"since": "2018-06-01T12:00:00+00:00"}, True),
        ({"since": "2018-06-01T12:00:00.000001+00:00"}, False),
        ({"until": "2018-06-01T12:00:00.000001+00:00"}, True),
        ({"until": "2018-06-01T12:00:00+00:00"}, False),
        ({"user": "Practitioner/a"}, True),
        ({"user": "Practitioner/a", "since": "2018-06-02T00:00:00+00:00"}, False),
        ({"user": "Practitioner/b"}, False),
        ({}, True),
    ],
)
def test_an_entry_on_nobody_is_kept_where_the_hold_names_it(
    scope: dict[str, str], is_kept: bool
) -> None:
    hold = Hold("h", 9, "2019-01-01", "somebody", Scope.of({"scope": scope}))
    members = {"recordedAt": "2018-06-01T12:00:00.000000Z", "user": {"userId": "Practitioner/a"}}
    assert Holding(hold, frozenset()).keeps(members) is is_kept


def user(name: str) -> User:
    return User(user_id=name, roles=("oncologist",))


def test_under_a_hold_on_everybody_nothing_changes_and_it_is_said_why(log: Address) -> None:
    put(log, NOW, hold_event(BY, "placed"), make_id=Ids(after=70))
    before = rows(log)
    due_but_held = [row for row in before if row[0] < 8 and row[1] not in ("identity", "reason")]
    account = purged(log)
    assert (rows(log)[: len(before)], removals(log)) == (before, [])
    (hold,) = account.holds
    assert of_type(log, "purge")[-1]["result"]["held"] == {hold.hold_id: len(due_but_held)}


def test_what_was_held_goes_when_the_hold_is_released(log: Address) -> None:
    held = envelopes(log)[3]["patientPseudonym"]
    put(log, NOW, hold_event(BY, "placed", scope=Scope(pseudonym=held)), make_id=Ids(after=70))
    purged(log)
    assert removals(log)[0]["purged"]["runs"] == [[1, 2], [5, 7]]
    hold = of_type(log, "legal-hold")[0]["eventId"]
    put(log, NOW, hold_event(BY, "released", hold=hold), make_id=Ids(after=80))
    purged(log)
    assert removals(log)[1]["purged"]["runs"] == [[4, 4]]
    assert left(log, 4) == {"identity"}
    assert kinds(verified(log)) == set()


def test_a_hold_that_comes_in_between_stops_it(
    log: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due, "_ENTRIES_A_BATCH", 2)
    removed = purging._Purging.remove

    def after_a_hold(store: Any, *arguments: Any) -> None:
        if removals(log):
            put(log, NOW, hold_event(BY, "placed"), make_id=Ids(after=70))
        removed(store, *arguments)

    monkeypatch.setattr(purging._Purging, "remove", after_a_hold)
    with pytest.raises(AuditError, match="placed or released meanwhile"):
        purged(log)
    assert (left(log, 1), left(log, 4)) == ({"identity"}, OF_DECISION)
    assert kinds(verified(log)) == set()


# --- all or nothing ---------------------------------------------------------------------------


def test_a_run_that_fails_leaves_whole_batches_and_the_next_goes_on(
    log: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due, "_ENTRIES_A_BATCH", 2)
    left_over = [len(rows(log))]
    for commits, batches in ((0, 0), (1, 1), (0, 1), (1, 2)):
        with monkeypatch.context() as patch:
            patch.setattr(purging._Purging, "_commit", failing_after(commits))
            with pytest.raises(AuditError, match="killed on purpose"):
                purged(log)
        report = verified(log)
        assert (report.exit_code, kinds(report), len(removals(log))) == (3, set(), batches)
        left_over.append(len(rows(log)))
    assert left_over[0] == left_over[1] > left_over[2] == left_over[3] > left_over[4]
    account = purged(log)
    assert account.shares[0].entries == 1
    assert [one["purged"]["runs"] for one in removals(log)] == [[[1, 2]], [[4, 5]], [[7, 7]]]
    assert kinds(verified(log)) == set()


def failing_after(commits: int) -> Callable[[Any, Connection], None]:
    """A commit that fails when so many have not."""
    done = 0

    def commit(store: Any, db: Connection) -> None:
        nonlocal done
        if done >= commits:
            raise AuditError("killed on purpose")
        done += 1
        db.execute("COMMIT")

    return commit


def test_payloads_that_are_erased_meanwhile_stop_the_batch(
    log: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed = purging._Purging.remove

    def after_another(store: Any, *arguments: Any) -> None:
        monkeypatch.setattr(purging._Purging, "remove", removed)
        purged(log)
        removed(store, *arguments)

    monkeypatch.setattr(purging._Purging, "remove", after_another)
    with pytest.raises(AuditError, match="changed meanwhile"):
        purged(log)
    assert len(removals(log)) == 1
    assert kinds(verified(log)) == set()


# --- what verify finds ------------------------------------------------------------------------


@pytest.mark.parametrize("seq", [1, 4, 7])
@pytest.mark.parametrize("name", ["request", "response"])
def test_a_payload_that_is_put_back_is_found(log: Address, seq: int, name: str) -> None:
    (row,) = [row for row in rows(log) if row[:2] == (seq, name)]
    purged(log)
    with administrator(log) as db:
        db.execute("INSERT INTO payloads VALUES (?, ?, ?, ?, ?, ?)", row)
    report = verified(log)
    assert (report.exit_code, kinds(report)) == (1, {Kind.PAYLOAD_ALTERED})
    assert places(report, Kind.PAYLOAD_ALTERED) == [(seq, seq)]


@pytest.mark.parametrize(
    ("seq", "name"),
    [
        pytest.param(8, "request", id="younger than what went"),
        pytest.param(1, "identity", id="of another part, amid what went"),
        pytest.param(3, "reason", id="of another type, amid what went"),
        pytest.param(9, "feedback", id="the last one"),
    ],
)
def test_a_payload_that_went_without_an_entry_is_missed(log: Address, seq: int, name: str) -> None:
    purged(log)
    with administrator(log) as db:
        db.execute("DELETE FROM payloads WHERE seq = ? AND name = ?", (seq, name))
    report = verified(log)
    assert (report.exit_code, kinds(report)) == (1, {Kind.PAYLOAD_MISSING})
    assert places(report, Kind.PAYLOAD_MISSING) == [(seq, seq)]


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        pytest.param(
            "DELETE FROM payloads WHERE seq = 4 AND name = 'request'", Kind.PAYLOAD_MISSING,
            id="removed",
        ),
        pytest.param(
            "UPDATE payloads SET stored = nonce WHERE seq = 4 AND name = 'request'",
            Kind.PAYLOAD_ALTERED, id="altered",
        ),
        pytest.param(
            "UPDATE payloads SET name = 'snapshot' WHERE seq = 4 AND name = 'request'",
            Kind.PAYLOAD_ALTERED, id="renamed",
        ),
    ],
)  # fmt: skip
def test_a_purge_launders_nothing(log: Address, harm: str, found: Kind) -> None:
    """What was not as recorded before it stays, and stays found."""
    tamper(log, harm)
    before = [row for row in rows(log) if row[0] == 4]
    assert found in kinds(verified(log))
    account = purged(log)
    assert account.not_as_recorded == {4}
    assert [row for row in rows(log) if row[0] == 4] == before
    assert removals(log)[0]["purged"]["runs"] == [[1, 2], [5, 7]]
    report = verified(log)
    assert found in kinds(report)
    assert places(report, found) == [(4, 4)]


def test_an_entry_that_is_not_as_recorded_keeps_its_payloads(log: Address) -> None:
    tamper(log, "UPDATE events SET recorded_at = '2000-01-01' WHERE seq = 8")
    assert purged(log).not_as_recorded == {8}
    assert left(log, 8) == OF_DECISION


def test_an_entry_whose_bytes_were_altered_keeps_its_payloads(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    put(path, THEN - timedelta(days=1), an_event(1), an_event(2))
    words = "CAST(envelope AS TEXT), 'possible-refractory', 'possible-relapsing!'"
    tamper(path, f"UPDATE events SET envelope = CAST(replace({words}) AS BLOB) WHERE seq = 1")  # noqa: S608
    assert purged(path).not_as_recorded == {1}
    assert (left(path, 1), left(path, 2)) == (OF_DECISION, {"identity"})


def test_an_entry_that_is_altered_after_the_purge_is_one_finding(log: Address) -> None:
    """That the purge does not add up any more merely follows from it."""
    purged(log)
    with administrator(log) as db:
        db.execute("UPDATE events SET envelope = prev_hash WHERE seq = 4")
    report = verified(log)
    assert (report.exit_code, kinds(report)) == (1, {Kind.CONTENT_ALTERED})


FORGED: list[Any] = [
    pytest.param({"digest": "sha256:" + "00" * 32}, {Kind.PAYLOAD_MISSING}, id="another digest"),
    pytest.param({"payloads": 3}, {Kind.PAYLOAD_MISSING}, id="another count"),
    pytest.param({"names": ["request"]}, {Kind.PAYLOAD_MISSING}, id="other names"),
    pytest.param({"types": ["feedback"]}, {Kind.PAYLOAD_MISSING}, id="other types"),
    pytest.param({"runs": [[5, 5]]}, {Kind.PAYLOAD_MISSING}, id="another entry"),
    pytest.param({"runs": [[4, 99]]}, {Kind.PAYLOAD_MISSING}, id="entries after it"),
    pytest.param({"runs": [[5, 4]]}, {Kind.PAYLOAD_MISSING}, id="runs backwards"),
    pytest.param({"before": "2018-06-08T00:00:00.000000Z"}, {Kind.PAYLOAD_MISSING}, id="too old"),
    pytest.param({"before": "2019-01-01T00:00:00.000000Z"}, {Kind.PAYLOAD_MISSING}, id="too young"),
    pytest.param({}, set(), id="as a purge would have said it"),
]


@pytest.mark.parametrize(("changes", "found"), FORGED)
def test_an_entry_accounts_for_nothing_but_what_it_names(
    log: Address, changes: dict[str, Any], found: set[Kind]
) -> None:
    """Somebody who may write puts in an entry, and an administrator removes payloads."""
    digests = {n: d for n, d in envelopes(log)[3]["sealed"]["digests"].items() if n in CONTENTS}
    lines = "".join(f"4 {name} {digests[name]}\n" for name in sorted(digests))
    said: dict[str, Any] = {
        "part": "contents",
        "types": ["decision"],
        "names": sorted(digests),
        "before": "2018-06-10T00:00:00.000000Z",
        "runs": [[4, 4]],
        "entries": 1,
        "payloads": len(digests),
        "digest": f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}",
    } | changes
    event = Event(type=EventType.PURGE, members={"reader": BY.as_json(), "purged": said})
    put(log, datetime(2018, 12, 9, tzinfo=UTC), event, make_id=Ids(after=70))
    with administrator(log) as db:
        db.execute("DELETE FROM payloads WHERE seq = 4 AND name <> 'identity'")
    report = verified(log)
    assert kinds(report) == found


# --- many logs, by brute force ----------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_what_goes_is_what_a_slow_look_says(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entries of all ages and types in any order, some held, in batches of any size."""
    chance = random.Random(seed)  # noqa: S311 # an order that can be repeated
    path = tmp_path / "log.db"
    monkeypatch.setattr(due, "_ENTRIES_A_BATCH", chance.randint(1, 4))
    monkeypatch.setattr(due, "_AT_ONCE", chance.randint(1, 5))
    for number in range(1, 21):
        patient, user_id = f"p{chance.randint(1, 4)}", f"Practitioner/{chance.choice('ab')}"
        event = chance.choice(
            [
                an_event(number, patient_id=patient, user=user(user_id)),
                an_event(number, patient_id=None),
                feedback_on(card_id(chance.randint(1, 20))),
                delivery_event(decision_id(number)),
                access_event(
                    Reader(account="a", role="auditor", reason="WHY"),
                    command="list", query={}, rows=1,
                ),
            ]
        )  # fmt: skip
        at = THEN + timedelta(days=chance.randint(-30, 30))
        put(path, at, event, make_id=Ids(after=100 * number))
    if chance.random() < 0.7:
        scope = Scope(user="Practitioner/a")
        put(path, NOW, hold_event(BY, "placed", scope=scope), make_id=Ids(after=5000))
    before, entries = rows(path), {one["seq"]: one for one in envelopes(path)}
    is_held = any(one["eventType"] == "legal-hold" for one in entries.values())
    patients = {
        one.get("patientPseudonym")
        for one in entries.values()
        if one.get("user", {}).get("userId") == "Practitioner/a"
    } - {None}

    def goes(row: Row) -> bool:
        one = entries[row[0]]
        held = is_held and (
            one.get("patientPseudonym") in patients
            or one.get("user", {}).get("userId") == "Practitioner/a"
        )
        is_old = one["recordedAt"] < "2018-06-10T00:00:00.000000Z"
        return is_old and not held and row[1] not in ("identity", "reason")

    purged(path)
    assert rows(path)[: len(before)] == [row for row in before if not goes(row)]
    report = verified(path)
    assert (report.exit_code, kinds(report)) == (3, set())
    assert (len(removals(path)) > 0) == any(map(goes, before))
    with open_reader(path) as reader:
        events = {event.seq: event for event in reader.events()}
        for row in before:
            by = reader.purge_of(events[row[0]], row[1])
            assert (by is not None) is goes(row)
            assert by == reader.purged().of(*events[row[0]].known_by, row[1])
