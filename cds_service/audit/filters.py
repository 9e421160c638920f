"""What may be asked of entries, told from their envelopes and from what followed them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cds_service.audit.events import EventType
from cds_service.audit.reading import StoredEvent
from cds_service.audit.said_last import current_feedback

ANY: Final = "any"
"""Asks that there is something, whatever it is."""
NO_FEEDBACK: Final = "none"
NOT_REVIEWED: Final = "none"
ORPHAN: Final = "orphan"
LIVE: Final = "live"
Members = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Conditions that all hold; None asks for nothing.

    `disease`, `line`, `status`, `pattern`, `confidence`, `rule`, `rule_not_met` and `caveat` hold
    of one and the same line of therapy; `advice` and `suppressed` of the same piece of advice;
    `feedback` and `override_reason` of what was said last of the same card, `reviewed` of what any
    reviewer said last of the decision. `slower_than` and
    `faster_than` are milliseconds, both outside.
    """

    service: str | None = None
    hook: str | None = None
    outcome: str | None = None
    client: str | None = None
    user: str | None = None
    site: str | None = None
    mode: str | None = None
    error: str | None = None
    knowledge: str | None = None
    software: str | None = None
    missing: str | None = None
    disease: str | None = None
    line: int | None = None
    status: str | None = None
    pattern: str | None = None
    confidence: str | None = None
    rule: str | None = None
    rule_not_met: str | None = None
    caveat: str | None = None
    advice: str | None = None
    suppressed: str | None = None
    feedback: str | None = None
    override_reason: str | None = None
    reviewed: str | None = None
    slower_than: float | None = None
    faster_than: float | None = None

    @property
    def needs_what_followed(self) -> bool:
        asked = (self.feedback, self.override_reason, self.reviewed)
        return any(one is not None for one in asked)

    @property
    def terms(self) -> dict[str, list[str]]:
        """What the log's search terms can narrow it to."""
        named = {
            "service": self.service,
            "hook": self.hook,
            "outcome": self.outcome,
            "disease": self.disease,
            "status": self.status,
            "advice": self.advice,
        }
        return {name: [value] for name, value in named.items() if value is not None}

    @property
    def needles(self) -> tuple[bytes, ...]:
        """Bytes that stand in the envelope of each entry that this holds of: to look for them is
        much quicker than to read the envelope."""
        values = [
            self.service, self.hook, self.outcome, self.client, self.user, self.site, self.mode,
            self.error, self.knowledge, self.software, self.disease, self.status, self.pattern,
            self.confidence, self.rule, self.rule_not_met, self.caveat, self.advice,
            self.suppressed, *(self.missing or "").split(":"),
        ]  # fmt: skip
        written = (json.dumps(one, ensure_ascii=False) for one in values if one and one != ANY)
        return tuple(one.encode() for one in written)

    def holds(self, members: Members, followed: Sequence[StoredEvent] = ()) -> bool:
        """Whether an entry with this envelope is asked for; `followed`: what names its decision."""
        return (
            self._is_of_call(members)
            and self._took(members)
            and self._lacked(members)
            and self._has_line(members)
            and self._has_advice(members)
            and self._was_answered(members, followed)
        )

    def _is_of_call(self, members: Members) -> bool:
        user, client = members.get("user", {}), members.get("client", {})
        return (
            _is(self.service, members.get("serviceId"))
            and _is(self.hook, members.get("hook"))
            and _is(self.outcome, members.get("outcome"))
            and _is(self.client, client.get("iss"))
            and _is(self.user, user.get("userId"))
            and _is_among(self.site, [user.get("facility"), user.get("location")])
            and _is(self.mode, members.get("mode"))
            and _is(self.error, members.get("errorClass"))
            and _is(self.knowledge, members.get("knowledge", {}).get("version"))
            and _is(self.software, members.get("software", {}).get("version"))
        )

    def _took(self, members: Members) -> bool:
        if self.slower_than is None and self.faster_than is None:
            return True
        took = members.get("latencyMs", {}).get("total")
        return (
            took is not None
            and (self.slower_than is None or took > self.slower_than)
            and (self.faster_than is None or took < self.faster_than)
        )

    def _lacked(self, members: Members) -> bool:
        told = (
            {one["key"], one["code"], f"{one['key']}:{one['code']}"}
            for one in members.get("inputsMissing", ())
        )
        return self.missing is None or any(self.missing in {*names, ANY} for names in told)

    def _has_line(self, members: Members) -> bool:
        asked = (
            self.disease, self.line, self.status, self.pattern, self.confidence, self.rule,
            self.rule_not_met, self.caveat,
        )  # fmt: skip
        return all(one is None for one in asked) or any(map(self._is_line, lines_of(members)))

    def _is_line(self, line: Members) -> bool:
        unmet = [one["rule"] for one in line.get("rulesNotMet", ())]
        return (
            _is(self.disease, line.get("disease"))
            and (self.line is None or self.line == line.get("number"))
            and _is(self.status, line.get("status"))
            and _is(self.pattern, line.get("pattern"))
            and _is(self.confidence, line.get("confidence"))
            and _is_among(self.rule, line.get("rules", ()))
            and _is_among(self.rule_not_met, unmet)
            and _is_among(self.caveat, line.get("caveats", ()))
        )

    def _has_advice(self, members: Members) -> bool:
        if self.advice is None and self.suppressed is None:
            return True
        return any(
            _is(self.advice, one["kind"]) and _is(self.suppressed, one.get("suppressed"))
            for one in advice_of(members)
        )

    def _was_answered(self, members: Members, followed: Sequence[StoredEvent]) -> bool:
        if self.reviewed is not None and not _is_verdict(self.reviewed, members, followed):
            return False
        if self.feedback is None and self.override_reason is None:
            return True
        return any(
            _is(self.feedback, state) and _is(self.override_reason, reason)
            for state, reason in feedback_states(members, followed)
        )


