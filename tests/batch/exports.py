"""The fixture patients in the forms in which exports come, mixed as chance has it."""

from __future__ import annotations

import gzip
import json
import random
from functools import cache
from pathlib import Path
from typing import Any

Resource = dict[str, Any]
FIXTURES = Path(__file__).resolve().parents[2] / "fhir_fixtures"
STORIES = tuple(sorted(path.name for path in FIXTURES.iterdir() if path.is_dir()))
BASE = "http://ehr.example.org/fhir"

FOREIGN: tuple[Resource, ...] = (
    {"resourceType": "Observation", "id": "of-nobody"},
    {"resourceType": "Observation", "id": "of-a-group", "subject": {"reference": "Group/g"}},
    {"resourceType": "Observation", "id": "of-a-urn", "subject": {"reference": "urn:uuid:none"}},
    {"resourceType": "Practitioner", "id": "passed-over"},
    {"resourceType": "Condition", "id": 5},
    {"resourceType": "OperationOutcome", "issue": [{"severity": "error"}]},
)
BROKEN = (b"{", b"[]", b"{}", b"\xff\xfe", b'{"resourceType": 5}', b"")


@cache
def _text(story: str) -> bytes:
    return (FIXTURES / story / "bundle.json").read_bytes()


def resources_of(story: str) -> list[Resource]:
    """The resources of a fixture patient, made anew at each call."""
    return [entry["resource"] for entry in json.loads(_text(story))["entry"]]


def with_shared(story: str, resources: list[Resource]) -> list[Resource]:
    """The same patient, whose orders point at a medication and a trial that others have too."""
    patient = {"reference": f"Patient/{story}"}
    orders = [
        {
            "resourceType": "MedicationStatement", "id": f"{story}-shared", "status": "active",
            "subject": patient, "effectiveDateTime": "2026-05-01",
            "medicationReference": {"reference": "Medication/shared"},
        },
        {
            "resourceType": "ResearchSubject", "id": f"{story}-trial", "status": "active",
            "individual": patient, "study": {"reference": "ResearchStudy/shared"},
        },
    ]  # fmt: skip
    return resources + orders


def shared(version: int) -> list[Resource]:
    """What is of no patient; of two versions the later one counts."""
    drug = ("1946825", "enzalutamide") if version else ("6851", "methotrexate")
    code = {
        "coding": [
            {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": drug[0]},
        ],
        "text": drug[1],
    }
    study = {
        "resourceType": "ResearchStudy", "id": "shared", "status": "active", "title": f"v{version}",
    }  # fmt: skip
    return [{"resourceType": "Medication", "id": "shared", "code": code}, study]


def bundle(resources: list[Resource], address: str) -> Resource:
    """A Bundle of them; `address` is "url", "urn" (with references to match) or ""."""
    entries: list[Resource] = []
    names = {f"{r['resourceType']}/{r.get('id')}": f"urn:uuid:{r.get('id')}" for r in resources}
    for resource in resources:
        name = f"{resource['resourceType']}/{resource.get('id')}"
        entry: Resource = {"resource": resource}
        if address == "url":
            entry["fullUrl"] = f"{BASE}/{name}"
        if address == "urn":
            entry["fullUrl"] = names[name]
        entries.append(entry)
    text = json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries})
    if address == "urn":
        for name, urn in names.items():
            text = text.replace(f'"reference": "{name}"', f'"reference": "{urn}"')
    made: Resource = json.loads(text)
    return made


def without_patient_id(found: Resource) -> Resource:
    """The same Bundle of a transaction in which the patient has no id yet."""
    for entry in found["entry"]:
        if entry["resource"]["resourceType"] == "Patient":
            del entry["resource"]["id"]
    return found


class Exporter:
    """Writes patients into a folder as one seed of chance has it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._chance = random.Random(seed)  # noqa: S311 - tests, not secrets
        self._loose: list[Resource] = []

    def write(self, *, urns: bool) -> None:
        """Some stories: as a Bundle each, as lines by type, gzipped or not, in any order.

        `urns`: some name their resources as transactions do, so that one file has to be known to
        read another.
        """
        chance = self._chance
        forms = ["url", "", "loose", "line"] + ["urn", "urn-line", "no-id"] * urns
        bundles: list[Resource] = []
        for story in chance.sample(STORIES, 6):
            resources = with_shared(story, resources_of(story))
            chance.shuffle(resources)
            form = chance.choice(forms)
            if form == "loose":
                self._loose += resources
            elif form.endswith("line"):
                bundles.append(bundle(resources, "urn" if form == "urn-line" else "url"))
            elif form == "no-id":
                self._put(f"{story}.json", [without_patient_id(bundle(resources, "urn"))])
            else:
                half = chance.randrange(len(resources))
                self._put(f"{story}-a.json", [bundle(resources[:half], form)])
                self._put(f"{story}-b.json", [bundle(resources[half:], form)])
        self._loose += chance.sample(FOREIGN, 3) + shared(0) + shared(1)
        chance.shuffle(self._loose)
        if chance.random() < 0.3:  # the same id on another server
            story = chance.choice(STORIES)
            bundles += [bundle([r], "url") for r in resources_of(story)[:1]]
            bundles[-1]["entry"][0]["fullUrl"] = f"http://other.example.org/Patient/{story}"
        self._put("bundles.ndjson", bundles)
        for kind in sorted({resource["resourceType"] for resource in self._loose}):
            of_kind = [r for r in self._loose if r["resourceType"] == kind]
            self._put(f"{chance.randrange(100)}-{kind}.ndjson", of_kind)

    def _put(self, name: str, documents: list[Resource]) -> None:
        chance = self._chance
        lines = [json.dumps(document).encode() for document in documents]
        if name.endswith(".ndjson"):
            for _ in range(chance.choice((0, 0, 0, 2, 60))):
                lines.insert(chance.randrange(len(lines) + 1), chance.choice(BROKEN))
        content = b"\n".join(lines) + b"\n" * chance.randrange(2)
        if chance.random() < 0.2:
            content = b"\xef\xbb\xbf" + content
        if chance.random() < 0.3:
            name, content = name + ".gz", gzip.compress(content)
        if name.endswith(".ndjson") and chance.random() < 0.3:
            name = name.removesuffix(".ndjson") + ".json"
        (self._folder / name).write_bytes(content)
