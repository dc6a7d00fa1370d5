"""An open page through bad networks, sleep and restarts of nodes: it goes on, says how it is, and misses nothing."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from live.model import now
from tests.browser.conftest import FLAGS
from tests.browser.newsroom import Newsroom
from tests.browser.proxy import Proxy
from tests.browser.reading import open_live, update_texts
from tests.conftest import StartNode
from tests.node import Node, eventually


@pytest.fixture(autouse=True)
def nothing_to_complain_of(complaints: list[str]) -> Iterator[None]:
    """Every test ends without script errors or violations of the policy."""
    yield
    assert complaints == []


@pytest.fixture
def story(node: Node, newsroom: Newsroom) -> str:
    """A story's path; the node has it."""
    newsroom.story()
    return "/story/flood"


def port_of(node: Node) -> int:
    return int(node.settings["port"])


def numbered(count: int) -> list[str]:
    """Texts of updates in the order that they are posted in."""
    return [f"Number {number}." for number in range(count)]


def post_all(newsroom: Newsroom, texts: list[str]) -> None:
    for text in texts:
        newsroom.update(text)


def expect_newest_first(page: Page, texts: list[str], seconds: float = 10) -> None:
    """The page has just these updates, posted in this order, each once."""
    expect(page.locator("#updates > article .body")).to_have_text(texts[::-1], timeout=seconds * 1_000)


def test_websocket_cut_at_once_gives_way_to_server_sent_events(
    page: Page, node: Node, newsroom: Newsroom, story: str
) -> None:
    with Proxy(port_of(node), cut=("websocket",)) as proxy:
        page.goto(proxy.url + story)
        eventually(lambda: proxy.count("websocket"))
        newsroom.update("Through the firewall.")
        expect(page.locator("#updates")).to_contain_text("Through the firewall.", timeout=5_000)
        eventually(lambda: proxy.count("sse"), 5)
        newsroom.update("And on.")
        expect_newest_first(page, ["Through the firewall.", "And on."])
        expect(page.locator("live-status")).to_have_text("Live")
        assert (proxy.count("websocket"), proxy.count("sse"), proxy.count("poll")) == (2, 1, 0)


def test_where_no_connection_holds_the_page_asks_now_and_then(
    page: Page, node: Node, newsroom: Newsroom, story: str
) -> None:
    with Proxy(port_of(node), cut=("websocket", "sse")) as proxy:
        page.goto(proxy.url + story)
        eventually(lambda: proxy.count("poll"), 25)
        expect(page.locator("live-status")).to_have_text("Updates delayed")
        newsroom.update("By and by.")
        expect_newest_first(page, ["By and by."])
        expect(page.locator("live-status")).to_have_text("Updates delayed")
        assert (proxy.count("websocket"), proxy.count("sse")) == (2, 2)


def test_what_was_posted_while_the_device_was_offline_is_there_after(
    context: BrowserContext, page: Page, node: Node, newsroom: Newsroom, story: str
) -> None:
    page.clock.install()
    open_live(page, node.url + story)
    context.set_offline(True)
    expect(page.locator("live-status")).to_have_text("Reconnecting…")
    post_all(newsroom, numbered(20))
    page.clock.fast_forward("00:21")
    expect(page.locator("live-status")).to_have_text("Updates delayed")
    assert update_texts(page) == []
    context.set_offline(False)
    expect_newest_first(page, numbered(20))
    expect(page.locator("live-status")).to_have_text("Live")


def test_readers_of_a_node_that_stops_go_on_at_another(
    page: Page, node: Node, start_node: StartNode, newsroom: Newsroom, story: str
) -> None:
    nodes = {port_of(each): each for each in (node, start_node(tick_seconds=1))}
    frames: list[str] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: frames.append(str(frame))))
    with Proxy(*nodes) as proxy:
        open_live(page, proxy.url + story)
        first = next(port for kind, port in proxy.seen if kind == "websocket")
        leaving = nodes.pop(first)
        [(second, staying)] = nodes.items()
        newsroom.client.base_url = staying.url
        post_all(newsroom, numbered(5))
        leaving.process.terminate()
        post_all(newsroom, [f"Then {number}." for number in range(5)])
        leaving.stop()
        newsroom.update("At last.")
        expect_newest_first(page, [*numbered(5), *(f"Then {number}." for number in range(5)), "At last."])
        expect(page.locator("live-status")).to_have_text("Live")
        assert [port for kind, port in proxy.seen if kind == "websocket"] == [first, second]
        assert any('"reconnect"' in frame for frame in frames)


def test_device_that_slept_finds_its_dead_link_out_at_once(
    page: Page, node: Node, newsroom: Newsroom, story: str
) -> None:
    with Proxy(port_of(node)) as proxy:
        page.clock.install()
        open_live(page, proxy.url + story)
        hide(page, True)
        proxy.hold()
        post_all(newsroom, numbered(5))
        # The clock that counts while a device sleeps is only the one on the wall.
        page.clock.set_system_time(now() + timedelta(minutes=40))
        assert update_texts(page) == []
        hide(page, False)
        expect_newest_first(page, numbered(5), seconds=2)
        expect(page.locator("live-status")).to_have_text("Live")


