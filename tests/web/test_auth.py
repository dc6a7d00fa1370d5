"""Who may do what beyond the table of roles: reporters' drafts, the desk's pages, whose pages may open the stream."""

import secrets
from datetime import timedelta
from functools import partial
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from live.app import answer_error
from live.errors import ForeignOrigin, Problem, SignInFirst
from live.journal import Keys
from live.journal.sessions import Accounts, identity_of
from live.model import Role
from live.web.auth import Doorkeeper, require_own_origin
from live.web.layout import Layout, Site
from live.web.sessions import csrf_of
from live.web.sign_in import send_to_sign_in
from tests.conftest import editor_of
from tests.node import Node
from tests.web.samples import STORY, UPDATE, create, new_slug, patch, post, read, refused, update_path


def test_a_reporter_writes_drafts_and_an_editor_publishes_them(reporter: httpx.Client, editor: httpx.Client) -> None:
    story = create(reporter, pubStatus="withheld")
    path = f"/api/stories/{story['slug']}"
    patch(reporter, path, headline="A better headline")
    draft = post(reporter, story["slug"], pubStatus="withheld")
    patch(reporter, update_path(draft), body="Better words.")
    assert patch(editor, path, pubStatus="usable")["headline"] == "A better headline"
    assert patch(editor, update_path(draft), pubStatus="usable")["body"] == "Better words."


@pytest.mark.parametrize("status", ["usable", "canceled"])
def test_a_reporter_creates_no_story_that_is_not_withheld(reporter: httpx.Client, status: str) -> None:
    slug = new_slug()
    answer = reporter.post("/api/stories", json={**STORY, "slug": slug, "pubStatus": status})
    assert '"pubStatus": "withheld"' in refused(answer, 403, "Not permitted")["detail"]
    refused(reporter.get(f"/api/stories/{slug}"), 404, "Not found")


def test_a_story_without_a_status_would_be_published(reporter: httpx.Client) -> None:
    draft = {name: value for name, value in STORY.items() if name != "pubStatus"}
    refused(reporter.post("/api/stories", json={**draft, "slug": new_slug()}), 403, "Not permitted")


def test_what_is_public_is_out_of_a_reporters_hands(reporter: httpx.Client, editor: httpx.Client) -> None:
    story = create(editor)
    update = post(editor, story["slug"])
    for path in (f"/api/stories/{story['slug']}", update_path(update)):
        for fields in ({"body": "Changed."}, {"pubStatus": "withheld"}):
            refused(reporter.patch(path, json=fields), 403, "Not permitted")
    refused(reporter.post(f"/api/stories/{story['slug']}/updates", json=UPDATE), 403, "Not permitted")
    assert read(editor, f"/api/stories/{story['slug']}") == {**story, "hasUpdates": True, "updates": [update]}


def test_a_reporter_publishes_no_draft(reporter: httpx.Client) -> None:
    story = create(reporter, pubStatus="withheld")
    draft = post(reporter, story["slug"], pubStatus="withheld")
    for path in (f"/api/stories/{story['slug']}", update_path(draft)):
        refused(reporter.patch(path, json={"pubStatus": "usable"}), 403, "Not permitted")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_has_no_case(server: Node, tokens: dict[Role, str], scheme: str) -> None:
    answer = httpx.get(f"{server.url}/api/stories", headers={"Authorization": f"{scheme} {tokens['reporter']}"})
    assert answer.status_code == 200


def test_a_refusal_does_not_repeat_the_token(server: Node) -> None:
    text = f"live_{secrets.token_hex(6)}_{secrets.token_urlsafe(32)}"
    with editor_of(server, text) as client:
        assert text not in client.get("/api/stories").text


