"""Signing in to the desk and out: what opens the door, what does not, and what a session is worth."""

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest
from redis.asyncio import Redis
from starlette.applications import Starlette

from live.journal import Keys
from live.journal.sessions import Accounts
from live.model import Identity
from live.web.auth import Doorkeeper
from live.web.layout import Layout, Site
from live.web.sessions import desk_address
from live.web.sign_in import SignIn
from tests.conftest import StartNode
from tests.node import Node, eventually
from tests.web.desk import (
    Holder,
    browser,
    keys_of,
    new_holder,
    proof,
    refusal,
    revoke,
    sign_in,
    signed_in,
    stored,
)
from tests.web.samples import STORY, new_slug, refused


@pytest.fixture
def ada(server: Node, valkey: str) -> Holder:
    return new_holder(valkey, server.site)


@pytest.mark.parametrize(
    "typed",
    [
        lambda holder: {},
        lambda holder: {"name": f"  {holder.name}\t"},
        lambda holder: {"name": holder.name.upper()},
        lambda holder: {"token": f" {holder.token}\r\n"},
    ],
)
def test_a_name_and_its_token_open_the_desk(
    server: Node, ada: Holder, typed: Callable[[Holder], dict[str, str]]
) -> None:
    with browser(server) as client:
        answer = sign_in(client, ada, **typed(ada))
        assert (answer.status_code, answer.headers["location"]) == (303, "/desk")
        assert answer.headers["cache-control"] == "no-store"
        assert client.get("/api/stories").status_code == 200


@pytest.mark.parametrize(
    "typed",
    [
        lambda holder: {"name": "Somebody Else"},
        lambda holder: {"name": holder.name + "x"},
        lambda holder: {"token": "secret"},
        lambda holder: {"token": holder.token[:-2]},
        lambda holder: {"token": f"live_{secrets.token_hex(6)}_{secrets.token_urlsafe(32)}"},
        lambda holder: {"name": "\0\ud7ff", "token": "é" * 50},
    ],
)
def test_anything_else_gets_one_and_the_same_answer(
    server: Node, ada: Holder, typed: Callable[[Holder], dict[str, str]]
) -> None:
    with browser(server) as client:
        answer = sign_in(client, ada, **typed(ada))
        assert (answer.status_code, refusal(answer)) == (
            403, "That name and token do not belong together, or are not known here.",
        )  # fmt: skip
        assert "set-cookie" not in answer.headers
        assert ada.token not in answer.text
        assert client.get("/api/stories").status_code == 401


def test_a_revoked_token_opens_nothing(server: Node, valkey: str, ada: Holder) -> None:
    revoke(valkey, server.site, ada)
    with browser(server) as client:
        assert sign_in(client, ada).status_code == 403


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"", "application/x-www-form-urlencoded", 422),
        (b"name=Ada&token=", "application/x-www-form-urlencoded", 422),
        (b"name=+&token=x", "application/x-www-form-urlencoded; charset=utf-8", 422),
        (b'{"name": "Ada", "token": "x"}', "application/json", 422),
        (b"%ff=%ff&name=%f0%28&token=%00", "application/x-www-form-urlencoded", 403),
        (b"&".join(b"a=b" for _ in range(101)), "application/x-www-form-urlencoded", 400),
        (b"name=" + b"a" * 70_000, "application/x-www-form-urlencoded", 413),
    ],
)
def test_what_is_no_proper_form_is_answered_properly(server: Node, body: bytes, content_type: str, status: int) -> None:
    with browser(server, **{"Content-Type": content_type, "Accept": "text/html"}) as client:
        answer = client.post("/desk/sign-in", content=body)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_the_page_has_a_form_without_scripts_and_the_sites_headers(server: Node) -> None:
    with browser(server) as client:
        answer = client.get("/desk/sign-in", params={"next": "/desk/audit?who=Ada"})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert "form-action 'self'" in answer.headers["content-security-policy"]
    assert '<form method="post" action="/desk/sign-in">' in answer.text
    assert 'name="next" value="/desk/audit?who=Ada"' in answer.text
    assert "/desk/sso" not in answer.text


