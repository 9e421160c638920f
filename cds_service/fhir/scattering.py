"""Resources sorted by patient with more of them than memory holds: into files, and out again.

A first reading takes every reference as it stands: that is right wherever an address ends in the
"Type/id" of what it names, as in all bulk exports. Where it meets an address that does not (the
`urn:uuid:` of transactions), a survey collects all addresses, and reading begins anew with them.
"""

from __future__ import annotations

import os
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from cds_service.fhir.bundles import Problem, RawResource
from cds_service.fhir.charts import (
    BELONG_TO_A_PATIENT,
    LOOKED_UP,
    SHARED,
    Chart,
    address_by_id,
    doubts_of,
    name_at,
    own_name,
    patient_of,
    shared_with,
)
from cds_service.fhir.frames import Frame
from cds_service.fhir.heads import Head
from cds_service.fhir.lookups import WEAK, StoredNames, StoredResources
from cds_service.fhir.pieces import Piece, PieceRead
from cds_service.fhir.references import head_of, local_name
from cds_service.fhir.sheaves import Place, Sheaf, block_of, places_in

NO_NAMES: Mapping[str, str] = MappingProxyType({})
NO_RESOURCES: Mapping[str, RawResource] = MappingProxyType({})

_IN_MEMORY = 16 * 2**20
"""Bytes of records that a process holds before it writes them out."""
_PLACES = 2**32
"""More resources than one piece has."""
_BY_UUID = "urn:uuid:"


@dataclass(frozen=True, slots=True)
class Workshop:
    """The folder that the processes share, and among how many files patients are divided."""

    folder: Path
    partitions: int

    def partition_of(self, patient: str) -> int:
        return zlib.crc32(patient.encode()) % self.partitions

    def files_of(self, partition: int) -> list[Path]:
        """What the processes wrote for a partition."""
        return sorted((self.folder / "charts").glob(f"{partition:04d}-*"))

    def shared_in(self, piece: int) -> Path:
        return self.folder / "shared" / f"{piece:08d}"

    def addresses_in(self, piece: int) -> Path:
        return self.folder / "addresses" / f"{piece:08d}"

    def answers_of(self, partition: int) -> Path:
        return self.folder / "answers" / f"{partition:04d}"

    @property
    def names_file(self) -> Path:
        return self.folder / "names.db"

    @property
    def shared_file(self) -> Path:
        return self.folder / "shared.db"

    def names(self) -> Mapping[str, str]:
        """Names by address, where a survey was needed."""
        return StoredNames(self.names_file) if self.names_file.exists() else NO_NAMES

    def shared(self) -> Mapping[str, RawResource]:
        return StoredResources(self.shared_file) if self.shared_file.exists() else NO_RESOURCES

    def make(self) -> None:
        for name in ("charts", "shared", "addresses", "answers"):
            (self.folder / name).mkdir()

    @property
    def is_first_reading_over(self) -> bool:
        """Whether some process has met an address that has to be looked up."""
        return (self.folder / "names-needed").exists()

    def end_first_reading(self) -> None:
        (self.folder / "names-needed").touch()

    def begin_again(self) -> None:
        """Take away what a first reading has written."""
        for name in ("charts", "shared"):
            for file in (self.folder / name).iterdir():
                file.unlink()


@dataclass(slots=True)
class Scattered:
    """What reading a piece found besides resources that are somebody's.

    `needs_names`: it stopped at an address that only a survey can tell.
    """

    read: PieceRead
    homeless: Counter[str] = field(default_factory=Counter)
    is_anybody: bool = False
    needs_names: bool = False


def scatter(piece: Piece, workshop: Workshop, names: Mapping[str, str]) -> Scattered:
    """Write the resources of a piece to the partitions of their patients, shared ones aside.

    Raises UnreadableInput with the name of the file.
    """
    reading = piece.begin()
    is_first = names is NO_NAMES
    if is_first and workshop.is_first_reading_over:
        return Scattered(PieceRead.of(reading), needs_names=True)
    homeless: Counter[str] = Counter()
    charts = _Partitions(workshop)
    is_anybody = False
    with _Spill(workshop.shared_in(piece.number)) as shared:
        for number, resource in enumerate(piece.resources(reading)):
            at = piece.number * _PLACES + number
            if (head := head_of(resource)) is None:
                homeless["resource"] += 1
            elif known := charts.known(head):
                charts.add(at, known, resource)
                is_anybody = True
            elif is_first and _needs_names(resource, head):
                workshop.end_first_reading()
                return Scattered(PieceRead.of(reading), needs_names=True)
            elif head.resource_type in SHARED:
                name = own_name(resource, head, names)
                shared.add(Frame(at, name, resource.full_url, resource.raw))
            elif patient := patient_of(resource, head, names):
                charts.add(at, patient, resource)
                charts.remember(head, patient)
                is_anybody = True
            elif head.resource_type in BELONG_TO_A_PATIENT:
                homeless[head.resource_type] += 1
    charts.write()
    return Scattered(PieceRead.of(reading), homeless, is_anybody)


