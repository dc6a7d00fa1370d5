"""What the API refuses: the status and the words of each refusal, and that it changed nothing."""

import asyncio
import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from redis import Redis

from live.journal import Keys
from live.journal.connection import connect
from live.journal.tokens import Tokens
from live.model import Role
from live.model.fields import Body, Line, Text
from live.web.api import OPERATIONS
from live.web.api.newsroom import AUDIT, STORY_EDITING, TOKENS, UPDATE_EDITING
from live.web.api.site import NOTICE as NOTICE_PATH
from live.web.api.site import NOTICES, PREPARED, PROMO
from live.web.api.stories import STORIES, STORY
from live.web.api.updates import UPDATE, UPDATES
from tests.conftest import editor_of, make_token
from tests.node import Node
from tests.web import samples
from tests.web.samples import NOTICE, create, new_slug, patch, post, refused, retract, update_path

LIMIT = 262_144
LONGEST = {Line: 300, Text: 1000, Body: 100_000}


class Site:
    """What requests changed of the server's site, to see that it stays as it is."""

    def __init__(self, redis: Redis, name: str) -> None:
        self._redis = redis
        keys = Keys(name)
        self._pattern = keys.of("*")
        self._told_by_the_process = (keys.presence.encode(), keys.delivery("").encode())

    def kept(self) -> dict[bytes, bytes]:
        found = self._redis.scan_iter(self._pattern, count=10_000)
        keys = [key for key in found if not key.startswith(self._told_by_the_process)]
        with self._redis.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.dump(key)
            return dict(zip(keys, pipe.execute(), strict=True))

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        before = self.kept()
        yield
        assert self.kept() == before


@pytest.fixture
def site(server: Node, valkey: str) -> Iterator[Site]:
    with Redis.from_url(valkey) as redis:
        yield Site(redis, server.site)


@pytest.fixture(scope="module")
def story(server: Node, tokens: dict[Role, str]) -> dict[str, Any]:
    """A story with an update in `update`."""
    with editor_of(server, tokens["admin"]) as client:
        story = create(client)
        return story | {"update": post(client, story["slug"])}


def path_of(template: str, story: dict[str, Any]) -> str:
    return template.format(slug=story["slug"], id=story["update"]["id"], cursor="1700000000000-0")


def revoked(url: str, site: str) -> str:
    text = make_token(url, site, "admin")

    async def revoke() -> None:
        client = connect(url)
        assert await Tokens(client, Keys(site)).revoke(text.split("_")[1])
        await client.aclose()

    asyncio.run(revoke())
    return text


# Who asks

UNKNOWN = "live_0123456789ab_" + "x" * 43


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer rubbish",
        f"Basic {UNKNOWN}",
        f"Bearer {UNKNOWN}",
        f"Bearer {UNKNOWN} {UNKNOWN}",
        UNKNOWN,
        "Bearer \xe9",
        "Bearer live_*_*",
    ],
)
def test_without_a_good_token_it_is_401(server: Node, site: Site, header: str | None) -> None:
    headers = [] if header is None else [("Authorization", header.encode("latin-1"))]
    with site.unchanged():
        answer = httpx.post(f"{server.url}/api/stories", json=samples.STORY, headers=headers)  # type: ignore[arg-type]
    problem = refused(answer, 401, "Not authenticated")
    assert "live token create" in problem["detail"]
    assert answer.headers["www-authenticate"] == 'Bearer realm="live"'


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: f"{operation.method} {operation.path}")
def test_every_operation_needs_a_token(server: Node, site: Site, story: dict[str, Any], operation: Any) -> None:
    with site.unchanged():
        answer = httpx.request(operation.method, server.url + path_of(operation.path, story), json={})
    refused(answer, 401, "Not authenticated")


def test_a_revoked_token_is_refused_at_once(server: Node, valkey: str) -> None:
    with editor_of(server, revoked(valkey, server.site)) as client:
        refused(client.get("/api/stories"), 401, "Not authenticated")


def test_a_token_of_another_site_is_refused(server: Node, valkey: str) -> None:
    with editor_of(server, make_token(valkey, f"{server.site}-b", "admin")) as client:
        refused(client.get("/api/stories"), 401, "Not authenticated")


