"""Every kind of update as a reader's page shows it, and the address that each can be handed on by."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.newsroom import Newsroom
from tests.browser.reading import open_live, update_texts
from tests.node import Node

PICTURE = {
    "src": "/static/latest/demo/train.svg",
    "alt": "A queue at a bus stop",
    "caption": "At one o'clock.",
    "credit": "Photo: Dora Finch",
    "width": 800,
    "height": 450,
}
WRITING = """
**Why it matters:** The bridge is the only one.

- Two halls are open.
- The hospital takes emergencies only.

> We can rebuild a quay.
>
> — Mara Lind, lock keeper
"""


@pytest.fixture(autouse=True)
def nothing_to_complain_of(complaints: list[str]) -> Iterator[None]:
    """Every test ends without script errors or violations of the policy."""
    yield
    assert complaints == []


@pytest.fixture
def story_page(page: Page, node: Node, newsroom: Newsroom) -> Page:
    newsroom.story()
    open_live(page, f"{node.url}/story/flood")
    return page


def test_key_events_come_into_the_jump_list_and_leave_it(story_page: Page, newsroom: Newsroom) -> None:
    heading = story_page.get_by_role("heading", name="Key events")
    events = story_page.locator("#key-events > li")
    newsroom.update("Only an aside.")
    expect(story_page.locator("#updates > article")).to_have_count(1)
    expect(heading).to_be_hidden()
    first = newsroom.update("The dam has broken.", keyEvent=True)
    expect(heading).to_be_visible()
    second = newsroom.update("They left.", headline="The quarter is empty", keyEvent=True)
    for _ in ("as it came", "as the server writes it"):
        expect(events.locator("a")).to_have_text(["The quarter is empty", "The dam has broken."])
        expect(events.locator("live-time")).to_have_count(2)
        story_page.reload()
    newsroom.edit_update(first, body="The upper dam has broken.")
    expect(events.locator("a")).to_have_text(["The quarter is empty", "The upper dam has broken."])
    newsroom.edit_update(first, keyEvent=False)
    expect(events.locator("a")).to_have_text(["The quarter is empty"])
    newsroom.retract(second, "Some are still there.")
    expect(events).to_have_count(0)
    expect(heading).to_be_hidden()


def test_the_jump_list_leads_to_its_update(story_page: Page, newsroom: Newsroom) -> None:
    event = newsroom.update("The dam has broken.", keyEvent=True)
    for number in range(12):
        newsroom.update(f"Number {number}.")
    expect(story_page.locator("#updates > article")).to_have_count(13)
    expect(story_page.locator(f"#u-{event}")).not_to_be_in_viewport()
    story_page.get_by_role("link", name="The dam has broken.").click()
    expect(story_page.locator(f"#u-{event}:target")).to_be_in_viewport()


def test_a_key_event_of_long_ago_leaves_the_list_at_once(page: Page, node: Node, newsroom: Newsroom) -> None:
    """It is further back than the page goes, and the reader is further down than where news comes in."""
    newsroom.story()
    event = newsroom.update("The dam has broken.", keyEvent=True)
    for number in range(55):
        newsroom.update(f"Number {number}.")
    open_live(page, f"{node.url}/story/flood")
    events = page.locator("#key-events a")
    expect(events).to_have_text("The dam has broken.")
    expect(page.locator(f"#u-{event}")).to_have_count(0)
    page.locator("#updates > article").last.scroll_into_view_if_needed()
    newsroom.retract(event, "It holds.")
    expect(events).to_have_count(0)
    expect(page.locator("body")).not_to_contain_text("The dam has broken.", use_inner_text=True)


def test_what_we_know_now_stays_apart_from_the_flow(story_page: Page, newsroom: Newsroom) -> None:
    newsroom.update("The first thing.")
    summary = newsroom.update("What we know now: little.", pinned=True)
    newsroom.update("The second thing.")
    pinned = story_page.locator("#pinned > article")
    expect(story_page.locator("#updates > article")).to_have_count(2)
    expect(pinned).to_have_count(1)
    expect(pinned.locator(".mark")).to_have_text("Pinned")
    box, below = pinned.bounding_box(), story_page.locator("#updates").bounding_box()
    assert box and below
    assert box["y"] + box["height"] <= below["y"]
    newsroom.edit_update(summary, body="What we know now: more.")
    expect(pinned.locator(".body")).to_have_text("What we know now: more.")
    newsroom.edit_update(summary, pinned=False)
    expect(pinned).to_have_count(0)
    expect(story_page.locator("#updates .body")).to_have_text(
        ["The second thing.", "What we know now: more.", "The first thing."]
    )


def test_a_correction_has_its_mark_its_note_and_its_time(story_page: Page, newsroom: Newsroom) -> None:
    update = newsroom.update("Forty people.")
    shown = story_page.locator(f"#u-{update}")
    newsroom.edit_update(update, body="Fourteen people.", correction="An earlier version said forty.")
    for _ in ("as it came", "as the server writes it"):
        expect(shown.locator(".mark")).to_have_text("Corrected")
        note = shown.locator(".correction")
        expect(note).to_have_text(re.compile(r"Correction, Just now: An earlier version said forty\."))
        assert re.fullmatch(r"\d+ \w{3} \d{4}, \d\d:\d\d UTC", note.locator("time").get_attribute("title") or "")
        assert update_texts(story_page) == ["Fourteen people."]
        story_page.reload()


def test_a_withdrawn_update_is_a_notice_with_its_reason(story_page: Page, newsroom: Newsroom) -> None:
    update = newsroom.update("This is not so.", headline="A rumour", image=PICTURE, keyEvent=True)
    shown = story_page.locator(f"#u-{update}")
    expect(shown.locator("img")).to_have_count(1)
    newsroom.retract(update, "The source took it back.")
    for _ in ("as it came", "as the server writes it"):
        notice = shown.locator(".withdrawal")
        expect(notice).to_have_text(re.compile(r"This update was withdrawn\. The source took it back\. Just now"))
        expect(shown.locator("img, h3, .mark, .body")).to_have_count(0)
        assert "This is not so." not in story_page.content()
        assert "A rumour" not in story_page.content()
        story_page.reload()


def test_a_picture_keeps_its_place_and_waits_to_be_near(story_page: Page, newsroom: Newsroom) -> None:
    update = newsroom.update("The market is full.", image=PICTURE)
    figure = story_page.locator(f"#u-{update} figure")
    for _ in ("as it came", "as the server writes it"):
        picture = figure.get_by_role("img", name="A queue at a bus stop")
        expect(picture).to_have_js_property("complete", True)
        expect(figure.locator(".caption")).to_have_text("At one o'clock.")
        expect(figure.locator(".credit")).to_have_text("Photo: Dora Finch")
        names = ("width", "height", "loading")
        assert [picture.get_attribute(name) for name in names] == ["800", "450", "lazy"]
        box = picture.bounding_box()
        assert box
        assert abs(box["width"] / box["height"] - 800 / 450) < 0.01
        story_page.reload()


def test_a_picture_that_never_comes_has_its_room(story_page: Page, node: Node, newsroom: Newsroom) -> None:
    """The text below it does not move when the picture comes: its room is there before."""
    story_page.route("**/train.svg", lambda route: None)  # it stays under way
    update = newsroom.update("The market is full.", image=PICTURE)
    box = story_page.locator(f"#u-{update} img").bounding_box()
    assert box
    assert abs(box["width"] / box["height"] - 800 / 450) < 0.01


def test_quotes_bullets_and_labels_are_told_apart(story_page: Page, newsroom: Newsroom) -> None:
    update = newsroom.update(WRITING)
    body = story_page.locator(f"#u-{update} .body")
    expect(body.locator("strong.label")).to_have_text("Why it matters:")
    expect(body.get_by_role("listitem")).to_have_text(["Two halls are open.", "The hospital takes emergencies only."])
    expect(body.locator("blockquote > p")).to_have_text("We can rebuild a quay.")
    expect(body.locator("blockquote > footer")).to_have_text("— Mara Lind, lock keeper")
    fonts = "each => getComputedStyle(each).fontFamily"
    assert body.locator("strong.label").evaluate(fonts) != body.evaluate(fonts)


def _clipboard(page: Page) -> str:
    text: str = page.evaluate("navigator.clipboard.readText()")
    return text


def test_copy_link_hands_on_an_address_that_leads_there(
    context: BrowserContext, story_page: Page, node: Node, newsroom: Newsroom
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    update = newsroom.update("The first thing.")
    for number in range(15):
        newsroom.update(f"Number {number}.")
    shown = story_page.locator(f"#u-{update}")
    button = shown.locator("button.share")
    expect(button).to_have_text("Copy link")
    button.click()
    expect(button).to_have_text("Link copied")
    expect(story_page.get_by_role("status").filter(has_text="Link copied")).to_have_count(1, timeout=8_000)
    address = _clipboard(story_page)
    assert address == f"{node.url}/story/flood#u-{update}"
    assert shown.locator("a.permalink").evaluate("link => link.href") == address
    expect(button).to_have_text("Copy link")
    other = context.new_page()
    open_live(other, address)
    target = other.locator(f"#u-{update}")
    expect(target).to_be_in_viewport()
    assert target.evaluate("each => each.matches(':target')")
    assert target.evaluate("each => getComputedStyle(each).boxShadow") != "none"
    box = target.bounding_box()
    assert box
    assert box["y"] > 0


def test_no_copy_button_without_javascript(page: Page, node: Node, newsroom: Newsroom) -> None:
    """The time is the permalink there; a button that does nothing would only stand in the way."""
    newsroom.story()
    newsroom.update("The first thing.")
    assert page.context.browser
    bare = page.context.browser.new_context(java_script_enabled=False)
    reader = bare.new_page()
    reader.goto(f"{node.url}/story/flood")
    expect(reader.locator("a.permalink")).to_be_visible()
    expect(reader.locator("button.share")).to_be_hidden()
    bare.close()
