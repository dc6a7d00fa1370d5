"""The breaking notice as readers meet it, and the alerts that they may ask for beside it."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, FloatRect, Locator, Page, expect

from live.model import now
from tests.browser.newsroom import Newsroom
from tests.browser.reading import open_live
from tests.node import Node, eventually

RECORD_ALERTS = """
  window.raised = []; window.tones = 0;
  window.Notification = class { constructor(title, options) { raised.push([title, options.body]); } close() {} };
  Notification.requestPermission = async () => "granted";
  const start = OscillatorNode.prototype.start;
  OscillatorNode.prototype.start = function (...times) { tones += 1; return start.apply(this, times); };
"""
TALL = "\n\n".join(["A paragraph that takes its room on the page, so that it is worth scrolling."] * 40)


@pytest.fixture(autouse=True)
def nothing_to_complain_of(complaints: list[str]) -> Iterator[None]:
    """Every test ends without script errors or violations of the policy."""
    yield
    assert complaints == []


@pytest.fixture
def story_page(page: Page, node: Node, newsroom: Newsroom) -> Page:
    newsroom.story(body=TALL)
    open_live(page, f"{node.url}/story/flood")
    return page


def box_of(locator: Locator) -> FloatRect:
    box = locator.bounding_box()
    assert box
    return box


def test_its_weight_is_that_of_its_urgency(story_page: Page, newsroom: Newsroom) -> None:
    notice = story_page.locator("#notice > .notice")
    polite = story_page.locator("p.unseen[role=status]")
    assertive = story_page.locator("p.unseen[role=alert]")
    looks = []
    for urgency, weight in ((3, "urgent"), (2, "bulletin"), (1, "flash")):
        text = f"A notice of urgency {urgency}"
        newsroom.notice(text, urgency=urgency)
        expect(notice).to_contain_text(text)
        expect(notice).to_have_class(f"notice notice-{weight}")
        told, silent = (assertive, polite) if weight == "flash" else (polite, assertive)
        expect(told).to_have_text(f"Breaking: {text}", timeout=8_000)
        assert text not in str(silent.text_content())
        looks.append(
            notice.evaluate("""each => [getComputedStyle(each).backgroundColor,
                getComputedStyle(each.querySelector("p")).fontSize].join()""")
        )
    assert len(set(looks)) == 3, looks


def test_who_opens_the_page_later_is_not_interrupted(page: Page, node: Node, newsroom: Newsroom) -> None:
    """It stands there to be read, as everything else does."""
    newsroom.story()
    newsroom.notice("Dam has broken", urgency=1)
    open_live(page, node.url)
    expect(page.locator("#notice")).to_contain_text("Dam has broken")
    expect(page.locator("p.unseen[role=alert]")).to_have_text("")


def test_a_dismissed_notice_stays_away_and_the_next_comes(
    context: BrowserContext, story_page: Page, node: Node, newsroom: Newsroom
) -> None:
    newsroom.notice("Dam has broken")
    notice = story_page.locator("#notice > .notice")
    expect(notice).to_contain_text("Dam has broken")
    story_page.get_by_role("button", name="Dismiss this notice").click()
    expect(notice).to_have_count(0)
    open_live(story_page, f"{node.url}/story/flood")
    expect(notice).to_have_count(0)
    other = context.new_page()
    open_live(other, node.url)
    expect(other.locator("#notice > .notice")).to_have_count(0)
    newsroom.notice("Dam has broken, two villages flooded")  # a newer version
    for page in (story_page, other):
        expect(page.locator("#notice")).to_contain_text("two villages flooded")
    story_page.get_by_role("button", name="Dismiss this notice").press("Enter")
    expect(notice).to_have_count(0)
    newsroom.clear_notice()
    newsroom.notice("Polls have closed")  # another notice
    expect(notice).to_contain_text("Polls have closed")
    open_live(story_page, f"{node.url}/story/flood")
    expect(notice).to_contain_text("Polls have closed")


def test_the_same_words_again_are_another_notice(story_page: Page, newsroom: Newsroom) -> None:
    notice = story_page.locator("#notice > .notice")
    newsroom.notice("Dam has broken")
    story_page.get_by_role("button", name="Dismiss this notice").click()
    expect(notice).to_have_count(0)
    newsroom.clear_notice()
    newsroom.notice("Dam has broken")
    expect(notice).to_contain_text("Dam has broken")


def test_it_never_covers_what_is_read(story_page: Page, newsroom: Newsroom) -> None:
    masthead, read = story_page.locator(".masthead"), story_page.locator("#story .body p").nth(20)
    newsroom.notice("At the top of the page")
    notice = story_page.locator("#notice > .notice")
    expect(notice).to_contain_text("At the top")
    banner, above, below = box_of(notice), box_of(masthead), box_of(story_page.locator("#main"))
    assert above["y"] + above["height"] <= banner["y"]
    assert banner["y"] + banner["height"] <= below["y"]
    newsroom.clear_notice()
    expect(notice).to_have_count(0)
    read.evaluate("each => scrollTo({ top: each.getBoundingClientRect().top + scrollY - 2, behavior: 'instant' })")
    eventually(lambda: abs(box_of(read)["y"] - 2) < 1)
    newsroom.notice("In the middle of the story", urgency=1)
    expect(notice).to_be_in_viewport()
    banner = box_of(notice)
    eventually(lambda: box_of(read)["y"] >= banner["y"] + banner["height"])
    before = box_of(read)["y"]
    newsroom.clear_notice()
    expect(notice).to_have_count(0)
    assert abs(box_of(read)["y"] - before) <= 1


@pytest.mark.parametrize("hours", [-7, 7])
def test_it_expires_on_the_servers_time(browser: Browser, node: Node, newsroom: Newsroom, hours: int) -> None:
    newsroom.story()
    context = browser.new_context()
    page = context.new_page()
    page.clock.install(time=now() + timedelta(hours=hours))
    open_live(page, node.url)
    newsroom.notice("For a moment only", seconds=3)
    notice = page.locator("#notice > .notice")
    expect(notice).to_contain_text("For a moment only")
    moment = datetime.fromisoformat(str(notice.get_attribute("data-expires")))
    expect(notice).to_have_count(0)
    assert timedelta() <= now() - moment < timedelta(seconds=2)
    context.close()


# The alerts that a reader may ask for


def settings(page: Page) -> Locator:
    return page.get_by_role("dialog", name="Breaking news alerts")


def wish(page: Page, **wishes: Any) -> None:
    """Fills in the dialog and saves it."""
    page.get_by_role("button", name="Alerts").click()
    dialog = settings(page)
    for name, value in wishes.items():
        field = dialog.locator(f"[name={name}]")
        if name == "threshold":
            field.select_option(value)
        elif isinstance(value, bool):
            field.set_checked(value)
        else:
            field.fill(value)
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_be_hidden()


@pytest.fixture
def listener(context: BrowserContext, node: Node, newsroom: Newsroom) -> Page:
    """A reader's page that records what is raised in it."""
    context.grant_permissions(["notifications"])
    context.add_init_script(RECORD_ALERTS)
    newsroom.story()
    page = context.new_page()
    open_live(page, node.url)
    return page


