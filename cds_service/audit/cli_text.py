"""The decision log for people: a list, one entry on one screen, the report of a verification.

Text out of a chart is shown as text: control characters, changes of writing direction and rich's
own markup do nothing.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from cds_service.audit.events import EventType
from cds_service.audit.findings import Report

_WIDTH_WITHOUT_TERMINAL = 200
_MOST_RESOURCES = 15
_LONGEST_COMMENT = 500
_UNSEEN = ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")


def console() -> Console:
    """Where text goes: as wide as the terminal and in colour, or wide and plain into a file."""
    is_terminal = sys.stdout.isatty()
    return Console(width=None if is_terminal else _WIDTH_WITHOUT_TERMINAL, highlight=False)


def harmless(value: object) -> Text:
    """This value as text that only shows itself."""
    return Text("".join(map(_visible, str(value))))


def print_json(value: object) -> None:
    """The value as JSON in ASCII, so that nothing in it can move a terminal."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def print_list(entries: Sequence[Mapping[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("seq", justify="right", no_wrap=True)
    table.add_column("recorded (UTC)", no_wrap=True)
    table.add_column("what", overflow="fold")
    table.add_column("found", overflow="fold", ratio=1)
    table.add_column("id", no_wrap=True)
    for entry in entries:
        at = entry["recordedAt"][:19].replace("T", " ")
        found = "; ".join(_line_found(line) for line in entry.get("lines", ()))
        table.add_row(*map(harmless, (entry["seq"], at, _what(entry), found, entry["eventId"])))
    out = console()
    out.print(table if entries else "No entry matches.")


def print_entry(shown: Mapping[str, Any]) -> None:
    """One entry: who asked, what was returned, why, on what data, what followed."""
    out = console()
    members = shown["envelope"]
    for fault in shown.get("faults", ()):
        out.print(Text("NOT AS RECORDED: ", style="bold red") + harmless(fault))
    if shown.get("erased"):
        out.print(harmless(f"ERASED, and cannot be shown again: {', '.join(shown['erased'])}"))
    title = f"{shown['eventType']} {members.get('eventId')}  event {shown['seq']}"
    out.print(harmless(f"{title}, recorded {members.get('recordedAt')}"), style="bold")
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


