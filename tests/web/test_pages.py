"""The readers' pages: everything on them, safely, soon after it changed, and cheaply fetched again."""

import gzip
import http.client
import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from redis import Redis

from live.journal import Keys
from live.model import Frozen, NoticeDraft, PromoDraft, Role, StoryDraft, UpdateDraft, UpdateEdit
from live.web.api.updates import RetractionDraft
from live.web.headers import SECURITY_HEADERS
from tests.conftest import StartNode, editor_of, make_token
from tests.node import Node, eventually
from tests.web import samples
from tests.web.document import Element, parse
from tests.web.samples import (
    NOTICE,
    PROMO,
    STORY,
    UPDATE,
    accepted,
    create,
    new_slug,
    patch,
    post,
    retract,
    update_path,
)


@pytest.fixture
def bare(admin: httpx.Client) -> Iterator[httpx.Client]:
    """An admin of a site without notice and promo strip, before and after."""

    def clear() -> None:
        for path in ("/api/notice", "/api/promo"):
            assert admin.delete(path).status_code in (204, 404)

    clear()
    yield admin
    clear()


@pytest.fixture
def fresh(start_node: StartNode, valkey: str) -> Iterator[httpx.Client]:
    """An admin of a new site with nothing on it."""
    node = start_node()
    with editor_of(node, make_token(valkey, node.site, "admin")) as client:
        yield client


def page_of(client: httpx.Client, path: str) -> Element:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return parse(answer.text)


def ids(elements: list[Element]) -> list[str]:
    return [element.attributes["id"] for element in elements]


# What is on a story's page


@pytest.fixture(scope="module")
def story(server: Node, tokens: dict[Role, str]) -> dict[str, Any]:
    with editor_of(server, tokens["admin"]) as client:
        return create(client)


@pytest.fixture
def page(admin: httpx.Client, story: dict[str, Any]) -> Element:
    return page_of(admin, f"/story/{story['slug']}")


def test_a_story_has_its_headline_and_sections(page: Element) -> None:
    article = page.one("article.story")
    assert article.one("h1").text == STORY["headline"]
    assert len(page.all("h1")) == 1
    assert page.one("title").text.startswith(STORY["headline"])
    sections = {link.text: link.attributes["href"] for link in article.one(".kicker").all("a")}
    assert sections == {"World": "/section/world", "Science & Nature": "/section/science-nature"}
    assert article.one(".flag").text == "Breaking"
    assert article.attributes["lang"] == STORY["language"]


def test_a_story_has_its_bylines_with_the_authors_note(page: Element) -> None:
    by = page.one("article.story").one(".by")
    assert by.texts(".author") == ["Ada Quill", "Ben Oster"]
    assert by.text == "By Ada Quill, reports on rivers, and Ben Oster"
    assert by.one(".author-note").text.strip(", ") == "reports on rivers"


def test_a_story_has_its_lead_image_with_caption_and_credit(page: Element) -> None:
    figure = page.one("article.story").one("figure")
    image = figure.one("img").attributes
    assert (image["src"], image["alt"]) == (STORY["image"]["src"], STORY["image"]["alt"])
    assert (image["width"], image["height"]) == ("1200", "675")
    assert figure.one("figcaption").text == "The gate at noon. Photo: Cleo Marsh"
    assert figure.one(".credit").text == "Photo: Cleo Marsh"


def test_the_body_has_its_lead_in_labels(page: Element) -> None:
    assert page.one("article.story").one(".body").texts("strong.label") == [
        "Why it matters:",
        "What's happening:",
        "What they're saying:",
        "Worth noting:",
        "The big picture:",
        "What to watch:",
    ]


def test_the_body_has_its_list_quotation_and_link(page: Element) -> None:
    body = page.one("article.story").one(".body")
    assert body.texts("li") == ["Two sports halls are open for the night.", "The hospital takes emergencies only."]
    quote = body.one("blockquote")
    assert quote.one("p").text == "We can rebuild a quay. Please do not stay to guard it."
    assert quote.one("footer").text == "— Mara Lind, lock keeper"
    assert body.one("a").attributes["href"] == "https://example.org/gauge"


def test_a_story_leads_deeper(page: Element) -> None:
    deeper = page.one("article.story").one(".deeper")
    assert deeper.one(".label").text == "Go deeper:"
    assert deeper.one("a").text == STORY["related"][0]["headline"]
    assert deeper.one("a").attributes["href"] == STORY["related"][0]["url"]


