"""The desk in a real Chromium: an editor writes, a reader's page in another context shows it."""

import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from live.model import Role
from tests.browser.conftest import watch
from tests.conftest import StartNode, editor_of, make_token
from tests.fanout.answering import answering
from tests.node import Node, eventually
from tests.web.samples import STORY

SLUG = "norwick"
AXE = Path(__file__).parent.parent.parent / "node_modules" / "axe-core" / "axe.min.js"
VIOLATIONS = "axe.run().then(found => found.violations.map(one => [one.id, one.nodes[0].html]))"
PAGES = ("/desk", "/desk/stories/new", f"/desk/stories/{SLUG}", "/desk/notices", "/desk/audit", "/desk/tokens")


@pytest.fixture
def node(start_node: StartNode) -> Node:
    return start_node(tick_seconds=1, receipt_seconds=0.2)


@pytest.fixture
def token_of(valkey: str, node: Node) -> Callable[[Role], str]:
    return lambda role: make_token(valkey, node.site, role)


@pytest.fixture
def editor(node: Node, token_of: Callable[[Role], str]) -> Iterator[httpx.Client]:
    with editor_of(node, token_of("editor")) as client:
        client.post("/api/stories", json={**STORY, "slug": SLUG}).raise_for_status()
        yield client


def sign_in(page: Page, node: Node, role: Role, token: str, path: str = f"/desk/stories/{SLUG}") -> None:
    page.goto(node.url + path)
    page.get_by_label("Your name").fill(f"the {role}")
    page.get_by_label("Your token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"**{path}")


@pytest.fixture
def desk(page: Page, node: Node, editor: httpx.Client, token_of: Callable[[Role], str]) -> Page:
    """The page of a story at the desk, with an editor signed in."""
    sign_in(page, node, "editor", token_of("editor"))
    return page


@pytest.fixture
def reader(browser: Browser, node: Node, desk: Page, complaints: list[str]) -> Iterator[Page]:
    """The story's page in a browser of its own."""
    context = browser.new_context()
    page = context.new_page()
    watch(page, complaints)
    page.goto(f"{node.url}/story/{SLUG}")
    expect(page.locator("live-status")).to_have_attribute("data-state", "live")
    yield page
    context.close()


def write(desk: Page, text: str) -> None:
    desk.locator("#c-body").focus()
    desk.keyboard.type(text)


def post(desk: Page, text: str) -> None:
    write(desk, text)
    desk.keyboard.press("Control+Enter")


def bodies(editor: httpx.Client) -> list[str]:
    updates = editor.get(f"/api/stories/{SLUG}").raise_for_status().json()["updates"]
    return [update["body"] for update in updates]


def test_a_link_signs_in_and_leads_to_the_desk(start_node: StartNode, page: Page) -> None:
    node = start_node(redis_url=None)
    node.stop()
    demo = Node({**node.settings, "demo": 1}, "--demo")
    try:
        found = re.search(r"(http://\S+/desk/sign-in/\S+)", demo.output)
        assert found, demo.output
        page.goto(found[1])
        page.get_by_role("button").first.click()
        expect(page.get_by_role("heading", name="Stories")).to_be_visible()
    finally:
        demo.stop()


def test_keys_alone_write_preview_and_publish(desk: Page, reader: Page, complaints: list[str]) -> None:
    desk.locator("#c-body").focus()
    desk.keyboard.press("Alt+1")
    desk.keyboard.type("the gauge reads **nine**.")
    preview = desk.locator("#preview .body")
    expect(preview).to_contain_text("Why it matters: the gauge reads nine.")
    shown = preview.inner_html()
    desk.keyboard.press("Control+Enter")
    expect(desk.locator("#said")).to_contain_text(re.compile(r"Posted: 1 of 1 open pages in \d+ ms"))
    expect(reader.locator("#updates article .body").first).to_contain_text("the gauge reads nine.")
    assert reader.locator("#updates article .body").first.inner_html() == shown, "byte for byte"
    assert complaints == []


def everything_readers_get(node: Node) -> str:
    page = httpx.get(f"{node.url}/story/{SLUG}").text
    polls = [httpx.get(f"{node.url}/poll.json?topics=front,story/{SLUG}&as={form}").text for form in ("html", "json")]
    with httpx.stream("GET", f"{node.url}/stream?topics=front,story/{SLUG}&after=0-0&as=json") as events:
        replay = ""
        for text in events.iter_text():
            replay += text
            if '"type":"tick"' in replay:
                break
    return "\n".join((page, *polls, replay))


def test_a_correction_and_a_retraction_reach_the_open_page(
    node: Node, desk: Page, reader: Page, editor: httpx.Client
) -> None:
    post(desk, "Ten buses left at noon.")
    expect(reader.locator("#updates")).to_contain_text("Ten buses left at noon.")
    entry = desk.locator(".entry").first
    entry.get_by_role("button", name="Edit").click()
    dialog = desk.get_by_role("dialog")
    dialog.get_by_label("Text").fill("Eleven buses left at noon.")
    dialog.get_by_label("A correction: readers see the note").check()
    dialog.get_by_label("Note to readers", exact=True).fill("It said ten.")
    dialog.get_by_role("button", name="Save").click()
    expect(reader.locator("#updates")).to_contain_text("It said ten.")
    desk.locator(".entry").first.get_by_role("button", name="Retract").click()
    dialog.get_by_label("Reason").fill("It was another town.")
    began = time.monotonic()
    dialog.get_by_role("button", name="Retract").click()
    expect(reader.locator("#updates")).to_contain_text("This update was withdrawn", timeout=1_000)
    assert time.monotonic() - began < 1.5
    for text in ("buses left", "It said ten."):
        assert text not in everything_readers_get(node)
        assert text not in reader.locator("main").inner_text()


def test_a_draft_survives_a_closed_tab(desk: Page, context: BrowserContext, node: Node) -> None:
    write(desk, "Half a sentence")
    desk.close()
    again = context.new_page()
    again.goto(f"{node.url}/desk/stories/{SLUG}")
    expect(again.locator("#c-body")).to_have_value("Half a sentence")
    expect(again.locator("#restored")).to_be_visible()


def test_a_server_killed_before_it_answered_has_the_post_once(node: Node, desk: Page, editor: httpx.Client) -> None:
    write(desk, "Posted into the cut.")
    node.process.send_signal(19)  # SIGSTOP: the press reaches it, the answer never comes
    desk.keyboard.press("Control+Enter")
    expect(desk.locator("#outbox")).to_contain_text("Posted into the cut.")
    node.kill()
    expect(desk.locator("#said")).to_contain_text("Not sent yet")
    node.start()
    eventually(lambda: "Posted into the cut." in bodies(editor), 30)
    expect(desk.locator("#outbox li")).to_have_count(0)
    assert bodies(editor).count("Posted into the cut.") == 1


def test_what_is_posted_offline_goes_out_later_once(desk: Page, context: BrowserContext, editor: httpx.Client) -> None:
    context.set_offline(True)
    post(desk, "Written in a tunnel.")
    expect(desk.locator("#said")).to_contain_text("Not sent yet")
    context.set_offline(False)
    eventually(lambda: "Written in a tunnel." in bodies(editor), 20)
    assert bodies(editor).count("Written in a tunnel.") == 1


def test_a_stale_save_shows_both_versions_and_overwrites_nothing(desk: Page, editor: httpx.Client) -> None:
    update = editor.post(f"/api/stories/{SLUG}/updates", json={"body": "First."}).raise_for_status().json()
    path = f"/api/stories/{SLUG}/updates/{update['id']}"
    desk.locator(f"#u-{update['id']}").get_by_role("button", name="Edit").click()
    dialog = desk.get_by_role("dialog")
    expect(dialog.get_by_label("Text")).to_have_value("First.")
    editor.patch(path, json={"body": "Theirs."}).raise_for_status()
    dialog.get_by_label("Text").fill("Mine.")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.locator("[data-theirs]")).to_have_text("Theirs.")
    expect(dialog.locator("[data-yours]")).to_have_text("Mine.")
    assert editor.get(path).json()["body"] == "Theirs."
    dialog.get_by_role("button", name="Save").click()
    eventually(lambda: editor.get(path).json()["body"] == "Mine.")


