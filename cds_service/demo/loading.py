"""`refractory-cds fixtures load`: the fixture patients onto any FHIR server, a transaction each."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from cds_service.demo.http_calls import Caller, CallFailed, NoAnswer, Reply, answered
from cds_service.demo.stories import Story, read_stories
from cds_service.errors import UsageError
from cds_service.fhir.at_terminal import read_token
from cds_service.report import Page, plain

REFUSED = 1
"""Exit code where the server did not take every patient."""


def load(base: str, token_file: Path | None = None) -> int:
    """PUT every fixture patient; a line for each, and the exit code.

    Raises UsageError for an address that is none, and where the fixtures are not here.
    """
    stories = read_stories()
    page = Page()
    loaded = 0
    with Caller(base, read_token(token_file)) as server:
        for story in stories:
            try:
                page.print(plain(f"{story.patient_id}: {_put(story, server)}"))
                loaded += 1
            except NoAnswer as failure:
                raise UsageError(f"{failure}; {loaded} patients loaded") from None
            except CallFailed as failure:
                page.print(plain(f"{story.patient_id}: FAILED: {failure}", "bold red"))
    page.print(plain(f"{loaded} of {len(stories)} patients are on {server.base}", "bold"))
    return 0 if loaded == len(stories) else REFUSED


def _put(story: Story, server: Caller) -> str:
    """What the server made of one transaction, in a few words."""
    reply = server.post("", story.bundle)
    answered(reply, "transaction")
    sent = len(json.loads(story.bundle)["entry"])
    created = _created(reply)
    return f"{sent} resources" + (f", {created} of them new" if created else "")


def _created(reply: Reply) -> int:
    """How many resources were not there before; raises CallFailed where one was refused."""
    entries = reply.body.get("entry", ()) if isinstance(reply.body, dict) else ()
    statuses = Counter(str(entry.get("response", {}).get("status", ""))[:3] for entry in entries)
    refused = [status for status in statuses if status[:1] in ("4", "5")]
    if refused:
        raise CallFailed(f"transaction: entries answered with {', '.join(sorted(refused))}")
    return statuses["201"]
