"""Resources in the shape of FHIR R5 → the R4 elements that are read; R4 and R4B pass as they are.

Source: FHIR R5, "Differences" of each resource page (R4 → R5). What is not named here did not
change, or is read by no stage. R6 spells `occurrence` where R5 has `occurence`: both are read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from cds_service.clinical.record.elements import Head

Members = dict[str, msgspec.Raw]

_MARKS: Mapping[str, tuple[bytes, ...]] = {
    "Medication": (b'"item"',),
    "MedicationRequest": (b'"medication"', b'"reason"', b'"item"'),
    "MedicationAdministration": (b'"medication"', b'"reason"', b'"occur', b'"item"'),
    "MedicationDispense": (b'"medication"', b'"item"'),
    "MedicationStatement": (b'"medication"', b'"reason"', b'"recorded"', b'"item"'),
    "Procedure": (b'"occurrence', b'"reason"'),
    "ServiceRequest": (b'"concept"', b'"reason"'),
    "Encounter": (b'"actualPeriod"', b'"admission"', b'"completed"'),
    "ImagingStudy": (b'"modality"', b'"procedure"', b'"concept"'),
    "ResearchSubject": (b'"subjectState"', b'"subject"'),
    "BodyStructure": (b'"includedStructure"',),
}
"""Bytes without which a resource of a type cannot be in the shape of R5."""

_SHOWN = frozenset({b'"medication"', b'"reason"', b'"item"'})
_UNSHOWN: Mapping[str, tuple[bytes, ...]] = {
    **{name: tuple(m for m in marks if m not in _SHOWN) for name, marks in _MARKS.items()},
    "Medication": _MARKS["Medication"],
}
"""Those that a head does not show: it has the elements themselves, and what items stand in."""

CHANGED = frozenset(_MARKS)
"""Types of resources that R5 changed."""

ADHERENCE = (("not-taking", "not-taken"), ("taking", "active"), ("stopped", "stopped"),
             ("on-hold", "on-hold"), ("never", "not-taken"), ("unknown", "unknown"))  # fmt: skip
"""How codes of MedicationStatement.adherence begin → the statuses of R4."""


def opened_in_r4_shape(raw: bytes | msgspec.Raw, head: Head) -> bytes | msgspec.Raw:
    """`in_r4_shape` of a resource whose head is read: most of them show that they are not of R5."""
    if not (head.medication or head.reason or head.contained):
        marks = _UNSHOWN[head.resourceType]
        if not marks:
            return raw
        text = bytes(raw)
        for mark in marks:
            if mark in text:
                break
        else:
            return raw
    return in_r4_shape(raw, head.resourceType)


def in_r4_shape(raw: bytes | msgspec.Raw, resource_type: str) -> bytes | msgspec.Raw:
    """A resource with its R5 elements under their R4 names; as it came where it has none.

    What stands under an R4 name stays; a faulty R5 element is left as it is, and says nothing.
    """
    marks = _MARKS.get(resource_type)
    if marks is None:
        return raw
    text = bytes(raw)
    for mark in marks:
        if mark in text:
            break
    else:
        return raw
    members = _object(text)
    if members is None:
        return raw
    before = dict(members)
    _TO_R4[resource_type](members)
    return raw if members == before else msgspec.json.encode(members)


def _medication(members: Members) -> None:
    """Ingredients: R5 `item` is `itemCodeableConcept` or `itemReference`."""
    parts = _list(members.get("ingredient"))
    folded = [_with_item(part) for part in parts]
    if folded != parts:
        _put(members, "ingredient", folded)


def _with_item(part: msgspec.Raw) -> msgspec.Raw:
    inner = _object(part)
    if inner is None or "item" not in inner:
        return part
    _split(inner, "item", "itemCodeableConcept", "itemReference")
    return _raw(inner)


def _use(members: Members) -> None:
    _split(members, "medication", "medicationCodeableConcept", "medicationReference")
    _reasons(members)
    _rename(members, "occur", "effective")
    inside = _list(members.get("contained"))
    folded = [msgspec.Raw(bytes(in_r4_shape(one, "Medication"))) for one in inside]
    if folded != inside:
        _put(members, "contained", folded)


def _statement(members: Members) -> None:
    """R5 says with `status` that it was recorded, and with `adherence` whether it is taken."""
    _use(members)
    if _text(members.get("status")) != "recorded":
        return
    adherence = _object(members.get("adherence")) or {}
    codes = _codes(adherence.get("code"))
    said = next((r4 for c in codes for begin, r4 in ADHERENCE if c.startswith(begin)), "")
    period = _object(members.get("effectivePeriod")) or {}
    is_open = "effectivePeriod" in members and "end" not in period
    _put(members, "status", said or ("active" if is_open else "completed"))


def _procedure(members: Members) -> None:
    _rename(members, "occurrence", "performed")
    _reasons(members)


def _request(members: Members) -> None:
    code = _object(members.get("code"))
    if code is not None and "concept" in code:
        members["code"] = code["concept"]
    _reasons(members)


def _encounter(members: Members) -> None:
    _move(members, "actualPeriod", "period")
    _move(members, "admission", "hospitalization")
    if _text(members.get("status")) == "completed":
        _put(members, "status", "finished")


def _imaging(members: Members) -> None:
    """R5: modalities are concepts, what was done and where are concepts or references."""
    _codings(members, "modality")
    procedures = [_object(one) or {} for one in _list(members.get("procedure"))]
    concepts = [one["concept"] for one in procedures if "concept" in one]
    if concepts and "procedureCode" not in members:
        _put(members, "procedureCode", concepts)
    series = [_object(one) for one in _list(members.get("series"))]
    if series and None not in series:
        for one in series:
            if one is not None:
                _coding(one, "modality")
                _coding(one, "bodySite")
        _put(members, "series", series)


def _subject(members: Members) -> None:
    """R5: whether a patient is on study stands in the last `progress`, not in `status`."""
    _move(members, "subject", "individual")
    steps = [_object(one) or {} for one in _list(members.get("progress"))]
    codes = [code for step in steps for code in _codes(step.get("subjectState"))]
    if codes:
        _put(members, "status", codes[-1])


def _structure(members: Members) -> None:
    parts = [_object(one) or {} for one in _list(members.get("includedStructure"))]
    place = next((part["structure"] for part in parts if "structure" in part), None)
    if place is not None:
        members.setdefault("location", place)


_TO_R4: Mapping[str, Callable[[Members], None]] = {
    "Medication": _medication,
    "MedicationRequest": _use,
    "MedicationAdministration": _use,
    "MedicationDispense": _use,
    "MedicationStatement": _statement,
    "Procedure": _procedure,
    "ServiceRequest": _request,
    "Encounter": _encounter,
    "ImagingStudy": _imaging,
    "ResearchSubject": _subject,
    "BodyStructure": _structure,
}


def _reasons(members: Members) -> None:
    """R5 `reason`, concepts and references mixed, as `reasonCode` and `reasonReference`."""
    reasons = [_object(one) or {} for one in _list(members.get("reason"))]
    for name, inner in (("reasonCode", "concept"), ("reasonReference", "reference")):
        found = [one[inner] for one in reasons if inner in one]
        if found and name not in members:
            _put(members, name, found)


def _split(members: Members, name: str, concept: str, reference: str) -> None:
    """A CodeableReference as the two elements that R4 has for it."""
    both = _object(members.get(name)) or {}
    if "concept" in both:
        members.setdefault(concept, both["concept"])
    if "reference" in both:
        members.setdefault(reference, both["reference"])


def _rename(members: Members, begins: str, r4: str) -> None:
    """occurrence[x] (occurence[x]) as performed[x] or effective[x]."""
    for name in [name for name in members if name.startswith(begins)]:
        for kind in ("DateTime", "Period"):
            if name.endswith(kind):
                members.setdefault(r4 + kind, members[name])


def _move(members: Members, r5: str, r4: str) -> None:
    if r5 in members:
        members.setdefault(r4, members[r5])


def _codings(members: Members, name: str) -> None:
    """A list of concepts as the list of all their codings."""
    concepts = [_object(one) or {} for one in _list(members.get(name))]
    if any("coding" in concept for concept in concepts):
        _put(members, name, [c for concept in concepts for c in _list(concept.get("coding"))])


def _coding(members: Members, name: str) -> None:
    """A concept, or a CodeableReference with one, as its first coding."""
    value = _object(members.get(name)) or {}
    concept = _object(value.get("concept")) or value
    codings = _list(concept.get("coding"))
    if codings:
        members[name] = codings[0]


def _codes(concept: msgspec.Raw | None) -> list[str]:
    codings = _list((_object(concept) or {}).get("coding"))
    return [_text((_object(coding) or {}).get("code")) for coding in codings]


_objects = msgspec.json.Decoder(dict[str, msgspec.Raw])
_lists = msgspec.json.Decoder(list[msgspec.Raw])
_FAULTS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def _object(raw: bytes | msgspec.Raw | None) -> Members | None:
    try:
        return None if raw is None else _objects.decode(raw)
    except _FAULTS:
        return None


def _list(raw: msgspec.Raw | None) -> list[msgspec.Raw]:
    try:
        return [] if raw is None else _lists.decode(raw)
    except _FAULTS:
        return [raw] if raw is not None and _object(raw) else []


def _text(raw: msgspec.Raw | None) -> str:
    try:
        return "" if raw is None else msgspec.json.decode(raw, type=str)
    except _FAULTS:
        return ""


def _put(members: Members, name: str, value: object) -> None:
    members[name] = _raw(value)


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
