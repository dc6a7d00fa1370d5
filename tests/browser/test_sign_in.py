"""Signing in with a real browser, which judges cookies, redirects and the Content-Security-Policy by itself."""

import re

from playwright.sync_api import Page, expect

from tests.conftest import StartNode, make_token
from tests.node import Node
from tests.web.local_provider import LocalProvider, settings_for


def test_the_form_leads_to_the_desk(node: Node, page: Page, valkey: str, site: str, complaints: list[str]) -> None:
    token = make_token(valkey, site, "admin")
    page.goto(f"{node.url}/desk/sign-in?next=/desk/sign-in")
    expect(page.get_by_label("Your name")).to_be_focused()
    page.keyboard.type("The Admin")
    page.get_by_label("Your token").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("do not belong together")
    expect(page.get_by_label("Your token")).to_be_focused()
    assert not page.context.cookies()
    page.get_by_label("Your token").fill(token)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/desk$"))
    (cookie,) = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
    assert page.evaluate("document.cookie") == ""
    assert not [one for one in complaints if "Security" in one]


def test_the_link_has_one_button(start_node: StartNode, page: Page, complaints: list[str]) -> None:
    node = start_node(demo=True)
    found = re.search(r"The desk +(http\S+)", node.output)
    assert found
    page.goto(found[1])
    page.get_by_role("button", name="Sign in as demo").click()
    page.wait_for_url(re.compile(r"/desk$"))
    assert len(page.context.cookies()) == 1
    assert not [one for one in complaints if "Security" in one]


def test_the_way_to_the_provider_and_back(start_node: StartNode, page: Page, complaints: list[str]) -> None:
    provider = LocalProvider()
    try:
        node = start_node(**settings_for(provider))
        page.goto(f"{node.url}/desk/sign-in")
        page.get_by_role("link", name="newsroom account").click()
        page.wait_for_url(re.compile(re.escape(provider.url)))
        page.get_by_role("button", name="ada").click()
        page.wait_for_url(f"{node.url}/desk")
        assert [cookie["name"] for cookie in page.context.cookies(node.url)] == ["live-session"]
    finally:
        provider.stop()
    assert not [one for one in complaints if "Security" in one and node.url in one]
