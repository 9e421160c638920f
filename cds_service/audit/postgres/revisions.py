"""The versions of the log's tables in PostgreSQL, oldest first: a migration each."""

from __future__ import annotations

REVISIONS = ("0001", "0002")
HEAD = REVISIONS[-1]


def is_newer(revision: str) -> bool:
    """Whether tables of this revision were made by software that came after this one."""
    return revision not in REVISIONS and revision > HEAD
