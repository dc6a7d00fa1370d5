"""The addresses of feeds and sitemaps: rendered once per change and process, served without asking Redis."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import NamedTuple

from live.errors import NotFound
from live.journal import State
from live.journal.catalogue import Catalogue
from live.model import now, slugify
from live.web.cache import Cache, KeptAnswers, Rendered, rendered
from live.web.feeds import atom, jsonfeed, sitemap
from live.web.feeds.feed import Feed, list_feed, story_feed
from live.web.layout import Layout, Site
from live.web.pages import public_story

STORIES = 40
"""Stories, and tombstones of withdrawn ones, in a feed."""
UPDATES = 100
"""Updates, retracted ones among them, in the feed of a story."""
ASK_AGAIN = "no-cache"
"""Nothing is taken from a cache unasked: what was withdrawn must not come out of one."""


class FeedForm(NamedTuple):
    """A way to write a feed."""

    suffix: str
    media_type: str
    write: Callable[[Site, Feed], bytes]


FEED_FORMS = (
    FeedForm("atom", atom.MEDIA_TYPE, atom.atom),
    FeedForm("json", jsonfeed.MEDIA_TYPE, jsonfeed.json_feed),
)
Made = tuple[Feed, frozenset[str], datetime | None]
"""A feed, the topics that change it, and when it changes by itself."""


class Feeds:
    """Feeds and sitemaps. They are made of absolute addresses, so that a site that does not know its own has none.

    `site_feed`, `section_feed` and `story_feed` are given to `answers`, which makes endpoints of them; `sitemap`,
    `news_sitemap` and `robots` are endpoints.
    """

    def __init__(self, catalogue: Catalogue, state: State, layout: Layout, cache: Cache) -> None:
        self._catalogue = catalogue
        self._state = state
        self._site = layout.site
        self._cache = cache
        self.sitemap = KeptAnswers(cache, self._make_sitemap)
        self.news_sitemap = KeptAnswers(cache, self._make_news_sitemap)
        self.robots = KeptAnswers(cache, self._make_robots)

    def answers(self, make: Callable[..., Awaitable[Made]], form: FeedForm) -> KeptAnswers:
        """The endpoint of a feed in one form."""
        return KeptAnswers(self._cache, partial(self._write, make, form))

    async def _write(self, make: Callable[..., Awaitable[Made]], form: FeedForm, **parameters: str) -> Rendered:
        self._site.require_base()
        feed, topics, expires = await make(**parameters)
        return rendered(form.write(self._site, feed), form.media_type, ASK_AGAIN, topics, expires)

    async def site_feed(self) -> Made:
        """`GET /feed.atom`, `/feed.json`: the stories of the site."""
        stories = await self._catalogue.stories("front", STORIES)
        withdrawn = await self._catalogue.withdrawn(STORIES)
        return list_feed(self._site, self._site.name, "/", stories, withdrawn), frozenset({"front"}), None

    async def section_feed(self, slug: str) -> Made:
        """`GET /section/<name>/feed.atom`, `.json`: the stories of a section."""
        name = next((name for name in await self._state.sections() if slugify(name) == slug), None)
        if name is None:
            raise NotFound(f"There is no section '{slug}'.")
        topic = f"section/{slug}"
        stories = await self._catalogue.stories(topic, STORIES)
        withdrawn = await self._catalogue.withdrawn(STORIES)
        feed = list_feed(self._site, f"{name} - {self._site.name}", f"/{topic}", stories, withdrawn)
        return feed, frozenset({topic, "front"}), None

    async def story_feed(self, slug: str) -> Made:
        """`GET /story/<slug>/feed.atom`, `.json`: the updates of a story."""
        story = await public_story(self._state, slug)
        updates = [update.for_readers() for update in await self._state.updates(slug) if update.on_page]
        moment = now()
        feed = story_feed(self._site, story, updates[:UPDATES], moment)
        end = story.coverage_end
        return feed, frozenset({f"story/{slug}"}), end if end and end > moment else None

    async def _make_sitemap(self) -> Rendered:
        self._site.require_base()
        sections = await self._state.sections()
        active = await self._catalogue.activity("front", sitemap.MOST_STORIES)
        body = await asyncio.to_thread(sitemap.sitemap, self._site, sections, active)  # long: readers go first
        return rendered(body, sitemap.MEDIA_TYPE, ASK_AGAIN, frozenset({"front"}))

    async def _make_news_sitemap(self) -> Rendered:
        self._site.require_base()
        since = now() - sitemap.NEWS_FOR
        active = await self._catalogue.stories("front", sitemap.MOST_NEWS, since)
        news = [story for story in active if sitemap.first_published(story) > since]
        oldest = min(map(sitemap.first_published, news), default=None)
        expires = oldest + sitemap.NEWS_FOR if oldest else None
        body = sitemap.news_sitemap(self._site, news)
        return rendered(body, sitemap.MEDIA_TYPE, ASK_AGAIN, frozenset({"front"}), expires)

    async def _make_robots(self) -> Rendered:
        return rendered(sitemap.robots(self._site), "text/plain; charset=utf-8", "public, max-age=3600", frozenset())