def _needs_names(resource: RawResource, head: Head) -> bool:
    if head.owner.startswith(_BY_UUID):
        return True
    if head.resource_type not in LOOKED_UP or not resource.full_url:
        return False
    return local_name(resource.full_url, NO_NAMES) != name_at(resource, head)


def survey(piece: Piece, workshop: Workshop) -> PieceRead:
    """Write down the addresses that references in other pieces may use.

    Raises UnreadableInput with the name of the file.
    """
    reading = piece.begin()
    with _Spill(workshop.addresses_in(piece.number)) as addresses:
        for resource in piece.resources(reading):
            head = head_of(resource)
            if head is None or head.resource_type not in LOOKED_UP:
                continue
            if resource.full_url:
                addresses.add(Frame(0, resource.full_url, name_at(resource, head), b""))
            if head.resource_type == "Patient" and head.id:
                addresses.add(Frame(0, address_by_id(head), head.name, WEAK))
    return PieceRead.of(reading)


class _Spill:
    """A file of records that is made with the first of them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: list[bytes] = []
        self._length = 0

    def __enter__(self) -> _Spill:
        return self

    def __exit__(self, *_: object) -> None:
        self._write()

    def add(self, frame: Frame) -> None:
        packed = frame.packed()
        self._held.append(packed)
        self._length += len(packed)
        if self._length > _IN_MEMORY:
            self._write()

    def _write(self) -> None:
        if self._held:
            with open(self._path, "ab") as file:
                file.writelines(self._held)
        self._held.clear()
        self._length = 0


class _Partitions:
    """Resources on their way to the files of their partitions, of which this process has its own.

    Of one piece alone, so that what is written later was met later.
    """

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop
        self._held: dict[str, Sheaf] = {}
        self._owners: dict[str, str] = {}
        self._length = 0

    def known(self, head: Head) -> str:
        """The patient whose a resource with this head is, "" where that takes a closer look."""
        if head.resource_type in LOOKED_UP:
            return ""
        return self._owners.get(head.owner, "")

    def remember(self, head: Head, patient: str) -> None:
        """Others that name their patient in the same way are the same patient's."""
        if head.resource_type not in LOOKED_UP:
            self._owners[head.owner] = patient

    def add(self, at: int, patient: str, resource: RawResource) -> None:
        if (sheaf := self._held.get(patient)) is None:
            sheaf = self._held[patient] = Sheaf(at, patient)
        sheaf.bodies.append(resource.raw)
        sheaf.addresses.append(resource.full_url)
        self._length += len(resource.raw)
        if self._length > _IN_MEMORY:
            self.write()

    def write(self) -> None:
        folder, own = self._workshop.folder / "charts", os.getpid()
        of_partition: dict[int, list[Sheaf]] = {}
        for patient, sheaf in self._held.items():
            partition = self._workshop.partition_of(patient)
            of_partition.setdefault(partition, []).append(sheaf)
        for partition, sheaves in of_partition.items():
            with open(folder / f"{partition:04d}-{own}", "ab") as file:
                file.writelines(block_of(sheaves))
        self._held.clear()
        self._owners.clear()
        self._length = 0


def charts_in(
    workshop: Workshop,
    partition: int,
    names: Mapping[str, str],
    shared: Mapping[str, RawResource],
    problems: tuple[Problem, ...],
) -> Iterator[Chart]:
    """The Charts of a partition in the order of patient ids, one in memory at a time.

    `problems` are of no patient alone, so each Chart carries them.
    """
    paths = workshop.files_of(partition)
    places: dict[str, list[Place]] = {}
    for number, path in enumerate(paths):
        for patient, place in places_in(path, number):
            places.setdefault(patient, []).append(place)
    with ExitStack() as closing:
        files = [closing.enter_context(open(path, "rb")).fileno() for path in paths]
        for patient in sorted(places):
            own: list[RawResource] = []
            for place in sorted(places.pop(patient)):
                own.extend(place.read(files))
            own += shared_with(own, names, shared)
            yield Chart(patient, tuple(own), (*problems, *doubts_of(patient, own)))
    for path in paths:
        path.unlink()
