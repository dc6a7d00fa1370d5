"""A story with two thousand updates: quick to open, quick to change, and every one of them within reach."""

import re
import statistics
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.newsroom import Newsroom
from tests.browser.reading import open_live, update_texts
from tests.conftest import StartNode, editor_of, make_token
from tests.node import Node, eventually

COUNT, PART = 2_000, 50
OLD, KEY = 300, 700
"""Numbers of an old update, and of an old key event."""
FIRST_INPUT = """() => {
  addEventListener("load", () => {
    const asked = performance.now();
    document.addEventListener("keydown", () => { window.handled = performance.now() - asked; }, { once: true });
    const channel = new MessageChannel(); // a task of its own, as an input is
    channel.port1.onmessage = () => document.dispatchEvent(new KeyboardEvent("keydown", { key: "Shift" }));
    channel.port2.postMessage(0);
  });
}"""
PAINT = """() => {
  const Native = window.WebSocket;
  window.frames_at = [];
  window.WebSocket = class extends Native {
    constructor(...words) {
      super(...words);
      this.addEventListener("message", ({ data }) => {
        if (!String(data).includes('"type":"update"')) return;
        const came = performance.now();
        requestAnimationFrame(() => {
          const channel = new MessageChannel(); // runs when the frame has been drawn
          channel.port1.onmessage = () => window.frames_at.push(performance.now() - came);
          channel.port2.postMessage(0);
        });
      });
    }
  };
}"""


@pytest.fixture(scope="module")
def long_story(valkey: str) -> Iterator[tuple[Node, Newsroom, list[str]]]:
    """A node, its editor, and the IDs of a story's updates, the oldest first."""
    node = Node({"redis_url": valkey, "site": "long-story", "tick_seconds": 1})
    with editor_of(node, make_token(valkey, "long-story", "admin")) as client:
        newsroom = Newsroom(client)
        newsroom.story()
        ids = [newsroom.update(f"Update {number}.", keyEvent=number == KEY) for number in range(COUNT)]
        yield node, newsroom, ids
    node.stop()


def test_the_first_page_has_the_newest_and_the_way_to_the_others(
    page: Page, long_story: tuple[Node, Newsroom, list[str]]
) -> None:
    node, _, _ = long_story
    open_live(page, f"{node.url}/story/flood")
    newest = [f"Update {number}." for number in reversed(range(COUNT - PART, COUNT))]
    assert update_texts(page) == newest
    last = page.locator("#updates > article").last
    last.scroll_into_view_if_needed()
    place = last.evaluate("(article) => article.getBoundingClientRect().top")
    page.get_by_role("link", name="Older updates").evaluate("(link) => link.click()")
    expect(page.locator("#updates > article")).to_have_count(2 * PART)
    older = [f"Update {number}." for number in reversed(range(COUNT - 2 * PART, COUNT))]
    assert update_texts(page) == older
    boundary = page.locator("#updates > article").nth(PART - 1)
    assert boundary.evaluate("(article) => article.getBoundingClientRect().top") == pytest.approx(place, abs=1)
    expect(page.locator("#updates > article").nth(PART)).to_be_focused()


def test_without_scripts_every_part_is_a_link_away(
    browser: Browser, long_story: tuple[Node, Newsroom, list[str]]
) -> None:
    node, _, _ = long_story
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{node.url}/story/flood")
    page.get_by_role("link", name="Older updates").click()
    assert update_texts(page)[0] == f"Update {COUNT - PART - 1}."
    page.get_by_role("link", name="Newest updates").click()
    assert update_texts(page)[0] == f"Update {COUNT - 1}."
    context.close()
    with httpx.Client(base_url=node.url) as client:
        path, found = "/story/flood", set()
        while path:
            text = client.get(path).raise_for_status().text
            found |= set(re.findall(r"<p>Update (\d+)\.</p>", text))
            link = re.search(r'id="older"><a href="([^"]+)"', text)
            path = link[1] if link else ""
    assert found == {str(number) for number in range(COUNT)}


def test_the_address_of_an_old_update_leads_to_it(page: Page, long_story: tuple[Node, Newsroom, list[str]]) -> None:
    node, _, ids = long_story
    page.goto(f"{node.url}/story/flood#u-{ids[OLD]}")
    target = page.locator(f"#u-{ids[OLD]}")
    expect(target).to_contain_text(f"Update {OLD}.")
    expect(target).to_be_in_viewport()
    assert target.evaluate("(article) => article.matches(':target')")
    page.goto(f"{node.url}/story/flood")
    events = page.get_by_role("navigation", name="Key events")
    events.get_by_role("link").last.click()
    expect(page.locator(f"#u-{ids[KEY]}")).to_be_in_viewport()


def test_changes_reach_what_was_loaded_later(page: Page, long_story: tuple[Node, Newsroom, list[str]]) -> None:
    node, newsroom, ids = long_story
    open_live(page, f"{node.url}/story/flood")
    page.get_by_role("link", name="Older updates").evaluate("(link) => link.click()")
    edited, retracted = (page.locator(f"#u-{ids[COUNT - number]}") for number in (60, 70))
    expect(edited).to_be_attached()
    newsroom.edit_update(ids[COUNT - 60], body="Put right.", correction="It was wrong.")
    newsroom.retract(ids[COUNT - 70], "It was a rumour.")
    expect(edited).to_contain_text("Put right.")
    expect(retracted).to_contain_text("This update was withdrawn")
    newsroom.edit_update(ids[COUNT - 60], body=f"Update {COUNT - 60}.")


def test_the_first_input_is_handled_and_news_painted_at_once(
    browser: Browser, start_node: StartNode, long_story: tuple[Node, Newsroom, list[str]]
) -> None:
    """Medians: under 200 ms from the page's load to its first input handled, under 50 ms from a frame to its paint."""
    node, newsroom, _ = long_story
    handled: list[float] = []
    painted: list[float] = []
    for _ in range(5):
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.add_init_script(f"({FIRST_INPUT})(); ({PAINT})()")
        page = context.new_page()
        open_live(page, f"{node.url}/story/flood")
        handled.append(page.evaluate("window.handled"))
        for number in range(2):
            newsroom.update("Late.")
            eventually(lambda page=page, number=number: len(page.evaluate("window.frames_at")) > number)  # type: ignore[misc]
        painted += page.evaluate("window.frames_at")
        context.close()
    assert statistics.median(handled) < 200
    assert statistics.median(painted) < 50
    print(f"handled {handled}, painted {painted}")
