"""The tables of the decision log, their guards, and what hosts share of their callers."""

from __future__ import annotations

from importlib.resources import files

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    script = files(__package__ or "cds_service.audit.postgres.migrations.versions")
    op.get_bind().exec_driver_sql(script.joinpath("r0001.sql").read_text("utf-8"))
