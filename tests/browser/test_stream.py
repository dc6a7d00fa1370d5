"""The stream of stories on the front and section pages, and below a story: it reorders itself, and nothing jumps."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.newsroom import Newsroom
from tests.browser.reading import open_live
from tests.node import Node, eventually

LONG = "\n\n".join(["A paragraph that takes its room on the page, so that it is worth scrolling."] * 3)
STORIES = 12
PAGES = ["/", "/section/world"]


@pytest.fixture(autouse=True)
def nothing_to_complain_of(complaints: list[str]) -> Iterator[None]:
    """Every test ends without script errors or violations of the policy."""
    yield
    assert complaints == []


@pytest.fixture
def stories(newsroom: Newsroom) -> list[str]:
    """Slugs, newest first: more stories than a screen holds."""
    slugs = [f"story-{number:02}" for number in range(STORIES)]
    for slug in slugs:
        newsroom.story(slug, body=LONG)
    return slugs[::-1]


def slugs_of(page: Page) -> list[str]:
    return [
        str(card.get_attribute("id")).removeprefix("card-")
        for card in page.locator("#stream > article").element_handles()
    ]


def top_of(locator: Locator) -> float:
    box = locator.bounding_box()
    assert box
    return box["y"]


def scroll_to(page: Page, card: Locator) -> None:
    """Scrolls until the card stands a little below the top, as a reader would."""
    card.evaluate("each => scrollTo({ top: each.getBoundingClientRect().top + scrollY - 100, behavior: 'instant' })")
    eventually(lambda: abs(top_of(card) - 100) < 2)


@pytest.mark.parametrize("path", PAGES)
def test_a_story_moves_up_and_what_is_read_stays(
    page: Page, node: Node, newsroom: Newsroom, stories: list[str], path: str
) -> None:
    open_live(page, node.url + path)
    read = page.locator(f"#card-{stories[6]}")
    scroll_to(page, read)
    before = top_of(read)
    newsroom.update("New here.", slug=stories[9])
    newsroom.story("quake", body=LONG)
    arrivals = page.locator("#arrivals button")
    expect(arrivals).to_have_text("2 new stories")
    assert abs(top_of(read) - before) <= 1
    newsroom.edit_story(stories[2], pubStatus="canceled")  # above what is read
    expect(page.locator(f"#card-{stories[2]}")).to_have_count(0)
    assert abs(top_of(read) - before) <= 1
    arrivals.click()
    expect(page.locator("#card-quake")).to_be_in_viewport()
    expected = ["quake", stories[9], *[slug for slug in stories if slug not in (stories[2], stories[9])]]
    assert slugs_of(page) == expected
    page.reload()
    assert slugs_of(page) == expected


def test_scrolling_back_up_finds_them_in_place(page: Page, node: Node, newsroom: Newsroom, stories: list[str]) -> None:
    open_live(page, node.url)
    scroll_to(page, page.locator(f"#card-{stories[6]}"))
    newsroom.update("New here.", slug=stories[9])
    expect(page.locator("#arrivals button")).to_have_text("1 new story")
    page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
    expect(page.locator("#stream > article").first).to_have_id(f"card-{stories[9]}")
    expect(page.locator("#arrivals button")).to_have_count(0)


def test_what_is_read_stays_when_its_own_card_changes(
    page: Page, node: Node, newsroom: Newsroom, stories: list[str]
) -> None:
    """A reader on the very story that is active sees its new headline where they are."""
    open_live(page, node.url)
    read = page.locator(f"#card-{stories[6]}")
    scroll_to(page, read)
    before = top_of(read)
    newsroom.edit_story(stories[6], headline="The dam holds")
    expect(read.locator("h3")).to_have_text("The dam holds")
    assert abs(top_of(read) - before) <= 1
    assert slugs_of(page) == stories
    page.locator("#arrivals button").click()
    expect(page.locator("#stream > article").first).to_have_id(f"card-{stories[6]}")
    expected = slugs_of(page)
    page.reload()
    assert slugs_of(page) == expected


def test_each_change_of_a_card_is_marked(page: Page, node: Node, newsroom: Newsroom) -> None:
    newsroom.story()
    open_live(page, node.url)
    card = page.locator("#card-flood")
    for headline in ("The dam holds", "The dam has broken"):
        newsroom.edit_story(headline=headline)
        expect(card.locator("h3")).to_have_text(headline)
        expect(card).to_have_class(re.compile(r"\bfresh\b"))
        card.evaluate("each => each.getAnimations().forEach(one => one.finish())")
        expect(card).not_to_have_class(re.compile(r"\bfresh\b"))


@pytest.mark.parametrize("path", PAGES)
def test_a_card_changes_in_place(page: Page, node: Node, newsroom: Newsroom, path: str) -> None:
    newsroom.story("flood")
    newsroom.story("vote")
    open_live(page, node.url + path)
    card = page.locator("#card-vote")
    expect(card.locator(".flag:not(.flag-live)")).to_have_count(0)
    handle = card.element_handle()
    moment = str(card.locator("time").get_attribute("datetime"))
    newsroom.edit_story("vote", headline="The vote is on", body="**What's new:** doors open.", urgency=2)
    expect(card.locator("h3 a")).to_have_text("The vote is on")
    expect(card.locator(".teaser")).to_have_text("What's new: doors open.")
    expect(card.locator(".flag:not(.flag-live)")).to_have_text("Breaking")
    expect(card).to_have_class(re.compile(r"\bcard-breaking\b"))
    newsroom.update("Now counting.", slug="vote")
    eventually(lambda: str(card.locator("time").get_attribute("datetime")) > moment)
    expect(card.locator(".flag-live")).to_have_text("Live")
    newsroom.edit_story("vote", urgency=5)
    expect(card.locator(".flag:not(.flag-live)")).to_have_count(0)
    assert handle.evaluate("(each, other) => each === other", card.element_handle()), "the card was replaced"
    assert slugs_of(page) == ["vote", "flood"]


def test_times_of_the_cards_go_on(page: Page, node: Node, newsroom: Newsroom) -> None:
    newsroom.story()
    page.clock.install()
    open_live(page, node.url)
    time = page.locator("#card-flood time")
    expect(time).to_have_text("Just now")
    page.clock.fast_forward("02:30")
    expect(time).to_have_text(re.compile("[23] mins ago"))


def test_a_story_leads_to_what_broke_since(page: Page, node: Node, newsroom: Newsroom) -> None:
    newsroom.story("flood")
    newsroom.story("vote")
    open_live(page, f"{node.url}/story/flood")
    more = page.get_by_role("complementary", name="More stories").locator("article")
    expect(more.locator("h3 a")).to_have_text(["Headline of vote"])
    newsroom.story("quake", urgency=1)
    expect(more.locator("h3 a")).to_have_text(["Headline of quake", "Headline of vote"])
    expect(more.first.locator(".flag")).to_have_text("Breaking")
    newsroom.update("Counted.", slug="vote")
    expect(more.locator("h3 a")).to_have_text(["Headline of vote", "Headline of quake"])
    newsroom.update("The water falls.")  # the story itself is not one of the others
    expect(page.locator("#updates")).to_contain_text("The water falls.")
    expect(more).to_have_count(2)
    more.filter(has_text="quake").get_by_role("link", name="Headline of quake").click()
    expect(page).to_have_url(f"{node.url}/story/quake")