@contextmanager
def progress_bar(total: int, doing: str = "verifying") -> Iterator[Callable[[int], None]]:
    """What to tell how many entries are done; seen on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with Progress(console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(doing, total=total)
        yield lambda done: shown.update(task, completed=done)


def print_report(report: Report) -> None:
    out = console()
    colour = "green" if report.is_whole else "bold red"
    out.print(Text(report.verdict, style=colour))
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(report.events_by_type.items()))
    out.print(harmless(f"log {report.log_id}: {report.size} events ({counts or 'none'})"))
    out.print(harmless(f"root {report.root.hex()}"))
    if report.first_at:
        out.print(harmless(f"recorded {report.first_at} to {report.last_at}"))
    out.print(f"{report.checkpoints} checkpoints; compared with {report.anchors} anchors")
    for key in report.keys:
        out.print(harmless(f"key {key}"))
    for spool in report.spools:
        out.print(harmless(f"spool segment {spool}: not drained"))
    for finding in report.findings:
        place = f" {finding.first}" if finding.first is not None else ""
        place += f" to {finding.last}" if finding.last != finding.first else ""
        good = f"; last good event {finding.last_good}" if finding.last_good else ""
        span = f", between {finding.after} and {finding.before}" if finding.before else ""
        mark = "note" if finding.informs else "FOUND"
        out.print(harmless(f"{mark}: {finding.kind}{place}: {finding.detail}{good}{span}"))
    if report.left_out:
        out.print(f"and {report.left_out} more findings")


def _sections(shown: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    members = shown["envelope"]
    yield "who asked", list(_who(members))
    yield "returned", list(_returned(shown))
    yield "why", list(_why(members))
    yield "on what data", list(_data(shown))
    yield "what followed", list(_followed(shown))
    yield "record", list(_record(shown))


def _who(members: Mapping[str, Any]) -> Iterator[str]:
    user = members.get("user", {})
    roles = f" ({', '.join(user['roles'])})" if user.get("roles") else ""
    client = members.get("client", {}).get("iss", "a client without authentication")
    yield f"{user.get('userId', 'no user named')}{roles}, through {client}"
    yield f"{members.get('hook', 'no hook')} on {members['serviceId']}, at {members['receivedAt']}"
    if "hookInstance" in members:
        yield f"hookInstance {members['hookInstance']}"
    if "duplicateOf" in members:
        yield f"the same call as decision {members['duplicateOf']}"
    if "patientPseudonym" in members:
        yield f"patient {members['patientPseudonym'][:16]}… (pseudonym)"


def _returned(shown: Mapping[str, Any]) -> Iterator[str]:
    members = shown["envelope"]
    yield f"{members['outcome']}, HTTP {members['httpStatus']}, mode {members['mode']}"
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


def _data(shown: Mapping[str, Any]) -> Iterator[str]:
    members = shown["envelope"]
    if "asOf" in members:
        yield f"as of {members['asOf']} ({members['asOfSource']}, {members['timeZone']})"
    counts = members.get("inputsByType", {})
    yield ", ".join(f"{count} {kind}" for kind, count in counts.items()) or "no resources used"
    resources = shown.get("inputs", {}).get("resources", ())
    for one in resources[:_MOST_RESOURCES]:
        version = f" version {one['versionId']}" if "versionId" in one else ""
        updated = f", updated {one['lastUpdated']}" if "lastUpdated" in one else ""
        yield f"  {one['reference']}{version}{updated} ({one['origin']})"
    if len(resources) > _MOST_RESOURCES:
        yield f"  and {len(resources) - _MOST_RESOURCES} more (--format json has all)"
    for missing in members.get("inputsMissing", ()):
        yield f"missing: {missing['key']} ({missing['code']})"
    for code, count in members.get("issues", {}).items():
        yield f"left out: {count} × {code}"
    knowledge = members["knowledge"]
    yield f"knowledge {knowledge['version']}, software {members['software']['version']}"


def _followed(shown: Mapping[str, Any]) -> Iterator[str]:
    for entry in shown.get("followed", ()):
        if entry["eventType"] == EventType.DELIVERY:
            yield f"{entry['recordedAt']} the answer did not leave: {entry['state']}"
            continue
        reason = entry.get("overrideReason", {}).get("code", "")
        orphan = f" (orphan: {entry['orphan']}; counts for nothing)" if "orphan" in entry else ""
        orphan += " (said before; changes nothing)" if "duplicateOf" in entry else ""
        comment = f" {_quoted(entry['comment'])}" if "comment" in entry else ""
        if "unknownSuggestions" in entry:
            comment += f" (not of this card: {', '.join(entry['unknownSuggestions'])})"
        accepted = ", ".join(_accepted(entry, shown["envelope"]))
        what = " ".join(filter(None, (entry["outcome"], accepted, reason)))
        yield f"{entry['recordedAt']} card {entry['card']}: {what}{comment}{orphan}"
    without = [
        card["uuid"]
        for card in shown["envelope"].get("cards", ())
        if card["uuid"] not in shown.get("feedbackByCard", {})
    ]
    if without:
        yield f"no feedback on {len(without)} of the cards (which is not an override)"


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
    yield f"leaf {shown['leafHash']}"
    yield f"follows {members['prevHash']}"
    sealed = members.get("sealed", {})
    if sealed:
        encrypted = " (NOT encrypted)" if sealed.get("scheme") == "plain" else ""
        names = ", ".join(sorted(sealed.get("digests", ()))) or "nothing"
        yield f"sealed, {sealed.get('scheme', 'no scheme')}{encrypted}: {names}"
        for name in sealed.get("withheld", ()):
            yield f"not kept, since an access token might stay in it: {name}"


def _what(entry: Mapping[str, Any]) -> str:
    if entry["eventType"] != EventType.DECISION:
        said = (entry["eventType"], entry.get("outcome"), entry.get("overrideReason"))
        orphan = f"(orphan: {entry['orphan']})" if "orphan" in entry else ""
        return " ".join(filter(None, (*said, orphan)))
    return f"{entry.get('hook', entry.get('serviceId', ''))}: {entry.get('outcome', '')}"


def _line_found(line: Mapping[str, Any]) -> str:
    return f"{line.get('disease', '')} line {line.get('line', '?')} {line.get('status', '')}"


def _unmet(rule: Mapping[str, Any]) -> str:
    return f"{rule['rule']} ({rule['condition']})" if "condition" in rule else rule["rule"]


def _visible(character: str) -> str:
    if character == "\n" or unicodedata.category(character) not in _UNSEEN:
        return character
    return "\N{REPLACEMENT CHARACTER}"
