"""What search engines and previews read of a page: JSON-LD, canonical address, Open Graph."""

import json
from datetime import datetime
from typing import Any

import extruct
import httpx
import pytest

from live.errors import SettingsError
from live.render import rfc3339
from live.settings import Settings
from tests.conftest import StartNode
from tests.node import eventually
from tests.web.document import Element, parse
from tests.web.samples import PUBLIC_URL, STORY, UPDATE, create, new_slug, patch, post, retract, update_path
from tests.web.test_feeds import found
from tests.web.test_pages import PAYLOADS


def posting_of(client: httpx.Client, slug: str) -> dict[str, Any]:
    """The LiveBlogPosting of a story's page, as an extractor of structured data finds it."""
    html = client.get(f"/story/{slug}").text
    (posting,) = extruct.extract(html, syntaxes=["json-ld"])["json-ld"]
    assert isinstance(posting, dict) and posting["@type"] == "LiveBlogPosting"
    return posting


def written(moment: str) -> str:
    """A time of the API as pages write it."""
    return rfc3339(datetime.fromisoformat(moment))


def metas(page: Element) -> dict[str, str]:
    """The page's <meta> by name or property."""
    named = [meta.attributes for meta in page.all("meta")]
    return {each.get("property") or each.get("name", ""): each.get("content", "") for each in named}


def with_updates(client: httpx.Client, slug: str, count: int) -> dict[str, Any]:
    posting = posting_of(client, slug)
    assert len(posting["liveBlogUpdate"]) == count
    return posting


def test_a_story_is_a_live_blog_with_every_field(known: httpx.Client) -> None:
    story = create(known, coverageEnd="2999-01-01T12:00:00Z")
    slug, address = story["slug"], f"{PUBLIC_URL}/story/{story['slug']}"
    update = post(known, slug)
    posting = eventually(lambda: with_updates(known, slug, 1))
    assert posting["@context"] == "https://schema.org"
    assert (posting["url"], posting["mainEntityOfPage"]["@id"], posting["headline"]) == (
        address, address, STORY["headline"],
    )  # fmt: skip
    assert posting["datePublished"] == posting["coverageStartTime"] == written(story["published"])
    assert posting["dateModified"] == written(update["versionCreated"])
    assert posting["coverageEndTime"] == "2999-01-01T12:00:00.000Z"
    assert [author["name"] for author in posting["author"]] == ["Ada Quill", "Ben Oster"]
    assert (posting["author"][0]["@type"], posting["author"][0]["description"]) == ("Person", "reports on rivers")
    assert (posting["publisher"]["name"], posting["publisher"]["url"]) == ("The Gauge", f"{PUBLIC_URL}/")
    logo = posting["publisher"]["logo"]["url"]
    assert known.get(logo.removeprefix(PUBLIC_URL)).status_code == 200
    assert posting["image"] == {
        "@type": "ImageObject", "url": STORY["image"]["src"], "caption": STORY["image"]["caption"],
        "creditText": STORY["image"]["credit"], "width": 1200, "height": 675,
    }  # fmt: skip
    assert posting["description"].startswith("The river gauge at Norwick Lock passed four metres")
    assert "**" not in posting["description"] + posting["articleBody"]
    assert posting["articleSection"] == STORY["sections"]
    assert STORY["edNote"] not in json.dumps(posting)


def test_each_update_is_a_posting_with_its_corrections(known: httpx.Client) -> None:
    slug = create(known)["slug"]
    update = post(known, slug)
    changed = patch(known, update_path(update), body="Eleven *buses*\nleave.\n\n- One", correction="It said ten.")
    plain = post(known, slug, headline=None, by=[], image=None, body="No headline here. " * 20)
    eventually(lambda: with_updates(known, slug, 2))
    bare, whole = posting_of(known, slug)["liveBlogUpdate"]
    assert (whole["@type"], whole["headline"]) == ("BlogPosting", UPDATE["headline"])
    assert whole["url"] == f"{PUBLIC_URL}/story/{slug}#u-{update['id']}"
    assert whole["articleBody"] == "Eleven buses leave.\nOne"
    assert (whole["datePublished"], whole["dateModified"]) == (
        written(update["published"]), written(changed["versionCreated"]),
    )  # fmt: skip
    assert [author["name"] for author in whole["author"]] == ["Ben Oster"]
    assert whole["image"]["url"] == PUBLIC_URL + UPDATE["image"]["src"]
    at = written(changed["corrections"][0]["at"])
    assert whole["correction"] == [
        {"@type": "CorrectionComment", "text": "It said ten.", "dateCreated": at, "datePublished": at}
    ]
    assert bare["url"].endswith(plain["id"])
    assert bare["headline"].startswith("No headline here.") and len(bare["headline"]) <= 110
    assert [author["name"] for author in bare["author"]] == ["Ada Quill", "Ben Oster"]
    assert "image" not in bare and "correction" not in bare


def test_without_an_end_none_is_invented_and_without_a_byline_the_site_signs(known: httpx.Client) -> None:
    posting = posting_of(known, create(known, by=None, image=None)["slug"])
    assert "coverageEndTime" not in posting and "image" not in posting
    assert [author["name"] for author in posting["author"]] == ["The Gauge"]


