"""One intervention as a reader at the point of care may want to judge it: a service, or a rule set.

The thirteen source attributes of 45 CFR 170.315(b)(11)(iv)(A), and what the fourth criterion of
section 520(o)(1)(E) asks for, from the knowledge alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import msgspec

from cds_service.clinical.status.line_status import WITHHOLDING
from cds_service.clinical.wording import CAVEATS, ORIGIN, fact_in_words
from cds_service.knowledge.interventions import ATTRIBUTES, InputKind, Interventions, Status
from cds_service.knowledge.model import Citation, Disease, Knowledge, Told

PREFIX = "about-"
"""What the name of an intervention's page begins with."""
VARIANT = "variant-"
NOT_KEPT = "Not told: this version of the knowledge was kept before interventions told it."

_CAVEATS: Mapping[str, str] = {str(name): text for name, text in CAVEATS.items()}


@dataclass(frozen=True, slots=True)
class Attribute:
    """One of the thirteen; `used` is None where the question is not whether something is used."""

    number: int
    name: str
    answer: str
    used: bool | None = None


@dataclass(frozen=True, slots=True)
class InputRead:
    """A kind of data that the intervention reads, what for, and which of it by name."""

    kind: InputKind
    name: str
    used: str
    items: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleTold:
    """A rule in its own sentence, with where its numbers come from."""

    id: str
    says: str
    origin: str
    cites: tuple[str, ...]
    is_unverified: bool = False


@dataclass(frozen=True, slots=True)
class Intervention:
    """All that its page says, in the order of the page."""

    id: str
    kind: Literal["service", "rule-set"]
    title: str
    version: str
    digest: str
    returns_cards: bool
    about: Mapping[str, str]
    attributes: tuple[Attribute, ...]
    inputs: tuple[InputRead, ...]
    rules: tuple[RuleTold, ...]
    rule_sets: tuple[str, ...]
    """Of a service: the definitions that it uses."""
    caveats: Mapping[str, str]
    withholding: tuple[str, ...]
    """The caveats that withhold the label."""
    limits: tuple[str, ...]
    criteria: tuple[str, ...]
    statuses: tuple[Status, ...]
    sources: Mapping[str, Citation]
    switched: tuple[str, ...] = ()
    """What a site has switched off or set otherwise, in words."""

    @property
    def page(self) -> str:
        return page_of(self.id)

    def as_json(self) -> dict[str, Any]:
        """The same for machines: camelCase, members without a value left out."""
        told = _camel_case(msgspec.to_builtins(self, order="deterministic"))
        assert isinstance(told, dict)  # noqa: S101 - it was one
        for name in ("about", "caveats", "sources"):  # whose keys are data
            told[name] = msgspec.to_builtins(getattr(self, name), order="deterministic")
        return {"type": "intervention", **told, "id": self.page, "of": self.id}


def _camel_case(value: Any) -> Any:
    if isinstance(value, dict):
        told = {_camel(name): _camel_case(inner) for name, inner in value.items()}
        return {name: inner for name, inner in told.items() if inner not in (None, "", [], {})}
    return [_camel_case(inner) for inner in value] if isinstance(value, list | tuple) else value


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def page_of(name: str) -> str:
    """The name of the page of a disease's or a service's intervention."""
    return f"{PREFIX}{name}"


def intervention_ids(knowledge: Knowledge) -> tuple[str, ...]:
    """The services, then the rule sets; no services where the knowledge does not tell of them."""
    told = knowledge.interventions
    return (*(told.services if told else ()), *knowledge.diseases)


def intervention_of(name: str, knowledge: Knowledge) -> Intervention:
    """The intervention of this id; KeyError where there is none."""
    disease = knowledge.diseases.get(name)
    return _of_disease(disease, knowledge) if disease else _of_service(name, knowledge)


def _of_disease(disease: Disease, knowledge: Knowledge) -> Intervention:
    told = knowledge.interventions
    rules = tuple(_rules((*knowledge.shared_rules, *disease.told)))
    cited = {key for rule in rules for key in rule.cites}
    cited |= {key for early in disease.early for key in early.cites}
    declared = told.diseases.get(disease.id) if told else None
    title = f"Possibly refractory {disease.name}"
    if disease.id.startswith("other-"):
        title += " without a definition of its own"
    return Intervention(
        id=disease.id,
        kind="rule-set",
        title=title,
        version=knowledge.version,
        digest=knowledge.digest,
        returns_cards=disease.returns_cards,
        about=_about(told, _population(disease, declared.population if declared else "")),
        attributes=tuple(
            _attributes(
                told,
                declared.reads if declared else frozenset(),
                revised=declared.revised if declared else None,
                reviewers=declared.reviewers if declared else "",
                sources=f"{', '.join(sorted(cited))}: below with author, journal or body, year "
                "and DOI, each also under the rules that rest on it.",
            )
        ),
        inputs=tuple(_inputs(told, disease, knowledge)),
        rules=rules,
        rule_sets=(),
        caveats=_CAVEATS,
        withholding=tuple(sorted(WITHHOLDING)),
        limits=told.project.limits if told else (NOT_KEPT,),
        criteria=told.project.criteria if told else (NOT_KEPT,),
        statuses=told.project.statuses if told else (),
        sources={k: knowledge.citations[k] for k in sorted(cited) if k in knowledge.citations},
        switched=tuple(
            f"{number.where}: {number}"
            for number in knowledge.site_numbers
            if number.where in {told.id for told in disease.told}
            or number.where.split(".")[0] == disease.id
        ),
    )