def raised(page: Page) -> tuple[list[list[str]], int]:
    return page.evaluate("raised"), page.evaluate("tones")


def put_up(page: Page, newsroom: Newsroom, text: str, urgency: int) -> None:
    """Returns once the reader's page has told of it: what it raises, it has raised by then or does soon."""
    newsroom.notice(text, urgency=urgency)
    expect(page.locator("#notice")).to_contain_text(text)


def test_the_dialog_opens_and_closes_by_keyboard(listener: Page) -> None:
    button = listener.get_by_role("button", name="Alerts")
    button.focus()
    listener.keyboard.press("Enter")
    expect(settings(listener)).to_be_visible()
    expect(listener.get_by_label("with a sound")).to_be_focused()
    listener.keyboard.press("Space")
    listener.keyboard.press("Escape")
    expect(settings(listener)).to_be_hidden()
    expect(button).to_be_focused()
    listener.keyboard.press("Enter")
    expect(listener.get_by_label("with a sound")).not_to_be_checked()  # left without saving


def test_the_choices_are_remembered(listener: Page, node: Node) -> None:
    wish(listener, sound=True, desktop=True, threshold="3", quietFrom="22:30", quietTo="06:45")
    open_live(listener, node.url)
    listener.get_by_role("button", name="Alerts").click()
    dialog = settings(listener)
    for name in ("sound", "desktop"):
        expect(dialog.locator(f"[name={name}]")).to_be_checked()
    for name, value in {"threshold": "3", "quietFrom": "22:30", "quietTo": "06:45"}.items():
        expect(dialog.locator(f"[name={name}]")).to_have_value(value)
    dialog.get_by_role("button", name="Cancel").click()
    wish(listener, sound=False, desktop=False)
    assert not listener.evaluate("localStorage.getItem('live.alerts')")


