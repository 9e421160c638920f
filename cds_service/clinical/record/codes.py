"""The codes of Observations, each read once a chart: what they are about, if anything is read."""

from __future__ import annotations

import msgspec

from cds_service.clinical.record.elements import CodeableConcept, Element
from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.terms import SAME_SYSTEM, Code

Topic = tuple[str, str]
"""Family (marker, status, fact) and name of what an observation is about."""
PREGNANCY_STATUS = "82810-3"
"""LOINC: pregnancy status."""
EGFR = frozenset({"98979-8", "62238-1", "77147-7"})
"""LOINC: estimated glomerular filtration rate by CKD-EPI 2021, CKD-EPI 2009 and MDRD."""

_concept = msgspec.json.Decoder(CodeableConcept | None)


class ObservationCode(Element):
    """What one code says: nothing that is read, for most codes of a chart.

    `topic` is that of any disease; `is_missing`: there is no code; `is_silent`: of no meaning here.
    """

    topic: Topic | None = None
    is_missing: bool = False
    is_of_pregnancy: bool = False
    is_of_kidneys: bool = False
    is_silent: bool = False


class Codes:
    """The codes of one chart, by how they are written; they are forgotten with it.

    A chart of thousands of Observations has some dozens of codes.
    """

    def __init__(self, knowledge: Knowledge) -> None:
        self._topics = knowledge.plan(_topics)
        self._names = knowledge.terms.observation_names
        self.read: dict[bytes, ObservationCode] = {}

    def read_anew(self, written: bytes) -> ObservationCode:
        """What it says. Raises as `msgspec.json.Decoder` does where it is no CodeableConcept."""
        said = self._said(_concept.decode(written) if written else None)
        self.read[written] = said
        return said

    def _said(self, concept: CodeableConcept | None) -> ObservationCode:
        if concept is None:
            return ObservationCode(is_missing=True)
        codes = {coding.code for coding in concept.coding}
        topic = self._topic_of(concept)
        is_of_pregnancy, is_of_kidneys = PREGNANCY_STATUS in codes, not codes.isdisjoint(EGFR)
        is_silent = topic is None and not (is_of_pregnancy or is_of_kidneys)
        return ObservationCode(
            topic,
            is_of_pregnancy=is_of_pregnancy,
            is_of_kidneys=is_of_kidneys,
            is_silent=is_silent,
        )

    def _topic_of(self, concept: CodeableConcept) -> Topic | None:
        for coding in concept.coding:
            if coding.code is None:
                continue
            system = coding.system or ""
            topic = self._topics.get((SAME_SYSTEM.get(system, system), coding.code))
            if topic is not None:
                return topic
        for text in concept.texts():
            if (topic := self._names.get(text.strip().lower())) is not None:
                return topic
        return None


def _topics(knowledge: Knowledge) -> dict[Code, Topic]:
    """What each code of an Observation is about; a marker before a kind before a fact."""
    terms = knowledge.terms
    return {
        **{code: ("fact", fact) for code, fact in terms.facts.items()},
        **{code: ("status", kind) for code, kind in terms.observation_kinds.items()},
        **{code: ("marker", marker) for code, marker in terms.marker_codes.items()},
    }
