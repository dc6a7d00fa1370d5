"""An editor posts over HTTP; a reader's open page shows it."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from live.model import now
from live.render import rfc3339
from tests.browser.newsroom import Newsroom
from tests.browser.reading import open_live, update_texts
from tests.conftest import StartNode
from tests.node import Node, eventually

WITHIN_A_SECOND = 1_000


@pytest.fixture(autouse=True)
def nothing_to_complain_of(complaints: list[str]) -> Iterator[None]:
    """Every test ends without script errors or violations of the policy."""
    yield
    assert complaints == []


def test_update_appears_in_place_once_newest_first(story_page: Page, newsroom: Newsroom) -> None:
    newsroom.update("The first thing.")
    expect(story_page.locator("#updates")).to_contain_text("The first thing.", timeout=WITHIN_A_SECOND)
    newsroom.update("The second thing.", headline="Bridge shut", keyEvent=True)
    expect(story_page.locator("#updates > article")).to_have_count(2)
    assert update_texts(story_page) == ["The second thing.", "The first thing."]
    assert story_page.locator("#updates h3", has_text="Bridge shut").is_visible()


def test_posted_at_one_node_appears_at_the_other_once(
    page: Page, node: Node, start_node: StartNode, newsroom: Newsroom
) -> None:
    newsroom.story()
    other = start_node()
    open_live(page, f"{other.url}/story/flood")
    newsroom.update("Across the nodes.")
    expect(page.locator("#updates")).to_contain_text("Across the nodes.", timeout=WITHIN_A_SECOND)
    assert update_texts(page) == ["Across the nodes."]


def test_page_resumes_after_its_node_was_killed(
    page: Page, node: Node, start_node: StartNode, newsroom: Newsroom
) -> None:
    newsroom.story()
    other = start_node()
    open_live(page, f"{other.url}/story/flood")
    newsroom.update("Number 0.")
    expect(page.locator("#updates > article")).to_have_count(1)
    other.kill()
    expect(page.locator("live-status")).to_have_text("Reconnecting…")
    for number in range(1, 6):
        newsroom.update(f"Number {number}.")
    other.start()
    expect(page.locator("live-status")).to_have_text("Live", timeout=30_000)
    expect(page.locator("#updates > article")).to_have_count(6)
    newsroom.update("Number 6.")
    expect(page.locator("#updates > article")).to_have_count(7)
    assert update_texts(page) == [f"Number {number}." for number in range(6, -1, -1)]


def test_silent_edit_changes_the_text_in_place(story_page: Page, newsroom: Newsroom) -> None:
    update = newsroom.update("Teh bridge.")
    newsroom.update("Something later.")
    newsroom.edit_update(update, body="The bridge.")
    expect(story_page.locator(f"#u-{update} .body")).to_have_text("The bridge.")
    assert update_texts(story_page) == ["Something later.", "The bridge."]
    assert story_page.locator(".correction").count() == 0


def test_correction_shows_its_note(story_page: Page, newsroom: Newsroom) -> None:
    update = newsroom.update("Forty people.")
    newsroom.edit_update(update, body="Fourteen people.", correction="An earlier version said forty.")
    expect(story_page.locator(f"#u-{update} .correction")).to_contain_text("An earlier version said forty.")
    assert update_texts(story_page) == ["Fourteen people."]


def test_retraction_replaces_the_text(story_page: Page, node: Node, newsroom: Newsroom) -> None:
    update = newsroom.update("This is not so.")
    expect(story_page.locator(f"#u-{update}")).to_contain_text("This is not so.")
    newsroom.retract(update, "The source took it back.")
    expect(story_page.locator(f"#u-{update}")).to_contain_text("The source took it back.", timeout=WITHIN_A_SECOND)
    assert "This is not so." not in story_page.content()
    open_live(story_page, f"{node.url}/story/flood")
    expect(story_page.locator(f"#u-{update}")).to_contain_text("withdrawn")
    assert "This is not so." not in story_page.content()


def test_draft_that_goes_out_is_on_top(story_page: Page, newsroom: Newsroom) -> None:
    draft = newsroom.update("Held back.", pubStatus="withheld")
    newsroom.update("In between.")
    expect(story_page.locator("#updates > article")).to_have_count(1)
    newsroom.edit_update(draft, pubStatus="usable")
    expect(story_page.locator("#updates > article")).to_have_count(2)
    assert update_texts(story_page) == ["Held back.", "In between."]
    story_page.reload()
    assert update_texts(story_page) == ["Held back.", "In between."]


def test_pinned_update_stands_apart(story_page: Page, newsroom: Newsroom) -> None:
    newsroom.update("What we know now.", pinned=True)
    expect(story_page.locator("#pinned")).to_contain_text("What we know now.")
    newsroom.update("Something later.")
    expect(story_page.locator("#updates > article")).to_have_count(1)


def test_story_changes_in_place(story_page: Page, newsroom: Newsroom) -> None:
    newsroom.edit_story(headline="A better headline", body="**Why it matters:** it does.")
    expect(story_page.locator("#story h1")).to_have_text("A better headline")
    expect(story_page.locator("#story strong.label")).to_have_text("Why it matters:")
    newsroom.edit_story(pubStatus="canceled")
    expect(story_page.locator("#story")).to_contain_text("withdrawn")
    assert "A better headline" not in story_page.locator("main").inner_text()


def test_front_and_section_pages_move_the_active_story_up(
    context: BrowserContext, node: Node, newsroom: Newsroom
) -> None:
    newsroom.story("flood")
    newsroom.story("vote", sections=["Politics"])
    front, world = context.new_page(), context.new_page()
    open_live(front, node.url)
    open_live(world, f"{node.url}/section/world")
    expect(front.locator("#stream > article").first).to_contain_text("Headline of vote")
    newsroom.update("New in the flood.")
    expect(front.locator("#stream > article").first).to_contain_text("Headline of flood")
    expect(front.locator("#stream > article")).to_have_count(2)
    newsroom.story("quake")
    expect(front.locator("#stream > article").first).to_contain_text("Headline of quake")
    expect(world.locator("#stream > article").first).to_contain_text("Headline of quake")
    newsroom.edit_story("flood", sections=["Politics"])
    expect(world.locator("#stream > article")).to_have_count(1)


def test_notice_appears_and_goes_on_every_page(context: BrowserContext, node: Node, newsroom: Newsroom) -> None:
    newsroom.story()
    pages = [context.new_page() for _ in range(3)]
    for page, path in zip(pages, ("/", "/section/world", "/story/flood"), strict=True):
        open_live(page, node.url + path)
    newsroom.notice("Dam has broken", story="flood", urgency=1)
    newsroom.promo("Read the briefing")
    for page in pages:
        expect(page.locator("#notice")).to_contain_text("Dam has broken", timeout=WITHIN_A_SECOND)
        expect(page.locator("#notice a")).to_have_attribute("href", "/story/flood")
        expect(page.locator("#promo")).to_contain_text("Read the briefing")
    newsroom.clear_notice()
    for page in pages:
        expect(page.locator("#notice > *")).to_have_count(0, timeout=WITHIN_A_SECOND)


def test_notice_in_force_greets_who_comes_later_and_expires(page: Page, node: Node, newsroom: Newsroom) -> None:
    newsroom.story()
    newsroom.notice("For a moment only", seconds=4)
    open_live(page, node.url)
    expect(page.locator("#notice")).to_contain_text("For a moment only")
    expect(page.locator("#notice > *")).to_have_count(0, timeout=8_000)


def test_lost_log_gives_a_fresh_page(page: Page, node: Node, start_node: StartNode, newsroom: Newsroom) -> None:
    newsroom.story()
    other = start_node(ring=1, retention=10)
    open_live(page, f"{other.url}/story/flood")
    other.kill()
    for number in range(150):  # more than the log keeps (it is trimmed a block at a time)
        newsroom.update(f"Missed {number}.")
    trimming = Newsroom(newsroom.client)
    trimming.client.base_url = start_node(retention=10).url
    for number in range(150):
        trimming.update(f"Trimmed {number}.")
    other.start()
    expect(page.locator("#updates > article").first).to_contain_text("Trimmed 149.", timeout=30_000)
    shown = update_texts(page)
    assert len(shown) >= 50
    assert shown == [f"Trimmed {number}." for number in reversed(range(150))][: len(shown)]


def test_tickers_run_on_server_time(browser: Browser, node: Node, newsroom: Newsroom) -> None:
    newsroom.story()
    for hours in (-5, 5):
        context = browser.new_context()
        page = context.new_page()
        page.clock.install(time=now() + timedelta(hours=hours))
        open_live(page, f"{node.url}/story/flood")
        time = page.locator("#story live-time time").first
        expect(time).to_have_text("Just now")
        assert re.match(r"\d+ \w{3} \d{4}, \d\d:\d\d UTC", time.get_attribute("title") or "")
        page.clock.fast_forward("03:05")
        expect(time).to_have_text(re.compile("[34] mins ago"))
        context.close()


def test_words_for_times_near_and_far(page: Page, node: Node, newsroom: Newsroom) -> None:
    newsroom.story()
    open_live(page, f"{node.url}/story/flood")
    steps = (
        (30, "Just now"),
        (61, "1 min ago"),
        (190, "3 mins ago"),
        (3700, "1 hour ago"),
        (3 * 3600 + 9, "3 hours ago"),
    )
    for seconds, words in steps:
        moment = rfc3339(now() - timedelta(seconds=seconds))
        page.evaluate(
            """moment => { const time = document.createElement('time'); time.dateTime = moment;
            const live = document.createElement('live-time'); live.id = 'probe'; live.append(time);
            document.getElementById('probe')?.remove(); document.querySelector('main').append(live); }""",
            moment,
        )
        expect(page.locator("#probe")).to_have_text(words)


def test_without_javascript_everything_is_there(browser: Browser, node: Node, newsroom: Newsroom) -> None:
    newsroom.story(by=[{"name": "Ada Brandt", "note": "covers floods"}], notice="Check back.")
    newsroom.update("Readable without scripts.")
    newsroom.notice("Dam has broken")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()

    def shows() -> bool:
        page.goto(f"{node.url}/story/flood")
        return "Readable without scripts." in page.locator("#updates").inner_text()

    eventually(shows)
    text = page.locator("body").inner_text()
    for part in ("Headline of flood", "Ada Brandt", "covers floods", "Check back.", "Dam has broken"):
        assert part in text
    assert re.search(r"\d+ \w{3} \d{4}, \d\d:\d\d UTC", page.locator("#updates time").inner_text())
    assert not page.locator("live-status").is_visible()
    context.close()


def test_browser_event_source_speaks_to_the_stream(page: Page, node: Node, newsroom: Newsroom) -> None:
    newsroom.story()
    open_live(page, f"{node.url}/story/flood")
    page.evaluate(
        """() => { globalThis.seen = []; const source = new EventSource('/stream?topics=story/flood&as=json');
        source.onmessage = event => seen.push({...JSON.parse(event.data), last: event.lastEventId}); }"""
    )
    eventually(lambda: page.evaluate("seen.length"))
    newsroom.update("By event source.")
    update = eventually(lambda: page.evaluate("seen.find(message => message.type === 'update')"))
    assert update["item"]["body"] == "By event source."
    assert update["last"] == update["id"]


def test_scripts_in_text_do_not_run(page: Page, node: Node, newsroom: Newsroom) -> None:
    attack = '<img src=x onerror="globalThis.pwned=1"><script>pwned=1</script><svg onload=pwned=1>\'"><b>'
    newsroom.story(headline=attack, body=attack, by=[{"name": attack, "note": attack}], notice=attack)
    open_live(page, f"{node.url}/story/flood")
    newsroom.update(attack, headline=attack)
    newsroom.notice(attack)
    newsroom.promo(attack)
    newsroom.edit_story(headline=attack + "2")
    expect(page.locator("#story h1")).to_have_text(attack + "2")
    expect(page.locator("#updates > article")).to_have_count(1)
    expect(page.locator("#notice")).to_contain_text("<script>")
    assert page.evaluate("globalThis.pwned") is None
    assert page.locator("main script, main svg, main img, #notice b").count() == 0
