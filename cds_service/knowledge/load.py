"""Knowledge files → `Knowledge`, once, at start-up."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, TypeVar, get_args

from cds_service.errors import KnowledgeError
from cds_service.knowledge.interventions import (
    DeclaredService,
    InputKind,
    Interventions,
    Project,
    ReadKind,
    RuleSet,
)
from cds_service.knowledge.model import Citation, Disease, Knowledge, Rule
from cds_service.knowledge.schema import build
from cds_service.knowledge.site import (
    SiteNumber,
    Table,
    apply_site_numbers,
    read_site_file,
)
from cds_service.knowledge.terms_load import load_terminology

DATA = Path(__file__).with_name("data")


def load_knowledge(folder: Path = DATA, site: Path | None = None) -> Knowledge:
    """Everything in `folder`, with the version and the digest that decisions name.

    `site` is a file of numbers that a site wants otherwise: both version and digest tell of it.

    Raises KnowledgeError, naming the file and the member, for a file that is missing, malformed
    or says the same thing twice. What only a clinician or the criteria can judge is left to
    `check.py`.
    """
    shared = _toml(folder / "shared.toml")
    sets = _sets(shared)
    tables, used = _tables(folder, sets)
    numbers = apply_site_numbers(tables, read_site_file(site)) if site is not None else ()
    diseases = _diseases(tables)
    record = _toml(folder / "record.toml")
    return Knowledge(
        version=_version(folder, numbers),
        digest=digest_of(folder, numbers),
        terms=load_terminology(folder / "terms"),
        diseases=diseases,
        site_numbers=numbers,
        interventions=_interventions(folder / "interventions.toml"),
        unused_sets=tuple(sorted(sets.keys() - used)),
        shared_rules=build(tuple[Rule, ...], shared.get("rules", []), "shared.toml"),
        citations={
            key: build(Citation, table, f"citations.toml: {key}")
            for key, table in _toml(folder / "citations.toml").items()
        },
        disease_names=_names(diseases.values()),
        value_sets=build(
            Mapping[str, Mapping[str, str]],  # type: ignore[type-abstract]
            record["value_sets"],
            "record.toml",
        ),
        derived_facts=build(
            Mapping[str, tuple[str, ...]],  # type: ignore[type-abstract]
            record["derived_facts"],
            "record.toml",
        ),
        words=build(
            Mapping[str, tuple[str, ...]],  # type: ignore[type-abstract]
            record["words"],
            "record.toml",
        ),
    )


def _interventions(path: Path) -> Interventions | None:
    """Knowledge that was kept by an earlier version has no such file."""
    if not path.exists():
        return None
    table = _toml(path)
    if unknown := table.keys() - {"project", "inputs", "services", "diseases"}:
        raise KnowledgeError(f"{path.name}: unknown member {', '.join(sorted(unknown))}")
    kinds = frozenset(get_args(InputKind))
    if unknown := table.get("inputs", {}).keys() - kinds:
        raise KnowledgeError(f"{path.name}: no kind of input {', '.join(sorted(unknown))}")
    return Interventions(
        project=build(Project, table.get("project", {}), f"{path.name}: project"),
        inputs=_each(ReadKind, table, "inputs", path),
        services=_each(DeclaredService, table, "services", path),
        diseases=_each(RuleSet, table, "diseases", path),
    )


T = TypeVar("T")


def _each(shape: type[T], table: Table, part: str, path: Path) -> dict[Any, T]:
    return {
        name: build(shape, told, f"{path.name}: {part}.{name}")
        for name, told in table.get(part, {}).items()
    }


def _version(folder: Path, numbers: Iterable[SiteNumber]) -> str:
    version = str(_toml(folder / "release.toml")["version"])
    own = _digest_of_site(numbers)
    return f"{version}+site.{own[:8]}" if own else version


def _digest_of_site(numbers: Iterable[SiteNumber]) -> str:
    """Of what differs, not of how the file is written; empty where nothing does."""
    said = sorted((n.where, n.member, n.here, n.because) for n in numbers)
    return hashlib.sha256(repr(said).encode()).hexdigest() if said else ""


def digest_of(folder: Path, numbers: Iterable[SiteNumber] = ()) -> str:
    """SHA-256 over the names and contents of all files, in order of their names.

    Then over the numbers that a site has changed, where there are any.
    """
    digest = hashlib.sha256(_digest_of_site(numbers).encode())
    for path in sorted(p for p in folder.rglob("*") if p.suffix in (".toml", ".csv")):
        content = path.read_bytes()
        name = path.relative_to(folder).as_posix().encode()
        digest.update(b"%d %s %d\n" % (len(name), name, len(content)))
        digest.update(content)
    return f"sha256:{digest.hexdigest()}"


def _sets(shared: Table) -> dict[str, list[Table]]:
    """Rules that several diseases have in common, by the name of their set."""
    sets = shared.get("sets", {})
    if not isinstance(sets, dict) or not all(isinstance(rules, list) for rules in sets.values()):
        raise KnowledgeError("shared.toml: sets are arrays of tables, each under its name")
    return sets


def _with_shared(table: Table, sets: Mapping[str, list[Table]], where: str) -> Table:
    """The table of a disease with each `from = "set"` of its rules replaced by the set's rules.

    Whatever else stands beside `from` replaces members of all of them; `without` leaves some out.
    Their ids begin with that of the disease.
    """
    rules: list[Table] = []
    for rule in table.get("rules", []):
        if "from" not in rule:
            rules.append(rule)
            continue
        if rule["from"] not in sets:
            raise KnowledgeError(f"{where}: shared.toml has no set {rule['from']!r}")
        own = {name: value for name, value in rule.items() if name not in ("from", "without")}
        left_out = rule.get("without", [])
        for name in sorted({*left_out} - {each["id"] for each in sets[rule["from"]]}):
            raise KnowledgeError(f"{where}: the set {rule['from']!r} has no rule {name!r}")
        rules += [
            {**deepcopy(each), **own, "id": f"{table.get('id')}.{each['id']}"}
            for each in sets[rule["from"]]
            if each["id"] not in left_out
        ]
    return {**table, "rules": rules}


def _tables(folder: Path, sets: Mapping[str, list[Table]]) -> tuple[dict[str, Table], set[str]]:
    """The table of each disease, under the name of its file; and the sets that they take over."""
    tables, used = {}, set()
    for path in sorted((folder / "diseases").glob("*.toml")):
        table = _toml(path)
        used |= {str(rule["from"]) for rule in table.get("rules", []) if "from" in rule}
        tables[path.stem] = _with_shared(table, sets, path.name)
    return tables, used


def _diseases(tables: Mapping[str, Table]) -> dict[str, Disease]:
    diseases = {}
    for name, table in tables.items():
        disease = build(Disease, table, f"{name}.toml")
        if disease.id != name:
            raise KnowledgeError(f"{name}.toml: its id is {disease.id!r}")
        diseases[disease.id] = disease
    for general in ("other-solid", "other-heme"):
        if general not in diseases:
            raise KnowledgeError(f"diseases/{general}.toml is missing")
    return diseases


def _names(diseases: Iterable[Disease]) -> dict[str, str]:
    names: dict[str, str] = {}
    for disease in diseases:
        for name in disease.names:
            if names.setdefault(name, disease.id) != disease.id:
                raise KnowledgeError(f"{name!r} names {names[name]} and {disease.id}")
    return names


def _toml(path: Path) -> Table:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise KnowledgeError(f"{path.name} is missing") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise KnowledgeError(f"{path.name}: {fault}") from None
