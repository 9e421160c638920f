"""The API, fuzzed by its own description: no 5xx, and every answer is as described.

The same calls each time; FUZZ_SEED=N makes others, FUZZ_TRIES=N more of them for each route.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cli.test_serve import serving, wait_for
from real.fetch import NotRun, fuzzer

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]

TRIES = os.environ.get("FUZZ_TRIES", "60")
SEED = os.environ.get("FUZZ_SEED")
SECONDS = 300
FEWEST = 500
CHECKS = (
    "not_a_server_error,status_code_conformance,"
    "content_type_conformance,response_schema_conformance"
)
CODES = (
    ("http://snomed.info/sct", "109989006"),
    ("http://snomed.info/sct", "254837009"),
    ("http://snomed.info/sct", "271299001"),
    ("http://loinc.org", "97509-4"),
    ("http://loinc.org", "33358-3"),
    ("http://www.nlm.nih.gov/research/umls/rxnorm", "342369"),
    ("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
)
"""Codes that mean something here: a myeloma, a breast cancer, progression, its marker, a drug."""
WORDS = {
    "reference": ["Patient/p1"],
    "patientId": ["p1"],
    "status": ["active", "completed", "final", "stopped", "entered-in-error", "x"],
    "unit": ["g/dL", "mg/L", "x"],
}
"""With arbitrary texts in their place hardly a chart would be about one patient."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = tmp_path_factory.mktemp("fuzz") / "log.db"
    with serving(log) as (_, written):
        port = wait_for(written, "service.listening")["port"]
        wait_for(written, "service.started")
        yield f"http://127.0.0.1:{port}"


def sharpened(document: Any, services: list[str]) -> Any:
    """The description with words that lead further into the service than random ones."""
    if isinstance(document, list):
        return [sharpened(one, services) for one in document]
    if not isinstance(document, dict):
        return document
    if document.get("in") == "path" and document.get("name") == "service_id":
        return document | {"schema": {"type": "string", "enum": [*services, "unknown"]}}
    made = {name: sharpened(value, services) for name, value in document.items()}
    members = made.get("properties")
    if isinstance(members, dict):
        for name, words in WORDS.items():
            if members.get(name, {}).get("type") == "string" and "enum" not in members[name]:
                members[name] = {"type": "string", "enum": words}
        if "coding" in members:
            known = [{"system": system, "code": code} for system, code in CODES]
            members["coding"] = {"type": "array", "items": {"enum": known}, "maxItems": 2}
    return made


def requests_only(document: dict[str, Any], services: list[str]) -> dict[str, Any]:
    """Sharper requests; answers are held against the description as it stands."""
    for operations in document["paths"].values():
        for operation in operations.values():
            for part in ("requestBody", "parameters"):
                if part in operation:
                    operation[part] = sharpened(operation[part], services)
    return document


def test_no_call_breaks_it_and_every_answer_is_as_described(
    base: str, tmp_path: Path, record_property: Any
) -> None:
    try:
        program = fuzzer()
    except NotRun as why:
        pytest.skip(f"API fuzzing: {why}")
    document = httpx.get(f"{base}/openapi.json").json()
    listed = httpx.get(f"{base}/cds-services").json()["services"]
    described = tmp_path / "openapi.json"
    described.write_text(json.dumps(requests_only(document, [one["id"] for one in listed])))
    command = [program, "run", str(described), "--url", base, "--checks", CHECKS,
               "--phases", "examples,coverage,fuzzing", "--max-examples", TRIES,
               "--continue-on-failure", "--report-json-path", str(tmp_path / "report.json"),
               "--warnings", "off", "--no-color"]  # fmt: skip
    seeded = ["--seed", str(SEED), "--generation-database", "none"]
    command += seeded if SEED else ["--generation-deterministic"]
    done = subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, timeout=SECONDS, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    report = json.loads((tmp_path / "report.json").read_text())
    tried = report["test_cases"]["generated"]
    record_property("calls", tried)
    print(f"{tried} calls in {report['running_time']:.0f} s")  # noqa: T201
    assert report["complete"]
    assert report["operations"]["tested"] == report["operations"]["total"] >= 7
    assert tried > FEWEST
