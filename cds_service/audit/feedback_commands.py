"""`refractory-cds audit feedback`: how cards were answered, by what they said and who got them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from cds_service.audit import cli_text
from cds_service.audit.canonical import Json
from cds_service.audit.command_parts import (
    DataKeyFile,
    Db,
    Format,
    Output,
    Reason,
    clear_errors,
    moment,
    record,
    who,
)
from cds_service.audit.entries import access_event
from cds_service.audit.feedback_figures import LIMITS, By, Counts, Figures, Share, feedback_figures
from cds_service.audit.filter_options import Asked, plain_query, with_filters
from cds_service.audit.listing import Wanted
from cds_service.audit.reading import open_reader
from cds_service.audit.small_cells import HIDDEN, LEAST
from cds_service.audit.small_cells import shown as without_small_cells

_COUNTS = ("returned", "answered", "accepted", "overridden", "silent")
_SUMS = ((0, 1, 4), (1, 2, 3))
"""Columns that add up: returned = answered + silent, answered = accepted + overridden."""


@with_filters
def feedback(
    asked: Asked,
    db: Db,
    since: Annotated[
        datetime | None,
        typer.Option("--from", parser=moment, metavar="TIME", help="Decisions since then."),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option("--to", parser=moment, metavar="TIME", help="Decisions before then."),
    ] = None,
    by: Annotated[By | None, typer.Option(help="One row for each of these.")] = None,
    output: Output = Format.TEXT,
    data_key_file: DataKeyFile = None,
    reason: Reason = None,
) -> None:
    """How returned cards were answered: accepted, overridden and why, or without feedback."""
    query = asked.query | plain_query(since=since, until=until, by=by)
    with clear_errors(db):
        with open_reader(db) as reader:
            wanted = Wanted(since=since, until=until, having=asked.having(db, reader))
            with cli_text.progress_bar(reader.count(wanted), "counting") as progress:
                figures = feedback_figures(reader, wanted, asked.filter, by, progress)
        event = access_event(who(reason), command="feedback", query=query, rows=figures.decisions)
        record(db, event, data_key_file)
    said = as_json(figures, query)
    if output is Format.JSON:
        cli_text.print_json(said)
    else:
        print_figures(said)


def as_json(figures: Figures, query: Mapping[str, Json]) -> dict[str, Any]:
    """The figures as they may be shown: about single users, small counts are hidden."""
    said: dict[str, Any] = {
        "filter": dict(query),
        "firstDecision": figures.first,
        "lastDecision": figures.last,
        "knowledgeVersions": dict(sorted(figures.knowledge.items())),
        "softwareVersions": dict(sorted(figures.software.items())),
        "decisionsWithCards": figures.decisions,
        "cardsNotDelivered": figures.not_delivered,
        "feedbackEntries": figures.feedback_entries,
        "orphans": dict(sorted(figures.orphans.items())),
        "limits": LIMITS,
    }
    if figures.by is By.USER:  # without totals, from which hidden counts could be worked out
        counts = {name: _counts(row) for name, row in sorted(figures.rows.items())}
        said |= {
            "decisionsWithCards": HIDDEN,
            "feedbackEntries": HIDDEN,
            "cardsNotDelivered": HIDDEN,
            "knowledgeVersions": sorted(figures.knowledge),
            "softwareVersions": sorted(figures.software),
        }
        said["rows"] = [
            _row(name, cells) for name, cells in without_small_cells(counts, _SUMS).items()
        ]
        said["hidden"] = f"counts under {LEAST}, and what they could be worked out from"
    else:
        said["all"] = _row("all cards", _counts(figures.whole), figures.whole)
        said["rows"] = [_row(name, _counts(row), row) for name, row in sorted(figures.rows.items())]
    if figures.by is not None:
        said["by"] = figures.by
    return said


def _counts(counts: Counts) -> list[int]:
    return [getattr(counts, name) for name in _COUNTS]


def _row(name: str, cells: Any, counts: Counts | None = None) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name, **dict(zip(_COUNTS, cells, strict=True))}
    for member, (count, of) in _SHARES.items():
        is_shown = isinstance(row[count], int) and isinstance(row[of], int)
        row[member] = Share(row[count], row[of]).as_json if is_shown else None
    if counts is not None:
        row["overrideReasons"] = dict(counts.reasons.most_common())
    return row


_SHARES = {
    "overriddenOfAnswered": ("overridden", "answered"),
    "overriddenOfReturned": ("overridden", "returned"),
    "acceptedOfAnswered": ("accepted", "answered"),
    "acceptedOfReturned": ("accepted", "returned"),
}


def print_figures(said: Mapping[str, Any]) -> None:
    """The figures as a table: each share with what it is of, and its interval."""
    out = cli_text.console()
    out.print(cli_text.harmless(_period(said)))
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(str(said.get("by", "")), overflow="fold")
    for heading in (
        "cards\nreturned",
        "with\nfeedback",
        "accepted",
        "over-\nridden",
        "no\nfeedback",
    ):
        table.add_column(heading, justify="right")
    table.add_column("overridden,\nof answered", justify="right")
    table.add_column("overridden,\nof returned", justify="right")
    rows = [*said["rows"], *([said["all"]] if "all" in said else [])]
    for row in rows:
        counts = [str(row[name]) for name in _COUNTS]
        shares = [_share(row["overriddenOfAnswered"]), _share(row["overriddenOfReturned"])]
        table.add_row(*map(cli_text.harmless, (row["name"], *counts, *shares)))
    out.print(table if rows else "No card was returned.")
    for row in rows:
        if reasons := row.get("overrideReasons"):
            told = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
            out.print(cli_text.harmless(f"why overridden, {row['name']}: {told}"))
    for note in _notes(said):
        out.print(cli_text.harmless(note))


def _period(said: Mapping[str, Any]) -> str:
    asked = {name: value for name, value in said["filter"].items() if name != "by"}
    told = ", ".join(f"{name} {value}" for name, value in asked.items()) or "all of the log"
    span = ""
    if said["firstDecision"]:
        span = f"; decisions {said['firstDecision'][:16]}Z to {said['lastDecision'][:16]}Z"
    versions = ", ".join(said["knowledgeVersions"]) or "none"
    return f"{told}{span}; knowledge {versions}"


def _share(share: Mapping[str, Any] | None) -> str:
    if share is None:
        return "–"
    return f"{share['share']:.0%} ({share['low']:.0%}–{share['high']:.0%})"


def _notes(said: Mapping[str, Any]) -> list[str]:
    notes = ["Shares with Wilson's 95 % interval. No feedback is not an override."]
    if said.get("by") in ("rule", "advice", "site"):
        notes.append("A card counts in each row that it belongs to: the rows do not add up.")
    if "hidden" in said:
        notes.append(f"Hidden: {said['hidden']}.")
    if said["cardsNotDelivered"] not in (0, HIDDEN):
        notes.append(f"Not counted: cards that did not leave ({said['cardsNotDelivered']}).")
    if said["orphans"]:
        told = ", ".join(f"{count} {why}" for why, count in said["orphans"].items())
        notes.append(f"Orphaned feedback, which counts for nothing: {told}.")
    return [*notes, said["limits"]]
