"""Feeds and sitemaps: complete, safe, cheap to ask for again, and without a word of what was withdrawn."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import feedparser
import httpx
import pytest

from live.model import Story
from live.web.feeds.sitemap import news_sitemap
from live.web.layout import Site
from tests.conftest import StartNode, editor_of, make_token
from tests.node import eventually
from tests.web.document import parse
from tests.web.samples import (
    PUBLIC_URL,
    STORY,
    UPDATE,
    create,
    new_slug,
    patch,
    post,
    retract,
    update_path,
)
from tests.web.test_pages import DANGEROUS, PAYLOADS

T = TypeVar("T")
ATOM = "{http://www.w3.org/2005/Atom}"
TOMBSTONE = "{http://purl.org/atompub/tombstones/1.0}"
SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
NEWS = "{http://www.google.com/schemas/sitemap-news/0.9}"
PATHS = ["/feed", "/section/world/feed", "/story/{slug}/feed"]


def found(find: Callable[[], T]) -> T:
    """Waits until what is looked for is there."""

    def attempt() -> tuple[T]:
        try:
            return (find(),)
        except (KeyError, ValueError) as error:
            raise AssertionError(f"not found: {error}") from error

    return eventually(attempt)[0]


def atom_of(client: httpx.Client, path: str) -> Element:
    """The Atom document at a path, which a lenient and a strict parser both take."""
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/atom+xml; charset=utf-8"
    assert not feedparser.parse(answer.content).bozo
    return ElementTree.fromstring(answer.content)


def json_of(client: httpx.Client, path: str) -> dict[str, Any]:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/feed+json; charset=utf-8"
    content: dict[str, Any] = answer.json()
    return content


def text_of(element: Element, name: str) -> str:
    found = element.findtext(ATOM + name)
    assert found is not None, name
    return found


def entry_of(feed: Element, address: str) -> Element:
    (entry,) = [entry for entry in feed.iter(f"{ATOM}entry") if text_of(entry, "id") == address]
    return entry


def item_of(feed: dict[str, Any], address: str) -> dict[str, Any]:
    items: list[dict[str, Any]] = feed["items"]
    (item,) = [item for item in items if item["id"] == address]
    return item


def tombstones(feed: Element) -> dict[str, Element]:
    return {grave.attrib["ref"]: grave for grave in feed.iter(f"{TOMBSTONE}deleted-entry")}


def address_of(story: dict[str, Any]) -> str:
    return f"{PUBLIC_URL}/story/{story['slug']}"


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize("path", PATHS[:2])
def test_a_feed_has_each_story_in_full(known: httpx.Client, path: str) -> None:
    story = create(known)
    address = address_of(story)
    entry = found(lambda: entry_of(atom_of(known, f"{path}.atom"), address))
    assert text_of(entry, "title") == STORY["headline"]
    assert moment(text_of(entry, "published")) == moment(story["published"])
    assert moment(text_of(entry, "updated")) == moment(story["versionCreated"])
    assert [author.findtext(f"{ATOM}name") for author in entry.iter(f"{ATOM}author")] == ["Ada Quill", "Ben Oster"]
    assert [category.attrib["term"] for category in entry.iter(f"{ATOM}category")] == STORY["sections"]
    links = {link.attrib["rel"]: link.attrib for link in entry.iter(f"{ATOM}link")}
    assert links["alternate"]["href"] == address
    assert (links["enclosure"]["href"], links["enclosure"]["type"]) == (STORY["image"]["src"], "image/jpeg")
    assert "Norwick Lock passed four metres" in text_of(entry, "summary")
    content = parse(text_of(entry, "content"))
    assert content.one("img").attributes["alt"] == STORY["image"]["alt"]
    assert content.all("blockquote") and STORY["notice"] in content.text
    assert f"{PUBLIC_URL}/story/how-the-lock-was-built" in [link.attributes["href"] for link in content.all("a")]
    assert STORY["edNote"] not in known.get(f"{path}.atom").text


@pytest.mark.parametrize("path", PATHS)
def test_an_atom_feed_names_itself_and_its_page(known: httpx.Client, path: str) -> None:
    story = create(known)
    post(known, story["slug"])
    path = path.format(slug=story["slug"])
    feed = atom_of(known, f"{path}.atom")
    links = {link.attrib["rel"]: link.attrib["href"] for link in feed.findall(f"{ATOM}link")}
    page = path.removesuffix("/feed") or "/"
    assert links == {"self": f"{PUBLIC_URL}{path}.atom", "alternate": f"{PUBLIC_URL}{page}"}
    assert text_of(feed, "id") == links["self"]
    assert "The Gauge" in text_of(feed, "title")
    newest = max(moment(text_of(entry, "updated")) for entry in feed.iter(f"{ATOM}entry"))
    assert moment(text_of(feed, "updated")) >= newest


@pytest.mark.parametrize("path", PATHS)
def test_a_json_feed_has_the_members_of_version_1_1(known: httpx.Client, path: str) -> None:
    story = create(known)
    post(known, story["slug"])
    path = path.format(slug=story["slug"])
    feed = json_of(known, f"{path}.json")
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert feed["feed_url"] == f"{PUBLIC_URL}{path}.json"
    assert feed["home_page_url"] == PUBLIC_URL + (path.removesuffix("/feed") or "/")
    assert feed["authors"] == [{"name": "The Gauge", "url": f"{PUBLIC_URL}/"}]
    assert feed["items"]
    for item in feed["items"]:
        assert isinstance(item["id"], str) and item["id"] == item["url"] and item["url"].startswith(PUBLIC_URL)
        assert item["content_html"] and item["title"] and item["summary"]
        assert moment(item["date_published"]) <= moment(item["date_modified"])


def test_the_feed_of_a_story_has_its_updates_newest_first(known: httpx.Client) -> None:
    story = create(known)
    first = post(known, story["slug"], headline=None, by=[], body="The **first** buses left.\n\nMore later.")
    second = post(known, story["slug"])
    draft = post(known, story["slug"], pubStatus="withheld")
    patch(known, update_path(first), correction="It said trains.")
    path = f"/story/{story['slug']}/feed"

    def items() -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = json_of(known, f"{path}.json")["items"]
        assert "It said trains." in items[-1]["content_html"]
        return items

    newest, oldest = eventually(items)
    assert newest["id"] == f"{address_of(story)}#u-{second['id']}"
    assert oldest["title"] == "The first buses left. More later."
    assert [author["name"] for author in oldest["authors"]] == ["Ada Quill", "Ben Oster"]
    assert moment(oldest["date_modified"]) > moment(oldest["date_published"])
    assert newest["image"] == PUBLIC_URL + UPDATE["image"]["src"]
    entries = [text_of(entry, "id") for entry in atom_of(known, f"{path}.atom").iter(f"{ATOM}entry")]
    assert entries == [newest["id"], oldest["id"]]
    assert draft["id"] not in known.get(f"{path}.atom").text


def test_a_retracted_update_leaves_a_tombstone_and_no_text(start_node: StartNode, valkey: str) -> None:
    node = start_node(public_url=PUBLIC_URL)
    with editor_of(node, make_token(valkey, node.site, "admin")) as client:
        story = create(client)
        update = post(client, story["slug"], headline="A rumour", body="They SAID it.")
        path = f"/story/{story['slug']}/feed"
        for suffix in ("atom", "json"):
            eventually(lambda suffix=suffix: "SAID" in client.get(f"{path}.{suffix}").text)  # type: ignore[misc]
        retracted = retract(client, update, "It came from elsewhere.")
        address = f"{address_of(story)}#u-{update['id']}"
        for again in (False, True):
            if again:
                node.stop()
                node.start()
            grave = found(lambda: tombstones(atom_of(client, f"{path}.atom"))[address])
            assert moment(grave.attrib["when"]) == moment(retracted["retraction"]["at"])
            assert grave.findtext(f"{TOMBSTONE}comment") == "It came from elsewhere."
            eventually(lambda: json_of(client, f"{path}.json")["items"] == [])
            for where in (f"{path}.atom", f"{path}.json", "/feed.atom", "/feed.json", "/section/world/feed.atom"):
                text = client.get(where).text
                assert "SAID" not in text and "A rumour" not in text


@pytest.mark.parametrize("status", ["withheld", "canceled"])
def test_a_withdrawn_story_leaves_a_tombstone_until_it_is_back(known: httpx.Client, status: str) -> None:
    marker, story = create(known), create(known, headline=f"Soon {status}")
    address, path = address_of(story), f"/api/stories/{story['slug']}"
    never = create(known, pubStatus="withheld")
    found(lambda: entry_of(atom_of(known, "/feed.atom"), address))
    patch(known, path, pubStatus=status)
    for where in ("/feed.atom", "/section/world/feed.atom"):

        def buried(where: str = where) -> dict[str, Element]:
            graves = tombstones(atom_of(known, where))
            assert address in graves
            return graves

        graves = eventually(buried)
        assert abs(moment(graves[address].attrib["when"]) - datetime.now(UTC)) < timedelta(minutes=1)
        assert address_of(never) not in graves
        assert f"Soon {status}" not in known.get(where).text
        assert entry_of(atom_of(known, where), address_of(marker)) is not None
    assert known.get(f"/story/{story['slug']}/feed.atom").status_code == (404 if status == "withheld" else 410)
    assert address not in [item["id"] for item in json_of(known, "/feed.json")["items"]]
    patch(known, path, pubStatus="usable")
    entry = found(lambda: entry_of(atom_of(known, "/feed.atom"), address))
    assert address not in tombstones(atom_of(known, "/feed.atom"))
    assert moment(text_of(entry, "updated")) > moment(graves[address].attrib["when"])


def test_a_story_whose_coverage_ended_has_a_finished_feed(known: httpx.Client) -> None:
    story = create(known)
    path = f"/story/{story['slug']}/feed.json"
    assert "expired" not in json_of(known, path)
    patch(known, f"/api/stories/{story['slug']}", coverageEnd="2026-01-01T00:00:00Z")
    eventually(lambda: json_of(known, path).get("expired") is True)


@pytest.mark.parametrize(
    "path",
    [f"{path}.{suffix}" for path in PATHS for suffix in ("atom", "json")]
    + ["/sitemap.xml", "/news-sitemap.xml", "/robots.txt"],
)
def test_what_did_not_change_is_304(known: httpx.Client, path: str) -> None:
    path = path.format(slug=create(known)["slug"])

    def unchanged() -> httpx.Response:
        etag = known.get(path).headers["etag"]
        again = known.get(path, headers={"If-None-Match": etag})
        assert (again.status_code, again.headers["etag"]) == (304, etag)
        return again

    assert eventually(unchanged).content == b""


@pytest.mark.parametrize("path", ["/section/no-such/feed.atom", "/story/no-such/feed.json", "/feed.rss"])
def test_what_is_not_there_is_404(known: httpx.Client, path: str) -> None:
    assert known.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/feed.atom", "/feed.json", "/sitemap.xml", "/news-sitemap.xml"])
def test_a_site_that_does_not_know_its_address_has_none(admin: httpx.Client, path: str) -> None:
    answer = admin.get(path)
    assert answer.status_code == 404
    assert "LIVE_PUBLIC_URL" in answer.json()["detail"]
    assert "application/atom+xml" not in admin.get("/").text


def test_pages_lead_to_their_feeds(known: httpx.Client) -> None:
    story = create(known)
    for page, own in (("/", []), ("/section/world", ["/section/world"]), (f"/story/{story['slug']}",) * 2):
        led = [
            link.attributes["href"]
            for link in parse(known.get(page).text).all("link")
            if link.attributes.get("type") in ("application/atom+xml", "application/feed+json")
        ]
        own = [own] if isinstance(own, str) else own
        assert led == [f"{path}/feed.{suffix}" for path in ["", *own] for suffix in ("atom", "json")]
        assert all(known.get(path).status_code == 200 for path in led)


FIELDS: dict[str, Callable[[str], dict[str, Any]]] = {
    "headline": lambda text: {"headline": text},
    "body": lambda text: {"body": text},
    "byline": lambda text: {"by": [{"name": text}]},
    "caption": lambda text: {"image": {**STORY["image"], "caption": text, "alt": text}},
}


@pytest.mark.parametrize("field", FIELDS)
def test_what_editors_type_stays_text_in_every_feed(known: httpx.Client, field: str) -> None:
    payloads = [*PAYLOADS, "{w}\x08\x0b]]>&amp;&lt;b&gt;<b>", "{w} &#60;script&#62;alert(1)&#60;/script&#62;"]
    story = create(known)
    for payload in payloads:
        given = FIELDS[field](payload.format(w=new_slug()))
        patch(known, f"/api/stories/{story['slug']}", **given)
        last = post(known, story["slug"], **given)
    own = f"/story/{story['slug']}/feed"
    found(lambda: item_of(json_of(known, f"{own}.json"), f"{address_of(story)}#u-{last['id']}"))
    for path in ("/feed", own):
        entries = list(atom_of(known, f"{path}.atom").iter(f"{ATOM}entry"))
        items = json_of(known, f"{path}.json")["items"]
        assert len(entries) == len(items) > 0
        for html in [*(text_of(entry, "content") for entry in entries), *(item["content_html"] for item in items)]:
            assert_harmless(html)
    assert known.get("/news-sitemap.xml").status_code == 200
    ElementTree.fromstring(known.get("/news-sitemap.xml").content)


def assert_harmless(html: str) -> None:
    for element in parse(html):
        assert element.tag not in DANGEROUS | {"script"}
        for name, value in element.attributes.items():
            assert not name.startswith("on") and name not in ("style", "srcdoc")
            assert name not in ("href", "src") or value.startswith(("http://", "https://", "mailto:"))


# Sitemaps


def places(client: httpx.Client, path: str) -> dict[str, Element]:
    answer = client.get(path)
    assert answer.headers["content-type"] == "application/xml; charset=utf-8"
    root = ElementTree.fromstring(answer.content)
    assert root.tag == f"{SITEMAP}urlset"
    return {str(url.findtext(f"{SITEMAP}loc")): url for url in root}


def test_the_sitemap_has_front_sections_and_public_stories(known: httpx.Client) -> None:
    hidden, story = create(known, pubStatus="withheld"), create(known)
    update = post(known, story["slug"])

    def public() -> dict[str, Element]:
        listed = places(known, "/sitemap.xml")
        lastmod = listed[address_of(story)].findtext(f"{SITEMAP}lastmod")
        assert lastmod and moment(lastmod) == moment(update["firstCreated"])
        return listed

    listed = found(public)
    assert {f"{PUBLIC_URL}/", f"{PUBLIC_URL}/section/world", f"{PUBLIC_URL}/section/science-nature"} <= set(listed)
    assert address_of(hidden) not in listed
    patch(known, f"/api/stories/{story['slug']}", pubStatus="canceled")
    eventually(lambda: address_of(story) not in places(known, "/sitemap.xml"))


def test_the_news_sitemap_has_what_google_asks_for(known: httpx.Client) -> None:
    story = create(known)
    url = found(lambda: places(known, "/news-sitemap.xml")[address_of(story)])
    (news,) = url.findall(f"{NEWS}news")
    (publication,) = news.findall(f"{NEWS}publication")
    assert publication.findtext(f"{NEWS}name") == "The Gauge"
    assert publication.findtext(f"{NEWS}language") == "en"
    assert moment(str(news.findtext(f"{NEWS}publication_date"))) == moment(story["published"])
    assert news.findtext(f"{NEWS}title") == STORY["headline"]


@pytest.mark.parametrize(
    ("tag", "language"), [("en-GB", "en"), ("pt", "pt"), ("zh-Hant-TW", "zh-tw"), ("zh", "zh-cn"), ("fil", "fil")]
)
def test_the_news_sitemap_writes_languages_as_google_wants(tag: str, language: str) -> None:
    story = Story.model_validate(
        {**STORY, "slug": "a", "firstCreated": "2026-01-01T00:00:00Z", "versionCreated": "2026-01-01T00:00:00Z",
         "version": 1, "language": tag}
    )  # fmt: skip
    assert f"<news:language>{language}<".encode() in news_sitemap(Site("The Gauge", "en", PUBLIC_URL), [story])


def test_robots_are_told_where_the_sitemaps_are_and_what_is_not_theirs(
    known: httpx.Client, admin: httpx.Client
) -> None:
    answer = known.get("/robots.txt")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    lines = answer.text.splitlines()
    assert {"User-agent: *", "Disallow: /desk", "Disallow: /api"} <= set(lines)
    sitemaps = [line.removeprefix("Sitemap: ") for line in lines if line.startswith("Sitemap: ")]
    assert sitemaps == [f"{PUBLIC_URL}/sitemap.xml", f"{PUBLIC_URL}/news-sitemap.xml"]
    assert "Sitemap" not in admin.get("/robots.txt").text


def test_feeds_are_json_that_round_trips(known: httpx.Client) -> None:
    create(known, headline="Ærø & <Ænder>")
    eventually(
        lambda: "Ærø & <Ænder>" in [item["title"] for item in json.loads(known.get("/feed.json").content)["items"]]
    )
