"""Feeds and sitemaps: what programs read to learn what is new, kept as bytes like the pages."""

from live.web.feeds.endpoints import FEED_FORMS, Feeds

__all__ = ["FEED_FORMS", "Feeds"]
