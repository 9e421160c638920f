"""Orders that are being written: which drugs and studies they name, however badly they are written.

Real clients draft what is not valid FHIR yet: no drug chosen, an object in place of an array, a
lower version's names. A draft is no part of the chart, so nothing here is as strict as there: each
is mended member by member into what the readers of the chart read, and what cannot be is passed
over.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import msgspec

from cds_service.clinical.record.elements import (
    CodeableConcept,
    Coding,
    Extension,
    Medication,
    MedicationUse,
    Reference,
)
from cds_service.clinical.record.medications import (
    dosages_of,
    intent_of,
    is_local_route,
    reasons_of,
)
from cds_service.clinical.record.naming import name_medication
from cds_service.clinical.record.procedures import kind_of
from cds_service.clinical.record.reader import Reader
from cds_service.clinical.record.record import Issue
from cds_service.clinical.record.sources import RawResource
from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.terms import Drug

MEDICATION_ORDERS = frozenset({"MedicationRequest", "MedicationOrder"})
"""The second is the name of DSTU2."""
STUDY_ORDERS = frozenset({"ServiceRequest", "ProcedureRequest"})
"""The second is the name of DSTU2 and STU3."""
NO_ORDERS = frozenset({"entered-in-error", "cancelled", "revoked", "stopped", "completed"})
"""Statuses of what is not being ordered; "active" may stand on what is signed a second time."""
NOT_CANCER = "not-cancer"
ANOTHERS = "a draft order of another patient; not used"
UNREADABLE = "a draft order that cannot be read; not used"

Members = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DraftDrug:
    """One antineoplastic that a draft names; `conditions` and `reason_diseases` say what for."""

    resource: str
    drug: Drug
    conditions: tuple[str, ...] = ()
    reason_diseases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Drafts:
    """What the draft orders of a call name.

    `drugs` are those to judge, `studies` the kinds of procedures that any of the drafts orders.
    `unread` are references to Medications that nobody has sent: until they are read, the drafts
    that point at them name no drug.
    """

    drugs: tuple[DraftDrug, ...] = ()
    studies: frozenset[str] = frozenset()
    unread: tuple[str, ...] = ()
    issues: tuple[Issue, ...] = ()


@dataclass(slots=True)
class _Sorted:
    """The resources of the call by what they are."""

    orders: list[tuple[str, Members]] = field(default_factory=list)
    studies: list[Members] = field(default_factory=list)
    medications: dict[str, Medication] = field(default_factory=dict)


def read_drafts(
    drafts: Iterable[RawResource],
    patient: str,
    as_of: date,
    knowledge: Knowledge,
    selections: Collection[str] | None = None,
    medications: Iterable[RawResource] = (),
) -> Drafts:
    """The drugs and studies of the draft orders of one patient ("Patient/p1").

    `selections` name the drafts to judge, with or without their type; without it, all are. The
    others are background: their studies count. `medications` are Medications that drafts point at.
    """
    reader = Reader(knowledge, as_of)
    opened = [(one.full_url, _members(one.raw)) for one in (*drafts, *medications)]
    reader.aliases = _aliases(opened)
    found = _sort(opened, patient, reader)
    chosen = None if selections is None else {reader.local(name) for name in selections}
    drugs: list[DraftDrug] = []
    unread: list[str] = []
    for name, order in found.orders:
        if chosen is None or chosen & {name, name.rpartition("/")[2]}:
            named, missing = _drugs_of(name, order, found.medications, reader)
            drugs += named
            unread += missing
    kinds = {kind_of(_concept(study.get("code")), knowledge) for study in found.studies}
    return Drafts(
        tuple(dict.fromkeys(drugs)),
        frozenset(kinds - {""}),
        tuple(dict.fromkeys(unread)),
        tuple(sorted(set(reader.issues))),
    )


def is_worth_asking(draft: DraftDrug, knowledge: Knowledge) -> bool:
    """Whether a drug may be an agent against a cancer at all, before any chart is read.

    No corticosteroid; no drug that only supports, but where a disease is treated by it; and
    nothing that is ordered for what is no cancer.
    """
    drug = draft.drug
    if drug.is_corticosteroid or (not draft.conditions and draft.reason_diseases == (NOT_CANCER,)):
        return False
    return not drug.is_supportive or any(
        disease.lines.supportive_agents.include(drug) for disease in knowledge.diseases.values()
    )


def _members(raw: bytes | msgspec.Raw) -> Members:
    try:
        read = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def _aliases(opened: Iterable[tuple[str, Members]]) -> dict[str, str]:
    """Full URLs of entries → `Type/id`."""
    return {
        full_url: f"{_text(one, 'resourceType')}/{_text(one, 'id')}"
        for full_url, one in opened
        if full_url.startswith("urn:") and _text(one, "id")
    }


def _sort(opened: Iterable[tuple[str, Members]], patient: str, reader: Reader) -> _Sorted:
    found = _Sorted()
    for position, (full_url, one) in enumerate(opened):
        type_ = _text(one, "resourceType")
        own = _text(one, "id")
        name = f"{type_}/{own}" if own else full_url or f"{type_}/#{position}"
        if not type_:
            reader.note("warning", "invalid-resource", f"draft/#{position}", UNREADABLE)
        elif type_ == "Medication":
            found.medications[name] = _medication(one)
        elif type_ in MEDICATION_ORDERS | STUDY_ORDERS and _is_ordered(one):
            if not _is_of(patient, one, reader):
                reader.note("warning", "other-patient", name, ANOTHERS)
            elif type_ in MEDICATION_ORDERS:
                found.orders.append((name, one))
            else:
                found.studies.append(one)
    return found


def _is_ordered(order: Members) -> bool:
    return _text(order, "status") not in NO_ORDERS and order.get("doNotPerform") is not True


def _is_of(patient: str, order: Members, reader: Reader) -> bool:
    """Whether a draft is this patient's; one that names nobody is."""
    whose = _reference(order.get("subject")) or _reference(order.get("patient"))
    return whose is None or reader.local(whose.reference) in ("", patient)


