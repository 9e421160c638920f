"""What a chart says in words of oncology, with the reference of each statement's resource."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Literal

import msgspec

from cds_service.dates import PartialDate
from cds_service.quantities import Quantity

Severity = Literal["information", "warning", "error"]


class Issue(msgspec.Struct, frozen=True, order=True, gc=False):
    """A fault of the chart: what was left out or doubted, and why. `detail` holds no chart text."""

    severity: Severity
    code: str
    resource: str
    detail: str


class Patient(msgspec.Struct, frozen=True, gc=False):
    reference: str
    birth_date: PartialDate | None = None
    is_deceased: bool = False
    died: PartialDate | None = None

    def age_on(self, day: date) -> tuple[int, int] | None:
        """Fewest and most whole years of age on a day; None where the birth date is not known."""
        if self.birth_date is None:
            return None
        return _years(self.birth_date.last, day), _years(self.birth_date.first, day)


def _years(born: date, day: date) -> int:
    """Completed years; who was born on 29 February completes them on 1 March in other years."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


RECORDED_LATE = 28
"""Days by which a cancer may be recorded after what was already done or said of it."""


class Cancer(msgspec.Struct, frozen=True, dict=True):
    """One primary cancer, however many Conditions the chart has of it.

    `condition` is the reference of the Condition that names it best, `conditions` all of them.
    `alternatives` are other diseases that no code rules out. `remission_on` is set where the chart
    calls the cancer inactive; `is_history` where only history or resolved entries speak of it.
    `metastatic_since` is the earliest record of distant spread or stage IV.
    """

    condition: str
    conditions: tuple[str, ...]
    disease: str
    alternatives: tuple[str, ...] = ()
    is_unverified: bool = False
    onset: PartialDate | None = None
    remission_on: PartialDate | None = None
    is_in_remission: bool = False
    is_history: bool = False
    metastatic_since: PartialDate | None = None
    subtypes: frozenset[str] = frozenset()

    @cached_property
    def named(self) -> frozenset[str]:
        """The Conditions, to be looked up: a chart may name a cancer a thousand times."""
        return frozenset(self.conditions)

    def is_newer_than(self, other: Cancer) -> bool:
        """Whether it was recorded later, as far as the chart tells."""
        if self.onset is None:
            return False
        return other.onset is None or other.onset.last < self.onset.first

    def may_be_there_on(self, day: PartialDate) -> bool:
        """Whether it was on record by a day, or up to 28 days after it; if undated, always."""
        return self.onset is None or self.onset.first <= day.last + timedelta(days=RECORDED_LATE)


UseKind = Literal["administration", "dispense", "order", "statement"]


class Exposure(msgspec.Struct, frozen=True, gc=False):
    """One recorded use of one drug, with the days it covers.

    `drug` is a generic name of the terminology, or empty for a study drug that cannot be mapped.
    `end` is the last covered day; None with `is_open_ended` for an active order without an end.
    `is_estimated` says that the end is our default of one cycle. `stop_reason` is one of the stop
    reasons of the terminology. `cancers` are the Conditions named as its reason. `daily_dose_mg`
    is None where the chart does not tell it.
    """

    resource: str
    drug: str
    kind: UseKind
    start: PartialDate
    end: PartialDate | None
    is_open_ended: bool = False
    is_estimated: bool = False
    is_active: bool = False
    is_plan_completed: bool = False
    stop_reason: str = ""
    stop_text: str = ""
    intent: str = ""
    cycle_days: int | None = None
    conditions: tuple[str, ...] = ()
    reason_diseases: tuple[str, ...] = ()
    label: str = ""
    daily_dose_mg: Decimal | None = None


StatementKind = Literal["disease-status", "response-category", "imaging", "condition"]


class Statement(msgspec.Struct, frozen=True, gc=False):
    """What somebody recorded of the course of a cancer.

    `category` and `finding` as in `ResponseTerm`. `by` are the kinds of evidence that the author
    names (imaging, histology, laboratory, marker, examination, symptom). `sites` are body sites
    that the statement is limited to; empty for the whole disease. `focus` are the Conditions that
    it speaks of. `is_backfilled`: entered long after the day that it names.
    """

    resource: str
    on: PartialDate
    kind: StatementKind
    category: str
    finding: str
    criteria: str
    text: str
    by: frozenset[str] = frozenset()
    sites: tuple[str, ...] = ()
    focus: tuple[str, ...] = ()
    is_new_lesion: bool = False
    disease: str = ""
    is_backfilled: bool = False


