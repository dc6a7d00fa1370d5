"""News that comes while somebody reads: what is read stays where it is, and nobody is talked over."""

import time
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.newsroom import Newsroom
from tests.browser.reading import open_live, update_texts
from tests.node import Node, eventually

AXE = Path(__file__).parent.parent.parent / "node_modules" / "axe-core" / "axe.min.js"
VIOLATIONS = "axe.run().then(found => found.violations.map(one => [one.id, one.nodes[0].html]))"
LONG = "\n\n".join(["A paragraph that takes some room on the page, since it says the same again and again."] * 6)
SHIFTS = """() => {
  window.shifts = [];
  new PerformanceObserver((list) => window.shifts.push(...list.getEntries().map((one) => one.value)))
    .observe({ type: "layout-shift", buffered: true });
}"""
TRANSCRIPT = """() => {
  window.said = [];
  for (const role of ["status", "alert"]) {
    const region = document.querySelector(`p.unseen[role=${role}]`);
    new MutationObserver(() => window.said.push([role, performance.now(), region.textContent]))
      .observe(region, { childList: true, characterData: true, subtree: true });
  }
}"""
HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  const state = hidden ? "hidden" : "visible";
  Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture
def reading(page: Page, node: Node, newsroom: Newsroom) -> Page:
    """A story of twelve long updates, with the reader in the middle of it."""
    newsroom.story()
    for number in range(12):
        newsroom.update(f"{LONG}\n\nUpdate {number}.")
    open_live(page, f"{node.url}/story/flood")
    page.locator("#updates > article").nth(5).evaluate("(article) => article.scrollIntoView()")
    page.mouse.wheel(0, 40)
    eventually(lambda: top_of(page, "#updates > article:nth-child(6)") < 0)
    return page


def top_of(page: Page, selector: str) -> float:
    return float(page.locator(selector).first.evaluate("(element) => element.getBoundingClientRect().top"))


def test_at_the_top_news_comes_in_at_once(story_page: Page, newsroom: Newsroom) -> None:
    newsroom.update("It comes in.")
    fresh = story_page.locator("#updates > article.fresh")
    expect(fresh).to_contain_text("It comes in.", timeout=2_000)
    assert fresh.evaluate("(article) => getComputedStyle(article).animationName") == "arrive"
    assert story_page.evaluate("scrollY") == 0
    story_page.emulate_media(reduced_motion="reduce")
    newsroom.update("And again.")
    expect(story_page.locator("#updates > article").first).to_contain_text("And again.")
    animation = "(article) => getComputedStyle(article).animationName"
    assert story_page.locator("#updates > article").first.evaluate(animation) == "none"


def test_scrolled_down_news_waits_behind_a_button_that_leads_to_the_first_unread(
    reading: Page, newsroom: Newsroom
) -> None:
    for number in range(3):
        newsroom.update(f"{LONG}\n\nNew {number}.")
    button = reading.get_by_role("button", name="3 new updates")
    expect(button).to_be_visible()
    assert len(update_texts(reading)) == 12
    button.click()
    first = reading.locator("#updates > article", has_text="New 2.")  # the newest is read first
    expect(first).to_be_focused()
    expect(first).to_be_in_viewport()
    assert reading.locator("#updates > article.unread").count() == 3
    expect(button).to_have_count(0)
    expect(first).not_to_have_class("unread", timeout=5_000)


def test_an_edit_above_moves_nothing_that_is_read(reading: Page, newsroom: Newsroom) -> None:
    selected = reading.locator("#updates > article").nth(6)
    selected.evaluate("(article) => getSelection().selectAllChildren(article.querySelector('.body'))")
    link = selected.locator(".permalink")
    link.evaluate("(link) => link.focus({ preventScroll: true })")
    before = top_of(reading, f"#{selected.get_attribute('id')}")
    text = reading.evaluate("getSelection().toString()")
    assert text
    above = reading.locator("#updates > article").nth(1)
    newsroom.edit_update((above.get_attribute("id") or "")[2:], body="\n\n".join([LONG] * 4 + ["Much longer."]))
    expect(above).to_contain_text("Much longer.")
    assert top_of(reading, f"#{selected.get_attribute('id')}") == pytest.approx(before, abs=1)
    assert reading.evaluate("getSelection().toString()") == text
    expect(link).to_be_focused()


def test_fifty_updates_shift_nothing(reading: Page, newsroom: Newsroom) -> None:
    reading.wait_for_timeout(600)  # what the scrolling itself moved is not asked about
    reading.evaluate(SHIFTS)
    seen = len(reading.evaluate("window.shifts"))
    before = top_of(reading, "#updates > article:nth-child(6)")
    for number in range(50):
        newsroom.update(f"{LONG}\n\nNew {number}.")
    expect(reading.get_by_role("button", name="50 new updates")).to_be_visible()
    reading.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert reading.evaluate("window.shifts")[seen:] == []
    assert top_of(reading, "#updates > article:nth-child(6)") == before