def test_of_a_retracted_update_there_is_no_word(known: httpx.Client) -> None:
    slug = create(known)["slug"]
    kept, gone = post(known, slug), post(known, slug, headline="A rumour", body="They SAID it.", pinned=True)
    eventually(lambda: with_updates(known, slug, 2))
    retract(known, gone)
    (left,) = eventually(lambda: with_updates(known, slug, 1))["liveBlogUpdate"]
    assert left["url"].endswith(kept["id"])
    page = known.get(f"/story/{slug}").text
    assert "SAID" not in page and "A rumour" not in page


def test_no_more_than_the_newest_hundred_updates_are_told(known: httpx.Client) -> None:
    slug = create(known)["slug"]
    posted = [post(known, slug, headline=f"Number {number}", pinned=number == 101)["id"] for number in range(102)]
    told = eventually(lambda: with_updates(known, slug, 100))["liveBlogUpdate"]
    assert [update["url"].rpartition("-")[2] for update in told] == posted[:1:-1]


@pytest.mark.parametrize("field", ["headline", "body", "name", "correction"])
def test_no_text_ends_the_block_of_data(known: httpx.Client, field: str) -> None:
    story = create(known)
    texts = [
        payload.format(w=new_slug()) for payload in (*PAYLOADS, "</script >{w}<!--<script>", "{w}\u2028&lt;/script&gt;")
    ]
    for text in texts:
        given = {"by": [{"name": text}]} if field == "name" else {field: text}
        patch(known, update_path(post(known, story["slug"])), **given)
    answer = eventually(lambda: with_updates(known, story["slug"], len(texts)))
    assert len(answer["liveBlogUpdate"]) == len(texts)
    scripts = parse(known.get(f"/story/{story['slug']}").text).all("script")
    assert [script.attributes.get("type") for script in scripts] == ["module", "application/ld+json"]
    assert "<" not in "".join(str(item) for item in scripts[1].content)
    if field == "headline":
        told = [update["headline"] for update in answer["liveBlogUpdate"]]
        assert told == [" ".join(text.split()) for text in reversed(texts)]


def test_a_page_has_canonical_address_and_open_graph(known: httpx.Client) -> None:
    story = create(known)
    page = parse(known.get(f"/story/{story['slug']}").text)
    address = f"{PUBLIC_URL}/story/{story['slug']}"
    links = {link.attributes["rel"]: link.attributes["href"] for link in page.all("link")}
    told = metas(page)
    assert links["canonical"] == told["og:url"] == address
    assert (told["og:title"], told["og:type"], told["og:site_name"]) == (STORY["headline"], "article", "The Gauge")
    assert told["og:locale"] == "en_GB"
    assert told["description"] == told["og:description"]
    assert told["description"].startswith("The river gauge at Norwick Lock passed four metres")
    assert told["og:image"] == STORY["image"]["src"]
    assert told["og:image:alt"] == STORY["image"]["alt"]
    assert (told["og:image:width"], told["og:image:height"]) == ("1200", "675")
    assert told["article:published_time"] == told["article:modified_time"] == written(story["published"])
    assert told["twitter:card"] == "summary_large_image"


def test_a_picture_of_ours_has_its_whole_address(known: httpx.Client) -> None:
    story = create(known, image=UPDATE["image"], language="de")
    told = metas(parse(known.get(f"/story/{story['slug']}").text))
    assert told["og:image"] == PUBLIC_URL + UPDATE["image"]["src"]
    assert "og:locale" not in told


@pytest.mark.parametrize("path", ["/", "/section/world"])
def test_lists_of_stories_have_their_address_too(known: httpx.Client, path: str) -> None:
    create(known)
    page = found(lambda: parse(known.get(path).text))
    (canonical,) = [link for link in page.all("link") if link.attributes["rel"] == "canonical"]
    assert canonical.attributes["href"] == PUBLIC_URL + path
    assert metas(page)["og:type"] == "website"


def test_a_site_that_does_not_know_its_address_claims_none(admin: httpx.Client) -> None:
    slug = create(admin, image=UPDATE["image"])["slug"]
    page = parse(admin.get(f"/story/{slug}", headers={"Host": "evil.example"}).text)
    assert "canonical" not in [link.attributes["rel"] for link in page.all("link")]
    assert not {"og:url", "og:image"} & set(metas(page))
    assert posting_of(admin, slug)["url"] == f"/story/{slug}"


def test_a_page_that_is_not_there_claims_no_address(known: httpx.Client) -> None:
    page = parse(known.get("/story/no-such", headers={"Accept": "text/html"}).text)
    assert "canonical" not in [link.attributes["rel"] for link in page.all("link")]


def test_the_demo_is_known_by_where_it_listens(start_node: StartNode) -> None:
    node = start_node(demo=True)
    page = parse(httpx.get(f"{node.url}/").text)
    (canonical,) = [link for link in page.all("link") if link.attributes["rel"] == "canonical"]
    assert canonical.attributes["href"] == f"{node.url}/"


@pytest.mark.parametrize("url", ["news.example", "ftp://news.example", "https://news.example/path", "https://a?b", ""])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="LIVE_PUBLIC_URL"):
        Settings.read(public_url=url)
