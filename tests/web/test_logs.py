"""The log's lines: the request that they are about, as text and as JSON, and no secrets."""

import asyncio
import json
import logging
import re
from datetime import datetime
from typing import Any

import httpx
import pytest

from live.journal import Keys
from live.journal.connection import connect
from live.journal.sessions import sign_in_links
from live.logs import FORMATTERS, HIDDEN, JSONFormatter, TextFormatter, without_secrets
from live.web.request_ids import REQUEST_ID
from tests.conftest import StartNode, editor_of
from tests.faults.readers import Reader
from tests.node import Node, eventually
from tests.web.desk import browser, new_holder, proof, sign_in
from tests.web.samples import create, post

TOKEN = f"live_0123456789ab_{'x' * 43}"
MADE = re.compile(r"[0-9a-f]{12}-[0-9a-f]+")


def lines_of(node: Node) -> list[dict[str, Any]]:
    """The log so far; every line of it must be an object."""
    return [json.loads(line) for line in node.output.splitlines() if line.startswith("{")]


@pytest.mark.parametrize("path", ["/", "/livez", "/nothing-here", "/api/stories", "/poll.json", "/static/x/css/y.css"])
def test_each_answer_has_a_name_of_its_own(server: Node, path: str) -> None:
    names = [httpx.get(server.url + path).headers["x-request-id"] for _ in range(3)]
    assert len(set(names)) == 3
    assert all(MADE.fullmatch(name) for name in names)


def test_streams_have_names(server: Node) -> None:
    with Reader(server, "ws", topics="front") as one, Reader(server, "sse", topics="front") as other:
        assert one.socket.response is not None
        assert MADE.fullmatch(one.socket.response.headers["x-request-id"])
        assert MADE.fullmatch(other.response.headers["x-request-id"])


@pytest.mark.parametrize(
    ("name", "proxy", "kept"),
    [
        ("trace-1", True, True),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", True, True),
        ("trace-1", False, False),
        ("", True, False),
        ("a" * 129, True, False),
        ("two words", True, False),
        ("<script>", True, False),
    ],
)
def test_a_trusted_proxy_names_requests(server: Node, name: str, proxy: bool, kept: bool) -> None:
    transport = httpx.HTTPTransport(local_address="127.0.0.1" if proxy else "127.0.0.2")
    with httpx.Client(transport=transport, base_url=server.url) as client:
        for path in ("/", "/livez"):
            headers = {"X-Request-ID": name, "X-Forwarded-For": "203.0.113.7"}
            told = client.get(path, headers=headers).headers["x-request-id"]
            assert (told == name) is kept
            assert kept or MADE.fullmatch(told)


def test_lines_of_a_request_have_its_name(start_node: StartNode) -> None:
    node = start_node(log_format="json", log_level="info")
    assert httpx.get(f"{node.url}/story/none?q=1", headers={"X-Request-ID": "one"}).status_code == 404
    assert httpx.get(f"{node.url}/livez", headers={"X-Request-ID": "other"}).status_code == 200
    assert httpx.get(f"{node.url}/", headers={"X-Request-ID": "kept"}).status_code == 200
    eventually(lambda: any(line.get("request") == "kept" for line in lines_of(node)))
    found = {line["request"]: line for line in lines_of(node) if "request" in line}
    one = found["one"]
    assert (one["level"], one["logger"], one["method"], one["path"], one["status"]) == (
        "info", "live.requests", "GET", "/story/none", 404,
    )  # fmt: skip
    assert one["client"] == "127.0.0.1"
    assert 0 < one["ms"] < 5_000
    assert datetime.fromisoformat(one["time"]).tzinfo is not None
    assert found["other"]["status"] == found["kept"]["status"] == 200


def record(message: str, error: Exception | None = None) -> logging.LogRecord:
    info = (type(error), error, None) if error else None
    return logging.LogRecord("live.web", logging.ERROR, "", 0, message, (), info)