def _drugs_of(
    name: str, order: Members, medications: Mapping[str, Medication], reader: Reader
) -> tuple[list[DraftDrug], list[str]]:
    """The antineoplastics of one draft; and the Medications that would have to be read for them."""
    for use in _mended(order):
        named = name_medication(use, medications, reader)
        if named is None or named.recognised.how == "none":
            continue
        drugs = named.recognised.drugs
        is_local = is_local_route(dosages_of(use, "order"), reader)
        if not named.recognised.systemic or is_local or intent_of(use, reader) == "supportive":
            return [], []
        reasons = reasons_of(use, reader)
        terms = reader.knowledge.terms
        return [DraftDrug(name, terms.drugs[drug], *reasons) for drug in drugs], []
    pointed = [use.medicationReference for use in _mended(order) if use.medicationReference]
    outside = [r.reference for r in pointed if r.reference and not r.reference.startswith("#")]
    return [], [target for target in outside if reader.local(target) not in medications]


def _mended(order: Members) -> Iterator[MedicationUse]:
    """The draft as the chart's readers read it, for each way in which it names its drug."""
    concepts = [_concept(order.get("medicationCodeableConcept")), _concept(order.get("medication"))]
    references = [_reference(order.get("medicationReference"))]
    r5 = order.get("medication")
    if isinstance(r5, dict):
        concepts.append(_concept(r5.get("concept")))
        references.append(_reference(r5.get("reference")))
    rest = _rest(order)
    for concept in concepts:
        if concept is not None:
            yield msgspec.structs.replace(rest, medicationCodeableConcept=concept)
    for reference in references:
        if reference is not None:
            yield msgspec.structs.replace(rest, medicationReference=reference)