def test_a_known_token_with_another_secret_is_refused(server: Node, tokens: dict[Role, str]) -> None:
    with editor_of(server, tokens["admin"][:-43] + "A" * 43) as client:
        refused(client.get("/api/stories"), 401, "Not authenticated")


LOWEST: dict[tuple[str, str], Role] = {
    ("GET", STORIES): "reporter",
    ("POST", STORIES): "reporter",
    ("GET", STORY): "reporter",
    ("PATCH", STORY): "reporter",
    ("POST", UPDATES): "reporter",
    ("GET", UPDATE): "reporter",
    ("PATCH", UPDATE): "reporter",
    ("DELETE", UPDATE): "editor",
    ("GET", NOTICE_PATH): "reporter",
    ("PUT", NOTICE_PATH): "editor",
    ("DELETE", NOTICE_PATH): "editor",
    ("GET", PROMO): "reporter",
    ("PUT", PROMO): "admin",
    ("DELETE", PROMO): "admin",
    ("DELETE", STORY): "reporter",
    ("GET", NOTICES): "reporter",
    ("POST", NOTICES): "editor",
    ("DELETE", PREPARED): "editor",
    ("POST", f"{PREPARED}/activate"): "editor",
    ("POST", "/api/preview"): "reporter",
    ("PUT", STORY_EDITING): "reporter",
    ("DELETE", STORY_EDITING): "reporter",
    ("PUT", UPDATE_EDITING): "reporter",
    ("DELETE", UPDATE_EDITING): "reporter",
    ("GET", "/api/readers"): "reporter",
    ("GET", "/api/receipts/{cursor}"): "reporter",
    ("GET", AUDIT): "admin",
    ("GET", f"{AUDIT}.jsonl"): "admin",
    ("GET", f"{AUDIT}.csv"): "admin",
    ("GET", TOKENS): "admin",
    ("POST", TOKENS): "admin",
    ("DELETE", TOKENS + "/{id}"): "admin",
}
ROLES: tuple[Role, ...] = ("reporter", "editor", "admin")


def test_the_table_of_roles_has_every_operation() -> None:
    assert set(LOWEST) == {(operation.method, operation.path) for operation in OPERATIONS}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("method", "template"), [(o.method, o.path) for o in OPERATIONS])
def test_a_role_may_do_its_operations_and_no_other(
    server: Node, tokens: dict[Role, str], site: Site, method: str, template: str, role: Role
) -> None:
    path = template.format(slug="no-such-story", id="0" * 16, cursor="1700000000000-0")
    with site.unchanged(), editor_of(server, tokens[role]) as client:
        answer = client.request(method, path, json={})
        if ROLES.index(role) < ROLES.index(LOWEST[method, template]):
            problem = refused(answer, 403, "Not permitted")
            assert f"'{LOWEST[method, template]}'" in problem["detail"]
            assert f"'{role}'" in problem["detail"]
        else:
            assert answer.status_code in (200, 204, 404, 422)


# What is sent


def long(kind: Any) -> str:
    return "x" * (LONGEST[kind] + 1)


