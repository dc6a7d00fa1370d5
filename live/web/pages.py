"""The readers' pages: rendered once per change and process, kept as bytes, served without asking Redis."""

import asyncio
import gzip
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from live.errors import Gone, NotFound, Problem, Unavailable
from live.journal import Journal, State
from live.model import Notice, Story, now, slugify
from live.web.layout import Layout

CARDS_ON_FRONT = 40
CARDS_BELOW_STORY = 12
KEPT_PAGES = 5_000
RETRY_SECONDS = 1.0
"""How long pages are served as they are after the journal did not answer."""


class Rendered(NamedTuple):
    """A page as bytes. It changes with any of its topics, and at `expires` (when its notice goes)."""

    body: bytes
    zipped: bytes
    etag: str
    topics: frozenset[str]
    expires: datetime | None


def rendered(html: str, topics: frozenset[str], notice: Notice | None) -> Rendered:
    """A page ready to be kept."""
    body = html.encode()
    etag = f'W/"{hashlib.sha256(body).hexdigest()[:20]}"'
    return Rendered(body, gzip.compress(body, 6, mtime=0), etag, topics, notice.expires if notice else None)


class Kept:
    """A page's place in the cache: what was rendered last, and whether it is still true."""

    __slots__ = ("lock", "not_before", "page", "stale")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.page: Rendered | None = None
        self.stale = True
        self.not_before = 0.0


