"""`refractory-cds knowledge`: check, list, show, pages."""

from __future__ import annotations

import sys
from pathlib import Path

import orjson
import typer

from cds_service.clinical.evidence import marker_criteria
from cds_service.clinical.status import composites, windows
from cds_service.commands.known import as_json, as_plain, find_known, names_like
from cds_service.commands.known_text import counts_of, known_report, list_report, sizes_of
from cds_service.commands.setting import knowledge_in_use, read_settings
from cds_service.errors import KnowledgeError, UsageError
from cds_service.hooks.card_lint import lint_texts
from cds_service.hooks.orders import faults_of_orders
from cds_service.hooks.services import SERVICES
from cds_service.knowledge.check import Criteria, check_knowledge
from cds_service.knowledge.load import DATA, load_knowledge
from cds_service.knowledge.model import Knowledge
from cds_service.report import Page, harmless

CRITERIA = Criteria(
    rules=frozenset({windows.WINDOW, "no-response", "documented"}),
    markers=marker_criteria.CRITERIA.keys(),
    composites=composites.CRITERIA.keys(),
    services=[service.id for service in SERVICES],
)
"""What the engine can be asked; the three of rules are named in `clinical/status/judge.py`."""


def check(folder: Path | None = None, site: Path | None = None) -> int:
    """Say whether the knowledge of a folder, or the shipped one, holds together; the exit code."""
    try:
        site = site or read_settings().site_file
        knowledge = load_knowledge(folder or DATA, site)
    except KnowledgeError as error:
        typer.echo(f"fault: {harmless(str(error))}")
        return 1
    checked = check_knowledge(knowledge, CRITERIA)
    for number in knowledge.site_numbers:
        typer.echo(f"site: {harmless(number.where)}: {harmless(str(number))}")
    for warning in checked.warnings:
        typer.echo(f"note: {harmless(str(warning))}")
    found = [*checked.faults, *lint_texts(knowledge), *faults_of_orders(knowledge)]
    for fault in found:
        typer.echo(f"fault: {harmless(str(fault))}")
    faults = len(found)
    said = f"{faults} faults" if faults > 1 else "1 fault" if faults else "no faults"
    typer.echo(f"{_summary(knowledge)}: {said}")
    return 1 if faults else 0


def list_all(*, as_text: bool) -> None:
    """The diseases and what there is for each."""
    knowledge = knowledge_in_use()
    if as_text:
        Page().print(list_report(knowledge))
        return
    diseases = [
        {"id": d.id, "name": d.name, "family": d.family, **counts_of(d)}
        for d in knowledge.diseases.values()
    ]
    _print_json(
        {
            "version": knowledge.version,
            "digest": knowledge.digest,
            "siteNumbers": [as_plain(number) for number in knowledge.site_numbers],
            "diseases": diseases,
            "terminology": sizes_of(knowledge),
        }
    )


def _knowledge_of(digest: str | None) -> Knowledge:
    """The knowledge in use; or that of a version or digest which the decision log has kept.

    Raises UsageError where there is none, AuditError where the log cannot be read.
    """
    if digest is None:
        return knowledge_in_use()
    from cds_service.audit.reading import open_reader
    from cds_service.replay.knowledge import candidate

    settings = read_settings()
    with open_reader(settings.audit_address, settings.audit_data_key_file) as reader:
        found = candidate(reader, digest, None)
    return found.knowledge if found else knowledge_in_use()


def show(name: str, *, as_text: bool, digest: str | None = None) -> None:
    """Everything of this id or name; raises UsageError where there is nothing."""
    knowledge = _knowledge_of(digest)
    found = find_known(name, knowledge)
    if not found:
        like = names_like(name, knowledge)
        hint = f"did you mean {' or '.join(like)}?" if like else "see refractory-cds knowledge list"
        raise UsageError(f"nothing is known as {name!r}; {hint}")
    page = Page() if as_text else None
    for position, known in enumerate(found):
        if page is None:
            _print_json(as_json(known, knowledge))
        else:
            page.print(*([""] if position else []), known_report(known, knowledge))


def write(folder: Path, digest: str | None = None) -> None:
    """Write the pages for review; raises UsageError where they cannot be written."""
    knowledge = _knowledge_of(digest)
    from cds_service.web.knowledge_pages import write_pages  # with FastAPI, which no other needs

    try:
        number = write_pages(knowledge, folder)
    except OSError as error:
        raise UsageError(f"{error.filename or folder}: {error.strerror}") from None
    typer.echo(f"{number} pages; open {folder / 'index.html'}")


def _summary(knowledge: Knowledge) -> str:
    diseases = knowledge.diseases.values()
    rules = sum(len(disease.told) for disease in diseases) + len(knowledge.shared_rules)
    terms = knowledge.terms
    return (
        f"knowledge {knowledge.version} ({knowledge.digest[:19]}): {len(diseases)} diseases, "
        f"{rules} rules, {len(terms.drugs)} drugs, {len(terms.regimens)} regimens, "
        f"{len(terms.markers)} markers, {len(knowledge.citations)} citations"
    )


def _print_json(value: object) -> None:
    sys.stdout.buffer.write(orjson.dumps(value) + b"\n")
    sys.stdout.buffer.flush()
