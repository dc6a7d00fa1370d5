"""A real Chromium, and an editor beside it."""

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from tests import tools
from tests.browser.newsroom import Newsroom
from tests.browser.reading import open_live
from tests.conftest import StartNode, make_token
from tests.node import Node

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="session")
def browser_path() -> str:
    path = tools.browser()
    assert path, "There is no Chromium: run 'python -m tests.tools', which installs one or says how."
    return path


@pytest.fixture(scope="module")
def browser(browser_path: str) -> Iterator[Browser]:
    # Not for the whole session: Playwright's loop must not run beside those of other modules' tests.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained of: script errors, and violations of the Content-Security-Policy."""
    return []


@pytest.fixture
def context(browser: Browser, complaints: list[str]) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.on("page", lambda page: watch(page, complaints))
    yield context
    context.close()


def watch(page: Page, complaints: list[str]) -> None:
    def listen(message: ConsoleMessage) -> None:
        # A server that is away is what some tests are about.
        if message.type == "error" and "net::ERR" not in message.text and "WebSocket" not in message.text:
            complaints.append(message.text)

    page.on("console", listen)
    page.on("pageerror", lambda error: complaints.append(str(error)))


@pytest.fixture
def page(context: BrowserContext) -> Page:
    page = context.new_page()
    page.set_default_timeout(10_000)
    return page


@pytest.fixture
def node(start_node: StartNode) -> Node:
    return start_node(tick_seconds=1)


@pytest.fixture
def newsroom(node: Node, valkey: str, site: str) -> Iterator[Newsroom]:
    headers = {"Authorization": f"Bearer {make_token(valkey, site, 'admin')}"}
    with httpx.Client(base_url=node.url, headers=headers, timeout=15) as client:
        yield Newsroom(client)


@pytest.fixture
def story_page(page: Page, node: Node, newsroom: Newsroom) -> Page:
    newsroom.story()
    open_live(page, f"{node.url}/story/flood")
    return page
