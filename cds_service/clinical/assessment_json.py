"""Assessment → the public JSON of the contract."""

from __future__ import annotations

from typing import Any

import orjson

from cds_service.clinical.advice import Advice, Judged
from cds_service.clinical.assessment import Assessment, CancerAssessment
from cds_service.clinical.evidence import Evidence
from cds_service.clinical.lines import Line
from cds_service.clinical.record import Issue
from cds_service.clinical.status import Answer

Json = dict[str, Any]


def to_json(assessment: Assessment, *, explain: bool = False) -> Json:
    """The Assessment as plain JSON values, members in the order of the contract.

    With `explain` each line has an `explanation` besides: every rule that speaks for it, with
    `answer` `held`, `not-held` or `cannot-tell`, why, and what failed as a code; each cancer one of
    its composites.
    """
    return {
        "patient": assessment.patient,
        "asOf": assessment.as_of.isoformat(),
        "knowledge": {
            "version": assessment.knowledge_version,
            "digest": assessment.knowledge_digest,
        },
        "cancers": [_cancer(cancer, explain) for cancer in assessment.cancers],
        "issues": [_issue(issue) for issue in assessment.issues],
    }


def to_bytes(assessment: Assessment, *, explain: bool = False) -> bytes:
    """One line of JSON."""
    return orjson.dumps(to_json(assessment, explain=explain))


def _cancer(cancer: CancerAssessment, explain: bool) -> Json:
    return {
        "condition": cancer.cancer.condition,
        "disease": cancer.disease.id,
        "notation": cancer.notation,
        "lines": [_line(judged, explain) for judged in cancer.judged],
        "composites": list(cancer.composites.ids),
        "advice": [_advice(advice) for advice in cancer.advice],
        **({"explanation": [*map(_answer, cancer.answers)]} if explain else {}),
    }


def _line(judged: Judged, explain: bool) -> Json:
    line, status = judged.line, judged.status
    explanation = {"explanation": [*map(_answer, judged.answers)]} if explain else {}
    return {
        "number": line.number,
        "intent": line.intent,
        "setting": line.setting,
        "regimen": line.regimen,
        "agents": list(line.agents),
        "start": line.start.first.isoformat(),
        "end": line.end.last.isoformat() if line.end else None,
        "ongoing": line.is_ongoing,
        "lastDoseByClass": _last_doses(line),
        "bestResponse": status.best_response,
        "status": status.status,
        "pattern": status.pattern,
        "confidence": status.confidence,
        "refractoryTo": list(status.refractory_to),
        "refractoryClasses": list(status.refractory_classes),
        "rules": list(status.rules),
        "caveats": list(status.caveats),
        "flags": list(status.flags),
        "history": [
            {"on": earlier.on.isoformat(), "status": earlier.status} for earlier in status.history
        ],
        "evidence": [_evidence(evidence) for evidence in judged.evidence],
        **explanation,
    }


ANSWERS = {True: "held", False: "not-held", None: "cannot-tell"}


def _answer(answer: Answer) -> Json:
    return {
        "rule": answer.rule,
        "answer": ANSWERS[answer.holds],
        "why": answer.why,
        "condition": answer.condition or None,
    }


def _last_doses(line: Line) -> dict[str, str]:
    """Last covered day of each class, steroids left out."""
    classes = {use.drug.drug_class for use in line.uses if not use.drug.is_corticosteroid}
    last = {name: line.last_of_class(name) for name in sorted(classes)}
    return {name: day.last.isoformat() for name, day in last.items() if day is not None}


def _evidence(evidence: Evidence) -> Json:
    return {
        "resource": evidence.resource,
        "date": evidence.on.first.isoformat(),
        "kind": evidence.kind,
        "finding": evidence.finding,
        "detail": evidence.detail,
    }


def _advice(advice: Advice) -> Json:
    return {
        "kind": advice.kind,
        "line": advice.line,
        "urgency": advice.urgency,
        "reason": advice.reason,
        "suppressed": advice.suppressed,
    }


def _issue(issue: Issue) -> Json:
    return {
        "severity": issue.severity,
        "code": issue.code,
        "resource": issue.resource,
        "detail": issue.detail,
    }