def _of_service(name: str, knowledge: Knowledge) -> Intervention:
    told = knowledge.interventions
    if told is None or name not in told.services:
        raise KeyError(name)
    service, project = told.services[name], told.project
    about = _about(told, project.population)
    about = {"When it speaks": service.speaks_when, **about, "Intended use": service.use}
    reads = service.reads | {kind for declared in told.diseases.values() for kind in declared.reads}
    sources = (
        f"{len(knowledge.diseases)} rule sets, each with a page and sources of its own; together "
        f"they rest on {len(_cited(knowledge))} sources."
    )
    off = [d.id for d in knowledge.diseases.values() if not d.returns_cards]
    return Intervention(
        id=name,
        kind="service",
        title=service.title,
        version=knowledge.version,
        digest=knowledge.digest,
        returns_cards=len(off) < len(knowledge.diseases),
        about={"Hook": f"CDS Hooks {service.hook}", **about},
        attributes=tuple(_attributes(told, reads, revised=service.revised, sources=sources)),
        inputs=tuple(
            InputRead(kind, words.name, words.used)
            for kind, words in told.inputs.items()
            if words.always or kind in reads
        ),
        rules=tuple(_rules(knowledge.shared_rules)),
        rule_sets=tuple(knowledge.diseases),
        caveats=_CAVEATS,
        withholding=tuple(sorted(WITHHOLDING)),
        limits=project.limits,
        criteria=project.criteria,
        statuses=project.statuses,
        sources={},
        switched=tuple(f"no cards on {disease}" for disease in off),
    )


def _cited(knowledge: Knowledge) -> set[str]:
    """The sources of all rules."""
    told = [*knowledge.shared_rules]
    every = [one for d in knowledge.diseases.values() for one in (*d.told, *d.early)]
    return {key for one in (*told, *every) for key in one.cites}


def _population(disease: Disease, own: str) -> str:
    who = own or f"Patients with a recorded {disease.name} and an antineoplastic drug given for it."
    if disease.id.startswith("other-"):
        who = f"Patients with a recorded {disease.name} that has no definition of its own."
    if disease.is_adult_only:
        return f"{who} Adults: under 18 years no label is given by this definition."
    return f"{who} Children and adults."


def _about(told: Interventions | None, population: str) -> dict[str, str]:
    if told is None:
        return {"Population": population, "Intended use": NOT_KEPT}
    project = told.project
    return {
        "Intended use": project.use,
        "Not for": project.not_for,
        "Intended users": project.users,
        "Population": population,
        "Kind": project.kind,
        "Validation": project.validation,
    }


def _attributes(
    told: Interventions | None,
    reads: Iterable[InputKind],
    *,
    revised: date | None,
    sources: str,
    reviewers: str = "",
) -> Iterator[Attribute]:
    """All thirteen, each with an answer; what is used follows from what is declared as read."""
    yield Attribute(1, "Bibliographic citation of the intervention", sources)
    if told is None:
        names = ("Developer", "Funding source", "Release and revision dates")
        for number, name in enumerate((*names, *(name for _, name in ATTRIBUTES)), 2):
            yield Attribute(number, name, NOT_KEPT)
        return
    project, read = told.project, set(reads)
    yield Attribute(
        2,
        "Developer of the intervention",
        f"{project.developer} Maintainers: {project.maintainers} "
        f"Clinical reviewers: {reviewers or project.reviewers} Conflicts: {project.conflicts}",
    )
    yield Attribute(3, "Funding source of the technical implementation", project.funding)
    last = f"; rules last revised {revised}" if revised else ""
    yield Attribute(
        4,
        "Release and revision dates",
        f"Released {project.released}{last}; review due {project.review_due}. Dates of guidelines "
        "and papers stand with the sources.",
    )
    for number, (kind, name) in enumerate(ATTRIBUTES, 5):
        words = told.inputs[kind]
        is_used = words.always or kind in read
        yield Attribute(number, name, words.used if is_used else words.unused, is_used)


def _inputs(
    told: Interventions | None, disease: Disease, knowledge: Knowledge
) -> Iterator[InputRead]:
    declared = told.diseases.get(disease.id) if told else None
    if told is None or declared is None:
        return
    named = {"laboratory": sorted(_markers(declared.markers, knowledge))}
    for kind, words in told.inputs.items():
        if words.always or kind in declared.reads:
            facts = sorted(
                _fact(f)
                for f in declared.facts
                if f in words.facts or (kind == "tumour-biology" and f.startswith(VARIANT))
            )
            items = dict.fromkeys((*named.get(kind, ()), *facts))
            yield InputRead(kind, words.name, words.used, tuple(items))


def _fact(name: str) -> str:
    """ "variant-abl1" is ABL1 variant, "her2" HER2."""
    gene = name.removeprefix(VARIANT)
    return fact_in_words(name) if gene == name else f"{gene.upper()} variant"


def _markers(names: Iterable[str], knowledge: Knowledge) -> set[str]:
    markers = knowledge.terms.markers
    return {markers[name].name if name in markers else name for name in names}


def _rules(told: Iterable[Told]) -> Iterator[RuleTold]:
    for one in told:
        unverified = bool(getattr(one, "is_unverified", False))
        yield RuleTold(one.id, one.says, ORIGIN[one.origin], one.cites, unverified)
