"""What guards a log in PostgreSQL, as its catalogue tells it, and as it was made."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from cds_service.audit.postgres.statements import SCHEMA

AS_MADE = "as_made.txt"
"""The rows of DEFINITIONS in a log just made, one a line: name, tab, text."""

# One row each: tables that are plain ones, unique columns, indexes, triggers in force, functions.
DEFINITIONS = f"""
SELECT relname::text, 'table ' || relkind::text || CASE WHEN relrowsecurity OR relhasrules
                      OR relhassubclass OR relispartition THEN ' altered' ELSE '' END
  FROM pg_catalog.pg_class
 WHERE relnamespace = '{SCHEMA}'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')
   AND relname <> 'alembic_version'
UNION ALL
SELECT c.relname::text, 'index of ' || t.relname || ' '
       || CASE WHEN indisunique THEN 'unique ' ELSE '' END
       || CASE WHEN indisvalid AND indisready THEN '' ELSE 'not in use ' END
       || regexp_replace(pg_get_indexdef(indexrelid), '^.* USING ', '')
  FROM pg_catalog.pg_index
  JOIN pg_catalog.pg_class c ON c.oid = indexrelid JOIN pg_catalog.pg_class t ON t.oid = indrelid
 WHERE c.relnamespace = '{SCHEMA}'::regnamespace AND t.relname <> 'alembic_version'
UNION ALL
SELECT tgname::text, 'trigger of ' || c.relname || ' ' || tgtype::text || ' '
       || tgenabled::text || ' ' || p.proname
       || CASE WHEN tgqual IS NULL THEN '' ELSE ' sometimes' END
  FROM pg_catalog.pg_trigger JOIN pg_catalog.pg_class c ON c.oid = tgrelid
  JOIN pg_catalog.pg_proc p ON p.oid = tgfoid
 WHERE c.relnamespace = '{SCHEMA}'::regnamespace AND NOT tgisinternal
UNION ALL
SELECT conname::text, 'check of ' || c.relname || ' '
       || regexp_replace(pg_get_constraintdef(k.oid), '[()]', '', 'g')
  FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = conrelid
 WHERE connamespace = '{SCHEMA}'::regnamespace AND contype = 'c'
UNION ALL
SELECT proname::text, 'function ' || CASE WHEN prosecdef THEN 'of its owner ' ELSE '' END
       || coalesce(array_to_string(proconfig, ' '), '') || ' sha256:'
       || encode(sha256(convert_to(prosrc, 'UTF8')), 'hex')
  FROM pg_catalog.pg_proc WHERE pronamespace = '{SCHEMA}'::regnamespace
"""  # noqa: S608 # our own names


@cache
def definitions_as_made() -> frozenset[tuple[str, str]]:
    """What DEFINITIONS gives of a log on which nobody laid hands."""
    text = files(__package__).joinpath(AS_MADE).read_text("utf-8")
    lines = (line.partition("\t") for line in text.splitlines())
    return frozenset((name, said) for name, _, said in lines)


def as_text(found: frozenset[tuple[str, str]]) -> str:
    """The rows as the file has them."""
    return "".join(sorted(f"{name}\t{said}\n" for name, said in found))