def test_a_story_has_its_public_note_and_not_the_internal_one(page: Element) -> None:
    assert page.one(".editors-note").text == f"Editor’s note: {STORY['notice']}"  # noqa: RUF001
    assert STORY["edNote"] not in page.text


def test_a_story_says_when_it_was_published_and_later_when_updated(admin: httpx.Client) -> None:
    story = create(admin)
    path = f"/story/{story['slug']}"
    meta = page_of(admin, path).one("article.story").one(".meta")
    written = datetime.fromisoformat(meta.one("time").attributes["datetime"])
    assert written == datetime.fromisoformat(story["versionCreated"])
    assert re.fullmatch(r"\d{1,2} [A-Z][a-z]{2} \d{4}, \d\d:\d\d UTC", meta.text)
    patch(admin, f"/api/stories/{story['slug']}", urgency=5)
    eventually(lambda: page_of(admin, path).one("article.story").one(".meta").text.startswith("Updated "))
    assert page_of(admin, path).one("article.story").all(".flag") == []


def test_other_stories_stand_below_a_story(admin: httpx.Client, story: dict[str, Any]) -> None:
    other = create(admin, headline="Another river, another town")
    aside = eventually(lambda: _with_card(page_of(admin, f"/story/{story['slug']}"), other["slug"]))
    below = aside.one("#stream")
    assert f"card-{story['slug']}" not in ids(below.all("article.card"))
    assert len(below.all("article.card")) <= 12


def _with_card(page: Element, slug: str) -> Element:
    assert page.one(f"#card-{slug}")
    return page


def test_the_promo_strip_is_above_everything_and_the_notice_above_the_story(bare: httpx.Client) -> None:
    accepted(bare.put("/api/promo", json=PROMO))
    accepted(bare.put("/api/notice", json=NOTICE))
    for path in (f"/story/{create(bare)['slug']}", "/", "/section/world"):
        page = eventually(lambda path=path: _with_notice(page_of(bare, path)))  # type: ignore[misc]
        order = [element for element in page if any(map(element.fits, (".promo", ".masthead", ".notice", "main")))]
        assert [element.tag for element in order] == ["aside", "header", "aside", "main"]
        promo = page.one(".promo").one("a")
        assert (promo.text, promo.attributes["href"]) == (PROMO["text"], PROMO["url"])
        notice = page.one(".notice")
        assert notice.one(".notice-label").text == "Breaking"
        assert notice.one("a").text == NOTICE["text"]
        assert notice.one("a").attributes["href"] == f"/story/{NOTICE['story']}"


def _with_notice(page: Element) -> Element:
    assert page.one(".notice")
    return page


# Updates


def test_an_update_has_all_its_parts(admin: httpx.Client) -> None:
    slug = create(admin)["slug"]
    update = post(admin, slug)
    shown = page_of(admin, f"/story/{slug}").one(f"#u-{update['id']}")
    assert shown.one("h3").text == UPDATE["headline"]
    assert shown.one(".by").text == "By Ben Oster, in Norwick"
    assert shown.one("figure").text == "At one o'clock. Photo: Dora Finch"
    assert shown.one("img").attributes["alt"] == UPDATE["image"]["alt"]
    assert shown.one(".body").text == "Buses now leave from the station as well."
    assert shown.one(".mark").text == "Key event"
    assert shown.one("a.permalink").attributes["href"] == f"/story/{slug}#u-{update['id']}"
    assert datetime.fromisoformat(shown.one("time").attributes["datetime"]) == datetime.fromisoformat(
        update["firstCreated"]
    )
    assert UPDATE["edNote"] not in shown.text


def test_updates_stand_newest_first_with_the_pinned_apart(admin: httpx.Client) -> None:
    slug = create(admin)["slug"]
    posted = [f"u-{post(admin, slug, body=f'Number {n}.', pinned=n in (1, 3))['id']}" for n in range(5)]
    draft = post(admin, slug, pubStatus="withheld")
    page = page_of(admin, f"/story/{slug}")
    assert ids(page.one("#updates").all("article.update")) == [posted[4], posted[2], posted[0]]
    assert ids(page.one("#pinned").all("article.update")) == [posted[3], posted[1]]
    assert page.one("#pinned").texts(".mark-pinned") == ["Pinned", "Pinned"]
    assert draft["id"] not in page.text
    patch(admin, update_path(draft), pubStatus="usable")
    eventually(
        lambda: ids(page_of(admin, f"/story/{slug}").one("#updates").all("article.update"))[0] == f"u-{draft['id']}"
    )