class DeskPages:
    """Two pages of the desk, behind a doorkeeper and before a real store: `/desk/audit` for admins, `/desk/story`."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self.accounts = Accounts.of(client, keys, timedelta(hours=1))
        self.doorkeeper = Doorkeeper(self.accounts.tokens, self.accounts.sessions, "https://news.example")
        routes = [
            Route("/desk/story", partial(self.page, "editor"), methods=["GET", "POST"]),
            Route("/desk/audit", partial(self.page, "admin"), methods=["GET"]),
        ]
        layout = Layout(Site("Live", "en"))
        handlers: dict[Any, Any] = {Problem: partial(answer_error, layout), SignInFirst: send_to_sign_in}
        self.app = Starlette(routes=routes, exception_handlers=handlers)

    async def page(self, role: Role, request: Request) -> JSONResponse:
        somebody = await self.doorkeeper.require_page(request, role)
        return JSONResponse([somebody.identity.name, somebody.identity.via, somebody.csrf, dict(somebody.form)])

    def browser(self, secret: str = "") -> httpx.AsyncClient:
        headers = {"Accept": "text/html"} | ({"Cookie": f"live-session={secret}"} if secret else {})
        transport = httpx.ASGITransport(self.app)
        return httpx.AsyncClient(transport=transport, base_url="http://backend", headers=headers)

    async def session(self, role: Role) -> str:
        """The secret of a new session."""
        token, _ = await self.accounts.tokens.create("Ada", role)
        return await self.accounts.sessions.begin(identity_of(token, ""), token.id)


@pytest.fixture
def desk(client: Redis, keys: Keys) -> DeskPages:
    return DeskPages(client, keys)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/desk/audit", "/desk/sign-in?next=/desk/audit"),
        (
            "/desk/audit?who=Ada%20Quill&before=17-0",
            "/desk/sign-in?next=/desk/audit%3Fwho%3DAda%2520Quill%26before%3D17-0",
        ),
        ("/desk/audit?back=https://evil.example", "/desk/sign-in"),
    ],
)
async def test_a_page_of_the_desk_sends_strangers_to_sign_in(desk: DeskPages, path: str, location: str) -> None:
    for secret in ("", "A" * 43):
        async with desk.browser(secret) as browser:
            answer = await browser.get(path)
            assert (answer.status_code, answer.headers["location"]) == (303, location)
            assert answer.headers["cache-control"] == "no-store"
            assert (await browser.post("/desk/story", data={"a": "b"})).headers["location"] == "/desk/sign-in"


@pytest.mark.anyio
async def test_a_page_of_the_desk_knows_who_looks(desk: DeskPages) -> None:
    secret = await desk.session("editor")
    async with desk.browser(secret) as browser:
        assert (await browser.get("/desk/story")).json() == ["Ada", "desk", csrf_of(secret), {}]
        answer = await browser.get("/desk/audit")
        assert answer.status_code == 403
        assert "This needs the role &#39;admin&#39;" in answer.text


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("proof", "headers", "status"),
    [
        ("field", {}, 200),
        ("header", {}, 200),
        ("field", {"Origin": "https://news.example"}, 200),
        ("field", {"Origin": "http://backend"}, 200),
        ("none", {}, 403),
        ("field", {"Live-CSRF": "wrong"}, 403),
        ("field", {"Origin": "http://news.example"}, 403),
        ("field", {"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
async def test_a_form_of_the_desk_proves_that_it_is_one(
    desk: DeskPages, proof: str, headers: dict[str, str], status: int
) -> None:
    secret = await desk.session("editor")
    fields = {"text": "Grüße & more"} | ({"csrf": csrf_of(secret)} if proof == "field" else {})
    headers = headers | ({"Live-CSRF": csrf_of(secret)} if proof == "header" else {})
    async with desk.browser(secret) as browser:
        answer = await browser.post("/desk/story", data=fields, headers=headers)
        assert answer.status_code == status
        if status == 200:
            assert answer.json()[-1] == fields


HOST = "news.example:8000"


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, ()),
        (f"http://{HOST}", ()),
        (f"https://{HOST}", ()),
        ("https://partner.example", ("https://partner.example",)),
        ("https://anyone.example", ("*",)),
    ],
)
def test_our_own_pages_and_those_allowed_may_open_the_stream(origin: str | None, allowed: tuple[str, ...]) -> None:
    require_own_origin(Headers({"host": HOST} | ({"origin": origin} if origin else {})), allowed)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://news.example",
        f"http://{HOST}.evil.example",
        f"http://evil.example/{HOST}",
        "https://partner.example.evil.example",
        "https://partner.example:444",
        "http://partner.example",
        "null",
        "http://[",
        "",
    ],
)
def test_other_pages_may_not(origin: str) -> None:
    with pytest.raises(ForeignOrigin):
        require_own_origin(Headers({"host": HOST, "origin": origin}), ("https://partner.example",))


def test_a_page_of_another_site_is_told_why_it_gets_no_stream(server: Node) -> None:
    answer = httpx.get(f"{server.url}/stream", headers={"Origin": "https://evil.example"})
    assert "LIVE_ALLOWED_ORIGINS" in refused(answer, 403, "Foreign origin")["detail"]