def _rest(order: Members) -> MedicationUse:
    """What of a draft is read beside its drug: contained Medications, reasons, route, intent."""
    codes = [_concept(each) for each in _each(order, "reasonCode", "reasonCodeableConcept")]
    named = [_reference(each) for each in _each(order, "reasonReference")]
    for r5 in _each(order, "reason"):
        if isinstance(r5, dict):
            codes.append(_concept(r5.get("concept")))
            named.append(_reference(r5.get("reference")))
    contained = [_medication(each) for each in _each(order, "contained") if isinstance(each, dict)]
    routes = [
        _concept(each.get("route"))
        for each in _each(order, "dosageInstruction")
        if isinstance(each, dict)
    ]
    return MedicationUse(
        contained=_raw(contained),
        reasonCode=_raw(codes),
        reasonReference=_raw(named),
        dosageInstruction=_raw({"route": route} for route in routes if route is not None),
        extension=_raw(
            Extension(
                url=_text(each, "url"),
                valueCodeableConcept=_concept(each.get("valueCodeableConcept")),
            )
            for each in _each(order, "extension")
            if isinstance(each, dict)
        ),
    )


def _raw(values: Iterable[object]) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode([value for value in values if value is not None]))


def _medication(one: Members) -> Medication:
    """A Medication of any version: its code, and its ingredients each as a concept or a reference.

    DSTU2 has them under `product`, R5 has each as a CodeableReference.
    """
    product = one.get("product")
    inside = product if isinstance(product, dict) else {}
    ingredients = []
    for part in (*_each(one, "ingredient"), *_each(inside, "ingredient")):
        if not isinstance(part, dict):
            continue
        item = part.get("item")
        item = item if isinstance(item, dict) else {}
        concept = (
            _concept(part.get("itemCodeableConcept"))
            or _concept(item.get("concept"))
            or _concept(item)
        )
        reference = (
            _reference(part.get("itemReference"))
            or _reference(item.get("reference"))
            or _reference(item)
        )
        is_active = part.get("isActive")
        ingredients.append(
            {
                "itemCodeableConcept": concept,
                "itemReference": reference,
                "isActive": is_active if isinstance(is_active, bool) else None,
            }
        )
    return Medication(
        id=_text(one, "id") or None, code=_concept(one.get("code")), ingredient=_raw(ingredients)
    )


def _each(one: Members, *names: str) -> Iterator[Any]:
    """The values of members that repeat; one that stands alone is read as a list of itself."""
    for name in names:
        value = one.get(name)
        yield from value if isinstance(value, list) else () if value is None else (value,)


def _text(one: Members, name: str) -> str:
    value = one.get(name)
    return value if isinstance(value, str) else ""


def _concept(value: object) -> CodeableConcept | None:
    """A concept from what stands in its place: one, several, or words; None for nothing of it."""
    if isinstance(value, str):
        return CodeableConcept(text=value) if value.strip() else None
    if isinstance(value, list):
        parts = [part for each in value if (part := _concept(each)) is not None]
        said = next((part.text for part in parts if part.text), None)
        codings = [coding for part in parts for coding in part.coding]
        return CodeableConcept(tuple(codings), said) if parts else None
    if not isinstance(value, dict):
        return None
    if isinstance(value.get("concept"), dict):
        return _concept(value["concept"])
    codings = [_coding(each) for each in _each(value, "coding") if isinstance(each, dict)]
    if isinstance(value.get("code"), str):  # a Coding in place of a concept
        codings.append(_coding(value))
    text = _text(value, "text").strip() or None
    return CodeableConcept(tuple(codings), text) if codings or text else None


def _coding(one: Members) -> Coding:
    code = one.get("code")
    is_number = isinstance(code, int) and not isinstance(code, bool) and 0 <= code < 2**63
    return Coding(
        system=_text(one, "system") or None,
        code=str(code) if is_number else _text(one, "code") or None,
        display=_text(one, "display") or None,
    )


def _reference(value: object) -> Reference | None:
    """A reference, also where it stands as a bare text or as the first of a list."""
    if isinstance(value, list):
        return next((one for each in value if (one := _reference(each)) is not None), None)
    if isinstance(value, str):
        return Reference(reference=value) if value.strip() else None
    if not isinstance(value, dict):
        return None
    target, display = _text(value, "reference"), _text(value, "display")
    return Reference(target or None, display or None) if target or display else None
