"""Migrations of the log's tables, for Alembic."""