def test_who_else_edits_is_told(desk: Page, node: Node, editor: httpx.Client, token_of: Callable[[Role], str]) -> None:
    update = editor.post(f"/api/stories/{SLUG}/updates", json={"body": "First."}).raise_for_status().json()
    with editor_of(node, token_of("reporter")) as reporter:
        reporter.put(f"/api/stories/{SLUG}/updates/{update['id']}/editing", json={}).raise_for_status()
    desk.locator(f"#u-{update['id']}").get_by_role("button", name="Edit").click()
    expect(desk.get_by_role("dialog")).to_contain_text("the reporter is editing it too")


def test_a_refused_post_comes_back_with_the_reason(desk: Page, editor: httpx.Client) -> None:
    desk.locator("#c-body").focus()
    desk.keyboard.press("Alt+I")
    desk.keyboard.type("javascript:alert(1)")
    desk.keyboard.press("Tab")
    desk.keyboard.type("A trap")
    post(desk, "With a bad picture.")
    expect(desk.locator("#problem")).to_contain_text("image")
    expect(desk.locator("#c-body")).to_have_value("With a bad picture.")
    expect(desk.locator("#c-alt")).to_have_value("A trap")
    assert bodies(editor) == []


def test_what_is_refused_while_something_else_is_written_waits_for_its_editor(
    node: Node, desk: Page, context: BrowserContext, editor: httpx.Client
) -> None:
    context.set_offline(True)
    post(desk, "Too late for this one.")
    write(desk, "The next one")
    editor.patch(f"/api/stories/{SLUG}", json={"coverageEnd": "2026-01-01T00:00:00Z"}).raise_for_status()
    context.set_offline(False)
    refused = desk.locator("#outbox li")
    expect(refused).to_contain_text("Refused: Too late for this one.", timeout=20_000)
    expect(desk.locator("#c-body")).to_have_value("The next one")
    desk.reload()
    desk.locator("#c-body").fill("")
    refused.get_by_role("button", name="Back into the composer").click()
    expect(desk.locator("#c-body")).to_have_value("Too late for this one.")
    expect(refused).to_have_count(0)


