"""The fixture patients: one folder each, with a chart and the story that it tells."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from cds_service.errors import UsageError

FOLDER = Path(__file__).resolve().parents[2] / "fhir_fixtures"


@dataclass(frozen=True, slots=True)
class Story:
    """One invented patient: the id, what happened in a few lines, and the chart as it travels."""

    patient_id: str
    title: str
    lines: tuple[str, ...]
    as_of: date
    expected_cards: int
    bundle: bytes


def read_stories(folder: Path = FOLDER) -> tuple[Story, ...]:
    """All stories, in order of their ids; raises UsageError where there are none."""
    paths = sorted(folder.glob("*/story.toml"))
    if not paths:
        raise UsageError(
            "the fixture patients are not here: they come with the source repository "
            "(fhir_fixtures/), not with the installed package"
        )
    return tuple(_read(path) for path in paths)


def _read(path: Path) -> Story:
    try:
        told = tomllib.loads(path.read_text("utf-8"))
        return Story(
            patient_id=path.parent.name,
            title=told["title"],
            lines=tuple(told["story"].strip().splitlines()),
            as_of=told["as_of"],
            expected_cards=told["expect"]["cards"],
            bundle=path.with_name("bundle.json").read_bytes(),
        )
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise UsageError(f"{path}: no usable story: {fault}") from None
