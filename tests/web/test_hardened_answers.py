"""Every address of the server, asked in every way: no answer is without its security headers."""

import re
import socket

import httpx
import pytest
from starlette.routing import Mount, Route

from live.journal.connection import connect
from live.node import Node as Parts
from live.routes import routes
from live.settings import Settings
from live.web.headers import SECURITY_HEADERS
from tests.conftest import editor_of
from tests.node import Node

EMBEDDED = ("/story/{slug}/embed", "/embed.js", "/oembed", "/story/{slug}/embed.json")
"""What other sites may show, with a policy of its own."""
SAME_EVERYWHERE = ("X-Content-Type-Options", "Referrer-Policy")


@pytest.fixture
def parts(valkey: str) -> Parts:
    return Parts(Settings(redis_url=valkey), connect(valkey))


def addresses(parts: Parts) -> list[tuple[str, set[str]]]:
    """Each path, and the methods that it takes."""
    found = []
    for route in routes(parts):
        if isinstance(route, Route):
            found.append((route.path, set(route.methods or ())))
        elif isinstance(route, Mount):
            found.append((f"{route.path}/css/live.css", {"GET"}))
    return found


@pytest.mark.anyio
async def test_no_address_answers_without_them(
    parts: Parts, server: Node, tokens: dict[str, str], anyio_backend: str
) -> None:
    asked = addresses(parts)
    await parts.client.aclose()
    assert len(asked) > 50
    nobody, admin = httpx.Client(base_url=server.url), editor_of(server, tokens["admin"])
    with nobody, admin:
        for template, methods in [*asked, ("/nothing/here", {"GET"})]:
            path = re.sub(r"\{\w+\}", "nothing", template)
            for method in sorted(methods | {"DELETE"}):
                for client in (nobody,) if template == "/desk/events" else (nobody, admin):
                    with client.stream(method, path) as answer:
                        told = {name: answer.headers.get(name) for name in SECURITY_HEADERS}
                        assert answer.headers["x-request-id"], path
                        assert answer.status_code < 500, path
                        for name in SAME_EVERYWHERE if template in EMBEDDED else SECURITY_HEADERS:
                            assert told[name] == SECURITY_HEADERS[name], f"{method} {path}"
                        if template in EMBEDDED:
                            assert "default-src 'none'" in (told["Content-Security-Policy"] or ""), path
                        assert "server" not in answer.headers


@pytest.mark.parametrize(
    "request_",
    [
        b"rubbish\r\n\r\n",
        b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: live\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: live\r\nX-Long: " + b"a" * 40_000 + b"\r\n\r\n",
    ],
)
def test_a_refusal_before_the_application_has_them_too(server: Node, request_: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.settings["port"]), 10) as connection:
        connection.sendall(request_)
        answer = connection.recv(65_536).lower()
    for header in (b"nosniff", b"default-src 'none'", b"no-store", b"x-frame-options: deny", b"no-referrer"):
        assert header in answer
