"""A search with all its pages, as far as the limits and the links allow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from cds_service.errors import FhirNotFhir, UnreadableInput
from cds_service.fhir.bundles import NOT_READ, Problem, RawResource, Unpacked, unpack
from cds_service.fhir.links import BaseUrl

LONGEST_GET = 1800
"""Characters of an address; a longer search is sent as POST `_search`."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""Some servers begin their JSON with it; RFC 8259 §8.1 lets a reader pass over it."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request to a FHIR server; with a `form` it is a POST."""

    resource_type: str
    url: str
    form: str | None = None
    is_read: bool = False


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search found; where it is not `complete`, `problems` say why there may be more."""

    resources: tuple[RawResource, ...]
    pages: int
    complete: bool
    problems: tuple[Problem, ...] = ()


Answer = Callable[[Ask, int], Awaitable[bytes]]
"""Sends a request and gives the body of its answer, of at most so many bytes."""


def first_page(base: BaseUrl, resource_type: str, params: Iterable[tuple[str, str]]) -> Ask:
    """The request that starts a search."""
    query = urlencode(list(params), safe=",:/")
    ask = Ask(resource_type, f"{base}/{resource_type}?{query}")
    return by_post(ask) if len(ask.url) > LONGEST_GET else ask


def by_post(ask: Ask) -> Ask:
    """The same search as POST `_search`, which FHIR lets every server have beside GET."""
    address, _, query = ask.url.partition("?")
    return Ask(ask.resource_type, f"{address}/_search", form=query)


def unpack_answer(ask: Ask, body: bytes) -> Unpacked:
    """Take an answer apart; raises FhirNotFhir where there is nothing of FHIR in it."""
    try:
        unpacked = unpack(body.removeprefix(BYTE_ORDER_MARK))
    except UnreadableInput as error:
        is_page = body.lstrip()[:1] == b"<"
        why = "an HTML or XML page" if is_page else str(error)
        raise FhirNotFhir(ask.resource_type, why) from None
    if unpacked.root == "OperationOutcome":
        raise FhirNotFhir(ask.resource_type, "an OperationOutcome in its place")
    return unpacked


async def all_pages(
    base: BaseUrl, first: Ask, answer: Answer, *, most_pages: int, most_bytes: int
) -> SearchResult:
    """Follow the `next` links of a search on its own server.

    Raises FhirNotFhir for a page that is no Bundle, and whatever `answer` raises.
    """
    reading = _Reading(base, most_pages)
    ask: Ask | None = first
    while ask is not None:
        body = await answer(ask, most_bytes)
        most_bytes -= len(body)
        ask = reading.take(ask, unpack_answer(ask, body))
    return SearchResult(
        tuple(reading.resources), len(reading.seen), reading.is_whole, tuple(reading.problems)
    )


class _Reading:
    """The pages of one search so far."""

    def __init__(self, base: BaseUrl, most_pages: int) -> None:
        self._base = base
        self._most_pages = most_pages
        self.resources: list[RawResource] = []
        self.problems: list[Problem] = []
        self.seen: set[str] = set()
        self.is_whole = True

    def take(self, ask: Ask, page: Unpacked) -> Ask | None:
        """Keep what a page holds; the request for the page after it, None for the last."""
        if page.root != "Bundle":
            raise FhirNotFhir(ask.resource_type, "another resource in place of a Bundle")
        self.seen.add(ask.url)
        self.resources.extend(page.resources)
        self.problems.extend(page.problems)
        if page.outcomes:
            self._falls_short("holds an OperationOutcome with an error")
        if page.is_broken:
            self._falls_short("holds no entry that can be read")
        if page.is_short and not self.resources:  # of other totals many are estimates
            self._falls_short("holds nothing of what its total says there is")
        if page.next_url is None:
            return None
        url = self._base.next_page(ask.url, page.next_url)
        if url is None:
            self._falls_short("its next link leads off the server and is not followed")
        elif url in self.seen:
            self._falls_short("its next link leads round in a circle")
        elif len(self.seen) >= self._most_pages:
            self._falls_short("is the last that is read, and not the last there is")
        else:
            return Ask(ask.resource_type, url)
        return None

    def _falls_short(self, why: str) -> None:
        self.is_whole = False
        self.problems.append(Problem(f"page {len(self.seen)}", why, NOT_READ))
