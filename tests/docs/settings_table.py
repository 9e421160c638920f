"""The README's table of settings, as `cds_service/settings.py` has them.

    python tests/docs/settings_table.py [--write]

Prints the table, or puts it into README.md between its markers.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from cds_service.settings import Settings

README = Path(__file__).resolve().parents[2] / "README.md"
BEGIN, END = "<!-- settings -->", "<!-- /settings -->"
BETWEEN = re.compile(f"{re.escape(BEGIN)}\n(.*?){re.escape(END)}", re.DOTALL)


def settings_table() -> str:
    """One row a setting, in the order in which they are declared."""
    prefix = Settings.model_config["env_prefix"]
    rows = [
        f"| `{prefix}{name.upper()}` | {_default(field)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(("| variable | default | what it is |", "| --- | --- | --- |", *rows)) + "\n"


def _default(field: FieldInfo) -> str:
    """The default as it would be written into the environment."""
    value: Any = field.default
    if value is None or value == "":
        return "–"
    if isinstance(value, bool | tuple):
        return f"`{json.dumps(value)}`"
    if isinstance(value, float) and value.is_integer():
        return f"`{int(value)}`"
    return f"`{value}`"


def table_in_readme() -> str | None:
    """What stands between the markers; None where README.md has none."""
    found = BETWEEN.search(README.read_text("utf-8"))
    return found[1] if found else None


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put it into README.md")
    if not parser.parse_args().write:
        sys.stdout.write(settings_table())
        return
    if table_in_readme() is None:
        raise SystemExit(f"README.md has no {BEGIN} … {END}")
    table = f"{BEGIN}\n{settings_table()}{END}"
    README.write_text(BETWEEN.sub(lambda _: table, README.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
