"""What a reader does in the browser tests."""

from playwright.sync_api import Page, expect


def open_live(page: Page, url: str) -> None:
    """Opens a page and waits until its stream is up."""
    page.goto(url)
    expect(page.locator("live-status")).to_have_text("Live")


def update_texts(page: Page) -> list[str]:
    """The texts of the updates on a story's page, as they stand on it."""
    return page.locator("#updates > article .body").all_inner_texts()
