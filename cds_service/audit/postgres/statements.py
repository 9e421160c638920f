"""The log's statements as PostgreSQL reads them. They are written once, as SQLite reads them."""

from __future__ import annotations

import re
from functools import lru_cache

SCHEMA = "refractory_cds"
"""The schema of the log's tables. Each statement names it: no search path decides."""

_TABLES = "events|terms|payloads|patients|log_keys|log|head|checkpoints"
_IN_ITS_SCHEMA = re.compile(rf"\b(FROM|JOIN|INTO|UPDATE) ({_TABLES})\b")
_WORDS = {
    "AS BLOB)": "AS bytea)",
    "AS INTEGER)": "AS bigint)",
    "group_concat(": "string_agg(",
    "+e.": "e.",  # a `+` before a column is a word against its index, to SQLite alone
}
_BYTES = re.compile(r"\bx'((?:[0-9a-fA-F]{2})*)'")
_NAMED = re.compile(r"(?<![:\w]):([a-z_]\w*)")


@lru_cache(maxsize=512)
def translated(statement: str) -> str:
    """The same statement with psycopg's places for values, bytea, and tables in their schema."""
    statement = _IN_ITS_SCHEMA.sub(rf"\1 {SCHEMA}.\2", statement.replace("%", "%%"))
    for ours, theirs in _WORDS.items():
        statement = statement.replace(ours, theirs)
    statement = _BYTES.sub(r"'\\x\1'::bytea", statement)
    return _NAMED.sub(r"%(\1)s", statement.replace("?", "%s"))
