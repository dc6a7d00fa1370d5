"""A feed as Atom (RFC 4287), with tombstones (RFC 6721)."""

from mimetypes import guess_type
from xml.etree.ElementTree import Element

from live.render import rfc3339
from live.web.feeds.feed import Feed, Item
from live.web.feeds.xml import add, document, root
from live.web.layout import Site

MEDIA_TYPE = "application/atom+xml; charset=utf-8"


def atom(site: Site, feed: Feed) -> bytes:
    """The feed as an Atom document."""
    top = root("feed", xmlns="http://www.w3.org/2005/Atom", at="http://purl.org/atompub/tombstones/1.0")
    top.set("xml:lang", feed.language)
    own = site.at(f"{feed.path}.atom")
    add(top, "id", own)
    add(top, "title", feed.title)
    add(top, "updated", rfc3339(feed.updated))
    _author(top, site.name)
    add(top, "link", attributes={"rel": "self", "type": "application/atom+xml", "href": own})
    add(top, "link", attributes={"rel": "alternate", "type": "text/html", "href": site.at(feed.page)})
    for tombstone in feed.tombstones:
        grave = add(top, "at:deleted-entry", attributes={"ref": tombstone.address, "when": rfc3339(tombstone.at)})
        if tombstone.reason:
            add(grave, "at:comment", tombstone.reason, {"type": "text"})
    for item in feed.items:
        _entry(site, top, item)
    return document(top)


def _entry(site: Site, top: Element, item: Item) -> None:
    entry = add(top, "entry", attributes={"xml:lang": item.language})
    add(entry, "id", item.address)
    add(entry, "title", item.title, {"type": "text"})
    add(entry, "published", rfc3339(item.published))
    add(entry, "updated", rfc3339(item.updated))
    add(entry, "link", attributes={"rel": "alternate", "type": "text/html", "href": item.address})
    if item.image:
        address = site.at(item.image.src)
        kind = guess_type(address.partition("?")[0])[0]
        add(entry, "link", attributes={"rel": "enclosure", "href": address} | ({"type": kind} if kind else {}))
    for author in item.by:
        _author(entry, author.name)
    for section in item.sections:
        add(entry, "category", attributes={"term": section})
    add(entry, "summary", item.summary, {"type": "text"})
    add(entry, "content", item.html, {"type": "html"})


def _author(parent: Element, name: str) -> None:
    add(add(parent, "author"), "name", name)