BAD_FIELDS: list[tuple[str, str, dict[str, Any], str]] = [
    ("POST", STORIES, {"colour": "red"}, "/colour"),
    ("POST", STORIES, {"a/b~c": 1}, "/a~1b~0c"),
    ("POST", STORIES, {"version": 3}, "/version"),
    ("POST", STORIES, {"first_created": "2026-01-01T00:00:00Z"}, "/first_created"),
    ("POST", STORIES, {"pub_status": "withheld"}, "/pub_status"),
    ("POST", STORIES, {"headline": ...}, "/headline"),
    ("POST", STORIES, {"body": ...}, "/body"),
    ("POST", STORIES, {"sections": ...}, "/sections"),
    ("POST", STORIES, {"headline": 5}, "/headline"),
    ("POST", STORIES, {"headline": None}, "/headline"),
    ("POST", STORIES, {"headline": "  \n "}, "/headline"),
    ("POST", STORIES, {"headline": long(Line)}, "/headline"),
    ("POST", STORIES, {"body": long(Body)}, "/body"),
    ("POST", STORIES, {"notice": long(Text)}, "/notice"),
    ("POST", STORIES, {"edNote": long(Text)}, "/edNote"),
    ("POST", STORIES, {"sections": []}, "/sections"),
    ("POST", STORIES, {"sections": "World"}, "/sections"),
    ("POST", STORIES, {"sections": ["World", "???"]}, "/sections/1"),
    ("POST", STORIES, {"sections": [f"S{n}" for n in range(9)]}, "/sections"),
    ("POST", STORIES, {"by": [{"name": "A"}, {"note": "no name"}]}, "/by/1/name"),
    ("POST", STORIES, {"by": [{"name": "A", "title": "Dr"}]}, "/by/0/title"),
    ("POST", STORIES, {"by": {"name": "A"}}, "/by"),
    ("POST", STORIES, {"image": {"src": "/a.jpg"}}, "/image/alt"),
    ("POST", STORIES, {"image": {"src": "/a.jpg", "alt": "A", "width": 0}}, "/image/width"),
    ("POST", STORIES, {"image": {"src": "/a.jpg", "alt": "A", "width": "10"}}, "/image/width"),
    ("POST", STORIES, {"urgency": 0}, "/urgency"),
    ("POST", STORIES, {"urgency": 10}, "/urgency"),
    ("POST", STORIES, {"urgency": "5"}, "/urgency"),
    ("POST", STORIES, {"urgency": 2.5}, "/urgency"),
    ("POST", STORIES, {"urgency": True}, "/urgency"),
    ("POST", STORIES, {"pubStatus": "published"}, "/pubStatus"),
    ("POST", STORIES, {"language": "e"}, "/language"),
    ("POST", STORIES, {"language": 'en" onload="x'}, "/language"),
    ("POST", STORIES, {"related": [{"headline": "A", "url": "example.org"}]}, "/related/0/url"),
    *[
        ("POST", STORIES, {"slug": slug}, "/slug")
        for slug in ("", "A", "a b", "a--b", "-a", "a-", "a/b", "../a", "ä", "a\n", "x" * 81, 5)
    ],
    *[
        ("POST", STORIES, {"image": {"src": url, "alt": "A"}}, "/image/src")
        for url in (
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:image/png;base64,AAAA",
            "//evil.example/a.png",
            "/\\evil.example",
            "\\\\evil.example",
            "http:evil",
            "https://",
            "https:///a",
            "file:///etc/passwd",
            "ftp://a.example/b",
            "a.png",
            "",
            "https://a.example/b c",
            "/" + "x" * 2000,
        )
    ],
    ("PATCH", STORY, {"slug": "another"}, "/slug"),
    ("PATCH", STORY, {"headline": None}, "/headline"),
    ("PATCH", STORY, {"urgency": None}, "/urgency"),
    ("PATCH", STORY, {"sections": []}, "/sections"),
    ("PATCH", STORY, {"updates": []}, "/updates"),
    ("PATCH", STORY, {"image": {"alt": "only this"}}, "/image/src"),
    ("POST", UPDATES, {"body": ...}, "/body"),
    ("POST", UPDATES, {"body": ["a"]}, "/body"),
    ("POST", UPDATES, {"id": "0" * 16}, "/id"),
    ("POST", UPDATES, {"sections": ["World"]}, "/sections"),
    ("POST", UPDATES, {"keyEvent": "surely"}, "/keyEvent"),
    ("POST", UPDATES, {"keyEvent": "yes"}, "/keyEvent"),
    ("POST", UPDATES, {"pinned": 1}, "/pinned"),
    ("POST", UPDATES, {"pubStatus": "canceled"}, "/pubStatus"),
    ("POST", UPDATES, {"correction": "It was ten."}, "/correction"),
    ("PATCH", UPDATE, {"correction": ""}, "/correction"),
    ("PATCH", UPDATE, {"correction": long(Text)}, "/correction"),
    ("PATCH", UPDATE, {"retraction": None}, "/retraction"),
    ("PATCH", UPDATE, {"body": None}, "/body"),
    ("PATCH", UPDATE, {"pinned": None}, "/pinned"),
    ("DELETE", UPDATE, {"reason": ...}, "/reason"),
    ("DELETE", UPDATE, {"reason": " "}, "/reason"),
    ("DELETE", UPDATE, {"reason": long(Text)}, "/reason"),
    ("PUT", NOTICE_PATH, {"text": ...}, "/text"),
    ("PUT", NOTICE_PATH, {"urgency": 4}, "/urgency"),
    ("PUT", NOTICE_PATH, {"story": "Not A Slug"}, "/story"),
    ("PUT", NOTICE_PATH, {"expires": "tomorrow"}, "/expires"),
    ("PUT", NOTICE_PATH, {"expires": "2099-01-01T00:00:00"}, "/expires"),
    ("PUT", NOTICE_PATH, {"expires": 4_070_908_800}, "/expires"),
    ("PUT", NOTICE_PATH, {"expires": "9999-12-31T23:59:59-12:00"}, "/expires"),
    ("PUT", NOTICE_PATH, {"expires": "0001-01-01T00:00:00+12:00"}, "/expires"),
    ("PUT", PROMO, {"url": "javascript:alert(1)"}, "/url"),
    ("PUT", PROMO, {"url": ...}, "/url"),
    ("PUT", PROMO, {"version": 1}, "/version"),
]
WHOLE: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", STORIES): samples.STORY,
    ("POST", UPDATES): samples.UPDATE,
    ("DELETE", UPDATE): {"reason": "Misread."},
    ("PUT", NOTICE_PATH): NOTICE,
    ("PUT", PROMO): samples.PROMO,
}


