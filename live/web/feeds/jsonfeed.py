"""A feed as JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/). It has no tombstones: what went is not in it."""

import json
from typing import Any

from live.render import rfc3339
from live.web.feeds.feed import Feed, Item
from live.web.layout import Site

MEDIA_TYPE = "application/feed+json; charset=utf-8"


def json_feed(site: Site, feed: Feed) -> bytes:
    """The feed as a JSON Feed document."""
    content: dict[str, Any] = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "home_page_url": site.at(feed.page),
        "feed_url": site.at(f"{feed.path}.json"),
        "language": feed.language,
        "authors": [{"name": site.name, "url": site.at("/")}],
        "items": [_item(site, item) for item in feed.items],
    }
    if feed.finished:
        content["expired"] = True
    return json.dumps(content, ensure_ascii=False).encode()


def _item(site: Site, item: Item) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "id": item.address,
        "url": item.address,
        "title": item.title,
        "content_html": item.html,
        "summary": item.summary,
        "date_published": rfc3339(item.published),
        "date_modified": rfc3339(item.updated),
        "tags": list(item.sections),
        "language": item.language,
    }
    if item.by:
        facts["authors"] = [{"name": author.name} for author in item.by]
    if item.image:
        facts["image"] = site.at(item.image.src)
    return facts
