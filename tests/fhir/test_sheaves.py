"""Resources of a patient that lie together in a file: what is put in comes out, in its order."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cds_service.fhir.bundles import RawResource
from cds_service.fhir.sheaves import Sheaf, block_of, places_in

A = Sheaf(3, "Patient/ä", [b"1", b"", b"333"], ["", "urn:é", ""])
B = Sheaf(1, "Patient/b", [b"x" * 100_000], ["http://a/b"])
LATER = Sheaf(9, "Patient/ä", [b"4"], [""])


def written(path: Path, *blocks: list[Sheaf]) -> Path:
    with path.open("wb") as file:
        for sheaves in blocks:
            file.writelines(block_of(sheaves))
    return path


def read(path: Path) -> dict[str, list[RawResource]]:
    found: dict[str, list[RawResource]] = {}
    with path.open("rb") as file:
        for patient, place in sorted(places_in(path, 0), key=lambda one: one[1]):
            found.setdefault(patient, []).extend(place.read([file.fileno()]))
    return found


def resources(*sheaves: Sheaf) -> list[RawResource]:
    return [
        RawResource(body, address)
        for sheaf in sheaves
        for body, address in zip(sheaf.bodies, sheaf.addresses, strict=True)
    ]


@pytest.mark.parametrize(
    "blocks",
    [
        pytest.param([[A, B], [LATER]], id="two blocks"),
        pytest.param([[LATER], [A, B]], id="the later one first"),
        pytest.param([[A], [B], [LATER]], id="a block each"),
    ],
)
@pytest.mark.parametrize("most", [10**9, 17], ids=["in one go", "little at a time"])
def test_all_of_a_patient_comes_out_as_it_was_met(
    blocks: list[list[Sheaf]], most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda file, size, at: pread(file, min(size, most), at))
    assert read(written(tmp_path / "f", *blocks)) == {
        "Patient/ä": resources(A, LATER),
        "Patient/b": resources(B),
    }


def test_a_file_that_was_cut_short_is_no_chart(tmp_path: Path) -> None:
    path = written(tmp_path / "f", [B])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(OSError, match="shorter than it was"):
        read(path)
