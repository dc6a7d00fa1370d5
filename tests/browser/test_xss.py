"""Script in every text that an editor can write: none of it runs in a reader's or an editor's browser."""

from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from playwright.sync_api import BrowserContext, Dialog, Page, expect

from tests.browser.newsroom import Newsroom
from tests.conftest import StartNode
from tests.node import Node
from tests.web.samples import PUBLIC_URL

PAYLOADS = (
    "<script>window.xss=1;alert(1)</script>",
    "</script><script>window.xss=1;alert(1)</script>",
    "<ScRiPt>window.xss=1;alert(1)</sCrIpT>",
    "<script src=data:text/javascript,window.xss=1></script>",
    "<<script>window.xss=1;//<</script>",
    "<scr<script>ipt>window.xss=1</scr</script>ipt>",
    "<img src=x onerror=window.xss=1;alert(1)>",
    "<img src=x onerror='window.xss=1'//",
    '"><img src=x onerror=window.xss=1>',
    "'><img src=x onerror=window.xss=1>",
    '" onmouseover="window.xss=1" autofocus onfocus="window.xss=1" x="',
    "' onmouseover='window.xss=1' autofocus onfocus='window.xss=1' x='",
    "` onerror=window.xss=1 `",
    "<svg onload=window.xss=1>",
    "<svg><script>window.xss=1</script></svg>",
    "<svg><animate onbegin=window.xss=1 attributeName=x dur=1s>",
    "<svg><a xlink:href=javascript:window.xss=1><text x=20 y=20>x</text></a></svg>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=x onerror=window.xss=1&gt;'>",
    "<math href=javascript:window.xss=1>x</math>",
    "<body onload=window.xss=1>",
    "<iframe src=javascript:parent.xss=1></iframe>",
    "<iframe srcdoc='<script>parent.xss=1</script>'></iframe>",
    "<object data=javascript:window.xss=1></object>",
    "<embed src=javascript:window.xss=1>",
    "<form action=javascript:window.xss=1><button>x</button></form>",
    "<details open ontoggle=window.xss=1>x</details>",
    "<video><source onerror=window.xss=1></video>",
    "<style>@import 'javascript:window.xss=1'</style>",
    "<link rel=stylesheet href=javascript:window.xss=1>",
    "<meta http-equiv=refresh content='0;url=javascript:window.xss=1'>",
    "<base href=javascript:window.xss=1//>",
    "<template><script>window.xss=1</script></template>",
    "<noscript><p title='</noscript><img src=x onerror=window.xss=1>'></noscript>",
    "<title></title><img src=x onerror=window.xss=1>",
    "<textarea></textarea><img src=x onerror=window.xss=1>",
    "<!--><img src=x onerror=window.xss=1>-->",
    "]]><img src=x onerror=window.xss=1>",
    "[a link](javascript:window.xss=1)",
    "[a link](JaVaScRiPt&colon;window.xss=1)",
    "[a link](data:text/html,<script>window.xss=1</script>)",
    "<javascript:window.xss=1>",
    "![](x'onerror='window.xss=1)",
    "&lt;img src=x onerror=window.xss=1&gt;",
    "{{ 7*7 }}${window.xss=1}<%= 7*7 %>",
    "\u2028</script><script>window.xss=1</script>",
)
LINKS = (
    "javascript:window.xss=1",
    " JavaScript:window.xss=1",
    "java\tscript:window.xss=1",
    "vbscript:x",
    "data:text/html,x",
)
XHTML, SVG = "http://www.w3.org/1999/xhtml", "http://www.w3.org/2000/svg"
"""Namespaces in which a browser runs scripts, in XML too."""
FOUND = """() => {
    const wrong = window.xss === undefined ? [] : ["a script ran"];
    const forbidden = "iframe, object, embed, base[href], math, style, svg script, animate, meta[http-equiv=refresh]";
    for (const element of document.querySelectorAll(forbidden)) wrong.push(element.outerHTML);
    for (const script of document.querySelectorAll("script:not([src])"))
        if (script.type !== "application/ld+json") wrong.push(script.outerHTML);
    for (const element of document.querySelectorAll("*"))
        for (const {name, value} of element.attributes) {
            if (name.startsWith("on")) wrong.push(element.outerHTML);
            if (/href|src|action|data$/.test(name) && /^[\\s\\0-\\x1f]*(javascript|vbscript|data:text)/i.test(value))
                wrong.push(element.outerHTML);
        }
    return wrong;
}"""


@pytest.fixture
def dialogs(context: BrowserContext) -> list[str]:
    """The dialogs that pages opened."""
    opened: list[str] = []

    def note(dialog: Dialog) -> None:
        opened.append(dialog.message)
        dialog.dismiss()

    context.on("page", lambda page: page.on("dialog", note))
    return opened


@pytest.fixture
def watched(dialogs: list[str], page: Page, complaints: list[str]) -> Iterator[Page]:
    """A page in which nothing runs, and whose policy had nothing to stop."""
    yield page
    assert dialogs == []
    assert [complaint for complaint in complaints if "404" not in complaint] == []


def record(payload: str) -> dict[str, Any]:
    """Fields that stories and updates share, with the payload in each."""
    return {
        "headline": payload,
        "body": f"{payload}\n\n**{payload}:** {payload}\n\n- {payload}\n\n> {payload}\n>\n> — {payload}",
        "by": [{"name": payload, "note": payload}],
        "image": {"src": "/static/latest/demo/train.svg", "alt": payload, "caption": payload, "credit": payload,
                  "width": 8, "height": 8},
    }  # fmt: skip