def test_a_corrected_update_tells_what_was_wrong(admin: httpx.Client) -> None:
    slug = create(admin)["slug"]
    update = post(admin, slug)
    patch(admin, update_path(update), body="Eleven buses.", correction="It said ten.")
    patch(admin, update_path(update), correction="It said Monday.")
    shown = page_of(admin, f"/story/{slug}").one(f"#u-{update['id']}")
    assert shown.one(".body").text == "Eleven buses."
    notes = shown.texts(".correction")
    assert [note.rpartition("UTC: ")[2] for note in notes] == ["It said ten.", "It said Monday."]
    assert all(note.startswith("Correction, ") for note in notes)


def test_a_silent_edit_tells_nothing(admin: httpx.Client) -> None:
    slug = create(admin)["slug"]
    update = post(admin, slug)
    patch(admin, update_path(update), body="Eleven buses.")
    assert page_of(admin, f"/story/{slug}").all(".correction") == []


@pytest.mark.parametrize("pinned", [False, True])
def test_a_withdrawn_update_shows_its_reason_and_none_of_its_text(admin: httpx.Client, pinned: bool) -> None:
    slug = create(admin)["slug"]
    update = post(admin, slug, pinned=pinned, body="A rumour.")
    patch(admin, update_path(update), correction="A first doubt.")
    assert "A rumour." in page_of(admin, f"/story/{slug}").text
    retract(admin, update, "It was a rumour from elsewhere.")
    page = eventually(lambda: _withdrawn(page_of(admin, f"/story/{slug}")))
    shown = page.one(f"#u-{update['id']}")
    assert shown.one(".withdrawal").text.startswith("This update was withdrawn")
    assert "It was a rumour from elsewhere." in shown.one(".withdrawal").text
    for text in ("A rumour.", "A first doubt.", UPDATE["headline"], "Dora Finch"):
        assert text not in page.one("main").text
    assert page.one("#key-events").all("li") == []
    assert shown.all("img") == shown.all(".mark") == []


def _withdrawn(page: Element) -> Element:
    assert page.one(".withdrawal")
    return page


# The stream of stories


def test_a_card_has_all_its_parts(admin: httpx.Client) -> None:
    story = create(admin)
    page = eventually(lambda: _with_card(page_of(admin, "/"), story["slug"]))
    card = page.one(f"#card-{story['slug']}")
    assert card.texts(".author") == ["Ada Quill", "Ben Oster"]
    assert re.fullmatch(r"\d{1,2} [A-Z][a-z]{2} \d{4}, \d\d:\d\d UTC - World", card.one(".meta").text)
    assert card.one(".meta").one("a").attributes["href"] == "/section/world"
    assert card.one("h3").one("a").text == STORY["headline"]
    assert card.one("h3").one("a").attributes["href"] == f"/story/{story['slug']}"
    assert card.one("h3").one(".flag").text == "Breaking"
    assert card.one("img").attributes["alt"] == STORY["image"]["alt"]
    assert card.one(".credit").text == "Photo: Cleo Marsh"
    assert card.one(".teaser").text == (
        "The river gauge at Norwick Lock passed four metres at noon, and the town below it was told to leave. "
        "Why it matters: The last time the lock overflowed, the lower quarter stood under water for nine days."
    )


def test_a_card_without_extras_has_no_empty_parts(admin: httpx.Client) -> None:
    story = create(admin, by=None, image=None, urgency=None)
    card = eventually(lambda: _with_card(page_of(admin, "/"), story["slug"])).one(f"#card-{story['slug']}")
    for selector in (".by", "figure", "img", ".credit", ".flag"):
        assert card.all(selector) == []


def test_the_front_page_has_the_story_active_last_first(admin: httpx.Client) -> None:
    first, second = create(admin), create(admin)

    def order() -> list[str]:
        return ids(page_of(admin, "/").all("article.card"))[:2]

    eventually(lambda: order() == [f"card-{second['slug']}", f"card-{first['slug']}"])
    update = post(admin, first["slug"])
    eventually(lambda: order() == [f"card-{first['slug']}", f"card-{second['slug']}"])
    moved = page_of(admin, "/").one(f"#card-{first['slug']}").one("time").attributes["datetime"]
    assert datetime.fromisoformat(moved) == datetime.fromisoformat(update["firstCreated"])