def lines_of(members: Members) -> Iterator[Members]:
    """The lines of therapy that a decision judged, or that feedback is about, with their disease;
    a cancer without a line is one without a number."""
    for cancer in members.get("cancers", ()):
        lines: Sequence[Members] = cancer.get("lines", ()) or ({},)
        for line in lines:
            yield {"disease": cancer["disease"], **line}
    if on_card := members.get("onCard"):
        yield {**on_card, "number": on_card.get("line")}


def advice_of(members: Members) -> Iterator[Members]:
    """All advice of a decision, or of the card that feedback is about."""
    yield from members.get("advice", ())
    for kind in members.get("onCard", {}).get("advice", ()):
        yield {"kind": kind}


def feedback_states(
    members: Members, followed: Sequence[StoredEvent]
) -> Iterator[tuple[str, str | None]]:
    """What was said last of each card that a decision returned, with the reason; `none` where
    nothing was. Of a feedback entry, what it says, or `orphan`."""
    if members.get("eventType") == EventType.FEEDBACK:
        said = ORPHAN if "orphan" in members else members.get("outcome", "")
        yield said, members.get("overrideReason", {}).get("code")
        return
    is_live = members.get("mode", LIVE) == LIVE
    if not is_live or any(one.event_type == EventType.DELIVERY for one in followed):
        return  # the cards did not leave
    current = current_feedback(followed)
    for card in members.get("cards", ()):
        found = current.get(card["uuid"], {})
        yield found.get("outcome", NO_FEEDBACK), found.get("overrideReason", {}).get("code")


def verdicts(members: Members, followed: Sequence[StoredEvent]) -> dict[str, str]:
    """What each account's last review of a decision says, or the review itself."""
    reviews = [one.read() for one in followed if one.event_type == EventType.REVIEW]
    if members.get("eventType") == EventType.REVIEW:
        reviews = [dict(members)]
    return {one.get("reader", {}).get("account", ""): one["verdict"] for one in reviews}


def _is_verdict(asked: str, members: Members, followed: Sequence[StoredEvent]) -> bool:
    found = verdicts(members, followed).values()
    if asked == NOT_REVIEWED:
        return not found and members.get("eventType") == EventType.DECISION
    return _is_among(asked, found)


def _is(asked: str | None, said: object) -> bool:
    return asked is None or (said is not None if asked == ANY else asked == said)


def _is_among(asked: str | None, said: Iterable[object]) -> bool:
    return asked is None or any(_is(asked, one) for one in said)
