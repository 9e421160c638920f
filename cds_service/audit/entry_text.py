"""One entry on one screen: who asked, what was returned, why, on what data, what followed, and
where it stands in the chain."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from cds_service.audit.cli_text import console, harmless
from cds_service.audit.events import EventType

_MOST_RESOURCES: Final = 10
_LONGEST_COMMENT: Final = 500
_HASH_SHOWN: Final = 12


def print_entry(shown: Mapping[str, Any]) -> None:
    """One entry: who asked, what was returned, why, on what data, what followed."""
    out = console()
    members = shown["envelope"]
    for fault in shown.get("faults", ()):
        out.print(Text("NOT AS RECORDED: ", style="bold red") + harmless(fault))
    if shown.get("erased"):
        out.print(harmless(f"ERASED, and cannot be shown again: {', '.join(shown['erased'])}"))
    for purge in shown.get("purged", ()):
        names, by = ", ".join(purge["names"]), f"{_moment(purge['at'])}, entry {purge['by']}"
        out.print(harmless(f"PURGED by age, and cannot be shown again ({by}): {names}"))
    standing = shown["standing"]
    out.print(harmless(f"{shown['eventType']} {members.get('eventId')}"), style="bold")
    at = f"entry {shown['seq']} of {standing['size']}, recorded {_moment(members['recordedAt'])}"
    out.print(harmless(at))
    if shown["eventType"] != EventType.DECISION:
        out.print(harmless(json.dumps(members, indent=2, sort_keys=True)))
        return
    screen = Table(box=None, show_header=False, pad_edge=False)
    screen.add_column(style="bold", no_wrap=True)
    screen.add_column(overflow="fold")
    for heading, lines in _sections(shown):
        screen.add_row(
            harmless(heading), harmless("\n".join(line.replace("\n", " ") for line in lines))
        )
    out.print(screen)


def _sections(shown: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    members = shown["envelope"]
    yield "who asked", list(_who(members))
    yield "returned", list(_returned(shown))
    yield "why", list(_why(members))
    yield "on what data", list(_data(shown))
    yield "what followed", list(_followed(shown))
    yield "in the log", list(_record(shown))


def _who(members: Mapping[str, Any]) -> Iterator[str]:
    user = members.get("user", {})
    roles = f" ({', '.join(user['roles'])})" if user.get("roles") else ""
    client = members.get("client", {}).get("iss", "a client without authentication")
    yield f"{user.get('userId', 'no user named')}{roles}, through {client}"
    at = _moment(members["receivedAt"])
    yield f"{members.get('hook', 'no hook')} on {members['serviceId']}, at {at}"
    if "hookInstance" in members:
        yield f"hookInstance {members['hookInstance']}"
    if "duplicateOf" in members:
        yield f"the same call as decision {members['duplicateOf']}"
    if "patientPseudonym" in members:
        yield f"patient {members['patientPseudonym'][:16]}… (pseudonym)"


def _returned(shown: Mapping[str, Any]) -> Iterator[str]:
    members = shown["envelope"]
    took = members.get("latencyMs", {}).get("total")
    after = f", after {took:.0f} ms" if took is not None else ""
    yield f"{members['outcome']}, HTTP {members['httpStatus']}, mode {members['mode']}{after}"
    for card in shown.get("response", {}).get("cards", ()):
        yield f"[{card.get('indicator')}] {card.get('summary')}"
    for advice in members.get("advice", ()):
        line = f", line {advice['line']}" if "line" in advice else ""
        held = f": suppressed, {advice['suppressed']}" if "suppressed" in advice else ""
        held += f" (by entry {advice['suppressedBy']})" if "suppressedBy" in advice else ""
        yield f"advice {advice['kind']} ({advice['urgency']}{line}){held}"


def _why(members: Mapping[str, Any]) -> Iterator[str]:
    for cancer in members.get("cancers", ()):
        for line in cancer.get("lines", ()):
            how = [line[name] for name in ("pattern", "confidence") if name in line]
            how_text = f" ({', '.join(how)})" if how else ""
            yield f"{cancer['disease']}, line {line['number']}: {line['status']}{how_text}"
            yield f"  met: {', '.join(line.get('rules', ())) or 'none'}"
            unmet = [_unmet(one) for one in line.get("rulesNotMet", ())]
            yield f"  not met: {', '.join(unmet) or 'none'}"
            if "caveats" in line:
                yield f"  caveats: {', '.join(line['caveats'])}"
    if not members.get("cancers"):
        yield "no cancer was assessed"
    elif any(line.get("rules") for one in members["cancers"] for line in one.get("lines", ())):
        yield "(what a rule says, and its source: refractory-cds knowledge show RULE)"


def _data(shown: Mapping[str, Any]) -> Iterator[str]:
    members = shown["envelope"]
    if "asOf" in members:
        yield f"as of {members['asOf']} ({members['asOfSource']}, {members['timeZone']})"
    counts = members.get("inputsByType", {})
    yield ", ".join(f"{count} {kind}" for kind, count in counts.items()) or "no resources used"
    yield from _resources(shown)
    for missing in members.get("inputsMissing", ()):
        yield f"missing: {missing['key']} ({missing['code']})"
    for code, count in members.get("issues", {}).items():
        yield f"left out: {count} × {code}"
    knowledge = members["knowledge"]
    yield f"knowledge {knowledge['version']}, software {members['software']['version']}"


def _resources(shown: Mapping[str, Any]) -> Iterator[str]:
    """The resources in their versions, those first that the result names as its evidence."""
    resources = shown.get("inputs", {}).get("resources", ())
    evidence = _evidence(shown.get("assessment", {}))
    ordered = sorted(resources, key=lambda one: one["reference"] not in evidence)
    for one in ordered[:_MOST_RESOURCES]:
        version = f" version {one['versionId']}" if "versionId" in one else ""
        updated = f", updated {one['lastUpdated']}" if "lastUpdated" in one else ""
        found = f": {evidence[one['reference']]}" if one["reference"] in evidence else ""
        digest = one.get("whole", "").removeprefix("sha256:")[:_HASH_SHOWN]
        yield f"  {one['reference']}{version}{updated} ({one['origin']}) {digest}…{found}"
    if len(resources) > _MOST_RESOURCES:
        yield f"  and {len(resources) - _MOST_RESOURCES} more (--format json has all)"


def _evidence(assessment: Mapping[str, Any]) -> dict[str, str]:
    """What each resource that is evidence of a line was read as; the last of it."""
    return {
        one["resource"]: f"{one['finding']} {one['date']}"
        for cancer in assessment.get("cancers", ())
        for line in cancer.get("lines", ())
        for one in line.get("evidence", ())
    }


def _followed(shown: Mapping[str, Any]) -> Iterator[str]:
    for entry in shown.get("followed", ()):
        if entry["eventType"] == EventType.DELIVERY:
            yield f"{_moment(entry['recordedAt'])} the answer did not leave: {entry['state']}"
            continue
        if entry["eventType"] != EventType.FEEDBACK:
            yield f"{_moment(entry['recordedAt'])} {_by_people(entry)}"
            continue
        reason = entry.get("overrideReason", {}).get("code", "")
        orphan = f" (orphan: {entry['orphan']}; counts for nothing)" if "orphan" in entry else ""
        orphan += " (said before; changes nothing)" if "duplicateOf" in entry else ""
        comment = f" {_quoted(entry['comment'])}" if "comment" in entry else ""
        if "unknownSuggestions" in entry:
            comment += f" (not of this card: {', '.join(entry['unknownSuggestions'])})"
        accepted = ", ".join(_accepted(entry, shown["envelope"]))
        what = " ".join(filter(None, (entry["outcome"], accepted, reason)))
        yield f"{_moment(entry['recordedAt'])} card {entry['card']}: {what}{comment}{orphan}"
    without = [
        card["uuid"]
        for card in shown["envelope"].get("cards", ())
        if card["uuid"] not in shown.get("feedbackByCard", {})
    ]
    if without:
        yield f"no feedback on {len(without)} of the cards (which is not an override)"
    readings = shown["readings"]
    told = [f"{command} {count} ×" for command, count in readings["byCommand"].items()]
    yield f"read since: {', '.join(told) or 'not by its id'} (of {readings['ofReadings']} readings)"


def _by_people(entry: Mapping[str, Any]) -> str:
    """A review of the decision, or the naming of its patient."""
    account = entry.get("reader", {}).get("account", "somebody")
    if entry["eventType"] != EventType.REVIEW:
        what = {"asked": "asked for", "answered": "was told"}.get(entry.get("state", ""), "sought")
        return f"{account} {what} the patient's id ({entry['eventType']})"
    comment = f" {_quoted(entry['comment'])}" if "comment" in entry else ""
    reason = f" {entry['reason']}" if "reason" in entry else ""
    return f"reviewed by {account}: {entry['verdict']}{reason}{comment}"


def _accepted(entry: Mapping[str, Any], decision: Mapping[str, Any]) -> Iterator[str]:
    """What the accepted suggestions advise; a card names them in the order of its advice."""
    cards: Mapping[str, Any] = {one["uuid"]: one for one in decision.get("cards", ())}
    card = cards.get(entry["card"], {})
    advice = dict(zip(card.get("suggestions", ()), card.get("advice", ()), strict=False))
    yield from (advice[name] for name in entry.get("acceptedSuggestions", ()) if name in advice)


def _quoted(comment: str) -> str:
    if len(comment) <= _LONGEST_COMMENT:
        return f"“{comment}”"
    rest = len(comment) - _LONGEST_COMMENT
    return f"“{comment[:_LONGEST_COMMENT]}…” (and {rest} more characters: --format json)"


def _record(shown: Mapping[str, Any]) -> Iterator[str]:
    members = shown["envelope"]
    standing = shown["standing"]
    yield f"entry {shown['seq']} of {standing['size']} in log {standing['log']}"
    if standing["covered"]:
        yield f"signed for by the checkpoint over {standing['signedFor']} entries"
    else:
        yield "no checkpoint signs for it yet"
    leaf, before = shown["leafHash"][:_HASH_SHOWN], members["prevHash"][:_HASH_SHOWN]
    yield f"leaf {leaf}…, follows {before}… (entry {shown['seq'] - 1})"
    yield f"(to hold it to account: refractory-cds audit verify; audit prove {shown['seq']})"
    sealed = members.get("sealed", {})
    if sealed:
        encrypted = " (NOT encrypted)" if sealed.get("scheme") == "plain" else ""
        names = ", ".join(sorted(sealed.get("digests", ()))) or "nothing"
        yield f"sealed, {sealed.get('scheme', 'no scheme')}{encrypted}: {names}"
        for name in sealed.get("withheld", ()):
            yield f"not kept, since an access token might stay in it: {name}"


def _moment(text: str) -> str:
    """A time of the log for people, to the second."""
    return f"{text[:19].replace('T', ' ')} UTC"


def _unmet(rule: Mapping[str, Any]) -> str:
    return f"{rule['rule']} ({rule['condition']})" if "condition" in rule else rule["rule"]
