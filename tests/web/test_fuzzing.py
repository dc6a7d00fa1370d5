"""Rubbish at every door: the server answers that it is rubbish, in full, and goes on."""

import http.client
import json
import socket
from collections.abc import Iterator
from urllib.parse import quote, urlencode

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.conftest import editor_of, make_token, new_site
from tests.node import Node

EXAMPLES = settings(max_examples=60)
NAMES = st.sampled_from(["topics", "after", "as", "topics[]", "", "\x00"])
WORDS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["front", "story/", "section/a,front", "1700000000000-0", "-1-0", "9" * 30 + "-0", "html", "json"]),
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=10), inner, max_size=3)),
    max_leaves=8,
)
FIELDS = st.sampled_from("slug headline body by image sections urgency pubStatus publishAt text name role".split())
KINDS = st.sampled_from(["application/json", "text/plain", "application/x+json", "\xff"])
HEADERS = (
    "Cookie Authorization If-Match Idempotency-Key Last-Event-ID Origin Accept Accept-Encoding If-None-Match "
    "X-Forwarded-For X-Forwarded-Proto X-Request-ID Live-CSRF Host Range"
)
VALUES = [b"live-session=" + b"a" * 43, b"Bearer live_0123456789ab_" + b"\xe9" * 43, b'W/"1"', b"gzip;q=x"]
PATHS = ["/api/stories", "/api/stories/none/updates", "/api/notice", "/api/promo", "/api/tokens", "/api/preview"]


@pytest.fixture(scope="module")
def node(valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A server of its own, since much is posted to it."""
    node = Node({"redis_url": valkey, "site": new_site(), "data_dir": tmp_path_factory.mktemp("data")})
    yield node
    assert "Traceback" not in node.output
    node.stop()


@pytest.fixture(scope="module")
def editor(node: Node, valkey: str) -> Iterator[httpx.Client]:
    with editor_of(node, make_token(valkey, node.site, "admin")) as editor:
        yield editor


def assert_answered(answer: httpx.Response) -> None:
    """It is a good answer, or problem details that tell whose fault it is: not ours."""
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code


@given(query=st.lists(st.tuples(NAMES, WORDS), max_size=4))
@example(query=[("after", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"))])
@EXAMPLES
def test_any_query_of_the_stream_and_the_poll_is_answered(node: Node, query: list[tuple[str, str]]) -> None:
    asked = urlencode(query)
    for path in ("/poll.json", "/stream", "/oembed"):
        with httpx.stream("GET", f"{node.url}{path}?{asked}") as answer:
            if answer.headers["content-type"].startswith("text/event-stream"):
                assert answer.status_code == 200
            else:
                answer.read()
                assert_answered(answer)


@pytest.mark.parametrize("path", PATHS)
@given(body=st.one_of(JSON, st.dictionaries(FIELDS, JSON, max_size=5)))
@EXAMPLES
def test_any_json_is_answered(editor: httpx.Client, path: str, body: object) -> None:
    method = "PUT" if path in ("/api/notice", "/api/promo") else "POST"
    data = json.dumps(body).encode()
    assert_answered(editor.request(method, path, content=data, headers={"Content-Type": "application/json"}))


@given(body=st.binary(max_size=200), kind=KINDS)
@example(body=b'{"headline": "\\ud800", "body": "x", "slug": "x", "sections": ["World"]}', kind="application/json")
@example(body=b"[" * 100_000, kind="application/json")
@example(body=b'{"a":' * 20_000, kind="application/json")
@example(body=b'{"urgency": 1e400}', kind="application/json")
@example(body=b'{"urgency": ' + b"9" * 10_000 + b"}", kind="application/json")
@EXAMPLES
def test_any_bytes_are_answered(editor: httpx.Client, body: bytes, kind: str) -> None:
    headers = [(b"Content-Type", kind.encode("latin-1"))]
    assert_answered(editor.post("/api/stories", content=body, headers=headers))


@given(
    form=st.dictionaries(st.sampled_from(["name", "token", "next", "csrf", "x"]), st.text(max_size=60), max_size=4),
    code=st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=50),
)
@settings(max_examples=25)
def test_any_form_at_the_sign_in_is_answered(node: Node, form: dict[str, str], code: str) -> None:
    for path in ("/desk/sign-in", "/desk/sign-out", f"/desk/sign-in/{quote(code)}"):
        answer = httpx.post(f"{node.url}{path}", data=form)
        assert answer.status_code < 500


@given(
    header=st.sampled_from(HEADERS.split()),
    value=st.one_of(
        st.binary(max_size=60).map(lambda data: bytes(byte for byte in data if byte >= 32 and byte != 127)),
        st.sampled_from(VALUES),
    ),
)
@settings(max_examples=120)
def test_any_header_is_answered(node: Node, header: str, value: bytes) -> None:
    for path in ("/", "/api/stories", "/poll.json", "/desk", "/readyz"):
        connection = http.client.HTTPConnection("127.0.0.1", node.settings["port"], timeout=10)
        connection.putrequest("GET", path, skip_host=header == "Host", skip_accept_encoding=True)
        connection.putheader(header, value)
        connection.endheaders()
        answer = connection.getresponse()
        assert answer.status < 500, answer.read()
        connection.close()


@given(data=st.binary(min_size=1, max_size=400))
@example(data=b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
@example(data=b"GET http://[::1 HTTP/1.1\r\n\r\n")
@example(data=b"GET /%ff%00 HTTP/1.1\r\nHost: a\r\n\r\n")
@example(data=b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n")
@example(data=b"GET /stream HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
@example(data=b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n")
@example(data=b"POST /api/stories HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc")
@EXAMPLES
def test_any_bytes_on_a_connection_leave_the_server_well(node: Node, data: bytes) -> None:
    with socket.create_connection(("127.0.0.1", node.settings["port"]), 10) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while piece := connection.recv(65_536):
                answer += piece
        except ConnectionResetError:
            pass
    assert not answer.startswith(b"HTTP/1.1 5"), answer
    assert "Traceback" not in node.output
