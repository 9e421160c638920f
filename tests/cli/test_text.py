"""`assess --format text`: what a clinician reads, at 80 and 120 columns, and what it never says."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from cds_service.clinical import wording
from cds_service.clinical.advice import AdviceKind, Suppressed
from cds_service.clinical.status import Caveat, Confidence, PatternName, Status
from cds_service.knowledge.model import Origin
from cli.terminal import AS_OF, ESCAPE, FIXTURES, ROOT, Ended, process, typed


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def text_of(capfd: pytest.CaptureFixture[str], *slugs: str) -> Ended:
    paths = [FIXTURES / slug for slug in slugs]
    return typed(capfd, "assess", *paths, "--as-of", AS_OF, "--format", "text")


def test_a_myeloma_as_a_clinician_reads_it(capfd: pytest.CaptureFixture[str]) -> None:
    ended = text_of(capfd, "mm-len")
    assert ended.code == 0
    for said in (
        "Patient/mm-len as of 2026-11-12",
        "Multiple myeloma, LoT 1 (0 + 1)",
        "Line 1: VRd (bortezomib, dexamethasone, lenalidomide)",
        "From 2024-03-04, ongoing",
        "best response: very good partial response",
        "Possibly refractory, secondary (criteria): a response, or lasting stability, was reached "
        "and then lost",
        "to lenalidomide (immunomodulatory-drug), still given",
        "2026-09-07 progression: Monoclonal protein, serum 0.8 g/dL: 700 % and 0.7 g/dL above its "
        "lowest value of 0.1 g/dL on 2025-06-09, confirmed on 2026-10-12",
        "up to 60 days after the last dose of a drug of it, counts against that drug",
        "[multiple-myeloma.imwg-60-days; published consensus: rajkumar-2011]",
        "not met bortezomib: progression 805 days after it",
        "Consider restaging: ",
        "because Possible refractory disease: progression on 2026-09-07",
        "rajkumar-2011 Rajkumar SV, et al.",
        "doi:10.1182/blood-2010-10-299487",
        "Clinical judgement takes precedence.",
    ):
        assert said in ended.words, said


def test_two_lines_with_a_held_back_advice_and_a_caveat(
    capfd: pytest.CaptureFixture[str],
) -> None:
    ended = text_of(capfd, "prostate-crpc")
    for said in (
        "Prostate cancer, LoT 2 (0 + 2)",
        "Possibly castration-resistant. definition Progression on androgen deprivation",
        "Latest line (2): possibly refractory, secondary (criteria), to enzalutamide, leuprolide.",
        "Line 1: leuprolide From 2023-05-08 to 2025-06-02",
        "The only evidence is a tumour marker; there is no imaging with it. [marker-only]",
        "Held back (the next line has started): restage",
    ):
        assert said in ended.words, said


def test_the_classes_over_all_lines_each_with_day_line_drugs_and_rule(
    capfd: pytest.CaptureFixture[str],
) -> None:
    ended = text_of(capfd, "mm-triple")
    for said in (
        "Possibly refractory by class, over all lines:",
        "since 2023-02-06 immunomodulatory-drug, line 1: lenalidomide, pomalidomide "
        "[multiple-myeloma.imwg-60-days",
        "since 2024-05-20 proteasome-inhibitor, line 2: carfilzomib [",
        "since 2026-08-31 anti-cd38-antibody, line 3: daratumumab [",
    ):
        assert said in ended.words, said


def test_without_a_label_no_classes_are_listed(capfd: pytest.CaptureFixture[str]) -> None:
    assert "by class" not in text_of(capfd, "colon-stable").words


def test_what_was_left_out_is_listed(capfd: pytest.CaptureFixture[str]) -> None:
    ended = text_of(capfd, "dirty-data")
    assert "Left out or doubted in this chart:" in ended.words
    assert "warning Observation/dirty-data-o1: left out: has no code" in ended.words


@pytest.mark.parametrize(
    ("slug", "said"),
    [
        ("lung-reversal", "history 2026-04-20 possibly refractory; later evidence replaced it"),
        ("two-cancers", "Breast cancer, LoT 1 (1 + 0)"),
        ("two-cancers", "Not on record, and of use for what comes next: RAS, BRAF, MSI."),
        ("dlbcl-hospice", "Held back (hospice care): "),
        ("cml-access", "Missed doses, access problems or a gap in supply are on record."),
        ("no-cancer", "No active cancer on record: nothing to say."),
    ],
)
def test_what_else_it_says(slug: str, said: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert said in text_of(capfd, slug).words


@pytest.mark.parametrize("columns", [80, 120])
def test_no_line_is_wider_than_the_terminal(
    columns: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    ended = typed(capfd, "assess", FIXTURES, "--as-of", AS_OF, "--format", "text")
    widths = [len(line) for line in ended.lines]
    assert max(widths) <= columns
    assert max(widths) > columns - 10
    assert not any(line.endswith(" ") for line in ended.lines)


def test_nobody_is_called_refractory_outright(capfd: pytest.CaptureFixture[str]) -> None:
    """Only possibly so; what a rule says of the word, or a paper's title, is not of a patient."""
    ended = typed(capfd, "assess", FIXTURES, "--as-of", AS_OF, "--format", "text")
    told = re.sub(r"^Sources$.*?^This is", "This is", ended.out, flags=re.DOTALL | re.MULTILINE)
    of_patients = [
        line
        for line in told.splitlines()
        if re.match(r" {0,2}[A-Z]|  (because|history)", line) and "efractory" in line
    ]
    assert of_patients
    for line in of_patients:
        assert re.search(r"[Pp]ossibl[ye] .*refractory|not called refractory", line), line