def short(value: object) -> str:
    return str(value)[:40].encode("unicode_escape").decode()


@pytest.mark.parametrize(("method", "template", "bad", "pointer"), BAD_FIELDS, ids=short)
def test_a_field_that_does_not_fit_is_named(
    admin: httpx.Client, site: Site, story: dict[str, Any],
    method: str, template: str, bad: dict[str, Any], pointer: str,
) -> None:  # fmt: skip
    whole = WHOLE.get((method, template), {}) | bad
    body = {name: value for name, value in whole.items() if value is not ...}
    with site.unchanged():
        answer = admin.request(method, path_of(template, story), json=body)
        problem = refused(answer, 422, "Invalid", pointer)
    assert problem["detail"] == f"{pointer} {problem['errors'][0]['detail']}."


def test_every_wrong_field_is_named_at_once(admin: httpx.Client, site: Site) -> None:
    with site.unchanged():
        answer = admin.post("/api/stories", json={"headline": 5, "sections": ["World"], "urgency": 99, "red": 1})
    refused(answer, 422, "Invalid", "/headline", "/body", "/urgency", "/red")


@pytest.mark.parametrize(
    ("pointer", "words", "body"),
    [
        ("/colour", "is not a field of this record", {**samples.STORY, "colour": "red"}),
        ("/headline", "is required", {k: v for k, v in samples.STORY.items() if k != "headline"}),
        ("/headline", "must not be empty", {**samples.STORY, "headline": ""}),
        (
            "/related/0/url",
            "must be an http(s) URL or a path that starts with one slash",
            {**samples.STORY, "related": [{"headline": "A", "url": "data:,x"}]},
        ),
    ],
)
def test_the_words_for_a_wrong_field_are_plain(
    admin: httpx.Client, pointer: str, words: str, body: dict[str, Any]
) -> None:
    problem = refused(admin.post("/api/stories", json=body), 422, "Invalid", pointer)
    assert problem["errors"] == [{"pointer": pointer, "detail": words}]


