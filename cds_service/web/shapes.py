"""The shapes of our own JSON, for the OpenAPI page: the Assessment, readiness."""

from __future__ import annotations

from typing import get_args

from cds_service.clinical.advice import AdviceKind
from cds_service.openapi import DAY, TEXT, Shape, bundle, listed, one_of, or_null, record

_STATUS = one_of(
    (
        "possible-refractory",
        "relapsed",
        "progressing",
        "responding",
        "stable",
        "indeterminate",
        "no-evidence",
    )
)
_WORDS = listed(TEXT)
_EVIDENCE = record(
    {"resource": TEXT, "date": DAY, "kind": TEXT, "finding": TEXT, "detail": {"type": "string"}}
)
_EXPLAINED = listed(
    record(
        {
            "rule": TEXT,
            "answer": one_of(["held", "not-held", "cannot-tell"]),
            "why": {"type": "string"},
            "condition": or_null(TEXT),
        }
    )
)
_LINE = record(
    {
        "number": {"type": "integer", "minimum": 1},
        "intent": or_null(one_of(["curative", "palliative"])),
        "setting": or_null(TEXT),
        "regimen": or_null(TEXT),
        "agents": _WORDS,
        "start": DAY,
        "end": or_null(DAY),
        "ongoing": {"type": "boolean"},
        "lastDoseByClass": {"type": "object", "additionalProperties": DAY},
        "bestResponse": or_null(TEXT),
        "status": _STATUS,
        "pattern": or_null(one_of(["primary", "secondary"])),
        "confidence": or_null(one_of(["documented", "criteria", "signal"])),
        "refractoryTo": _WORDS,
        "refractoryClasses": _WORDS,
        "rules": _WORDS,
        "caveats": _WORDS,
        "flags": _WORDS,
        "history": listed(record({"on": DAY, "status": _STATUS})),
        "evidence": listed(_EVIDENCE),
    },
    {"explanation": _EXPLAINED},
)
_ADVICE = record(
    {
        "kind": one_of(get_args(AdviceKind)),
        "line": {"type": "integer", "minimum": 1},
        "urgency": one_of(["routine", "prompt"]),
        "reason": TEXT,
        "suppressed": or_null(TEXT),
    }
)
ASSESSMENT = record(
    {
        "patient": TEXT,
        "asOf": DAY,
        "knowledge": record({"version": TEXT, "digest": TEXT}),
        "cancers": listed(
            record(
                {
                    "condition": TEXT,
                    "disease": TEXT,
                    "notation": TEXT,
                    "lines": listed(_LINE),
                    "composites": _WORDS,
                    "advice": listed(_ADVICE),
                },
                {"explanation": _EXPLAINED},
            )
        ),
        "issues": listed(
            record(
                {
                    "severity": TEXT,
                    "code": TEXT,
                    "resource": {"type": "string"},
                    "detail": {"type": "string"},
                }
            )
        ),
    }
)
CHART: Shape = bundle()
HEALTH = record({"status": one_of(["ok"])})
READY = record(
    {
        "status": one_of(["ready", "not-ready"]),
        "knowledge": record(
            {"version": TEXT, "digest": TEXT, "diseases": {"type": "integer", "minimum": 0}}
        ),
        "decisionLog": one_of(["writable", "degraded", "unavailable"]),
    },
    closed=False,
)