def test_who_is_signed_in_goes_straight_on(server: Node, ada: Holder) -> None:
    with browser(server) as client:
        signed_in(client, ada)
        answer = client.get("/desk/sign-in", params={"next": "/desk/audit"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/desk/audit")


@pytest.mark.parametrize(
    "target",
    ["/desk", "/desk/", "/desk/story/norwick", "/desk/audit?who=Ada%20Quill&before=17-0"],
)
def test_the_way_back_leads_to_the_desk(target: str) -> None:
    assert desk_address(target) == target


@pytest.mark.parametrize(
    "target",
    [
        "", "/", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example",
        "https:/desk", "javascript:alert(1)", "//evil.example/desk", "/desk//evil.example", "/desk\\evil.example",
        "/desk/../..//evil.example", "/desk/..", "/desk/.", "/desk/%2e%2e/", "/desk%2f%2fevil.example",
        "/%2fevil.example", "/desk@evil.example", "/desk.evil.example", "/desks", " /desk", "/desk\n", "/desk\r\nX: y",
        "/desk\t", "/desk/\N{FULLWIDTH SOLIDUS}", "/desk#x", "/DESK", "desk", "/desk?x=//evil.example",
    ],
)  # fmt: skip
def test_and_nowhere_else(target: str) -> None:
    assert desk_address(target) == "/desk"


@pytest.mark.parametrize("target", ["//evil.example", "/\\evil.example", "https://evil.example/desk"])
def test_nor_does_the_server_send_anybody_elsewhere(server: Node, ada: Holder, target: str) -> None:
    with browser(server) as client:
        assert "evil" not in client.get("/desk/sign-in", params={"next": target}).text
        assert sign_in(client, ada, next=target).headers["location"] == "/desk"
        assert client.get("/desk/sign-in", params={"next": target}).headers["location"] == "/desk"


def flags_of(answer: httpx.Response) -> tuple[str, set[str]]:
    """The name of the cookie that is set, and its attributes."""
    first, *attributes = answer.headers["set-cookie"].split("; ")
    return first.partition("=")[0], {attribute.lower() for attribute in attributes}


def test_the_cookie_is_out_of_reach(server: Node, ada: Holder) -> None:
    with browser(server) as client:
        assert flags_of(sign_in(client, ada)) == ("live-session", {"path=/", "httponly", "samesite=lax"})


def test_over_tls_it_is_bound_to_tls_and_to_this_host(server: Node, ada: Holder) -> None:
    with browser(server, **{"X-Forwarded-Proto": "https"}) as client:
        answer = sign_in(client, ada)
        assert flags_of(answer) == ("__Host-live", {"path=/", "httponly", "samesite=lax", "secure"})
        secret = answer.headers["set-cookie"].split(";")[0].partition("=")[2]
        client.cookies.clear()
        for name, status in (("__Host-live", 200), ("live-session", 401)):
            assert client.get("/api/stories", headers={"Cookie": f"{name}={secret}"}).status_code == status


def test_a_session_planted_before_is_not_the_one_after(server: Node, valkey: str, ada: Holder) -> None:
    with browser(server) as attacker, browser(server) as victim:
        planted = signed_in(attacker, new_holder(valkey, server.site))
        victim.headers["Cookie"] = f"live-session={planted}"
        answer = sign_in(victim, ada)
        given = answer.headers["set-cookie"].split(";")[0].partition("=")[2]
        assert given != planted
        assert attacker.get("/api/stories").status_code == 401


@pytest.mark.parametrize("text", ["A" * 43, "", "x", "../../tokens", "A" * 10_000])
def test_a_made_up_cookie_is_no_session(server: Node, text: str) -> None:
    with browser(server, Cookie=f"live-session={text}") as client:
        refused(client.get("/api/stories"), 401, "Not authenticated")


def draft() -> dict[str, object]:
    return {**STORY, "slug": new_slug(), "pubStatus": "withheld"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 201),
        ({"Sec-Fetch-Site": "same-origin"}, 201),
        ({"Origin": "OWN"}, 201),
        ({"Live-CSRF": ""}, 403),
        ({"Live-CSRF": "0" * 64}, 403),
        ({"Live-CSRF": "é"}, 403),
        ({"Live-CSRF": "OTHER SESSION'S"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "OWN"}, 403),
    ],
)
def test_a_session_changes_things_from_the_desks_own_pages_only(
    server: Node, valkey: str, ada: Holder, headers: dict[str, str], status: int
) -> None:
    with browser(server) as client, browser(server) as other:
        signed_in(client, ada)
        signed_in(other, new_holder(valkey, server.site))
        special = {"OWN": server.url, "OTHER SESSION'S": proof(other)["Live-CSRF"]}
        sent = proof(client) | {name: special.get(value, value) for name, value in headers.items()}
        raw = [(name.encode(), value.encode()) for name, value in sent.items()]
        answer = client.post("/api/stories", json=draft(), headers=raw)
        if status == 201:
            assert answer.status_code == 201, answer.text
        else:
            refused(answer, 403, "Not from the desk")


