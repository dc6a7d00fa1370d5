"""A story in the page of another site: as a custom element, and in a frame."""

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

import httpx
import pytest
from playwright.sync_api import Frame, Page, expect

from tests.browser.newsroom import Newsroom
from tests.conftest import StartNode
from tests.node import Node

WITHIN_A_SECOND = 1_000
AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


class OtherSite(ThreadingHTTPServer):
    """A site of its own origin, whose pages the tests write."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages = {"/favicon.ico": ""}

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def page(self, body: str, head: str = "") -> str:
        """Puts up a page and returns its address."""
        path = f"/{len(self.pages)}"
        self.pages[path] = f"<!doctype html><html lang=en><title>Other site</title>{head}<body>{body}"
        return self.origin + path


class Handler(BaseHTTPRequestHandler):
    server: OtherSite

    def do_GET(self) -> None:
        page = self.server.pages.get(self.path)
        self.send_response(404 if page is None else 200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write((page or "").encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def other_site() -> Iterator[OtherSite]:
    with OtherSite() as site:
        threading.Thread(target=site.serve_forever, args=(0.01,), daemon=True).start()
        yield site
        site.shutdown()


@pytest.fixture
def node(start_node: StartNode, other_site: OtherSite) -> Node:
    return start_node(tick_seconds=1, allowed_origins=other_site.origin)


def element(node: Node, slug: str = "flood") -> str:
    return (
        f'<script type="module" src="{node.url}/embed.js"></script>'
        f'<live-story src="{node.url}/story/{slug}"><a href="{node.url}/story/{slug}">The flood</a></live-story>'
    )


@pytest.fixture
def host(page: Page, node: Node, newsroom: Newsroom, other_site: OtherSite) -> Page:
    """A page of the other site with the story in it, its stream up."""
    newsroom.story(by=[{"name": "Ada Quill"}], body="**Why it matters:** [The gauge](/section/world) rises.")
    newsroom.update("The first thing.")
    page.goto(other_site.page(f"<h2>From elsewhere</h2>{element(node)}"))
    expect(page.locator("live-story .status")).to_have_text("Live")
    return page


@pytest.fixture(autouse=True)
def nothing_to_complain_of(request: pytest.FixtureRequest, complaints: list[str]) -> Iterator[None]:
    yield
    if "excused" not in request.fixturenames:
        assert complaints == []


@pytest.fixture
def excused() -> None:
    """For a test in which the browser is right to complain."""


def texts(page: Page) -> list[str]:
    return page.locator("live-story #updates > article .body").all_inner_texts()


def test_a_story_is_shown_and_stays_live(host: Page, node: Node, newsroom: Newsroom) -> None:
    story = host.locator("live-story")
    expect(story.locator("h1")).to_have_text("Headline of flood")
    assert texts(host) == ["The first thing."]
    second = newsroom.update("The second thing.", headline="Bridge shut")
    expect(story.locator("#updates")).to_contain_text("The second thing.", timeout=WITHIN_A_SECOND)
    assert texts(host) == ["The second thing.", "The first thing."]
    newsroom.edit_update(second, body="The second thing, put right.", correction="It was another bridge.")
    expect(story.locator(".correction")).to_contain_text("It was another bridge.")
    newsroom.edit_story(headline="Another headline")
    expect(story.locator("h1")).to_have_text("Another headline")
    expect(story.locator("live-time").first).to_have_text("Just now")


def test_a_retraction_replaces_the_text(host: Page, newsroom: Newsroom) -> None:
    update = newsroom.update("A rumour.")
    expect(host.locator("live-story #updates")).to_contain_text("A rumour.")
    newsroom.retract(update, "It came from elsewhere.")
    expect(host.locator(f"live-story #u-{update}")).to_contain_text("It came from elsewhere.")
    expect(host.locator("live-story")).not_to_contain_text("A rumour.")


def test_a_withdrawn_story_goes(host: Page, newsroom: Newsroom) -> None:
    newsroom.edit_story(pubStatus="canceled")
    expect(host.locator("live-story .withdrawn-story")).to_have_text("This story was withdrawn.")
    expect(host.locator("live-story article")).to_have_count(0)


@pytest.mark.usefixtures("excused")
def test_a_story_that_is_gone_already_says_so(
    page: Page, node: Node, newsroom: Newsroom, other_site: OtherSite
) -> None:
    newsroom.story()
    newsroom.edit_story(pubStatus="canceled")
    page.goto(other_site.page(element(node)))
    expect(page.locator("live-story .withdrawn-story")).to_have_text("This story was withdrawn.")


def test_no_button_copies_a_link_there(host: Page, page: Page, node: Node) -> None:
    """Pages of other sites may not write to the clipboard; the time is the link."""
    expect(host.locator("live-story .permalink").first).to_be_visible()
    expect(host.locator("live-story .share").first).to_be_hidden()
    page.goto(f"{node.url}/story/flood/embed")
    expect(page.locator(".permalink").first).to_be_visible()
    expect(page.locator(".share").first).to_be_hidden()


def test_its_links_lead_to_its_own_site(host: Page, node: Node) -> None:
    links = host.locator("live-story a").evaluate_all("links => links.map((link) => link.href)")
    assert links and all(link.startswith(node.url) for link in links), links
    update = host.locator("live-story #updates .permalink").get_attribute("href")
    assert update and re.fullmatch(re.escape(f"{node.url}/story/flood#u-") + "[0-9a-z]{16}", update)


def style(page: Page, selector: str, *names: str) -> list[str]:
    read = "(element, names) => names.map((name) => getComputedStyle(element).getPropertyValue(name))"
    found: list[str] = page.locator(selector).first.evaluate(read, list(names))
    return found


LOUD = """<style>
  html { font-size: 62.5%; }
  body { color: lime; font: italic 700 30px/3 monospace; text-align: right; letter-spacing: 1em; }
  body { text-transform: uppercase; }
  h1, p, a, article, .body, .story { color: lime !important; background: red !important; border: 9px solid !important; }