def test_an_edit_of_an_update_does_not_move_its_story(fresh: httpx.Client) -> None:
    first = create(fresh)
    update = post(fresh, first["slug"])
    second = create(fresh)
    patch(fresh, update_path(update), correction="It said ten.")
    third = create(fresh)
    expected = [f"card-{story['slug']}" for story in (third, second, first)]
    eventually(lambda: ids(page_of(fresh, "/").all("article.card")) == expected)


def test_an_empty_site_says_so(fresh: httpx.Client) -> None:
    page = page_of(fresh, "/")
    assert page.one(".empty").text == "No stories yet."
    assert page.all("article.card") == page.all("nav") == []


def test_a_section_has_its_stories_only(admin: httpx.Client) -> None:
    name = f"Rivers & Lakes {new_slug()[-4:]}"
    path = f"/section/rivers-lakes-{name[-4:]}"
    inside = create(admin, sections=["World", name])
    outside = create(admin)
    page = page_of(admin, path)
    assert page.one("h1").text == name
    assert ids(page.all("article.card")) == [f"card-{inside['slug']}"]
    current = [link for link in page.one("nav.sections").all("a") if "aria-current" in link.attributes]
    assert [(link.text, link.attributes["href"]) for link in current] == [(name, path)]
    patch(admin, f"/api/stories/{outside['slug']}", sections=[name])
    eventually(lambda: len(page_of(admin, path).all("article.card")) == 2)


@pytest.mark.parametrize("path", ["/section/no-such", "/section/World", "/story/no-such", "/story/%3Cscript%3E"])
def test_what_is_not_there_is_404(admin: httpx.Client, path: str) -> None:
    answer = admin.get(path, headers={"Accept": "text/html"})
    assert answer.status_code == 404
    page = parse(answer.text)
    assert page.one("h1").text == "Not found"
    assert [script.attributes.get("type") for script in page.all("script")] == ["module"]


def test_a_withheld_story_is_404_and_on_no_page(admin: httpx.Client) -> None:
    hidden = create(admin, pubStatus="withheld", headline="Not yet for readers")
    marker = create(admin)
    front = eventually(lambda: _with_card(page_of(admin, "/"), marker["slug"]))
    assert "Not yet for readers" not in front.text
    assert admin.get(f"/story/{hidden['slug']}").status_code == 404


def test_a_canceled_story_is_410_and_leaves_every_page(admin: httpx.Client) -> None:
    story = create(admin)
    eventually(lambda: _with_card(page_of(admin, "/"), story["slug"]))
    assert admin.get(f"/story/{story['slug']}").status_code == 200
    patch(admin, f"/api/stories/{story['slug']}", pubStatus="canceled")
    answer = eventually(lambda: _gone(admin.get(f"/story/{story['slug']}", headers={"Accept": "text/html"})))
    assert parse(answer.text).one("main").text.startswith("410 Withdrawn")
    assert STORY["headline"] not in answer.text
    eventually(lambda: page_of(admin, "/").all(f"#card-{story['slug']}") == [])
    eventually(lambda: page_of(admin, "/section/world").all(f"#card-{story['slug']}") == [])


def _gone(answer: httpx.Response) -> httpx.Response:
    assert answer.status_code == 410
    return answer


# Changes


def test_a_page_shows_a_change_soon(bare: httpx.Client) -> None:
    story = create(bare)
    path = f"/story/{story['slug']}"
    assert bare.get(path).status_code == 200
    update = post(bare, story["slug"])
    eventually(lambda: page_of(bare, path).one(f"#u-{update['id']}"))
    patch(bare, update_path(update), body="Changed in place.")
    eventually(lambda: "Changed in place." in page_of(bare, path).text)
    patch(bare, f"/api/stories/{story['slug']}", headline="Another headline")
    eventually(lambda: page_of(bare, path).one("h1").text == "Another headline")
    eventually(lambda: "Another headline" in page_of(bare, "/").text)
    accepted(bare.put("/api/promo", json=PROMO))
    eventually(lambda: page_of(bare, path).one(".promo"))
    bare.delete("/api/promo")
    eventually(lambda: page_of(bare, path).all(".promo") == [])