def test_a_dialog_that_was_left_has_the_text_when_it_is_opened_again(desk: Page, editor: httpx.Client) -> None:
    update = editor.post(f"/api/stories/{SLUG}/updates", json={"body": "First."}).raise_for_status().json()
    opener = desk.locator(f"#u-{update['id']}").get_by_role("button", name="Edit")
    opener.click()
    dialog = desk.get_by_role("dialog")
    dialog.get_by_label("Text").fill("Half of a better")
    desk.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(opener).to_be_focused()
    opener.click()
    expect(dialog.get_by_label("Text")).to_have_value("Half of a better")
    dialog.get_by_role("button", name="Drop it").click()
    expect(dialog.get_by_label("Text")).to_have_value("First.")


def test_the_story_form_sends_what_was_changed_and_shows_both_versions_of_the_rest(
    desk: Page, editor: httpx.Client
) -> None:
    path = f"/api/stories/{SLUG}"
    by = [{"name": "Ada Quill", "note": "our woman at sea"}]
    editor.patch(path, json={"by": by}).raise_for_status()
    desk.reload()
    form = desk.get_by_role("form", name="The story")
    form.get_by_label("Headline").fill("Mine")
    form.get_by_role("button", name="Save").click()
    eventually(lambda: editor.get(path).json()["headline"] == "Mine")
    assert editor.get(path).json()["by"] == by
    editor.patch(path, json={"headline": "Theirs"}).raise_for_status()
    form.get_by_label("Headline").fill("Mine again")
    form.get_by_role("button", name="Save").click()
    expect(form.locator("[data-theirs]")).to_have_text("Theirs")
    expect(form.locator("[data-yours]")).to_have_text("Mine again")
    assert editor.get(path).json()["headline"] == "Theirs"
    form.get_by_role("button", name="Take theirs").click()
    expect(form.get_by_label("Headline")).to_have_value("Theirs")


def test_one_key_clears_the_notice_from_any_page(desk: Page, editor: httpx.Client) -> None:
    editor.put("/api/notice", json={"text": "The dam has failed", "urgency": 1}).raise_for_status()
    desk.keyboard.press("Alt+Shift+C")
    expect(desk.locator("#said")).to_have_text("The breaking notice is cleared.")
    assert editor.get("/api/notice").status_code == 404


