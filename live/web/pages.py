"""The readers' pages: rendered once per change and process, kept as bytes, served without asking Redis."""

import asyncio
from functools import partial
from typing import Any

from live.errors import Gone, NotFound
from live.journal import Journal, State
from live.model import Notice, Story, now, slugify
from live.render import summary
from live.web.cache import Cache, KeptAnswers, Rendered, rendered
from live.web.layout import Layout
from live.web.older import PagedAnswers, Start, part_of
from live.web.structured import live_blog

CARDS_ON_FRONT = 40
CARDS_BELOW_STORY = 12


def page_of(html: str, topics: frozenset[str], notice: Notice | None) -> Rendered:
    """A page to keep: browsers ask each time whether it is still the same."""
    return rendered(html.encode(), "text/html; charset=utf-8", "no-cache", topics, notice.expires if notice else None)


async def public_story(state: State, slug: str) -> Story:
    """The story as readers may have it. Raises NotFound, or Gone when it was canceled."""
    story = await state.story(slug)
    if story is None or story.pub_status == "withheld":
        raise NotFound(f"There is no story '{slug}'.")
    if story.pub_status == "canceled":
        raise Gone()
    return story.for_readers()


class Pages:
    """The pages: `front` (`GET /`), `section` (`GET /section/<name>`) and `story` (`GET /story/<slug>`, which takes
    `before` or `from`); and `older`, the updates alone (`GET /story/<slug>/older`)."""

    def __init__(self, journal: Journal, state: State, layout: Layout, cache: Cache) -> None:
        self._journal = journal
        self._state = state
        self._layout = layout
        self._cache = cache
        self.front = KeptAnswers(cache, self._render_front)
        self.section = KeptAnswers(cache, self._render_section)
        self.story = PagedAnswers(cache, self._render_story)
        self.older = PagedAnswers(cache, self._render_older)

    async def warm(self) -> None:
        """Renders the front page and its stories ahead, so that they can be had while the journal is away."""
        await self._cache.get("/", self._render_front)
        for card in await self._state.cards("front", CARDS_ON_FRONT):
            await self._cache.get(f"/story/{card.slug}", partial(self._render_story, card.slug))
            await asyncio.sleep(0)  # readers who are already here go first

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
        return page_of(html, topics, frame["notice"])

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
        return page_of(html, topics, frame["notice"])

    async def _render_story(self, slug: str, start: Start | None = None) -> Rendered:
        topics = frozenset({f"story/{slug}", "front", "breaking"})
        frame = await self._frame(topics)
        story = await public_story(self._state, slug)
        updates = [update for update in await self._state.updates(slug) if update.on_page]
        part = part_of(updates, start)
        cards = await self._state.cards("front", CARDS_BELOW_STORY + 1)
        html = self._layout.page(
            "story.html", **frame, path=f"/story/{slug}", story=story, lang=story.language,
            title=f"{story.headline} - {self._layout.site.name}", description=summary(story.body),
            structured=live_blog(self._layout.site, self._layout.static("icons/favicon.svg"), story, updates),
            pinned=[update for update in updates if update.pinned],
            key_events=[update for update in updates if update.key_event and update.retraction is None],
            updates=part.updates, older=part.older, start=start,
            cards=[card for card in cards if card.slug != slug][:CARDS_BELOW_STORY],
        )  # fmt: skip
        return page_of(html, topics, frame["notice"])

    async def _render_older(self, slug: str, start: Start | None = None) -> Rendered:
        """The updates from a start on, and the link to those after them: what a story's page appends to itself."""
        await public_story(self._state, slug)
        updates = [update for update in await self._state.updates(slug) if update.on_page]
        part = part_of(updates, start)
        path = f"/story/{slug}"
        html = self._layout.page("parts/updates.html", path=path, updates=part.updates, older=part.older, start=start)
        return page_of(html, frozenset({f"story/{slug}"}), None)