def test_a_page_shows_a_change_made_on_another_node(start_node: StartNode, valkey: str) -> None:
    here, there = start_node(), start_node()
    with editor_of(here, make_token(valkey, here.site, "editor")) as client:
        story = create(client)
        path = f"/story/{story['slug']}"
        eventually(lambda: httpx.get(there.url + path).status_code == 200)
        update = post(client, story["slug"])
        eventually(lambda: update["id"] in httpx.get(there.url + path).text)


def test_a_page_names_the_cursor_that_its_content_stands_at(admin: httpx.Client) -> None:
    story = create(admin)
    cursor = admin.post(f"/api/stories/{story['slug']}/updates", json=UPDATE).headers["live-cursor"]
    body = page_of(admin, f"/story/{story['slug']}").one("body").attributes
    assert body["data-cursor"] == cursor
    assert set(body["data-topics"].split(",")) == {f"story/{story['slug']}", "front", "breaking"}


def test_a_notice_goes_from_the_page_when_it_expires(bare: httpx.Client) -> None:
    path = f"/story/{create(bare)['slug']}"
    end = datetime.now(UTC) + timedelta(seconds=2)
    accepted(bare.put("/api/notice", json={**NOTICE, "expires": end.isoformat()}))
    page = eventually(lambda: _with_notice(page_of(bare, path)))
    shown = datetime.fromisoformat(page.one(".notice").attributes["data-expires"])
    assert abs(shown - end) < timedelta(milliseconds=2)
    eventually(lambda: page_of(bare, path).all(".notice") == [])
    assert end <= datetime.now(UTC)
    assert page_of(bare, "/").all(".notice") == []


def test_a_cleared_notice_goes_from_the_page(bare: httpx.Client) -> None:
    path = f"/story/{create(bare)['slug']}"
    accepted(bare.put("/api/notice", json=NOTICE))
    eventually(lambda: _with_notice(page_of(bare, path)))
    bare.delete("/api/notice")
    eventually(lambda: page_of(bare, path).all(".notice") == [])


# How pages are fetched


def test_a_page_that_did_not_change_is_304(admin: httpx.Client, story: dict[str, Any]) -> None:
    path = f"/story/{story['slug']}"

    def unchanged() -> httpx.Response:
        first = admin.get(path)
        again = admin.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert again.status_code == 304
        assert again.headers["etag"] == first.headers["etag"]
        return again

    again = eventually(unchanged)
    assert again.content == b""
    assert (again.headers["cache-control"], again.headers["vary"]) == ("no-cache", "Accept-Encoding")
    assert admin.get(path, headers={"If-None-Match": 'W/"another"'}).status_code == 200


def test_a_change_changes_the_etag(admin: httpx.Client) -> None:
    slug = create(admin)["slug"]
    first = admin.get(f"/story/{slug}").headers["etag"]
    post(admin, slug)
    eventually(lambda: admin.get(f"/story/{slug}", headers={"If-None-Match": first}).status_code == 200)


def test_a_gzipped_page_is_the_same_page(admin: httpx.Client, story: dict[str, Any]) -> None:
    path = f"/story/{story['slug']}"

    def same() -> bool:
        plain = admin.get(path, headers={"Accept-Encoding": "identity"})
        with admin.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as answer:
            raw = b"".join(answer.iter_raw())
        assert "content-encoding" not in plain.headers
        assert answer.headers["content-encoding"] == "gzip"
        assert (plain.headers["vary"], answer.headers["vary"]) == ("Accept-Encoding", "Accept-Encoding")
        assert len(raw) < len(plain.content)
        return gzip.decompress(raw) == plain.content

    eventually(same)


def test_a_reader_who_refuses_gzip_gets_none(admin: httpx.Client) -> None:
    answer = admin.get("/", headers={"Accept-Encoding": "identity, gzip;q=0"})
    assert "content-encoding" not in answer.headers


def test_a_page_carries_the_servers_clock(admin: httpx.Client) -> None:
    for headers in ({}, {"If-None-Match": admin.get("/").headers["etag"]}):
        before = time.time() * 1000 - 1
        name, _, value = admin.get("/", headers=headers).headers["server-timing"].partition(";dur=")
        assert name == "now"
        assert before <= float(value) <= time.time() * 1000 + 1


def test_head_has_the_headers_of_get(admin: httpx.Client) -> None:
    got, head = admin.get("/"), admin.head("/")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == got.headers["content-type"]


