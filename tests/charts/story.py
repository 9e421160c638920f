"""Charts in short: one line an entry, its first key naming the builder.

    {order = "lenalidomide", start = "2024-01-05", end = "2024-06-01"}
    {status = "progression", on = "2024-06-01 + 60 d", by = "imaging", as = "pd"}

A list as first value makes one resource each; `series` makes one result each; `as` names
the entry (and its resource); `without` takes elements away, to make a resource that is not FHIR.
A date may be written as a sum, so that a boundary shows the number that it tests.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from typing import Any, Final

from charts.fhir import Resource, identified
from charts.findings import (
    deauville,
    disease_status,
    ecog,
    fact,
    lesion,
    marker,
    noise,
    receptors,
    report,
    response,
    transcript,
    tumour,
    variant,
)
from charts.people import condition, patient, problem, secondary
from charts.therapy import dispensed, given, order, procedure, service_request, stated

Entry = Mapping[str, Any]

BUILDERS: Final[Mapping[str, Callable[..., Resource | list[Resource]]]] = {
    "cancer": condition,
    "deauville": deauville,
    "dispensed": dispensed,
    "ecog": ecog,
    "fact": fact,
    "genes": receptors,
    "given": given,
    "lesion": lesion,
    "marker": marker,
    "metastasis": secondary,
    "noise": noise,
    "order": order,
    "patient": patient,
    "problem": problem,
    "procedure": procedure,
    "receptors": receptors,
    "report": report,
    "requested": service_request,
    "response": response,
    "stated": stated,
    "status": disease_status,
    "transcript": transcript,
    "tumour": tumour,
    "variant": variant,
}

_OURS: Final = frozenset({"as", "series", "without"})
_SUM: Final = re.compile(r"(\d{4}-\d\d-\d\d) ([+-]) (\d+) d")


def with_dates(written: Any) -> Any:
    """The same data with every date that is written as a sum ("2024-06-01 + 60 d") worked out."""
    if isinstance(written, str) and (parts := _SUM.fullmatch(written)):
        day, sign, days = parts.groups()
        moved = date.fromisoformat(day) + timedelta(days=int(sign + days))
        return moved.isoformat()
    if isinstance(written, Mapping):
        return {key: with_dates(value) for key, value in written.items()}
    if isinstance(written, list):
        return [with_dates(value) for value in written]
    return written


def resources(chart: Iterable[Entry], *, until: date | None = None) -> list[Resource]:
    """The FHIR resources of a chart; a patient is added where the chart names none.

    Doses after `until` are left out: a course is told whole, whatever the day of reading.
    """
    entries = list(chart)
    if not any(next(iter(entry)) == "patient" for entry in entries):
        entries.insert(0, {"patient": "p1"})
    made = [
        resource
        for entry in entries
        for resource in _made(with_dates(entry))
        if until is None or _is_given_by(until, resource)
    ]
    _keep_ids_apart(made)
    return made


def _made(entry: Entry) -> list[Resource]:
    builder, *_ = entry
    arguments = {key: value for key, value in entry.items() if key not in {builder, *_OURS}}
    things = entry[builder] if isinstance(entry[builder], list) else [entry[builder]]
    steps = (
        [{"on": on, "value": value} for on, value in entry["series"]] if "series" in entry else [{}]
    )
    made: list[Resource] = []
    for thing in things:
        for step in steps:
            if "as" in entry and builder != "patient":  # a patient's first value is the id
                number = None if len(things) * len(steps) == 1 else len(made) + 1
                arguments["id"] = identified(entry["as"], number)
            made.extend(_build(builder, thing, arguments | step))
    for resource in made:
        for element in entry.get("without", []):
            resource.pop(element, None)
    return made


def _is_given_by(until: date, resource: Resource) -> bool:
    if resource["resourceType"] != "MedicationAdministration":
        return True
    return bool(resource["effectiveDateTime"] <= until.isoformat())


def _build(builder: str, thing: Any, arguments: Mapping[str, Any]) -> list[Resource]:
    built = BUILDERS[builder](thing, **arguments)
    return built if isinstance(built, list) else [built]


def _keep_ids_apart(made: list[Resource]) -> None:
    """Number the later ones of resources that say the same: two imports are two resources."""
    seen: dict[str, int] = {}
    for resource in made:
        name = f"{resource['resourceType']}/{resource['id']}"
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            resource["id"] = identified(resource["id"], seen[name])
