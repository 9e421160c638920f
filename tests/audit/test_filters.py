"""Every filter of the list is a plain question, and the answer is that of reading every entry."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from audit.asked_of import (
    ADVICE,
    CAVEATS,
    CLIENTS,
    DISEASES,
    KNOWLEDGE,
    MISSING,
    REASONS,
    RULES,
    SITES,
    SOFTWARE,
    STATES,
    STATUSES,
    SUPPRESSED,
    USERS,
    varied_log,
)
from audit.samples import KEY, decision_id, envelopes
from cds_service.audit.commands import audit_app
from cds_service.audit.events import EventType
from cds_service.audit.filter_options import FILTER_OPTIONS
from cds_service.audit.filters import Filter
from cds_service.audit.listing import Wanted
from cds_service.audit.reading import LogReader, open_reader
from cds_service.audit.searching import matching, page

Members = dict[str, Any]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return varied_log(tmp_path_factory.mktemp("varied") / "log.db")


def run(*arguments: object, **more: Any) -> Result:
    return CliRunner().invoke(audit_app, [str(one) for one in arguments], **more)


def listed(*arguments: object, **more: Any) -> list[Members]:
    result = run("list", "--format", "json", "--limit", 500, *arguments, **more)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, list)
    return found


# --- the plainest reading of an envelope ---------------------------------------------------------


def lines(entry: Members) -> list[Members]:
    if "onCard" in entry:
        return [{**entry["onCard"], "number": entry["onCard"]["line"]}]
    return [
        {"disease": cancer["disease"], **line}
        for cancer in entry.get("cancers", [])
        for line in cancer.get("lines") or [{}]
    ]


def pieces(entry: Members) -> list[Members]:
    on_card = entry.get("onCard", {}).get("advice", [])
    return [*entry.get("advice", []), *({"kind": kind} for kind in on_card)]


def said_last(entry: Members, everything: list[Members]) -> list[tuple[str, str | None]]:
    """State and reason of each card of a decision, or of the feedback itself."""
    if entry["eventType"] == "feedback":
        state = "orphan" if "orphan" in entry else entry["outcome"]
        return [(state, entry.get("overrideReason", {}).get("code"))]
    about = [one for one in everything if one.get("decisionId") == entry.get("decisionId")]
    if entry.get("mode") != "live" or any(one["eventType"] == "delivery" for one in about):
        return []
    states = []
    for card in entry.get("cards", []):
        said = [one for one in about if one.get("card") == card["uuid"] and "orphan" not in one]
        said.sort(key=lambda one: (one["outcomeTimestamp"], one["seq"]))
        last: Members = said[-1] if said else {"outcome": "none"}
        states.append((last["outcome"], last.get("overrideReason", {}).get("code")))
    return states


def has(asked: str | None, among: list[Any]) -> bool:
    there = [one for one in among if one is not None]
    return asked is None or (bool(there) if asked == "any" else asked in there)


def by_brute_force(entry: Members, asked: Filter, everything: list[Members]) -> bool:
    user, client = entry.get("user", {}), entry.get("client", {})
    took = entry.get("latencyMs", {}).get("total")
    missing = [
        {one["key"], one["code"], f"{one['key']}:{one['code']}", "any"}
        for one in entry.get("inputsMissing", [])
    ]
    of_line = [
        line
        for line in lines(entry)
        if has(asked.disease, [line.get("disease")])
        and asked.line in (None, line.get("number"))
        and has(asked.status, [line.get("status")])
        and has(asked.pattern, [line.get("pattern")])
        and has(asked.confidence, [line.get("confidence")])
        and has(asked.rule, line.get("rules", []))
        and has(asked.rule_not_met, [one["rule"] for one in line.get("rulesNotMet", [])])
        and has(asked.caveat, line.get("caveats", []))
    ]
    asks_of_line = any(
        getattr(asked, name) is not None
        for name in ("disease", "line", "status", "pattern", "confidence", "rule",
                     "rule_not_met", "caveat")
    )  # fmt: skip
    of_advice = [
        one
        for one in pieces(entry)
        if has(asked.advice, [one["kind"]]) and has(asked.suppressed, [one.get("suppressed")])
    ]
    of_feedback = [
        state
        for state, reason in said_last(entry, everything)
        if has(asked.feedback, [state]) and has(asked.override_reason, [reason])
    ]
    reviews = [
        one
        for one in (everything if entry["eventType"] == "decision" else [entry])
        if one["eventType"] == "review" and one.get("decisionId") == entry.get("decisionId")
    ]
    verdicts = [one["verdict"] for one in reviews[-1:]]  # of one reviewer
    is_reviewed = (
        not verdicts and entry["eventType"] == "decision"
        if asked.reviewed == "none"
        else has(asked.reviewed, verdicts)
    )
    return (
        is_reviewed
        and has(asked.service, [entry.get("serviceId")])
        and has(asked.hook, [entry.get("hook")])
        and has(asked.outcome, [entry.get("outcome")])
        and has(asked.client, [client.get("iss")])
        and has(asked.user, [user.get("userId")])
        and has(asked.site, [user.get("facility"), user.get("location")])
        and has(asked.mode, [entry.get("mode")])
        and has(asked.error, [entry.get("errorClass")])
        and has(asked.knowledge, [entry.get("knowledge", {}).get("version")])
        and has(asked.software, [entry.get("software", {}).get("version")])
        and (asked.missing is None or any(asked.missing in one for one in missing))
        and (asked.slower_than is None or (took is not None and took > asked.slower_than))
        and (asked.faster_than is None or (took is not None and took < asked.faster_than))
        and (not asks_of_line or bool(of_line))
        and ((asked.advice, asked.suppressed) == (None, None) or bool(of_advice))
        and ((asked.feedback, asked.override_reason) == (None, None) or bool(of_feedback))
    )


VALUES: dict[str, list[Any]] = {
    "service": ["refractory-status", "order-check", "nobody"],
    "hook": ["patient-view", "order-sign"],
    "outcome": ["cards-returned", "no-cancer", "overridden"],
    "client": [*filter(None, (one.iss for one in CLIENTS)), "any"],
    "user": [*USERS, "Practitioner/c"],
    "site": [*filter(None, SITES), "any"],
    "mode": ["live", "silent"],
    "error": ["Overloaded", "any"],
    "knowledge": list(KNOWLEDGE),
    "software": list(SOFTWARE),
    "missing": [*(key for key, _ in MISSING), *(code for _, code in MISSING),
                *(":".join(one) for one in MISSING), "conditions:denied", "any"],
    "disease": list(DISEASES),
    "line": [1, 2, 3],
    "status": list(STATUSES),
    "pattern": ["primary", "any"],
    "confidence": ["criteria", "signal", "any"],
    "rule": [*RULES, "any"],
    "rule_not_met": [*RULES, "no.such"],
    "caveat": [*CAVEATS, "any"],
    "advice": list(ADVICE),
    "suppressed": [*filter(None, SUPPRESSED), "any"],
    "feedback": [*STATES, "orphan"],
    "override_reason": [*REASONS, "any", "other"],
    "reviewed": ["right", "wrong", "any", "none"],
    "slower_than": [0.0, 20.0, 36.0],
    "faster_than": [20.0, 36.0, 50.0],
}  # fmt: skip


def test_every_filter_is_tried_and_has_an_option() -> None:
    assert set(VALUES) == {one.name for one in fields(Filter)}
    assert set(VALUES) <= set(FILTER_OPTIONS)


ONE_EACH = [(name, value) for name, values in VALUES.items() for value in values]
filters = st.lists(st.sampled_from(ONE_EACH), max_size=3).map(lambda chosen: Filter(**dict(chosen)))
types = st.sampled_from([None, EventType.DECISION, EventType.FEEDBACK])


def expected(path: Path, asked: Filter, kind: EventType | None) -> list[int]:
    everything = envelopes(path)
    return [
        one["seq"]
        for one in everything
        if kind in (None, one["eventType"]) and by_brute_force(one, asked, everything)
    ]


def wanted_of(asked: Filter, kind: EventType | None, **more: Any) -> Wanted:
    return Wanted(event_type=kind, having=asked.terms, **more)


@pytest.mark.parametrize(("name", "value"), ONE_EACH)
def test_each_filter_alone_finds_what_reading_every_entry_finds(
    path: Path, name: str, value: Any
) -> None:
    asked = Filter(**{name: value})
    for kind in (None, EventType.DECISION, EventType.FEEDBACK):
        with open_reader(path) as reader:
            found = [one.seq for one in matching(reader, wanted_of(asked, kind), asked)]
        assert found == expected(path, asked, kind)


NOT_THERE = {
    ("service", "nobody"), ("user", "Practitioner/c"), ("rule_not_met", "no.such"),
    ("missing", "conditions:denied"), ("line", 3), ("override_reason", "other"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "value"), [one for one in ONE_EACH if one not in NOT_THERE])
def test_the_log_of_these_tests_has_some_of_each_and_never_all(
    path: Path, name: str, value: Any
) -> None:
    found = expected(path, Filter(**{name: value}), None)
    assert 0 < len(found) < len(envelopes(path))


@given(filters, types, st.sampled_from([1, 7, 500]), st.sampled_from([0, 9, 25_000]))
def test_pages_together_are_the_whole_list_the_newest_first(
    path: Path, asked: Filter, kind: EventType | None, limit: int, most: int
) -> None:
    with open_reader(path) as reader:
        found: list[int] = []
        before: int | None = None
        while True:
            wanted = wanted_of(asked, kind, limit=limit, before=before)
            one = page(reader, wanted, asked, most)
            assert len(one.events) <= limit
            assert not most or one.looked_at <= (most if asked != Filter() else limit + 1)
            found += [event.seq for event in one.events]
            before = one.go_on_before
            if before is None:
                break
    assert found == expected(path, asked, kind)[::-1]


def test_a_page_that_just_fits_has_no_next_one(path: Path) -> None:
    count = len(expected(path, Filter(), EventType.DECISION))
    with open_reader(path) as reader:
        for limit, is_last in ((count - 1, False), (count, True), (count + 1, True)):
            one = page(reader, Wanted(limit=limit), Filter())
            assert (one.go_on_before is None) is is_last


def test_a_plain_page_reads_no_more_than_it_shows(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_for: list[int] = []
    real = LogReader.newest

    def counting(self: LogReader, wanted: Wanted) -> Any:
        asked_for.append(wanted.limit)
        return real(self, wanted)

    monkeypatch.setattr(LogReader, "newest", counting)
    with open_reader(path) as reader:
        page(reader, Wanted(limit=10), Filter())
    assert asked_for == [11]


def test_conditions_hold_of_one_line_and_of_one_piece_of_advice(path: Path) -> None:
    everything = envelopes(path)
    apart = Filter(disease="dlbcl", status="stable")
    loose = [
        one["seq"]
        for one in everything
        if any(line["disease"] == "dlbcl" for line in lines(one))
        and any(line.get("status") == "stable" for line in lines(one))
    ]
    assert set(expected(path, apart, None)) < set(loose)


# --- as an auditor types it ----------------------------------------------------------------------


def test_options_are_the_filters(path: Path) -> None:
    typed = [
        "--rule", RULES[1], "--line", "1", "--client", "https://a.example", "--feedback", "none",
        "--slower-than", "10",
    ]  # fmt: skip
    asked = Filter(
        rule=RULES[1], line=1, client="https://a.example", feedback="none", slower_than=10
    )
    found = [one["seq"] for one in listed("--db", path, *typed)]
    assert found == expected(path, asked, EventType.DECISION)[::-1] != []
    query = envelopes(path)[-1]["query"]
    assert query == {
        "rule": RULES[1], "line": "1", "client": "https://a.example", "feedback": "none",
        "slowerThan": "10.0", "type": "decision",
    }  # fmt: skip


def test_a_list_says_how_to_get_the_next_page(path: Path) -> None:
    first = run("list", "--db", path, "--limit", 3, "--format", "json")
    seqs = [one["seq"] for one in json.loads(first.stdout)]
    assert first.stderr.strip() == f"next page: --before {seqs[-1]}"
    second = listed("--db", path, "--before", seqs[-1])
    assert (
        seqs + [one["seq"] for one in second] == expected(path, Filter(), EventType.DECISION)[::-1]
    )


def test_a_list_that_was_cut_short_says_how_far_it_looked(path: Path) -> None:
    result = run("list", "--db", path, "--rule", "no.such", "--look-at", 5)
    assert "looked at 5 entries; next page: --before " in result.stderr
    assert "next page" not in run("list", "--db", path, "--rule", "no.such").output


def test_after_and_before_are_both_outside(path: Path) -> None:
    assert [one["seq"] for one in listed("--db", path, "--type", "all", "--after", 5, "--before", 9)] == [8, 7, 6]  # noqa: E501  # fmt: skip


def key_file(path: Path) -> Path:
    file = path.with_name("pseudonym-key")
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(KEY.secret.hex())
    return file


ASK: list[tuple[str, Callable[[Path], list[str]], str | None]] = [
    ("a file", lambda folder: ["--patient-from", str(folder / "patient")], None),
    ("standard input", lambda _: ["--patient-from", "-"], "p5\n"),
]


@pytest.mark.parametrize(("where", "arguments", "typed"), ASK, ids=[one[0] for one in ASK])
def test_a_patient_is_found_by_an_id_that_stands_on_no_command_line(
    path: Path,
    tmp_path: Path,
    where: str,
    arguments: Callable[[Path], list[str]],
    typed: str | None,
) -> None:
    (tmp_path / "patient").write_text("p5\n")
    whose = ["--fhir-server", "https://ehr.example/fhir", "--key-file", key_file(path)]
    client = ["--client", str(CLIENTS[5 % 3].iss)] if CLIENTS[5 % 3].iss else []
    found = listed("--db", path, *arguments(tmp_path), *whose, *client, input=typed)
    assert [one["decisionId"] for one in found] == [decision_id(5)]
    last = envelopes(path)[-1]
    assert last["query"]["patient"] == "(by id)"
    assert "p5" not in json.dumps(last["query"])


def test_a_patient_whom_the_log_does_not_know_has_no_entries(path: Path, tmp_path: Path) -> None:
    (tmp_path / "patient").write_text("nobody")
    where = ["--patient-from", tmp_path / "patient", "--key-file", key_file(path)]
    assert listed("--db", path, *where) == []


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe"])
def test_a_patient_who_cannot_be_read_is_one_line(
    path: Path, tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "patient").write_bytes(content)
    result = run(
        "list", "--db", path, "--patient-from", tmp_path / "patient", "--key-file", key_file(path)
    )
    assert (result.exit_code, result.stdout, len(result.stderr.splitlines())) == (2, "", 1)


def test_an_export_takes_the_same_filters(path: Path) -> None:
    result = run("export", "--format", "ndjson", "--db", path, "--rule", RULES[1], "--mode", "live")
    *rows, manifest = map(json.loads, result.stdout.splitlines())
    asked = Filter(rule=RULES[1], mode="live")
    assert [one["seq"] for one in rows] == expected(path, asked, None)
    assert manifest["filter"] == {"rule": RULES[1], "mode": "live"}


def test_needles_never_lose_an_entry(path: Path) -> None:
    """They are a shortcut: without them the result is the same."""
    for name, value in ONE_EACH:
        asked = replace(Filter(), **{name: value})
        with open_reader(path) as reader:
            for event in reader.events():
                if asked.holds(event.read(), reader.about(event)):
                    assert all(needle in event.envelope for needle in asked.needles)