def test_without_the_header_nothing_is_changed_but_everything_may_be_read(server: Node, ada: Holder) -> None:
    with browser(server) as client:
        signed_in(client, ada)
        refused(client.post("/api/stories", json=draft()), 403, "Not from the desk")
        assert client.get("/api/stories").status_code == 200


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer x", "Basic eDp5", f"Bearer live_{'0' * 12}_{'A' * 43}"]
)
def test_an_authorization_header_is_never_completed_by_the_cookie(
    server: Node, ada: Holder, authorization: str
) -> None:
    with browser(server) as client:
        signed_in(client, ada)
        headers = proof(client) | {"Authorization": authorization}
        refused(client.get("/api/stories", headers=headers), 401, "Not authenticated")


def test_a_token_counts_before_the_session(server: Node, valkey: str, ada: Holder) -> None:
    reporter = new_holder(valkey, server.site, "reporter")
    with browser(server) as client:
        signed_in(client, ada)
        headers = proof(client) | {"Authorization": f"Bearer {reporter.token}"}
        published = {**draft(), "pubStatus": "usable"}
        refused(client.post("/api/stories", json=published, headers=headers), 403, "Not permitted")
        assert client.post("/api/stories", json=published, headers=proof(client)).status_code == 201


def test_a_session_ends_with_its_token(server: Node, valkey: str, ada: Holder) -> None:
    with browser(server) as client:
        signed_in(client, ada)
        assert client.get("/api/stories").status_code == 200
        revoke(valkey, server.site, ada)
        refused(client.get("/api/stories"), 401, "Not authenticated")


def test_signing_out_ends_the_session(server: Node, ada: Holder) -> None:
    with browser(server) as client:
        secret = signed_in(client, ada)
        assert client.post("/desk/sign-out").status_code == 403
        answer = client.post("/desk/sign-out", data={"csrf": proof(client)["Live-CSRF"]})
        assert (answer.status_code, answer.headers["location"]) == (303, "/desk/sign-in")
        assert "live-session" not in client.cookies
        assert client.get("/api/stories", headers={"Cookie": f"live-session={secret}"}).status_code == 401
        assert client.post("/desk/sign-out").status_code == 303


def test_a_page_of_another_site_signs_nobody_in(server: Node, ada: Holder) -> None:
    with browser(server, Origin="https://evil.example") as client:
        assert sign_in(client, ada).status_code == 403
        assert not client.cookies


def test_a_session_slides_and_runs_out(start_node: StartNode, valkey: str, site: str) -> None:
    node = start_node(session_hours=2)
    ada = new_holder(valkey, site)
    with browser(node) as client, stored(valkey) as redis:
        signed_in(client, ada)
        (key,) = keys_of(redis, site, "session:")
        assert 7_190_000 < redis.pttl(key) <= 7_200_000
        redis.pexpire(key, 60_000)
        assert client.get("/api/stories").status_code == 200
        assert redis.pttl(key) > 7_190_000
        redis.pexpireat(key, 1)  # long past: no request comes in between and prolongs it
        assert client.get("/api/stories").status_code == 401


