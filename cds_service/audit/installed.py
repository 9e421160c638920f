"""What software this process runs, as far as the installation itself can tell."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions

from cds_service.audit.canonical import digest

OURS = "refractory-cds"


@dataclass(frozen=True, slots=True)
class Installed:
    """`commit`: from which we were installed, None where that was no repository.

    `lock_digest`: of all distributions that are installed here, one `name==version` a line, names
    in lower case, the lines in their order.
    """

    commit: str | None
    lock_digest: str


@cache
def installed_software() -> Installed:
    """What is installed, looked up once a process."""
    lines = {
        f"{name.lower()}=={version}" for name, version in map(named_by, distributions()) if name
    }
    return Installed(_commit(), digest("\n".join(sorted(lines)).encode()))


def named_by(found: Distribution) -> tuple[str, str]:
    """Name and version, "" where it has none; the description behind the headers is not read.

    Source: core metadata, in which both stand on one line each.
    """
    text = found.read_text("METADATA") or found.read_text("PKG-INFO") or ""
    headers: dict[str, str] = {}
    for line in text.partition("\n\n")[0].splitlines():
        name, _, value = line.partition(":")
        headers.setdefault(name.lower(), value.strip())
    return headers.get("name", ""), headers.get("version", "")


def _commit() -> str | None:
    """Source: PEP 610, direct_url.json."""
    try:
        said = json.loads(distribution(OURS).read_text("direct_url.json") or "{}")
        commit = said["vcs_info"]["commit_id"]
    except (PackageNotFoundError, ValueError, KeyError, TypeError):
        return None
    return commit if isinstance(commit, str) else None
