"""The log's files on disk: made whole or not at all, and never on a network file system."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cds_service.errors import AuditError

# Kinds of file system on which SQLite's locks are not to be trusted, as Linux names them. 9p and
# virtiofs are left out: they are also how virtual machines and sandboxes show a local disk.
NETWORK_FILE_SYSTEMS = frozenset(
    {"afs", "beegfs", "ceph", "cifs", "davfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs"}
    | {"nfs4", "smb3", "smbfs", "fuse.cephfs", "fuse.davfs2", "fuse.glusterfs", "fuse.rclone"}
    | {"fuse.s3fs", "fuse.sshfs"}
)
_MOUNTS = Path("/proc/self/mountinfo")


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A draft to fill, readable by its owner alone; it gets its name, durably, once it is full.

    If another process was first, its file stays and the draft is dropped. After a crash there is
    the whole file or none.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        yield draft
        flush(draft)
        with suppress(FileExistsError):
            os.link(draft, path)
        flush(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def refuse_network_file_system(path: Path) -> None:
    """Raise AuditError where this file would lie on a network file system and that can be known."""
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return  # not Linux: cannot be known
    kind = file_system_of(path.resolve(), mounts)
    if kind in NETWORK_FILE_SYSTEMS:
        raise AuditError(f"the decision log cannot lie on a network file system ({kind})")


def file_system_of(path: Path, mounts: str) -> str | None:
    """The kind of file system that holds this path; of several mounts on one point, the last.

    Source: proc_pid_mountinfo(5).
    """
    best: tuple[int, str] | None = None
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(" "), after.partition(" ")[0]
        if len(fields) < 5 or not kind:
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4]))
        depth = len(point.parts)
        if path.is_relative_to(point) and (best is None or depth >= best[0]):
            best = (depth, kind)
    return best[1] if best else None


def flush(path: Path) -> None:
    """Put this file, or the names in this folder, on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
