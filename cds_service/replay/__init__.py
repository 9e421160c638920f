"""Decisions worked out again from what the log kept of them, and compared."""