def test_a_session_does_not_slide_for_ever(server: Node, valkey: str, ada: Holder) -> None:
    with browser(server) as client, stored(valkey) as redis:
        signed_in(client, ada)
        for key in keys_of(redis, server.site, "session:"):
            record = str(redis.get(key))
            if ada.name in record:
                redis.set(key, re.sub(r'"created":"\d{4}', '"created":"2020', record), keepttl=True)
        assert client.get("/api/stories").status_code == 401


def test_no_secret_is_stored(start_node: StartNode, valkey: str, site: str) -> None:
    node = start_node()
    ada = new_holder(valkey, site)
    with browser(node) as client, stored(valkey) as redis:
        secret, csrf = signed_in(client, ada), proof(client)["Live-CSRF"]
        (key,) = keys_of(redis, site, "session:")
        kept = [key, str(redis.get(key)), *map(str, redis.zrange(f"live:{{{site}}}:sessions", 0, -1))]
    assert len(kept) == 3
    assert not any(text in one for one in kept for text in (secret, csrf))


def guess(client: httpx.Client, name: str) -> httpx.Response:
    return client.post("/desk/sign-in", data={"name": name, "token": "a guess"})


def let_attempts_run_out(valkey: str, site: str) -> None:
    """Makes 15 minutes pass for what was counted, and makes sure that they would have passed by themselves."""
    with stored(valkey) as redis:
        for key in keys_of(redis, site, "attempts:"):
            assert 0 < redis.pttl(key) <= 900_000
            redis.pexpire(key, 1)


def test_guessing_a_name_is_bounded_wherever_it_comes_from(start_node: StartNode, valkey: str, site: str) -> None:
    nodes = [start_node(), start_node()]
    ada, ben = new_holder(valkey, site), new_holder(valkey, site)
    for attempt in range(10):
        with browser(nodes[attempt % 2]) as client:
            assert guess(client, ada.name.upper()).status_code == 403
    with browser(nodes[0]) as client:
        for _ in range(2):
            answer = sign_in(client, ada)  # with the right token
            assert answer.status_code == 429
            assert 0 < int(answer.headers["retry-after"]) <= 900
            assert "Too many attempts" in refusal(answer)
        assert sign_in(client, ben).status_code == 303
        let_attempts_run_out(valkey, site)
        eventually(lambda: sign_in(client, ada).status_code == 303)


def test_guessing_from_an_address_is_bounded_whatever_the_name(start_node: StartNode, valkey: str, site: str) -> None:
    node = start_node()
    ada = new_holder(valkey, site)
    with browser(node) as guesser, browser(node) as client:
        for number in range(30):
            assert guess(guesser, f"Somebody {number}").status_code == 403
        assert sign_in(guesser, ada).status_code == 429
        assert sign_in(client, ada).status_code == 303
        let_attempts_run_out(valkey, site)
        eventually(lambda: sign_in(guesser, ada).status_code == 303)


def test_signing_in_is_no_failure(server: Node, ada: Holder) -> None:
    with browser(server) as client:
        assert [sign_in(client, ada).status_code for _ in range(35)] == [303] * 35


class Command:
    """Runs `live` against the tests' server."""

    def __init__(self, valkey: str, site: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LIVE_")}
        self._environment = kept | {"LIVE_REDIS_URL": valkey, "LIVE_SITE": site}

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "live", *words],
            env=self._environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip


def link_for(valkey: str, node: Node, name: str) -> str:
    """The path of a new sign-in link."""
    done = Command(valkey, node.site)("sign-in", "--name", name, "--url", node.url)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(re.escape(node.url) + r"/desk/sign-in/[\w-]{43}\n", done.stdout)
    return done.stdout.strip().removeprefix(node.url)