@pytest.mark.parametrize(
    ("raw", "status", "title", "pointers"),
    [
        (b"", 400, "Malformed JSON", []),
        (b"{", 400, "Malformed JSON", []),
        (b"{'headline': 1}", 400, "Malformed JSON", []),
        (b'{"headline": "a"} {}', 400, "Malformed JSON", []),
        (b'{"headline": "\xff\xfe"}', 400, "Malformed JSON", []),
        (rb'{"headline": "\ud800"}', 400, "Malformed JSON", []),
        (rb'{"headline": "\udc00 \ud800"}', 400, "Malformed JSON", []),
        (b"[" * 100_000, 400, "Malformed JSON", []),
        (b"[]", 422, "Invalid", [""]),
        (b"null", 422, "Invalid", [""]),
        (b'"headline"', 422, "Invalid", [""]),
        (b"12", 422, "Invalid", [""]),
    ],
    ids=short,
)
def test_a_body_that_is_no_json_object(
    admin: httpx.Client, site: Site, raw: bytes, status: int, title: str, pointers: list[str]
) -> None:
    with site.unchanged():
        answer = admin.post("/api/stories", content=raw, headers={"Content-Type": "application/json"})
    refused(answer, status, title, *pointers)


@pytest.mark.parametrize("kind", [None, "", "text/plain", "application/x-www-form-urlencoded", "application/jsonp"])
def test_a_body_of_another_type_is_415(admin: httpx.Client, site: Site, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    with site.unchanged():
        answer = admin.post("/api/stories", content=json.dumps(samples.STORY).encode(), headers=headers)
    assert "application/json" in refused(answer, 415, "Not JSON")["detail"]


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "Application/JSON", "application/merge-patch+json"]
)
def test_json_by_its_other_names_is_taken(admin: httpx.Client, story: dict[str, Any], kind: str) -> None:
    headers = {"Content-Type": kind}
    assert admin.patch(path_of(STORY, story), content=b'{"urgency": 4}', headers=headers).status_code == 200


def pieces(total: int) -> Iterator[bytes]:
    for _ in range(total // 1024):
        yield b" " * 1024


def test_a_body_over_the_limit_is_413_by_its_announced_length(
    server: Node, tokens: dict[Role, str], site: Site
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", int(server.settings["port"]), timeout=10)
    with site.unchanged():
        connection.putrequest("POST", "/api/stories")
        connection.putheader("Authorization", f"Bearer {tokens['admin']}")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(LIMIT + 1))
        connection.endheaders()  # the refusal comes before the body is sent
        answer = connection.getresponse()
        text = answer.read()
    connection.close()
    kind = {"Content-Type": answer.headers["content-type"], "Cache-Control": answer.headers["cache-control"]}
    problem = refused(httpx.Response(answer.status, headers=kind, content=text), 413, "Body too large")
    assert str(LIMIT) in problem["detail"]


@pytest.mark.parametrize("kind", ["whole", "chunked"])
def test_a_body_over_the_limit_is_413(admin: httpx.Client, site: Site, kind: str) -> None:
    content = b" " * (LIMIT + 1) if kind == "whole" else pieces(LIMIT * 4)
    with site.unchanged():
        answer = admin.post("/api/stories", content=content, headers={"Content-Type": "application/json"})
    assert str(LIMIT) in refused(answer, 413, "Body too large")["detail"]


@pytest.mark.parametrize("kind", ["whole", "chunked"])
def test_a_body_at_the_limit_is_read(admin: httpx.Client, kind: str) -> None:
    content = b" " * LIMIT if kind == "whole" else pieces(LIMIT)
    answer = admin.post("/api/stories", content=content, headers={"Content-Type": "application/json"})
    refused(answer, 400, "Malformed JSON")


# What is there


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/stories/no-such", None),
        ("GET", "/api/stories/%00", None),
        ("GET", "/api/stories/Caf%C3%A9", None),
        ("PATCH", "/api/stories/no-such", {"urgency": 2}),
        ("POST", "/api/stories/no-such/updates", samples.UPDATE),
        ("GET", "/api/stories/no-such/updates/0000000000000000", None),
        ("PATCH", "/api/stories/no-such/updates/0000000000000000", {"body": "a"}),
        ("DELETE", "/api/stories/no-such/updates/0000000000000000", {"reason": "a"}),
        ("GET", "/api/stories/{slug}/updates/0000000000000000", None),
        ("GET", "/api/stories/{slug}/updates/rubbish", None),
        ("PATCH", "/api/stories/{slug}/updates/0000000000000000", {"body": "a"}),
        ("DELETE", "/api/stories/{slug}/updates/0000000000000000", {"reason": "a"}),
        ("GET", "/api/nothing", None),
        ("POST", "/api/stories/{slug}/updates/0000000000000000/more", {}),
    ],
)
def test_what_is_not_there_is_404(
    admin: httpx.Client, site: Site, story: dict[str, Any], method: str, path: str, body: Any
) -> None:
    with site.unchanged():
        refused(admin.request(method, path.replace("{slug}", story["slug"]), json=body), 404, "Not found")


