"""Purges: payloads past their time may be deleted, by a function for a role of its own."""

from __future__ import annotations

from importlib.resources import files

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    script = files(__package__ or "cds_service.audit.postgres.migrations.versions")
    op.get_bind().exec_driver_sql(script.joinpath("r0002.sql").read_text("utf-8"))