</style>"""


def test_styles_of_the_page_stay_outside_and_its_own_inside(
    host: Page, page: Page, node: Node, other_site: OtherSite
) -> None:
    names = ("color", "background-color", "font-size", "font-style", "line-height", "text-align", "letter-spacing",
             "text-transform", "border-top-width", "padding-top")  # fmt: skip
    parts = ["live-story h1", "live-story .body p", "live-story .body a", "live-story .meta", "live-story .embed-foot"]
    calm = [style(host, part, *names) for part in parts]
    assert style(host, "h2", "font-family") != style(host, "live-story h1", "font-family")
    page.goto(other_site.page(f"<h2>From elsewhere</h2>{element(node)}", LOUD))
    expect(page.locator("live-story .status")).to_have_text("Live")
    assert style(page, "h2", "text-transform") == ["uppercase"]
    assert [style(page, part, *names) for part in parts] == calm


def test_the_page_may_set_colours_and_size(page: Page, node: Node, newsroom: Newsroom, other_site: OtherSite) -> None:
    newsroom.story()
    theme = "<style>live-story { --live-paper: rgb(1, 2, 3); --live-size: 32px; border-radius: 7px }</style>"
    page.goto(other_site.page(element(node), theme))
    expect(page.locator("live-story .status")).to_have_text("Live")
    assert style(page, "live-story", "background-color", "font-size", "border-top-left-radius") == [
        "rgb(1, 2, 3)", "34px", "7px",
    ]  # fmt: skip


def test_light_or_dark_is_as_the_page_says(page: Page, node: Node, newsroom: Newsroom, other_site: OtherSite) -> None:
    newsroom.story()
    page.emulate_media(color_scheme="dark")
    papers = []
    for scheme in ("light", "light dark"):
        page.goto(other_site.page(element(node), f"<style>:root {{ color-scheme: {scheme} }}</style>"))
        expect(page.locator("live-story .status")).to_have_text("Live")
        papers += style(page, "live-story", "background-color")
    assert papers == ["rgb(255, 253, 250)", "rgb(20, 22, 26)"]


def test_what_arrives_above_the_view_waits(host: Page, newsroom: Newsroom) -> None:
    for number in range(12):
        newsroom.update(f"Number {number}.\n\n" + "Long. " * 300)
    expect(host.locator("live-story #updates > article")).to_have_count(13)
    host.locator("live-story #updates > article").nth(8).scroll_into_view_if_needed()
    host.mouse.wheel(0, 400)
    newsroom.update("While reading.")
    button = host.locator("live-story .arrivals button")
    expect(button).to_have_text("1 new update")
    assert "While reading." not in texts(host)
    button.click()
    expect(host.locator("live-story #updates > article").first).to_contain_text("While reading.")
    expect(button).to_have_count(0)


def test_it_resumes_after_the_server_was_away(host: Page, node: Node, newsroom: Newsroom) -> None:
    node.kill()
    expect(host.locator("live-story .status")).to_have_text("Reconnecting…")
    node.start()
    newsroom.update("While away.")
    expect(host.locator("live-story #updates")).to_contain_text("While away.", timeout=30_000)
    assert texts(host) == ["While away.", "The first thing."]


def test_the_element_can_be_moved_and_led_to_another_story(host: Page, node: Node, newsroom: Newsroom) -> None:
    newsroom.story("fire")
    host.locator("live-story").evaluate(f"story => story.setAttribute('src', '{node.url}/story/fire')")
    expect(host.locator("live-story h1")).to_have_text("Headline of fire")
    host.locator("live-story").evaluate("story => document.body.prepend(story)")
    expect(host.locator("live-story .status")).to_have_text("Live")
    newsroom.update("It burns.", "fire")
    expect(host.locator("live-story #updates")).to_contain_text("It burns.")


@pytest.mark.usefixtures("excused")
def test_a_page_that_is_not_allowed_keeps_its_link(
    page: Page, start_node: StartNode, newsroom: Newsroom, other_site: OtherSite
) -> None:
    newsroom.story()
    closed = start_node()
    with page.expect_event("requestfailed", lambda request: request.url.endswith("/embed.json")):
        page.goto(other_site.page(element(closed)))
    expect(page.locator("live-story > a")).to_be_visible()
    assert page.locator("live-story h1").count() == 0


@pytest.mark.usefixtures("excused")
def test_a_story_of_another_site_than_the_script_is_refused(
    page: Page, node: Node, start_node: StartNode, newsroom: Newsroom, other_site: OtherSite
) -> None:
    newsroom.story()
    with page.expect_console_message(lambda message: "is not the address of a story" in message.text):
        page.goto(other_site.page(element(node).replace(f'src="{node.url}/story', f'src="{start_node().url}/story')))
    expect(page.locator("live-story > a")).to_be_visible()


# In a frame


def framed(page: Page, other_site: OtherSite, address: str) -> Frame:
    page.goto(other_site.page(f'<iframe src="{address}" width=600 height=600 title="A story"></iframe>'))
    (frame,) = page.main_frame.child_frames
    return frame


def test_the_embed_page_lives_in_a_frame(page: Page, node: Node, newsroom: Newsroom, other_site: OtherSite) -> None:
    newsroom.story()
    frame = framed(page, other_site, f"{node.url}/story/flood/embed")
    expect(frame.locator("live-status")).to_have_text("Live")
    newsroom.update("In the frame.")
    expect(frame.locator("#updates")).to_contain_text("In the frame.", timeout=WITHIN_A_SECOND)
    with page.context.expect_page() as opened:
        frame.locator(".embed-foot a").click()
    opened.value.wait_for_load_state()
    assert opened.value.url == f"{node.url}/story/flood"
    assert page.url.startswith(other_site.origin)


@pytest.mark.usefixtures("excused")
@pytest.mark.parametrize("path", ["/story/flood", "/"])
def test_other_pages_refuse_a_frame(
    page: Page, node: Node, newsroom: Newsroom, other_site: OtherSite, complaints: list[str], path: str
) -> None:
    newsroom.story()
    frame = framed(page, other_site, node.url + path)
    expect(frame.locator("#main")).to_have_count(0)
    assert "frame" in " ".join(complaints).lower()
    assert httpx.get(node.url + path).status_code == 200


def test_the_embed_page_has_no_accessibility_finding(page: Page, node: Node, newsroom: Newsroom) -> None:
    newsroom.story(by=[{"name": "Ada Quill"}], body="**Why it matters:** [The gauge](/section/world) rises.")
    update = newsroom.update("A first thing.", headline="Bridge shut", keyEvent=True)
    newsroom.edit_update(update, correction="It was another bridge.")
    newsroom.update("Pinned.", pinned=True)
    newsroom.retract(newsroom.update("A rumour."), "It came from elsewhere.")
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        page.goto(f"{node.url}/story/flood/embed")
        expect(page.locator("live-status")).to_have_text("Live")
        assert findings(page) == []


def test_the_element_has_no_accessibility_finding(host: Page, newsroom: Newsroom) -> None:
    newsroom.retract(newsroom.update("A rumour."), "It came from elsewhere.")
    expect(host.locator("live-story .withdrawal")).to_be_visible()
    assert findings(host, "live-story") == []


def findings(page: Page, within: str = "html") -> list[str]:
    """What axe-core finds wrong in a part of the page."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("(within) => axe.run(within)", within)
    return [
        f"{violation['id']}: {node['html'][:200]}" for violation in found["violations"] for node in violation["nodes"]
    ]
