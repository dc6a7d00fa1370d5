"""Sitemaps (https://www.sitemaps.org/protocol.html), Google's news sitemap, and robots.txt."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from live.model import Story, slugify
from live.render import rfc3339
from live.web.feeds.xml import add, document, root
from live.web.layout import Site

MEDIA_TYPE = "application/xml; charset=utf-8"
SCHEMA = "http://www.sitemaps.org/schemas/sitemap/0.9"
NEWS_SCHEMA = "http://www.google.com/schemas/sitemap-news/0.9"
NEWS_FOR = timedelta(hours=48)
"""How long a story is news to Google."""
MOST_STORIES = 10_000
MOST_NEWS = 1_000
"""What Google takes in one news sitemap."""


def sitemap(site: Site, sections: Iterable[str], active: Iterable[tuple[str, datetime]]) -> bytes:
    """The front page, the sections, and the stories with their last activity."""
    top = root("urlset", xmlns=SCHEMA)
    for path in ("/", *(f"/section/{slugify(name)}" for name in sections)):
        add(add(top, "url"), "loc", site.at(path))
    for slug, at in active:
        url = add(top, "url")
        add(url, "loc", site.at(f"/story/{slug}"))
        add(url, "lastmod", rfc3339(at))
    return document(top)


def first_published(story: Story) -> datetime:
    """When readers first had the story."""
    return story.published or story.first_created


def news_sitemap(site: Site, stories: Iterable[Story]) -> bytes:
    """Stories with what Google News asks for: publication, date and title."""
    top = root("urlset", xmlns=SCHEMA, news=NEWS_SCHEMA)
    for story in stories:
        url = add(top, "url")
        add(url, "loc", site.at(f"/story/{story.slug}"))
        news = add(url, "news:news")
        publication = add(news, "news:publication")
        add(publication, "news:name", site.name)
        add(publication, "news:language", _language(story.language))
        add(news, "news:publication_date", rfc3339(first_published(story)))
        add(news, "news:title", story.headline)
    return document(top)


def _language(tag: str) -> str:
    """ISO 639, but for Chinese, where Google wants to know the script by the country."""
    lower = tag.lower()
    if lower.startswith("zh"):
        return "zh-tw" if any(part in lower.split("-") for part in ("hant", "tw", "hk", "mo")) else "zh-cn"
    return lower.partition("-")[0]


def robots(site: Site) -> bytes:
    """What crawlers may read, and where the sitemaps are (RFC 9309)."""
    lines = ["User-agent: *", "Disallow: /desk", "Disallow: /api", ""]
    if site.base:
        lines += [f"Sitemap: {site.at(path)}" for path in ("/sitemap.xml", "/news-sitemap.xml")]
    return "\n".join([*lines, ""]).encode()