def test_an_update_of_another_story_is_404(admin: httpx.Client, story: dict[str, Any]) -> None:
    other = create(admin)["slug"]
    refused(admin.get(f"/api/stories/{other}/updates/{story['update']['id']}"), 404, "Not found")


def methods_at(template: str) -> set[str]:
    methods = {operation.method for operation in OPERATIONS if operation.path == template}
    return methods | {"HEAD"} if "GET" in methods else methods


OTHER_PATHS = ["/", "/story/{slug}", "/section/world", "/livez", "/stream", "/api/openapi.json"]
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@pytest.mark.parametrize("template", [*dict.fromkeys(o.path for o in OPERATIONS), *OTHER_PATHS])
def test_another_method_is_405_and_told_those_allowed(
    admin: httpx.Client, site: Site, story: dict[str, Any], template: str
) -> None:
    allowed = methods_at(template) or {"GET", "HEAD"}
    for method in set(METHODS) - allowed:
        with site.unchanged():
            answer = admin.request(method, path_of(template, story), json={})
        problem = refused(answer, 405, "Method not allowed")
        assert "Allow" in problem["detail"]
        assert {name.strip() for name in answer.headers["allow"].split(",")} == allowed


def test_a_static_file_takes_no_post_and_says_what_it_takes(admin: httpx.Client) -> None:
    answer = admin.post("/static/latest/css/live.css")
    refused(answer, 405, "Method not allowed")
    assert {name.strip() for name in answer.headers["allow"].split(",")} == {"GET", "HEAD"}


def test_a_stale_version_is_412(admin: httpx.Client, site: Site) -> None:
    slug = create(admin)["slug"]
    patch(admin, f"/api/stories/{slug}", urgency=4)
    for tag in ('"1"', '"3"', '"0"', '"1", "7"'):
        with site.unchanged():
            answer = admin.patch(f"/api/stories/{slug}", json={"urgency": 1}, headers={"If-Match": tag})
        assert "ETag" in refused(answer, 412, "Stale version")["detail"]


def test_a_version_of_what_is_not_there_is_412(admin: httpx.Client, site: Site) -> None:
    assert admin.delete("/api/notice").status_code in (204, 404)
    for tag in ("*", '"1"'):
        with site.unchanged():
            refused(admin.put("/api/notice", json=NOTICE, headers={"If-Match": tag}), 412, "Stale version")


@pytest.mark.parametrize("tag", ["1", '"1', "", "**", '"', '""', ","])
def test_a_malformed_if_match_is_400(admin: httpx.Client, site: Site, story: dict[str, Any], tag: str) -> None:
    with site.unchanged():
        answer = admin.patch(path_of(STORY, story), json={"urgency": 1}, headers={"If-Match": tag})
    assert "If-Match" in refused(answer, 400, "Bad request")["detail"]


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\tbed", "\x80"])
def test_a_key_that_does_not_fit_is_400(admin: httpx.Client, site: Site, story: dict[str, Any], key: str) -> None:
    headers = [(b"Idempotency-Key", key.encode("latin-1"))]
    with site.unchanged():
        answer = admin.post(path_of(UPDATES, story), json=samples.UPDATE, headers=headers)
    assert "255" in refused(answer, 400, "Bad request")["detail"]


def test_the_longest_key_is_taken(admin: httpx.Client, story: dict[str, Any]) -> None:
    headers = {"Idempotency-Key": story["slug"].ljust(255, "~")}
    assert admin.post(path_of(UPDATES, story), json=samples.UPDATE, headers=headers).status_code == 201