def test_page_out_of_the_back_forward_cache_is_live_and_complete(
    browser: Browser, browser_path: str, node: Node, newsroom: Newsroom, story: str
) -> None:
    newsroom.update("Number 0.")
    # Playwright turns the cache off for its own convenience.
    again = browser.browser_type.launch(
        executable_path=browser_path, args=FLAGS, ignore_default_args=["--disable-back-forward-cache"]
    )
    page = again.new_page()
    page.add_init_script("addEventListener('pageshow', event => globalThis.persisted = event.persisted)")
    open_live(page, node.url + story)
    open_live(page, node.url)
    newsroom.update("Number 1.")
    page.go_back(wait_until="commit")  # a page out of the cache has loaded long ago
    assert page.evaluate("persisted") is True
    expect_newest_first(page, numbered(2))
    newsroom.update("Number 2.")
    expect_newest_first(page, numbered(3))
    expect(page.locator("live-status")).to_have_text("Live")
    again.close()


def test_tickers_are_right_after_sleep_and_over_midnight(browser: Browser, node: Node, newsroom: Newsroom) -> None:
    newsroom.story()
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):  # always of different dates
        page = browser.new_page(timezone_id=zone)
        page.clock.install()
        open_live(page, f"{node.url}/story/flood")
        time = page.locator("#story live-time time").first
        moment = datetime.fromisoformat(time.get_attribute("datetime") or "").astimezone(ZoneInfo(zone))
        page.context.set_offline(True)  # else the server would tell that it is not as late as that
        hide(page, True)
        page.clock.fast_forward("40:05")
        assert time.inner_text() == "Just now"
        hide(page, False)
        assert re.fullmatch("4[01] mins ago", time.inner_text())
        page.clock.fast_forward("23:30:00")
        expect(time).to_have_text(re.compile(rf"{moment.day} {moment:%b}( \d{{4}})?"))
        page.close()


def test_times_are_in_the_language_and_direction_of_the_story(page: Page, node: Node, newsroom: Newsroom) -> None:
    newsroom.story("bahr", language="ar", headline="العنوان")
    newsroom.story("flut", language="de")
    page.clock.install()
    for slug, direction, words in (("bahr", "rtl", "قبل 3 دقائق"), ("flut", "ltr", "vor 3 Min.")):
        open_live(page, f"{node.url}/story/{slug}")
        article = page.locator(f"#story-{slug}")
        expect(article).to_have_attribute("dir", direction)
        page.context.set_offline(True)
        page.clock.fast_forward("03:05")
        expect(article.locator("live-time time").first).to_have_text(words)
        page.context.set_offline(False)


def test_site_has_a_language_of_its_own_and_so_have_its_stories(
    page: Page, newsroom: Newsroom, start_node: StartNode
) -> None:
    for language, direction, words in (("ar", "rtl", "الآن"), ("de", "ltr", "jetzt")):
        site = start_node(language=language)
        newsroom.client.base_url = site.url
        newsroom.story(f"in-{language}")
        for path in ("/", f"/story/in-{language}"):
            open_live(page, site.url + path)
            expect(page.locator("html")).to_have_attribute("lang", language)
            assert page.locator("body").evaluate("body => getComputedStyle(body).direction") == direction
            article = page.locator(f"article[lang={language}]").first
            expect(article).to_have_attribute("dir", direction)
            expect(article.locator("live-time").first).to_have_text(words)


def test_no_page_asks_anything_of_other_sites(page: Page, node: Node, newsroom: Newsroom, story: str) -> None:
    newsroom.update("With a [link](https://elsewhere.example/).")
    newsroom.notice("Dam has broken", story="flood")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    for path in ("/", "/section/world", story):
        open_live(page, node.url + path)
        policy = httpx.get(node.url + path).headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "'unsafe-" not in policy
    origins = {urlsplit(url).netloc for url in asked}
    assert origins == {urlsplit(node.url).netloc}
    assert sum(url.startswith("ws://") for url in asked) == 3


def test_story_page_is_small(page: Page, node: Node, story: str) -> None:
    asked: set[str] = set()
    page.on("request", lambda request: asked.add(request.url))
    open_live(page, node.url + story)
    loaded = {kind: {url for url in asked if url.endswith("." + kind)} for kind in ("js", "css")}
    assert any("/connection." in url for url in loaded["js"]), asked
    scripts = sum(map(sent_bytes, loaded["js"]))
    styles = sum(map(sent_bytes, loaded["css"]))
    assert 0 < scripts <= 15_000
    assert 0 < styles <= 10_000
    preloaded = page.locator("link[rel=modulepreload]").evaluate_all("links => links.map(link => link.href)")
    main = page.locator("head script[type=module]").evaluate_all("scripts => scripts.map(script => script.src)")
    assert loaded["js"] == {*preloaded, *main}, "all at once, none only after another"


def sent_bytes(url: str) -> int:
    """How much the server sends for an address to a browser that takes gzip."""
    with httpx.stream("GET", url, headers={"Accept-Encoding": "gzip"}) as answer:
        assert answer.status_code == 200
        return sum(map(len, answer.iter_raw()))


def hide(page: Page, hidden: bool) -> None:
    """Has the page think that its tab is in the background, or in view again."""
    page.evaluate(
        """hidden => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
        document.dispatchEvent(new Event('visibilitychange')); }""",
        hidden,
    )
