"""How a command is run: its exit code, and one line on standard error where it cannot be."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import typer

from cds_service.errors import RefractoryCdsError

PROGRAM = "refractory-cds"
USAGE = 2
"""Exit code for wrong usage and for input that cannot be read."""
CLOSED_PIPE = 141
"""Exit code where nobody reads on, as the shell shows it for any program (128 + SIGPIPE)."""
INTERRUPTED = 130
_HELP = "NoArgsIsHelpError"
"""What typer raises where a group is called without a command; it exports no name for it."""


def run_command(
    commands: typer.Typer, arguments: Sequence[str], defaults: dict[str, Any] | None = None
) -> int:
    """Run what the arguments ask for and return its exit code.

    Every fault is one line on standard error. `defaults` of options, command by command.
    """
    try:
        exit_code = _run(typer.main.get_command(commands), arguments, defaults)
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_output()
        return CLOSED_PIPE
    except OSError as fault:
        if fault.filename is not None:  # not of the output, which has no name
            raise
        _forget_output()
        return _complain(f"the output cannot be written: {fault.strerror}", USAGE)
    except KeyboardInterrupt:
        return INTERRUPTED
    return exit_code


def _run(command: Any, arguments: Sequence[str], defaults: dict[str, Any] | None) -> int:
    try:
        with command.make_context(PROGRAM, list(arguments), default_map=defaults) as context:
            command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    except typer.TyperException as fault:
        return _complain(_of_usage(fault), fault.exit_code)
    except RefractoryCdsError as fault:
        return _complain(str(fault), USAGE)
    return 0


def _of_usage(fault: typer.TyperException) -> str:
    """What was wrong and where help is; nothing where help is all that is said, which is printed.

    With frames around it typer has printed it by itself.
    """
    said = fault.format_message()
    if type(fault).__name__ == _HELP:
        if said:
            typer.echo(said)
        return ""
    path = getattr(getattr(fault, "ctx", None), "command_path", PROGRAM)
    return f"{said.rstrip('.')} (see {path} --help)" if said else ""


def _complain(message: str, exit_code: int) -> int:
    """One line on standard error, whatever a file name holds."""
    line = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in message)
    if line:
        typer.echo(f"{PROGRAM}: {line}", err=True)
    return exit_code


def _forget_output() -> None:
    """What is still unwritten goes nowhere, so that the end of the process is quiet too."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
