"""`refractory-cds conformance`: try a deployment, print what holds, end with an exit code."""

from __future__ import annotations

from cds_service.conformance.deployment import Deployment
from cds_service.conformance.requirement import NotChecked
from cds_service.conformance.results import as_json, as_text
from cds_service.conformance.table import check_all
from cds_service.errors import UsageError
from cds_service.report import Page

DOES_NOT_CONFORM = 1


def run(deployment: Deployment, *, text: bool, strict: bool) -> int:
    """Try everything; 0 where it conforms, 1 where it does not.

    Raises UsageError (exit code 2) where there is no CDS service to try.
    """
    with deployment:
        _look(deployment)
        found = check_all(deployment)
        page = Page()
        if text:
            as_text(page, deployment, found, strict=strict)
        else:
            page.print_whole(as_json(deployment, found, strict=strict))
    return DOES_NOT_CONFORM if any(one.counts(strict=strict) for one in found) else 0


def _look(deployment: Deployment) -> None:
    """Raise UsageError where nobody answers, or somebody who is no CDS service."""
    said = deployment.described
    where = deployment.base
    if not said.status:
        raise UsageError(f"{where}: no answer: {said.trouble}")
    if said.status == 401:
        raise UsageError(f"{where}: discovery is refused with 401; see --jwt-key")
    if not 200 <= said.status < 400 or not isinstance(said.json, dict | list):
        what = f"{said.status} and {said.trouble or 'JSON'}"
        raise UsageError(f"{where}: no CDS service: discovery is answered with {what}")
    try:
        first = [deployment.complete(service) for service in deployment.offered]
    except NotChecked:
        return  # nothing to call: the checks say so
    if deployment.signer is None and all(reply.status == 401 for reply in first):
        raise UsageError(f"{where}: calls without a token are refused; see --jwt-key")