def test_nothing_is_raised_unasked(listener: Page, newsroom: Newsroom) -> None:
    put_up(listener, newsroom, "Dam has broken", 1)
    expect(listener.locator("p.unseen[role=alert]")).to_have_text("Breaking: Dam has broken")
    assert raised(listener) == ([], 0)
    assert not listener.evaluate("performance.getEntriesByType('resource').some(each => each.name.includes('alert'))")


def test_the_threshold_decides_what_is_raised(listener: Page, newsroom: Newsroom) -> None:
    wish(listener, sound=True, desktop=True, threshold="2")
    heard = listener.evaluate("tones")  # the dialog lets hear it
    assert heard == 2
    put_up(listener, newsroom, "Roads are wet", 3)
    put_up(listener, newsroom, "Dam has broken", 2)
    eventually(lambda: raised(listener) == ([["Breaking", "Dam has broken"]], heard + 2))
    put_up(listener, newsroom, "Dam is gone", 1)
    eventually(lambda: raised(listener)[0][-1] == ["Breaking", "Dam is gone"])


def test_only_what_is_asked_for_is_raised(listener: Page, newsroom: Newsroom) -> None:
    wish(listener, desktop=True, threshold="1")
    put_up(listener, newsroom, "Roads are closed", 2)
    put_up(listener, newsroom, "Dam has broken", 1)
    eventually(lambda: raised(listener) == ([["Breaking", "Dam has broken"]], 0))


def test_quiet_hours_are_quiet_over_midnight(listener: Page, newsroom: Newsroom) -> None:
    """By the reader's clock, from half an hour ago: for an hour, then until a moment ago."""
    here = listener.evaluate("[new Date().getHours(), new Date().getMinutes()]")
    clock = datetime(2026, 1, 1, *here)

    def at(minutes: int) -> str:
        return (clock + timedelta(minutes=minutes)).strftime("%H:%M")

    wish(listener, desktop=True, threshold="3", quietFrom=at(-30), quietTo=at(30))
    put_up(listener, newsroom, "In the night", 1)
    wish(listener, quietFrom=at(30), quietTo=at(-30))  # the other hours of the day: over midnight, but for now
    put_up(listener, newsroom, "In the morning", 1)
    eventually(lambda: raised(listener)[0] == [["Breaking", "In the morning"]])


def test_two_tabs_raise_it_once(context: BrowserContext, listener: Page, node: Node, newsroom: Newsroom) -> None:
    wish(listener, desktop=True, threshold="3")
    other = context.new_page()
    open_live(other, node.url)
    for text in ("Dam has broken", "Dam is gone"):
        put_up(listener, newsroom, text, 1)
        expect(other.locator("#notice")).to_contain_text(text)
        eventually(lambda text=text: [text] == _texts(listener, other)[-1:])  # type: ignore[misc]
    assert _texts(listener, other) == ["Dam has broken", "Dam is gone"]


def _texts(*pages: Page) -> list[str]:
    return sorted(body for page in pages for _, body in page.evaluate("raised"))


def test_a_browser_that_refuses_is_told_of(context: BrowserContext, story_page: Page) -> None:
    context.clear_permissions()
    story_page.evaluate("Notification.requestPermission = async () => 'denied'")
    story_page.get_by_role("button", name="Alerts").click()
    story_page.get_by_label("with a desktop notification").click()
    expect(story_page.locator("#alert-settings-hint")).to_have_text(re.compile("does not let this site"))
    expect(story_page.get_by_label("with a desktop notification")).not_to_be_checked()