class Measurement(msgspec.Struct, frozen=True, gc=False):
    """One laboratory value of a marker, in its canonical unit.

    `quantity` is None where unit or scale cannot be converted: the value is shown, never used.
    `uln` is the upper limit of normal of this very result, in the canonical unit. `laboratory` is
    who measured it, and by which method where that is said: only like results are compared.
    """

    resource: str
    on: PartialDate
    marker: str
    quantity: Quantity | None
    uln: Decimal | None = None
    laboratory: str = ""
    code: str = ""
    focus: tuple[str, ...] = ()


class Lesion(msgspec.Struct, frozen=True, gc=False):
    """The size of one tumour on one day, in millimetres: the short axis of a node, if it is given.

    `identity` tells the tumour from the others; `method` is how it was measured, both empty where
    the chart does not say. `is_new`: called a new lesion in so many words.
    """

    resource: str
    on: PartialDate
    identity: str
    millimetres: Decimal
    method: str = ""
    is_node: bool = False
    is_new: bool = False
    focus: tuple[str, ...] = ()


class Event(msgspec.Struct, frozen=True, gc=False):
    """A procedure or report that was done on a day; `kind` as in `Terminology.procedures`.

    `drugs`: antineoplastics that its words name, as those of an infusion of cells do. `regions`:
    parts of the body that it covers; empty where its words do not tell.
    """

    resource: str
    kind: str
    on: PartialDate
    until: PartialDate
    conditions: tuple[str, ...] = ()
    intent: str = ""
    drugs: tuple[str, ...] = ()
    regions: frozenset[str] = frozenset()


class Request(msgspec.Struct, frozen=True, gc=False):
    """An order of a test, a procedure or a referral; open, done or declined by the patient.

    `regions` as of an event. `diseases`: what a trial is about, where the chart tells.
    """

    resource: str
    kind: str
    on: PartialDate | None
    is_open: bool = False
    is_completed: bool = False
    is_declined: bool = False
    conditions: tuple[str, ...] = ()
    regions: frozenset[str] = frozenset()
    diseases: tuple[str, ...] = ()


CautionKind = Literal[
    "pregnancy", "kidney", "contrast-allergy", "refusal", "red-flag", "symptom", "palliative-care",
    "insufficient-sample",
]  # fmt: skip


class Caution(msgspec.Struct, frozen=True, gc=False):
    """What makes a suggestion unsuitable, or urgent, whatever the cancer does."""

    resource: str
    kind: CautionKind
    on: PartialDate | None = None


class Fact(msgspec.Struct, frozen=True, gc=False):
    """A finding about the tumour or the patient that is no measure of response."""

    resource: str
    name: str
    value: str
    on: PartialDate | None
    focus: tuple[str, ...] = ()


class Doubt(msgspec.Struct, frozen=True, gc=False):
    """Something that makes a failure no failure of the drug: adherence, access, a symptom."""

    resource: str
    kind: Literal["adherence", "symptom"]
    on: PartialDate | None
    drug: str = ""


class Withheld(msgspec.Struct, frozen=True, gc=False):
    """A dose that was not given, or an order not to give the drug from that day on."""

    resource: str
    kind: Literal["not-given", "stop"]
    drug: str
    on: PartialDate


@dataclass(frozen=True, slots=True)
class Record:
    """The chart of one patient, as far as it speaks of cancer, in order of date and reference."""

    patient: Patient
    as_of: date
    cancers: tuple[Cancer, ...] = ()
    other_conditions: frozenset[str] = frozenset()
    """Conditions that are no cancer: a drug given for one of them treats no cancer."""
    exposures: tuple[Exposure, ...] = ()
    statements: tuple[Statement, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    lesions: tuple[Lesion, ...] = ()
    events: tuple[Event, ...] = ()
    requests: tuple[Request, ...] = ()
    facts: tuple[Fact, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    withheld: tuple[Withheld, ...] = ()
    is_in_hospice: bool = False
    cautions: tuple[Caution, ...] = ()
    issues: tuple[Issue, ...] = ()
    sources: tuple[tuple[str, object], ...] = field(default=(), compare=False, repr=False)
    """The resources that it rests on: the reference of each, and the resource as it was given."""
