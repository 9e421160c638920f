"""`refractory-cds audit reidentify`: who one decision is about, on record before it is told."""

from __future__ import annotations

from typing import Annotated

import typer

from cds_service.audit import cli_text
from cds_service.audit.command_parts import (
    DataKeyFile,
    Db,
    Format,
    Output,
    clear_errors,
    record,
    who,
)
from cds_service.audit.events import utc_now
from cds_service.audit.reading import open_reader
from cds_service.audit.reidentifying import Asking, reidentify
from cds_service.audit.review_commands import decision_named

TwoPersons = Annotated[
    bool,
    typer.Option(
        "--two-persons",
        envvar="REFRACTORY_CDS_AUDIT_TWO_PERSONS",
        help="Another account has to have asked for the same within a day.",
    ),
]


def reidentify_patient(
    entry_id: Annotated[str, typer.Argument(metavar="ID", help="A decision's id, or its seq.")],
    db: Db,
    role: Annotated[str, typer.Option(help="In which role; privacy-officer.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; kept, sealed, with your name.")],
    two_persons: TwoPersons = False,
    output: Output = Format.TEXT,
    data_key_file: DataKeyFile = None,
) -> None:
    """Name the patient of one decision. An entry says so before anything is printed."""
    with clear_errors(db), open_reader(db, data_key_file) as reader:
        asking = Asking(
            by=who(reason, role),
            record=lambda event: record(db, event, data_key_file),
            now=utc_now(),
            needs_two=two_persons,
        )
        found = reidentify(reader, decision_named(reader, entry_id), asking)
    if output is Format.JSON:
        cli_text.print_json({"patientId": found.patient_id, "fhirServer": found.fhir_server})
        return
    server = f" on {found.fhir_server}" if found.fhir_server else ""
    typer.echo(f"patient {cli_text.harmless(found.patient_id)}{cli_text.harmless(server)}")