def test_a_link_signs_in_once(server: Node, valkey: str, ada: Holder) -> None:
    path = link_for(valkey, server, ada.name.lower())
    with browser(server) as client, browser(server) as late:
        for _ in range(2):  # a previewer's visit does not use it up
            page = client.get(path)
            assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
            assert ada.name in page.text and '<form method="post">' in page.text
            assert not client.cookies
        assert client.post(path, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
        answer = client.post(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/desk")
        assert client.get("/api/stories").status_code == 200
        for answer in (late.get(path), late.post(path)):
            assert answer.status_code == 410
            assert "was used" in refusal(answer)
        assert not late.cookies


def test_a_link_runs_out_and_ends_with_its_token(start_node: StartNode, valkey: str, site: str) -> None:
    node = start_node()
    ada, ben = new_holder(valkey, site), new_holder(valkey, site)
    with browser(node) as client, stored(valkey) as redis:
        path = link_for(valkey, node, ada.name)
        (key,) = keys_of(redis, site, "once:link:")
        assert path.rpartition("/")[2] not in key
        assert 880_000 < redis.pttl(key) <= 900_000
        redis.pexpire(key, 1)
        eventually(lambda: client.get(path).status_code == 410)
        assert client.post(path).status_code == 410
        path = link_for(valkey, node, ben.name)
        revoke(valkey, site, ben)
        assert client.post(path).status_code == 410


def test_the_operator_sees_sessions_and_ends_them(start_node: StartNode, valkey: str, site: str) -> None:
    live, node = Command(valkey, site), start_node()
    ada, ben = new_holder(valkey, site), new_holder(valkey, site, "admin")
    with browser(node) as hers, browser(node) as his:
        signed_in(hers, ada)
        signed_in(his, ben)
        lines = live("session", "list").stdout.splitlines()
        assert len(lines) == 2
        (line,) = (line for line in lines if ada.name in line)
        assert live("session", "end", line.split()[0]).returncode == 0
        assert hers.get("/api/stories").status_code == 401
        assert his.get("/api/stories").status_code == 200
    for words in (("session", "end", line.split()[0]), ("sign-in", "--name", "Nobody")):
        done = live(*words)
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1


def test_the_demo_begins_with_a_link_to_the_desk(start_node: StartNode) -> None:
    node = start_node(demo=True)
    found = re.search(r"The desk +(http\S+)", node.output)
    assert found and found[1].startswith(node.url)
    with browser(node) as client:
        assert client.post(found[1]).status_code == 303
        assert client.put("/api/notice", json={"text": "Hello"}, headers=proof(client)).status_code == 200


class Trail:
    """What the audit was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, str]] = []

    async def __call__(self, action: str, identity: Identity | None, detail: str) -> None:
        self.told.append((action, identity.name if identity else "", detail))


@pytest.mark.anyio
async def test_the_audit_is_told(client: Redis, keys: Keys) -> None:
    accounts, trail = Accounts.of(client, keys, timedelta(hours=1)), Trail()
    token, text = await accounts.tokens.create("Ada", "editor")
    doorkeeper = Doorkeeper(accounts.tokens, accounts.sessions)
    app = Starlette(routes=SignIn(accounts, doorkeeper, Layout(Site("Live", "en")), trail).routes())
    transport = httpx.ASGITransport(app, client=("192.0.2.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://news.example") as ada:
        await ada.post("/desk/sign-in", data={"name": text, "token": text})
        for _ in range(20):
            await ada.post("/desk/sign-in", data={"name": "Ada", "token": "x"})
        await ada.post(f"/desk/sign-in/{await accounts.links.keep(token.id)}")
        await ada.post("/desk/sign-out", data={"csrf": proof(ada)["Live-CSRF"]})
        for _ in range(50):
            await ada.post("/desk/sign-in/used")
    wrong = ("session.refuse", "", "'Ada', from 192.0.2.7: wrong name or token")
    assert trail.told[:14] == [
        ("session.refuse", "", "a token in place of a name, from 192.0.2.7: wrong name or token"),
        *[wrong] * 10,
        ("session.refuse", "", "'Ada', from 192.0.2.7: too many attempts"),
        ("session.begin", "Ada", "with a one-time link"),
        ("session.end", "Ada", "signed out"),
    ]
    assert len(trail.told) == 14 + 30
    assert not any(text in detail for _, _, detail in trail.told)
