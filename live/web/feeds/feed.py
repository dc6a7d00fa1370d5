"""A feed before it is written as Atom or JSON: made from the site's records.

Its items are what readers have now. What they had and no longer have leaves a tombstone: an ID, a time and for a
retracted update the public reason, never its text.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from live.journal.catalogue import Withdrawal
from live.model import Byline, Image, Story, Update
from live.render import story_content, summary, title_of, update_content
from live.web.layout import Site

NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""When a feed changed in which there has never been anything."""


class Item(NamedTuple):
    """A story or an update. `address` is also its ID; `html` is safe and its links are absolute."""

    address: str
    title: str
    summary: str
    html: str
    published: datetime
    updated: datetime
    by: tuple[Byline, ...]
    sections: tuple[str, ...]
    language: str
    image: Image | None


class Tombstone(NamedTuple):
    """What remains of an item: its ID, when it went, and what readers were told."""

    address: str
    at: datetime
    reason: str = ""


class Feed(NamedTuple):
    """`path` is the feed's own without its suffix; `page` that of the page it tells about."""

    title: str
    path: str
    page: str
    language: str
    items: Sequence[Item]
    tombstones: Sequence[Tombstone]
    finished: bool = False

    @property
    def updated(self) -> datetime:
        """When it last changed."""
        moments = [item.updated for item in self.items] + [tombstone.at for tombstone in self.tombstones]
        return max(moments, default=NEVER)


def story_address(site: Site, slug: str) -> str:
    """The lasting address of a story, which is its ID too."""
    return site.at(f"/story/{slug}")


def list_feed(
    site: Site, title: str, page: str, stories: Iterable[Story], withdrawn: Iterable[Withdrawal]
) -> Feed:  # fmt: skip
    """The stories of the site or of a section.

    A tombstone is in each of these feeds, whatever section its story was in: a section that it left before it was
    withdrawn had it too, and a reader that never saw it passes over it (RFC 6721, 3).
    """
    path = f"{page.rstrip('/')}/feed"
    gone = [Tombstone(story_address(site, slug), at) for slug, at in withdrawn]
    return Feed(title, path, page, site.language, [_story_item(site, story) for story in stories], gone)


def _story_item(site: Site, story: Story) -> Item:
    address = story_address(site, story.slug)
    return Item(
        address, story.headline, summary(story.body), story_content(story, address),
        story.published or story.first_created, story.version_created, story.by, story.sections, story.language,
        story.image,
    )  # fmt: skip


def story_feed(site: Site, story: Story, updates: Sequence[Update], now: datetime) -> Feed:
    """The updates of a story, newest first; a retracted one as a tombstone."""
    page = f"/story/{story.slug}"
    items = [_update_item(site, story, update) for update in updates if update.retraction is None]
    gone = [
        Tombstone(_update_address(site, update), update.retraction.at, update.retraction.reason)
        for update in updates
        if update.retraction is not None
    ]
    finished = story.coverage_end is not None and story.coverage_end <= now
    return Feed(f"{story.headline} - {site.name}", f"{page}/feed", page, story.language, items, gone, finished)


def _update_address(site: Site, update: Update) -> str:
    return f"{story_address(site, update.story)}#u-{update.id}"


def _update_item(site: Site, story: Story, update: Update) -> Item:
    address = _update_address(site, update)
    return Item(
        address, title_of(update), summary(update.body), update_content(update, story_address(site, story.slug)),
        update.published or update.first_created, update.version_created, update.by or story.by, story.sections,
        story.language, update.image,
    )  # fmt: skip
