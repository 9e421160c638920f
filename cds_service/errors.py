"""Every error that is raised on purpose. The chart's own faults are not here: they are `Issue`s.

    RefractoryCdsError
    ├── UsageError          the command line or a setting was used wrongly
    ├── UnreadableInput     a file or body cannot be read as FHIR
    │   └── TooManyResources
    ├── BatchStopped        many patients could not be assessed, for want of disk or memory
    ├── InvalidRequest      a CDS Hooks call or its feedback is not what the contract says
    │   └── InterruptedRequest
    ├── KnowledgeError      a knowledge file does not hold together
    ├── FhirError           the client's FHIR server could not give what was needed
    │   ├── PrefetchIncomplete
    │   ├── FhirForbidden
    │   │   ├── FhirOutOfScope
    │   │   └── FhirTokenUnusable
    │   ├── FhirNotOffered
    │   ├── FhirNotFound
    │   ├── FhirUnavailable
    │   └── FhirNotFhir
    ├── TrustUnavailable    it cannot be known whether a call may be taken
    └── AuditError          the decision log cannot take, or cannot give, an entry
        └── LogUnavailable

No message holds anything out of a chart, a token or a URL: each ends in logs and answers.
"""

from __future__ import annotations

_CODES = {404: "not-found", 408: "timeout", 413: "too-long", 415: "not-supported"}
"""FHIR issue types of a request that is refused; of any other status it is invalid."""


class RefractoryCdsError(Exception):
    """The root: has a FHIR issue type for the OperationOutcome, and an HTTP status."""

    code = "exception"
    http_status = 500


class UsageError(RefractoryCdsError):
    """A command or a setting was used wrongly; the message says what and where."""

    code = "invalid"
    http_status = 400


class BatchStopped(RefractoryCdsError):
    """What many patients need besides their charts, disk or memory, could not be had."""


class UnreadableInput(RefractoryCdsError):
    """A file or a request body cannot be read as FHIR JSON."""

    code = "structure"
    http_status = 400


class TooManyResources(UnreadableInput):
    """A request body holds more resources than one chart has."""

    code = "too-costly"
    http_status = 413

    def __init__(self) -> None:
        super().__init__("more resources than are taken in one call")


class InvalidRequest(RefractoryCdsError):
    """A call does not have the form that CDS Hooks asks for; `where` is a path into it."""

    http_status = 400

    def __init__(self, message: str, *, where: str = "", http_status: int = 400) -> None:
        self.where = where
        self.http_status = http_status
        self.code = _CODES.get(http_status, "invalid")
        super().__init__(f"{where}: {message}" if where else message)


class InterruptedRequest(InvalidRequest):
    """The caller went away before its body was here."""


class KnowledgeError(RefractoryCdsError):
    """A knowledge file is missing, malformed or does not hold together."""

    code = "exception"


class FhirError(RefractoryCdsError):
    """Patient data that are needed could not be read: CDS Hooks asks for 412."""

    code = "incomplete"
    http_status = 412


class PrefetchIncomplete(FhirError):
    """The prefetch lacks what is needed, and there is no FHIR server to read it from."""

    code = "required"

    def __init__(self, key: str, why: str = "is not in the prefetch") -> None:
        super().__init__(f"{key} {why}, and no fhirServer is given to read it from")


class FhirForbidden(FhirError):
    """The FHIR server refused the token, or its scope leaves out what we asked for."""

    code = "forbidden"

    status = 0

    def __init__(self, resource_type: str, status: int) -> None:
        self.status = status
        # no URL here: it holds the patient's id
        super().__init__(f"the FHIR server refused {resource_type} with {status}")


class FhirOutOfScope(FhirForbidden):
    """The scopes that came with the token leave a resource type out, so it is not asked for."""

    def __init__(self, resource_type: str) -> None:
        FhirError.__init__(self, f"the scope of fhirAuthorization leaves out {resource_type}")


class FhirTokenUnusable(FhirForbidden):
    """There is no token to read with: that of the call is not for it, or none was to be had."""

    def __init__(self, why: str) -> None:
        FhirError.__init__(self, why)


class FhirNotOffered(FhirError):
    """The FHIR server says itself that it cannot be asked for a resource type."""

    code = "not-supported"

    def __init__(self, resource_type: str) -> None:
        super().__init__(f"the FHIR server does not offer {resource_type}")


class FhirNotFound(FhirError):
    """The FHIR server does not know, or has deleted, the resource that was to be read."""

    code = "not-found"

    def __init__(self, resource_type: str, status: int) -> None:
        super().__init__(f"the FHIR server has no such {resource_type}: {status}")


class FhirUnavailable(FhirError):
    """The FHIR server did not answer in time, or not at all."""

    code = "timeout"

    def __init__(self, resource_type: str, why: str) -> None:
        super().__init__(f"the FHIR server did not give {resource_type}: {why}")


class FhirNotFhir(FhirError):
    """The FHIR server answered with something that is no FHIR resource."""

    code = "structure"

    def __init__(self, resource_type: str, why: str) -> None:
        super().__init__(f"the answer for {resource_type} is not usable FHIR: {why}")


class TrustUnavailable(RefractoryCdsError):
    """What the workers remember of callers cannot be read or written: no call is taken."""

    code = "no-store"
    http_status = 503

    def __init__(self, why: str) -> None:
        super().__init__(f"it cannot be checked who calls: {why}")


class AuditError(RefractoryCdsError):
    """The decision log cannot be opened or read."""


class LogUnavailable(AuditError):
    """The decision log cannot take an entry: no card may leave."""

    code = "no-store"
    http_status = 503
