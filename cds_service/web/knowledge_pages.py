"""The whole knowledge as pages for review, that run nothing and ask no other host.

Served at /knowledge/, and written as files by `refractory-cds knowledge pages`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from cds_service.clinical import wording
from cds_service.clinical.status.line_status import WITHHOLDING
from cds_service.definition import HOW_ORIGINS_COUNT, HOW_TO_READ, ORIGINS, UNVERIFIED
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
    """

    def __init__(self, knowledge: Knowledge, ending: str = "") -> None:
        self._knowledge = knowledge
        self._ending = ending
        self.page = cache(self._render)

    @property
    def names(self) -> tuple[str, ...]:
        return (*TITLES, *(name for name in self._knowledge.diseases if name not in TITLES))

    @property
    def tag(self) -> str:
        """What changes whenever a page may: the knowledge, and the software that words it."""
        return f'"{self._knowledge.digest.removeprefix("sha256:")}-{__version__}"'

    @cached_property
    def _book(self) -> Book:
        return book_of(self._knowledge)

    def _render(self, name: str) -> str:
        book = self._book
        return _template().render(
            book=book,
            page=name,
            title=book.pages[name],
            kind=name if name in TITLES else "disease",
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
    return len(pages.names)


def knowledge_routes(knowledge: Knowledge) -> APIRouter:
    """GET /knowledge/ and one page a disease below it; no patient data, so nobody signs in."""
    pages = KnowledgePages(knowledge)
    routes = APIRouter(include_in_schema=False)

    @routes.get("/knowledge")
    def slash() -> Response:
        return Response(status_code=308, headers={"Location": "knowledge/"})

    # not async: the first call of a page renders it, and other calls need not wait for that
    @routes.get("/knowledge/")
    @routes.get("/knowledge/{name}")
    def page(request: Request, name: str = INDEX) -> Response:
        if name not in pages.names or (name == INDEX and request.path_params):
            raise HTTPException(404)
        headers = {
            "Content-Security-Policy": POLICY,
            "ETag": pages.tag,
            "Cache-Control": "no-cache",
            "X-Content-Type-Options": "nosniff",
        }
        if pages.tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(pages.page(name), headers=headers, media_type="text/html")

    return routes