def test_an_error_has_the_name_of_its_request_in_either_format() -> None:
    token = REQUEST_ID.set("the-name")
    try:
        text = TextFormatter(str(FORMATTERS["text"]["format"])).format(record("it broke", ValueError("why")))
        line = json.loads(JSONFormatter().format(record("it broke", ValueError("why"))))
    finally:
        REQUEST_ID.reset(token)
    first, *rest = text.splitlines()
    assert first.endswith("ERROR live.web: it broke [the-name]")
    assert rest == ["ValueError: why"]
    assert (line["request"], line["message"], line["error"]) == ("the-name", "it broke", "ValueError: why")
    assert "request" not in json.loads(JSONFormatter().format(record("nobody's")))


SECRET = "ZqkVjTbUyU_vOan341_cv0uKS9kB9SSIbsUGw56vGQA"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"token {TOKEN} was sent", f"token {HIDDEN} was sent"),
        (f"GET /desk/sign-in/{SECRET} 200", f"GET /desk/sign-in/{HIDDEN} 200"),
        (f"Cookie: live-session={SECRET}; other=1", f"Cookie: live-session={HIDDEN}; other=1"),
        ("redis://user:word@redis:6379/0", f"redis://{HIDDEN}@redis:6379/0"),
        ("rediss://:word@redis:6379", f"rediss://{HIDDEN}@redis:6379"),
        ("Authorization: Bearer abc.def", f"Authorization: Bearer {HIDDEN}"),
        ("authorization: basic dXNlcjp3b3Jk", f"authorization: basic {HIDDEN}"),
        ("/desk/sso/callback?code=abc&state=1", f"/desk/sso/callback?code={HIDDEN}&state=1"),
        ("id eyJhbGciOi.eyJzdWIi.c2ln", f"id {HIDDEN}"),
        ("http://127.0.0.1:8000/story/norwick-leaves", "http://127.0.0.1:8000/story/norwick-leaves"),
        ("1700000000000-0 is the cursor", "1700000000000-0 is the cursor"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(text: str, shown: str) -> None:
    assert without_secrets(text) == shown
    assert json.loads(JSONFormatter().format(record(text)))["message"] == shown
    assert TextFormatter(str(FORMATTERS["text"]["format"])).format(record(text)).endswith(shown)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_session_leaves_no_secret_in_the_log(start_node: StartNode, valkey: str, log_format: str) -> None:
    node = start_node(log_format=log_format, log_level="debug")
    holder = new_holder(valkey, node.site, "admin")
    code = sign_in_code(valkey, node.site, holder.record.id)
    secrets = [holder.token, holder.token[-43:], code]
    with browser(node) as somebody, browser(node) as guest, editor_of(node, holder.token) as editor:
        assert sign_in(guest, holder._replace(token=holder.token[:-1] + "!")).status_code == 403
        assert sign_in(somebody, holder).status_code == 303
        secrets += [somebody.cookies["live-session"], *proof(somebody).values()]
        assert somebody.get("/desk").status_code == 200
        assert guest.get(f"/desk/sign-in/{code}").status_code == 200
        assert guest.post(f"/desk/sign-in/{code}").status_code == 303
        secrets.append(guest.cookies["live-session"])
        assert guest.get(f"/desk/sign-in/{code}").status_code == 410
        slug = str(create(editor)["slug"])
        post(editor, slug)
        made = editor.post("/api/tokens", json={"name": "Cleo Marsh", "role": "editor"}).json()["token"]
        secrets.append(made)
        assert somebody.post("/desk/sign-out", data={"csrf": proof(somebody)["Live-CSRF"]}).status_code == 303
        end = httpx.get(f"{node.url}/nothing", headers={"X-Request-ID": "the-end"})
        assert end.status_code == 404
    eventually(lambda: "the-end" in node.output)
    assert "/desk/sign-in/[hidden]" in node.output
    assert [secret for secret in secrets if secret in node.output] == []
    assert "Traceback" not in node.output


def sign_in_code(valkey: str, site: str, token_id: str) -> str:
    """A one-time link's code."""

    async def keep() -> str:
        client = connect(valkey)
        code = await sign_in_links(client, Keys(site)).keep(token_id)
        await client.aclose()
        return code

    return asyncio.run(keep())
