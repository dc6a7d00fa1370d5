"""An open page through bad networks, sleep and restarts of nodes: it goes on, says how it is, and misses nothing."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from live.model import now
from tests.browser.newsroom import Newsroom
from tests.browser.proxy import Proxy
from tests.browser.test_reader import open_live, update_texts
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


def hide(page: Page, hidden: bool) -> None:
    """Has the page think that its tab is in the background, or in view again."""
    page.evaluate(
        """hidden => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
        document.dispatchEvent(new Event('visibilitychange')); }""",
        hidden,
    )
