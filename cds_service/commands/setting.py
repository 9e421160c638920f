"""The settings of this process, or one line that says which of them is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import SettingsError

from cds_service.errors import UsageError
from cds_service.knowledge.load import load_knowledge
from cds_service.knowledge.model import Knowledge
from cds_service.settings import Settings

PREFIX = "REFRACTORY_CDS_"
_ASSIGNED = re.compile(rf"^\s*(?:export\s+)?({PREFIX}\w+)\s*=", re.IGNORECASE | re.MULTILINE)


def unknown_settings(environment: Iterable[str], env_file: Path = Path(".env")) -> list[str]:
    """Names of variables that look like settings of ours and are none: misspelt, or of old."""
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
    try:
        in_file = _ASSIGNED.findall(env_file.read_text("utf-8", "replace"))
    except OSError:
        in_file = []
    names = {name.upper() for name in (*environment, *in_file)}
    return sorted(name for name in names if name.startswith(PREFIX) and name not in known)


@cache
def knowledge_in_use() -> Knowledge:
    """The shipped knowledge with the numbers of this site; raises KnowledgeError."""
    return load_knowledge(site=read_settings().site_file)


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
