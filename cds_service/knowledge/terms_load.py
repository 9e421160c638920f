"""The terminology tables of a folder as one `Terminology`; a fault names file, line and column."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TypeVar

from cds_service.knowledge.terms import (
    ICD10,
    ICD10CM,
    ICD10GM,
    LOINC,
    Code,
    CodeTable,
    ConditionTerm,
    Marker,
    ResponseTerm,
    Terminology,
    Unit,
)
from cds_service.knowledge.terms_codes import TEXT, check_code, read_system
from cds_service.knowledge.terms_drugs import read_medications
from cds_service.knowledge.terms_regimens import (
    by_disease,
    compile_names,
    read_regimens,
    unshared_names,
)
from cds_service.knowledge.terms_table import Row, read_sources, read_table
from cds_service.knowledge.terms_units import factors_of, read_units
from cds_service.knowledge.terms_words import (
    CATEGORIES,
    CRITERIA,
    EVIDENCE_KINDS,
    FACT_VALUES,
    FACTS,
    FINDINGS,
    MARKER_USES,
    OBSERVATION_KINDS,
    PRIMARY_SITES,
    PROCEDURE_KINDS,
    ROLES,
    STATUSES,
    STOP_REASONS,
    SUBTYPES,
)

Meaning = TypeVar("Meaning")

UNDOTTED = frozenset({ICD10CM, ICD10, ICD10GM})
"""Systems whose codes billing software writes without the dot."""
SHARED_CHAPTERS = ("C", "D0", "D1", "D2", "D3", "D4", "Z85")
"""Neoplasms, and histories of them: here the modifications of ICD-10 differ in few codes."""


def load_terminology(folder: Path) -> Terminology:
    """Every table of `folder`, checked and indexed. Raises `KnowledgeError` at the first fault."""
    sources = read_sources(folder)
    medications = read_medications(folder, sources)
    regimens, acronyms = read_regimens(folder, sources, medications)
    units = read_units(folder, sources)
    markers, marker_codes, marker_names = _read_markers(folder, sources, units)
    responses, response_words = _read_responses(folder, sources)
    stop_reasons, stop_words = _read_codes(folder, "stop_reasons.csv", STOP_REASONS, sources)
    kinds, _ = _read_codes(folder, "observation_codes.csv", OBSERVATION_KINDS, sources)
    sites, site_words = _read_codes(folder, "body_sites.csv", PRIMARY_SITES, sources)
    procedures, words = _read_codes(folder, "procedures.csv", PROCEDURE_KINDS, sources)
    facts, fact_names = _read_codes(folder, "facts.csv", FACTS, sources)
    values, value_words = _read_codes(folder, "fact_values.csv", FACT_VALUES, sources)
    return Terminology(
        drugs=medications.drugs,
        supportive=medications.supportive,
        drug_codes=medications.codes,
        drug_names=medications.names,
        regimens=regimens,
        regimens_of=by_disease(regimens),
        regimen_names=unshared_names(regimens),
        units=units,
        markers=markers,
        marker_codes=marker_codes,
        marker_names=marker_names,
        conditions=_read_conditions(folder, sources),
        body_sites=sites,
        body_site_words=site_words,
        observation_kinds=kinds.exact,
        responses=responses,
        response_words=response_words,
        stop_reasons=stop_reasons.exact,
        stop_reason_words=stop_words,
        procedures=procedures,
        procedure_words=words,
        facts=facts.exact,
        observation_names={name: ("fact", fact) for name, fact in fact_names.items()}
        | {name: ("marker", marker) for name, marker in marker_names.items()},
        fact_values=values.exact,
        fact_words=value_words,
        medication_names=compile_names(folder, sources, medications, regimens, acronyms),
    )


def _add(row: Row, column: str, index: dict[Code, Meaning], code: Code, meaning: Meaning) -> None:
    if code in index:
        raise row.refuse(column, f"{code[1]!r} stands twice")
    index[code] = meaning


def _code_table(exact: dict[Code, Meaning], starts: dict[Code, Meaning]) -> CodeTable[Meaning]:
    systems: dict[str, dict[int, dict[str, Meaning]]] = {}
    for system, code in sorted(starts, key=lambda found: -len(found[1])):
        of_length = systems.setdefault(system, {}).setdefault(len(code), {})
        of_length[code] = starts[system, code]
    return CodeTable(exact, systems)


def _read_codes(
    folder: Path, name: str, meanings: Collection[str], sources: Collection[str]
) -> tuple[CodeTable[str], dict[str, str]]:
    """Codes and wordings, the longest first, of a table with one meaning a row."""
    exact: dict[Code, str] = {}
    starts: dict[Code, str] = {}
    words: dict[Code, str] = {}
    for row in read_table(folder, name, ("system", "code", "match", "meaning"), sources):
        system = read_system(row)
        is_start = row.one_of("match", ("exact", "prefix")) == "prefix"
        code = check_code(row, "code", system, row.text("code"), part=is_start)
        index = words if system == TEXT else starts if is_start else exact
        _add(row, "code", index, (system, code), row.one_of("meaning", meanings))
    by_length = sorted(words.items(), key=lambda item: (-len(item[0][1]), item[0][1]))
    return _code_table(exact, starts), {code: meaning for (_, code), meaning in by_length}


def _read_markers(
    folder: Path, sources: Collection[str], units: Mapping[str, Unit]
) -> tuple[dict[str, Marker], dict[Code, str], dict[str, str]]:
    markers: dict[str, Marker] = {}
    codes: dict[Code, str] = {}
    names: dict[Code, str] = {}
    columns = (
        "marker", "name", "kind", "use", "unit", "conversions", "typical_uln", "diseases", "loinc",
        "names",
    )  # fmt: skip
    for row in read_table(folder, "markers.csv", columns, sources):
        factors, conversions = factors_of(row, units)
        marker = Marker(
            row.text("marker"),
            row.text("name"),
            row.text("unit"),
            factors,
            row.decimal("typical_uln"),
            row.one_of("use", MARKER_USES),
            row.one_of("kind", EVIDENCE_KINDS),
            frozenset(row.many("diseases")),
            conversions,
        )
        if marker.id in markers:
            raise row.refuse("marker", f"{marker.id!r} stands twice")
        if marker.use == "response" and row.maybe("confidence") == "memory":
            raise row.refuse("use", "what is known from memory alone may only support")
        markers[marker.id] = marker
        for code in row.many("loinc"):
            _add(row, "loinc", codes, (LOINC, check_code(row, "loinc", LOINC, code)), marker.id)
        for name in row.many("names"):
            _add(row, "names", names, (TEXT, check_code(row, "names", TEXT, name)), marker.id)
    return markers, codes, {name: marker for (_, name), marker in names.items()}


def _read_conditions(folder: Path, sources: Collection[str]) -> CodeTable[ConditionTerm]:
    exact: dict[Code, ConditionTerm] = {}
    starts: dict[Code, ConditionTerm] = {}
    systems: dict[str, str] = {}
    terms: dict[tuple[str, ...], ConditionTerm] = {}
    columns = (
        "system", "code", "match", "disease", "role", "status", "alternatives", "subtype",
    )  # fmt: skip
    for row in read_table(folder, "conditions.csv", columns, sources):
        system_name, code, match = row.values[:3]
        system = systems.get(system_name)
        if system is None:
            system = systems[system_name] = read_system(row)
        is_start = match == "prefix" or row.one_of("match", ("exact", "prefix")) == "prefix"
        check_code(row, "code", system, code, part=is_start)
        meaning = tuple(row.values[3:8])
        term = terms.get(meaning)
        if term is None:
            term = terms[meaning] = _condition(row)
        index = starts if is_start else exact
        _add(row, "code", index, (system, code), term)
        if system in UNDOTTED and "." in code:
            index[system, code.replace(".", "")] = term
    for system in (ICD10, ICD10GM):
        _share_icd10cm(system, exact, starts)
    return _code_table(exact, starts)


def _share_icd10cm(
    system: str, exact: dict[Code, ConditionTerm], starts: dict[Code, ConditionTerm]
) -> None:
    """Let `system` mean by a neoplasm's code what ICD-10-CM does, unless it has a row of its own.

    A row of its own stands for all codes that begin with it.
    """
    own = tuple(code for of, code in (*exact, *starts) if of == system)
    for index in (exact, starts):
        shared = {
            (system, code): term
            for (of, code), term in index.items()
            if of == ICD10CM and code.startswith(SHARED_CHAPTERS) and not code.startswith(own)
        }
        index.update(shared)


def _condition(row: Row) -> ConditionTerm:
    return ConditionTerm(
        row.maybe("disease"),
        row.one_of("role", ROLES),
        row.one_of("status", STATUSES),
        row.many("alternatives"),
        row.one_of("subtype", SUBTYPES),
    )


def _read_responses(
    folder: Path, sources: Collection[str]
) -> tuple[dict[Code, ResponseTerm], dict[str, tuple[ResponseTerm, ...]]]:
    responses: dict[Code, ResponseTerm] = {}
    words: dict[str, tuple[ResponseTerm, ...]] = {}
    columns = ("system", "code", "category", "finding", "criteria", "by")
    for row in read_table(folder, "responses.csv", columns, sources):
        system = read_system(row)
        code = check_code(row, "code", system, row.text("code"))
        term = ResponseTerm(
            row.one_of("category", CATEGORIES),
            row.one_of("finding", FINDINGS),
            row.one_of("criteria", CRITERIA),
            row.one_of("by", ("", "marker")),
        )
        if system != TEXT:
            _add(row, "code", responses, (system, code), term)
        elif any(known.criteria == term.criteria for known in words.get(code, ())):
            raise row.refuse("code", f"{code!r} stands twice with the same criteria")
        else:
            words[code] = (*words.get(code, ()), term)
    return responses, words