def written(newsroom: Newsroom, number: int, payload: str) -> str:
    """A story with the payload wherever text may stand; returns its slug."""
    slug = f"story-{number}"
    story = record(payload) | {
        "sections": [payload[:40], "World"], "notice": payload, "edNote": payload,
        "related": [{"headline": payload, "url": "/"}],
    }  # fmt: skip
    answer = newsroom.client.post("/api/stories", json={"slug": slug, **story})
    if answer.status_code == 422:  # a section's name must have letters enough for an address
        answer = newsroom.client.post("/api/stories", json={"slug": slug, **story, "sections": ["World"]})
    assert answer.status_code == 201, answer.text
    update = newsroom.update(slug=slug, **record(payload), edNote=payload, keyEvent=True, pinned=True)
    newsroom.edit_update(update, slug, headline=f"{payload}!", correction=payload)
    newsroom.retract(newsroom.update("short", slug), payload, slug)
    return slug


def adorned(newsroom: Newsroom, payload: str) -> None:
    """The payload in what stands on every page."""
    newsroom.notice(payload)
    newsroom.promo(payload)


def look(page: Page, address: str) -> None:
    page.goto(address, wait_until="load")
    assert page.evaluate(FOUND) == [], address


def test_nothing_runs_on_a_readers_pages(watched: Page, node: Node, newsroom: Newsroom) -> None:
    for number, payload in enumerate(PAYLOADS):
        slug = written(newsroom, number, payload)
        adorned(newsroom, payload)
        for path in (f"/story/{slug}", f"/story/{slug}/embed"):
            look(watched, node.url + path)
    look(watched, f"{node.url}/")
    sections = watched.locator("nav.sections a").evaluate_all("links => links.map(link => link.href)")
    for address in sections[:5]:
        look(watched, address)


def test_nothing_runs_in_pages_that_are_open(
    watched: Page, context: BrowserContext, node: Node, newsroom: Newsroom
) -> None:
    newsroom.story("open")
    front = context.new_page()
    for page, path in ((watched, "/story/open"), (front, "/")):
        page.goto(node.url + path)
        expect(page.locator("live-status")).to_have_text("Live")
    for number, payload in enumerate(PAYLOADS):
        newsroom.update(slug="open", **record(payload))
        newsroom.notice(payload)
        newsroom.edit_story("open", headline=payload, notice=payload)
        if number % 5 == 0:
            written(newsroom, number, payload)
    newsroom.update("The end.", "open")
    expect(watched.locator("#updates")).to_contain_text("The end.")
    for page in (watched, front):
        assert page.evaluate(FOUND) == []


def test_nothing_runs_at_the_desk(watched: Page, context: BrowserContext, node: Node, newsroom: Newsroom) -> None:
    made = newsroom.client.post("/api/tokens", json={"name": PAYLOADS[6], "role": "admin"}).json()
    with httpx.Client(base_url=node.url) as somebody:
        form = {"name": PAYLOADS[6], "token": made["token"]}
        assert somebody.post("/desk/sign-in", data=form).status_code == 303
        secret = somebody.cookies["live-session"]
    context.add_cookies([{"name": "live-session", "value": secret, "url": node.url}])
    for number, payload in enumerate(PAYLOADS):
        slug = written(newsroom, number, payload)
        newsroom.client.post("/api/tokens", json={"name": payload, "role": "reporter"})
        newsroom.client.post("/api/notices", json={"text": payload})
        if number % 4 == 0:
            adorned(newsroom, payload)
            look(watched, f"{node.url}/desk/stories/{slug}")
    for path in ("/desk", "/desk/notices", "/desk/audit", "/desk/tokens", f"/desk?q={PAYLOADS[6]}"):
        look(watched, node.url + path)
    expect(watched.locator("body")).not_to_be_empty()


def test_nothing_runs_in_feeds(page: Page, dialogs: list[str], start_node: StartNode, newsroom: Newsroom) -> None:
    for number, payload in enumerate(PAYLOADS):
        written(newsroom, number, payload)
    node = start_node(public_url=PUBLIC_URL)
    for path in ("/feed.atom", "/sitemap.xml", "/news-sitemap.xml", "/story/story-0/feed.atom"):
        root = ElementTree.fromstring(httpx.get(node.url + path).raise_for_status().content)
        assert {element.tag.partition("}")[0] for element in root.iter()} & {f"{{{XHTML}", f"{{{SVG}"} == set()
        page.goto(node.url + path)
        assert page.evaluate("window.xss === undefined")
    assert dialogs == []
    for path in ("/feed.json", "/story/story-0/feed.json", f"/oembed?url={PUBLIC_URL}/story/story-0"):
        answer = httpx.get(node.url + path)
        assert "json" in answer.headers["content-type"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.json()


@pytest.mark.parametrize("link", LINKS)
def test_no_address_is_a_script(newsroom: Newsroom, link: str) -> None:
    image = {"src": link, "alt": "x", "width": 1, "height": 1}
    story = {"slug": "flood", "headline": "x", "sections": ["World"], "body": "x"}
    for field in ({"image": image}, {"related": [{"headline": "x", "url": link}]}):
        assert newsroom.client.post("/api/stories", json=story | field).status_code == 422
    assert newsroom.client.put("/api/promo", json={"text": "x", "url": link}).status_code == 422
