"""Who may do what beyond the table of roles: a reporter's drafts, and the pages that may open the stream."""

import secrets

import httpx
import pytest
from starlette.datastructures import Headers

from live.errors import ForeignOrigin
from live.journal.tokens import Role
from live.web.auth import require_own_origin
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
    assert read(editor, f"/api/stories/{story['slug']}") == {**story, "updates": [update]}


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
        "",
    ],
)
def test_other_pages_may_not(origin: str) -> None:
    with pytest.raises(ForeignOrigin):
        require_own_origin(Headers({"host": HOST, "origin": origin}), ("https://partner.example",))


def test_a_page_of_another_site_is_told_why_it_gets_no_stream(server: Node) -> None:
    answer = httpx.get(f"{server.url}/stream", headers={"Origin": "https://evil.example"})
    assert "LIVE_ALLOWED_ORIGINS" in refused(answer, 403, "Foreign origin")["detail"]
