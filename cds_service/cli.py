"""The command line: how each command is called, its help, its exit code. No command's own work.

Everything heavy is imported inside the commands, so that `--help` is there at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from cds_service.commands.running import PROGRAM, run_command
from cds_service.errors import UsageError
from cds_service.heap import collect_seldom
from cds_service.version import __version__


class Format(StrEnum):
    JSON = "json"
    TEXT = "text"


def _day(text: str) -> date:
    from cds_service.dates import parse_day

    try:
        return parse_day(text)
    except ValueError:
        raise typer.BadParameter("not a day such as 2026-11-21") from None


FRAMES: Final = "rich" if sys.stdout.isatty() else None
"""Frames around the help on a terminal. A pipe needs none, and has it in two thirds of the time."""

app = typer.Typer(
    rich_markup_mode=FRAMES,
    help="Lines of cancer therapy from FHIR charts, and whether the disease is *possibly* "
    "refractory to each: as a CDS Hooks service, and for files. Advisory only; the service logs "
    "every decision.",
    epilog="New here? Run: refractory-cds demo",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # their locals would show charts
)
knowledge_app = typer.Typer(
    rich_markup_mode=FRAMES,
    help="The clinical knowledge: what the rules say, and whose they are.",
    epilog="Example: refractory-cds knowledge show multiple-myeloma",
    no_args_is_help=True,
)
fixtures_app = typer.Typer(
    rich_markup_mode=FRAMES,
    help="The invented patients of the demo.",
    epilog="Example: refractory-cds fixtures load --to http://localhost:8080/fhir",
    no_args_is_help=True,
)

Output = Annotated[
    Format | None,
    typer.Option("--format", help="For machines or for people. Default: text on a terminal."),
]
KeptDigest = Annotated[
    str | None,
    typer.Option(
        "--knowledge",
        metavar="DIGEST",
        help="An earlier state of the knowledge, by its digest or version, as the decision log "
        "has kept it.",
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", metavar="FILE", help="File with the FHIR server's bearer token."),
]


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{PROGRAM} {__version__}")
        raise typer.Exit


@app.callback()
def _program(
    _version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_show_version, help="Print the version."),
    ] = False,
) -> None: ...


@app.command(epilog="Example: refractory-cds serve --port 8000 --workers 2")
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 for any free one.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the work.")] = 1,
) -> None:
    """Run the CDS Hooks service until it is stopped.

    Settings come from environment variables REFRACTORY_CDS_… or a file .env.
    """
    from cds_service.commands.serving import serve as serve_until_stopped
    from cds_service.commands.setting import read_settings

    serve_until_stopped(read_settings(), host, port, workers)


@app.command(epilog="Example: refractory-cds demo --once")
def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop after the cards.")] = False,
    keep_log: Annotated[
        bool, typer.Option("--keep-log", help="Leave the decision log where it is at the end.")
    ] = False,
) -> None:
    """Watch it work: open the charts of invented patients and print their cards.

    Starts the service and a FHIR server here, and calls the hook over HTTP.
    Then it goes on serving until Ctrl-C.
    """
    from cds_service.demo.play import play

    raise typer.Exit(play(once=once, keep_log=keep_log))


@app.command(epilog="Example: refractory-cds assess chart.json exports/ --as-of 2026-11-21")
def assess(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH",
            help="FHIR JSON: a Bundle, a resource, NDJSON (also gzipped), a folder of those, or - "
            "for standard input.",
            show_default=False,
        ),
    ] = None,
    as_of: Annotated[
        date | None,
        typer.Option(
            "--as-of", parser=_day, metavar="DATE", help="Day to judge on. Default: today."
        ),
    ] = None,
    output: Output = None,
    fhir_base: Annotated[
        str | None,
        typer.Option("--fhir-base", metavar="URL", help="Read from this FHIR server instead."),
    ] = None,
    patient: Annotated[
        str | None, typer.Option("--patient", metavar="ID", help="The patient's id there.")
    ] = None,
    token_file: TokenFile = None,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain", help="Say of every rule whether it held, did not, or could not be told."
        ),
    ] = False,
    processes: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="Processes for large inputs. Default: all cores."),
    ] = None,
) -> None:
    """Assess patients from files, or one from a FHIR server.

    Prints one Assessment a patient, in order of id: as JSON, one object a line, or as text.
    Large inputs are sorted by patient in TMPDIR, which needs room for them once more.
    """
    if bool(paths) == (fhir_base is not None) or (fhir_base is None) != (patient is None):
        raise UsageError("assess needs files or folders, or else --fhir-base and --patient")
    day = as_of or datetime.now().astimezone().date()
    as_text = _is_text(output)
    if fhir_base is not None and patient is not None:
        from cds_service.commands.assessing_on_server import assess_on_server

        assess_on_server(fhir_base, patient, token_file, day, as_text=as_text, explain=explain)
    else:
        from cds_service.commands.assessing import assess_files

        assess_files(paths or (), day, as_text=as_text, explain=explain, processes=processes)


@app.command(epilog="Example: refractory-cds conformance --base https://cds.example.org")
def conformance(
    base: Annotated[
        str, typer.Option("--base", metavar="URL", help="Where the service is, as clients call it.")
    ],
    output: Output = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Let what only SHOULD hold count as well.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=600, help="Seconds to wait for each answer.")
    ] = 10.0,
    origin: Annotated[
        str | None,
        typer.Option(metavar="ORIGIN", help="An origin whose pages may call it. Else the Sandbox."),
    ] = None,
    jwt_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Private key of a client it knows, as PEM or JWK."),
    ] = None,
    jwt_iss: Annotated[
        str | None, typer.Option(metavar="ISS", help="That client's name (iss).")
    ] = None,
    jwt_kid: Annotated[
        str | None, typer.Option(metavar="KID", help="The key's name (kid).")
    ] = None,
    jwt_jku: Annotated[
        str | None, typer.Option(metavar="URL", help="Where the client's keys are (jku).")
    ] = None,
) -> None:
    """Check a running deployment against CDS Hooks, over HTTP, with invented charts.

    Each call is one more decision in its log, by Practitioner/conformance-test.
    Exit code 0: it conforms; 1: something does not hold; 2: no CDS service there.
    """
    from cds_service.conformance.deployment import Deployment
    from cds_service.conformance.programme import run
    from cds_service.conformance.tokens import Signer

    named = (jwt_key is not None, jwt_iss is not None, jwt_kid is not None)
    if any(named) and not all(named):
        raise UsageError("--jwt-key, --jwt-iss and --jwt-kid go together")
    if jwt_jku is not None and not any(named):
        raise UsageError("--jwt-jku needs --jwt-key")
    signer = Signer.from_file(jwt_key, jwt_iss or "", jwt_kid or "", jwt_jku) if jwt_key else None
    deployment = Deployment(base, seconds=timeout, signer=signer, origin=origin)
    raise typer.Exit(run(deployment, text=_is_text(output), strict=strict))


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def audit(context: typer.Context) -> None:
    """The decision log: list, show, verify, prove, replay, export, and more."""
    from cds_service.commands.setting import read_settings
    from cds_service.replay.commands import audit_app

    root = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    root.add_typer(audit_app, name="audit")
    settings = read_settings()
    files = {
        "db": settings.audit_address,
        "anchor_file": settings.audit_anchor_file,
        "data_key_file": settings.audit_data_key_file,
        "key_file": settings.audit_key_file,
        "signing_key_file": settings.audit_signing_key_file,
    }
    log = {name: str(file) for name, file in files.items() if file is not None}
    by_command = {name: log for name in typer.main.get_group(audit_app).commands}
    raise typer.Exit(run_command(root, ["audit", *context.args], {"audit": by_command}))


@knowledge_app.command("check", epilog="Example: refractory-cds knowledge check")
def check_knowledge(
    folder: Annotated[
        Path | None,
        typer.Option("--folder", help="Knowledge files to check instead of the shipped ones."),
    ] = None,
    site: Annotated[
        Path | None,
        typer.Option("--site", help="Site file to check with them, instead of the one in use."),
    ] = None,
) -> None:
    """Check that the knowledge files hold together: one line a fault, exit code 1."""
    from cds_service.commands.knowing import check

    raise typer.Exit(check(folder, site))


@knowledge_app.command("list", epilog="Example: refractory-cds knowledge list --format json")
def list_knowledge(output: Output = None) -> None:
    """List the diseases and what there is for each, with version and digest."""
    from cds_service.commands.knowing import list_all

    list_all(as_text=_is_text(output))


@knowledge_app.command("show", epilog="Example: refractory-cds knowledge show lenalidomide")
def show_knowledge(
    name: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="A disease, rule, composite, drug, regimen, marker, citation, or about-DISEASE.",
        ),
    ],
    digest: KeptDigest = None,
    output: Output = None,
) -> None:
    """Show a disease definition, a rule, drug, regimen, marker or citation, by id or name."""
    from cds_service.commands.knowing import show

    show(name, as_text=_is_text(output), digest=digest)


@knowledge_app.command("pages", epilog="Example: refractory-cds knowledge pages --to var/knowledge")
def write_knowledge_pages(
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Folder to write them into.")],
    digest: KeptDigest = None,
) -> None:
    """Write all of the knowledge as pages for review: to read, print and sign; no scripts."""
    from cds_service.commands.knowing import write

    write(to, digest)


@fixtures_app.command(
    "load", epilog="Example: refractory-cds fixtures load --to http://localhost:8080/fhir"
)
def load_fixtures(
    to: Annotated[str, typer.Option("--to", metavar="URL", help="Base URL of the FHIR server.")],
    token_file: TokenFile = None,
) -> None:
    """Put the fixture patients on a FHIR server, one transaction each."""
    from cds_service.demo.loading import load

    raise typer.Exit(load(to, token_file))


app.add_typer(knowledge_app, name="knowledge")
app.add_typer(fixtures_app, name="fixtures")


def main() -> None:
    """The console script: runs the command and ends the process with its exit code."""
    collect_seldom()  # what a start makes stays
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; a fault is one line on standard error."""
    return run_command(app, arguments)


def _is_text(output: Format | None) -> bool:
    return output is Format.TEXT or (output is None and sys.stdout.isatty())
