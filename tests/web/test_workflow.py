"""From draft to published: schedules, embargoes, who may do what when, the notices' list, presence, the trail."""

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from live.model import Role
from live.web.api.newsroom import _cell
from tests.conftest import editor_of
from tests.node import Node, eventually
from tests.web.desk import new_holder
from tests.web.samples import NOTICE, STORY, UPDATE, new_slug

SECRET = "The minister resigns at noon."
INTERNAL = ("submitted", "publishAt", "embargoedUntil", "editedBy", "edNote")


def soon(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


@pytest.fixture
def slug(editor: httpx.Client) -> str:
    slug = new_slug()
    editor.post("/api/stories", json={**STORY, "slug": slug}).raise_for_status()
    return slug


def made(client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    record: dict[str, Any] = answer.json()
    return record


def seen_by_readers(server: Node, slug: str) -> str:
    """Everything that readers can get of a story."""
    page = httpx.get(f"{server.url}/story/{slug}")
    polls = [httpx.get(f"{server.url}/poll.json?topics=front,story/{slug}&as={form}") for form in ("html", "json")]
    return "\n".join((page.text, httpx.get(server.url).text, *(poll.text for poll in polls)))


@pytest.mark.parametrize("field", ["publishAt", "embargoedUntil"])
def test_what_is_for_later_goes_out_then_and_is_nowhere_before(
    server: Node, editor: httpx.Client, slug: str, field: str
) -> None:
    due = datetime.now(UTC) + timedelta(seconds=1.5)
    update = made(editor, f"/api/stories/{slug}/updates", {"body": SECRET, field: due.isoformat()})
    assert update["pubStatus"] == "withheld"
    assert datetime.fromisoformat(update["publishAt"]) == due
    assert SECRET not in seen_by_readers(server, slug)
    eventually(lambda: SECRET in seen_by_readers(server, slug))
    assert due <= datetime.now(UTC) < due + timedelta(seconds=2)
    out = editor.get(f"/api/stories/{slug}/updates/{update['id']}").json()
    assert out["pubStatus"] == "usable"
    assert "publishAt" not in out
    assert datetime.fromisoformat(out["firstCreated"]) >= due, "its place is where readers get it"


def test_a_scheduled_story_goes_out_with_its_updates(server: Node, editor: httpx.Client) -> None:
    slug = new_slug()
    story = made(editor, "/api/stories", {**STORY, "slug": slug, "publishAt": soon(1)})
    made(editor, f"/api/stories/{slug}/updates", {"body": SECRET})
    assert story["pubStatus"] == "withheld"
    assert httpx.get(f"{server.url}/story/{slug}").status_code == 404
    assert SECRET not in seen_by_readers(server, slug)
    eventually(lambda: SECRET in httpx.get(f"{server.url}/story/{slug}").text)


def test_an_embargo_holds_whoever_publishes(editor: httpx.Client, slug: str) -> None:
    draft = {"body": SECRET, "pubStatus": "withheld", "embargoedUntil": soon(3600)}
    update = made(editor, f"/api/stories/{slug}/updates", draft)
    answer = editor.patch(f"/api/stories/{slug}/updates/{update['id']}", json={"pubStatus": "usable"}).json()
    assert answer["pubStatus"] == "withheld"
    assert answer["publishAt"] == answer["embargoedUntil"]
    earlier = editor.patch(f"/api/stories/{slug}/updates/{update['id']}", json={"publishAt": soon(60)}).json()
    assert earlier["publishAt"] == answer["embargoedUntil"]


def test_what_is_taken_off_the_schedule_does_not_go_out(server: Node, editor: httpx.Client, slug: str) -> None:
    kept = made(editor, f"/api/stories/{slug}/updates", {"body": SECRET, "publishAt": soon(1)})
    made(editor, f"/api/stories/{slug}/updates", {"body": "The one after it.", "publishAt": soon(1.2)})
    editor.patch(f"/api/stories/{slug}/updates/{kept['id']}", json={"publishAt": None}).raise_for_status()
    eventually(lambda: "The one after it." in seen_by_readers(server, slug))
    assert SECRET not in seen_by_readers(server, slug)


def test_a_later_time_replaces_the_earlier_one(editor: httpx.Client, slug: str) -> None:
    update = made(editor, f"/api/stories/{slug}/updates", {"body": SECRET, "publishAt": soon(1)})
    path = f"/api/stories/{slug}/updates/{update['id']}"
    editor.patch(path, json={"publishAt": soon(3600), "body": "Longer in coming."}).raise_for_status()
    other = made(editor, f"/api/stories/{slug}/updates", {"body": "Another.", "publishAt": soon(1)})
    eventually(lambda: editor.get(f"/api/stories/{slug}/updates/{other['id']}").json()["pubStatus"] == "usable")
    assert editor.get(path).json()["pubStatus"] == "withheld"


@pytest.mark.parametrize("fields", [{"publishAt": soon(3600)}, {"embargoedUntil": soon(3600)}])
def test_what_readers_have_cannot_be_put_off(editor: httpx.Client, slug: str, fields: dict[str, str]) -> None:
    update = made(editor, f"/api/stories/{slug}/updates", UPDATE)
    for path in (f"/api/stories/{slug}", f"/api/stories/{slug}/updates/{update['id']}"):
        answer = editor.patch(path, json=fields)
        assert answer.status_code == 409
        assert "public already" in answer.json()["detail"]


def test_a_retracted_draft_leaves_the_schedule(server: Node, editor: httpx.Client, slug: str) -> None:
    update = made(editor, f"/api/stories/{slug}/updates", {"body": SECRET, "publishAt": soon(1)})
    editor.request("DELETE", f"/api/stories/{slug}/updates/{update['id']}", json={"reason": "No."}).raise_for_status()
    made(editor, f"/api/stories/{slug}/updates", {"body": "The one after it.", "publishAt": soon(1.2)})
    eventually(lambda: "The one after it." in seen_by_readers(server, slug))
    assert SECRET not in seen_by_readers(server, slug)


def test_internal_fields_stay_in_the_newsroom(server: Node, editor: httpx.Client) -> None:
    slug = new_slug()
    kept = {"edNote": "INTERNAL", "embargoedUntil": "2020-01-01T00:00:00Z", "submitted": True}
    made(editor, "/api/stories", {**STORY, **kept, "slug": slug})
    made(editor, f"/api/stories/{slug}/updates", {**UPDATE, **kept})
    eventually(lambda: UPDATE["headline"] in seen_by_readers(server, slug))
    everything = seen_by_readers(server, slug)
    assert not [name for name in (*INTERNAL, "INTERNAL") if name in everything]


REPORTERS: list[tuple[str, dict[str, Any], int]] = [
    ("a draft", {"body": "A.", "pubStatus": "withheld"}, 201),
    ("a draft for an editor", {"body": "A.", "pubStatus": "withheld", "submitted": True}, 201),
    ("a draft under an embargo", {"body": "A.", "pubStatus": "withheld", "embargoedUntil": soon(3600)}, 201),
    ("a post", {"body": "A."}, 403),
    ("a scheduled post", {"body": "A.", "pubStatus": "withheld", "publishAt": soon(3600)}, 403),
    ("a post under an embargo", {"body": "A.", "embargoedUntil": soon(3600)}, 403),
]


@pytest.mark.parametrize(("what", "body", "status"), REPORTERS, ids=[what for what, *_ in REPORTERS])
def test_a_reporter_drafts_and_submits(
    reporter: httpx.Client, slug: str, what: str, body: dict[str, Any], status: int
) -> None:
    assert reporter.post(f"/api/stories/{slug}/updates", json=body).status_code == status


def test_what_is_scheduled_is_out_of_a_reporters_hands(reporter: httpx.Client, editor: httpx.Client, slug: str) -> None:
    draft = {"body": "A.", "pubStatus": "withheld", "submitted": True}
    path = f"/api/stories/{slug}/updates/{made(reporter, f'/api/stories/{slug}/updates', draft)['id']}"
    assert reporter.patch(path, json={"body": "B."}).status_code == 200
    approved = editor.patch(path, json={"pubStatus": "usable", "publishAt": soon(3600)}).json()
    assert approved["submitted"] is False
    assert reporter.patch(path, json={"body": "C."}).status_code == 403
    assert editor.patch(path, json={"publishAt": None}).status_code == 200
    assert reporter.patch(path, json={"body": "C."}).status_code == 200


def test_a_draft_can_be_deleted_and_what_readers_had_cannot(
    reporter: httpx.Client, editor: httpx.Client, slug: str
) -> None:
    draft = made(reporter, "/api/stories", {**STORY, "slug": new_slug(), "pubStatus": "withheld"})["slug"]
    made(reporter, f"/api/stories/{draft}/updates", {"body": "A.", "pubStatus": "withheld"})
    assert reporter.delete(f"/api/stories/{slug}").status_code == 403
    assert editor.delete(f"/api/stories/{slug}").status_code == 409
    assert editor.patch(f"/api/stories/{slug}", json={"pubStatus": "withheld"}).status_code == 200
    assert editor.delete(f"/api/stories/{slug}").status_code == 409, "readers had it once"
    assert reporter.delete(f"/api/stories/{draft}").status_code == 204
    assert reporter.get(f"/api/stories/{draft}").status_code == 404
    again = made(reporter, "/api/stories", {**STORY, "slug": draft, "pubStatus": "withheld"})
    assert reporter.get(f"/api/stories/{again['slug']}").json()["updates"] == []


def test_a_closed_story_takes_no_new_updates_until_it_is_reopened(editor: httpx.Client, slug: str) -> None:
    update = made(editor, f"/api/stories/{slug}/updates", UPDATE)
    closed = editor.patch(f"/api/stories/{slug}", json={"coverageEnd": soon(-1)}).raise_for_status().json()
    assert closed["coverageEnd"]
    answer = editor.post(f"/api/stories/{slug}/updates", json=UPDATE)
    assert answer.status_code == 409
    assert "reopen" in answer.json()["detail"]
    corrected = editor.patch(f"/api/stories/{slug}/updates/{update['id']}", json={"correction": "It was eight."})
    assert corrected.status_code == 200, "what was wrong is still put right"
    editor.patch(f"/api/stories/{slug}", json={"coverageEnd": None}).raise_for_status()
    made(editor, f"/api/stories/{slug}/updates", UPDATE)


def test_stories_are_found_by_words_status_and_section(editor: httpx.Client) -> None:
    mark = new_slug()
    draft = {"headline": f"Ferry {mark} aground", "body": "A.", "pubStatus": "withheld"}
    made(editor, "/api/stories", {**draft, "slug": f"{mark}-a", "sections": ["Harbour"]})
    made(editor, "/api/stories", {**draft, "slug": f"{mark}-b", "sections": ["World"], "submitted": True})
    made(editor, "/api/stories", {**draft, "slug": f"{mark}-c", "sections": ["World"], "publishAt": soon(3600)})
    made(editor, "/api/stories", {**draft, "slug": f"{mark}-d", "sections": ["World"], "pubStatus": "usable"})
    made(editor, "/api/stories", {**draft, "slug": f"{mark}-e", "sections": ["World"], "pubStatus": "usable"})
    editor.patch(f"/api/stories/{mark}-e", json={"pubStatus": "withheld"}).raise_for_status()

    def found(**query: str) -> set[str]:
        stories = (
            editor.get("/api/stories", params={"q": f"FERRY {mark}", **query}).raise_for_status().json()["stories"]
        )
        return {story["slug"].removeprefix(f"{mark}-") for story in stories}

    assert found() == set("abcde")
    for status, which in zip(("draft", "submitted", "scheduled", "published", "withdrawn"), "abcde", strict=True):
        assert found(status=status) == {which}
    assert found(section="harbour") == {"a"}
    assert len(found(limit="2")) == 2
    assert editor.get("/api/stories?status=lost").status_code == 400
    assert editor.get("/api/stories?limit=0").status_code == 400


def test_one_notice_is_up_and_the_others_are_in_the_list(editor: httpx.Client) -> None:
    first = made(editor, "/api/notices", {**NOTICE, "text": "Prepared."})
    editor.put("/api/notice", json={**NOTICE, "text": "Up first."}).raise_for_status()
    up = editor.post(f"/api/notices/{first['id']}/activate").raise_for_status().json()
    assert up["text"] == editor.get("/api/notice").json()["text"] == "Prepared."
    listed = editor.get("/api/notices").json()["notices"]
    assert first["id"] not in [notice["id"] for notice in listed]
    former = next(notice for notice in listed if notice["text"] == "Up first.")
    assert former["shown"] is True
    editor.delete("/api/notice").raise_for_status()
    assert "Prepared." in [notice["text"] for notice in editor.get("/api/notices").json()["notices"]]
    editor.delete(f"/api/notices/{former['id']}").raise_for_status()
    assert editor.post(f"/api/notices/{former['id']}/activate").status_code == 404


def test_a_notice_that_would_have_expired_is_not_put_up(editor: httpx.Client) -> None:
    late = made(editor, "/api/notices", {**NOTICE, "expires": soon(-5)})
    assert editor.post(f"/api/notices/{late['id']}/activate").status_code == 409


def test_editors_see_who_else_has_a_record_open(editor: httpx.Client, reporter: httpx.Client, slug: str) -> None:
    update = made(editor, f"/api/stories/{slug}/updates", UPDATE)
    for path in (f"/api/stories/{slug}/editing", f"/api/stories/{slug}/updates/{update['id']}/editing"):
        assert editor.put(path, json={}).json() == {"editors": []}
        others = reporter.put(path, json={}).json()["editors"]
        assert [other["name"] for other in others] == ["the editor"]
        assert [other["name"] for other in editor.put(path, json={}).json()["editors"]] == ["the reporter"]
        assert reporter.delete(path).status_code == 204
        assert editor.put(path, json={}).json() == {"editors": []}


def page_with(server: Node, slug: str, text: str) -> str:
    """The story's page once it has the text; else nothing."""
    page = httpx.get(f"{server.url}/story/{slug}").text
    return page if text in page else ""


def body_of(html: str) -> str:
    found = re.search(r'<div class="body">.*?</div>', html, re.DOTALL)
    assert found, html
    return found[0]


def test_a_preview_is_what_readers_get_byte_for_byte(server: Node, editor: httpx.Client, slug: str) -> None:
    shown = editor.post("/api/preview", json={"kind": "update", "story": slug, "draft": UPDATE}).json()["html"]
    made(editor, f"/api/stories/{slug}/updates", UPDATE)
    page = eventually(lambda: page_with(server, slug, UPDATE["headline"]))
    mine = page[page.index('id="updates"') :]
    assert body_of(shown) == body_of(mine)


def test_a_preview_of_an_update_that_is_out_has_its_identity(server: Node, editor: httpx.Client, slug: str) -> None:
    update = made(editor, f"/api/stories/{slug}/updates", UPDATE)
    edit = {**UPDATE, "body": "Now **another** text."}
    draft = {"kind": "update", "story": slug, "id": update["id"], "draft": edit}
    shown = editor.post("/api/preview", json=draft).raise_for_status().json()["html"]
    editor.patch(f"/api/stories/{slug}/updates/{update['id']}", json={"body": edit["body"]}).raise_for_status()
    eventually(lambda: shown.strip() in httpx.get(f"{server.url}/story/{slug}").text)


def test_a_preview_names_what_does_not_fit(editor: httpx.Client, slug: str) -> None:
    answer = editor.post("/api/preview", json={"kind": "update", "story": slug, "draft": {"body": 1}})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/body"


STEPS: list[tuple[str, dict[str, Any], str]] = [
    ("PATCH", {"body": "Silently."}, "update.edit"),
    ("PATCH", {"body": "Aloud.", "correction": "It was nine."}, "update.correct"),
    ("DELETE", {"reason": "It was wrong."}, "update.retract"),
]


def test_the_trail_has_who_did_what_to_which_version(admin: httpx.Client, editor: httpx.Client, slug: str) -> None:
    path = f"/api/stories/{slug}/updates/{made(editor, f'/api/stories/{slug}/updates', UPDATE)['id']}"
    for method, body, _ in STEPS:
        editor.request(method, path, json=body).raise_for_status()
    records = admin.get("/api/audit", params={"action": "update."}).json()["records"]
    mine = [record for record in reversed(records) if record["target"] == path]
    assert [record["action"] for record in mine] == ["update.publish", *(action for *_, action in STEPS)]
    assert [record["version"] for record in mine] == [1, 2, 3, 4]
    assert {(record["who"], record["role"], record["via"], record["address"]) for record in mine} == {
        ("the editor", "editor", "token", "127.0.0.1")
    }
    assert mine[1]["fields"] == ["body"]
    assert mine[2]["note"] == "It was nine."
    assert mine[3]["note"] == "It was wrong."
    assert "Silently" not in json.dumps(mine), "the trail names fields and keeps no text"


def test_the_trail_can_be_taken_away(server: Node, valkey: str, admin: httpx.Client, slug: str) -> None:
    holder = new_holder(valkey, server.site)
    with editor_of(server, holder.token) as editor:
        for _ in range(4):
            made(editor, f"/api/stories/{slug}/updates", UPDATE)
    lines = [json.loads(line) for line in admin.get("/api/audit.jsonl").text.splitlines()]
    rows = list(csv.DictReader(io.StringIO(admin.get("/api/audit.csv").text)))
    mine = [line["id"] for line in lines if line["who"] == holder.name]
    assert len(mine) == 4
    assert [row["id"] for row in rows if row["who"] == holder.name] == mine

    def listed(**query: str) -> list[str]:
        records = admin.get("/api/audit", params={"who": holder.name, **query}).json()["records"]
        return [record["id"] for record in records]

    assert listed(limit="2") == mine[:1:-1]
    assert listed(limit="1", before=mine[2]) == [mine[1]]
    assert admin.get("/api/audit?who=nobody%20at%20all").json()["records"] == []


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@cmd", "\tx"])
def test_no_cell_of_the_trail_is_a_formula(text: str) -> None:
    assert _cell(text) == f"'{text}"


def test_the_trail_has_who_came_in_and_who_was_refused(server: Node, admin: httpx.Client) -> None:
    text = made(admin, "/api/tokens", {"name": "Cleo Marsh", "role": "editor"})["token"]
    with httpx.Client(base_url=server.url) as desk:
        for token, status in ((text[:-1] + "!", 403), (text, 303)):
            form = {"name": "Cleo Marsh", "token": token}
            assert desk.post("/desk/sign-in", data=form, headers={"Origin": server.url}).status_code == status
    refused, begun = (
        admin.get(f"/api/audit?action=session.{what}&limit=1").json()["records"][0] for what in ("refuse", "begin")
    )
    assert refused["who"] == "nobody"
    assert "role" not in refused
    assert begun["who"] == "Cleo Marsh"
    assert begun["via"] == "desk"
    assert text not in f"{refused}{begun}"


def test_tokens_are_made_listed_and_revoked(server: Node, admin: httpx.Client) -> None:
    answer = made(admin, "/api/tokens", {"name": "Ada Quill", "role": "editor"})
    with editor_of(server, answer["token"]) as ada:
        assert ada.get("/api/stories").status_code == 200
        listed = admin.get("/api/tokens").json()["tokens"]
        mine = next(token for token in listed if token["id"] == answer["id"])
        assert not {"token", "hash"} & set(mine)
        assert admin.delete(f"/api/tokens/{answer['id']}").status_code == 204
        assert ada.get("/api/stories").status_code == 401
    actions = [record["action"] for record in admin.get("/api/audit?action=token.").json()["records"]]
    assert actions[:2] == ["token.revoke", "token.create"]


def test_a_desk_hears_of_what_others_do(server: Node, tokens: dict[Role, str], editor: httpx.Client, slug: str) -> None:
    with editor_of(server, tokens["reporter"]) as desk, desk.stream("GET", "/desk/events") as events:
        lines = events.iter_lines()
        assert next(lines) == "retry: 2000"
        update = made(editor, f"/api/stories/{slug}/updates", {"body": "A.", "pubStatus": "withheld"})
        hints = (json.loads(line[6:]) for line in lines if line.startswith("data: "))
        hint = next(hint for hint in hints if hint.get("target", "").endswith(update["id"]))
    assert {name: hint[name] for name in ("action", "version", "who")} == {
        "action": "update.draft", "version": 1, "who": "the editor",
    }  # fmt: skip


def test_nobody_hears_the_desk_without_a_token(server: Node) -> None:
    assert httpx.get(f"{server.url}/desk/events").status_code == 401
