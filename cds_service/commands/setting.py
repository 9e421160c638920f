"""The settings of this process, or one line that says which of them is wrong."""

from __future__ import annotations

import re

from pydantic import ValidationError
from pydantic_settings import SettingsError

from cds_service.errors import UsageError
from cds_service.settings import Settings


def read_settings() -> Settings:
    """What the environment and `.env` say; raises UsageError with the name of a wrong variable."""
    try:
        return Settings()
    except ValidationError as fault:
        first = fault.errors(include_url=False, include_input=False)[0]
        what = first["msg"].removeprefix("Value error, ")
        raise UsageError(f"REFRACTORY_CDS_{str(first['loc'][0]).upper()}: {what}") from None
    except SettingsError as fault:
        field = re.search(r'field "(\w+)"', str(fault))
        name = field[1].upper() if field else "…"
        raise UsageError(f"REFRACTORY_CDS_{name}: a list is written as JSON") from None
