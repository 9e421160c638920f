"""The locks: exact versions with hashes, no index, and neither more nor less than is wanted."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.dockerfile import DEPLOY, ROOT

PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
NEEDED: list[str] = PYPROJECT["project"]["dependencies"]
TOOLS: list[str] = PYPROJECT["dependency-groups"]["dev"]
BUILD: list[str] = PYPROJECT["build-system"]["requires"]
PLATFORMS = [
    {"sys_platform": system, "platform_system": name, "python_version": python}
    for system, name in (("linux", "Linux"), ("darwin", "Darwin"), ("win32", "Windows"))
    for python in ("3.11", "3.14")
]

each_lock = pytest.mark.parametrize(
    "lock",
    [
        "requirements.lock",
        "requirements-dev.lock",
        "requirements-mutation.lock",
        "requirements-fuzz.lock",
    ],
)


def locked(lock: str) -> dict[str, Requirement]:
    text = re.sub(r"\s*\\\n\s*", " ", (DEPLOY / lock).read_text("utf-8"))
    lines = (line.split(" --hash=", 1)[0] for line in text.splitlines())
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(requirement.name): requirement for requirement in found}


def reachable(names: Iterable[str]) -> set[str]:
    """All that these requirements lead to, on any platform, as what is installed here says."""
    found: set[str] = set()
    to_do = [Requirement(name) for name in names]
    while to_do:
        wanted = to_do.pop()
        name = canonicalize_name(wanted.name)
        if name not in found:
            found.add(name)
            to_do += [r for r in _requires(name) if _is_wanted(r, wanted.extras)]
    return found


def _requires(name: str) -> list[Requirement]:
    try:
        return [Requirement(line) for line in requires(name) or ()]
    except PackageNotFoundError:  # wanted on other platforms only
        return []


def _is_wanted(requirement: Requirement, extras: set[str]) -> bool:
    """Whether a requirement holds on any of the platforms, with one of these extras."""
    marker = requirement.marker
    return marker is None or any(
        marker.evaluate({**platform, "extra": extra})
        for platform in PLATFORMS
        for extra in extras or {""}
    )


@each_lock
def test_every_package_has_one_version_and_hashes(lock: str) -> None:
    blocks = re.split(r"(?m)^(?=\S)", (DEPLOY / lock).read_text("utf-8"))
    blocks = [block for block in blocks if block.strip() and not block.startswith("#")]
    for block in blocks:
        name, *hashes = re.split(r" *\\\n *", block.strip())
        assert re.fullmatch(r"[\w.-]+==[\w.!+]+( ; .+)?", name), name
        assert hashes, name
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", digest) for digest in hashes)


@each_lock
def test_no_index_is_named(lock: str) -> None:
    text = (DEPLOY / lock).read_text("utf-8")
    assert not re.search(r"://|--index|--extra-index|--find-links|--trusted", text)


def test_the_lock_holds_what_the_package_needs_and_nothing_else() -> None:
    assert set(locked("requirements.lock")) == reachable(NEEDED)


def test_the_lock_of_development_adds_the_tools_and_nothing_else() -> None:
    assert set(locked("requirements-dev.lock")) == reachable([*NEEDED, *TOOLS])
    assert {Requirement(name).name for name in BUILD} <= set(locked("requirements-dev.lock"))


def test_both_locks_name_the_same_versions() -> None:
    developing = locked("requirements-dev.lock")
    for name, requirement in locked("requirements.lock").items():
        assert requirement.specifier == developing[name].specifier


def test_what_is_installed_here_is_what_is_locked() -> None:
    for name, requirement in locked("requirements-dev.lock").items():
        if requirement.marker is None or requirement.marker.evaluate():
            assert version(name) in requirement.specifier, name
