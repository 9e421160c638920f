"""One state of the knowledge as one document, so that it can be kept and loaded again later.

The files that make up the digest, word for word, and the site file that was used with them.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from cds_service.errors import KnowledgeError
from cds_service.knowledge.load import DATA, digest_of, load_knowledge
from cds_service.knowledge.model import Knowledge

FORM = "knowledge-package-1"
_COUNTED = (".toml", ".csv")


class _Package(msgspec.Struct, omit_defaults=True):
    form: str
    version: str
    digest: str
    files: dict[str, str]
    site: str | None = None


def package_of(knowledge: Knowledge, folder: Path = DATA, site: Path | None = None) -> bytes | None:
    """The package of this knowledge; None where it was not made of these files."""
    if digest_of(folder, knowledge.site_numbers) != knowledge.digest:
        return None
    if bool(knowledge.site_numbers) and site is None:
        return None
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes().decode("utf-8")
        for path in sorted(folder.rglob("*"))
        if path.suffix in _COUNTED
    }
    site_text = site.read_bytes().decode("utf-8") if site is not None else None
    return msgspec.json.encode(
        _Package(FORM, knowledge.version, knowledge.digest, files, site_text)
    )


def open_package(package: bytes, digest: str) -> Knowledge:
    """The knowledge in this package. Raises KnowledgeError where it is not of this digest, or is
    of a form that this version does not read."""
    try:
        read = msgspec.json.decode(package, type=_Package)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise KnowledgeError("the stored knowledge cannot be read") from None
    if read.form != FORM:
        raise KnowledgeError(f"the stored knowledge has the form {read.form}, not {FORM}")
    with TemporaryDirectory(prefix="refractory-cds-knowledge-") as made:
        folder = Path(made) / "data"
        for name, text in read.files.items():
            path = folder / name
            if not path.resolve().is_relative_to(folder.resolve()):
                raise KnowledgeError("the stored knowledge names a file outside its folder")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode("utf-8"))
        site = None
        if read.site is not None:
            site = Path(made) / "site.toml"
            site.write_bytes(read.site.encode("utf-8"))
        knowledge = load_knowledge(folder, site)
    if knowledge.digest != digest:
        raise KnowledgeError("the stored knowledge does not have the digest that it is named by")
    return knowledge
