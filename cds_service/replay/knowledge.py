"""The knowledge that decided, by its digest; and the one that may decide next."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from cds_service.audit.packages import activations, stored_package
from cds_service.audit.reading import LogReader
from cds_service.errors import AuditError, KnowledgeError, UsageError
from cds_service.knowledge.load import DATA, load_knowledge
from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.package import open_package
from cds_service.replay.rerun import Again
from cds_service.replay.stored import NotReplayable


class KnownThen:
    """What decides under each state of the knowledge that the log has kept, made once for each.

    Never another state than the one asked for: what the log has not kept is not there.
    """

    def __init__(self, reader: LogReader) -> None:
        self._reader = reader
        self._made: dict[str, Again | str] = {}

    def __call__(self, digest: str) -> Again:
        """Raises NotReplayable where this state cannot be had."""
        if digest not in self._made:
            self._made[digest] = self._make(digest)
        made = self._made[digest]
        if isinstance(made, str):
            raise NotReplayable(made)
        return made

    def _make(self, digest: str) -> Again | str:
        try:
            package = stored_package(self._reader, digest)
            if package is None:
                return f"the log has not kept the knowledge that decided ({digest})"
            return Again.under(open_package(package, digest))
        except (AuditError, KnowledgeError) as fault:
            return f"the knowledge that decided cannot be loaded: {fault}"


def candidate(reader: LogReader, wanted: str | None, site: Path | None) -> Again | None:
    """What would decide under other knowledge; None where none is asked for.

    `wanted` is a version or digest that the log has kept, or of the shipped files, or a folder of
    knowledge files; with `site` alone, the shipped files. Raises UsageError for what is nowhere.
    """
    if wanted is None and site is None:
        return None
    try:
        return Again.under(_found(reader, wanted, site))
    except KnowledgeError as fault:
        raise UsageError(f"the knowledge of the replay cannot be loaded: {fault}") from None


def _found(reader: LogReader, wanted: str | None, site: Path | None) -> Knowledge:
    if wanted is None:
        return load_knowledge(site=site)
    if Path(wanted).is_dir():
        return load_knowledge(Path(wanted), site)
    shipped = _shipped(site)
    if _is_named(wanted, shipped.version, shipped.digest):
        return shipped
    if site is not None:
        raise UsageError("--site changes the shipped knowledge, or that of a folder")
    for one in reversed(list(activations(reader))):
        if _is_named(wanted, one.version, one.digest):
            package = stored_package(reader, one.digest)
            if package is not None:
                return open_package(package, one.digest)
    raise UsageError("no such knowledge is shipped or kept in the log, and no such folder is there")


def _is_named(wanted: str, version: str, digest: str) -> bool:
    return wanted in (version, digest, digest.removeprefix("sha256:"))


@cache
def _shipped(site: Path | None) -> Knowledge:
    return load_knowledge(DATA, site)
