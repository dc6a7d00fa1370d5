"""The reader's place in a story: what is read, focused or selected stays so, whatever comes in above it."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import FloatRect, Locator, Page, expect

from tests.browser.newsroom import Newsroom
from tests.browser.reading import open_live, update_texts
from tests.node import Node, eventually

FIRST = "#updates > article:first-child"
BUTTON = "#arrivals button"
LONG = "The gauge at the bridge reads nine metres and rises. " * 60
HIDE = """hidden => { Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
document.dispatchEvent(new Event('visibilitychange')); }"""
SHIFTS = """() => { globalThis.shifts = []; new PerformanceObserver(list => shifts.push(...list.getEntries()))
.observe({ type: 'layout-shift' }); }"""
SHIFTED = "shifts.filter(shift => !shift.hadRecentInput).reduce((sum, shift) => sum + shift.value, 0)"
TWO_FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"
SAID = """() => { globalThis.said = []; for (const role of ['status', 'alert']) {
  const region = document.querySelector(`p.unseen[role=${role}]`);
  new MutationObserver(() => said.push([role, region.textContent])).observe(region, { childList: true });
} }"""


@pytest.fixture(autouse=True)
def nothing_to_complain_of(complaints: list[str]) -> Iterator[None]:
    """Every test ends without script errors or violations of the policy."""
    yield
    assert complaints == []


@pytest.fixture
def known(page: Page, node: Node, newsroom: Newsroom) -> Page:
    """A story of sixty updates, open at its top: ten of them are further back than the page goes."""
    newsroom.story()
    for number in range(60):
        newsroom.update(f"Known {number}. The water rises.")
    open_live(page, f"{node.url}/story/flood")
    expect(page.locator("#updates > article")).to_have_count(50)
    return page


def update(page: Page, number: int) -> Locator:
    return page.locator("#updates > article", has_text=f"Known {number}.")


def id_of(article: Locator) -> str:
    return (article.get_attribute("id") or "").removeprefix("u-")


def read(page: Page, number: int) -> Locator:
    """Puts an update at the middle of the screen without any input, with its link focused and words of it selected."""
    article = update(page, number)
    article.evaluate("article => article.scrollIntoView({ block: 'center' })")
    article.locator("a.permalink").evaluate("link => link.focus({ preventScroll: true })")
    article.locator(".body p").evaluate(
        "({ firstChild }) => getSelection().setBaseAndExtent(firstChild, 0, firstChild, 5)"
    )
    page.evaluate(TWO_FRAMES)
    return article


def box(article: Locator) -> FloatRect:
    found = article.bounding_box()
    assert found
    return found


def is_where_it_was(article: Locator, before: FloatRect) -> None:
    page = article.page
    page.evaluate(TWO_FRAMES)
    assert abs(box(article)["y"] - before["y"]) <= 1
    assert page.evaluate("getSelection().toString()") == "Known"
    expect(article.locator("a.permalink")).to_be_focused()


@pytest.mark.parametrize("anchoring", ["auto", "none"])
def test_news_of_every_kind_shifts_nothing(known: Page, newsroom: Newsroom, anchoring: str) -> None:
    """Also in browsers that do not hold the place by themselves (`overflow-anchor`), as Safari does not."""
    known.evaluate("anchoring => document.documentElement.style.overflowAnchor = anchoring", anchoring)
    reading = read(known, 40)
    before = box(reading)
    above, other = (id_of(update(known, number)) for number in (55, 54))
    known.evaluate(SHIFTS)
    for number in range(50):
        newsroom.update(f"New {number}. {LONG}", keyEvent=number % 5 == 0, pinned=number == 10)
    expect(known.locator(BUTTON)).to_have_text("50 new updates")
    is_where_it_was(reading, before)
    assert known.evaluate(SHIFTED) == 0
    changes: list[tuple[str, Callable[[], None]]] = [
        (f"#u-{above} h3", lambda: newsroom.edit_update(above, headline="An event after all")),
        (f"#u-{above} .mark-key", lambda: newsroom.edit_update(above, keyEvent=True)),
        (f"#u-{other} .withdrawal", lambda: newsroom.retract(other, "It was a rumour. " * 20)),
        ("#story p:nth-child(2)", lambda: newsroom.edit_story(body=f"{LONG}\n\n{LONG}")),
    ]
    for shown, change in changes:
        change()
        expect(known.locator(shown)).to_be_attached()
        is_where_it_was(reading, before)
        assert known.evaluate(SHIFTED) == 0, shown
    newsroom.edit_update(above, keyEvent=False)
    expect(known.locator(f"#u-{above} .mark-key")).to_have_count(0)
    is_where_it_was(reading, before)
    reading.evaluate("article => article.style.marginTop = '99px'")
    eventually(lambda: known.evaluate(SHIFTED) > 0)  # a shift would have been seen


def test_an_edit_of_what_is_read_keeps_focus_and_selection(known: Page, newsroom: Newsroom) -> None:
    reading = read(known, 40)
    before = box(reading)
    newsroom.edit_update(id_of(reading), body="Known 40. The water rises.\n\nAnd it goes on.", headline="Longer")
    expect(reading).to_contain_text("And it goes on.")
    expect(reading.locator("h3")).to_have_text("Longer")
    assert known.evaluate("getSelection().toString()") == "Known"
    expect(reading.locator("a.permalink")).to_be_focused()
    assert box(reading)["height"] > before["height"]
    newsroom.edit_update(id_of(reading), correction="It was another gauge.")
    expect(reading.locator(".correction")).to_contain_text("It was another gauge.")
    is_where_it_was(reading, before)
    newsroom.edit_update(id_of(reading), body="An introduction.\n\nKnown 40. The water rises.", headline=None)
    expect(reading.locator("h3")).to_have_count(0)
    expect(reading.locator(".body p")).to_have_text(["An introduction.", "Known 40. The water rises."])
    assert known.evaluate("getSelection().toString()") == "Known"
    expect(reading.locator("a.permalink")).to_be_focused()


def test_back_at_the_top_what_waited_comes_in_and_is_marked(known: Page, newsroom: Newsroom) -> None:
    read(known, 40)
    newsroom.update("One.")
    expect(known.locator(BUTTON)).to_have_text("1 new update")
    known.evaluate("scrollTo(0, 0)")
    expect(known.locator(FIRST)).to_contain_text("One.")
    expect(known.locator(BUTTON)).to_have_count(0)
    dot = "article => getComputedStyle(article.querySelector('.meta'), '::before').content"
    assert known.locator(f"{FIRST}.unread").evaluate(dot) == '""'
    expect(known.locator(FIRST)).not_to_have_class(re.compile("unread"))
    assert known.locator(FIRST).evaluate(dot) == "none"


def test_the_keys_show_where_they_lead(known: Page) -> None:
    known.locator(f"{FIRST} a.permalink").focus()
    known.keyboard.press("PageDown")
    second = known.locator("#updates > article").nth(1)
    expect(second).to_be_focused()
    expect(second).to_be_in_viewport()
    assert second.evaluate("article => getComputedStyle(article).outlineStyle") == "solid"


def test_a_withdrawn_update_no_longer_counts_in_the_title(known: Page, newsroom: Newsroom) -> None:
    title = known.title()
    known.evaluate(HIDE, True)
    newsroom.update("One.")
    rumour = newsroom.update("A rumour.")
    expect(known).to_have_title(f"(2) {title}")
    newsroom.retract(rumour, "It is not so.")
    expect(known).to_have_title(f"(1) {title}")
    known.evaluate(HIDE, False)
    expect(known).to_have_title(title)
    expect(known.locator("#updates > .unread")).to_have_count(2)


def test_only_a_flash_interrupts(known: Page, newsroom: Newsroom) -> None:
    known.evaluate(SAID)
    newsroom.notice("Gates open", urgency=2)
    eventually(lambda: known.evaluate("said") == [["status", "Breaking: Gates open"]])
    newsroom.notice("Dam has broken", urgency=1)
    eventually(lambda: known.evaluate("said.slice(1)") == [["alert", "Breaking: Dam has broken"]])


def test_an_older_part_keeps_to_itself_and_leads_to_what_is_new(known: Page, node: Node, newsroom: Newsroom) -> None:
    open_live(known, f"{node.url}/story/flood?from={id_of(update(known, 30))}")
    assert update_texts(known)[0] == "Known 30. The water rises."
    newsroom.update("Only at the top.")
    expect(known.locator(BUTTON)).to_have_text("1 new update")
    assert update_texts(known)[0] == "Known 30. The water rises."
    known.locator(BUTTON).click()
    known.wait_for_url(f"{node.url}/story/flood")
    expect(known.locator(FIRST)).to_contain_text("Only at the top.")


def test_what_changed_before_it_was_loaded_is_loaded_as_it_is_now(known: Page, newsroom: Newsroom) -> None:
    listed = newsroom.client.get("/api/stories/flood").json()["updates"]
    old = next(each["id"] for each in listed if each["body"].startswith("Known 5."))
    newsroom.edit_update(old, body="Put right.", correction="It was wrong.")
    newsroom.update("Afterwards.")
    expect(known.locator(FIRST)).to_contain_text("Afterwards.")
    expect(known.locator(f"#u-{old}")).to_have_count(0)
    known.get_by_role("link", name="Older updates").click()
    expect(known.locator("#updates > article")).to_have_count(61)
    expect(known.locator(f"#u-{old} .body")).to_have_text("Put right.")
    expect(known.locator("#older a")).to_have_count(0)
    sizes = known.locator("#updates > article").evaluate_all("all => all.map(one => one.ariaSetSize)")
    assert set(sizes) == {"61"}


def test_on_paper_there_is_no_button_and_all_of_the_text(known: Page, newsroom: Newsroom) -> None:
    read(known, 40)
    newsroom.edit_update(id_of(update(known, 40)), correction="It was wrong.")
    newsroom.update("Waiting.")
    expect(known.locator(BUTTON)).to_be_visible()
    expect(update(known, 40).locator(".correction")).to_be_visible()
    known.emulate_media(media="print")
    assert known.get_by_role("button").count() == 0
    for text in (known.locator("#story h1"), update(known, 40).locator(".correction"), update(known, 11)):
        expect(text).to_be_visible()
