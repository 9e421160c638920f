"""What the service found, as text for people at a terminal: readable without colour, 80 columns up.

terminal.py   where it is printed, and text of a chart that can do nothing to a terminal
rules.py      the rules that decided, each with its sentence and its sources
line.py       one line of therapy
patient.py    one patient
"""

from cds_service.report.patient import patient_report, why_no_card
from cds_service.report.rules import citation_text, rule_text
from cds_service.report.terminal import Page, fields, harmless, plain

__all__ = [
    "Page",
    "citation_text",
    "fields",
    "harmless",
    "patient_report",
    "plain",
    "rule_text",
    "why_no_card",
]