def test_the_list_of_stories_keeps_itself_up_to_date(desk: Page, node: Node, editor: httpx.Client) -> None:
    desk.goto(f"{node.url}/desk")
    editor.post("/api/stories", json={**STORY, "slug": "another", "headline": "Another one"}).raise_for_status()
    expect(desk.get_by_role("link", name="Another one")).to_be_visible()


@pytest.mark.usefixtures("plenty_of_files")
def test_a_receipt_says_how_many_have_it_and_which_share_is_missing(node: Node, desk: Page) -> None:
    path = f"/stream?topics=breaking,story/{SLUG}"
    with answering(node.url, path, 1_950), answering(node.url, path, 50) as stopped:
        stopped.send_signal(signal.SIGSTOP)
        expect(desk.locator(f'[data-readers="{SLUG}"]')).to_have_text("· 2,000 reading", timeout=15_000)
        post(desk, "To everybody.")
        expect(desk.locator("#said")).to_have_text(
            re.compile(r"Posted: 1,950 of 2,000 open pages in [\d,]+ ms; 50 \(2.5%\) have not answered."),
            timeout=15_000,
        )


def test_a_reporter_submits_and_cannot_publish(
    page: Page, node: Node, editor: httpx.Client, token_of: Callable[[Role], str]
) -> None:
    sign_in(page, node, "reporter", token_of("reporter"))
    expect(page.get_by_role("button", name="Post", exact=True)).to_have_count(0)
    post(page, "For an editor.")
    expect(page.locator(".entry-submitted")).to_contain_text("For an editor.")
    assert "For an editor." not in httpx.get(f"{node.url}/story/{SLUG}").text
    answer = page.goto(f"{node.url}/desk/tokens")
    assert answer is not None
    assert answer.status == 403


def test_a_flash_asks_before_it_goes_up(desk: Page, node: Node, editor: httpx.Client, reader: Page) -> None:
    desk.goto(f"{node.url}/desk/notices")
    answers = iter([False, True])
    desk.on("dialog", lambda dialog: dialog.accept() if next(answers) else dialog.dismiss())
    desk.get_by_label("Text").fill("The dam has failed")
    desk.get_by_label("Urgency").select_option("1")
    desk.get_by_role("button", name="Put it up").first.click()
    assert editor.get("/api/notice").status_code == 404
    desk.get_by_role("button", name="Put it up").first.click()
    expect(reader.locator("#notice")).to_contain_text("The dam has failed")
    expect(desk.locator(".active-notice")).to_contain_text("The dam has failed")


def test_editors_see_each_others_changes(desk: Page, editor: httpx.Client) -> None:
    write(desk, "I am still typing")
    editor.post(f"/api/stories/{SLUG}/updates", json={"body": "From a colleague.", "pubStatus": "withheld"})
    expect(desk.locator(".entry-draft")).to_contain_text("From a colleague.")
    expect(desk.locator("#c-body")).to_have_value("I am still typing")
    expect(desk.locator("#c-body")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(
    browser: Browser, node: Node, editor: httpx.Client, token_of: Callable[[Role], str], scheme: str
) -> None:
    editor.post(f"/api/stories/{SLUG}/updates", json={"body": "A draft.", "pubStatus": "withheld"}).raise_for_status()
    editor.post("/api/notices", json={"text": "Prepared", "urgency": 2}).raise_for_status()
    context = browser.new_context(color_scheme=scheme, bypass_csp=True)  # type: ignore[arg-type]
    page = context.new_page()
    sign_in(page, node, "admin", token_of("admin"))
    for path in PAGES:
        page.goto(node.url + path)
        page.evaluate(AXE.read_text())
        assert page.evaluate(VIOLATIONS) == [], path
    page.goto(f"{node.url}/desk/stories/{SLUG}")
    page.evaluate(AXE.read_text())
    for opener in ("Keys", "Edit", "Delete"):
        page.get_by_role("button", name=opener, exact=True).first.click()
        expect(page.get_by_role("dialog")).to_be_visible()
        assert page.evaluate(VIOLATIONS) == [], opener
        page.keyboard.press("Escape")
    context.close()