def test_a_key_for_another_request_is_422(admin: httpx.Client, site: Site, story: dict[str, Any]) -> None:
    key = {"Idempotency-Key": new_slug()}
    path = path_of(UPDATES, story)
    assert admin.post(path, json=samples.UPDATE, headers=key).status_code == 201
    others: list[tuple[str, str, Any, dict[str, str]]] = [
        ("POST", path, {"body": "Another."}, key),
        ("POST", path, {**samples.UPDATE, "urgency": 4}, key),
        ("PATCH", path_of(STORY, story), {"urgency": 4}, key),
        ("PATCH", path_of(UPDATE, story), samples.UPDATE, {**key, "If-Match": "*"}),
        ("DELETE", "/api/promo", None, key),
    ]
    for method, address, body, headers in others:
        with site.unchanged():
            answer = admin.request(method, address, json=body, headers=headers)
        assert "Idempotency-Key" in refused(answer, 422, "Idempotency key reused")["detail"]


def test_a_refused_request_does_not_use_up_its_key(admin: httpx.Client, story: dict[str, Any]) -> None:
    key, path = {"Idempotency-Key": new_slug()}, path_of(UPDATES, story)
    refused(admin.post(path, json={"body": ""}, headers=key), 422, "Invalid", "/body")
    answer = admin.post(path, json={"body": "Mended."}, headers=key)
    assert answer.status_code == 201
    assert "idempotent-replayed" not in answer.headers


def test_a_taken_slug_is_409(admin: httpx.Client, site: Site, story: dict[str, Any]) -> None:
    with site.unchanged():
        answer = admin.post("/api/stories", json={**samples.STORY, "slug": story["slug"]})
    assert story["slug"] in refused(answer, 409, "Slug taken")["detail"]


def test_the_slug_of_a_withheld_story_is_taken_too(admin: httpx.Client) -> None:
    slug = create(admin, pubStatus="withheld")["slug"]
    refused(admin.post("/api/stories", json={**samples.STORY, "slug": slug}), 409, "Slug taken")


def test_a_retraction_is_final(admin: httpx.Client, site: Site) -> None:
    update = post(admin, create(admin)["slug"])
    retract(admin, update)
    with site.unchanged():
        again = admin.request("DELETE", update_path(update), json={"reason": "Again."})
        refused(again, 409, "Already retracted")
        refused(admin.patch(update_path(update), json={"body": "Back."}), 409, "Already retracted")


def test_what_readers_have_seen_is_not_withheld(admin: httpx.Client, site: Site, story: dict[str, Any]) -> None:
    with site.unchanged():
        answer = admin.patch(path_of(UPDATE, story), json={"pubStatus": "withheld"})
    assert "retract" in refused(answer, 409, "Not possible now")["detail"]


def test_a_notice_that_has_expired_is_409(admin: httpx.Client, site: Site) -> None:
    for ago in (timedelta(0), timedelta(days=400)):
        past = (datetime.now(UTC) - ago).isoformat()
        with site.unchanged():
            answer = admin.put("/api/notice", json={**NOTICE, "expires": past})
        assert "expires" in refused(answer, 409, "Not possible now")["detail"]


def test_a_person_gets_the_refusal_as_a_page(server: Node) -> None:
    answer = httpx.get(f"{server.url}/nothing", headers={"Accept": "text/html,application/xhtml+xml"})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert answer.headers["cache-control"] == "no-store"
    assert "Not found" in answer.text
    assert "<!doctype html>" in answer.text


def test_a_program_gets_it_as_problem_details(server: Node) -> None:
    refused(httpx.get(f"{server.url}/nothing"), 404, "Not found")
    refused(httpx.get(f"{server.url}/api/nothing", headers={"Accept": "text/html"}), 404, "Not found")


def test_what_fails_on_our_side_is_a_bare_500(admin: httpx.Client, server: Node, valkey: str) -> None:
    slug = create(admin)["slug"]
    with Redis.from_url(valkey) as redis:
        redis.hset(Keys(server.site).of(f"updates:{slug}"), "0" * 16, "no record at all")
    problem = refused(admin.get(f"/api/stories/{slug}"), 500, "Internal error")
    assert problem["detail"] == "Something failed on our side; the server's log has the details."
    page = httpx.get(f"{server.url}/story/{slug}", headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["content-type"]) == (500, "text/html; charset=utf-8")
    assert "no record at all" not in page.text