def static_address(client: httpx.Client) -> str:
    (sheet,) = [link for link in page_of(client, "/").all("link") if link.attributes["rel"] == "stylesheet"]
    return sheet.attributes["href"]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/", {}, 200),
        ("HEAD", "/", {}, 200),
        ("GET", "/", {"If-None-Match": "<etag>"}, 304),
        ("GET", "/story/{slug}", {"Accept-Encoding": "gzip"}, 200),
        ("GET", "/story/{canceled}", {}, 410),
        ("GET", "/nothing", {"Accept": "text/html"}, 404),
        ("GET", "/nothing", {}, 404),
        ("GET", "/livez", {}, 200),
        ("GET", "/livez/", {}, 307),
        ("GET", "/api/openapi.json", {}, 200),
        ("GET", "/api/stories", {}, 200),
        ("GET", "/api/stories/no-such", {}, 404),
        ("GET", "/api/stories/{broken}", {}, 500),
        ("GET", "/story/{broken}", {"Accept": "text/html"}, 500),
        ("GET", "/api/stories", {"Authorization": "Bearer no"}, 401),
        ("DELETE", "/api/stories", {}, 405),
        ("POST", "/api/stories", {}, 415),
        ("DELETE", "/api/promo", {}, 404),
        ("GET", "/stream", {"Origin": "https://evil.example"}, 403),
        ("GET", "/stream?topics=rubbish", {}, 400),
        ("GET", "<static>", {}, 200),
        ("GET", "<static>", {"If-None-Match": "<etag>"}, 304),
        ("GET", "/static/latest/css/live.css", {}, 200),
        ("GET", "/static/latest/no-such.css", {}, 404),
        ("POST", "/static/latest/css/live.css", {}, 405),
    ],
)
def test_every_kind_of_answer_has_the_security_headers(
    bare: httpx.Client, story: dict[str, Any], broken: str, canceled: str,
    method: str, path: str, headers: dict[str, str], status: int,
) -> None:  # fmt: skip
    path = path.replace("<static>", static_address(bare))
    path = path.format(slug=story["slug"], broken=broken, canceled=canceled)
    if headers.get("If-None-Match"):
        eventually(lambda: bare.get(path, headers={"If-None-Match": bare.get(path).headers["etag"]}).status_code == 304)
        headers = {"If-None-Match": bare.get(path).headers["etag"]}
    answer = bare.request(method, path, headers=headers)
    assert answer.status_code == status, answer.text
    assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS


@pytest.fixture(scope="module")
def broken(server: Node, tokens: dict[Role, str], valkey: str) -> str:
    """Slug of a story with a record that no version of the program wrote."""
    with editor_of(server, tokens["admin"]) as client, Redis.from_url(valkey) as redis:
        slug: str = create(client)["slug"]
        redis.hset(Keys(server.site).of(f"updates:{slug}"), "0" * 16, "no record")
    return slug


@pytest.fixture(scope="module")
def canceled(server: Node, tokens: dict[Role, str]) -> str:
    with editor_of(server, tokens["admin"]) as client:
        return str(create(client, pubStatus="canceled")["slug"])


def test_the_stream_has_the_security_headers_too(server: Node) -> None:
    with httpx.stream("GET", f"{server.url}/stream", headers={"Accept": "text/event-stream"}) as answer:
        assert answer.status_code == 200
        assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS


