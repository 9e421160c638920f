"""What software this process runs, as far as the installation itself can tell."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, distributions

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
    """What is installed, looked up once a process (about 50 ms)."""
    lines = {
        f"{found.metadata['Name'].lower()}=={found.version}"
        for found in distributions()
        if found.metadata["Name"]
    }
    return Installed(_commit(), digest("\n".join(sorted(lines)).encode()))


def _commit() -> str | None:
    """Source: PEP 610, direct_url.json."""
    try:
        said = json.loads(distribution(OURS).read_text("direct_url.json") or "{}")
        commit = said["vcs_info"]["commit_id"]
    except (PackageNotFoundError, ValueError, KeyError, TypeError):
        return None
    return commit if isinstance(commit, str) else None
