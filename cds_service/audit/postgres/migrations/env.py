"""How Alembic runs the migrations: on the connection it is given, within its transaction."""

from __future__ import annotations

from alembic import context

from cds_service.audit.postgres.statements import SCHEMA

context.configure(
    connection=context.config.attributes["connection"],
    version_table_schema=SCHEMA,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
