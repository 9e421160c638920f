"""The whole knowledge as pages for review, that run nothing and ask no other host.

Served at /knowledge/, and written as files by `refractory-cds knowledge pages`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache, cached_property, lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import orjson
from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from cds_service.clinical import wording
from cds_service.clinical.status.line_status import WITHHOLDING
from cds_service.definition import HOW_ORIGINS_COUNT, HOW_TO_READ, ORIGINS, UNVERIFIED
from cds_service.definition.intervention import (
    PREFIX,
    Intervention,
    intervention_ids,
    intervention_of,
    page_of,
)
from cds_service.errors import RefractoryCdsError
from cds_service.knowledge.model import Knowledge
from cds_service.version import __version__
from cds_service.web.knowledge_book import INDEX, TITLES, Book, Place, book_of
from cds_service.web.page import POLICY

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

TEMPLATES = Path(__file__).with_name("templates")


class KnowledgePages:
    """The pages of one knowledge; what they show is gathered with the first of them.

    `ending` is what the name of a page ends with in a link: ".html" in a folder of files.
    `in_force` is the knowledge that decides now, where this is an earlier one.
    """

    def __init__(
        self, knowledge: Knowledge, ending: str = "", in_force: Knowledge | None = None
    ) -> None:
        self._knowledge = knowledge
        self._ending = ending
        self._in_force = in_force
        self.page = cache(self._render)

    @property
    def names(self) -> tuple[str, ...]:
        return (
            *TITLES,
            *(name for name in self._knowledge.diseases if name not in TITLES),
            *map(page_of, intervention_ids(self._knowledge)),
        )

    def intervention(self, name: str) -> Intervention | None:
        """What the page of this name tells of; None for a page of another kind."""
        of = name.removeprefix(PREFIX)
        is_one = name != of and of in intervention_ids(self._knowledge)
        return intervention_of(of, self._knowledge) if is_one else None

    @property
    def tag(self) -> str:
        """What changes whenever a page may: the knowledge, and the software that words it."""
        return f'"{self._knowledge.digest.removeprefix("sha256:")}-{__version__}"'

    @cached_property
    def _book(self) -> Book:
        return book_of(self._knowledge)

    def _render(self, name: str) -> str:
        book = self._book
        about = self.intervention(name)
        return _template().render(
            book=book,
            page=name,
            about=about,
            about_page=page_of,
            about_ids=intervention_ids(self._knowledge),
            in_force=self._in_force,
            title=about.title if about else book.pages[name],
            kind=name if name in TITLES else "about" if about else "disease",
            href=self._href,
            linked=_linker(book.rules_of.get(name, {}), self._href),
            wording=wording,
            withholding=WITHHOLDING,
            origins=ORIGINS,
            unverified=UNVERIFIED,
            how_to_read=HOW_TO_READ,
            how_origins_count=HOW_ORIGINS_COUNT,
        )

    def _href(self, page: str, anchor: str = "") -> str:
        name = "./" if page == INDEX and not self._ending else f"{page}{self._ending}"
        return f"{name}#{anchor}" if anchor else name


@cache
def _template() -> Template:
    """The template, compiled once; its library is loaded with the first page and not before."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("knowledge.html")


def _linker(places: Mapping[str, Place], href: Callable[..., str]) -> Callable[[str], Markup]:
    """Text in which the ids of this page's rules lead to them; all else is escaped."""
    from markupsafe import Markup, escape

    ids = sorted(places, key=len, reverse=True)
    known = re.compile(
        "|".join(rf"(?<![\w.-]){re.escape(name)}(?![\w-])" for name in ids) or "(?!)"
    )

    def linked(text: str) -> Markup:
        parts, at = [], 0
        for found in known.finditer(text):
            place = places[found[0]]
            link = Markup('<a href="{}">{}</a>').format(href(place.page, place.anchor), found[0])
            parts += [escape(text[at : found.start()]), link]
            at = found.end()
        return Markup().join([*parts, escape(text[at:])])

    return linked


