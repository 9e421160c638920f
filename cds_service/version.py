"""The version of the software; that of the clinical knowledge stands in its own package."""

__version__ = "0.1.0"