def test_without_a_terminal_there_is_no_colour(capfd: pytest.CaptureFixture[str]) -> None:
    assert ESCAPE not in text_of(capfd, "mm-len").out


def on_a_terminal(*arguments: str, **environment: str) -> str:
    """The output of a command whose standard output is a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "cds_service", *arguments],
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "80", "TERM": "xterm-256color", **environment},
    ):
        os.close(theirs)
        read = bytearray()
        while True:
            try:
                read += os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
    os.close(ours)
    return read.decode()


def test_on_a_terminal_text_is_the_default_and_in_colour() -> None:
    path = str(FIXTURES / "mm-len")
    shown = on_a_terminal("assess", path, "--as-of", AS_OF)
    assert "Line 1: VRd" in shown
    assert ESCAPE in shown
    plain = on_a_terminal("assess", path, "--as-of", AS_OF, NO_COLOR="1")
    assert "Line 1: VRd" in plain
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", plain), "no colours; bold is none"


EVIL = "\x1b[31mred\x1b]0;title\x07 \x9b2J \u202egnirts \r[bold]x[/bold]"


def test_text_of_a_chart_shows_itself_and_does_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bundle = json.loads((FIXTURES / "mm-len" / "bundle.json").read_bytes())
    for entry in bundle["entry"]:
        resource = entry["resource"]
        if resource["id"] == "mm-len-ds2":
            resource["id"] = f"ds2{EVIL}"
            resource["valueCodeableConcept"]["text"] = EVIL
            for coding in resource["valueCodeableConcept"].get("coding", ()):
                coding["display"] = EVIL
    path = tmp_path / "chart.json"
    path.write_text(json.dumps(bundle))
    ended = typed(capfd, "assess", path, "--as-of", AS_OF, "--format", "text")
    assert "ds2" in ended.out, "the evidence is shown"
    assert "[bold]x[/bold]" in ended.words, "markup shows itself"
    assert not {ESCAPE, "\x07", "\x9b", "\u202e", "\r"} & set(ended.out)


def test_an_old_terminal_shows_what_it_can() -> None:
    ended = process(
        "assess", FIXTURES / "mm-len", "--as-of", AS_OF, "--format", "text",
        PYTHONIOENCODING="ascii",
    )  # fmt: skip
    assert ended.code == 0
    assert "Possibly refractory, secondary (criteria)" in ended.words


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        (wording.STATUS, Status),
        (wording.PATTERN, PatternName),
        (wording.CONFIDENCE, Confidence),
        (wording.CONFIDENCE_MEANS, Confidence),
        (wording.CAVEATS, Caveat),
        (wording.ADVICE, AdviceKind),
        (wording.SUPPRESSED, Suppressed),
        (wording.ORIGIN, Origin),
    ],
)
def test_every_id_has_its_words(words: dict[str, str], ids: object) -> None:
    assert set(words) == set(get_args(ids))
    assert all(words.values())
