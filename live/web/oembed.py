"""oEmbed 1.0 (https://oembed.com): how another site shows a story in a frame, given its address."""

import json
from functools import partial
from urllib.parse import urlsplit

from starlette.datastructures import QueryParams
from starlette.routing import compile_path
from starlette.types import Receive, Scope, Send

from live.errors import BadQuery, NotFound, UnknownFormat
from live.journal import State
from live.web.cache import Cache, Rendered, answer, rendered
from live.web.layout import Layout
from live.web.pages import public_story

STORY_PATH = compile_path("/story/{slug}")[0]
WIDTH, HEIGHT = 600, 600
"""A frame's size, in pixels, where nobody asks for less."""
STEP = 20
"""Sizes asked for are rounded down to this, so that there are not too many answers to keep."""
KEEP_SECONDS = 300


class OEmbed:
    """The endpoint, an ASGI application: `GET /oembed?url=...&format=json&maxwidth=...&maxheight=...`"""

    def __init__(self, state: State, layout: Layout, cache: Cache) -> None:
        self._state = state
        self._layout = layout
        self._cache = cache

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers from memory.

        Raises:
            BadQuery: `url` is missing, or a size is no number.
            UnknownFormat: a format other than JSON is asked for.
            NotFound, Gone: it is not the address of a story here.
        """
        query = QueryParams(scope["query_string"])
        if query.get("format", "json") != "json":
            raise UnknownFormat()
        slug = self._slug_of(query.get("url", ""))
        width, height = size(query, "maxwidth", WIDTH), size(query, "maxheight", HEIGHT)
        make = partial(self._render, slug, width, height)
        await answer(scope, await self._cache.get(f"/oembed {slug} {width}x{height}", make))

    def _slug_of(self, url: str) -> str:
        base = self._layout.site.require_base()
        if not url:
            raise BadQuery("'url' is missing: the address of a story, as its page has it.")
        path = urlsplit(url.removeprefix(base)).path if url.startswith(f"{base}/") else ""
        match = STORY_PATH.fullmatch(path.removesuffix("/"))
        if match is None:
            raise NotFound(f"'{url[:200]}' is not the address of a story here; those begin with {base}/story/.")
        return str(match["slug"])

    async def _render(self, slug: str, width: int, height: int) -> Rendered:
        story = await public_story(self._state, slug)
        site = self._layout.site
        content = {
            "version": "1.0",
            "type": "rich",
            "title": story.headline,
            "provider_name": site.name,
            "provider_url": site.at("/"),
            "cache_age": KEEP_SECONDS,
            "html": self._layout.page("parts/frame.html", story=story, width=width, height=height).strip(),
            "width": width,
            "height": height,
        }
        if story.by:
            content["author_name"] = ", ".join(author.name for author in story.by)
        body = json.dumps(content, ensure_ascii=False).encode()
        keep = f"public, max-age={KEEP_SECONDS}"
        return rendered(body, "application/json", keep, frozenset({f"story/{slug}"}))


def size(query: QueryParams, name: str, default: int) -> int:
    """A frame's width or height in pixels, at most what is asked for. Raises BadQuery."""
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and int(text) > 0):
        raise BadQuery(f"'{name}' is a number of pixels, not '{text[:20]}'.")
    wanted = min(int(text), default)
    return wanted - wanted % STEP or wanted
