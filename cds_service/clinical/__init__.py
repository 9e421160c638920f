"""The clinical core: `record → lines → evidence → status → advice`, over frozen values.

Pure: no I/O, no clock, no randomness. What it knows of medicine comes in as `Knowledge`.
"""