def test_the_policy_lets_no_foreign_or_inline_script_run() -> None:
    policy = dict(part.split(" ", 1) for part in SECURITY_HEADERS["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert not any("unsafe" in value for value in policy.values())


def test_static_files_under_the_digest_are_kept_for_ever(admin: httpx.Client) -> None:
    answer = admin.get(static_address(admin))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("digest", ["latest", "0123456789ab"])
def test_static_files_under_another_digest_are_asked_for_again(admin: httpx.Client, digest: str) -> None:
    address = static_address(admin)
    other = admin.get(f"/static/{digest}/{address.split('/', 3)[3]}")
    assert (other.status_code, other.content) == (200, admin.get(address).content)
    assert other.headers["cache-control"] == "no-cache"


def test_every_static_file_that_a_page_names_is_there(admin: httpx.Client) -> None:
    page = page_of(admin, "/")
    named = [element.attributes["href"] for element in page.all("link")]
    named += [element.attributes["src"] for element in page.all("script")]
    assert all(address.startswith("/static/") for address in named)
    assert [address for address in named if admin.get(address).status_code != 200] == []


@pytest.mark.parametrize(
    "path",
    [
        "/static/latest/../../pyproject.toml",
        "/static/latest/../../live/settings.py",
        "/static/../pyproject.toml",
        "/static/latest/%2e%2e/%2e%2e/pyproject.toml",
        "/static/latest/%2e%2e/pyproject.toml",
        "/static/latest/..%2fpyproject.toml",
        "/static/latest/css/..%2f..%2f..%2fpyproject.toml",
        "/static/latest/..%5cpyproject.toml",
        "/static/latest//etc/passwd",
        "/static/latest/%2fetc/passwd",
        "/static/%2e%2e/pyproject.toml",
        "/static/latest/css",
        "/static/latest/",
        "/static/latest/css/live.css%00.html",
        "/static/latest/" + "x" * 5000,
    ],
)
def test_no_path_leads_out_of_the_static_files(server: Node, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", int(server.settings["port"]), timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    assert answer.status == 404
    assert b"[project]" not in text
    assert b"root:" not in text


# What editors type

PAYLOADS = (
    "{w}<script>alert(1)</script>",
    "{w}</title></script><script src=//evil.example></script>",
    '{w}"><img src=x onerror=alert(1)>',
    "{w}' onmouseover='alert(1)' x='",
    "{w} [link](javascript:alert(1)) <javascript:alert(1)> ![i](javascript:alert(1))",
    '{w} <a href="javascript:alert(1)" onclick=alert(1)>x</a> <svg onload=alert(1)>',
    "{w}<!--<iframe srcdoc='<script>alert(1)</script>'>{{{{ 7*7 }}}}{{% raw %}}",
    "javascript:alert('{w}')",
    "\tJaVaScRiPt:alert('{w}')",
    'https://{w}.example/"onerror="alert(1)"><script>alert(1)</script>',
    "/{w}'onerror='alert(1)'><script>alert(1)</script>",
    'https://{w}.example/" onerror="alert(1)',
    "{w}-<b>",
    'en"><script>',
)
Path = tuple[str | int, ...]


def text_fields(model: type[Frozen]) -> list[Path]:
    """Where in a record of this model there is text."""
    schema = model.model_json_schema(by_alias=True)
    return list(_text_fields(schema, schema.get("$defs", {}), ()))


def _text_fields(schema: dict[str, Any], definitions: dict[str, Any], path: Path) -> Iterator[Path]:
    if "$ref" in schema:
        yield from _text_fields(definitions[schema["$ref"].rpartition("/")[2]], definitions, path)
    for option in schema.get("anyOf", []):
        yield from _text_fields(option, definitions, path)
    for name, field in schema.get("properties", {}).items():
        yield from _text_fields(field, definitions, (*path, name))
    if "items" in schema:
        yield from _text_fields(schema["items"], definitions, (*path, 0))
    if schema.get("type") == "string" and "enum" not in schema and schema.get("format") != "date-time":
        yield path


def changed(record: Any, path: Path, text: str) -> Any:
    """The record with this text at that place; KeyError where the sample lacks a field of its model."""
    if not path:
        return text
    copy = list(record) if isinstance(record, list) else dict(record)
    copy[path[0]] = changed(record[path[0]], path[1:], text)  # type: ignore[index]
    return copy


def put_story(client: httpx.Client, record: dict[str, Any]) -> tuple[httpx.Response, str]:
    answer = client.post("/api/stories", json=record)
    return answer, answer.json()["slug"] if answer.is_success else ""


def put_update(client: httpx.Client, record: dict[str, Any]) -> tuple[httpx.Response, str]:
    slug = create(client)["slug"]
    return client.post(f"/api/stories/{slug}/updates", json=record), slug


def put_edit(client: httpx.Client, record: dict[str, Any]) -> tuple[httpx.Response, str]:
    slug = create(client)["slug"]
    return client.patch(update_path(post(client, slug)), json=record), slug


def put_retraction(client: httpx.Client, record: dict[str, Any]) -> tuple[httpx.Response, str]:
    slug = create(client)["slug"]
    return client.request("DELETE", update_path(post(client, slug)), json=record), slug


def put_notice(client: httpx.Client, record: dict[str, Any]) -> tuple[httpx.Response, str]:
    return client.put("/api/notice", json=record), create(client)["slug"]


def put_promo(client: httpx.Client, record: dict[str, Any]) -> tuple[httpx.Response, str]:
    return client.put("/api/promo", json=record), create(client)["slug"]


RECORDS: list[tuple[type[Frozen], dict[str, Any], Any]] = [
    (StoryDraft, {**STORY, "slug": "norwick"}, put_story),
    (UpdateDraft, UPDATE, put_update),
    (UpdateEdit, {**UPDATE, "correction": "It said ten."}, put_edit),
    (RetractionDraft, {"reason": "Misread."}, put_retraction),
    (NoticeDraft, NOTICE, put_notice),
    (PromoDraft, PROMO, put_promo),
]
FIELDS = [
    pytest.param(record, put, path, id=f"{model.__name__}/{'/'.join(map(str, path))}")
    for model, record, put in RECORDS
    for path in text_fields(model)
]
HARMLESS = {"http", "https", "mailto", ""}
DANGEROUS = {"iframe", "object", "embed", "base", "form", "style", "svg", "math", "template"}


def assert_harmless(html: str) -> None:
    page = parse(html)
    data = [script for script in page.all("script") if script.attributes.get("type") == "application/ld+json"]
    assert all(json.loads(script.text)["@context"] == "https://schema.org" for script in data)
    scripts = [script for script in page.all("script") if script not in data]
    assert [(script.attributes.get("type"), script.text) for script in scripts] == [("module", "")]
    assert scripts[0].attributes["src"].startswith("/static/")
    dialog = page.one("dialog")
    assert dialog.one("form").attributes == {"method": "dialog"}  # the page's own, which sends nothing
    for element in page:
        assert element.tag not in DANGEROUS or element in dialog.all("form")
        for name, value in element.attributes.items():
            assert not name.startswith("on"), f"<{element.tag} {name}={value!r}>"
            assert name not in ("style", "srcdoc", "formaction")
            if name in ("href", "src", "action"):
                assert urlsplit(re.sub(r"[\s\x00-\x1f]", "", value)).scheme.lower() in HARMLESS, value
    assert "49" not in page.texts(".body")


@pytest.mark.parametrize(("record", "put", "path"), FIELDS)
def test_html_in_any_field_stays_text_on_every_page(
    bare: httpx.Client, record: dict[str, Any], put: Any, path: Path
) -> None:
    record = record | {"slug": new_slug()} if "slug" in record else record
    taken = 0
    for number, payload in enumerate(PAYLOADS):
        if "slug" in record and path != ("slug",):
            record = record | {"slug": f"{record['slug']}-{number}"}
        answer, slug = put(bare, changed(record, path, payload.format(w=new_slug())))
        if answer.status_code == 422:
            pointer = "/" + "/".join(map(str, path))
            assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
            continue
        assert answer.is_success, answer.text
        taken += 1
        assert_harmless(bare.get(f"/story/{slug}").raise_for_status().text)
    marker = create(bare)["slug"]
    front = eventually(lambda: _naming(bare.get("/"), marker))
    assert_harmless(front.text)
    for link in parse(front.text).one("nav.sections").all("a"):
        assert_harmless(bare.get(link.attributes["href"]).raise_for_status().text)
    if path[-1] not in ("slug", "story", "language"):
        assert taken


def _naming(answer: httpx.Response, slug: str) -> httpx.Response:
    assert f"card-{slug}" in answer.text
    return answer


def test_the_fields_are_found_in_the_models() -> None:
    assert set(text_fields(StoryDraft)) >= {("headline",), ("sections", 0), ("by", 0, "note"), ("image", "src")}
    assert text_fields(PromoDraft) == [("text",), ("url",)]
    assert samples.STORY.keys() <= StoryDraft.model_json_schema(by_alias=True)["properties"].keys()


def test_a_card_says_that_its_story_is_live_while_its_coverage_goes_on(admin: httpx.Client) -> None:
    slug = create(admin)["slug"]

    def is_live() -> bool:
        return bool(page_of(admin, "/").one(f"#card-{slug}").all(".flag-live"))

    assert not is_live()
    post(admin, slug)
    eventually(is_live)
    admin.patch(f"/api/stories/{slug}", json={"headline": "Changed meanwhile"}).raise_for_status()
    eventually(lambda: "Changed meanwhile" in page_of(admin, "/").one(f"#card-{slug}").text)
    assert is_live()
    admin.patch(f"/api/stories/{slug}", json={"coverageEnd": "2026-01-01T00:00:00Z"}).raise_for_status()
    eventually(lambda: not is_live())
    admin.patch(f"/api/stories/{slug}", json={"coverageEnd": None}).raise_for_status()
    eventually(is_live)
