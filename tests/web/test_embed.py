"""A story in other sites' pages, by HTTP: who may read and frame what, and oEmbed. tests/browser has the rest."""

import re
from typing import Any

import httpx
import pytest

from tests.conftest import StartNode, editor_of, make_token
from tests.node import Node, eventually
from tests.web.document import parse
from tests.web.samples import PUBLIC_URL, STORY, create, patch, post, refused, retract

ALLOWED, FOREIGN = "https://allowed.example", "https://foreign.example"


@pytest.fixture(scope="module")
def slug(known: httpx.Client) -> str:
    slug = str(create(known)["slug"])
    post(known, slug, headline="Pinned one", pinned=True)
    post(known, slug)
    eventually(lambda: known.get(f"/story/{slug}/embed.json").json()["html"].count("<article") == 3)
    return slug


def shared_with(client: httpx.Client, path: str, origin: str | None) -> str | None:
    answer = client.get(path, headers={"Origin": origin} if origin else {})
    shared: str | None = answer.headers.get("access-control-allow-origin")
    return shared


def test_the_content_is_the_story_and_where_it_stands(known: httpx.Client, slug: str) -> None:
    answer = known.get(f"/story/{slug}/embed.json")
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == ("application/json", "no-cache")
    content = answer.json()
    assert (content["topics"], content["name"], content["language"]) == (f"story/{slug}", "The Gauge", "en-GB")
    assert re.fullmatch(r"\d+-\d+", content["cursor"])
    html = parse(content["html"])
    assert html.one("#story").one("h1").text == STORY["headline"]
    assert [len(html.one(part).all("article")) for part in ("#pinned", "#updates")] == [1, 1]
    assert STORY["edNote"] not in content["html"]
    again = known.get(f"/story/{slug}/embed.json", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(("origin", "shared"), [(ALLOWED, ALLOWED), (FOREIGN, None), (None, None), ("null", None)])
def test_the_content_is_shared_with_allowed_origins_only(
    known: httpx.Client, slug: str, origin: str | None, shared: str | None
) -> None:
    path = f"/story/{slug}/embed.json"
    assert shared_with(known, path, origin) == shared
    answer = known.get(path, headers={"Origin": origin} if origin else {})
    vary = {name.strip() for name in answer.headers["vary"].split(",")}
    assert vary == {"Accept-Encoding", "Origin"}
    assert shared_with(known, "/story/no-such/embed.json", origin) == shared


@pytest.mark.parametrize("path", ["/", "/story/{slug}", "/api/stories", "/poll.json", "/feed.json"])
def test_nothing_else_is_shared(known: httpx.Client, slug: str, path: str) -> None:
    assert shared_with(known, path.format(slug=slug), ALLOWED) is None


def test_a_star_shares_with_everybody(start_node: StartNode) -> None:
    node = start_node(allowed_origins="*")
    with httpx.Client(base_url=node.url) as client:
        assert shared_with(client, "/story/no-such/embed.json", FOREIGN) == "*"


def test_the_script_leads_to_modules_that_any_page_may_load(known: httpx.Client) -> None:
    answer = known.get("/embed.js")
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert shared_with(known, "/embed.js", FOREIGN) == "*"
    module = re.fullmatch(r'import "(/static/[0-9a-f]+/js/embed\.js)";\n', answer.text)
    assert module
    for path in (module[1], module[1].replace("js/embed.js", "css/embed.css")):
        assert known.get(path).status_code == 200
        assert shared_with(known, path, FOREIGN) == "*"


def framed_by(answer: httpx.Response) -> str:
    found = re.search(r"frame-ancestors ([^;]+)", answer.headers["content-security-policy"])
    assert found
    return found[1]


def test_only_the_embed_page_may_be_framed_and_by_allowed_origins_only(known: httpx.Client, slug: str) -> None:
    framed = known.get(f"/story/{slug}/embed")
    assert framed_by(framed) == f"'self' {ALLOWED}"
    assert "x-frame-options" not in framed.headers
    for path in (f"/story/{slug}", "/", f"/story/{slug}/embed.json"):
        answer = known.get(path)
        assert framed_by(answer) == "'none'"
        assert answer.headers["x-frame-options"] == "DENY"
    others = set(framed.headers["content-security-policy"].split("; ")) ^ set(
        known.get("/").headers["content-security-policy"].split("; ")
    )
    assert all(rule.startswith("frame-ancestors") for rule in others)
    assert framed.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(("origins", "ancestors"), [("*", "*"), ("", "'self'")])
def test_who_may_frame_follows_the_setting(start_node: StartNode, valkey: str, origins: str, ancestors: str) -> None:
    node = start_node(allowed_origins=origins)
    with editor_of(node, make_token(valkey, node.site, "admin")) as client:
        assert framed_by(client.get(f"/story/{create(client)['slug']}/embed")) == ancestors


def test_the_embed_page_is_the_story_without_the_site_around_it(known: httpx.Client, slug: str) -> None:
    page = parse(known.get(f"/story/{slug}/embed").text)
    assert page.one("h1").text == STORY["headline"]
    assert page.one("body").attributes["data-topics"] == f"story/{slug}"
    assert page.all("nav") == page.all(".card") == []
    assert page.one("base").attributes == {"target": "_blank"}
    assert page.one(".embed-foot").one("a").attributes["href"] == f"/story/{slug}"


def test_withdrawn_text_is_in_no_embed(known: httpx.Client) -> None:
    slug = create(known)["slug"]
    update = post(known, slug, body="They SAID it.")
    paths = [f"/story/{slug}/embed", f"/story/{slug}/embed.json"]
    eventually(lambda: all("SAID" in known.get(path).text for path in paths))
    retract(known, update)
    eventually(lambda: not any("SAID" in known.get(path).text for path in paths))
    patch(known, f"/api/stories/{slug}", pubStatus="canceled")
    eventually(lambda: [known.get(path).status_code for path in paths] == [410, 410])


# oEmbed


def ask(client: httpx.Client, **query: Any) -> httpx.Response:
    return client.get("/oembed", params=query)


def test_oembed_tells_how_to_frame_a_story(known: httpx.Client, slug: str) -> None:
    page = parse(known.get(f"/story/{slug}").text)
    (link,) = [each for each in page.all("link") if each.attributes.get("type") == "application/json+oembed"]
    assert link.attributes["href"].startswith(f"{PUBLIC_URL}/oembed?")
    answer = known.get(link.attributes["href"].removeprefix(PUBLIC_URL))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    content = answer.json()
    assert (content["version"], content["type"], content["title"]) == ("1.0", "rich", STORY["headline"])
    assert (content["provider_name"], content["provider_url"]) == ("The Gauge", f"{PUBLIC_URL}/")
    assert content["author_name"] == "Ada Quill, Ben Oster"
    assert (content["width"], content["height"]) == (600, 600)
    frame = parse(content["html"]).one("iframe").attributes
    assert frame["src"] == f"{PUBLIC_URL}/story/{slug}/embed"
    assert (frame["title"], frame["width"], frame["height"]) == (STORY["headline"], "600", "600")


@pytest.mark.parametrize(
    ("asked", "width", "height"),
    [({"maxwidth": 405}, 400, 600), ({"maxwidth": 9000, "maxheight": 310}, 600, 300), ({"maxwidth": 7}, 7, 600)],
)
def test_oembed_keeps_to_the_size_asked_for(
    known: httpx.Client, slug: str, asked: dict[str, int], width: int, height: int
) -> None:
    content = ask(known, url=f"{PUBLIC_URL}/story/{slug}#u-1?x", **asked).json()
    assert (content["width"], content["height"]) == (width, height)
    frame = parse(content["html"]).one("iframe").attributes
    assert (frame["width"], frame["height"]) == (str(width), str(height))


def test_oembed_escapes_the_headline(known: httpx.Client) -> None:
    headline = '"><script>alert(1)</script>'
    slug = create(known, headline=headline)["slug"]
    html = parse(ask(known, url=f"{PUBLIC_URL}/story/{slug}").json()["html"])
    assert [element.tag for element in html] == ["iframe"]
    assert html.one("iframe").attributes["title"] == headline


@pytest.mark.parametrize(
    ("query", "status", "title"),
    [
        ({}, 400, "Bad query"),
        ({"url": "<story>", "maxwidth": "wide"}, 400, "Bad query"),
        ({"url": "<story>", "maxheight": "0"}, 400, "Bad query"),
        ({"url": "<story>", "maxheight": "-5"}, 400, "Bad query"),
        ({"url": "<story>", "maxwidth": "٣"}, 400, "Bad query"),
        ({"url": "<story>", "format": "xml"}, 501, "Format not offered"),
        ({"url": f"{PUBLIC_URL}/story/no-such"}, 404, "Not found"),
        ({"url": f"{PUBLIC_URL}/section/world"}, 404, "Not found"),
        ({"url": "https://news.example.evil.example/story/x"}, 404, "Not found"),
        ({"url": "javascript:alert(1)"}, 404, "Not found"),
        ({"url": "https://[::1"}, 404, "Not found"),
    ],
)
def test_oembed_says_what_is_wrong(
    known: httpx.Client, slug: str, query: dict[str, str], status: int, title: str
) -> None:
    given = {name: value.replace("<story>", f"{PUBLIC_URL}/story/{slug}") for name, value in query.items()}
    refused(ask(known, **given), status, title)


def test_oembed_of_a_withdrawn_story_is_gone(known: httpx.Client) -> None:
    slug = create(known)["slug"]
    assert ask(known, url=f"{PUBLIC_URL}/story/{slug}").status_code == 200
    patch(known, f"/api/stories/{slug}", pubStatus="canceled")
    eventually(lambda: ask(known, url=f"{PUBLIC_URL}/story/{slug}").status_code == 410)


def test_a_site_that_does_not_know_its_address_has_no_oembed(server: Node) -> None:
    problem = refused(httpx.get(f"{server.url}/oembed?url={server.url}/story/x"), 404, "Not found")
    assert "LIVE_PUBLIC_URL" in problem["detail"]