def write_pages(knowledge: Knowledge, folder: Path) -> int:
    """Write every page as a file; how many there are. Raises OSError where that cannot be done."""
    pages = KnowledgePages(knowledge, ending=".html")
    folder.mkdir(parents=True, exist_ok=True)
    for name in pages.names:
        (folder / f"{name}.html").write_text(pages.page(name), "utf-8")
        if about := pages.intervention(name):
            (folder / f"{name}.json").write_bytes(_json(about))
    return len(pages.names)


def _json(about: Intervention) -> bytes:
    return orjson.dumps(about.as_json(), option=orjson.OPT_INDENT_2)


DIGEST = re.compile(r"[0-9a-f]{64}")
MOST_EARLIER = 4
"""Earlier states of the knowledge whose pages a process holds at a time."""
SECONDS_TO_OPEN = 5.0
KeptKnowledge = Callable[[str], Knowledge | None]
"""Knowledge of a digest as the decision log has kept it; None where it has not."""


class Versions:
    """The pages of the knowledge in force, and of each earlier one that the log has kept."""

    def __init__(self, knowledge: Knowledge, kept: KeptKnowledge) -> None:
        self._in_force = knowledge
        self._pages = KnowledgePages(knowledge)
        self._kept = kept
        self._lock = Lock()
        self._earlier = lru_cache(MOST_EARLIER)(self._open)

    def of(self, digest: str | None) -> KnowledgePages:
        """Raises 404 where no knowledge of this digest ever decided here, 503 where the log does
        not give it now."""
        if digest is None or f"sha256:{digest}" == self._in_force.digest:
            return self._pages
        if DIGEST.fullmatch(digest):
            return self._one_at_a_time(digest)
        raise HTTPException(404)

    def _one_at_a_time(self, digest: str) -> KnowledgePages:
        """Anybody may ask, and opening one costs more than a call."""
        if not self._lock.acquire(timeout=SECONDS_TO_OPEN):
            raise HTTPException(503)
        try:
            return self._earlier(f"sha256:{digest}")
        except LookupError:
            raise HTTPException(404) from None
        except RefractoryCdsError:
            raise HTTPException(503) from None
        finally:
            self._lock.release()

    def _open(self, digest: str) -> KnowledgePages:
        knowledge = self._kept(digest)
        if knowledge is None:
            raise LookupError(digest)
        return KnowledgePages(knowledge, in_force=self._in_force)


def knowledge_routes(knowledge: Knowledge, kept: KeptKnowledge = lambda _: None) -> APIRouter:
    """GET /knowledge/ and its pages, and below each digest those of that state of the knowledge.

    No patient data, so nobody signs in. A card leads to the page of its own digest: what is in
    force by then does not matter.
    """
    versions = Versions(knowledge, kept)
    routes = APIRouter(include_in_schema=False)

    @routes.get("/knowledge")
    def slash() -> Response:
        return Response(status_code=308, headers={"Location": "knowledge/"})

    # not async: the first call of a page renders it, and other calls need not wait for that
    @routes.get("/knowledge/")
    @routes.get("/knowledge/{name}")
    def page(request: Request, name: str = INDEX) -> Response:
        return _answer(request, versions.of(None), name)

    @routes.get("/knowledge/{digest}/")
    @routes.get("/knowledge/{digest}/{name}")
    def page_of_then(request: Request, digest: str, name: str = INDEX) -> Response:
        return _answer(request, versions.of(digest), name)

    return routes


def _answer(request: Request, pages: KnowledgePages, name: str) -> Response:
    is_json = name.endswith(".json")
    page = name.removesuffix(".json")
    about = pages.intervention(page) if is_json else None
    if page not in pages.names or (is_json and about is None):
        raise HTTPException(404)
    if name == INDEX and "name" in request.path_params:
        raise HTTPException(404)
    headers = {
        "Content-Security-Policy": POLICY,
        "ETag": pages.tag,
        "Cache-Control": "no-cache",
        "X-Content-Type-Options": "nosniff",
    }
    if pages.tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if about is not None:
        return Response(_json(about), headers=headers, media_type="application/json")
    return Response(pages.page(name), headers=headers, media_type="text/html")