class PageCache:
    """Pages by path. One render at a time per page; while it runs, or while the journal is away, others get the page
    as it was: its cursor is as old as its content, so the stream brings what is missing."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Kept] = OrderedDict()

    async def get(self, path: str, make: Callable[[], Awaitable[Rendered]]) -> Rendered:
        """The page at a path, rendered by `make` if it is not kept or no longer true.

        Raises:
            Problem: whatever `make` raises, when there is nothing to fall back on.
        """
        kept = self._kept.setdefault(path, Kept())
        self._kept.move_to_end(path)
        if kept.page is not None:
            expired = kept.page.expires is not None and kept.page.expires <= now()
            busy = kept.lock.locked() or time.monotonic() < kept.not_before
            if not (kept.stale or expired) or busy:
                return kept.page
        async with kept.lock:
            if kept.page is None or kept.stale or (kept.page.expires and kept.page.expires <= now()):
                await self._render(path, kept, make)
            assert kept.page is not None
            return kept.page

    async def _render(self, path: str, kept: Kept, make: Callable[[], Awaitable[Rendered]]) -> None:
        kept.stale = False  # first: what changes from here on makes it stale again
        try:
            kept.page = await make()
        except Unavailable:
            kept.stale = True
            kept.not_before = time.monotonic() + RETRY_SECONDS
            if kept.page is None:
                self._kept.pop(path, None)
                raise
        except Problem:
            self._kept.pop(path, None)
            raise
        while len(self._kept) > KEPT_PAGES:
            self._kept.popitem(last=False)

    def invalidate(self, topics: frozenset[str]) -> None:
        """Marks the pages of these topics as no longer true."""
        for kept in self._kept.values():
            if kept.page is None or kept.page.topics & topics:
                kept.stale = True

    def drop(self, topics: frozenset[str]) -> None:
        """Forgets the pages of these topics at once: something on them must not be shown again."""
        for path in [path for path, kept in self._kept.items() if kept.page and kept.page.topics & topics]:
            del self._kept[path]
        self.invalidate(topics)

    def clear(self) -> None:
        """Marks every page as no longer true."""
        for kept in self._kept.values():
            kept.stale = True


class Pages:
    """The endpoints of the pages."""

    def __init__(self, journal: Journal, state: State, layout: Layout) -> None:
        self._journal = journal
        self._state = state
        self._layout = layout
        self.cache = PageCache()

    async def front(self, request: Request) -> Response:
        """`GET /`"""
        return await self._answer(request, "/", self._render_front)

    async def section(self, request: Request) -> Response:
        """`GET /section/<name>`"""
        slug = request.path_params["section"]
        return await self._answer(request, f"/section/{slug}", lambda: self._render_section(slug))

    async def story(self, request: Request) -> Response:
        """`GET /story/<slug>`"""
        slug = request.path_params["slug"]
        return await self._answer(request, f"/story/{slug}", lambda: self._render_story(slug))

    async def warm(self) -> None:
        """Renders the front page and its stories ahead, so that they can be had while the journal is away."""
        await self.cache.get("/", self._render_front)
        for card in await self._state.cards("front", CARDS_ON_FRONT):
            await self.cache.get(f"/story/{card.slug}", lambda slug=card.slug: self._render_story(slug))  # type: ignore[misc]
            await asyncio.sleep(0)  # readers who are already here go first

    async def _answer(self, request: Request, path: str, make: Callable[[], Awaitable[Rendered]]) -> Response:
        page = await self.cache.get(path, make)
        headers = {
            "ETag": page.etag,
            "Cache-Control": "no-cache",
            "Vary": "Accept-Encoding",
            "Server-Timing": f"now;dur={time.time() * 1000:.0f}",
        }
        if page.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(page.zipped, headers=headers, media_type="text/html")
        return Response(page.body, headers=headers, media_type="text/html")

    async def _frame(self, topics: frozenset[str]) -> dict[str, Any]:
        """What stands around the content. The cursor is read first: what follows is at least as new."""
        cursor = await self._journal.last()
        notice = await self._state.notice()
        return {
            "cursor": str(cursor),
            "topics": ",".join(sorted(topics)),
            "sections": await self._state.sections(),
            "notice": notice if notice and notice.in_force(now()) else None,
            "promo": await self._state.promo(),
        }

    async def _render_front(self) -> Rendered:
        topics = frozenset({"front", "breaking"})
        frame = await self._frame(topics)
        cards = await self._state.cards("front", CARDS_ON_FRONT)
        html = self._layout.page("front.html", **frame, path="/", cards=cards)
        return rendered(html, topics, frame["notice"])

    async def _render_section(self, slug: str) -> Rendered:
        topics = frozenset({f"section/{slug}", "front", "breaking"})
        frame = await self._frame(topics)
        section = next((name for name in frame["sections"] if slugify(name) == slug), None)
        if section is None:
            raise NotFound(f"There is no section '{slug}'.")
        frame["topics"] = f"breaking,section/{slug}"
        cards = await self._state.cards(f"section/{slug}", CARDS_ON_FRONT)
        title = f"{section} - {self._layout.site.name}"
        html = self._layout.page(
            "section.html", **frame, path=f"/section/{slug}", cards=cards, section=section, title=title
        )
        return rendered(html, topics, frame["notice"])

    async def _render_story(self, slug: str) -> Rendered:
        topics = frozenset({f"story/{slug}", "front", "breaking"})
        frame = await self._frame(topics)
        story = await self._public_story(slug)
        updates = [update for update in await self._state.updates(slug) if update.on_page]
        cards = await self._state.cards("front", CARDS_BELOW_STORY + 1)
        html = self._layout.page(
            "story.html", **frame, path=f"/story/{slug}", story=story, lang=story.language,
            title=f"{story.headline} - {self._layout.site.name}", description=story.headline,
            pinned=[update for update in updates if update.pinned],
            updates=[update for update in updates if not update.pinned],
            cards=[card for card in cards if card.slug != slug][:CARDS_BELOW_STORY],
        )  # fmt: skip
        return rendered(html, topics, frame["notice"])

    async def _public_story(self, slug: str) -> Story:
        story = await self._state.story(slug)
        if story is None or story.pub_status == "withheld":
            raise NotFound(f"There is no story '{slug}'.")
        if story.pub_status == "canceled":
            raise Gone()
        return story.without_internal_notes()
