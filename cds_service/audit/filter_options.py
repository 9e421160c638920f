"""The filters of `list`, `export` and `feedback` as options of the command line."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Final, get_type_hints

import typer

from cds_service.audit.canonical import Json
from cds_service.audit.decision import patient_of
from cds_service.audit.events import Client, id_shaped
from cds_service.audit.filters import Filter
from cds_service.audit.log import default_key_file
from cds_service.audit.pseudonyms import PatientIdentity, load_keys
from cds_service.audit.reading import LogReader
from cds_service.errors import AuditError

_CALL, _FOUND, _AFTER, _PATIENT = "Of the call", "Of what was found", "Of what followed", "Patient"


def _text(flag: str, says: str, panel: str, **more: Any) -> Any:
    return Annotated[str | None, typer.Option(flag, help=says, rich_help_panel=panel, **more)]


def _number(flag: str, says: str, panel: str, kind: Any = float) -> Any:
    return Annotated[kind | None, typer.Option(flag, help=says, rich_help_panel=panel, min=0)]


_FILTERS: Final[Mapping[str, Any]] = {
    "service": _text("--service", "Id of the service.", _CALL),
    "hook": _text("--hook", "Name of the hook.", _CALL),
    "outcome": _text("--outcome", "Such as no-cancer.", _CALL),
    "client": _text("--client", "`iss` of the client.", _CALL, metavar="ISS"),
    "user": _text("--user", "Such as Practitioner/dr-a.", _CALL),
    "site": _text("--site", "Facility or location of the user.", _CALL),
    "mode": _text("--mode", "live, silent, replay or canary.", _CALL),
    "error": _text("--error", "Class of the error; `any`.", _CALL),
    "knowledge": _text("--knowledge", "Version of the knowledge.", _CALL),
    "software": _text("--software", "Version of the software.", _CALL),
    "missing": _text(
        "--missing", "A prefetch key, why it brought nothing, KEY:WHY, or `any`.", _CALL
    ),
    "slower_than": _number("--slower-than", "Took more milliseconds.", _CALL),
    "faster_than": _number("--faster-than", "Took fewer milliseconds.", _CALL),
    "disease": _text("--disease", "Such as multiple-myeloma.", _FOUND),
    "line": _number("--line", "Number of the line of therapy.", _FOUND, int),
    "status": _text("--status", "Such as possible-refractory.", _FOUND),
    "pattern": _text("--pattern", "primary or secondary; `any`.", _FOUND),
    "confidence": _text("--confidence", "documented, criteria or signal; `any`.", _FOUND),
    "rule": _text("--rule", "Id of a rule that was met.", _FOUND),
    "rule_not_met": _text("--rule-not-met", "Id of a rule that was asked in vain.", _FOUND),
    "caveat": _text("--caveat", "Such as marker-only; `any`.", _FOUND),
    "advice": _text("--advice", "Such as restage; suppressed too.", _FOUND),
    "suppressed": _text("--suppressed", "Why advice was held back; `any`.", _FOUND),
    "feedback": _text(
        "--feedback", "What was said last of a card: accepted, overridden, none.", _AFTER
    ),
    "override_reason": _text("--override-reason", "Such as evidence-wrong.", _AFTER),
    "reviewed": _text("--reviewed", "Verdict: right, wrong, unsure; any, none.", _AFTER),
}
_PATIENT_OPTIONS: Final[Mapping[str, Any]] = {
    "patient_from": Annotated[
        Path | None,
        typer.Option(
            "--patient-from",
            metavar="FILE",
            help="A file whose first line is the patient's id; `-`: the standard input.",
            rich_help_panel=_PATIENT,
        ),
    ],
    "fhir_server": _text(
        "--fhir-server", "`fhirServer` as the calls named it.", _PATIENT, metavar="URL"
    ),
    "tenant": _text("--tenant", "Tenant of the client.", _PATIENT),
    "key_file": Annotated[
        Path | None,
        typer.Option(
            "--key-file",
            envvar="REFRACTORY_CDS_AUDIT_KEY_FILE",
            help="The file with the pseudonym keys; beside the log by default.",
            rich_help_panel=_PATIENT,
        ),
    ],
}
FILTER_OPTIONS: Final[Mapping[str, Any]] = {**_FILTERS, **_PATIENT_OPTIONS}


@dataclass(frozen=True, slots=True)
class Asked:
    """What stood on the command line: a filter, and perhaps one patient.

    A patient's id comes from a file or the standard input: the command line of a process can be
    read by others, and stays in the history of a shell.
    """

    filter: Filter
    patient_from: Path | None = None
    fhir_server: str | None = None
    tenant: str | None = None
    key_file: Path | None = None

    @property
    def query(self) -> dict[str, Json]:
        """The conditions as an entry of the log keeps them; of a patient only that one was asked
        for."""
        given = {one.name: getattr(self.filter, one.name) for one in fields(Filter)}
        said: dict[str, Json] = {
            _camel(name): id_shaped(str(value))
            for name, value in given.items()
            if value is not None
        }
        return said | ({"patient": "(by id)"} if self.patient_from else {})

    def having(self, db: Path, reader: LogReader) -> dict[str, list[str]]:
        """The search terms that this asks for; AuditError where the patient cannot be looked up."""
        if self.patient_from is None:
            return self.filter.terms
        keys = load_keys(self.key_file or default_key_file(db))
        names = reader.pseudonyms(self._patient(self.patient_from), keys)
        return {**self.filter.terms, "patient": names or [""]}  # the empty one is nobody's

    def _patient(self, source: Path) -> PatientIdentity:
        try:
            named = _first_line(source).strip()
        except (OSError, UnicodeDecodeError) as error:
            raise AuditError(f"{source}: the patient's id cannot be read from it") from error
        if not named:
            raise AuditError(f"{source}: no patient's id stands in it")
        try:
            client = Client(iss=self.filter.client, tenant=self.tenant)
            return patient_of(client, self.fhir_server, named)
        except ValueError as error:
            raise AuditError(str(error)) from error


def _first_line(source: Path) -> str:
    if str(source) == "-":
        return sys.stdin.readline()
    with source.open(encoding="utf-8") as file:
        return file.readline()


def plain_query(**given: object) -> dict[str, Json]:
    """Conditions that are no filter of entries, as an entry of the log keeps them."""
    return {name: id_shaped(str(value)) for name, value in given.items() if value is not None}


def with_filters(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the options of all filters; it takes them as one argument, `asked`."""
    hints = get_type_hints(command, include_extras=True)
    own = [
        one.replace(annotation=hints[one.name], kind=inspect.Parameter.KEYWORD_ONLY)
        for one in inspect.signature(command).parameters.values()
        if one.name != "asked"
    ]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=hint)
        for name, hint in FILTER_OPTIONS.items()
    ]

    def taking_options(**given: Any) -> None:
        chosen = Filter(**{name: given.pop(name) for name in _FILTERS})
        patient = {name: given.pop(name) for name in _PATIENT_OPTIONS}
        command(asked=Asked(chosen, **patient), **given)

    taking_options.__doc__ = command.__doc__
    taking_options.__name__ = command.__name__
    taking_options.__annotations__ = {one.name: one.annotation for one in (*own, *added)}
    taking_options.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]
    return taking_options


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
