"""Bearer tokens out of files, so that none stands on a command line."""

from __future__ import annotations

from pathlib import Path

from cds_service.errors import UnreadableInput


def read_token(file: Path | None) -> str | None:
    """The token in a file, None without one; raises UnreadableInput."""
    if file is None:
        return None
    try:
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise UnreadableInput(f"{file}: the token cannot be read") from None
