"""The requirements in docs/conformance.md, as `cds_service/conformance` checks them.

    python tests/docs/conformance_table.py [--write]

Prints the tables, or puts them into the page between its markers.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from cds_service.conformance.table import claims

PAGE = Path(__file__).resolve().parents[2] / "docs" / "conformance.md"
BEGIN, END = "<!-- requirements -->", "<!-- /requirements -->"
BETWEEN = re.compile(f"{re.escape(BEGIN)}\n(.*?){re.escape(END)}", re.DOTALL)


def tables_in_page() -> str | None:
    """What stands between the markers; None where the page has none."""
    found = BETWEEN.search(PAGE.read_text("utf-8"))
    return found[1] if found else None


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put them into docs/conformance.md")
    if not parser.parse_args().write:
        sys.stdout.write(claims())
        return
    if tables_in_page() is None:
        raise SystemExit(f"docs/conformance.md has no {BEGIN} … {END}")
    tables = f"{BEGIN}\n{claims()}{END}"
    PAGE.write_text(BETWEEN.sub(lambda _: tables, PAGE.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