def test_a_hidden_tab_counts_in_its_title_and_catches_up(story_page: Page, newsroom: Newsroom) -> None:
    title = story_page.title()
    story_page.evaluate(HIDE, True)
    for number in range(3):
        newsroom.update(f"While away {number}.")
    eventually(lambda: story_page.title() == f"(3) {title}")
    story_page.evaluate(HIDE, False)
    assert story_page.title() == title
    assert len(update_texts(story_page)) == 3


def test_a_feed_with_its_keys(reading: Page) -> None:
    feed = reading.get_by_role("feed").first
    articles = feed.locator(":scope > article")
    places = articles.evaluate_all(
        "(all) => all.map((one) => [one.getAttribute('aria-posinset'), one.getAttribute('aria-setsize')])"
    )
    assert places == [[str(number + 1), "12"] for number in range(12)]
    assert feed.get_attribute("aria-busy") in (None, "false")
    articles.nth(3).focus()
    for key, expected in (("PageDown", 4), ("PageDown", 5), ("PageUp", 4)):
        reading.keyboard.press(key)
        expect(articles.nth(expected)).to_be_focused()
    for key, position in (("Control+End", "FOLLOWING"), ("Control+Home", "PRECEDING")):
        articles.nth(3).focus()
        reading.keyboard.press(key)
        left = f"(feed) => !feed.contains(document.activeElement) && document.activeElement !== document.body && \
            (feed.compareDocumentPosition(document.activeElement) & Node.DOCUMENT_POSITION_{position}) > 0"
        assert feed.evaluate(left), key


def test_one_voice_that_does_not_talk_all_the_time(story_page: Page, newsroom: Newsroom) -> None:
    story_page.evaluate(TRANSCRIPT)
    begun = time.monotonic()
    for number in range(30):
        newsroom.update(f"In a burst {number}.")
        story_page.wait_for_timeout(max(0.0, begun + (number + 1) / 3 - time.monotonic()) * 1000)
    eventually(lambda: len(story_page.evaluate("window.said")) >= 3, 10)
    newsroom.notice("The dam has failed", urgency=1)
    eventually(lambda: any(role == "alert" for role, _, _ in story_page.evaluate("window.said")))
    said = story_page.evaluate("window.said")
    polite = [(at, text.strip()) for role, at, text in said if role == "status"]
    assert all(later - earlier >= 4_990 for (earlier, _), (later, _) in pairwise(polite))
    counts = [int(text.split()[0]) for _, text in polite if "new update" in text]
    assert sum(counts) <= 30
    assert max(counts) > 5
    assert [text for role, _, text in said if role == "alert"] == ["Breaking: The dam has failed"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_narrow_screens_scroll_one_way(
    browser: Browser, node: Node, newsroom: Newsroom, scheme: str
) -> None:
    newsroom.story(urgency=2, image={"src": "/static/x/demo/storm.svg", "alt": "A storm", "width": 1200, "height": 675})
    newsroom.story("quay")
    newsroom.update("**Why it matters:** pinned.", pinned=True)
    newsroom.update("A key event.", keyEvent=True, headline="It happened")
    corrected = newsroom.update("> Said\n>\n> — Somebody")
    newsroom.edit_update(corrected, body="Put right.", correction="It was wrong.")
    newsroom.retract(newsroom.update("A rumour."), "It was a rumour.")
    newsroom.notice("The dam has failed", urgency=1, story="flood")
    context = browser.new_context(color_scheme=scheme, bypass_csp=True)  # type: ignore[arg-type]
    page = context.new_page()
    for path in ("/", "/section/world", "/story/flood", "/story/flood/embed"):
        page.set_viewport_size({"width": 1280, "height": 900})
        page.goto(node.url + path)
        expect(page.locator("live-status")).to_have_text("Live")
        page.evaluate(AXE.read_text())
        assert page.evaluate(VIOLATIONS) == [], path
        page.set_viewport_size({"width": 320, "height": 640})  # as 1280 pixels at 400 % are (WCAG 1.4.10)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, path
    context.close()


def test_on_paper_only_what_was_reported(story_page: Page, newsroom: Newsroom) -> None:
    newsroom.update("In print.")
    expect(story_page.locator("#updates")).to_contain_text("In print.")
    newsroom.notice("Not in print")
    expect(story_page.locator("#notice")).to_be_visible()
    story_page.emulate_media(media="print")
    expect(story_page.locator("#updates .body").first).to_be_visible()
    for selector in (".masthead nav", "#notice", "live-status", "#alerts-button", ".share", ".more"):
        expect(story_page.locator(selector).first).not_to_be_visible()
